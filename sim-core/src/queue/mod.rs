//! The engine's future-event set: 16-byte keys in, the smallest key out, payloads kept elsewhere.
//!
//! [`CalendarQueue`] is what the engine runs on; [`BinaryQueue`], the standard library's heap, is what it is measured
//! against and tested beside. The queue is the largest single cost of an event, so it was chosen by measurement: a
//! constant number of keys pending, pop one, push one. Nanoseconds per pop and push, 2026-11-21, two shared cores, all
//! in one process; ratios within the table mean something, absolute figures do not (`cargo run --release -p sim-core
//! --example queues` prints today's).
//!
//! ```text
//! uniform 1-10 ms               2      100     1000    10000   100000  1000000  pending
//!   calendar                  6.1     13.6     11.4     13.3     19.3     36.9
//!   radix heap               15.3     27.3     30.8     35.3     39.2     42.0
//!   4-ary heap                7.9     22.3     30.0     45.9     59.4    388.8
//!   std BinaryHeap            4.2     27.1     29.0     42.8     63.9    537.9
//! exponential, mean 5 ms
//!   calendar                  6.6     14.8     13.6     14.6     20.6     35.7
//!   radix heap               16.2     27.8     31.7     36.0     38.6     45.3
//!   4-ary heap                9.4     28.1     34.3     49.3     66.5    563.7
//!   std BinaryHeap            4.7     32.2     34.6     51.4     84.0    624.4
//! constant 1 ms
//!   calendar                  4.6      9.3      8.0      8.8     13.3     13.7
//!   radix heap               10.9     25.4     31.0     27.8     45.8     37.0
//!   4-ary heap                5.3     31.8     28.5     38.0     47.0     67.5
//!   std BinaryHeap            2.9     21.1     25.5     26.3     42.0     83.3
//! 99 % 1-10 ms, 1 % 1 h
//!   calendar                  4.9     14.2     19.4     22.6     18.8     33.2
//!   radix heap                9.8     17.2     26.0     32.2     55.3     55.6
//!   4-ary heap                5.9     28.0     35.5     46.8     66.1    519.0
//!   std BinaryHeap           11.0     30.1     39.2     50.8     73.8    681.4
//! timers, 100 ms +- 10 ms
//!   calendar                  5.2     13.0     13.0     17.6     28.8     47.3
//!   radix heap               11.8     26.5     30.5     48.0     39.3     44.5
//!   4-ary heap                5.7     20.3     29.0     45.0     57.3    411.5
//!   std BinaryHeap            3.2     27.2     32.6     37.8     57.2    578.6
//! 0 or 50 us
//!   calendar                  6.4     11.4     11.6     12.2     18.0     20.2
//!   radix heap                8.7     20.5     22.3     20.0     21.1     23.3
//!   4-ary heap                7.7     27.9     34.5     47.7     67.2    120.4
//!   std BinaryHeap            4.6     35.5     32.0     52.0     72.3    170.1
//! ```
//!
//! The radix heap and the 4-ary heap were dropped after that. The calendar beats both but for the radix heap on a
//! million timers, where they are even, and where it needs a heap for the few keys that fit nowhere else, the standard
//! one does as well as the 4-ary one. With two keys pending the plain heap is 2 ns ahead: the calendar then is a sorted
//! run, and the rest is what it pays for noting the delays.
//!
//! Also measured: one large ring for a million keys instead of a small one dealt turn by turn takes about 50 ns
//! (uniform) and 80 ns (timers). Bringing four buckets to the front at once saves a tenth with long delays and costs
//! half again when half of the delays are zero, so it is one. From 1 to 1.5 keys per bucket it hardly matters, from 2.5
//! on sorting shows. Instructions are not the limit below 100 k pending (a sixth fewer changed nothing): what remains
//! is whether a bucket holds another key, which no branch predictor can know.

mod binary;
mod calendar;
mod coarse;
mod front;
mod occupancy;
mod ring;
mod scale;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

pub use binary::BinaryQueue;
pub use calendar::CalendarQueue;

/// The queue the engine runs on.
pub type EventQueue = CalendarQueue;

/// When an event is due and which of those due together goes first: 16 bytes, ordered by (`at`, `rest`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Key {
    /// When the event is due, in nanoseconds of simulated time.
    pub at: u64,
    /// What decides between equal times (a sequence number, or random bits, in the upper 40 bits) and
    /// where the payload lies (a slab slot in the lower 24).
    pub rest: u64,
}

impl Key {
    /// The key as one number. Comparing it is one subtraction with borrow, where comparing field by field is a
    /// branch on equal times that no predictor knows.
    #[inline(always)]
    fn order(self) -> u128 {
        (u128::from(self.at) << 64) | u128::from(self.rest)
    }
}

impl Ord for Key {
    #[inline(always)]
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Key {
    #[inline(always)]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
    #[inline(always)]
    fn lt(&self, other: &Self) -> bool {
        self.order() < other.order()
    }
    #[inline(always)]
    fn le(&self, other: &Self) -> bool {
        self.order() <= other.order()
    }
    #[inline(always)]
    fn gt(&self, other: &Self) -> bool {
        self.order() > other.order()
    }
    #[inline(always)]
    fn ge(&self, other: &Self) -> bool {
        self.order() >= other.order()
    }
}

/// A set of unique keys that gives back the smallest first, and in which time never runs backwards.
///
/// A key pushed may be due at the very time of the last key popped (zero delay), with any `rest`, but never
/// before it. Looking ahead ([`Queue::peek`], or [`Queue::pop_until`] that returned nothing) does not move time:
/// keys earlier than the one seen may still be pushed.
pub trait Queue: Clone + Default {
    /// Adds a key.
    ///
    /// # Panics
    /// When `key.at` is before the time of the last key popped.
    fn push(&mut self, key: Key);

    /// Removes and returns the smallest key.
    #[inline]
    fn pop(&mut self) -> Option<Key> {
        self.pop_until(u64::MAX)
    }

    /// Removes and returns the smallest key if it is due at or before `limit_at` (nanoseconds).
    fn pop_until(&mut self, limit_at: u64) -> Option<Key>;

    /// The smallest key, left where it is.
    fn peek(&mut self) -> Option<Key>;

    /// How many keys are pending.
    fn len(&self) -> usize;

    /// Whether no key is pending.
    #[inline]
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Refuses a key that is due before the last one popped: that is a bug in the caller, and every
/// implementation here relies on it not happening.
#[inline(always)]
fn assert_monotone(at: u64, last_at: u64) {
    assert!(at >= last_at, "a key due at {at} ns was pushed after one due at {last_at} ns was popped");
}
