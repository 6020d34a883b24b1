//! Starting a quest: the one gate.

use serde_json::Value;
use sqlx::PgConnection;

use super::load::load;
use super::moves::move_loaded;
use super::settle::refresh;
use crate::attempts::model::{AttemptStatus, AttemptWithSteps, Move, Refusal};
use crate::ids::{AttemptId, LearnerId, QuestId};
use crate::learners;
use crate::origin::Origin;
use crate::outbox::enqueue;
use crate::outbox::events::{AttemptMoved, Event};
use crate::quests::model::QuestType;
use crate::unlocks::{Availability, Unlocked, gate, record_opening};

/// Starts a quest, or gives back the attempt that is there: an abandoned one is taken up again.
/// The flag says whether the attempt is new.
///
/// # Errors
/// When the quest is not available to the learner.
pub async fn start_attempt(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: LearnerId,
    quest_id: QuestId,
) -> Result<(AttemptWithSteps, bool), Refusal> {
    let mut learner = learners::enrol(connection, learner, origin).await?;
    let existing = sqlx::query_scalar!(
        r#"SELECT id AS "id: AttemptId" FROM user_quest_attempts WHERE auth_user_id = $1 AND quest_id = $2"#,
        learner.id.0,
        quest_id.0
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(id) = existing {
        let mut loaded = load(connection, learner.id, id, None).await?.ok_or(Refusal::NotFound("attempt"))?;
        refresh(connection, &mut learner, origin, &mut loaded).await?;
        if loaded.attempt.status == AttemptStatus::Abandoned {
            move_loaded(connection, origin, &mut learner, &mut loaded, Move::Resume).await?;
        }
        return Ok((loaded.view(), false));
    }
    // The share lock holds off edits of the quest until this attempt is there to be counted.
    let quest = sqlx::query!(
        r#"SELECT title, quest_type AS "quest_type: QuestType", is_active, units_version,
                  (SELECT id FROM quest_steps WHERE quest_id = $1 AND retired_at IS NULL AND NOT is_optional
                   ORDER BY step_number LIMIT 1) AS first_step
           FROM quests WHERE id = $1 FOR SHARE"#,
        quest_id.0
    )
    .fetch_optional(&mut *connection)
    .await?
    // A draft is as good as not there.
    .filter(|quest| quest.is_active)
    .ok_or(Refusal::NotFound("quest"))?;
    let gate = gate(connection, learner.id, quest_id, quest.is_active).await?;
    if gate.availability != Availability::Available {
        return Err(Refusal::Locked(gate.conditions));
    }
    if !gate.conditions.is_empty() && !gate.opened_before {
        let opened = Unlocked { quest_id, title: quest.title.clone(), quest_type: quest.quest_type };
        record_opening(connection, &mut learner, &opened, &gate.conditions).await?;
    }
    let id = AttemptId::generate();
    sqlx::query!(
        "INSERT INTO user_quest_attempts (id, auth_user_id, quest_id, status, started_at, current_step_id, units_version)
         VALUES ($1, $2, $3, 'InProgress', $4, $5, $6)",
        id.0,
        learner.id.0,
        quest_id.0,
        learner.now,
        quest.first_step,
        quest.units_version,
    )
    .execute(&mut *connection)
    .await?;
    learner.record(Event::QuestStarted(AttemptMoved { quest_id, attempt_id: id, title: quest.title }), None);
    enqueue(connection, &mut learner, origin).await?;
    let loaded = load(connection, learner.id, id, None).await?.ok_or(Refusal::NotFound("attempt"))?;
    Ok((loaded.view(), true))
}

/// A document as it is kept: JSON null is nothing.
pub(super) fn kept(document: Option<Value>) -> Option<Value> {
    document.filter(|document| !document.is_null())
}
