//! Pause, resume, abandon, notes.

use sqlx::PgConnection;

use super::load::{Loaded, load};
use super::settle::{refresh, settle};
use crate::attempts::model::{AttemptStatus, AttemptWithSteps, Move, Refusal};
use crate::ids::{AttemptId, LearnerId};
use crate::learners::{self, Locked};
use crate::origin::Origin;
use crate::outbox::events::{AttemptMoved, Event};

/// Moves an attempt along its state machine; where it is already, nothing happens.
/// `check` sees the attempt before the move, and may refuse.
///
/// # Errors
/// When the state machine has no such way.
pub async fn move_attempt<E: From<Refusal>>(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: LearnerId,
    id: AttemptId,
    how: Move,
    check: impl FnOnce(&AttemptWithSteps) -> Result<(), E>,
) -> Result<AttemptWithSteps, E> {
    let (mut learner, mut loaded) = lock_and_load(connection, origin, learner, id).await?;
    check(&loaded.view())?;
    move_loaded(connection, origin, &mut learner, &mut loaded, how).await?;
    Ok(loaded.view())
}

/// Changes the learner's notes; `notes` makes the new ones of those that are there.
///
/// # Errors
/// When there is no such attempt.
pub async fn set_notes<E: From<Refusal>>(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: LearnerId,
    id: AttemptId,
    notes: impl FnOnce(Option<String>) -> Result<Option<String>, E>,
    check: impl FnOnce(&AttemptWithSteps) -> Result<(), E>,
) -> Result<AttemptWithSteps, E> {
    let (mut learner, mut loaded) = lock_and_load(connection, origin, learner, id).await?;
    check(&loaded.view())?;
    loaded.attempt.notes = notes(loaded.attempt.notes.take())?;
    settle(connection, &mut learner, origin, &mut loaded, None).await.map_err(Refusal::from)?;
    Ok(loaded.view())
}

async fn lock_and_load(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: LearnerId,
    id: AttemptId,
) -> Result<(Locked, Loaded), Refusal> {
    let mut learner = learners::lock(connection, learner, origin).await?.ok_or(Refusal::NotFound("attempt"))?;
    let mut loaded = load(connection, learner.id, id, None).await?.ok_or(Refusal::NotFound("attempt"))?;
    refresh(connection, &mut learner, origin, &mut loaded).await?;
    Ok((learner, loaded))
}

pub(super) async fn move_loaded(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: &mut Locked,
    loaded: &mut Loaded,
    how: Move,
) -> Result<(), Refusal> {
    let Some(to) = loaded.attempt.status.moved(how)? else { return Ok(()) };
    loaded.attempt.status = to;
    loaded.attempt.abandoned_at = (to == AttemptStatus::Abandoned).then_some(learner.now);
    let moved = AttemptMoved {
        quest_id: loaded.attempt.quest_id,
        attempt_id: loaded.attempt.id,
        title: loaded.attempt.quest_title.clone(),
    };
    let event = match how {
        Move::Pause => Event::QuestPaused(moved),
        Move::Resume => Event::QuestResumed(moved),
        Move::Abandon => Event::QuestAbandoned(moved),
    };
    learner.record(event, None);
    loaded.has_moved = true;
    settle(connection, learner, origin, loaded, None).await?;
    if how == Move::Resume {
        wake_assessments(connection, learner, loaded).await?;
    }
    Ok(())
}

/// Results from outside may have waited for the assessments: their job looks at what is noted here.
async fn wake_assessments(connection: &mut PgConnection, learner: &Locked, loaded: &Loaded) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO assessment_wakeups (attempt_id, assessment_id, due_at)
         SELECT $1, assessment.id, $4 FROM quest_assessments AS assessment
         WHERE assessment.quest_id = $2 AND assessment.retired_at IS NULL
           AND EXISTS (SELECT FROM evidence WHERE auth_user_id = $3 AND kind = 'coding' AND target_id = assessment.evidence_target)
         ON CONFLICT (attempt_id, assessment_id) DO UPDATE SET due_at = excluded.due_at",
        loaded.attempt.id.0,
        loaded.attempt.quest_id.0,
        learner.id.0,
        learner.now,
    )
    .execute(connection)
    .await?;
    Ok(())
}
