//! Start, complete and skip a step.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde_json::Value;
use sqlx::PgConnection;

use super::load::{Loaded, load};
use super::settle::{Settled, refresh, settle};
use super::start::kept;
use crate::attempts::judge::{Judged, Verdict, judge};
use crate::attempts::model::{
    AttemptWithSteps, Awaited, Completion, Outcome, Refusal, Review, ReviewStatus, StepScore, StepStatus, StepType,
    may_try, may_work,
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
        loaded.steps[index].begin(learner.now);
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
    let step = &mut loaded.steps[index];
    step.status = StepStatus::Skipped;
    // Work that waits for a reviewer is taken back with it.
    (step.review, step.kept.reviewed_by) = (None, None);
    settle(connection, &mut learner, origin, &mut loaded, Some(index)).await.map_err(Refusal::from)?;
    Ok(loaded.view())
}

/// Completes a step if its criteria are met. A try that does not meet them is counted all the same; work
/// that a person has to look at waits.
///
/// # Errors
/// When the step cannot be worked on, no try is taken now, or what was handed in is malformed.
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
    let submission = kept(submission);
    let Some(judged) = check_try(&loaded, index, submission.as_ref(), max_playback_rate, learner.now)? else {
        return Ok(Outcome::Completed(Box::new(completion(&loaded, index, Settled::default()))));
    };

    let step = &mut loaded.steps[index];
    step.count_try(learner.now);
    step.submission_data = submission;
    step.score = judged.score.map(StepScore::from);
    step.feedback = judged.feedback;
    (step.review, step.kept.reviewed_by) = (None, None);
    loaded.trigger = Some(at.step);
    match judged.verdict {
        Verdict::Met => step.complete(learner.now),
        Verdict::Review => {
            step.review = Some(Review { status: ReviewStatus::Waiting, submitted_at: learner.now, reviewed_at: None });
        }
        Verdict::NotMet(_) => {}
    }
    loaded.target.limits.show_on(step);
    let settled = settle(connection, &mut learner, origin, &mut loaded, Some(index)).await.map_err(Refusal::from)?;
    Ok(match judged.verdict {
        Verdict::NotMet(unmet) => Outcome::NotMet { unmet, step: Box::new(loaded.steps[index].clone()) },
        Verdict::Met | Verdict::Review => Outcome::Completed(Box::new(completion(&loaded, index, settled))),
    })
}

/// Whether a try is taken now, and what it comes to; None when the very same work waits already.
fn check_try(
    loaded: &Loaded,
    index: usize,
    submission: Option<&Value>,
    max_playback_rate: Decimal,
    now: DateTime<Utc>,
) -> Result<Option<Judged>, Refusal> {
    let step = &loaded.steps[index];
    may_work(loaded.attempt.status, &loaded.steps, step)?;
    let criteria = parse_criteria(loaded, step.step_type)?;
    let claim = Claim::parse(step.step_type, submission).map_err(Refusal::Malformed)?;
    if step.waits_for_review() {
        return if step.submission_data.as_ref() == submission { Ok(None) } else { Err(Refusal::ReviewPending) };
    }
    may_try(step, now)?;
    let started = step.started_at.unwrap_or(now);
    let observed = Observed {
        elapsed_seconds: (now - started).num_seconds(),
        video_duration_seconds: loaded.target.content.as_ref().and_then(Observed::video_duration),
        max_playback_rate,
    };
    judge(criteria.as_ref(), &claim, &observed).map(Some).map_err(Refusal::Malformed)
}

fn completion(loaded: &Loaded, index: usize, settled: Settled) -> Completion {
    Completion {
        step: loaded.steps[index].clone(),
        attempt: loaded.view(),
        earned: settled.earned,
        unlocked: settled.unlocked,
    }
}

/// The criteria, if a learner's call may meet them.
fn parse_criteria(loaded: &Loaded, kind: StepType) -> Result<Option<ValidationCriteria>, Refusal> {
    let Some(document) = &loaded.target.validation_criteria else {
        if kind == StepType::Coding {
            return Err(Refusal::AwaitsResult(Awaited::Coding { grader_ref: None, problem_id: None }));
        }
        return Ok(None);
    };
    let criteria = ValidationCriteria::parse(document).map_err(|violations| {
        let pointers: Vec<String> = violations.into_iter().map(|violation| violation.pointer).collect();
        tracing::error!(?pointers, "stored criteria do not parse");
        Refusal::ValidationNotAvailable
    })?;
    match criteria {
        ValidationCriteria::Coding(coding) => Err(Refusal::AwaitsResult(Awaited::Coding {
            grader_ref: Some(coding.grader_ref),
            problem_id: Some(coding.problem_id),
        })),
        _ if criteria.awaits_result() => Err(Refusal::AwaitsResult(Awaited::Meeting)),
        _ => Ok(Some(criteria)),
    }
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
         WHERE reward.auth_user_id = $1 AND (reward.trigger_id = $2 OR reward.objective_id = $2)
         ORDER BY event.learner_seq, (reward.objective_type = 'Quest'), (reward.kind <> 'XP'), reward.skill_tag",
        at.learner.0,
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
    Ok(completion(loaded, index, Settled { earned, unlocked }))
}
