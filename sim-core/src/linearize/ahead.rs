//! All that a search knows of what is still to come.

use super::alike::Alike;
use super::growth::Outlook;
use super::lane::Lane;
use super::supply::Supply;
use super::{Op, Spec};

/// What is known of the operations that are left; nothing, where their effects depend on the state in ways unknown.
pub(super) struct Ahead<T> {
    supply: Option<Supply<T>>,
    outlook: Option<Outlook<T>>,
    lane: Option<Lane>,
    alike: Option<Alike>,
}

impl<T: Clone + Ord> Ahead<T> {
    pub fn of<S: Spec<State = T>>(ops: &[Op<'_, S>]) -> Self {
        Self { supply: Supply::of(ops), outlook: Outlook::of(ops), lane: Lane::of(ops), alike: Alike::of(ops) }
    }

    /// A search that does not look ahead.
    pub const fn nothing() -> Self {
        Self { supply: None, outlook: None, lane: None, alike: None }
    }

    /// The operation is left to be ordered (again), or has been.
    pub fn count(&mut self, op: usize, left: bool) {
        if let Some(supply) = &mut self.supply {
            supply.count(op, left);
        }
        if let Some(outlook) = &mut self.outlook {
            outlook.count(op, left);
        }
        if let Some(lane) = &mut self.lane {
            lane.count(op, left);
        }
    }

    /// Whether `op` may take the object from one state to another.
    pub fn allows<S: Spec<State = T>>(&self, op: usize, before: &T, after: &T) -> bool {
        self.supply.as_ref().is_none_or(|supply| supply.may_leave(before, op))
            && self.outlook.as_ref().is_none_or(|outlook| outlook.allows::<S>(after))
            && self.lane.as_ref().is_none_or(|lane| lane.allows(op))
    }

    /// Whether some operations can not be told apart.
    pub const fn may_thin(&self) -> bool {
        self.alike.is_some()
    }

    /// Leaves, of those among the `candidates` from that place on that can not be told apart, the one that comes first.
    pub fn thin(&mut self, candidates: &mut Vec<usize>, from: usize) {
        if let Some(alike) = &mut self.alike {
            alike.thin(candidates, from);
        }
    }

    /// Whether it is ever known that an operation may come now and nothing else need be tried.
    pub const fn may_welcome(&self) -> bool {
        self.outlook.is_some() || self.lane.is_some()
    }

    /// Whether `op`, which is `this` and fits now, may come now, and nothing else need be tried.
    pub fn welcomes<S: Spec<State = T>>(&self, op: usize, this: &Op<'_, S>, before: &T, after: &T) -> bool {
        self.outlook.as_ref().is_some_and(|outlook| outlook.welcomes(this, before, after))
            || self.lane.as_ref().is_some_and(|lane| this.answered.is_some() && lane.welcomes(op))
    }
}
