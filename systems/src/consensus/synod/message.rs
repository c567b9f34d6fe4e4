//! What nodes send each other, write down and announce.

use crate::consensus::paxos::Ballot;
use sim_core::{Fact, Kind, Message};

/// The kinds of messages, by [`Kind::index`].
pub(super) const MESSAGE_KINDS: &[&str] = &["Prepare", "Promise", "Accept", "Accepted", "Outbid"];

/// The kinds of facts, by [`Kind::index`].
pub(super) const FACT_KINDS: &[&str] = &["prepared", "decided"];

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SynodMessage {
    /// Phase 1a.
    Prepare {
        /// The ballot.
        ballot: Ballot,
    },
    /// Phase 1b.
    Promise {
        /// The ballot promised to.
        ballot: Ballot,
        /// The value it has accepted in the highest ballot, and that ballot.
        accepted: Option<(Ballot, u64)>,
    },
    /// Phase 2a.
    Accept {
        /// The ballot.
        ballot: Ballot,
        /// The value.
        value: u64,
    },
    /// Phase 2b.
    Accepted {
        /// The ballot.
        ballot: Ballot,
    },
    /// A ballot was outbid by the one it carries.
    Outbid {
        /// The higher one.
        promised: Ballot,
    },
}

impl Message for SynodMessage {
    fn kind(&self) -> Kind {
        let named = |index: u8| Kind::new(index, MESSAGE_KINDS[index as usize]);
        match self {
            Self::Prepare { .. } => named(0),
            Self::Promise { .. } => named(1),
            Self::Accept { .. } => named(2),
            Self::Accepted { .. } => named(3),
            Self::Outbid { .. } => named(4),
        }
    }

    fn bytes(&self) -> u32 {
        64
    }
}

/// What a node writes to its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SynodRecord {
    /// No lower ballot gets its help.
    Promised(Ballot),
    /// It accepted this value.
    Accepted(Ballot, u64),
}

/// What a node announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SynodFact {
    /// It begins a ballot.
    Prepared {
        /// Which.
        ballot: Ballot,
    },
    /// It knows that a value is chosen.
    Decided {
        /// In which ballot.
        ballot: Ballot,
        /// The value.
        value: u64,
    },
}

impl Fact for SynodFact {
    fn kind(&self) -> Kind {
        match self {
            Self::Prepared { .. } => Kind::new(0, FACT_KINDS[0]),
            Self::Decided { .. } => Kind::new(1, FACT_KINDS[1]),
        }
    }

    fn landmark(&self) -> bool {
        true
    }
}
