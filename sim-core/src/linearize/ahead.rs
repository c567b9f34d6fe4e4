//! All that a search knows of what is still to come.

use super::growth::Outlook;
use super::supply::Supply;
use super::{Op, Spec};

/// What is known of the operations that are left; nothing, where their effects depend on the state in ways unknown.
pub(super) struct Ahead<T> {
    supply: Option<Supply<T>>,
    outlook: Option<Outlook<T>>,
}

impl<T: Clone + Ord> Ahead<T> {
    pub fn of<S: Spec<State = T>>(ops: &[Op<'_, S>]) -> Self {
        Self { supply: Supply::of(ops), outlook: Outlook::of(ops) }
    }

    /// A search that does not look ahead.
    pub const fn nothing() -> Self {
        Self { supply: None, outlook: None }
    }

    /// The operation is left to be ordered (again), or has been.
    pub fn count(&mut self, op: usize, left: bool) {
        if let Some(supply) = &mut self.supply {
            supply.count(op, left);
        }
        if let Some(outlook) = &mut self.outlook {
            outlook.count(op, left);
        }
    }

    /// Whether `op` may take the object from one state to another.
    pub fn allows<S: Spec<State = T>>(&self, op: usize, before: &T, after: &T) -> bool {
        self.supply.as_ref().is_none_or(|supply| supply.may_leave(before, op))
            && self.outlook.as_ref().is_none_or(|outlook| outlook.allows::<S>(after))
    }

    /// Whether anything is known of how the object grows.
    pub const fn is_of_growth(&self) -> bool {
        self.outlook.is_some()
    }

    /// Whether `op` may come now, and nothing else need be tried.
    pub fn welcomes<S: Spec<State = T>>(&self, op: &Op<'_, S>, before: &T, after: &T) -> bool {
        self.outlook.as_ref().is_some_and(|outlook| outlook.welcomes(op, before, after))
    }
}
