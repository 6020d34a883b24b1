//! Timed tries whose time is over: what was saved is handed in, by a job, and at once for whoever looks.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::jobs::{Due, Job, run};
use super::load::standing;
use super::results::wake_attempt;
use super::tries::hand_in_saved;
use crate::assessments::model::{Refusal, is_over};
use crate::attempts::service::{load, refresh};
use crate::clock::Clock;
use crate::db::Db;
use crate::ids::{AssessmentId, AttemptId, LearnerId};
use crate::learners::{self, Locked};
use crate::origin::Origin;

/// Hands in what one learner has left in an attempt, and applies results that have waited; for whoever reads it meanwhile.
///
/// # Errors
/// The database's.
pub async fn expire_tries(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: LearnerId,
    attempt: AttemptId,
) -> Result<(), Refusal> {
    let Some(mut locked) = learners::lock(connection, learner, origin).await? else { return Ok(()) };
    let running = sqlx::query_scalar!(
        r#"SELECT assessment_id AS "id: AssessmentId" FROM assessment_progress WHERE attempt_id = $1 AND try_ends_at < $2"#,
        attempt.0,
        locked.now
    )
    .fetch_all(&mut *connection)
    .await?;
    for assessment in running {
        expire(connection, origin, &mut locked, attempt, assessment).await?;
    }
    wake_attempt(connection, origin, &mut locked, attempt).await
}

/// Hands in one try, if its time is over and nobody has done so.
pub(super) async fn expire(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: &mut Locked,
    attempt: AttemptId,
    assessment: AssessmentId,
) -> Result<(), Refusal> {
    let Some(mut loaded) = load(connection, learner.id, attempt, None).await? else { return Ok(()) };
    refresh(connection, learner, origin, &mut loaded).await?;
    let standing = standing(connection, attempt, assessment).await?;
    match &standing.progress.running {
        Some(running) if is_over(running.ends_at, learner.now) => {
            hand_in_saved(connection, learner, origin, &mut loaded, &standing, running).await?;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Hands in all tries whose time is over. One that cannot be handed in is logged and passed over until the
/// next call.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn run_expired(db: &Db, clock: &Clock) -> Result<(), sqlx::Error> {
    run(db, clock, Job::Expire).await.map(drop)
}

/// All tries of the next learners whose time is over.
pub(super) async fn run_out(
    connection: &mut PgConnection,
    now: DateTime<Utc>,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Due>, sqlx::Error> {
    sqlx::query_as!(
        Due,
        // What has run out is little, whatever the planner thinks of a parameter.
        r#"/* jobs:expired */
           WITH ended AS MATERIALIZED (
               SELECT attempt_id FROM assessment_progress WHERE try_ends_at < $1 ORDER BY try_ends_at LIMIT 1000
           )
           SELECT progress.attempt_id AS "attempt: AttemptId", progress.assessment_id AS "assessment: AssessmentId",
                  attempt.auth_user_id AS learner
           FROM assessment_progress AS progress JOIN user_quest_attempts AS attempt ON attempt.id = progress.attempt_id
           WHERE progress.try_ends_at < $1 AND attempt.auth_user_id IN (
               SELECT due.auth_user_id
               FROM ended JOIN user_quest_attempts AS due ON due.id = ended.attempt_id
               WHERE due.auth_user_id > $2 ORDER BY due.auth_user_id LIMIT $3)
           ORDER BY attempt.auth_user_id, progress.try_ends_at"#,
        now,
        after,
        limit
    )
    .fetch_all(connection)
    .await
}
