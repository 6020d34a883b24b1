//! The pool, and `transact`: the only place that begins and commits.

use std::str::FromStr;
use std::sync::Once;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Acquire, Connection, PgConnection, PgPool, Postgres, Row};
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Instrument;

use crate::config::DatabaseConfig;
use crate::trace;

mod replica;

pub use replica::Replica;

/// The migrations of this build, embedded once.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!();

/// How every connection of ours is opened: named, with time-outs that PostgreSQL itself enforces.
///
/// # Errors
/// When the URL is not one of PostgreSQL.
pub fn connect_options(url: &str, config: &DatabaseConfig, name: &str) -> Result<PgConnectOptions, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?.application_name(name);
    // More than we have statements, so that none is ever parsed and planned twice on a connection.
    Ok(options.statement_cache_capacity(512).options([
        ("statement_timeout", config.database_statement_timeout_ms.to_string()),
        ("idle_in_transaction_session_timeout", config.database_idle_transaction_timeout_ms.to_string()),
        // Our statements are short. Where the planner thinks otherwise, e.g. because a table has no statistics
        // yet, compiling them took seconds.
        ("jit", "off".to_owned()),
        // Planning costs as much as running them: each is planned once a connection, for any values.
        ("plan_cache_mode", "force_generic_plan".to_owned()),
        // "poniters" is meant to be "pointers".
        ("pg_trgm.word_similarity_threshold", "0.35".to_owned()),
    ]))
}

/// The pool of the service. Connects lazily, so that the service can start before its database.
///
/// # Errors
/// When the URL is not one of PostgreSQL.
pub fn pool(config: &DatabaseConfig) -> Result<PgPool, sqlx::Error> {
    pool_at(&config.database_url, config, config.database_max_connections, "quests")
}

fn pool_at(url: &str, config: &DatabaseConfig, connections: u32, name: &str) -> Result<PgPool, sqlx::Error> {
    let patience = Duration::from_millis(config.database_acquire_timeout_ms);
    Ok(PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(patience)
        // A ping before each use is a round trip; a broken connection shows in its first statement.
        .test_before_acquire(false)
        // sqlx 0.9.0 leaves a transaction open when begin() is dropped half-way (docs/architecture.md):
        // a connection comes back to the pool only when PostgreSQL says that it is idle.
        .after_release(move |connection, _| {
            Box::pin(async move {
                // One that does not answer is closed, so that its place is free for another.
                tokio::time::timeout(patience, is_idle(connection)).await.unwrap_or_else(|_| Err(silent()))
            })
        })
        .after_connect(|connection, _| Box::pin(note_lost_settings(connection)))
        .connect_lazy_with(connect_options(url, config, name)?))
}

/// A pooler drops what connections ask for: the service works then, but slower, and with the time-outs of the server.
#[expect(clippy::disallowed_methods, reason = "a constant, and only raw_sql speaks the simple protocol")]
async fn note_lost_settings(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    static TOLD: Once = Once::new();
    let mode: String = sqlx::raw_sql("SELECT pg_catalog.current_setting('plan_cache_mode')")
        .fetch_one(connection)
        .await?
        .try_get(0)?;
    if mode != "force_generic_plan" {
        TOLD.call_once(|| {
            tracing::warn!(
                plan_cache_mode = mode,
                "a pooler drops the settings of our connections; give them to the database role (docs/postgresql.md)"
            );
        });
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a constant, and only raw_sql speaks the simple protocol")]
async fn is_idle(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        return Ok(false);
    }
    // In a transaction block now() stands still at its start, statement_timestamp() does not. The simple
    // protocol matters: with the extended one the two differ by the time from Bind to Execute.
    sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(connection).await?.try_get(0)
}

/// The database as operations see it: a pool, and a bell that wakes the relay after a commit.
#[derive(Debug, Clone)]
pub struct Db {
    pub pool: PgPool,
    pub committed: std::sync::Arc<Notify>,
    /// Where learners read the catalogue while it keeps up
    pub replica: Option<Replica>,
    /// Longest a transaction may take: a connection that has fallen silent says nothing, not even an error.
    patience: Duration,
}

impl Db {
    /// A database over this pool.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, committed: std::sync::Arc::new(Notify::new()), replica: None, patience: Duration::from_mins(1) }
    }

    /// The pool of the service, with its limits.
    ///
    /// # Errors
    /// When the URL is not one of PostgreSQL.
    pub fn open(config: &DatabaseConfig) -> Result<Self, sqlx::Error> {
        let patience = Duration::from_millis(config.database_transaction_timeout_ms);
        Ok(Self { patience, ..Self::new(pool(config)?) })
    }

    /// The same, with a replica to read from.
    #[must_use]
    pub fn with_replica(self, replica: Option<Replica>) -> Self {
        Self { replica, ..self }
    }

    /// Runs `operation` in a transaction: commits on `Ok`, rolls back on `Err`.
    ///
    /// It runs in a task of its own, so that a client that goes away cannot cut it off half-way:
    /// what was begun is committed or rolled back in any case.
    ///
    /// # Errors
    /// What the operation answers, or the database's own error.
    pub async fn transact<T, E, F>(&self, operation: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<sqlx::Error> + Send + 'static,
        F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, E>> + Send + 'static,
    {
        let db = self.clone();
        let task = async move {
            let mut connection = db.acquire().await?;
            let began = Instant::now();
            let mut outcome = "broken";
            let work = async {
                let mut transaction = connection.begin().await?;
                match operation(&mut transaction).await {
                    Ok(value) => {
                        transaction.commit().await?;
                        outcome = "committed";
                        db.committed.notify_one();
                        Ok(value)
                    }
                    Err(error) => {
                        transaction.rollback().await?;
                        outcome = "rolled_back";
                        Err(error)
                    }
                }
            };
            let result = tokio::time::timeout(db.patience, work).await;
            metrics::histogram!("database_transaction_seconds", "outcome" => outcome).record(began.elapsed());
            if let Ok(result) = result {
                return result;
            }
            // What is not committed is rolled back by PostgreSQL when the connection goes.
            drop(connection.detach());
            Err(silent().into())
        };
        let traced = tracing::debug_span!(target: trace::TARGET, "transaction");
        match tokio::spawn(task.instrument(traced).in_current_span()).await {
            Ok(result) => result,
            Err(error) => {
                tracing::error!(%error, "an operation panicked; its transaction is rolled back");
                Err(sqlx::Error::WorkerCrashed.into())
            }
        }
    }
}

impl Db {
    /// A connection of the pool; how long that took is measured.
    async fn acquire(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        let began = Instant::now();
        let traced = tracing::debug_span!(target: trace::TARGET, "acquire connection");
        let acquired = self.pool.acquire().instrument(traced).await;
        metrics::histogram!("database_acquire_seconds").record(began.elapsed());
        acquired
    }

    /// Measures the pool.
    pub fn measure(&self) {
        let (size, idle) = (self.pool.size(), u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX));
        metrics::gauge!("database_pool_max").set(f64::from(self.pool.options().get_max_connections()));
        metrics::gauge!("database_pool_connections").set(f64::from(size));
        metrics::gauge!("database_pool_idle").set(f64::from(idle));
        metrics::gauge!("database_pool_in_use").set(f64::from(size.saturating_sub(idle)));
    }

    /// Runs `reading` on one snapshot of the database, for reads of several statements that must fit together. It
    /// writes nothing. Longer than a transaction may take it does not take either.
    ///
    /// # Errors
    /// What the reading answers, or the database's own error.
    pub async fn snapshot<E, F>(&self, reading: F) -> Result<(), E>
    where
        E: From<sqlx::Error>,
        F: for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<(), E>>,
    {
        let mut connection = self.acquire().await?;
        let work = async {
            let mut snapshot = connection.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            reading(&mut snapshot).await?;
            snapshot.commit().await?;
            Ok(())
        };
        if let Ok(result) = tokio::time::timeout(self.patience, work).await {
            return result;
        }
        drop(connection.detach());
        Err(silent().into())
    }
}

fn silent() -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "the database has fallen silent"))
}

/// The result of work on a connection, or an error when that has fallen silent.
///
/// # Errors
/// The work's, or that it took longer than a transaction may.
pub async fn in_time<T, E: From<sqlx::Error>>(
    config: &DatabaseConfig,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    within(Duration::from_millis(config.database_transaction_timeout_ms), work).await
}

/// The same with a patience of its own.
///
/// # Errors
/// The work's, or that it took longer.
pub async fn within<T, E: From<sqlx::Error>>(
    patience: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    tokio::time::timeout(patience, work).await.unwrap_or_else(|_| Err(silent().into()))
}

/// The name of the constraint that a statement broke.
#[must_use]
pub fn broken_constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::constraint)
}

/// A connection outside the pool and past any pooler, for what holds a session lock.
///
/// # Errors
/// When the database does not answer.
pub async fn dedicated(config: &DatabaseConfig, name: &str) -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect_with(&connect_options(config.direct_url(), config, name)?).await
}
