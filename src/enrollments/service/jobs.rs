//! In the background: learners who may qualify after an edit, and quests that time alone opens.
//!
//! How far a job is lies in its rows, so it can stop anywhere and go on anywhere. A learner who cannot
//! be judged is logged and passed over; nobody else waits.

use std::collections::HashMap;

use sqlx::PgConnection;
use uuid::Uuid;

use super::progress::{update_judged, update_path};
use crate::clock::Clock;
use crate::db::Db;
use crate::ids::{LearningPathId, QuestId};
use crate::learners::{self, Locked};
use crate::origin::Origin;
use crate::outbox::enqueue;
use crate::unlocks::{Because, Gated, Trigger, Verdict, judge_after, judge_quests, record};

/// Learners a transaction.
const BATCH: i64 = 100;
/// Quests times learners a transaction: their locks are held while it runs.
const JUDGEMENTS: i64 = 10_000;
/// Key of the advisory lock that lets one replica at a time do a job.
const REEVALUATION_LOCK: i64 = 0x5155_4553_5453_0003;
const SCHEDULE_LOCK: i64 = 0x5155_4553_5453_0004;

struct Work {
    target_id: Uuid,
    is_path: bool,
    requested_at: chrono::DateTime<chrono::Utc>,
    after_learner: Option<Uuid>,
    learners_done: i64,
    quests: i64,
}

impl Work {
    /// Learners a transaction, by how many quests they are judged for.
    fn most(&self) -> i64 {
        (JUDGEMENTS / self.quests.max(1)).clamp(1, BATCH)
    }
}

/// Works off what edits have left, a batch of learners a transaction.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn run_reevaluations(db: &Db, clock: &Clock) -> Result<(), sqlx::Error> {
    let mut limit = BATCH;
    loop {
        let origin = Origin::job(clock);
        let work = next_work(&mut *db.pool.acquire().await?).await?;
        let Some(work) = work else { return Ok(()) };
        limit = limit.min(work.most());
        let (target, is_path, after) = (work.target_id, work.is_path, work.learners_done);
        let batch = db
            .transact(move |connection| Box::pin(async move { reevaluate(connection, &origin, &work, limit).await }))
            .await;
        match batch {
            Ok(None) => return Ok(()),
            Ok(Some(learners)) => {
                let kind = if is_path { "learning path" } else { "quest" };
                let so_far = after + learners;
                if so_far > 0 {
                    tracing::info!(kind, %target, learners, so_far, "learners judged anew after an edit");
                }
                metrics::counter!("learners_reevaluated_total").increment(learners.unsigned_abs());
                limit *= 2;
            }
            // Fewer at a time, until the one who cannot be judged is found.
            Err(error) if limit > 1 => {
                tracing::warn!(%error, %target, learners = limit, "a batch of learners could not be judged anew; fewer now");
                limit /= 2;
            }
            Err(error) => {
                tracing::error!(%error, %target, "a learner could not be judged anew, and is passed over");
                metrics::counter!("learners_reevaluation_failures_total").increment(1);
                db.transact(move |connection| Box::pin(pass_over(connection, target))).await?;
            }
        }
    }
}

async fn next_work(connection: &mut PgConnection) -> Result<Option<Work>, sqlx::Error> {
    sqlx::query_as!(
        Work,
        r#"/* jobs:next */ SELECT target_id, target_kind = 'path' AS "is_path!", requested_at, after_learner, learners_done,
                  CASE WHEN target_kind = 'path'
                       THEN (SELECT count(*) FROM learning_path_quests WHERE learning_path_id = target_id) ELSE 1 END AS "quests!"
           FROM reevaluations ORDER BY requested_at, target_id LIMIT 1"#
    )
    .fetch_optional(connection)
    .await
}

/// One batch; None when another replica is at it.
async fn reevaluate(
    connection: &mut PgConnection,
    origin: &Origin,
    work: &Work,
    limit: i64,
) -> Result<Option<i64>, sqlx::Error> {
    if !take_turn(connection, REEVALUATION_LOCK).await? {
        return Ok(None);
    }
    let path = LearningPathId(work.target_id);
    let quests = if work.is_path {
        sqlx::query_scalar!("SELECT quest_id FROM learning_path_quests WHERE learning_path_id = $1", work.target_id)
            .fetch_all(&mut *connection)
            .await?
    } else {
        vec![work.target_id]
    };
    let ids = learners_of(connection, work, &quests, limit).await?;
    let locked = learners::lock_many(connection, &ids, origin).await?;
    let mut judged = judged(connection, &locked, &quests).await?;
    for mut learner in locked {
        let judged = judged.remove(&learner.id.0).unwrap_or_default();
        record(connection, &mut learner, &judged, Because::default()).await?;
        if work.is_path {
            update_path(connection, &mut learner, path, &judged).await?;
        }
        enqueue(connection, &mut learner, origin).await?;
    }
    let done = i64::try_from(ids.len()).unwrap_or(i64::MAX);
    // An edit that came meanwhile has begun anew: its row is another one then.
    sqlx::query!(
        "WITH ended AS (
             DELETE FROM reevaluations WHERE target_id = $1 AND requested_at = $2 AND $4::uuid IS NULL
         )
         UPDATE reevaluations SET after_learner = $4, learners_done = learners_done + $3
         WHERE target_id = $1 AND requested_at = $2 AND $4::uuid IS NOT NULL",
        work.target_id,
        work.requested_at,
        done,
        ids.last().filter(|_| done == limit).copied(),
    )
    .execute(connection)
    .await?;
    Ok(Some(done))
}

/// Who may qualify: who is enrolled, and who has done some of what the quests' conditions name or count.
async fn learners_of(
    connection: &mut PgConnection,
    work: &Work,
    quests: &[Uuid],
    limit: i64,
) -> Result<Vec<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH named AS MATERIALIZED (
               SELECT DISTINCT unnest(unlock_refs) AS id FROM learning_path_quests WHERE quest_id = ANY($2)
           ), counted AS MATERIALIZED (
               SELECT id FROM named
               UNION SELECT prerequisite_quest_id FROM quest_prerequisites WHERE quest_id = ANY($2)
               UNION SELECT link.quest_id FROM learning_path_quests AS link
                     JOIN named ON named.id IN (link.learning_path_id, link.chapter_id)
               UNION SELECT quest_id FROM quest_assessments JOIN named USING (id)
           )
           SELECT auth_user_id AS "id!" FROM (
               SELECT mine.auth_user_id FROM user_learning_path_progress AS mine
               WHERE mine.left_at IS NULL AND mine.auth_user_id > coalesce($3::uuid, '00000000-0000-0000-0000-000000000000')
                 AND (mine.learning_path_id = $1 OR mine.learning_path_id IN (
                     SELECT learning_path_id FROM learning_path_quests WHERE quest_id = $1))
               UNION
               SELECT attempt.auth_user_id FROM user_quest_attempts AS attempt
               WHERE attempt.auth_user_id > coalesce($3::uuid, '00000000-0000-0000-0000-000000000000')
                 AND attempt.quest_id IN (SELECT id FROM counted)
               UNION
               -- Points of the whole service
               SELECT attempt.auth_user_id FROM user_quest_attempts AS attempt
               WHERE attempt.auth_user_id > coalesce($3::uuid, '00000000-0000-0000-0000-000000000000')
                 AND EXISTS (SELECT FROM named WHERE id = '00000000-0000-0000-0000-000000000000')
               UNION
               SELECT skill.auth_user_id FROM learner_skill_levels AS skill
               WHERE skill.auth_user_id > coalesce($3::uuid, '00000000-0000-0000-0000-000000000000')
                 AND EXISTS (SELECT FROM named WHERE id = 'ffffffff-ffff-ffff-ffff-ffffffffffff')
           ) AS candidates ORDER BY auth_user_id LIMIT $4"#,
        work.target_id,
        quests,
        work.after_learner,
        limit
    )
    .fetch_all(connection)
    .await
}

async fn pass_over(connection: &mut PgConnection, target: Uuid) -> Result<(), sqlx::Error> {
    let Some(work) = next_work(connection).await?.filter(|work| work.target_id == target) else { return Ok(()) };
    let quests = vec![target];
    let quests = if work.is_path {
        sqlx::query_scalar!("SELECT quest_id FROM learning_path_quests WHERE learning_path_id = $1", target)
            .fetch_all(&mut *connection)
            .await?
    } else {
        quests
    };
    let next = learners_of(connection, &work, &quests, 1).await?;
    // Nobody left: then it was not a learner who was in the way, and the next edit asks again.
    sqlx::query!(
        "WITH ended AS (
             DELETE FROM reevaluations WHERE target_id = $1 AND requested_at = $3 AND $2::uuid IS NULL
         )
         UPDATE reevaluations SET after_learner = $2 WHERE target_id = $1 AND requested_at = $3 AND $2::uuid IS NOT NULL",
        target,
        next.first().copied(),
        work.requested_at
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Opens what time alone has opened by now.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn run_schedule(db: &Db, clock: &Clock) -> Result<(), sqlx::Error> {
    let mut limit = BATCH;
    loop {
        let origin = Origin::job(clock);
        let batch =
            db.transact(move |connection| Box::pin(async move { open_due(connection, &origin, limit).await })).await;
        match batch {
            Ok(None) => return Ok(()),
            Ok(Some(quests)) => {
                tracing::info!(quests, "quests judged anew, since their time has come");
                metrics::counter!("unlock_schedule_judged_total").increment(quests);
                limit = BATCH.min(limit * 2);
            }
            Err(error) if limit > 1 => {
                tracing::warn!(%error, rows = limit, "quests whose time has come could not be judged; fewer now");
                limit /= 2;
            }
            Err(error) => {
                tracing::error!(%error, "a quest whose time has come could not be judged; again in an hour");
                metrics::counter!("unlock_schedule_failures_total").increment(1);
                let now = clock.now();
                db.transact(move |connection| Box::pin(put_off(connection, now))).await?;
            }
        }
    }
}

/// One batch; None when nothing is due, or another replica is at it.
async fn open_due(connection: &mut PgConnection, origin: &Origin, limit: i64) -> Result<Option<u64>, sqlx::Error> {
    if !take_turn(connection, SCHEDULE_LOCK).await? {
        return Ok(None);
    }
    let due = sqlx::query!(
        "/* jobs:due */ SELECT auth_user_id, quest_id FROM unlock_schedule WHERE due_at <= $1
         ORDER BY due_at, auth_user_id, quest_id LIMIT $2",
        origin.clock.now(),
        limit
    )
    .fetch_all(&mut *connection)
    .await?;
    if due.is_empty() {
        return Ok(None);
    }
    let mut ids: Vec<Uuid> = due.iter().map(|row| row.auth_user_id).collect();
    ids.sort_unstable();
    ids.dedup();
    let mut quests: Vec<Uuid> = due.iter().map(|row| row.quest_id).collect();
    quests.sort_unstable();
    quests.dedup();
    let locked = learners::lock_many(connection, &ids, origin).await?;
    let mut judged = judged(connection, &locked, &quests).await?;
    for mut learner in locked {
        let mut own = judged.remove(&learner.id.0).unwrap_or_default();
        own.retain(|(gated, _)| {
            due.iter().any(|row| row.auth_user_id == learner.id.0 && row.quest_id == gated.quest_id)
        });
        let opened = record(connection, &mut learner, &own, Because::default()).await?;
        let opened: Vec<QuestId> = opened.iter().map(|quest| quest.quest_id).collect();
        follow(connection, &mut learner, &opened).await?;
        enqueue(connection, &mut learner, origin).await?;
    }
    Ok(Some(u64::try_from(due.len()).unwrap_or(u64::MAX)))
}

async fn put_off(connection: &mut PgConnection, now: chrono::DateTime<chrono::Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE unlock_schedule AS row SET due_at = $1::timestamptz + interval '1 hour'
         FROM (SELECT auth_user_id, quest_id FROM unlock_schedule WHERE due_at <= $1
               ORDER BY due_at, auth_user_id, quest_id LIMIT 1) AS first
         WHERE (row.auth_user_id, row.quest_id) = (first.auth_user_id, first.quest_id)",
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What is next in the learner's paths, after quests have opened or can be started now.
pub(super) async fn follow(
    connection: &mut PgConnection,
    learner: &mut Locked,
    quests: &[QuestId],
) -> Result<(), sqlx::Error> {
    if quests.is_empty() {
        return Ok(());
    }
    let judged = judge_after(connection, learner, Trigger::Moved(quests)).await?;
    update_judged(connection, learner, &judged, None).await
}

async fn judged(
    connection: &mut PgConnection,
    locked: &[Locked],
    quests: &[Uuid],
) -> Result<HashMap<Uuid, Vec<(Gated, Verdict)>>, sqlx::Error> {
    let Some(now) = locked.iter().map(|learner| learner.now).max() else { return Ok(HashMap::new()) };
    let ids: Vec<Uuid> = locked.iter().map(|learner| learner.id.0).collect();
    let judged = judge_quests(connection, now, &ids, quests).await?;
    Ok(judged.into_iter().map(|judgement| (judgement.learner.0, judgement.quests)).collect())
}

async fn take_turn(connection: &mut PgConnection, lock: i64) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"/* jobs:turn */ SELECT pg_try_advisory_xact_lock($1) AS "mine!""#, lock)
        .fetch_one(connection)
        .await
}
