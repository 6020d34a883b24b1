//! Retention: what is old and published goes, in small batches.

use chrono::{DateTime, Utc};

use crate::db::Db;

/// Runs a DELETE of 1,000 rows, so that none runs into the time-out, until nothing is left; says how many rows. The number
/// stands in the statements: of a parameter the planner would think too much.
macro_rules! delete_all {
    ($db:expr, $sql:literal, $($argument:expr),+ $(,)?) => {{
        let mut removed = 0;
        loop {
            match sqlx::query!($sql, $($argument),+).execute(&$db.pool).await?.rows_affected() {
                0 => break removed,
                rows => removed += rows,
            }
        }
    }};
}

/// Removes published events and idempotency keys older than given, and changes that search has followed; says how many
/// rows.
///
/// # Errors
/// The database's; what is left stays for the next call.
pub async fn prune(db: &Db, events: DateTime<Utc>, keys: DateTime<Utc>) -> Result<u64, sqlx::Error> {
    let events = delete_all!(
        db,
        // Along the log from its beginning, which is where the old ones are; few that are parked lie before them.
        "DELETE FROM outbox_events WHERE position IN (
             SELECT position FROM (SELECT position, occurred_at, published_at FROM outbox_events ORDER BY position LIMIT 10000) AS first
             WHERE occurred_at < $1 AND published_at IS NOT NULL ORDER BY position LIMIT 1000)",
        events,
    );
    let keys = delete_all!(
        db,
        "DELETE FROM idempotency_keys WHERE (auth_user_id, key) IN (
             SELECT auth_user_id, key FROM idempotency_keys WHERE created_at < $1 ORDER BY created_at LIMIT 1000)
         AND created_at < $1",
        keys,
    );
    // Whoever follows them is seconds behind, or compares everything.
    let changes = sqlx::query!("DELETE FROM quest_changes WHERE changed_at < now() - INTERVAL '1 day'")
        .execute(&db.pool)
        .await?
        .rows_affected();
    Ok(events + keys + changes)
}
