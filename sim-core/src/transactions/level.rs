//! Isolation levels, and which anomalies each forbids.

use super::anomaly::{Kind, Order};
use core::fmt;

/// What transactions were promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Writes are not interleaved (Adya's PL-1).
    ReadUncommitted,
    /// Only what was committed, and not replaced by its own transaction, is read (PL-2).
    ReadCommitted,
    /// All reads are of one committed state, and of two transactions at the same time that write a key one is aborted.
    SnapshotIsolation,
    /// What was read stays so until the end (PL-2.99).
    RepeatableRead,
    /// As if one ran after the other (PL-3).
    Serializable,
    /// As if one ran after the other, each between its beginning and its end.
    StrictSerializable,
}

impl Level {
    /// All of them, the weakest first.
    pub const ALL: [Self; 6] = [
        Self::ReadUncommitted,
        Self::ReadCommitted,
        Self::SnapshotIsolation,
        Self::RepeatableRead,
        Self::Serializable,
        Self::StrictSerializable,
    ];

    /// The name on the command line and in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "read-uncommitted",
            Self::ReadCommitted => "read-committed",
            Self::SnapshotIsolation => "snapshot-isolation",
            Self::RepeatableRead => "repeatable-read",
            Self::Serializable => "serializable",
            Self::StrictSerializable => "strict-serializable",
        }
    }

    /// What it promises, in a sentence.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::ReadUncommitted => "Writes are not interleaved",
            Self::ReadCommitted => "Only what was committed is read",
            Self::SnapshotIsolation => "Reads are of one state, and of two that write a key at a time one is aborted",
            Self::RepeatableRead => "What was read stays so",
            Self::Serializable => "As if one ran after the other",
            Self::StrictSerializable => "The same, each between its beginning and its end",
        }
    }

    /// Whether the level forbids this. Orders that clients see (processes, real time) bind the strictest level alone.
    #[must_use]
    pub const fn forbids(self, kind: Kind) -> bool {
        let ordered = matches!(
            kind,
            Kind::G0(order) | Kind::G1c(order) | Kind::GSingle(order) | Kind::GNonadjacent(order) | Kind::G2Item(order)
                if !matches!(order, Order::Data)
        );
        if ordered {
            return matches!(self, Self::StrictSerializable);
        }
        let least = match kind {
            Kind::G0(_) | Kind::DuplicateElements | Kind::CyclicVersions => return true,
            Kind::G1a | Kind::GarbageRead | Kind::G1b | Kind::G1c(_) | Kind::DirtyUpdate | Kind::IncompatibleOrder => {
                Self::ReadCommitted
            }
            Kind::Internal | Kind::LostUpdate | Kind::GSingle(_) | Kind::GNonadjacent(_) => Self::SnapshotIsolation,
            Kind::G2Item(_) => Self::RepeatableRead,
        };
        self as u8 >= least as u8
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
