//! The calls and returns of a part, as a list from which the search lifts what it has ordered.

use super::{Op, Spec};
use crate::Instant;

/// Behind the last place.
pub(super) const END: u32 = u32::MAX;

/// The calls and returns of a part in order of time, as a list from which operations can be lifted and put back. Place
/// 0 is its head.
pub(super) struct Timeline {
    /// The operation of each place, doubled, and one more if that is its return.
    events: Vec<u32>,
    next: Vec<u32>,
    previous: Vec<u32>,
    call_at: Vec<u32>,
    /// `END` for those that do not return.
    return_at: Vec<u32>,
}

impl Timeline {
    pub fn new<S: Spec>(ops: &[Op<'_, S>]) -> Self {
        // A return at the same instant as a call does not come before it: the two may have overlapped.
        let mut order: Vec<(Instant, bool, u32)> = Vec::new();
        for (i, op) in (0..).zip(ops) {
            order.push((op.invoked, false, i));
            if let Some((at, _)) = op.answered {
                order.push((at, true, i));
            }
        }
        order.sort_unstable();
        let n = order.len() as u32;
        let mut this = Self {
            events: vec![0],
            next: (1..=n + 1).map(|i| if i > n { END } else { i }).collect(),
            previous: (0..=n).map(|i| i.saturating_sub(1)).collect(),
            call_at: vec![0; ops.len()],
            return_at: vec![END; ops.len()],
        };
        for (place, (_, is_return, i)) in (1..).zip(order) {
            this.events.push(i << 1 | u32::from(is_return));
            let at = if is_return { &mut this.return_at } else { &mut this.call_at };
            at[i as usize] = place;
        }
        this
    }

    /// The first place that is left.
    pub fn first(&self) -> u32 {
        self.next[0]
    }

    /// The place behind another.
    pub fn after(&self, place: u32) -> u32 {
        self.next[place as usize]
    }

    /// The operation of a place, and whether that is its return.
    pub fn event(&self, place: u32) -> (usize, bool) {
        let event = self.events[place as usize];
        ((event >> 1) as usize, event & 1 == 1)
    }

    /// The place of an operation's return; `END` if it has none.
    pub fn return_of(&self, op: usize) -> u32 {
        self.return_at[op]
    }

    fn unlink(&mut self, place: u32) {
        let (before, after) = (self.previous[place as usize], self.next[place as usize]);
        self.next[before as usize] = after;
        if after != END {
            self.previous[after as usize] = before;
        }
    }

    fn relink(&mut self, place: u32) {
        let (before, after) = (self.previous[place as usize], self.next[place as usize]);
        self.next[before as usize] = place;
        if after != END {
            self.previous[after as usize] = place;
        }
    }

    pub fn lift(&mut self, op: usize) {
        self.unlink(self.call_at[op]);
        if self.return_at[op] != END {
            self.unlink(self.return_at[op]);
        }
    }

    pub fn put_back(&mut self, op: usize) {
        if self.return_at[op] != END {
            self.relink(self.return_at[op]);
        }
        self.relink(self.call_at[op]);
    }
}
