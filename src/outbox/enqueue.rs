//! Writing events to the log, in the transaction in which they happened.

use sqlx::PgConnection;
use uuid::Uuid;

use super::events::Event;
use crate::ids::EventId;
use crate::learners::Locked;
use crate::origin::Origin;
use crate::trace;

/// An event that waits for the end of the operation.
#[derive(Debug)]
pub struct Pending {
    id: EventId,
    event: Event,
    causation_id: Option<EventId>,
}

impl Locked {
    /// Notes an event under a new id; returns the id, for what it causes.
    pub fn record(&mut self, event: Event, cause: Option<EventId>) -> EventId {
        let id = EventId::generate();
        self.record_as(id, event, cause);
        id
    }

    /// Notes an event under a given id: that of the grant or unlock which it announces.
    pub fn record_as(&mut self, id: EventId, event: Event, cause: Option<EventId>) {
        self.pending.push(Pending { id, event, causation_id: cause });
    }
}

/// Writes what the learner's transaction has noted, numbered in order; one statement, none if there is nothing.
///
/// # Errors
/// The database's, also when it stores fewer than were noted; a grant that was announced before breaks the primary key, and with it the transaction.
pub async fn enqueue(connection: &mut PgConnection, learner: &mut Locked, origin: &Origin) -> Result<(), sqlx::Error> {
    if learner.pending.is_empty() {
        return Ok(());
    }
    let pending = std::mem::take(&mut learner.pending);
    let ids: Vec<Uuid> = pending.iter().map(|event| event.id.0).collect();
    let types: Vec<String> = pending.iter().map(|event| event.event.type_name().to_owned()).collect();
    let causes: Vec<Option<Uuid>> =
        pending.iter().map(|event| event.causation_id.map(|id| id.0).or(origin.causation_id)).collect();
    let data: Vec<serde_json::Value> = pending.iter().map(|event| event.event.data(learner.id)).collect();
    // What publishing and handling it cost hangs on the transaction that wrote it.
    let traceparent = trace::here().or_else(|| origin.traceparent.clone());
    let written = i64::try_from(pending.len()).unwrap_or(i64::MAX);
    let stored = sqlx::query!(
        "/* events:enqueue */
         WITH numbered AS (
             UPDATE learners SET event_seq = event_seq + $2 WHERE auth_user_id = $1 AND event_seq = $3
             RETURNING event_seq - $2 AS base, erased_at
         )
         INSERT INTO outbox_events
             (id, auth_user_id, learner_seq, event_type, correlation_id, causation_id, traceparent, occurred_at, data,
              published_at, erased_at)
         SELECT event.id, $1, numbered.base + event.ordinality, event.type, $4, event.cause, $5, $6, event.data,
                -- Of who was erased nothing is told any more.
                numbered.erased_at, numbered.erased_at
         FROM numbered, unnest($7::uuid[], $8::text[], $9::uuid[], $10::jsonb[]) WITH ORDINALITY
             AS event (id, type, cause, data, ordinality)
         ORDER BY event.ordinality",
        learner.id.0,
        written,
        learner.event_seq,
        origin.correlation_id,
        traceparent,
        learner.now,
        &ids,
        &types,
        &causes as &[Option<Uuid>],
        &data,
    )
    .execute(connection)
    .await?
    .rows_affected();
    // Somebody else has numbered events of this learner although the row is locked: nothing of this may stand.
    if stored != written.unsigned_abs() {
        return Err(sqlx::Error::Protocol(format!("{stored} of {written} events were stored")));
    }
    learner.event_seq += written;
    Ok(())
}
