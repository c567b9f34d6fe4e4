//! The keys due next, in order: the bucket a calendar is working through.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Key;

/// How far back from its end the run is searched for the place of a new key.
const REACH: usize = 32;

/// A sorted run consumed from its head, with a heap beside it for keys whose place is too deep to shift for.
#[derive(Clone, Debug, Default)]
pub(super) struct Front {
    /// Ascending from `head`; what is before `head` is spent.
    run: Vec<Key>,
    head: usize,
    /// Keys that would have displaced more than [`REACH`] others: a burst of ties in random order must not
    /// cost a shift of the whole burst each.
    late: BinaryHeap<Reverse<Key>>,
}

impl Front {
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.run.len() - self.head + self.late.len()
    }

    #[inline(always)]
    pub(super) fn peek(&self) -> Option<Key> {
        let first = self.run.get(self.head).copied();
        if self.late.is_empty() { first } else { self.peek_late(first) }
    }

    #[cold]
    fn peek_late(&self, first: Option<Key>) -> Option<Key> {
        match (first, self.late.peek()) {
            (Some(a), Some(&Reverse(b))) => Some(a.min(b)),
            (a, b) => a.or(b.map(|&Reverse(b)| b)),
        }
    }

    /// Removes the smallest key if it is due by `limit_at`.
    #[inline(always)]
    pub(super) fn pop_until(&mut self, limit_at: u64) -> Option<Key> {
        if !self.late.is_empty() {
            return self.pop_late(limit_at);
        }
        let &key = self.run.get(self.head)?;
        if key.at > limit_at {
            return None;
        }
        self.head += 1;
        Some(key)
    }

    #[cold]
    fn pop_late(&mut self, limit_at: u64) -> Option<Key> {
        let first = self.run.get(self.head).copied();
        let key = self.peek_late(first).filter(|key| key.at <= limit_at)?;
        if first == Some(key) {
            self.head += 1;
        } else {
            self.late.pop();
        }
        Some(key)
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.head == self.run.len() && self.late.is_empty()
    }

    /// Puts a key in its place. Returns whether it had to go to the heap, which is the slow way.
    #[inline]
    pub(super) fn insert(&mut self, key: Key) -> bool {
        if self.head >= 2 * REACH && 2 * self.head >= self.run.len() {
            self.run.copy_within(self.head.., 0);
            self.run.truncate(self.run.len() - self.head);
            self.head = 0;
        }
        let len = self.run.len();
        if self.head == len {
            self.run.clear();
            self.head = 0;
            self.run.push(key);
            return false;
        }
        if len - self.head > REACH && key < self.run[len - REACH] {
            if self.head > 0 && key < self.run[self.head] {
                self.head -= 1;
                self.run[self.head] = key;
                return false;
            }
            self.late.push(Reverse(key));
            return true;
        }
        self.run.push(key);
        let live = &mut self.run[self.head..];
        let mut hole = live.len() - 1;
        while hole > 0 && key < live[hole - 1] {
            live[hole] = live[hole - 1];
            hole -= 1;
        }
        live[hole] = key;
        false
    }

    /// The run, emptied, to be filled with keys in any order; [`Front::sort`] must follow.
    #[inline(always)]
    pub(super) fn fill(&mut self) -> &mut Vec<Key> {
        self.run.clear();
        self.head = 0;
        &mut self.run
    }

    /// Adds a key at the end, wherever it belongs; [`Front::sort`] must follow.
    pub(super) fn append(&mut self, key: Key) {
        self.run.push(key);
    }

    #[inline(always)]
    pub(super) fn sort(&mut self) {
        let keys = self.run.as_mut_slice();
        if keys.len() > 16 {
            keys.sort_unstable();
            return;
        }
        for i in 1..keys.len() {
            let key = keys[i];
            let mut hole = i;
            while hole > 0 && key < keys[hole - 1] {
                keys[hole] = keys[hole - 1];
                hole -= 1;
            }
            keys[hole] = key;
        }
    }

    /// Moves every key out, in no useful order.
    pub(super) fn drain_into(&mut self, keys: &mut Vec<Key>) {
        keys.extend_from_slice(&self.run[self.head..]);
        keys.extend(self.late.drain().map(|Reverse(key)| key));
        self.run.clear();
        self.head = 0;
    }
}
