//! A 4-ary implicit heap: half the levels of a binary one, and the four children share a cache line.

use super::{Key, Queue, assert_monotone};

/// A minimum heap of keys, free of any rule about time.
#[derive(Clone, Debug, Default)]
pub(super) struct MinHeap {
    keys: Vec<Key>,
}

impl MinHeap {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<Key> {
        self.keys.first().copied()
    }

    /// Every key, in no useful order.
    pub(super) fn as_slice(&self) -> &[Key] {
        &self.keys
    }

    pub(super) fn clear(&mut self) {
        self.keys.clear();
    }

    pub(super) fn push(&mut self, key: Key) {
        let mut hole = self.keys.len();
        self.keys.push(key);
        while hole > 0 {
            let parent = (hole - 1) / 4;
            if self.keys[parent] < key {
                break;
            }
            self.keys[hole] = self.keys[parent];
            hole = parent;
        }
        self.keys[hole] = key;
    }

    pub(super) fn pop(&mut self) -> Option<Key> {
        let last = self.keys.pop()?;
        let Some(&top) = self.keys.first() else {
            return Some(last);
        };
        let keys = self.keys.as_mut_slice();
        let mut hole = 0;
        loop {
            let first = 4 * hole + 1;
            let child = if let Some(four) = keys.get(first..first + 4) {
                // A tournament, so that the compiler can select instead of branching on a coin toss.
                let left = usize::from(four[1] < four[0]);
                let right = 2 + usize::from(four[3] < four[2]);
                first + if four[right] < four[left] { right } else { left }
            } else if let Some(some) = keys.get(first..).filter(|some| !some.is_empty()) {
                let mut least = 0;
                for i in 1..some.len() {
                    if some[i] < some[least] {
                        least = i;
                    }
                }
                first + least
            } else {
                break;
            };
            if last < keys[child] {
                break;
            }
            keys[hole] = keys[child];
            hole = child;
        }
        keys[hole] = last;
        Some(top)
    }
}

/// The 4-ary heap behind [`Queue`].
#[derive(Clone, Debug, Default)]
pub struct QuaternaryQueue {
    heap: MinHeap,
    last_at: u64,
}

impl Queue for QuaternaryQueue {
    #[inline]
    fn push(&mut self, key: Key) {
        assert_monotone(key.at, self.last_at);
        self.heap.push(key);
    }

    #[inline]
    fn pop_until(&mut self, limit_at: u64) -> Option<Key> {
        if self.heap.peek()?.at > limit_at {
            return None;
        }
        let key = self.heap.pop()?;
        self.last_at = key.at;
        Some(key)
    }

    fn peek(&mut self) -> Option<Key> {
        self.heap.peek()
    }

    fn len(&self) -> usize {
        self.heap.len()
    }
}
