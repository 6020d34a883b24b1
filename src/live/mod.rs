//! The live stream: a learner's own events as they happen, as server-sent events.
//!
//! A stream reads the event log, so that `Last-Event-ID` resumes it with nothing missed and nothing twice,
//! at any replica. The id of an event is its number at the learner (`learnerseq`), which has no gaps.
//! One poller per process asks for all open streams at once what has happened, whoever committed it.

pub mod http;
mod hub;
mod model;
mod service;

pub use hub::{Hub, StreamLimits, run};
pub use service::prune;
