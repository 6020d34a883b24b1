//! Leaves an endpoint that has failed in peace for a while; then one call tries it, and the others wait for its luck.

use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, Utc};

/// One endpoint's state: 0 while it is well, else the Unix time until which it is left in peace.
#[derive(Debug, Default)]
pub struct Breaker(AtomicI64);

impl Breaker {
    /// Whether a call may go out. After the pause whoever moves it on is the one that tries: a call that is dropped
    /// half-way leaves nothing behind but one more pause.
    pub fn lets_through(&self, now: DateTime<Utc>, pause_seconds: i64) -> bool {
        let until = self.0.load(Ordering::Acquire);
        if until == 0 {
            return true;
        }
        let next = now.timestamp() + pause_seconds;
        now.timestamp() >= until && self.0.compare_exchange(until, next, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub fn is_well(&self) {
        self.0.store(0, Ordering::Release);
    }

    pub fn is_unwell(&self, now: DateTime<Utc>, pause_seconds: i64) {
        self.0.store(now.timestamp() + pause_seconds, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_tries_what_has_failed_and_opens_it_for_all() {
        let (breaker, at) = (Breaker::default(), |second: i64| DateTime::from_timestamp(1_000 + second, 0).unwrap());
        assert!(breaker.lets_through(at(0), 5) && breaker.lets_through(at(0), 5));
        breaker.is_unwell(at(0), 5);
        assert!(!breaker.lets_through(at(4), 5));
        assert!(breaker.lets_through(at(5), 5), "one tries");
        assert!(!breaker.lets_through(at(5), 5), "the others do not");
        assert!(breaker.lets_through(at(10), 5), "one that never came back holds nobody up for ever");
        breaker.is_well();
        assert!(breaker.lets_through(at(10), 5) && breaker.lets_through(at(10), 5));
    }
}
