//! Atomic commit: transactions over shards that are committed everywhere or nowhere, and kept apart from each other.
//!
//! Two-phase commit as Gray (1978) and Mohan, Lindsay and Obermarck (R*, 1986) have it, with presumed abort or presumed
//! commit, the read-only optimisation, group commit, and cooperative termination (Bernstein, Hadzilacos and Goodman
//! 1987, section 7.4); three-phase commit (Skeen 1981) ended by quorums (Skeen 1982); Paxos Commit and Faster Paxos
//! Commit (Gray and Lamport, "Consensus on Transaction Commit", 2006).
//!
//! * `coordinator.rs` takes a client's transaction through its acts, shard after shard, and its votes; the vote of the
//!   last shard comes with its last answer. It starts those again that were aborted for no fault of their own, with
//!   their age.
//! * `decide.rs`: its decision log, what it presumes of what it does not know, and what a restart makes of both.
//! * `acceptor.rs`: in Paxos Commit coordinators are acceptors; any of them can end what another has left.
//! * `shard.rs` carries out acts, `vote.rs` is how it votes, `doubt.rs` what it does while it has voted and does not
//!   know, `tend.rs` what it looks after as time goes by: silent transactions, and probes for deadlocks (Chandy, Misra
//!   and Haas 1983).
//! * `locks.rs`: strict two-phase locking, first come first served, with wait-die or wound-wait (Rosenkrantz, Stearns
//!   and Lewis 1978), detection, or nothing but a timeout.
//! * `ledger.rs` is the state machine of a shard: versions, what is prepared, what was decided. `log.rs` keeps it, on
//!   one disk or on those of a Raft group; a new leader serves once it has applied all that was before, and takes the
//!   locks of what is prepared again.
//! * Snapshots: a transaction reads as of its coordinator's hybrid clock; a shard never prepares anything as of a time
//!   that it has served a snapshot of, also not after a restart, and a reader waits for what is prepared as of an
//!   earlier time. It commits as of the latest of its participants' times. Of two that write a key, the first to commit
//!   wins (Berenson et al. 1995).
//! * Idempotency keys are rows of the shard that a transaction touches first, written with it.
//! * `plan.rs`: what a client's request does, drawn from its number, so that `history.rs` can judge it by
//!   `sim_core::transactions`.
//!
//! # What is not
//!
//! Coordinators that are groups themselves (Spanner's way; Paxos Commit is the other answer to the same question).
//! Commit in one phase where one shard is all. Interactive transactions, whose next act depends on what was found.
//! Predicates and ranges. Three-phase commit with an elected coordinator: whoever is in doubt ends it, and several may
//! at the same time. Acceptors and, outside two-phase commit, shards forget nothing of transactions that are over;
//! coordinators never compact their logs.

mod acceptor;
mod bugs;
#[cfg(test)]
mod by_hand;
mod checks;
mod client;
mod coordinator;
mod decide;
mod doubt;
mod history;
mod leaders;
mod ledger;
mod locks;
mod log;
mod measure;
mod message;
mod node;
mod options;
mod plan;
mod shard;
mod system;
mod tend;
mod txn;
mod vote;

pub use acceptor::Acceptor;
pub use bugs::CommitBug;
pub use checks::CommitChecks;
pub use client::CommitClient;
pub use coordinator::Coordinator;
pub use ledger::{Entry, Ledger, Part, Stage, Stored};
pub use locks::{Asked, Claim, Locks};
pub use log::{Log, Member};
pub use message::{CommitFact, CommitMessage, CommitRecord, CommitRequest, CommitResponse, Finish, What};
pub use node::{Machine, TIMERS};
pub use options::{
    CommitOptions, Config, Deadlocks, Duty, Isolation, Judged, Presumption, Protocols, Sharding, Termination,
};
pub use plan::Leg;
pub use shard::Shard;
pub use system::CommitSystem;
pub use txn::{Act, Age, Found, Key, Mark, Reason, Shards, Space, State, TxnId, Vote};
