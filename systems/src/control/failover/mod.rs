//! Fail-over: noticing that a node is gone, deciding who follows it, and what that costs those who wrote to it.
//!
//! A key-value store on one primary and its backups, as people run PostgreSQL with Patroni, MySQL with semi-synchronous
//! replication, Redis with Sentinel, MongoDB, one partition of Kafka, or DRBD with Pacemaker.
//!
//! | What | Where in the literature | File |
//! |---|---|---|
//! | A log with epochs; where two logs part | KIP-101, KIP-279 | `log.rs`, `backup.rs` |
//! | Acknowledged by the primary, by k backups, by all in sync | MySQL's semi-synchronous replication; Kafka's in-sync replicas | `primary.rs`, `in_sync.rs` |
//! | The high watermark; entries of earlier epochs | Kafka's replication design; Raft paper, figure 8 | `primary.rs` |
//! | Arbiters: none, the peers, a witness | Gifford 1979; Paris 1986 | `election.rs` |
//! | An external quorum, as Patroni has etcd or Kafka had ZooKeeper: a seat in a Raft of this project | Gray and Cheriton 1989 | `arbiter.rs` |
//! | Sentinels beside the data, as Redis has them: they watch, agree, elect one, and that one promotes | Redis 7.0, `sentinel.c` | `sentinel/` |
//! | Leases, and epochs as fencing tokens | Gray and Cheriton 1989; Kleppmann 2016 | `primary.rs`, `node.rs` |
//! | The most advanced log follows, and only with enough logs looked at | Liskov and Cowling 2012 (VR); flexible quorums, Howard 2016 | `election.rs` |
//! | One storage for all, and epochs as fencing tokens there | Kleppmann 2016 | `shared.rs` |
//! | Clients find the primary by hints, an address that moves, a directory | | `redirect.rs` |
//! | Switch-over and fail-back | | `switch_over.rs` |
//! | Failure detectors: fixed timeout, phi accrual, SWIM | Chandra and Toueg 1996; Hayashibara et al. 2004; Das et al. 2002 | `detector/`, `probing.rs` |
//!
//! Cluster mode, where the primaries themselves notice and vote, is a system of its own: [`super::cluster`].
//!
//! # What a design promises
//!
//! Not every one of these designs is a good one, and that is the point: two nodes without an arbiter, or a primary that
//! is not fenced, are run as they are, and what they lose is measured. [`Config::keeps`] says whether no acknowledged
//! write may be lost, [`Config::excludes`] whether no two nodes may accept writes at once. What is promised is a rule;
//! what is not is counted.
//!
//! # Things worth knowing
//!
//! * Whoever votes has written down that it goes along with no older epoch, so the logs that a candidate is compared
//!   with can not grow behind its back. With k backups in every acknowledgement, all data nodes but k must have been
//!   looked at.
//! * A primary acknowledges and reads only under its lease: enough voters have answered heartbeats that it sent less
//!   than `lease` ago, and those vote for nobody else that long. It never renews itself.
//! * A backup that joins asks where its newest epoch ends in the primary's log and cuts the rest. If that was applied,
//!   the state is built anew from its snapshot, or fetched.

mod arbiter;
mod backup;
mod bugs;
pub mod checks;
mod client;
pub mod detector;
mod disk;
mod election;
mod formulas;
mod in_sync;
mod ledger;
mod log;
mod message;
mod node;
mod options;
mod primary;
mod probing;
mod promises;
mod redirect;
mod sentinel;
mod shared;
mod story;
mod switch_over;
mod system;

pub use arbiter::{Petition, Ruling, Seat};
pub use bugs::FailoverBug;
pub use client::FailoverClient;
pub use log::{Entry, Log, Payload, Position, Snapshot};
pub use message::{FailoverFact, FailoverMessage, InSync, PetitionNumber, Record, SetVersion};
pub use node::{BALLOT, Failover, HEARTBEAT, PROBE, TIMERS, WATCH};
pub use options::{Arbiter, Config, FailoverOptions, Mode, Promote, Redirect, Storage, Suspicion};
pub use sentinel::{Monitored, Notes, SentinelMessage, Vote};
pub use system::FailoverSystem;
