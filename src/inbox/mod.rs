//! What other services tell us over RabbitMQ: results of coding (Event Service), meetings (Meeting Service), users
//! who are deleted (User Service).
//!
//! Each source has a durable queue of its own and one consumer per process. A message is acknowledged when what it
//! says is committed, together with its key, so that a second delivery changes nothing. What can never be taken in
//! goes to the dead-letter queue with the reason; while the database is away, everything waits.

mod consumer;
mod link;
mod message;
mod service;

pub use consumer::{Inbox, run};
pub use service::prune;
