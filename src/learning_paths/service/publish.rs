//! Draft and published.

use serde_json::json;
use sqlx::PgConnection;

use super::blueprint::load_blueprint;
use crate::audit;
use crate::learning_paths::lint::{is_publishable, lint};
use crate::learning_paths::model::{LearningPath, Refusal};
use crate::origin::Origin;
use crate::unlocks::reevaluate::{Target, request};

/// Publishes a locked path; nothing happens when it is published already.
///
/// # Errors
/// When a finding stands against it.
pub async fn publish_path(connection: &mut PgConnection, origin: &Origin, path: &LearningPath) -> Result<(), Refusal> {
    if path.is_published {
        return Ok(());
    }
    let findings = lint(&load_blueprint(connection, path.id).await?, origin.clock.now());
    if !is_publishable(&findings) {
        return Err(Refusal::LintFailed(findings));
    }
    set_published(connection, origin, path, true).await
}

/// Makes a locked path a draft again; those who are enrolled keep reading it.
///
/// # Errors
/// The database's.
pub async fn unpublish_path(
    connection: &mut PgConnection,
    origin: &Origin,
    path: &LearningPath,
) -> Result<(), Refusal> {
    if !path.is_published {
        return Ok(());
    }
    set_published(connection, origin, path, false).await
}

async fn set_published(
    connection: &mut PgConnection,
    origin: &Origin,
    path: &LearningPath,
    published: bool,
) -> Result<(), Refusal> {
    sqlx::query!("UPDATE learning_paths SET is_published = $2 WHERE id = $1", path.id.0, published)
        .execute(&mut *connection)
        .await?;
    let action = if published { "publish" } else { "unpublish" };
    let details = json!({ "before": { "isPublished": !published }, "after": { "isPublished": published } });
    audit::note(connection, origin, action, "learning_path", path.id.0, details).await?;
    request(connection, origin, Target::Path(path.id)).await?;
    Ok(())
}
