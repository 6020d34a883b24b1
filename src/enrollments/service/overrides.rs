//! Exceptions that an admin makes for one learner and one quest.

use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::jobs::follow;
use crate::audit;
use crate::enrollments::model::{Override, OverrideInput, Refusal};
use crate::ids::LearnerId;
use crate::learners;
use crate::origin::Origin;
use crate::outbox::enqueue;
use crate::unlocks::{Because, gate, record};

/// Makes an exception; what it opens is announced at once.
///
/// # Errors
/// When there is no such quest, or it would be over before it begins.
pub async fn add_override(
    connection: &mut PgConnection,
    origin: &Origin,
    input: OverrideInput,
) -> Result<Override, Refusal> {
    let mut learner = learners::enrol(connection, LearnerId(input.auth_user_id), origin).await?;
    if input.expires_at.is_some_and(|expires| expires <= learner.now) {
        return Err(Refusal::Invalid("/expiresAt", "must be in the future".to_owned()));
    }
    let exists = sqlx::query_scalar!("SELECT 1 AS one FROM quests WHERE id = $1 FOR KEY SHARE", input.quest_id.0)
        .fetch_optional(&mut *connection)
        .await?;
    if exists.is_none() {
        return Err(Refusal::Invalid("/questId", format!("there is no quest {}", input.quest_id)));
    }
    let made = Override { id: Uuid::now_v7(), input, created_by: origin.actor, created_at: learner.now };
    sqlx::query!(
        "INSERT INTO unlock_overrides (id, auth_user_id, quest_id, kind, reason, expires_at, created_by, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        made.id,
        made.input.auth_user_id,
        made.input.quest_id.0,
        made.input.kind.as_str(),
        made.input.reason,
        made.input.expires_at,
        made.created_by,
        made.created_at,
    )
    .execute(&mut *connection)
    .await?;
    audit::note(connection, origin, "override unlock", "quest", made.input.quest_id.0, json!({ "after": made }))
        .await?;
    let judged = gate(connection, learner.now, learner.id, made.input.quest_id).await?;
    let judged: Vec<_> = judged.into_iter().collect();
    record(connection, &mut learner, &judged, Because::default()).await?;
    // What has opened before, and was closed by its chapter or window, opens without being recorded again.
    follow(connection, &mut learner, &[made.input.quest_id]).await?;
    enqueue(connection, &mut learner, origin).await?;
    Ok(made)
}
