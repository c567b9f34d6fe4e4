//! The engine's future-event set: 16-byte keys in, the smallest key out, payloads kept elsewhere.

mod binary;
mod calendar;
mod coarse;
mod front;
mod occupancy;
mod quaternary;
mod radix;
mod ring;
mod scale;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

pub use binary::BinaryQueue;
pub use calendar::CalendarQueue;
pub use quaternary::QuaternaryQueue;
pub use radix::RadixQueue;

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
