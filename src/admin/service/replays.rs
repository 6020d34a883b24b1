//! Asking for events to be sent again; the relay does it.

use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::log::positions;
use crate::admin::model::{Refusal, Replay, ReplayCount, ReplayInput, ReplayLimit, ReplayStatus};
use crate::audit;
use crate::ids::{LearnerId, ReplayId};
use crate::learners;
use crate::origin::Origin;

/// What there is to send again.
struct Found {
    total: i64,
    first: i64,
    last: i64,
}

/// Counts what a replay would send.
///
/// # Errors
/// When it would be too much.
pub async fn count_replay(
    connection: &mut PgConnection,
    input: &ReplayInput,
    now: DateTime<Utc>,
    limit: ReplayLimit,
) -> Result<ReplayCount, Refusal> {
    Ok(ReplayCount { total: find(connection, input, now, limit).await?.total })
}

/// Hands a replay to the relay.
///
/// # Errors
/// When it would be too much.
pub async fn request_replay(
    connection: &mut PgConnection,
    origin: &Origin,
    input: &ReplayInput,
    limit: ReplayLimit,
) -> Result<Replay, Refusal> {
    let now = origin.clock.now();
    if let Some(learner) = input.auth_user_id {
        // Who is being erased is not named any more.
        learners::lock(connection, learner, origin).await?;
    }
    let found = find(connection, input, now, limit).await?;
    let id = ReplayId::generate();
    let ids: Option<Vec<Uuid>> = input.ids.as_ref().map(|ids| ids.iter().map(|id| id.0).collect());
    sqlx::query!(
        "INSERT INTO event_replays (id, requested_by, requested_at, event_ids, from_at, to_at, auth_user_id, event_type,
                                    after_position, last_position, total, finished_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        id.0,
        origin.actor,
        now,
        ids.as_deref(),
        input.from,
        input.to,
        input.auth_user_id.map(|learner| learner.0),
        input.event_type,
        found.first - 1,
        found.last,
        found.total,
        (found.total == 0).then_some(now)
    )
    .execute(&mut *connection)
    .await?;
    let details = match &input.ids {
        Some(_) => json!({ "total": found.total }),
        None => json!({ "total": found.total, "asked": input }),
    };
    audit::note(connection, origin, "replay events", "event_replay", id.0, details).await?;
    get_replay(connection, id).await
}

/// How far a replay is.
///
/// # Errors
/// When there is no such replay.
pub async fn get_replay(connection: &mut PgConnection, id: ReplayId) -> Result<Replay, Refusal> {
    let row = sqlx::query!(
        r#"SELECT id AS "id: ReplayId", requested_by, requested_at, from_at, to_at, event_type,
                  auth_user_id AS "auth_user_id: LearnerId", total, sent, skipped, finished_at, failed_reason
           FROM event_replays WHERE id = $1"#,
        id.0
    )
    .fetch_optional(connection)
    .await?
    .ok_or(Refusal::NotFound("replay"))?;
    Ok(Replay {
        id: row.id,
        status: match (row.finished_at, &row.failed_reason) {
            (None, _) => ReplayStatus::Running,
            (Some(_), None) => ReplayStatus::Done,
            (Some(_), Some(_)) => ReplayStatus::Failed,
        },
        requested_by: row.requested_by,
        requested_at: row.requested_at,
        from: row.from_at,
        to: row.to_at,
        event_type: row.event_type,
        auth_user_id: row.auth_user_id,
        total: row.total,
        sent: row.sent,
        skipped: row.skipped,
        finished_at: row.finished_at,
        failed_reason: row.failed_reason,
    })
}

/// Counts published events, one more than may be, and finds their ends in the log.
macro_rules! ends {
    ($connection:expr, $where:literal, $($argument:expr),+ $(,)?) => {{
        let row = sqlx::query!(
            r#"SELECT count(*) AS "total!", coalesce(min(position), 1) AS "first!", coalesce(max(position), 0) AS "last!"
               FROM (SELECT position FROM outbox_events WHERE published_at <= $1 AND erased_at IS NULL AND "# + $where
                + " LIMIT $2) AS found",
            $($argument),+
        )
        .fetch_one($connection)
        .await?;
        Found { total: row.total, first: row.first, last: row.last }
    }};
}

async fn find(
    connection: &mut PgConnection,
    input: &ReplayInput,
    now: DateTime<Utc>,
    ReplayLimit(limit): ReplayLimit,
) -> Result<Found, Refusal> {
    let found = match (&input.ids, input.auth_user_id) {
        (Some(ids), _) => {
            let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
            ends!(connection, "id = ANY($3)", now, limit + 1, &ids)
        }
        (None, Some(learner)) => ends!(
            connection,
            "auth_user_id = $3 AND occurred_at >= $4 AND occurred_at < $5 AND ($6::text IS NULL OR event_type = $6)",
            now,
            limit + 1,
            learner.0,
            input.from,
            input.to,
            input.event_type
        ),
        (None, None) => {
            let (from, to) = (input.from.unwrap_or(now), input.to.unwrap_or(now));
            let (first, end) = positions(connection, from, to).await?;
            ends!(
                connection,
                "position >= $3 AND position < $4 AND occurred_at >= $5 AND occurred_at < $6
                   AND ($7::text IS NULL OR event_type = $7)",
                now,
                limit + 1,
                first,
                end,
                from,
                to,
                input.event_type
            )
        }
    };
    if found.total > limit { Err(Refusal::TooMany(limit)) } else { Ok(found) }
}
