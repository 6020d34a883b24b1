//! Operations for admins.

mod audit;
mod log;
mod outbox;
mod replays;

pub use audit::list_audit;
pub use log::list_events;
pub use outbox::{backlog, list_parked, unpark};
pub use replays::{count_replay, get_replay, request_replay};
