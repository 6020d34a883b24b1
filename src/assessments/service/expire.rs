//! Timed tries whose time is over: what was saved is handed in, by a job, and at once for whoever looks.

use sqlx::PgConnection;
use uuid::Uuid;

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

/// Tries a transaction.
const BATCH: i64 = 100;

struct Expired {
    attempt: AttemptId,
    assessment: AssessmentId,
    learner: Uuid,
}

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
async fn expire(
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

/// Hands in all tries whose time is over, a batch of learners a transaction. One that cannot be handed in is
/// logged and passed over until the next call.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn run_expired(db: &Db, clock: &Clock) -> Result<(), sqlx::Error> {
    let mut limit = BATCH;
    let mut after = Uuid::nil();
    loop {
        let origin = Origin::job(clock);
        let batch = next_batch(&mut *db.pool.acquire().await?, clock, after, limit).await?;
        let Some(last) = batch.last().map(|expired| expired.learner) else { return Ok(()) };
        let count = batch.len();
        let done = db
            .transact(move |connection| Box::pin(async move { expire_batch(connection, &origin, batch).await }))
            .await;
        match done {
            Ok(()) => {
                metrics::counter!("assessment_tries_expired_total").increment(count.try_into().unwrap_or(u64::MAX));
                limit = BATCH;
            }
            // One by one, until the one that cannot be handed in is found.
            Err(error) if limit > 1 => {
                tracing::warn!(%error, "a batch of tries could not be handed in; one by one now");
                limit = 1;
                continue;
            }
            Err(error) => tracing::error!(%error, learner = %last, "a try could not be handed in, and is passed over"),
        }
        after = last;
    }
}

/// Learners in the order of their ids, each with all tries whose time is over.
async fn next_batch(
    connection: &mut PgConnection,
    clock: &Clock,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Expired>, sqlx::Error> {
    sqlx::query_as!(
        Expired,
        r#"/* jobs:expired */
           SELECT progress.attempt_id AS "attempt: AttemptId", progress.assessment_id AS "assessment: AssessmentId",
                  attempt.auth_user_id AS learner
           FROM assessment_progress AS progress JOIN user_quest_attempts AS attempt ON attempt.id = progress.attempt_id
           WHERE progress.try_ends_at < $1 AND attempt.auth_user_id IN (
               SELECT due.auth_user_id
               FROM assessment_progress AS ended JOIN user_quest_attempts AS due ON due.id = ended.attempt_id
               WHERE ended.try_ends_at < $1 AND due.auth_user_id > $2 ORDER BY due.auth_user_id LIMIT $3)
           ORDER BY attempt.auth_user_id, progress.try_ends_at"#,
        clock.now(),
        after,
        limit
    )
    .fetch_all(connection)
    .await
}

async fn expire_batch(connection: &mut PgConnection, origin: &Origin, batch: Vec<Expired>) -> Result<(), Refusal> {
    let mut ids: Vec<Uuid> = batch.iter().map(|expired| expired.learner).collect();
    ids.dedup();
    let mut learners = learners::lock_many(connection, &ids, origin).await?;
    for expired in batch {
        let Some(learner) = learners.iter_mut().find(|learner| learner.id.0 == expired.learner) else { continue };
        expire(connection, origin, learner, expired.attempt, expired.assessment).await?;
    }
    Ok(())
}
