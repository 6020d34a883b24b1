//! Draft and published.

use serde_json::json;
use sqlx::PgConnection;

use crate::audit;
use crate::learning_paths::model::{Finding, LearningPath, Refusal, Severity};
use crate::origin::Origin;
use crate::unlocks::reevaluate::{Target, request};

/// What stands against publishing a locked path: findings of severity error refuse it.
///
/// # Errors
/// The database's.
pub async fn publishable(connection: &mut PgConnection, path: &LearningPath) -> Result<Vec<Finding>, sqlx::Error> {
    let has_way = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM learning_path_quests AS place JOIN quests AS quest ON quest.id = place.quest_id
                          WHERE place.learning_path_id = $1 AND place.is_mandatory AND quest.is_active) AS "has_way!""#,
        path.id.0
    )
    .fetch_one(connection)
    .await?;
    let nothing_to_do = Finding {
        code: "no_mandatory_quest",
        severity: Severity::Error,
        pointer: "/quests".to_owned(),
        detail: "The path has no active mandatory quest.".to_owned(),
        suggestion: "Activate one of its mandatory quests, or add one that is active.".to_owned(),
    };
    Ok(if has_way { Vec::new() } else { vec![nothing_to_do] })
}

/// Publishes a locked path; nothing happens when it is published already.
///
/// # Errors
/// When a finding stands against it.
pub async fn publish_path(connection: &mut PgConnection, origin: &Origin, path: &LearningPath) -> Result<(), Refusal> {
    if path.is_published {
        return Ok(());
    }
    let findings = publishable(connection, path).await?;
    if findings.iter().any(|finding| finding.severity == Severity::Error) {
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
