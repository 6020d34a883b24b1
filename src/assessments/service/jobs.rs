//! The background work of assessments, one after the other; what fails goes on with the next call.

use super::{run_allocations, run_expired, run_fallbacks, run_recalls, run_regrades, run_wakeups};
use crate::clock::Clock;
use crate::db::Db;

/// Does all that is due.
pub async fn run_jobs(db: &Db, clock: &Clock) {
    if let Err(error) = run_expired(db, clock).await {
        tracing::warn!(%error, "tries whose time is over are handed in later");
    }
    if let Err(error) = run_recalls(db, clock).await {
        tracing::warn!(%error, "results are held against edited assessments later");
    }
    if let Err(error) = run_wakeups(db, clock).await {
        tracing::warn!(%error, "results that wait for assessments are applied later");
    }
    if let Err(error) = run_fallbacks(db, clock).await {
        tracing::warn!(%error, "work that waits for its reviews too long goes to graders later");
    }
    if let Err(error) = run_allocations(db, clock).await {
        tracing::warn!(%error, "peer reviews are handed out later");
    }
    if let Err(error) = run_regrades(db, clock).await {
        tracing::warn!(%error, "the regrading goes on later");
    }
}
