//! Learners as this service knows them: one row each, which is the lock that puts
//! a learner's writes in a row and the counter that numbers the learner's events.
//!
//! Every transaction that writes for a learner begins with [`lock`] or [`enrol`]: parallel
//! completions cannot miss each other's unlock, and the sequence has no gaps.

mod service;

pub use service::{Locked, enrol, lock, lock_many};

// TEMP until the branch with erasure is merged
pub async fn erase(
    _c: &mut sqlx::PgConnection,
    _o: &crate::origin::Origin,
    _l: crate::ids::LearnerId,
) -> Result<bool, sqlx::Error> {
    Ok(false)
}
