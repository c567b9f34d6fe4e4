//! How much of a log is durable: the end of each append that is still on its way to the disk.

use super::pop_if;
use sim_core::{LocalInstant, Upto};
use std::collections::VecDeque;

/// The appends to one log.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    /// Where each that is not durable yet ends, on disk and in the log, and when it was written.
    pending: VecDeque<(Upto, u64, LocalInstant)>,
    /// The newest durable entry.
    durable: u64,
}

impl Tail {
    /// Nothing is on its way, all entries up to `last` are durable.
    pub const fn at(last: u64) -> Self {
        Self { pending: VecDeque::new(), durable: last }
    }

    /// The newest durable entry.
    pub const fn durable(&self) -> u64 {
        self.durable
    }

    /// Since when the oldest entry that is not durable has been on its way to the disk.
    pub fn waits_since(&self) -> Option<LocalInstant> {
        self.pending.front().map(|(.., since)| *since)
    }

    /// Entries up to `last` are durable with everything before `upto`.
    pub fn push(&mut self, upto: Upto, last: u64, now: LocalInstant) {
        self.pending.push_back((upto, last, now));
    }

    /// Everything before `upto` is durable.
    pub fn synced(&mut self, upto: Upto) {
        while let Some((_, last, _)) = pop_if(&mut self.pending, |(end, ..)| *end <= upto) {
            self.durable = last;
        }
    }

    /// The log was cut: it ends before `from` now.
    pub fn cut(&mut self, from: u64) {
        for (_, last, _) in self.pending.iter_mut().rev() {
            if *last < from {
                break;
            }
            *last = from - 1;
        }
        self.durable = self.durable.min(from - 1);
    }

    /// The log begins anew behind `index`, which is durable with everything before `upto`.
    pub fn restart(&mut self, upto: Upto, index: u64, now: LocalInstant) {
        *self = Self::at(0);
        self.push(upto, index, now);
    }
}
