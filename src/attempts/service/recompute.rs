//! After an edit of a quest's units: open attempts are computed anew, with the normal cascade.
//!
//! The state is in the rows (an attempt knows the edit that it was computed under), so the job can
//! stop anywhere and go on anywhere.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::load::load;
use super::settle::{refresh, settle};
use crate::clock::Clock;
use crate::db::Db;
use crate::ids::{AttemptId, LearnerId};
use crate::learners;
use crate::origin::Origin;

/// Learners a transaction.
const BATCH: i64 = 100;

/// Computes one attempt anew if an edit has passed it by; for the learner who calls meanwhile.
///
/// # Errors
/// The database's.
pub async fn recompute(
    connection: &mut PgConnection,
    origin: &Origin,
    learner: LearnerId,
    id: AttemptId,
) -> Result<(), sqlx::Error> {
    let Some(mut learner) = learners::lock(connection, learner, origin).await? else { return Ok(()) };
    let Some(mut loaded) = load(connection, learner.id, id, None).await? else { return Ok(()) };
    refresh(connection, &mut learner, origin, &mut loaded).await
}

/// A quest whose open attempts wait for the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Work {
    quest_id: Uuid,
    requested_at: DateTime<Utc>,
}

struct Stale {
    id: AttemptId,
    auth_user_id: Uuid,
}

/// Works off what edits have left, a batch of learners a transaction; says how many attempts it wrote.
/// A learner whose attempt cannot be computed is logged and passed over: the attempt stays as it is until
/// the learner's next call or the next edit.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn run_recomputes(db: &Db, clock: &Clock) -> Result<u64, sqlx::Error> {
    let (mut written, mut limit) = (0, BATCH);
    let mut at = None;
    let mut passed: Option<Uuid> = None;
    loop {
        let origin = Origin::job(clock);
        let Some(work) = next_work(&mut *db.pool.acquire().await?).await? else { return Ok(written) };
        if at.replace(work) != Some(work) {
            passed = None;
        }
        let batch = db
            .transact(move |connection| {
                Box::pin(async move { recompute_batch(connection, &origin, work, passed, limit).await })
            })
            .await;
        match batch {
            Ok(done) => {
                written += done;
                if done > 0 {
                    tracing::info!(attempts = done, "open attempts recomputed after an edit");
                }
                metrics::counter!("attempts_recomputed_total").increment(done);
                limit = BATCH.min(limit * 2);
            }
            // Fewer at a time, until the one who is in the way is found.
            Err(error) if limit > 1 => {
                tracing::warn!(%error, quest = %work.quest_id, attempts = limit, "a batch of open attempts could not be recomputed; fewer now");
                limit /= 2;
            }
            Err(error) => {
                let first = stale(&mut *db.pool.acquire().await?, work, passed, 1).await?;
                // Nobody left: then it was not a learner who was in the way.
                let Some(first) = first.first() else { return Err(error) };
                tracing::error!(%error, quest = %work.quest_id, attempt = %first.id, "an open attempt could not be recomputed, and is passed over");
                metrics::counter!("attempts_recompute_failures_total").increment(1);
                passed = Some(first.auth_user_id);
            }
        }
    }
}

async fn next_work(connection: &mut PgConnection) -> Result<Option<Work>, sqlx::Error> {
    // Not locked: an author who edits the quest must never wait for learners' rows. Two replicas that
    // take the same batch meet at the learners' locks, and the second one finds nothing stale.
    sqlx::query_as!(Work, "SELECT quest_id, requested_at FROM unit_recomputes ORDER BY requested_at, quest_id LIMIT 1")
        .fetch_optional(connection)
        .await
}

/// Open attempts that an edit has passed by, of the learners after `passed`.
async fn stale(
    connection: &mut PgConnection,
    work: Work,
    passed: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Stale>, sqlx::Error> {
    sqlx::query_as!(
        Stale,
        r#"SELECT attempt.id AS "id: AttemptId", attempt.auth_user_id
           FROM user_quest_attempts AS attempt JOIN quests AS quest ON quest.id = attempt.quest_id
           WHERE attempt.quest_id = $1 AND attempt.status IN ('InProgress', 'Paused')
             AND attempt.units_version <> quest.units_version
             AND attempt.auth_user_id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
           ORDER BY attempt.auth_user_id LIMIT $3"#,
        work.quest_id,
        passed,
        limit
    )
    .fetch_all(connection)
    .await
}

/// One batch; says how many attempts it wrote. A quest without stale attempts leaves the list.
async fn recompute_batch(
    connection: &mut PgConnection,
    origin: &Origin,
    work: Work,
    passed: Option<Uuid>,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let stale = stale(&mut *connection, work, passed, limit).await?;
    if stale.is_empty() {
        // An edit that came meanwhile has another time, and stays.
        sqlx::query!(
            "DELETE FROM unit_recomputes WHERE quest_id = $1 AND requested_at = $2",
            work.quest_id,
            work.requested_at
        )
        .execute(connection)
        .await?;
        return Ok(0);
    }
    let ids: Vec<Uuid> = stale.iter().map(|row| row.auth_user_id).collect();
    let mut learners = learners::lock_many(connection, &ids, origin).await?;
    let mut written = 0;
    for row in stale {
        let Some(learner) = learners.iter_mut().find(|learner| learner.id.0 == row.auth_user_id) else { continue };
        let Some(mut loaded) = load(connection, learner.id, row.id, None).await? else { continue };
        if loaded.is_stale {
            settle(connection, learner, origin, &mut loaded, None).await?;
            written += 1;
        }
    }
    Ok(written)
}
