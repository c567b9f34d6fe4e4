//! When which operation of a client wants attention, without looking at those that do not.

use crate::Instant;
use core::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Operations by the time they are due. An operation that has another due time since, or has ended, is still here with
/// its old one: whoever takes it out looks.
#[derive(Clone, Debug, Default)]
pub(super) struct Dues {
    /// In order: nearly all, because what comes later mostly is due later.
    later: VecDeque<(Instant, u64)>,
    /// Those that are due before something that was here already.
    sooner: BinaryHeap<Reverse<(Instant, u64)>>,
}

impl Dues {
    pub fn push(&mut self, due: Instant, op: u64) {
        if self.later.back().is_none_or(|(last, _)| *last <= due) {
            self.later.push_back((due, op));
        } else {
            self.sooner.push(Reverse((due, op)));
        }
    }

    /// The first.
    pub fn first(&self) -> Option<(Instant, u64)> {
        let sooner = self.sooner.peek().map(|Reverse(first)| *first);
        match (self.later.front().copied(), sooner) {
            (Some(later), Some(sooner)) => Some(later.min(sooner)),
            (later, sooner) => later.or(sooner),
        }
    }

    /// Takes the first out.
    pub fn pop(&mut self) -> Option<(Instant, u64)> {
        let first = self.first()?;
        if self.later.front() == Some(&first) {
            self.later.pop_front();
        } else {
            self.sooner.pop();
        }
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_out_in_order() {
        let mut dues = Dues::default();
        for (at, op) in [(5, 0), (9, 1), (7, 2), (9, 3), (6, 4), (20, 5), (9, 1)] {
            dues.push(Instant(at), op);
        }
        let order: Vec<_> = core::iter::from_fn(|| dues.pop()).map(|(at, op)| (at.0, op)).collect();
        assert_eq!(order, [(5, 0), (6, 4), (7, 2), (9, 1), (9, 1), (9, 3), (20, 5)]);
    }
}
