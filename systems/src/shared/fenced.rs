//! A store that is written to under locks of somebody else's: it goes by the number that each holder of a lock has,
//! its fencing token, or takes whatever comes.

use core::fmt;
use sim_core::sorted::SortedMap;
use sim_core::{Effect, Effects, Node, NodeId};

/// A write under a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Write {
    /// The lock.
    pub lock: u64,
    /// The holder's number: those of later holders are larger.
    pub token: u64,
    /// The writer's own number for it.
    pub number: u64,
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "write {} under lock {}, token {}", self.number, self.lock, self.token)
    }
}

sim_core::choices! {
    /// What a store goes by when somebody writes to it under a lock.
    pub enum Fencing {
        /// It takes whatever comes.
        None,
        /// It refuses a token that is older than the newest it has seen for that lock.
        #[default]
        Token,
    }
}

/// A node that may be such a store: what it writes down, answers and announces.
pub trait Guarded: Node {
    /// On its disk: it has taken this.
    fn record(write: Write) -> Self::Record;
    /// To the writer: whether it has taken that write.
    fn answer(number: u64, accepted: bool) -> Self::Message;
    /// To rules and charts.
    fn fact(write: Write, accepted: bool) -> Self::Fact;
}

/// Such a store.
#[derive(Clone, Debug, Default)]
pub struct FencedStore {
    fences: bool,
    newest: SortedMap<u64, u64>,
}

impl FencedStore {
    /// One that has taken these.
    pub fn of(fences: bool, taken: impl Iterator<Item = Write>) -> Self {
        let mut store = Self { fences: false, newest: SortedMap::new() };
        taken.for_each(|write| _ = store.takes(&write));
        Self { fences, ..store }
    }

    /// Somebody writes. Whether the store takes it; one without a fence takes everything.
    fn takes(&mut self, write: &Write) -> bool {
        let newest = self.newest.entry(write.lock).or_default();
        if self.fences && write.token < *newest {
            return false;
        }
        *newest = (*newest).max(write.token);
        true
    }

    /// Somebody writes, and is answered once that is durable.
    pub fn on_write<N: Guarded>(&mut self, from: NodeId, write: Write, fx: &mut Effects<'_, N>) {
        let accepted = self.takes(&write);
        fx.note(N::fact(write, accepted));
        let message = N::answer(write.number, accepted);
        if accepted {
            let durable = fx.append(N::record(write));
            fx.sync();
            fx.after(durable, Effect::Send { to: from, message });
        } else {
            fx.send(from, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_token_is_refused_by_a_fence_alone() {
        let write = |token| Write { lock: 1, token, number: 0 };
        let taken = || [write(3), write(1)].into_iter();
        let mut store = FencedStore::of(true, taken());
        assert!(store.takes(&write(3)) && !store.takes(&write(2)));
        assert!(store.takes(&Write { lock: 2, ..write(1) }), "another lock");
        assert!(FencedStore::of(false, taken()).takes(&write(2)), "one without a fence");
    }
}
