//! Start, complete and skip a step.

use rust_decimal::Decimal;
use serde_json::Value;
use sqlx::PgConnection;

use super::load::{Loaded, load};
use super::settle::{refresh, settle};
use super::start::kept;
use crate::attempts::model::{
    AttemptWithSteps, Completion, Outcome, Refusal, StepProgress, StepStatus, StepType, may_work,
};
use crate::criteria::{Claim, Observed, ValidationCriteria};
use crate::ids::{AttemptId, LearnerId, QuestId, StepId};
use crate::learners::{self, Locked};
use crate::origin::Origin;
use crate::rewards::{Earned, Kind};
use crate::unlocks::Unlocked;

/// The step of an attempt that a call is about.
#[derive(Debug, Clone, Copy)]
pub struct At {
    pub learner: LearnerId,
    pub attempt: AttemptId,
    pub step: StepId,
}

async fn lock_and_load(
    connection: &mut PgConnection,
    origin: &Origin,
    at: At,
) -> Result<(Locked, Loaded, usize), Refusal> {
    let mut learner = learners::lock(connection, at.learner, origin).await?.ok_or(Refusal::NotFound("attempt"))?;
    let mut loaded =
        load(connection, at.learner, at.attempt, Some(at.step)).await?.ok_or(Refusal::NotFound("attempt"))?;
    refresh(connection, &mut learner, origin, &mut loaded).await?;
    let index = loaded.steps.iter().position(|step| step.step_id == at.step).ok_or(Refusal::NotFound("step"))?;
    // A retired step is history: it can be looked at, not worked on.
    if loaded.steps[index].is_retired && loaded.steps[index].status != StepStatus::Completed {
        return Err(Refusal::NotFound("step"));
    }
    Ok((learner, loaded, index))
}

/// Starts a step; one that is under way or done stays as it is.
///
/// # Errors
/// When the attempt is not open, or an earlier mandatory step is missing.
pub async fn start_step<E: From<Refusal>>(
    connection: &mut PgConnection,
    origin: &Origin,
    at: At,
    check: impl FnOnce(&AttemptWithSteps) -> Result<(), E>,
) -> Result<AttemptWithSteps, E> {
    let (mut learner, mut loaded, index) = lock_and_load(connection, origin, at).await?;
    check(&loaded.view())?;
    let status = loaded.steps[index].status;
    if matches!(status, StepStatus::NotStarted | StepStatus::Skipped) {
        may_work(loaded.attempt.status, &loaded.steps, &loaded.steps[index])?;
        begin(&mut loaded.steps[index], &learner);
        settle(connection, &mut learner, origin, &mut loaded, Some(index)).await.map_err(Refusal::from)?;
    }
    Ok(loaded.view())
}

/// Skips an optional step; it can be done later all the same.
///
/// # Errors
/// When the step is mandatory or completed, or the attempt is not open.
pub async fn skip_step<E: From<Refusal>>(
    connection: &mut PgConnection,
    origin: &Origin,
    at: At,
    check: impl FnOnce(&AttemptWithSteps) -> Result<(), E>,
) -> Result<AttemptWithSteps, E> {
    let (mut learner, mut loaded, index) = lock_and_load(connection, origin, at).await?;
    check(&loaded.view())?;
    let step = &loaded.steps[index];
    if !step.is_optional {
        return Err(Refusal::NotOptional.into());
    }
    match step.status {
        StepStatus::Completed => return Err(Refusal::StepCompleted.into()),
        StepStatus::Skipped => return Ok(loaded.view()),
        StepStatus::NotStarted | StepStatus::InProgress => {}
    }
    may_work(loaded.attempt.status, &loaded.steps, step)?;
    loaded.steps[index].status = StepStatus::Skipped;
    settle(connection, &mut learner, origin, &mut loaded, Some(index)).await.map_err(Refusal::from)?;
    Ok(loaded.view())
}

/// Completes a step if its criteria are met. A try that does not meet them is counted all the same.
///
/// # Errors
/// When the step cannot be worked on, or what was handed in is malformed.
pub async fn complete_step<E: From<Refusal>>(
    connection: &mut PgConnection,
    origin: &Origin,
    at: At,
    submission: Option<Value>,
    max_playback_rate: Decimal,
    check: impl FnOnce(&AttemptWithSteps) -> Result<(), E>,
) -> Result<Outcome, E> {
    let (mut learner, mut loaded, index) = lock_and_load(connection, origin, at).await?;
    check(&loaded.view())?;
    if loaded.steps[index].status == StepStatus::Completed {
        let completion = replay(connection, &loaded, index, at).await.map_err(Refusal::from)?;
        return Ok(Outcome::Completed(Box::new(completion)));
    }
    may_work(loaded.attempt.status, &loaded.steps, &loaded.steps[index])?;
    let submission = kept(submission);
    let kind = loaded.steps[index].step_type;
    let claim = Claim::parse(kind, submission.as_ref()).map_err(Refusal::Malformed)?;
    let criteria = parse_criteria(&loaded, kind)?;

    let step = &mut loaded.steps[index];
    begin(step, &learner);
    step.attempts_count += 1;
    step.submission_data = submission;
    if let Some(criteria) = criteria {
        let observed = Observed {
            elapsed_seconds: step.started_at.map_or(0, |started| (learner.now - started).num_seconds()),
            video_duration_seconds: loaded.target.content.as_ref().and_then(Observed::video_duration),
            max_playback_rate,
        };
        if let Err(unmet) = criteria.check(&claim, &observed) {
            settle(connection, &mut learner, origin, &mut loaded, Some(index)).await.map_err(Refusal::from)?;
            return Ok(Outcome::NotMet { unmet, step: Box::new(loaded.steps[index].clone()) });
        }
    }
    let step = &mut loaded.steps[index];
    step.status = StepStatus::Completed;
    step.completed_at = Some(learner.now);
    let settled = settle(connection, &mut learner, origin, &mut loaded, Some(index)).await.map_err(Refusal::from)?;
    Ok(Outcome::Completed(Box::new(Completion {
        step: loaded.steps[index].clone(),
        attempt: loaded.view(),
        earned: settled.earned,
        unlocked: settled.unlocked,
    })))
}

fn begin(step: &mut StepProgress, learner: &Locked) {
    step.status = StepStatus::InProgress;
    step.started_at = step.started_at.or(Some(learner.now));
}

/// The criteria, if they are for the learner's word to meet.
fn parse_criteria(loaded: &Loaded, kind: StepType) -> Result<Option<ValidationCriteria>, Refusal> {
    let Some(document) = &loaded.target.validation_criteria else {
        if kind == StepType::Coding {
            return Err(Refusal::ValidationNotAvailable("a Coding step is completed by its grader"));
        }
        return Ok(None);
    };
    let criteria = ValidationCriteria::parse(document).map_err(|violations| {
        tracing::error!(?violations, "stored criteria do not parse");
        Refusal::ValidationNotAvailable("the criteria of this step cannot be checked; its author has to mend them")
    })?;
    if criteria.checkable_on_completion() {
        return Ok(Some(criteria));
    }
    Err(Refusal::ValidationNotAvailable(match kind {
        StepType::Coding => "a Coding step is completed by its grader",
        StepType::Discussion => "this step is completed by the meeting that it asks for",
        _ => "what this step asks for cannot be checked yet",
    }))
}

/// What completing the step gave when it was completed.
async fn replay(
    connection: &mut PgConnection,
    loaded: &Loaded,
    index: usize,
    at: At,
) -> Result<Completion, sqlx::Error> {
    let earned = sqlx::query!(
        "SELECT reward.kind, reward.points, reward.skill_tag
         FROM reward_grants AS reward LEFT JOIN outbox_events AS event ON event.id = reward.id
         WHERE reward.auth_user_id = $1 AND reward.objective_id = ANY($2) AND reward.trigger_id = $3
         ORDER BY event.learner_seq, (reward.objective_type = 'Quest'), (reward.kind <> 'XP'), reward.skill_tag",
        at.learner.0,
        &[at.step.0, loaded.attempt.quest_id.0],
        at.step.0,
    )
    .fetch_all(&mut *connection)
    .await?
    .into_iter()
    .map(|row| Earned {
        kind: if row.kind == Kind::Xp.as_str() { Kind::Xp } else { Kind::SkillPoints },
        points: row.points,
        skill_tag: row.skill_tag,
    })
    .collect();
    let unlocked = sqlx::query_as!(
        Unlocked,
        r#"SELECT quest.id AS "quest_id: QuestId", quest.title
           FROM quest_unlocks AS unlock JOIN quests AS quest ON quest.id = unlock.quest_id
           WHERE unlock.auth_user_id = $1 AND unlock.trigger_id = $2 AND unlock.announced_at IS NOT NULL ORDER BY quest.title, quest.id"#,
        at.learner.0,
        at.step.0,
    )
    .fetch_all(connection)
    .await?;
    Ok(Completion { step: loaded.steps[index].clone(), attempt: loaded.view(), earned, unlocked })
}
