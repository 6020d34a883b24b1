//! What streams ask the database.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::model::Ticket;
use crate::ids::{EventId, LearnerId};
use crate::outbox::events::Logged;

/// How long a ticket is good for, in seconds.
const TICKET_SECONDS: i64 = 60;

/// Makes a ticket for one stream of a learner. The table keeps only its hash; a repetition under an `Idempotency-Key` is told the
/// same one, which may be used by then.
///
/// # Errors
/// The database's.
pub async fn make_ticket(
    connection: &mut PgConnection,
    learner: LearnerId,
    now: DateTime<Utc>,
) -> Result<Ticket, sqlx::Error> {
    let bytes: [u8; 32] = rand::random();
    let secret = URL_SAFE_NO_PAD.encode(bytes);
    let expires_at = now + TimeDelta::seconds(TICKET_SECONDS);
    let last = sqlx::query_scalar!(
        r#"INSERT INTO stream_tickets (ticket_hash, auth_user_id, expires_at) VALUES ($1, $2, $3)
           RETURNING (SELECT event_seq FROM learners WHERE learners.auth_user_id = $2)"#,
        hash(&secret),
        learner.0,
        expires_at
    )
    .fetch_one(connection)
    .await?;
    let url = format!("/v1/me/events?ticket={secret}");
    Ok(Ticket { secret, expires_at, url, last_event_id: last.unwrap_or(0) })
}

fn hash(ticket: &str) -> Vec<u8> {
    Sha256::digest(ticket).to_vec()
}

/// The learner of a ticket; None when it is unknown, used or too old.
///
/// # Errors
/// The database's.
pub async fn holder(pool: &PgPool, ticket: &str, now: DateTime<Utc>) -> Result<Option<LearnerId>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT auth_user_id AS "learner: LearnerId" FROM stream_tickets WHERE ticket_hash = $1 AND expires_at > $2"#,
        hash(ticket),
        now
    )
    .fetch_optional(pool)
    .await
}

/// Uses a ticket up; false when somebody else has.
///
/// # Errors
/// The database's.
pub async fn use_ticket(pool: &PgPool, ticket: &str) -> Result<bool, sqlx::Error> {
    let used = sqlx::query!("DELETE FROM stream_tickets WHERE ticket_hash = $1", hash(ticket)).execute(pool).await?;
    Ok(used.rows_affected() == 1)
}

/// The numbers of the last events of learners; who is unknown to us is left out.
///
/// # Errors
/// The database's.
pub async fn heads(pool: &PgPool, learners: &[Uuid]) -> Result<Vec<(LearnerId, i64)>, sqlx::Error> {
    let rows = sqlx::query!(
        "/* live:heads */ SELECT auth_user_id, event_seq FROM learners WHERE auth_user_id = ANY($1)",
        learners
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (LearnerId(row.auth_user_id), row.event_seq)).collect())
}

/// The events of learners after the given numbers, at most 100 each; in order per learner.
///
/// # Errors
/// The database's.
pub async fn after(pool: &PgPool, learners: &[Uuid], seqs: &[i64]) -> Result<Vec<Logged>, sqlx::Error> {
    sqlx::query_as!(
        Logged,
        r#"/* live:after */
           SELECT event.id AS "id: EventId", event.auth_user_id AS "auth_user_id: LearnerId", event.learner_seq,
                  event.event_type, event.correlation_id, event.causation_id, event.traceparent, event.occurred_at,
                  event.data
           FROM unnest($1::uuid[], $2::bigint[]) AS stream (learner, seq)
           CROSS JOIN LATERAL (
               SELECT * FROM outbox_events WHERE auth_user_id = stream.learner AND learner_seq > stream.seq
               ORDER BY learner_seq LIMIT 100
           ) AS event
           ORDER BY event.auth_user_id, event.learner_seq"#,
        learners,
        seqs
    )
    .fetch_all(pool)
    .await
}

/// Removes tickets that nobody has used in time.
///
/// # Errors
/// The database's.
pub async fn prune(pool: &PgPool, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM stream_tickets WHERE expires_at < $1", now).execute(pool).await?;
    Ok(())
}
