//! Retention: what is old and published goes, in small batches.

use chrono::{DateTime, Utc};

use crate::db::Db;

/// Removes published events and idempotency keys older than given; says how many rows.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn prune(db: &Db, events: DateTime<Utc>, keys: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let mut removed = 0;
    loop {
        let rows = sqlx::query!(
            "DELETE FROM outbox_events WHERE id IN (
                 SELECT id FROM outbox_events WHERE occurred_at < $1 AND published_at IS NOT NULL LIMIT 1000)",
            events
        )
        .execute(&db.pool)
        .await?
        .rows_affected();
        removed += rows;
        if rows == 0 {
            break;
        }
    }
    let rows = sqlx::query!("DELETE FROM idempotency_keys WHERE created_at < $1", keys).execute(&db.pool).await?;
    Ok(removed + rows.rows_affected())
}
