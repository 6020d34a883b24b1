//! Tries beyond the limit, which a grader allows.

use serde_json::json;
use sqlx::PgConnection;

use super::load::standing;
use crate::assessments::model::{ExtraTries, ExtraTriesInput, Refusal, my};
use crate::audit;
use crate::ids::{AttemptId, LearnerId};
use crate::learners;
use crate::origin::Origin;

/// Tries that one attempt and unit can be allowed in all.
const MAX_EXTRA: i32 = 1_000;

/// Allows a learner further tries of an assessment, or of a quiz that is a step; audited.
///
/// # Errors
/// When there is no such attempt or unit, or it is the grader's own attempt.
pub async fn allow_extra_tries(
    connection: &mut PgConnection,
    origin: &Origin,
    attempt: AttemptId,
    input: &ExtraTriesInput,
) -> Result<ExtraTries, Refusal> {
    let learner = sqlx::query_scalar!(
        r#"SELECT auth_user_id AS "id: LearnerId" FROM user_quest_attempts WHERE id = $1"#,
        attempt.0
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(Refusal::NotFound("attempt"))?;
    if learner.0 == origin.actor {
        return Err(Refusal::OwnWork);
    }
    let learner = learners::lock(connection, learner, origin).await?.ok_or(Refusal::NotFound("attempt"))?;
    let (kind, unit, extra_tries) = match (input.assessment_id, input.step_id) {
        (Some(assessment), None) => {
            let extra = sqlx::query_scalar!(
                r#"INSERT INTO assessment_progress AS known (attempt_id, assessment_id, extra_tries)
                   SELECT attempt.id, assessment.id, $3
                   FROM user_quest_attempts AS attempt JOIN quest_assessments AS assessment ON assessment.quest_id = attempt.quest_id
                   WHERE attempt.id = $1 AND assessment.id = $2
                   ON CONFLICT (attempt_id, assessment_id) DO UPDATE
                       SET extra_tries = least(known.extra_tries + excluded.extra_tries, $4)
                   RETURNING extra_tries"#,
                attempt.0,
                assessment.0,
                input.tries,
                MAX_EXTRA,
            )
            .fetch_optional(&mut *connection)
            .await?
            .ok_or(Refusal::NotFound("assessment"))?;
            ("assessment", assessment.0, extra)
        }
        (None, Some(step)) => {
            let extra = sqlx::query_scalar!(
                r#"INSERT INTO user_quest_step_progress AS known (id, attempt_id, step_id, extra_tries)
                   SELECT $5, attempt.id, step.id, $3
                   FROM user_quest_attempts AS attempt JOIN quest_steps AS step ON step.quest_id = attempt.quest_id
                   WHERE attempt.id = $1 AND step.id = $2
                   ON CONFLICT (attempt_id, step_id) DO UPDATE
                       SET extra_tries = least(known.extra_tries + excluded.extra_tries, $4)
                   RETURNING extra_tries"#,
                attempt.0,
                step.0,
                input.tries,
                MAX_EXTRA,
                uuid::Uuid::now_v7(),
            )
            .fetch_optional(&mut *connection)
            .await?
            .ok_or(Refusal::NotFound("step"))?;
            ("step", step.0, extra)
        }
        _ => return Err(Refusal::Invalid("/assessmentId", "name either an assessment or a step".to_owned())),
    };
    let details =
        json!({ "attemptId": attempt, "authUserId": learner.id, "tries": input.tries, "reason": input.reason });
    audit::note(connection, origin, "allow extra tries", kind, unit, details).await?;
    let my = match input.assessment_id {
        Some(assessment) => {
            let standing = standing(connection, attempt, assessment).await?;
            Some(my(&standing.rules, &standing.progress, &standing.tries, learner.now))
        }
        None => None,
    };
    Ok(ExtraTries { attempt_id: attempt, assessment_id: input.assessment_id, step_id: input.step_id, extra_tries, my })
}
