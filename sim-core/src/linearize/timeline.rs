//! The calls and returns of a part, as a list from which the search lifts what it has ordered.

use super::{Op, Spec};
use crate::Instant;

/// Behind the last place.
pub(super) const END: usize = usize::MAX;

/// The calls and returns of a part in order of time, as a list from which operations can be lifted and put back.
pub(super) struct Timeline {
    /// `(operation, is the return)` of each place.
    pub events: Vec<(usize, bool)>,
    pub next: Vec<usize>,
    previous: Vec<usize>,
    call_at: Vec<usize>,
    pub return_at: Vec<Option<usize>>,
}

impl Timeline {
    pub fn new<S: Spec>(ops: &[Op<'_, S>]) -> Self {
        // A return at the same instant as a call does not come before it: the two may have overlapped.
        let mut order: Vec<(Instant, bool, usize)> = Vec::new();
        for (i, op) in ops.iter().enumerate() {
            order.push((op.invoked, false, i));
            if let Some((at, _)) = op.answered {
                order.push((at, true, i));
            }
        }
        order.sort_unstable();
        let n = order.len();
        let mut this = Self {
            events: vec![(0, false)],
            // Place 0 is the head.
            next: (1..=n + 1).map(|i| if i > n { END } else { i }).collect(),
            previous: (0..=n).map(|i| i.saturating_sub(1)).collect(),
            call_at: vec![0; ops.len()],
            return_at: vec![None; ops.len()],
        };
        for (place, (_, is_return, i)) in order.into_iter().enumerate() {
            this.events.push((i, is_return));
            if is_return {
                this.return_at[i] = Some(place + 1);
            } else {
                this.call_at[i] = place + 1;
            }
        }
        this
    }

    fn unlink(&mut self, place: usize) {
        let (before, after) = (self.previous[place], self.next[place]);
        self.next[before] = after;
        if after != END {
            self.previous[after] = before;
        }
    }

    fn relink(&mut self, place: usize) {
        let (before, after) = (self.previous[place], self.next[place]);
        self.next[before] = place;
        if after != END {
            self.previous[after] = place;
        }
    }

    pub fn lift(&mut self, op: usize) {
        self.unlink(self.call_at[op]);
        if let Some(place) = self.return_at[op] {
            self.unlink(place);
        }
    }

    pub fn put_back(&mut self, op: usize) {
        if let Some(place) = self.return_at[op] {
            self.relink(place);
        }
        self.relink(self.call_at[op]);
    }
}
