//! Answers that are only shown: kept for a caller, bounded in bytes, the oldest go first. A crate for this would bring
//! more code than it saves: there is one lock, taken for a look.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

/// What an entry costs besides its body.
const OVERHEAD: usize = 160;

/// Answers by caller.
#[derive(Debug)]
pub struct Cache {
    most_bytes: usize,
    longest: TimeDelta,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    answers: HashMap<Uuid, Answer>,
    /// As they came; an answer that was replaced is passed over.
    order: VecDeque<(Uuid, DateTime<Utc>)>,
    bytes: usize,
}

#[derive(Debug)]
struct Answer {
    at: DateTime<Utc>,
    body: Arc<[u8]>,
}

impl Cache {
    pub fn new(most_bytes: usize, longest: TimeDelta) -> Self {
        Self { most_bytes, longest, kept: Mutex::default() }
    }

    /// The answer of a caller, and its age.
    pub fn get(&self, caller: Uuid, now: DateTime<Utc>) -> Option<(Arc<[u8]>, TimeDelta)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = kept.answers.get(&caller)?;
        let age = now - answer.at;
        (age <= self.longest).then(|| (answer.body.clone(), age))
    }

    pub fn put(&self, caller: Uuid, body: Arc<[u8]>, now: DateTime<Utc>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += body.len() + OVERHEAD;
        kept.order.push_back((caller, now));
        if let Some(replaced) = kept.answers.insert(caller, Answer { at: now, body }) {
            kept.bytes -= replaced.body.len() + OVERHEAD;
        }
        while let Some((oldest, at)) = kept.order.front().copied() {
            let is_replaced = kept.answers.get(&oldest).is_none_or(|answer| answer.at != at);
            // Replaced entries lie between those that count.
            if kept.order.len() > 2 * kept.answers.len() + 16 {
                let Kept { order, answers, .. } = &mut *kept;
                order.retain(|(caller, at)| answers.get(caller).is_some_and(|answer| answer.at == *at));
                continue;
            }
            if !is_replaced && kept.bytes <= self.most_bytes && now - at <= self.longest {
                break;
            }
            kept.order.pop_front();
            if !is_replaced && let Some(gone) = kept.answers.remove(&oldest) {
                kept.bytes -= gone.body.len() + OVERHEAD;
            }
        }
    }

    pub fn forget(&self, caller: Uuid) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gone) = kept.answers.remove(&caller) {
            kept.bytes -= gone.body.len() + OVERHEAD;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn size(cache: &Cache) -> (usize, usize, usize) {
        let kept = cache.kept.lock().unwrap();
        (kept.answers.len(), kept.order.len(), kept.bytes)
    }

    #[test]
    fn it_keeps_no_more_than_it_may_and_nothing_for_too_long() {
        let cache = Cache::new(10 * (OVERHEAD + 100), TimeDelta::seconds(60));
        let callers: Vec<Uuid> = (0..20).map(Uuid::from_u128).collect();
        for caller in &callers {
            cache.put(*caller, vec![0; 100].into(), at(0));
        }
        assert_eq!(size(&cache), (10, 10, 10 * (OVERHEAD + 100)));
        assert!(cache.get(callers[0], at(0)).is_none() && cache.get(callers[19], at(60)).is_some());
        assert!(cache.get(callers[19], at(61)).is_none());
        for second in 1..100 {
            cache.put(callers[19], vec![1; 50].into(), at(second));
        }
        let (answers, order, bytes) = size(&cache);
        assert_eq!((answers, bytes), (1, OVERHEAD + 50), "what is too old has gone");
        assert!(order <= 61, "{order}");
        cache.put(callers[1], vec![0; 100_000].into(), at(100));
        assert_eq!(size(&cache).2, 0, "what is larger than all is not kept");
        cache.put(callers[2], vec![0; 10].into(), at(100));
        cache.forget(callers[2]);
        assert!(cache.get(callers[2], at(100)).is_none());
        assert_eq!(size(&cache).2, 0);
    }
}
