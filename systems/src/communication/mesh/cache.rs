//! Answers that may be used again while they are young enough, in memory.

use super::message::{Made, Span};
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant};
use std::collections::VecDeque;

/// One that is kept.
#[derive(Clone, Copy, Debug)]
struct Kept {
    by: Span,
    /// When it was made, at the latest.
    at: LocalInstant,
}

/// A cache of one machine.
#[derive(Clone, Debug, Default)]
pub struct Cache {
    kept: SortedMap<u64, Kept>,
    /// Keys in the order in which they came in, those that came again at their first place.
    order: VecDeque<u64>,
}

impl Cache {
    /// How many answers it has, old ones included.
    #[must_use]
    pub fn answers(&self) -> usize {
        self.kept.len()
    }

    /// The answer about `key`, if it is not older than `ttl`.
    #[must_use]
    pub fn get(&self, key: u64, ttl: Duration, now: LocalInstant) -> Option<Made> {
        let kept = self.kept.get(&key)?;
        let age = now.since(kept.at);
        (age < ttl).then_some(Made { by: kept.by, age })
    }

    /// Keeps an answer about `key` that was made at `at` at the latest; of more than `most`, the first goes.
    pub fn put(&mut self, key: u64, by: Span, at: LocalInstant, most: usize) {
        if self.kept.insert(key, Kept { by, at }).is_none() {
            self.order.push_back(key);
        }
        while self.kept.len() > most.max(1) {
            let Some(first) = self.order.pop_front() else { break };
            self.kept.remove(&first);
        }
    }

    /// What was known of `key` has been changed.
    pub fn forget(&mut self, key: u64) {
        if self.kept.remove(&key).is_some() {
            self.order.retain(|other| *other != key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_goes_by_its_age_and_the_first_goes_first() {
        let mut cache = Cache::default();
        let (ttl, at) = (Duration(10), LocalInstant);
        cache.put(1, Span(7), at(100), 2);
        assert_eq!(cache.get(1, ttl, at(109)), Some(Made { by: Span(7), age: Duration(9) }));
        assert_eq!(cache.get(1, ttl, at(110)), None);
        cache.put(2, Span(8), at(100), 2);
        cache.put(1, Span(9), at(105), 2);
        cache.put(3, Span(9), at(105), 2);
        assert_eq!((cache.answers(), cache.get(1, ttl, at(106))), (2, None));
        cache.forget(2);
        assert_eq!(cache.answers(), 1);
    }
}
