//! The Synod: one value, decided by single-decree Paxos (Paxos Made Simple, section 2).
//!
//! Proposers, acceptors, one value, for the laws that count its messages and ballots. Multi-Paxos next door
//! ([`super::paxos`]) decides many of these, but not with this code; ballots are the same.
//!
//! # What is not
//!
//! Learners of their own: a proposer whose value is accepted by a majority knows it, and nobody else is told.

mod checks;
mod client;
mod message;
mod node;
mod options;
mod system;

pub use checks::{AGREEMENT, PROPOSERS_DECIDE, SynodChecks};
pub use client::SynodClient;
pub use message::{SynodFact, SynodMessage, SynodRecord};
pub use node::{Synod, TIMERS};
pub use options::{Config, SynodOptions};
pub use system::SynodSystem;
