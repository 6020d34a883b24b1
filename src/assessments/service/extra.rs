//! Tries beyond the limit, which a grader allows.

use serde_json::json;
use sqlx::PgConnection;

use super::load::standing;
use crate::assessments::model::{MoreTries, MoreTriesInput, Refusal, my};
use crate::audit;
use crate::ids::{AttemptId, LearnerId};
use crate::learners;
use crate::origin::Origin;

/// Tries that one attempt and assessment can be allowed in all.
const MAX_EXTRA: i32 = 1_000;

/// Allows a learner further tries of an assessment; audited.
///
/// # Errors
/// When there is no such attempt or assessment, or it is the grader's own attempt.
pub async fn allow_extra_tries(
    connection: &mut PgConnection,
    origin: &Origin,
    attempt: AttemptId,
    input: &MoreTriesInput,
) -> Result<MoreTries, Refusal> {
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
    let extra_tries = sqlx::query_scalar!(
        "INSERT INTO assessment_progress AS known (attempt_id, assessment_id, extra_tries)
         SELECT attempt.id, assessment.id, $3
         FROM user_quest_attempts AS attempt JOIN quest_assessments AS assessment ON assessment.quest_id = attempt.quest_id
         WHERE attempt.id = $1 AND assessment.id = $2
         ON CONFLICT (attempt_id, assessment_id) DO UPDATE SET extra_tries = least(known.extra_tries + excluded.extra_tries, $4)
         RETURNING extra_tries",
        attempt.0,
        input.assessment_id.0,
        input.tries,
        MAX_EXTRA,
    )
    .fetch_optional(&mut *connection)
    .await?
    .ok_or(Refusal::NotFound("assessment"))?;
    let details =
        json!({ "attemptId": attempt, "authUserId": learner.id, "tries": input.tries, "reason": input.reason });
    audit::note(connection, origin, "allow extra tries", "assessment", input.assessment_id.0, details).await?;
    let standing = standing(connection, attempt, input.assessment_id).await?;
    Ok(MoreTries {
        attempt_id: attempt,
        assessment_id: input.assessment_id,
        extra_tries,
        my: my(&standing.rules, &standing.progress, &standing.tries, learner.now),
    })
}
