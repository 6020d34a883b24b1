//! How much waits for the broker, for the metrics.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

/// Measures the backlog, by the partial indexes of what waits and of what is parked.
///
/// # Errors
/// The database's; the metrics stay as they were.
pub async fn measure(pool: &PgPool, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let backlog = sqlx::query!(
        r#"/* events:backlog */
           SELECT (SELECT count(*) FROM (SELECT FROM outbox_events WHERE published_at IS NULL AND parked_at IS NULL
                                         LIMIT 100000) AS counted) AS "waiting!",
                  (SELECT occurred_at FROM outbox_events AS event
                   WHERE published_at IS NULL AND parked_at IS NULL
                     AND NOT EXISTS (SELECT FROM outbox_events AS parked
                                     WHERE parked.auth_user_id = event.auth_user_id AND parked.parked_at IS NOT NULL
                                       AND parked.position < event.position)
                   ORDER BY position LIMIT 1) AS oldest,
                  (SELECT count(*) FROM outbox_events WHERE parked_at IS NOT NULL) AS "parked!""#
    )
    .fetch_one(pool)
    .await?;
    let age = backlog.oldest.and_then(|oldest| (now - oldest).to_std().ok()).unwrap_or_default();
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let (waiting, parked) = (backlog.waiting as f64, backlog.parked as f64);
    metrics::gauge!("outbox_backlog_events").set(waiting);
    metrics::gauge!("outbox_oldest_age_seconds").set(age.as_secs_f64());
    metrics::gauge!("outbox_parked_events").set(parked);
    Ok(())
}
