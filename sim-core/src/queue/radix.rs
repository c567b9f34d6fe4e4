//! A monotone radix heap: keys filed by the highest bit in which their time differs from the last one popped.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Key, Queue, assert_monotone};

/// The monotone radix heap behind [`Queue`]. A key moves to a lower bucket at most 64 times in its life.
#[derive(Clone, Debug)]
pub struct RadixQueue {
    /// The `rest` of keys due exactly at `last_at`: ties come in any order, so radix cannot rank them.
    now: BinaryHeap<Reverse<u64>>,
    /// `buckets[i]` holds keys whose time differs from `last_at` first in bit `i`.
    buckets: Vec<Vec<Key>>,
    /// Bit `i` is set when `buckets[i]` holds something.
    occupied: u64,
    /// The smallest key outside `now`, once looked for: looking ahead must not move `last_at`.
    least: Option<Key>,
    last_at: u64,
    len: usize,
}

impl Default for RadixQueue {
    fn default() -> Self {
        Self { now: BinaryHeap::new(), buckets: vec![Vec::new(); 64], occupied: 0, least: None, last_at: 0, len: 0 }
    }
}

impl RadixQueue {
    #[inline]
    fn file(&mut self, key: Key) {
        let differs = key.at ^ self.last_at;
        if differs == 0 {
            self.now.push(Reverse(key.rest));
        } else {
            let bucket = 63 - differs.leading_zeros();
            self.buckets[bucket as usize].push(key);
            self.occupied |= 1 << bucket;
        }
    }

    fn least(&mut self) -> Option<Key> {
        if self.least.is_none() && self.occupied != 0 {
            self.least = self.buckets[self.occupied.trailing_zeros() as usize].iter().copied().min();
        }
        self.least
    }
}

impl Queue for RadixQueue {
    #[inline]
    fn push(&mut self, key: Key) {
        assert_monotone(key.at, self.last_at);
        self.len += 1;
        if self.least.is_some_and(|least| key < least && key.at > self.last_at) {
            self.least = Some(key);
        }
        self.file(key);
    }

    fn pop_until(&mut self, limit_at: u64) -> Option<Key> {
        if self.now.is_empty() {
            let least = self.least()?;
            if least.at > limit_at {
                return None;
            }
            let bucket = self.occupied.trailing_zeros();
            self.occupied &= self.occupied - 1;
            let mut keys = std::mem::take(&mut self.buckets[bucket as usize]);
            self.last_at = least.at;
            self.least = None;
            for key in keys.drain(..) {
                self.file(key);
            }
            self.buckets[bucket as usize] = keys;
        } else if self.last_at > limit_at {
            return None;
        }
        let Reverse(rest) = self.now.pop()?;
        self.len -= 1;
        Some(Key { at: self.last_at, rest })
    }

    fn peek(&mut self) -> Option<Key> {
        match self.now.peek() {
            Some(&Reverse(rest)) => Some(Key { at: self.last_at, rest }),
            None => self.least(),
        }
    }

    fn len(&self) -> usize {
        self.len
    }
}
