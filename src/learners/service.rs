//! Locking a learner's row.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::ids::LearnerId;
use crate::origin::Origin;
use crate::outbox::Pending;

/// A learner whose row is locked until the transaction ends, with the events that it collects.
#[derive(Debug)]
pub struct Locked {
    pub id: LearnerId,
    /// The time of everything this transaction decides: read after the lock was had.
    pub now: DateTime<Utc>,
    /// Number of the learner's last event.
    pub(crate) event_seq: i64,
    pub(crate) pending: Vec<Pending>,
}

impl Locked {
    fn new(id: LearnerId, event_seq: i64, origin: &Origin) -> Self {
        Self { id, now: origin.clock.now(), event_seq, pending: Vec::new() }
    }
}

/// Locks a learner that may be unknown to us yet.
///
/// # Errors
/// The database's.
pub async fn lock(
    connection: &mut PgConnection,
    id: LearnerId,
    origin: &Origin,
) -> Result<Option<Locked>, sqlx::Error> {
    // A statement of its own: what follows must read what others committed while this one waited.
    let event_seq = sqlx::query_scalar!("SELECT event_seq FROM learners WHERE auth_user_id = $1 FOR UPDATE", id.0)
        .fetch_optional(connection)
        .await?;
    Ok(event_seq.map(|event_seq| Locked::new(id, event_seq, origin)))
}

/// Locks a learner, who becomes known to us if need be.
///
/// # Errors
/// The database's.
pub async fn enrol(connection: &mut PgConnection, id: LearnerId, origin: &Origin) -> Result<Locked, sqlx::Error> {
    if let Some(locked) = lock(connection, id, origin).await? {
        return Ok(locked);
    }
    sqlx::query!("INSERT INTO learners (auth_user_id) VALUES ($1) ON CONFLICT DO NOTHING", id.0)
        .execute(&mut *connection)
        .await?;
    lock(connection, id, origin).await?.ok_or(sqlx::Error::RowNotFound)
}

/// Locks several learners in the order of their ids, so that two jobs cannot wait for each other.
///
/// # Errors
/// The database's.
pub async fn lock_many(
    connection: &mut PgConnection,
    ids: &[uuid::Uuid],
    origin: &Origin,
) -> Result<Vec<Locked>, sqlx::Error> {
    let rows = sqlx::query!(
        "SELECT auth_user_id, event_seq FROM learners WHERE auth_user_id = ANY($1) ORDER BY auth_user_id FOR UPDATE",
        ids
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| Locked::new(LearnerId(row.auth_user_id), row.event_seq, origin)).collect())
}
