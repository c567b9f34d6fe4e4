//! Raft, as in Diego Ongaro's dissertation "Consensus: Bridging Theory and Practice" (2014).
//!
//! # What is implemented
//!
//! | What | Where in the literature | File |
//! |---|---|---|
//! | Leader election with randomised timeouts | Raft paper 5.2, 5.4.1 | `election.rs` |
//! | Timeouts in ticks | etcd-io/raft `tickElection`, `tickHeartbeat` | `ticks.rs` |
//! | PreVote | dissertation 9.6 | `election.rs` |
//! | CheckQuorum, and voters loyal to a live leader | dissertation 6.2, 4.2.3 | `election.rs`, `node.rs` |
//! | Log replication, skipping a conflicting term at a time | Raft paper 5.3 | `lead.rs`, `follow.rs` |
//! | Batches, pipelining, flow control | dissertation 10.2 | `lead.rs`, `progress.rs` |
//! | The leader's disk write in parallel with sending | dissertation 10.2.1 | `lead.rs`, `disk.rs` |
//! | ... or before sending, or with the loop standing still; a watchdog | hashicorp/raft `dispatchLogs`; etcd `raftNode.start` | `lead.rs`, `standstill.rs` |
//! | Committing entries of earlier terms only with one of its own | Raft paper 5.4.2, figure 8 | `lead.rs` |
//! | Term, vote and log durable before any answer that depends on them | Raft paper, figure 2 | `disk.rs` |
//! | Snapshots, log compaction, InstallSnapshot in pieces | Raft paper 7, dissertation 5 | `snapshot.rs` |
//! | Client sessions, exactly-once execution | dissertation 6.3 | [`crate::shared::replication`] |
//! | Linearizable reads by ReadIndex | dissertation 6.4 | `read.rs` |
//! | Handing leadership over, and priorities | dissertation 3.10 | `transfer.rs`, `priorities.rs` |
//! | Reads at followers | dissertation 6.4 | `follower_read.rs` |
//! | Reads under a lease | dissertation 6.4.1 | `lease.rs` |
//! | A configuration counts as soon as it is in the log; quorums of it, and of two at once | dissertation 4.1, 4.3 | `configuration.rs` |
//! | Changes one by one, or jointly, with the correction of 2015 | dissertation 4.1, 4.3; raft-dev, July 2015 | `reconfigure.rs` |
//! | Learners, which catch up in rounds | dissertation 4.2.1 | `reconfigure.rs` |
//! | A leader that is removed, servers that do not know that they are | dissertation 4.2.2, 4.2.3 | `reconfigure.rs`, `node.rs` |
//!
//! The details where the papers are silent follow etcd-io/raft: the states of a follower's progress, who answers
//! messages of an older term, when a pre-vote is granted.
//!
//! # What is not (yet)
//!
//! Reads as log entries, and leases that are renewed by anything but heartbeats and reads. A transfer that failed
//! leaves its leader without a lease until the next election.
//!
//! # Things worth knowing
//!
//! * The network may reorder. A follower keeps a few appends that overtook an earlier one, and asks again only if more
//!   than that did. TCP would do this for a real implementation.
//! * Without leases nothing that is sent depends on a clock for its correctness; clocks only decide when to try.
//! * A batch of entries is one allocation, shared by the leader's log, the messages, the followers' logs and every
//!   disk.
//! * A leader that steps down leaves clients unanswered whose entries may yet be committed by its successor; it must
//!   not tell them "no".

mod apply;
mod bugs;
pub mod checks;
mod configuration;
mod disk;
mod election;
mod follow;
mod follower_read;
mod lead;
mod leader_checks;
mod lease;
mod log;
mod member_checks;
mod message;
mod node;
mod options;
mod priorities;
mod progress;
mod promise_checks;
mod read;
mod reconfigure;
mod replica;
mod rounds;
mod snapshot;
mod standstill;
mod system;
mod ticks;
mod transfer;

pub use bugs::RaftBug;
pub use configuration::Configuration;
pub use log::{Entry, Log, Payload, Slice};
pub use message::{Append, FACT_KINDS, MESSAGE_KINDS, Question, RaftFact, RaftMessage, Record, Snapshot};
pub use node::{ELECTION, HEARTBEAT, Raft, TIMERS};
pub use options::{Config, Membership, RaftOptions, Reads};
pub use priorities::Priorities;
pub use system::{RaftProtocol, RaftSystem};
