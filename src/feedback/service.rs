//! Operations on feedback.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::model::{Feedback, FeedbackCategory, FeedbackInput, Refusal};
use crate::audit;
use crate::ids::{FeedbackId, LearnerId, QuestId};
use crate::learners;
use crate::origin::Origin;

/// Keeps what a learner says of a quest, in place of what the same learner said under the same category; true
/// if there was none. What is said anew is open again.
///
/// # Errors
/// When the learner has no attempt at the quest.
pub async fn give(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: LearnerId,
    quest: QuestId,
    input: &FeedbackInput,
) -> Result<(Feedback, bool), Refusal> {
    // Who is being erased meanwhile leaves nothing behind.
    learners::lock(connection, learner, origin).await?;
    let id = FeedbackId::generate();
    let given = sqlx::query_as!(
        Feedback,
        r#"/* feedback:give */
           INSERT INTO quest_feedback AS known (id, quest_id, auth_user_id, category, rating, comment, created_at, updated_at)
           SELECT $1, quest_id, auth_user_id, $4, $5, $6, $7, $7
           FROM user_quest_attempts WHERE auth_user_id = $2 AND quest_id = $3
           ON CONFLICT (auth_user_id, quest_id, category) DO UPDATE SET
               rating = excluded.rating, comment = excluded.comment, updated_at = excluded.updated_at,
               resolved_at = NULL, resolved_by = NULL, resolution = NULL
           RETURNING id AS "id: FeedbackId", quest_id AS "quest_id: QuestId", rating,
                     category AS "category: FeedbackCategory", comment, created_at, updated_at, resolved_at, resolution"#,
        id.0,
        learner.0,
        quest.0,
        input.category as FeedbackCategory,
        input.rating,
        input.comment,
        origin.clock.now()
    )
    .fetch_optional(connection)
    .await?;
    given.map(|given| (given.id == id, given)).map(|(is_new, given)| (given, is_new)).ok_or(Refusal::NotBegun)
}

/// Feedback on a quest, newest first.
///
/// # Errors
/// The database's.
pub async fn list(
    connection: &mut PgConnection,
    quest: QuestId,
    category: Option<FeedbackCategory>,
    is_resolved: Option<bool>,
    after: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<Feedback>, sqlx::Error> {
    let (at, id) = after.unzip();
    sqlx::query_as!(
        Feedback,
        r#"SELECT id AS "id: FeedbackId", quest_id AS "quest_id: QuestId", rating,
                  category AS "category: FeedbackCategory", comment, created_at, updated_at, resolved_at, resolution
           FROM quest_feedback
           WHERE quest_id = $1 AND ($2::text IS NULL OR category = $2)
             AND ($3::bool IS NULL OR (resolved_at IS NOT NULL) = $3)
             AND (updated_at, id) < (coalesce($4::timestamptz, 'infinity'), coalesce($5::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
           ORDER BY updated_at DESC, id DESC LIMIT $6"#,
        quest.0,
        category as Option<FeedbackCategory>,
        is_resolved,
        at,
        id,
        limit
    )
    .fetch_all(connection)
    .await
}

/// Settles feedback; settling it again only changes the words.
///
/// # Errors
/// When there is no such feedback.
pub async fn resolve(
    connection: &mut PgConnection,
    origin: &Origin,
    id: FeedbackId,
    resolution: Option<&str>,
) -> Result<Feedback, Refusal> {
    // Under the lock of who gave it: what is said of somebody who is being erased must not come after.
    let giver = sqlx::query_scalar!("SELECT auth_user_id FROM quest_feedback WHERE id = $1", id.0)
        .fetch_optional(&mut *connection)
        .await?
        .ok_or(Refusal::NotFound("feedback"))?;
    learners::lock(connection, LearnerId(giver), origin).await?;
    let resolved = sqlx::query_as!(
        Feedback,
        r#"UPDATE quest_feedback SET resolved_at = coalesce(resolved_at, $2), resolved_by = $3, resolution = $4 WHERE id = $1
           RETURNING id AS "id: FeedbackId", quest_id AS "quest_id: QuestId", rating,
                     category AS "category: FeedbackCategory", comment, created_at, updated_at, resolved_at, resolution"#,
        id.0,
        origin.clock.now(),
        origin.actor,
        resolution
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(Refusal::NotFound("feedback"))?;
    audit::note(connection, origin, "resolve feedback", "feedback", id.0, json!({ "resolution": resolution })).await?;
    Ok(resolved)
}
