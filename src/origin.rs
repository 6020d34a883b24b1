//! Where a change comes from: who asked, under which correlation id. Carried into logs, audit and events.

use uuid::Uuid;

use crate::clock::Clock;

/// The cause of a change, as every operation gets it.
#[derive(Debug, Clone)]
pub struct Origin {
    /// `sub` of the caller's token; nil for the service's own jobs.
    pub actor: Uuid,
    /// 1–128 visible ASCII characters.
    pub correlation_id: String,
    /// W3C trace context of the request, passed on with the events.
    pub traceparent: Option<String>,
    /// The message that asked for it, where one did; becomes `causationid` of what it causes first.
    pub causation_id: Option<Uuid>,
    /// The time, for everything the operation decides.
    pub clock: Clock,
}

impl Origin {
    /// The origin of work that no request asked for: a correlation id of its own.
    #[must_use]
    pub fn job(clock: &Clock) -> Self {
        Self {
            actor: Uuid::nil(),
            correlation_id: Uuid::now_v7().to_string(),
            traceparent: None,
            causation_id: None,
            clock: clock.clone(),
        }
    }
}
