//! Looking ahead: a state that somebody still has to see, and nobody can make again, must not be left.

use super::{Makes, Op, Spec};
use std::collections::BTreeMap;

/// Who still needs a state and who can still make it: a state that somebody needs and nobody can make again must not be
/// left. Only for parts in which it is known of every operation what it makes.
pub(super) struct Supply<T> {
    /// Number of each state that somebody needs or makes.
    states: BTreeMap<T, usize>,
    /// For each operation, the number of the state it needs.
    needs: Vec<Option<usize>>,
    /// For each operation, the number of the state it makes.
    makes: Vec<Option<usize>>,
    /// For each state, the operations with unknown outcomes that change something only there.
    waiting: Vec<Vec<usize>>,
    /// Which operations are left to be ordered.
    is_left: Vec<bool>,
    /// For each state, how many operations left need it, and how many can make it.
    left: Vec<(u32, u32)>,
}

impl<T: Clone + Ord> Supply<T> {
    pub fn of<S: Spec<State = T>>(ops: &[Op<'_, S>]) -> Option<Self> {
        let mut this = Self {
            states: BTreeMap::new(),
            needs: Vec::new(),
            makes: Vec::new(),
            left: Vec::new(),
            waiting: Vec::new(),
            is_left: vec![false; ops.len()],
        };
        for op in ops {
            let makes = match S::makes(op.request)? {
                Makes::Nothing => None,
                Makes::State(state) => Some(this.number(state)),
            };
            let needs = op.answered.and_then(|(_, answer)| S::needs(op.request, answer));
            let needs = needs.map(|state| this.number(state));
            this.makes.push(makes);
            this.needs.push(needs);
        }
        for (i, op) in ops.iter().enumerate().filter(|(_, op)| op.answered.is_none()) {
            if let Some(state) = S::only_from(op.request) {
                let state = this.number(state);
                this.waiting[state].push(i);
            }
        }
        for op in 0..ops.len() {
            this.count(op, true);
        }
        Some(this)
    }

    fn number(&mut self, state: T) -> usize {
        let next = self.left.len();
        let number = *self.states.entry(state).or_insert(next);
        if number == next {
            self.left.push((0, 0));
            self.waiting.push(Vec::new());
        }
        number
    }

    /// The operation is left to be ordered (again), or has been.
    pub fn count(&mut self, op: usize, left: bool) {
        self.is_left[op] = left;
        let step = |n: &mut u32| *n = if left { *n + 1 } else { *n - 1 };
        if let Some(state) = self.needs[op] {
            step(&mut self.left[state].0);
        }
        if let Some(state) = self.makes[op] {
            step(&mut self.left[state].1);
        }
    }

    /// Whether `op` may take the object out of `state`.
    pub fn may_leave(&self, state: &T, op: usize) -> bool {
        let Some(number) = self.states.get(state).copied() else { return true };
        let (mut needed, mut makers) = self.left[number];
        // The operation itself needs it no more once it has come, and can not make it again.
        needed -= u32::from(self.needs[op] == Some(number));
        makers -= u32::from(self.makes[op] == Some(number));
        makers > 0 || (needed == 0 && !self.waiting[number].iter().any(|waiting| self.is_indispensable(*waiting, op)))
    }

    /// Whether only this operation can still make a state that somebody needs, `taken` apart.
    fn is_indispensable(&self, op: usize, taken: usize) -> bool {
        let Some(state) = self.makes[op].filter(|_| op != taken && self.is_left[op]) else { return false };
        let (mut needed, mut makers) = self.left[state];
        needed -= u32::from(self.needs[taken] == Some(state));
        makers -= u32::from(self.makes[taken] == Some(state));
        // What `taken` makes may be seen before the next change, by any number of them.
        needed > 0 && makers == 1 && self.makes[taken] != Some(state)
    }
}
