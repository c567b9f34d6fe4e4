//! Consensus: nodes that fail agree on a value, on a log of values, and on who leads.

pub mod any;
pub mod paxos;
pub mod raft;
pub mod synod;
