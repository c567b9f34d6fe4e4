//! The names things go by inside a run: nodes, clients, operations, timers, writes, message kinds, roles.

use core::fmt;
use serde::{Deserialize, Serialize};

/// A simulated node, counted from 0; people see `n1`, `n2`, ... (see [`fmt::Display`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The index into per-node tables.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("n{}", self.0 + 1))
    }
}

/// A simulated client, counted from 0; people see `c1`, `c2`, ...
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientId(pub u32);

impl ClientId {
    /// The index into per-client tables.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("c{}", self.0 + 1))
    }
}

/// What a request arrives with, and what a reply must carry back: which operation of which client this is.
///
/// `(client, op)` is the client session and sequence number of the Raft dissertation (section 6.3): every retry of one
/// operation carries the same pair, so a state machine can apply it exactly once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket {
    /// The session.
    pub client: ClientId,
    /// The operation's number within the session, counted from 0.
    pub op: u64,
    /// Every operation of this session below `floor` has ended: its remembered response may be dropped.
    pub floor: u64,
    /// Which try of the operation this is, counted from 0.
    pub attempt: u32,
}

/// A node's timer slot. Each slot holds at most one deadline; arming it again moves the deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timer(pub u16);

/// A position in a node's disk log. Grows with every append, never reused, not even over a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// A class of messages, facts or requests: a small index for counters and a name for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind {
    /// Position in per-kind tables; dense from 0, below [`Kind::LIMIT`].
    pub index: u8,
    /// The name in reports, traces and fault targets, e.g. `AppendEntries` or `elected`.
    pub name: &'static str,
}

impl Kind {
    /// How many kinds of one sort a system can have.
    pub const LIMIT: usize = 64;

    /// A kind. `index` must be below [`Kind::LIMIT`] and unique within its sort.
    #[must_use]
    pub const fn new(index: u8, name: &'static str) -> Self {
        assert!((index as usize) < Self::LIMIT);
        Self { index, name }
    }

    /// The only kind of its sort: it bears the name of the type.
    #[must_use]
    pub fn of_type<T>() -> Self {
        let path = core::any::type_name::<T>();
        Self { index: 0, name: path.rsplit("::").next().unwrap_or(path) }
    }
}

/// What a node takes itself to be, so that a fault can aim at "the leader".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role {
    /// The name people use in `target = "leader"`.
    pub name: &'static str,
    /// Among several nodes that claim the role, the one with the highest rank has it (Raft: the term).
    pub rank: u64,
}

impl Role {
    /// No role: the protocol has none, or the node has none now.
    pub const NONE: Self = Self { name: "", rank: 0 };

    /// The role `name` with `rank`.
    #[must_use]
    pub const fn new(name: &'static str, rank: u64) -> Self {
        Self { name, rank }
    }
}
