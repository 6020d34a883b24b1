//! Learners as this service knows them: one row each, which is the lock that puts
//! a learner's writes in a row and the counter that numbers the learner's events.
//!
//! Every transaction that writes for a learner begins with [`lock`] or [`enrol`]: parallel
//! completions cannot miss each other's unlock, and the sequence has no gaps.

mod erase;
pub mod http;
mod service;

pub use erase::erase;
pub use service::{Locked, enrol, lock, lock_many};
