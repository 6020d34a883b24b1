//! Draft and published.

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::blueprint::load_blueprint;
use crate::audit;
use crate::ids::LearningPathId;
use crate::learning_paths::lint::{is_publishable, lint};
use crate::learning_paths::model::{LearningPath, Refusal};
use crate::origin::Origin;
use crate::unlocks::reevaluate::{Touched, request};

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
    let quests =
        sqlx::query_scalar!("SELECT quest_id FROM learning_path_quests WHERE learning_path_id = $1", path.id.0)
            .fetch_all(&mut *connection)
            .await?;
    request(connection, origin, Touched { quests: &quests, paths: &[path.id.0] }).await?;
    Ok(())
}

/// Locks the quests of a path in the order of their ids, before the path itself; gives those that are drafts.
///
/// # Errors
/// The database's.
pub async fn lock_drafts(connection: &mut PgConnection, path: LearningPathId) -> Result<Vec<Uuid>, sqlx::Error> {
    let quests = sqlx::query!(
        "SELECT id, is_active FROM quests WHERE id IN (SELECT quest_id FROM learning_path_quests WHERE learning_path_id = $1)
         ORDER BY id FOR NO KEY UPDATE",
        path.0
    )
    .fetch_all(connection)
    .await?;
    Ok(quests.into_iter().filter(|quest| !quest.is_active).map(|quest| quest.id).collect())
}

/// Activates locked quests; learners are judged anew in the background.
///
/// # Errors
/// When one of them cannot be active.
pub async fn activate_drafts(connection: &mut PgConnection, origin: &Origin, drafts: &[Uuid]) -> Result<(), Refusal> {
    if drafts.is_empty() {
        return Ok(());
    }
    let unfit = sqlx::query_scalar!(
        "SELECT title FROM quests AS quest WHERE id = ANY($1) AND (
             NOT EXISTS (SELECT FROM quest_steps WHERE quest_id = quest.id AND retired_at IS NULL AND NOT is_optional)
                 AND NOT EXISTS (SELECT FROM quest_assessments WHERE quest_id = quest.id AND retired_at IS NULL)
             OR EXISTS (SELECT FROM quest_steps WHERE quest_id = quest.id AND retired_at IS NULL
                        AND step_type = 'Coding' AND validation_criteria IS NULL))
         ORDER BY title",
        drafts
    )
    .fetch_all(&mut *connection)
    .await?;
    if !unfit.is_empty() {
        let named: Vec<String> = unfit.iter().map(|title| format!("“{title}”")).collect();
        return Err(Refusal::NotActivatable(named.join(", ")));
    }
    sqlx::query!("UPDATE quests SET is_active = TRUE WHERE id = ANY($1)", drafts).execute(&mut *connection).await?;
    for quest in drafts {
        let details = json!({ "before": { "isActive": false }, "after": { "isActive": true } });
        audit::note(connection, origin, "update", "quest", *quest, details).await?;
    }
    request(connection, origin, Touched { quests: drafts, paths: &[] }).await?;
    Ok(())
}
