//! Anomalies by the names under which they were published.

use super::graph::Dependency;
use core::fmt;

/// Which orders a cycle needs, besides what transactions saw of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// None.
    Data,
    /// What one process did is in the order in which it did it.
    Process,
    /// What had ended before something began comes before it.
    RealTime,
}

/// Which anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A read returned what nobody has written.
    GarbageRead,
    /// A list holds an element twice.
    DuplicateElements,
    /// Two reads of a list of which neither begins with the other: one of them was dirty.
    IncompatibleOrder,
    /// What transactions saw puts versions of a register in a circle.
    CyclicVersions,
    /// Dirty read: what an aborted transaction wrote was read.
    G1a,
    /// Intermediate read: what its transaction replaced itself was read.
    G1b,
    /// A committed version rests on one that was aborted.
    DirtyUpdate,
    /// A transaction does not see its own doings.
    Internal,
    /// Two transactions read one version, and both replaced it.
    LostUpdate,
    /// Dirty write: a cycle of writes alone.
    G0(Order),
    /// Circular information flow: a cycle of writes and reads of them.
    G1c(Order),
    /// Read skew: a cycle with one anti-dependency.
    GSingle(Order),
    /// A cycle in which no two anti-dependencies are adjacent: a long fork, among others.
    GNonadjacent(Order),
    /// Write skew: a cycle with adjacent anti-dependencies.
    G2Item(Order),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, order) = match self {
            Self::GarbageRead => ("garbage-read", Order::Data),
            Self::DuplicateElements => ("duplicate-elements", Order::Data),
            Self::IncompatibleOrder => ("incompatible-order", Order::Data),
            Self::CyclicVersions => ("cyclic-versions", Order::Data),
            Self::G1a => ("G1a", Order::Data),
            Self::G1b => ("G1b", Order::Data),
            Self::DirtyUpdate => ("dirty-update", Order::Data),
            Self::Internal => ("internal", Order::Data),
            Self::LostUpdate => ("lost-update", Order::Data),
            Self::G0(order) => ("G0", *order),
            Self::G1c(order) => ("G1c", *order),
            Self::GSingle(order) => ("G-single", *order),
            Self::GNonadjacent(order) => ("G-nonadjacent", *order),
            Self::G2Item(order) => ("G2-item", *order),
        };
        f.write_str(name)?;
        f.write_str(match order {
            Order::Data => "",
            Order::Process => "-process",
            Order::RealTime => "-realtime",
        })
    }
}

/// One dependency of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The transaction that comes first, as an index.
    pub from: usize,
    /// The one after it.
    pub to: usize,
    /// Why.
    pub why: Dependency,
    /// The version that is read, or replaced; `None` for the initial state, and where it is about no version.
    pub before: Option<super::Version>,
    /// The version that replaced it, if it was replaced.
    pub after: Option<super::Version>,
}

/// An anomaly that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anomaly {
    /// Which.
    pub kind: Kind,
    /// The transactions it is about, as indices.
    pub transactions: Vec<usize>,
    /// The key and the versions it is about, if it is about one key.
    pub about: Option<(super::Key, Vec<super::Version>)>,
    /// The cycle, if it is one: each link ends where the next begins.
    pub links: Vec<Link>,
}
