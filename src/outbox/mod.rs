//! The event log and its way to RabbitMQ.
//!
//! What happened is written to `outbox_events` in the transaction in which it happened;
//! one relay among all replicas publishes it with confirms, in order per learner, and marks it.
//! Delivery is at least once: consumers deduplicate by the event's id.

mod backlog;
mod broker;
mod enqueue;
mod erase;
pub mod events;
mod prune;
mod relay;
mod replay;

pub use backlog::measure;
pub use broker::{Link, connect, topology};
pub use enqueue::{Pending, enqueue};
pub use erase::erase;
pub use events::Event;
pub use prune::prune;
pub use relay::{RELAY_LOCK, Relay, run};
