//! ZooKeeper: a replicated tree of small nodes with sessions, watches and ephemeral nodes, and the Zab under it (Hunt,
//! Konar, Junqueira, Reed, ATC 2010; Junqueira, Reed, Serafini, DSN 2011). Where the papers are silent, ZooKeeper 3.8
//! decides.
//!
//! * `election.rs`: fast leader election by epoch, zxid and number, with the 200 ms that it waits for better votes.
//! * `lead.rs`, `follow.rs`: discovery of an epoch, synchronisation by DIFF, TRUNC or SNAP, NEWLEADER and UPTODATE, and
//!   broadcast with pipelined proposals; observers are told what is committed.
//! * `store.rs`, `txn.rs`, `tree.rs`: two epochs, a log and snapshots on the disk; transactions that are the same
//!   however often they are made, because the leader works out what a call comes to; the tree.
//! * `tracker.rs`, `desk.rs`: sessions in buckets of a tick at the leader, handed from server to server; clients'
//!   connections, the order of their calls, watches that fire once and that stay.
//! * `app.rs`, `recipes.rs`, `barrier.rs`: the client library, which runs on machines of its own (`role = "app"`), and
//!   the recipes: locks and elections, with and without a herd, and double barriers.
//! * `history.rs`, `recipes_checks.rs`, `knowing.rs`: what the rules and the report remember, beside who holds which
//!   lock (`shared/holders.rs`) and what was written under it (`shared/fenced.rs`).
//!
//! Nodes talk over TCP: links are ordered, and an end hears when its connection is over. Leader, followers and clients
//! go by that as the original does: a follower whose leader's process dies looks for another at once, one whose
//! leader's machine dies only when it has been silent for `sync_limit` ticks.
//!
//! # What is not
//!
//! Paths have two parts. A snapshot is of one moment, not fuzzy. Containers, time-to-live nodes, quotas, access lists,
//! reconfiguration, read-only mode, local sessions, recursive watches. The 200 ms are an option, as everything that the
//! original counts in ticks is, and as what its process takes between two steps of the protocol (none, unless a file
//! says so).

mod app;
mod barrier;
mod bugs;
mod checks;
mod client;
mod desk;
mod election;
mod follow;
mod history;
mod knowing;
mod lead;
mod message;
mod node;
mod options;
mod recipes;
mod recipes_checks;
mod server;
mod store;
mod system;
mod tracker;
mod tree;
mod txn;

pub use app::App;
pub use bugs::ZkBug;
pub use checks::ZkChecks;
pub use client::ZkClient;
pub use message::{Doing, SyncWay, Vote, ZkFact, ZkMessage, ZkRecord, ZkRequest, ZkResponse};
pub use node::{Machine, TIMERS};
pub use options::{Config, Duty, SyncBy, ZkOptions};
pub use server::Server;
pub use system::ZooKeeperSystem;
pub use tree::{Change, Tree, Znode};
pub use txn::{Answer, Call, Entry, Path, Place, Refusal, Session, Txn, Xid, Zxid};
