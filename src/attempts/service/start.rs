//! Starting a quest: the one gate.

use serde_json::Value;
use sqlx::PgConnection;

use super::load::load;
use super::moves::move_loaded;
use super::settle::refresh;
use crate::attempts::model::{AttemptStatus, AttemptWithSteps, Move, Refusal};
use crate::criteria::LockedView;
use crate::enrollments;
use crate::ids::{AttemptId, LearnerId, QuestId};
use crate::learners;
use crate::origin::Origin;
use crate::outbox::enqueue;
use crate::outbox::events::{AttemptMoved, Event};
use crate::unlocks::{Because, Trigger, explain, gate, judge_after, record};

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
    // The share lock holds off edits of the quest until this attempt is there to be counted. A statement
    // of its own: what follows must read what was committed while this one waited.
    let is_followed = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM learning_path_quests AS link
                          JOIN user_learning_path_progress AS mine ON mine.learning_path_id = link.learning_path_id
                          WHERE link.quest_id = quest.id AND mine.auth_user_id = $2 AND mine.left_at IS NULL) AS "is_followed!"
           FROM quests AS quest WHERE id = $1 FOR SHARE"#,
        quest_id.0,
        learner.id.0,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let (gated, verdict) = gate(connection, learner.now, learner.id, quest_id)
        .await?
        // A draft is as good as not there, and so is what shows nothing of itself while it is locked.
        .filter(|(gated, verdict)| {
            gated.is_active && (verdict.is_available() || verdict.locked_view != LockedView::Hidden)
        })
        .ok_or(Refusal::NotFound("quest"))?;
    if !verdict.is_available() {
        let explained = explain(connection, learner.now, learner.id, [&(gated, verdict)]).await?;
        return Err(explained
            .into_values()
            .next()
            .map_or(Refusal::NotFound("quest"), |shown| Refusal::Locked(Box::new(shown))));
    }
    // Who is enrolled goes on in a path that is a draft again.
    let is_in_path = !gated.entries.is_empty() || is_followed == Some(true);
    let title = gated.title.clone();
    record(connection, &mut learner, &[(gated, verdict)], Because::default()).await?;
    let id = AttemptId::generate();
    sqlx::query!(
        // Results from outside may have waited for its assessments: their job looks at what is noted here.
        "WITH begun AS (
             INSERT INTO user_quest_attempts (id, auth_user_id, quest_id, status, started_at, current_step_id, units_version)
             SELECT $1, $2, $3, 'InProgress', $4,
                    (SELECT id FROM quest_steps WHERE quest_id = $3 AND retired_at IS NULL AND NOT is_optional
                     ORDER BY step_number LIMIT 1), units_version
             FROM quests WHERE id = $3
             RETURNING id
         )
         INSERT INTO assessment_wakeups (attempt_id, assessment_id, due_at)
         SELECT begun.id, assessment.id, $4
         FROM begun, quest_assessments AS assessment
         WHERE assessment.quest_id = $3 AND assessment.retired_at IS NULL
           AND EXISTS (SELECT FROM evidence WHERE auth_user_id = $2 AND kind = 'coding' AND target_id = assessment.evidence_target)",
        id.0,
        learner.id.0,
        quest_id.0,
        learner.now,
    )
    .execute(&mut *connection)
    .await?;
    let started = learner.record(Event::QuestStarted(AttemptMoved { quest_id, attempt_id: id, title }), None);
    if is_in_path {
        // A path that begins may start delays, and is no longer NotStarted for who is enrolled.
        let judged = judge_after(connection, &learner, Trigger::Moved(&[quest_id])).await?;
        let because = Because { cause: Some(started), ..Because::default() };
        record(connection, &mut learner, &judged, because).await?;
        enrollments::update_judged(connection, &mut learner, &judged, Some(started)).await?;
    }
    enqueue(connection, &mut learner, origin).await?;
    let mut loaded = load(connection, learner.id, id, None).await?.ok_or(Refusal::NotFound("attempt"))?;
    // Results from outside may have waited for this.
    refresh(connection, &mut learner, origin, &mut loaded).await?;
    Ok((loaded.view(), true))
}

/// A document as it is kept: JSON null is nothing.
pub(super) fn kept(document: Option<Value>) -> Option<Value> {
    document.filter(|document| !document.is_null())
}
