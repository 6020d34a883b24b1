//! Tries beyond the limit, so that nobody is stuck for ever.

use serde_json::json;
use sqlx::PgConnection;

use super::load::load;
use super::reviews::owner;
use super::settle::{refresh, settle};
use crate::attempts::model::{ExtraTries, Refusal, StepStatus};
use crate::audit;
use crate::ids::{AttemptId, StepId};
use crate::learners;
use crate::origin::Origin;

/// Allows a learner more tries of a step than its criteria do, audited with the reason.
///
/// # Errors
/// When there is no such step to work on, it is completed, or it is the grader's own.
pub async fn allow_extra_tries(
    connection: &mut PgConnection,
    origin: &Origin,
    (attempt, step): (AttemptId, StepId),
    tries: i32,
    reason: &str,
) -> Result<ExtraTries, Refusal> {
    let learner = owner(connection, attempt).await?;
    if learner.0 == origin.actor {
        return Err(Refusal::OwnWork);
    }
    let mut learner = learners::lock(connection, learner, origin).await?.ok_or(Refusal::NotFound("attempt"))?;
    let mut loaded = load(connection, learner.id, attempt, Some(step)).await?.ok_or(Refusal::NotFound("attempt"))?;
    refresh(connection, &mut learner, origin, &mut loaded).await?;
    let index = loaded
        .steps
        .iter()
        .position(|known| known.step_id == step && !known.is_retired)
        .ok_or(Refusal::NotFound("step"))?;
    let progress = &mut loaded.steps[index];
    if progress.status == StepStatus::Completed {
        return Err(Refusal::StepCompleted);
    }
    progress.kept.extra_tries = progress.kept.extra_tries.saturating_add(tries);
    loaded.target.limits.show_on(progress);
    let extra = ExtraTries {
        attempt_id: attempt,
        step_id: step,
        extra_tries: progress.kept.extra_tries,
        attempts_count: progress.attempts_count,
        attempts_left: progress.attempts_left,
    };
    settle(connection, &mut learner, origin, &mut loaded, Some(index)).await?;
    let details = json!({ "attemptId": attempt, "tries": tries, "reason": reason });
    audit::note(connection, origin, "allow extra tries", "step", step.0, details).await?;
    Ok(extra)
}
