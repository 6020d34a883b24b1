//! Taking a person out of the log: what was not sent is not sent any more, what was sent is not sent again.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::origin::Origin;

/// Shared by the relay from claiming a batch to marking it, held by who erases until the end of the transaction:
/// nothing that was claimed before goes out after.
pub(super) const ERASURE_LOCK: i64 = 0x5155_4553_5453_0002;

/// Blanks the events of a learner, takes them off the way to the broker, and gives them ids that nobody can make from
/// the old ones: of events, grants and correlation ids the salted hash. Says how many rows. Waits for the batch that is
/// on its way.
///
/// # Errors
/// The database's.
pub async fn erase(
    connection: &mut PgConnection,
    origin: &Origin,
    old: Uuid,
    new: Uuid,
    salt: &str,
) -> Result<u64, sqlx::Error> {
    // A statement of its own: the next one must see what the relay has marked.
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", ERASURE_LOCK).fetch_one(&mut *connection).await?;
    sqlx::query!(
        "UPDATE event_replays SET requested_by = CASE WHEN requested_by = $1 THEN $2 ELSE requested_by END,
                auth_user_id = CASE WHEN auth_user_id = $1 THEN $2 ELSE auth_user_id END,
                event_ids = CASE WHEN event_ids IS NOT NULL THEN ARRAY(
                    SELECT kept FROM unnest(event_ids) AS kept
                    WHERE NOT EXISTS (SELECT FROM outbox_events WHERE id = kept AND auth_user_id = $1)) END
         WHERE requested_by = $1 OR auth_user_id = $1 OR finished_at IS NULL",
        old,
        new
    )
    .execute(&mut *connection)
    .await?;
    let events = sqlx::query!(
        "UPDATE outbox_events SET id = md5($3 || id::text)::uuid, auth_user_id = $2,
                correlation_id = md5($3 || correlation_id), causation_id = md5($3 || causation_id::text)::uuid,
                traceparent = NULL, published_at = coalesce(published_at, $4), erased_at = $4,
                parked_at = NULL, parked_reason = NULL, refusals = 0,
                -- The points stay: they are counted.
                data = jsonb_strip_nulls(jsonb_build_object('authUserId', $2::uuid, 'points', data -> 'points'))
         WHERE auth_user_id = $1",
        old,
        new,
        salt,
        origin.clock.now()
    )
    .execute(connection)
    .await?;
    Ok(events.rows_affected())
}
