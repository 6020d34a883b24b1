//! The background work of assessments, one after the other; what fails goes on with the next call.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::allocate::{fall_back, overdue};
use super::expire::{expire, run_out};
use super::peer::{Counts, ready, release_ready};
use super::results::{wake, wakeups};
use super::{run_allocations, run_expired, run_fallbacks, run_recalls, run_regrades, run_wakeups};
use crate::assessments::model::Refusal;
use crate::clock::Clock;
use crate::db::Db;
use crate::ids::{AssessmentId, AttemptId};
use crate::learners::{self, Locked};
use crate::origin::Origin;

/// Learners a transaction.
pub(super) const BATCH: i64 = 100;

/// Does all that is due.
///
/// # Errors
/// With the number of kinds of work that failed, each of which is logged.
pub async fn run_jobs(db: &Db, clock: &Clock) -> Result<(), usize> {
    let mut failed = 0;
    if let Err(error) = run_expired(db, clock).await {
        failed += 1;
        tracing::warn!(%error, "tries whose time is over are handed in later");
    }
    if let Err(error) = run_recalls(db, clock).await {
        failed += 1;
        tracing::warn!(%error, "results are held against edited assessments later");
    }
    if let Err(error) = run_wakeups(db, clock).await {
        failed += 1;
        tracing::warn!(%error, "results that wait for assessments are applied later");
    }
    if let Err(error) = run_fallbacks(db, clock).await {
        failed += 1;
        tracing::warn!(%error, "work that waits for its reviews too long goes to graders later");
    }
    if let Err(error) = run_allocations(db, clock).await {
        failed += 1;
        tracing::warn!(%error, "peer reviews are handed out later");
    }
    if let Err(error) = run_regrades(db, clock).await {
        failed += 1;
        tracing::warn!(%error, "the regrading goes on later");
    }
    if failed == 0 { Ok(()) } else { Err(failed) }
}

/// Work that is done for one learner at a time, under the learner's lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Job {
    /// Hands in timed tries whose time is over.
    Expire,
    /// Applies results from outside whose wait is over.
    Wake,
    /// Hands work to graders that has waited for its reviews too long.
    FallBack,
    /// Grades the work of an assessment whose reviews are complete.
    Release(AssessmentId, Counts),
}

/// What a learner has in an assessment, for a job to work on.
#[derive(Debug)]
pub(super) struct Due {
    pub learner: Uuid,
    pub attempt: AttemptId,
    pub assessment: AssessmentId,
}

impl Job {
    /// What is due for the next learners after one, in the order of their ids; up to `limit` of them.
    async fn due(
        self,
        connection: &mut PgConnection,
        now: DateTime<Utc>,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<Due>, sqlx::Error> {
        match self {
            Self::Expire => run_out(connection, now, after, limit).await,
            Self::Wake => wakeups(connection, now, after, limit).await,
            Self::FallBack => overdue(connection, now, after, limit).await,
            Self::Release(assessment, counts) => {
                let ready = ready(connection, assessment, counts, None, after, limit).await?;
                Ok(ready
                    .into_iter()
                    .map(|work| Due { learner: work.author, attempt: work.attempt, assessment })
                    .collect())
            }
        }
    }

    /// Does it, unless somebody else has done so before the lock was had.
    async fn work_on(
        self,
        connection: &mut PgConnection,
        origin: &Origin,
        learner: &mut Locked,
        due: &Due,
    ) -> Result<(), Refusal> {
        match self {
            Self::Expire => expire(connection, origin, learner, due.attempt, due.assessment).await,
            Self::Wake => wake(connection, origin, learner, due.attempt, due.assessment).await,
            Self::FallBack => Ok(fall_back(connection, learner, due.attempt, due.assessment).await?),
            Self::Release(assessment, counts) => release_ready(connection, origin, learner, assessment, counts).await,
        }
    }

    async fn work_off(self, connection: &mut PgConnection, origin: &Origin, due: Vec<Due>) -> Result<(), Refusal> {
        let ids: Vec<Uuid> = due.iter().map(|due| due.learner).collect();
        let mut learners = learners::lock_many(connection, &ids, origin).await?;
        for due in due {
            let Some(learner) = learners.iter_mut().find(|learner| learner.id.0 == due.learner) else { continue };
            self.work_on(connection, origin, learner, &due).await?;
        }
        Ok(())
    }
}

/// Works off what is due, a batch of learners a transaction. Where a batch fails, the learners are taken one by
/// one until the one is found that it fails for: that one is logged and passed over until the next call. The
/// answer is how many were.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub(super) async fn run(db: &Db, clock: &Clock, job: Job) -> Result<usize, sqlx::Error> {
    let (mut after, mut limit, mut passed_over) = (Uuid::nil(), BATCH, 0);
    loop {
        let due = job.due(&mut *db.pool.acquire().await?, clock.now(), after, limit).await?;
        let Some(last) = due.last().map(|due| due.learner) else { return Ok(passed_over) };
        let count = due.len();
        let origin = Origin::job(clock);
        match db.transact(move |connection| Box::pin(async move { job.work_off(connection, &origin, due).await })).await
        {
            Ok(()) => {
                tracing::info!(?job, count, "worked off");
                if job == Job::Expire {
                    metrics::counter!("assessment_tries_expired_total").increment(count.try_into().unwrap_or(u64::MAX));
                }
                after = last;
            }
            Err(error) if limit > 1 => {
                tracing::warn!(%error, ?job, "a batch of learners failed; one by one now");
                limit = 1;
            }
            Err(error) => {
                tracing::error!(%error, ?job, learner = %last, "a learner's work failed, and is passed over");
                (after, limit, passed_over) = (last, BATCH, passed_over + 1);
            }
        }
    }
}
