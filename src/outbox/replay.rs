//! The relay's part of replays: the next batch, and how far it is.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::events::Logged;
use crate::ids::{EventId, LearnerId};

/// A batch of a replay, in the order of the log.
#[derive(Debug)]
pub(super) struct Batch {
    id: Uuid,
    pub events: Vec<Logged>,
    /// Position up to which the replay has come with it.
    position: i64,
    is_last: bool,
}

/// Whether any replay is under way: asked after every batch, so it reads an index that is mostly empty.
pub(super) async fn is_running(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM event_replays WHERE finished_at IS NULL) AS "any!""#)
        .fetch_one(connection)
        .await
}

/// A row of the log with its place.
macro_rules! select_events {
    ($connection:expr, $where:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query!(
            r#"SELECT id AS "id: EventId", auth_user_id AS "auth_user_id: LearnerId", learner_seq, event_type,
                      correlation_id, causation_id, traceparent, occurred_at, data, position
               FROM outbox_events WHERE published_at <= $1 AND erased_at IS NULL AND position > $2 AND position <= $3 AND "#
                + $where,
            $($argument),+
        )
        .fetch_all($connection)
        .await?
        .into_iter()
        .map(|row| {
            (row.position, Logged {
                id: row.id,
                auth_user_id: row.auth_user_id,
                learner_seq: row.learner_seq,
                event_type: row.event_type,
                correlation_id: row.correlation_id,
                causation_id: row.causation_id,
                traceparent: row.traceparent,
                occurred_at: row.occurred_at,
                data: row.data,
            })
        })
        .unzip::<i64, Logged, Vec<i64>, Vec<Logged>>()
    };
}

/// The next events of the oldest replay; positions ascend with the numbers of each learner, so that their order is kept.
/// What was not published when the replay was asked for is not repeated but still to come.
pub(super) async fn next(connection: &mut PgConnection, limit: i64) -> Result<Option<Batch>, sqlx::Error> {
    let replay = sqlx::query!(
        "SELECT id, requested_at, event_ids, from_at, to_at, auth_user_id, event_type, after_position, last_position
         FROM event_replays WHERE finished_at IS NULL ORDER BY requested_at, id LIMIT 1"
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(replay) = replay else { return Ok(None) };
    let (first, last) = (replay.after_position, replay.last_position);
    let (positions, events) = match (replay.event_ids, replay.auth_user_id) {
        (Some(ids), _) => select_events!(
            connection,
            "id = ANY($4) ORDER BY position LIMIT $5",
            replay.requested_at,
            first,
            last,
            &ids,
            limit
        ),
        (None, Some(learner)) => select_events!(
            connection,
            "auth_user_id = $4 AND occurred_at >= $5 AND occurred_at < $6 AND ($7::text IS NULL OR event_type = $7)
             ORDER BY learner_seq LIMIT $8",
            replay.requested_at,
            first,
            last,
            learner,
            replay.from_at,
            replay.to_at,
            replay.event_type,
            limit
        ),
        (None, None) => select_events!(
            connection,
            "occurred_at >= $4 AND occurred_at < $5 AND ($6::text IS NULL OR event_type = $6)
             ORDER BY position LIMIT $7",
            replay.requested_at,
            first,
            last,
            replay.from_at,
            replay.to_at,
            replay.event_type,
            limit
        ),
    };
    let is_last = i64::try_from(events.len()).unwrap_or(i64::MAX) < limit;
    let position = positions.last().copied().filter(|_| !is_last).unwrap_or(last);
    Ok(Some(Batch { id: replay.id, events, position, is_last }))
}

/// Notes that a batch is confirmed.
pub(super) async fn advance(
    connection: &mut PgConnection,
    batch: &Batch,
    sent: i64,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let skipped = i64::try_from(batch.events.len()).unwrap_or(i64::MAX) - sent;
    sqlx::query!(
        "UPDATE event_replays SET sent = sent + $2, skipped = skipped + $3, after_position = $4, refusals = 0,
                finished_at = CASE WHEN $5 THEN $6::timestamptz END, event_ids = CASE WHEN NOT $5 THEN event_ids END
         WHERE id = $1",
        batch.id,
        sent,
        skipped,
        batch.position,
        batch.is_last,
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts that the broker has refused a batch; a replay that is refused again and again ends, so that it cannot hold
/// up what is new.
pub(super) async fn refused(
    connection: &mut PgConnection,
    batch: &Batch,
    most: i32,
    reason: &str,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE event_replays SET refusals = refusals + 1,
                failed_reason = CASE WHEN refusals + 1 >= $2 THEN $3 END,
                finished_at = CASE WHEN refusals + 1 >= $2 THEN $4::timestamptz END,
                event_ids = CASE WHEN refusals + 1 < $2 THEN event_ids END
         WHERE id = $1",
        batch.id,
        most,
        reason,
        now
    )
    .execute(connection)
    .await?;
    Ok(())
}
