//! What nodes send each other, write down and announce.

use crate::consensus::paxos::Ballot;

sim_core::messages! {
    /// One message.
    #[derive(PartialEq, Eq)]
    pub enum SynodMessage of 64 bytes {
        /// Phase 1a.
        Prepare {
            /// The ballot.
            ballot: Ballot,
        } = "Prepare",
        /// Phase 1b.
        Promise {
            /// The ballot promised to.
            ballot: Ballot,
            /// The value it has accepted in the highest ballot, and that ballot.
            accepted: Option<(Ballot, u64)>,
        } = "Promise",
        /// Phase 2a.
        Accept {
            /// The ballot.
            ballot: Ballot,
            /// The value.
            value: u64,
        } = "Accept",
        /// Phase 2b.
        Accepted {
            /// The ballot.
            ballot: Ballot,
        } = "Accepted",
        /// A ballot was outbid by the one it carries.
        Outbid {
            /// The higher one.
            promised: Ballot,
        } = "Outbid",
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

impl sim_core::Record for SynodRecord {}

sim_core::facts! {
    /// What a node announces.
    pub enum SynodFact {
        /// It begins a ballot.
        Prepared {
            /// Which.
            ballot: Ballot,
        } = "prepared" landmark,
        /// It knows that a value is chosen.
        Decided {
            /// In which ballot.
            ballot: Ballot,
            /// The value.
            value: u64,
        } = "decided" landmark,
    }
}
