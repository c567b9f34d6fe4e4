//! Looking ahead: a state that somebody still has to see, and nobody can make again, must not be left.

use super::{Makes, Op, Spec};
use crate::sorted::SortedMap;

/// Who still needs a state and who can still make it: a state that somebody needs and nobody can make again must not be
/// left. Only for parts in which it is known of every operation what it makes.
pub(super) struct Supply<T> {
    /// Number of each state that somebody needs or makes.
    states: SortedMap<T, u32>,
    /// For each operation, the number of the state it needs, or `NONE`.
    needs: Vec<u32>,
    /// For each operation, the number of the state it makes, or `NONE`.
    makes: Vec<u32>,
    /// For states, the operations with unknown outcomes that change something only there.
    waiting: SortedMap<u32, Vec<usize>>,
    /// Which operations are left to be ordered.
    is_left: Vec<bool>,
    /// For each state, how many operations left need it, and how many can make it.
    left: Vec<(u32, u32)>,
}

const NONE: u32 = u32::MAX;

impl<T: Clone + Ord> Supply<T> {
    pub fn of<S: Spec<State = T>>(ops: &[Op<'_, S>]) -> Option<Self> {
        let mut this = Self {
            states: SortedMap::new(),
            needs: Vec::new(),
            makes: Vec::new(),
            left: Vec::new(),
            waiting: SortedMap::new(),
            is_left: vec![false; ops.len()],
        };
        for op in ops {
            let makes = match S::makes(op.request)? {
                Makes::Nothing => None,
                Makes::State(state) => Some(this.number(state)),
            };
            let needs = op.answered.and_then(|(_, answer)| S::needs(op.request, answer));
            let needs = needs.map(|state| this.number(state));
            this.makes.push(makes.unwrap_or(NONE));
            this.needs.push(needs.unwrap_or(NONE));
        }
        for (i, op) in ops.iter().enumerate().filter(|(_, op)| op.answered.is_none()) {
            if let Some(state) = S::only_from(op.request) {
                let state = this.number(state);
                this.waiting.entry(state).or_default().push(i);
            }
        }
        for op in 0..ops.len() {
            this.count(op, true);
        }
        Some(this)
    }

    fn number(&mut self, state: T) -> u32 {
        let next = self.left.len() as u32;
        let number = *self.states.entry(state).or_insert(next);
        if number == next {
            self.left.push((0, 0));
        }
        number
    }

    /// The operation is left to be ordered (again), or has been.
    pub fn count(&mut self, op: usize, left: bool) {
        self.is_left[op] = left;
        let step = |n: &mut u32| *n = if left { *n + 1 } else { *n - 1 };
        if let Some((needed, _)) = self.left.get_mut(self.needs[op] as usize) {
            step(needed);
        }
        if let Some((_, makers)) = self.left.get_mut(self.makes[op] as usize) {
            step(makers);
        }
    }

    /// Whether `op` may take the object out of `state`.
    pub fn may_leave(&self, state: &T, op: usize) -> bool {
        let Some(number) = self.states.get(state).copied() else { return true };
        let (mut needed, mut makers) = self.left[number as usize];
        // The operation itself needs it no more once it has come, and can not make it again.
        needed -= u32::from(self.needs[op] == number);
        makers -= u32::from(self.makes[op] == number);
        makers > 0 || (needed == 0 && !self.is_awaited(number, op))
    }

    /// Whether an operation waits for a state that is indispensable, `taken` apart.
    fn is_awaited(&self, state: u32, taken: usize) -> bool {
        self.waiting.get(&state).is_some_and(|all| all.iter().any(|waiting| self.is_indispensable(*waiting, taken)))
    }

    /// Whether only this operation can still make a state that somebody needs, `taken` apart.
    fn is_indispensable(&self, op: usize, taken: usize) -> bool {
        let state = self.makes[op];
        if state == NONE || op == taken || !self.is_left[op] {
            return false;
        }
        let (mut needed, mut makers) = self.left[state as usize];
        needed -= u32::from(self.needs[taken] == state);
        makers -= u32::from(self.makes[taken] == state);
        // What `taken` makes may be seen before the next change, by any number of them.
        needed > 0 && makers == 1 && self.makes[taken] != state
    }
}
