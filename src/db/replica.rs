//! The read replica: how far behind it is, measured by what it has replayed and our own clock.

use std::collections::VecDeque;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{pool_at, within};
use crate::config::{DatabaseConfig, ReadConfig};

/// Longest that the replica may take to answer, also where older answers would do: the primary is there.
const PATIENCE: Duration = Duration::from_secs(2);

/// A copy of the database that answers reads.
#[derive(Debug, Clone)]
pub struct Replica {
    pool: PgPool,
    /// To look how far the two are: one connection each, which busy requests cannot take.
    copy: PgPool,
    primary: PgPool,
    max_lag: Duration,
    /// Everything that was committed before this moment is there; none while nobody knows.
    current_to: watch::Sender<Option<Instant>>,
}

impl Replica {
    /// None where no address is set. Nothing is read from it before [`Replica::watch`] has seen that it keeps up.
    ///
    /// # Errors
    /// When the address is none of PostgreSQL.
    pub fn open(database: &DatabaseConfig, read: &ReadConfig) -> Result<Option<Self>, sqlx::Error> {
        let Some(url) = read.database_read_url.as_deref().filter(|url| !url.is_empty()) else { return Ok(None) };
        let pool = pool_at(url, database, read.database_read_max_connections, "quests read")?;
        let copy = pool_at(url, database, 1, "quests lag")?;
        let primary = pool_at(&database.database_url, database, 1, "quests lag")?;
        let max_lag = Duration::from_millis(read.database_read_max_lag_ms);
        Ok(Some(Self { pool, copy, primary, max_lag, current_to: watch::Sender::new(None) }))
    }

    /// Whether it is no further behind than it may be.
    #[must_use]
    pub fn keeps_up(&self) -> bool {
        self.current_to.borrow().is_some_and(|at| at.elapsed() <= self.max_lag)
    }

    /// A connection to it. None when it is away, or when all are busy, which is no reason to distrust it.
    pub async fn acquire(&self) -> Option<PoolConnection<Postgres>> {
        match tokio::time::timeout(self.patience(), self.pool.acquire()).await {
            Ok(Ok(taken)) => Some(taken),
            Err(_) | Ok(Err(sqlx::Error::PoolTimedOut)) => None,
            Ok(Err(_)) => {
                self.distrust();
                None
            }
        }
    }

    /// How long an answer of it is waited for: what takes longer is older than it may be.
    #[must_use]
    pub fn patience(&self) -> Duration {
        self.max_lag.min(PATIENCE)
    }

    /// Reads from the primary until the replica is seen to keep up again.
    pub fn distrust(&self) {
        self.current_to.send_replace(None);
        metrics::gauge!("database_replica_usable").set(0.0);
    }

    /// Compares it with the primary until `stop`.
    pub async fn watch(self, stop: CancellationToken) {
        let every = (self.max_lag / 5).clamp(Duration::from_millis(20), Duration::from_secs(1));
        let mut marks = Marks::default();
        let mut was_usable = None;
        loop {
            let began = Instant::now();
            let (source, copy) = (self.in_time(state(&self.primary)).await, self.in_time(state(&self.copy)).await);
            let why_not = match (source, copy) {
                (Ok(source), Ok(copy)) if copy.is_copy_of(&source) => {
                    marks.note(began, source.position, self.max_lag);
                    self.current_to.send_replace(marks.reached(copy.position));
                    (!self.keeps_up()).then(|| "it is too far behind".to_owned())
                }
                (Ok(_), Ok(_)) => {
                    self.distrust();
                    Some("it is no streaming replica of the primary's database".to_owned())
                }
                (_, Err(error)) => {
                    self.distrust();
                    Some(error.to_string())
                }
                // What is known of the replica grows old meanwhile, and ends by itself.
                (Err(error), Ok(_)) => {
                    (!self.keeps_up()).then(|| format!("the primary does not say how far it is: {error}"))
                }
            };
            let current_to = *self.current_to.borrow();
            metrics::gauge!("database_replica_usable").set(if why_not.is_none() { 1.0 } else { 0.0 });
            let lag = current_to.map_or(f64::NAN, |at| at.elapsed().as_secs_f64());
            metrics::gauge!("database_replica_lag_seconds").set(lag);
            if was_usable != Some(why_not.is_none()) {
                was_usable = Some(why_not.is_none());
                match why_not {
                    None => tracing::info!("the read replica keeps up: learners read the catalogue there"),
                    Some(reason) => tracing::warn!(reason, "the read replica is not used: the primary answers"),
                }
            }
            tokio::select! {
                () = tokio::time::sleep(every) => {}
                () = stop.cancelled() => return,
            }
        }
    }
}

impl Replica {
    async fn in_time<T>(&self, asked: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
        within(self.patience(), asked).await
    }
}

/// Moments and how far the primary's log was then, the oldest first.
#[derive(Debug, Default)]
struct Marks {
    pending: VecDeque<(Instant, i64)>,
    reached: Option<Instant>,
}

impl Marks {
    /// What was committed before `at` lies before `position`, which was asked for afterwards.
    fn note(&mut self, at: Instant, position: i64, max_lag: Duration) {
        self.pending.push_back((at, position));
        // Who reaches an older mark is too far behind all the same.
        while self.pending.front().is_some_and(|(mark, _)| at - *mark > max_lag) {
            self.pending.pop_front();
        }
    }

    /// The moment up to which a server that has replayed so far has everything.
    fn reached(&mut self, position: i64) -> Option<Instant> {
        while let Some((at, _)) = self.pending.front().filter(|(_, mark)| *mark <= position) {
            self.reached = Some(*at);
            self.pending.pop_front();
        }
        self.reached
    }
}

struct State {
    database: String,
    cluster: i64,
    started_at: chrono::DateTime<chrono::Utc>,
    is_in_recovery: bool,
    /// Bytes of the log: replayed by a replica; flushed, so that they can be sent, by a primary.
    position: i64,
}

impl State {
    /// A replica of that server, or the very same one. A replica that was promoted goes its own way: it is neither.
    fn is_copy_of(&self, source: &Self) -> bool {
        self.database == source.database
            && self.cluster == source.cluster
            && (self.is_in_recovery || self.started_at == source.started_at)
    }
}

async fn state(pool: &PgPool) -> Result<State, sqlx::Error> {
    sqlx::query_as!(
        State,
        r#"/* replica:state */
           SELECT current_database()::text AS "database!", (SELECT system_identifier FROM pg_control_system()) AS "cluster!",
                  pg_postmaster_start_time() AS "started_at!", pg_is_in_recovery() AS "is_in_recovery!",
                  (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END
                   - '0/0'::pg_lsn)::bigint AS "position!""#
    )
    .fetch_one(pool)
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_replica_is_current_to_the_last_mark_that_it_has_reached() {
        let (mut marks, max_lag) = (Marks::default(), Duration::from_secs(5));
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        marks.note(at(0), 100, max_lag);
        assert_eq!(marks.reached(99), None, "it has never had all of any moment");
        marks.note(at(1), 200, max_lag);
        marks.note(at(2), 300, max_lag);
        assert_eq!(marks.reached(299), Some(at(1)));
        assert_eq!(marks.reached(299), Some(at(1)), "standing still, it grows old");
        marks.note(at(9), 900, max_lag);
        assert_eq!(marks.reached(300), Some(at(1)), "a mark older than the limit is none");
        assert_eq!(marks.reached(900), Some(at(9)));
    }
}
