//! What a machine has to do later: one timer for all of it.

use super::node::{CLOCK, Fx};
use sim_core::sorted::SortedSet;
use sim_core::{Duration, LocalInstant};

/// Things to do, by when they are due.
#[derive(Clone, Debug)]
pub(super) struct Agenda<D> {
    due: SortedSet<(LocalInstant, D)>,
}

impl<D: Ord + Clone> Agenda<D> {
    /// Nothing to do.
    pub const fn new() -> Self {
        Self { due: SortedSet::new() }
    }

    /// Something to do at a moment.
    pub fn at(&mut self, when: LocalInstant, what: D) {
        self.due.insert((when, what));
    }

    /// Something to do a while after now.
    pub fn after(&mut self, wait: Duration, what: D, fx: &Fx<'_>) {
        self.at(fx.now() + wait, what);
    }

    /// The next thing that is due.
    pub fn take(&mut self, now: LocalInstant) -> Option<(LocalInstant, D)> {
        let first = self.due.first()?;
        if first.0 > now { None } else { self.due.pop_first() }
    }

    /// Wakes up when the next one is due.
    pub fn arm(&self, fx: &mut Fx<'_>) {
        match self.due.first() {
            Some((when, _)) => fx.arm(CLOCK, Duration(when.0.saturating_sub(fx.now().0).max(1))),
            None => fx.disarm(CLOCK),
        }
    }
}
