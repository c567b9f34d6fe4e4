//! Atomic commit: transactions over shards that are committed everywhere or nowhere.
//!
//! # What is not
//!
//! (being written)

mod acceptor;
mod bugs;
mod checks;
mod client;
mod coordinator;
mod decide;
mod doubt;
mod history;
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
pub use client::{CommitClient, client};
pub use coordinator::Coordinator;
pub use ledger::{Entry, Ledger, Part, Stage, Stored};
pub use locks::{Asked, Claim, Locks};
pub use log::{Log, Member};
pub use message::{CommitFact, CommitMessage, CommitRecord, CommitRequest, CommitResponse, Finish, What};
pub use node::{Machine, TIMERS};
pub use options::{CommitOptions, Config, Deadlocks, Duty, Isolation, Judged, Presumption, Protocols, Sharding, Termination};
pub use plan::Leg;
pub use shard::Shard;
pub use system::CommitSystem;
pub use txn::{Act, Age, Found, Key, Mark, Reason, Shards, Space, State, TxnId, Vote};
