//! After an edit of a quest's units: open attempts are computed anew, with the normal cascade.
//!
//! The state is in the rows (an attempt knows the edit that it was computed under), so the job can
//! stop anywhere and go on anywhere.

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

/// Works off what edits have left, a batch of learners a transaction; says how many attempts it wrote.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn run_recomputes(db: &Db, clock: &Clock) -> Result<u64, sqlx::Error> {
    let mut written = 0;
    loop {
        let origin = Origin::job(clock);
        let done: Option<u64> =
            db.transact(move |connection| Box::pin(async move { recompute_batch(connection, &origin).await })).await?;
        let Some(done) = done else { return Ok(written) };
        written += done;
        tracing::info!(attempts = done, "open attempts recomputed after an edit");
        metrics::counter!("attempts_recomputed_total").increment(done);
    }
}

/// One batch of one quest; None when nothing waits. A quest without stale attempts leaves the list.
async fn recompute_batch(connection: &mut PgConnection, origin: &Origin) -> Result<Option<u64>, sqlx::Error> {
    // Not locked: an author who edits the quest must never wait for learners' rows. Two replicas that
    // take the same batch meet at the learners' locks, and the second one finds nothing stale.
    let Some(waiting) =
        sqlx::query!("SELECT quest_id, requested_at FROM unit_recomputes ORDER BY requested_at LIMIT 1")
            .fetch_optional(&mut *connection)
            .await?
    else {
        return Ok(None);
    };
    let stale = sqlx::query!(
        r#"SELECT attempt.id AS "id: AttemptId", attempt.auth_user_id
           FROM user_quest_attempts AS attempt JOIN quests AS quest ON quest.id = attempt.quest_id
           WHERE attempt.quest_id = $1 AND attempt.status IN ('InProgress', 'Paused')
             AND attempt.units_version <> quest.units_version
           ORDER BY attempt.auth_user_id LIMIT $2"#,
        waiting.quest_id,
        BATCH
    )
    .fetch_all(&mut *connection)
    .await?;
    if stale.is_empty() {
        sqlx::query!(
            "DELETE FROM unit_recomputes WHERE quest_id = $1 AND requested_at = $2",
            waiting.quest_id,
            waiting.requested_at
        )
        .execute(connection)
        .await?;
        return Ok(Some(0));
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
    Ok(Some(written))
}
