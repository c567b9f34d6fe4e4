//! A store that is written to under locks of somebody else's: it goes by the number that each holder of a lock has,
//! its fencing token, or takes whatever comes.

use core::fmt;
use std::collections::BTreeMap;

/// A write under a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Write {
    /// The lock.
    pub lock: u64,
    /// The holder's number: those of later holders are larger.
    pub token: u64,
    /// The writer's own number for it.
    pub number: u64,
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "write {} under lock {}, token {}", self.number, self.lock, self.token)
    }
}

/// What such a store knows of locks.
#[derive(Clone, Debug, Default)]
pub(crate) struct FencedStore {
    newest: BTreeMap<u64, u64>,
}

impl FencedStore {
    /// One that has taken these.
    pub fn of(writes: impl Iterator<Item = Write>) -> Self {
        let mut store = Self::default();
        writes.for_each(|write| _ = store.write(&write, false));
        store
    }

    /// Somebody writes. Whether the store takes it; one without a fence takes everything.
    pub fn write(&mut self, write: &Write, fence: bool) -> bool {
        let newest = self.newest.entry(write.lock).or_default();
        if fence && write.token < *newest {
            return false;
        }
        *newest = (*newest).max(write.token);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_token_is_refused_by_a_fence_alone() {
        let write = |token| Write { lock: 1, token, number: 0 };
        let mut store = FencedStore::of([write(3)].into_iter());
        assert!(store.write(&write(3), true) && !store.write(&write(2), true));
        assert!(store.write(&Write { lock: 2, ..write(1) }, true), "another lock");
        assert!(store.write(&write(2), false) && !store.write(&write(2), true), "it has not forgotten");
    }
}
