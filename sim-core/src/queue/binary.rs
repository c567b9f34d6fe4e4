//! The reference: the standard library's binary heap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Key, Queue, assert_monotone};

/// `std::collections::BinaryHeap` behind [`Queue`]: what any other implementation has to beat.
#[derive(Clone, Debug, Default)]
pub struct BinaryQueue {
    heap: BinaryHeap<Reverse<Key>>,
    last_at: u64,
}

impl Queue for BinaryQueue {
    #[inline]
    fn push(&mut self, key: Key) {
        assert_monotone(key.at, self.last_at);
        self.heap.push(Reverse(key));
    }

    #[inline]
    fn pop_until(&mut self, limit_at: u64) -> Option<Key> {
        if self.heap.peek()?.0.at > limit_at {
            return None;
        }
        let Reverse(key) = self.heap.pop()?;
        self.last_at = key.at;
        Some(key)
    }

    fn peek(&mut self) -> Option<Key> {
        self.heap.peek().map(|&Reverse(key)| key)
    }

    fn len(&self) -> usize {
        self.heap.len()
    }
}
