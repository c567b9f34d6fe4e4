//! Looking ahead where things only grow: what is read later tells what may come now.

use super::{Growth, Op, Spec};

/// The states that somebody still has to see, in a part in which every operation only adds to what is there: a state
/// must be able to grow into the smallest of them, or it leads nowhere.
pub(super) struct Outlook<T> {
    /// The states that are seen, each able to grow into the next, and how many operations left see them.
    seen: Vec<(T, u32)>,
    /// For each operation, which of them it sees.
    sees: Vec<Option<usize>>,
    /// The first that somebody still has to see.
    next: usize,
    /// Whether two of them can not grow into each other: nothing leads to both.
    is_broken: bool,
}

impl<T: Clone + Eq> Outlook<T> {
    pub fn of<S: Spec<State = T>>(ops: &[Op<'_, S>]) -> Option<Self> {
        ops.iter().all(|op| S::growth(op.request).is_some()).then_some(())?;
        let mut this = Self { seen: Vec::new(), sees: Vec::new(), next: 0, is_broken: false };
        let needs = |op: &Op<'_, S>| op.answered.and_then(|(_, answer)| S::needs(op.request, answer));
        for state in ops.iter().filter_map(needs) {
            let at = this.seen.partition_point(|(smaller, _)| *smaller != state && S::can_grow_into(smaller, &state));
            if this.seen.get(at).is_some_and(|(same, _)| *same == state) {
                continue;
            }
            let follows = at.checked_sub(1).is_none_or(|i| S::can_grow_into(&this.seen[i].0, &state));
            let precedes = this.seen.get(at).is_none_or(|(larger, _)| S::can_grow_into(&state, larger));
            this.is_broken |= !(follows && precedes);
            if !this.is_broken {
                this.seen.insert(at, (state, 0));
            }
        }
        if !this.is_broken {
            let place = |state: T| {
                this.seen.partition_point(|(smaller, _)| *smaller != state && S::can_grow_into(smaller, &state))
            };
            this.sees = ops.iter().map(|op| needs(op).map(place)).collect();
            for i in this.sees.iter().flatten() {
                this.seen[*i].1 += 1;
            }
        }
        Some(this)
    }

    /// The operation is left to be ordered (again), or has been.
    pub fn count(&mut self, op: usize, left: bool) {
        let Some(i) = self.sees.get(op).copied().flatten() else { return };
        if left {
            self.seen[i].1 += 1;
            self.next = self.next.min(i);
        } else {
            self.seen[i].1 -= 1;
            while self.seen.get(self.next).is_some_and(|(_, left)| *left == 0) {
                self.next += 1;
            }
        }
    }

    /// Whether the object may be in this state now.
    pub fn allows<S: Spec<State = T>>(&self, state: &T) -> bool {
        !self.is_broken && self.seen.get(self.next).is_none_or(|(smallest, _)| S::can_grow_into(state, smallest))
    }

    /// Whether an operation that leads to `state`, or changes nothing, may come now without a thought for the others:
    /// all who still look see it anyway, and it stands in nobody's way.
    pub fn welcomes<S: Spec<State = T>>(&self, op: &Op<'_, S>, before: &T, state: &T) -> bool {
        let is_of_use = match op.answered {
            Some(_) => true,
            // A doubtful one that nobody waits for need not come at all.
            None => before != state && self.next < self.seen.len(),
        };
        is_of_use && S::growth(op.request) == Some(Growth::Unordered) && self.allows::<S>(state)
    }
}
