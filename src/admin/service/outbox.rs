//! What waits for the broker, and releasing what is parked.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::log::select_log;
use crate::admin::model::{Backlog, Delivery, DeliveryState, LoggedEvent, Refusal};
use crate::audit;
use crate::ids::{EventId, LearnerId};
use crate::learners;
use crate::origin::Origin;
use crate::outbox::RELAY_LOCK;

/// How much waits, and for how long; one statement.
///
/// # Errors
/// The database's.
pub async fn backlog(connection: &mut PgConnection, now: DateTime<Utc>) -> Result<Backlog, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT waiting.pending AS "pending!", waiting.oldest, parked.events AS "parked!",
                  (SELECT count(*) FROM outbox_events AS event
                   WHERE parked.events > 0 AND event.published_at IS NULL AND event.parked_at IS NULL AND EXISTS (
                       SELECT FROM outbox_events AS before
                       WHERE before.auth_user_id = event.auth_user_id AND before.parked_at IS NOT NULL
                         AND before.position < event.position)) AS "held_back!",
                  -- PostgreSQL shows a lock's 64 bits as two halves.
                  EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
                            AND classid::bigint = $1 AND objid::bigint = $2
                            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
                      AS "relay_active!"
           FROM (SELECT (SELECT count(*) FROM (SELECT FROM outbox_events WHERE published_at IS NULL AND parked_at IS NULL
                                               LIMIT 100000) AS counted) AS pending,
                        (SELECT occurred_at FROM outbox_events WHERE published_at IS NULL AND parked_at IS NULL
                         ORDER BY position LIMIT 1) AS oldest) AS waiting,
                (SELECT count(*) AS events FROM outbox_events WHERE parked_at IS NOT NULL) AS parked"#,
        RELAY_LOCK >> 32,
        RELAY_LOCK & 0xffff_ffff
    )
    .fetch_one(connection)
    .await?;
    Ok(Backlog {
        pending: row.pending,
        held_back: row.held_back,
        oldest_pending_at: row.oldest,
        oldest_age_seconds: row.oldest.map_or(0, |oldest| (now - oldest).num_seconds().max(0)),
        parked: row.parked,
        relay_active: row.relay_active,
    })
}

/// A page of parked events, in the order of the log.
///
/// # Errors
/// The database's.
pub async fn list_parked(
    connection: &mut PgConnection,
    after: Option<i64>,
    limit: i64,
) -> Result<Vec<LoggedEvent>, sqlx::Error> {
    select_log!(
        connection,
        "parked_at IS NOT NULL AND position > $1 ORDER BY position LIMIT $2",
        after.unwrap_or(0),
        limit
    )
}

/// Releases a parked event, and with it what waits behind it; one that is not parked stays as it is.
///
/// # Errors
/// When there is no such event.
pub async fn unpark(connection: &mut PgConnection, origin: &Origin, id: EventId) -> Result<LoggedEvent, Refusal> {
    // Under the lock of whose event it is, as all that is written of a learner.
    let owner = sqlx::query_scalar!("SELECT auth_user_id FROM outbox_events WHERE id = $1", id.0)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(owner) = owner {
        learners::lock(connection, LearnerId(owner), origin).await?;
    }
    let released = sqlx::query!(
        r#"UPDATE outbox_events AS event SET parked_at = NULL, parked_reason = NULL, refusals = 0
           FROM (SELECT id, parked_reason FROM outbox_events WHERE id = $1 FOR UPDATE) AS before
           WHERE event.id = before.id AND event.parked_at IS NOT NULL
           RETURNING before.parked_reason AS reason, event.auth_user_id, event.event_type"#,
        id.0
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(released) = released {
        let details = json!({
            "authUserId": released.auth_user_id, "type": released.event_type, "parkedReason": released.reason,
        });
        audit::note(connection, origin, "unpark", "event", id.0, details).await?;
    }
    select(connection, id.0).await?.pop().ok_or(Refusal::NotFound("event"))
}

async fn select(connection: &mut PgConnection, id: Uuid) -> Result<Vec<LoggedEvent>, sqlx::Error> {
    select_log!(connection, "id = $1", id)
}
