//! What is sent on a stream.

use axum::response::sse::Event as Frame;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::outbox::events::Logged;

/// Where a client reads its state anew when it has missed something.
pub const STATE_URL: &str = "/v1/me";

/// A ticket for one stream.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// 43 characters; good for one stream
    #[serde(rename = "ticket")]
    #[schema(example = "q1Z0uKkqGSaW1BrhUu0p9cZ5o7k0Xr2m3n4p5q6r7s8")]
    pub secret: String,
    pub expires_at: DateTime<Utc>,
    /// Address of the stream, with the ticket
    #[schema(example = "/v1/me/events?ticket=q1Z0uKkqGSaW1BrhUu0p9cZ5o7k0Xr2m3n4p5q6r7s8")]
    pub url: String,
    /// Where the learner's log stands. `EventSource` does not tell a page the id of a frame without data: a page
    /// that has received no event yet opens `url` with this one as `lastEventId`, and misses nothing
    #[schema(example = 41)]
    pub last_event_id: i64,
}

/// An event of the log as it is sent: its number, its type, its envelope.
pub fn frame(event: &Logged) -> Frame {
    Frame::default().id(event.learner_seq.to_string()).event(&event.event_type).data(event.envelope().to_string())
}

/// Says where the stream stands, so that a client that has received nothing yet can resume as well.
pub fn position(seq: i64) -> Frame {
    Frame::default().id(seq.to_string()).retry(std::time::Duration::from_secs(2))
}

/// Events between the client's last and this number are not kept: its state is to be read anew.
pub fn reset(seq: i64) -> Frame {
    Frame::default().id(seq.to_string()).event("reset").data(serde_json::json!({ "stateUrl": STATE_URL }).to_string())
}

/// Counts events that go out.
pub fn count_events(events: usize) {
    metrics::counter!("stream_events_total").increment(events as u64);
}

/// Counts a reset that goes out.
pub fn count_reset() {
    metrics::counter!("stream_resets_total").increment(1);
}

/// A hint without id: what is recommended has changed.
pub fn recommendations_changed() -> Frame {
    Frame::default().event("recommendations-changed").data("{}")
}

/// Whether an event changes what is recommended to its learner.
pub fn changes_recommendations(event_type: &str) -> bool {
    matches!(event_type, "QuestStarted" | "QuestAbandoned" | "QuestCompleted" | "ChallengeUnlocked")
}
