//! Events, replays, backlog and audit entries as admins see them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::ids::{EventId, LearnerId, ReplayId};

/// Most events that one replay may send again.
#[derive(Debug, Clone, Copy)]
pub struct ReplayLimit(pub i64);

/// Where an event is on its way to the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DeliveryState {
    /// Waits for the relay, or behind a parked event of its learner
    Pending,
    Published,
    /// Set aside with a reason
    Parked,
    /// Its learner was erased; it is not sent any more
    Erased,
}

/// The delivery of an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    pub state: DeliveryState,
    pub published_at: Option<DateTime<Utc>>,
    pub parked_at: Option<DateTime<Utc>>,
    pub parked_reason: Option<String>,
    /// Times the broker has refused it
    pub refusals: i32,
}

/// An event of the log.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoggedEvent {
    pub id: EventId,
    /// Its place in the log; ascends with the numbers of one learner
    pub position: i64,
    pub auth_user_id: LearnerId,
    pub learner_seq: i64,
    #[serde(rename = "type")]
    #[schema(example = "QuestCompleted")]
    pub event_type: String,
    pub correlation_id: String,
    pub causation_id: Option<Uuid>,
    pub occurred_at: DateTime<Utc>,
    #[schema(value_type = Object)]
    pub data: Value,
    pub delivery: Delivery,
}

/// What events are filtered by; all joined by "and".
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    pub correlation_id: Option<String>,
    pub learner: Option<LearnerId>,
    pub event_type: Option<String>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// What is to be sent again: by `ids`, or by time and further by learner and type.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z", "type": "QuestCompleted"}))]
pub struct ReplayInput {
    /// Ids of events; not with anything else
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<EventId>>,
    /// From this moment on, by `occurredAt`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Before this moment
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<DateTime<Utc>>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_user_id: Option<LearnerId>,
}

/// What a replay would send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ReplayCount {
    /// Published events that are still in the log
    pub total: i64,
}

/// Where a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ReplayStatus {
    Running,
    Done,
    /// The broker has refused it again and again; see `failedReason`
    Failed,
}

/// A replay, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replay {
    pub id: ReplayId,
    pub status: ReplayStatus,
    pub requested_by: Uuid,
    pub requested_at: DateTime<Utc>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
    #[serde(rename = "type")]
    pub event_type: Option<String>,
    pub auth_user_id: Option<LearnerId>,
    /// Events when it was asked for; some may have been erased or pruned since
    pub total: i64,
    /// Sent again and confirmed
    pub sent: i64,
    /// No message any more, e.g. too large for `EVENT_MAX_BYTES`
    pub skipped: i64,
    pub finished_at: Option<DateTime<Utc>>,
    pub failed_reason: Option<String>,
}

/// Events that wait for their way to the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backlog {
    /// Neither published nor parked
    pub pending: i64,
    /// Those of them that wait behind a parked event
    pub held_back: i64,
    pub oldest_pending_at: Option<DateTime<Utc>>,
    /// Seconds since then; 0 when nothing waits
    pub oldest_age_seconds: i64,
    pub parked: i64,
    /// Some replica holds the relay's lock
    pub relay_active: bool,
}

/// An entry of the audit log.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    pub id: Uuid,
    pub recorded_at: DateTime<Utc>,
    /// `sub` of who did it; the nil UUID is the service itself
    pub actor_id: Uuid,
    #[schema(example = "override unlock")]
    pub action: String,
    #[schema(example = "quest")]
    pub resource_type: String,
    pub resource_id: Uuid,
    #[schema(value_type = Object)]
    pub details: Value,
    pub correlation_id: String,
}

/// What audit entries are filtered by; all joined by "and".
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditFilter {
    pub actor: Option<Uuid>,
    pub resource: Option<Uuid>,
    pub from: Option<DateTime<Utc>>,
    pub to: Option<DateTime<Utc>>,
}

/// What these operations refuse.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("a replay takes at most {0} events; give a shorter time")]
    TooMany(i64),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}
