//! The only place that reads the time; tests set it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// The system's clock, or one that stands still until a test moves it.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// A clock that stands at `start` until [`Clock::advance`].
    #[must_use]
    pub fn fixed(start: DateTime<Utc>) -> Self {
        Self(Some(Arc::new(AtomicI64::new(start.timestamp_micros()))))
    }

    /// Now, in microseconds as PostgreSQL keeps them, so that an answer equals what is read back.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn now(&self) -> DateTime<Utc> {
        match &self.0 {
            None => Utc::now().trunc_subsecs(6),
            Some(fixed) => DateTime::from_timestamp_micros(fixed.load(Ordering::SeqCst)).unwrap_or_default(),
        }
    }

    /// Moves a fixed clock; the system's clock is not ours to move.
    pub fn advance(&self, by: TimeDelta) {
        if let (Some(fixed), Some(micros)) = (&self.0, by.num_microseconds()) {
            fixed.fetch_add(micros, Ordering::SeqCst);
        }
    }
}

/// The time of the machine, for metrics and spans: no test moves it.
#[must_use]
pub fn wall() -> SystemTime {
    SystemTime::now()
}

/// The same in seconds since 1970.
#[must_use]
pub fn unix_seconds() -> f64 {
    wall().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
