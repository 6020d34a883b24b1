//! The event log, with the delivery state of each event.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;

use crate::admin::model::{Delivery, DeliveryState, EventFilter, LoggedEvent};
use crate::ids::{EventId, LearnerId};

/// How far the times of neighbours in the log may be out of order: clocks of replicas, and transactions that take long.
const DISORDER: TimeDelta = TimeDelta::minutes(5);

/// Reads events; `$where` says which, and in which order.
macro_rules! select_log {
    ($connection:expr, $where:literal, $($argument:expr),+ $(,)?) => {
        Ok::<Vec<$crate::admin::model::LoggedEvent>, sqlx::Error>(sqlx::query!(
            r#"SELECT id AS "id: EventId", position, auth_user_id AS "auth_user_id: LearnerId", learner_seq, event_type,
                      correlation_id, causation_id, occurred_at, data, published_at, parked_at, parked_reason, refusals,
                      erased_at
               FROM outbox_events WHERE "# + $where,
            $($argument),+
        )
        .fetch_all($connection)
        .await?
        .into_iter()
        .map(|row| LoggedEvent {
            id: row.id,
            position: row.position,
            auth_user_id: row.auth_user_id,
            learner_seq: row.learner_seq,
            event_type: row.event_type,
            correlation_id: row.correlation_id,
            causation_id: row.causation_id,
            occurred_at: row.occurred_at,
            data: row.data,
            delivery: Delivery {
                state: match (row.erased_at, row.parked_at, row.published_at) {
                    (Some(_), _, _) => DeliveryState::Erased,
                    (_, Some(_), _) => DeliveryState::Parked,
                    (_, _, Some(_)) => DeliveryState::Published,
                    (None, None, None) => DeliveryState::Pending,
                },
                published_at: row.published_at,
                parked_at: row.parked_at,
                parked_reason: row.parked_reason,
                refusals: row.refusals,
            },
        })
        .collect())
    };
}
pub(super) use select_log;

/// A page of the log after a position: a correlation's events in the order in which they happened, everything else
/// newest first. One statement, and a few short ones where times are to be found.
///
/// # Errors
/// The database's.
pub async fn list_events(
    connection: &mut PgConnection,
    filter: &EventFilter,
    after: Option<i64>,
    limit: i64,
) -> Result<Vec<LoggedEvent>, sqlx::Error> {
    let from = filter.from.unwrap_or(DateTime::UNIX_EPOCH);
    if let Some(correlation) = &filter.correlation_id {
        return select_log!(
            connection,
            "correlation_id = $1 AND position > $2 AND occurred_at >= $3
               AND occurred_at < coalesce($4::timestamptz, 'infinity') AND ($5::text IS NULL OR event_type = $5)
               AND ($6::uuid IS NULL OR auth_user_id = $6)
             ORDER BY position LIMIT $7",
            correlation,
            after.unwrap_or(0),
            from,
            filter.to,
            filter.event_type,
            filter.learner.map(|learner| learner.0),
            limit
        );
    }
    let after = after.unwrap_or(i64::MAX);
    if let Some(learner) = filter.learner {
        return select_log!(
            connection,
            "auth_user_id = $1 AND learner_seq < $2 AND occurred_at >= $3
               AND occurred_at < coalesce($4::timestamptz, 'infinity') AND ($5::text IS NULL OR event_type = $5)
             ORDER BY learner_seq DESC LIMIT $6",
            learner.0,
            after,
            from,
            filter.to,
            filter.event_type,
            limit
        );
    }
    let first = if filter.from.is_some() { position_at(connection, from - DISORDER).await? } else { 0 };
    let end = match filter.to {
        Some(to) => position_at(connection, to + DISORDER).await?.min(after),
        None => after,
    };
    select_log!(
        connection,
        "position >= $1 AND position < $2 AND occurred_at >= $3
           AND occurred_at < coalesce($4::timestamptz, 'infinity') AND ($5::text IS NULL OR event_type = $5)
         ORDER BY position DESC LIMIT $6",
        first,
        end,
        from,
        filter.to,
        filter.event_type,
        limit
    )
}

/// Where in the log a moment is, give or take [`DISORDER`]: positions and times ascend together, so that the index of
/// one finds the other in some thirty looks.
async fn position_at(connection: &mut PgConnection, at: DateTime<Utc>) -> Result<i64, sqlx::Error> {
    let ends = sqlx::query!(
        r#"SELECT coalesce(min(position), 0) AS "first!", coalesce(max(position), 0) AS "last!" FROM outbox_events"#
    )
    .fetch_one(&mut *connection)
    .await?;
    let (mut low, mut high) = (ends.first, ends.last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = sqlx::query!(
            "SELECT position, occurred_at FROM outbox_events WHERE position >= $1 ORDER BY position LIMIT 1",
            middle
        )
        .fetch_optional(&mut *connection)
        .await?;
        match found {
            Some(event) if event.occurred_at < at => low = event.position + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

/// Between which positions the events of a time lie: none before the first, none after the last.
pub(super) async fn positions(
    connection: &mut PgConnection,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
) -> Result<(i64, i64), sqlx::Error> {
    let first = position_at(connection, from - DISORDER).await?;
    Ok((first, position_at(connection, to + DISORDER).await?))
}
