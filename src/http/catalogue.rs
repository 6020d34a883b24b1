//! Where the catalogue is read: on the replica for those who cannot have written it, else on the primary.

use sqlx::PgConnection;
use sqlx::pool::PoolConnection;
use sqlx::postgres::Postgres;

use super::auth::Caller;
use super::problem::Problem;
use crate::db::{Db, Replica};

/// Where one caller reads, with the connection to the primary that is taken when it is first needed.
#[derive(Debug)]
pub struct Sources<'a> {
    db: &'a Db,
    caller: Caller,
    primary: Option<PoolConnection<Postgres>>,
}

impl<'a> Sources<'a> {
    #[must_use]
    pub const fn new(db: &'a Db, caller: Caller) -> Self {
        Self { db, caller, primary: None }
    }

    /// The primary: what learners have written is read here, so that every writer reads the own writes.
    ///
    /// # Errors
    /// When no connection is free in time.
    pub async fn primary(&mut self) -> Result<&mut PgConnection, Problem> {
        let taken = match self.primary.take() {
            Some(taken) => taken,
            None => Box::pin(self.db.pool.acquire()).await?,
        };
        Ok(&mut **self.primary.insert(taken))
    }

    /// The replica, where this caller's reads may be a little older. The primary has one connection more meanwhile.
    pub(crate) fn replica(&mut self) -> Option<&'a Replica> {
        let replica = self.db.replica.as_ref().filter(|_| !self.caller.may_write_the_catalogue())?;
        if replica.keeps_up() {
            self.primary = None;
            return Some(replica);
        }
        count("primary");
        None
    }
}

/// `read!(sources, |connection| reading)` reads what authors have written, and nothing that a learner has. What the
/// replica has not, refuses or fails to answer, the primary answers; with `if is_enough`, also what is not enough. A
/// macro, since a future that borrows both the connection and what is asked for is not `Send` for all lifetimes.
macro_rules! read {
    ($sources:expr, |$connection:ident| $reading:expr) => {
        $crate::http::catalogue::read!($sources, |$connection| $reading, if |_| true)
    };
    ($sources:expr, |$connection:ident| $reading:expr, if $is_enough:expr) => {{
        let copied = match $sources.replica() {
            None => None,
            Some(replica) => {
                let taken = replica.acquire().await;
                // Boxed: handlers are large enough as they are.
                let looked = Box::pin(async {
                    let Some(mut taken) = taken else { return Ok(None) };
                    let $connection = &mut *taken;
                    Ok::<_, $crate::http::Problem>(Some($reading))
                });
                $crate::http::catalogue::copied(replica, looked, $is_enough).await
            }
        };
        match copied {
            Some(found) => found,
            None => {
                let $connection = &mut *$sources.primary().await?;
                $reading
            }
        }
    }};
}

pub(crate) use read;

/// What the replica has answered, if that is an answer.
pub(crate) async fn copied<T>(
    replica: &Replica,
    looked: impl Future<Output = Result<Option<T>, Problem>>,
    is_enough: fn(&T) -> bool,
) -> Option<T> {
    let found = match tokio::time::timeout(replica.patience(), looked).await {
        Ok(Ok(found)) => found.filter(is_enough),
        Ok(Err(problem)) => {
            if problem.code.status().is_server_error() {
                replica.distrust();
            }
            None
        }
        Err(_) => {
            replica.distrust();
            None
        }
    };
    count(if found.is_some() { "replica" } else { "primary" });
    found
}

fn count(server: &'static str) {
    metrics::counter!("database_catalogue_reads_total", "server" => server).increment(1);
}
