//! Multi-Paxos: Lamport's protocol for a sequence of values, with a stable leader, as people build it.
//!
//! # What is implemented
//!
//! | What | Where in the literature | File |
//! |---|---|---|
//! | Ballots, unique across nodes and restarts | Paxos Made Simple 2.5 | `ballot.rs`, `prepare.rs` |
//! | Phase 1 once for all open slots, adopting what was accepted | Paxos Made Simple 3 | `prepare.rs` |
//! | Gaps filled with values that do nothing | Paxos Made Simple 3 | `prepare.rs` |
//! | Phase 2 in batches, several at a time, out of order | Paxos Made Moderately Complex 4 | `lead.rs`, `accept.rs` |
//! | Promises and acceptances durable before they are told | Paxos Made Simple 2.5 | `disk.rs` |
//! | A leader whose disk keeps it waiting: three ways, and a watchdog | etcd, hashicorp/raft | `lead.rs`, `standstill.rs` |
//! | What is chosen rides on the next accept or heartbeat | Paxos Made Live 5 | `accept.rs` |
//! | Catching up of replicas that lag | Paxos Made Live 4.3 | `learn.rs` |
//! | Snapshots, in pieces; a log that is cut behind them | Paxos Made Live 5.5 | `snapshot.rs` |
//! | Flexible quorums | Howard, Malkhi, Spiegelman 2016 | `options.rs`, `quorum.rs` |
//! | Reads by a quorum round, or under a master lease | Paxos Made Live 5.2 | `read.rs` |
//! | Replicas whose disk was wiped, or can not be read | Paxos Made Live 5.1; Michael et al. 2017 | `rejoin.rs` |
//! | Reconfiguration, `alpha` slots ahead | Reconfiguring a State Machine (Lamport et al. 2010), section 3 | `members.rs`, `reconfigure.rs` |
//! | The Synod, one value only | Paxos Made Simple 2 | [`super::synod`] |
//! | Client sessions, exactly-once execution | Raft dissertation 6.3 | [`crate::shared::replication`] |
//!
//! The rooms are those of [`crate::consensus::raft`], and so are most names: `prepare.rs` is its `election.rs`,
//! `accept.rs` its `follow.rs`. What differs is the protocol: any node may lead, however little it knows, because phase
//! 1 tells it the rest; slots are accepted in any order; and what is in a log is not chosen until it is known to be.
//!
//! # What is not (yet)
//!
//! Leases that several nodes hold at a time, and reads from followers. Generalised and fast Paxos.
//!
//! # Things worth knowing
//!
//! * A follower knows a slot to be chosen if the leader says so and it has accepted that slot *in the leader's ballot*,
//!   or if somebody told it the chosen value. What it accepted in an earlier ballot may be something else.
//! * A leader that lags learns only what was chosen before its own ballot. What was chosen later comes from its
//!   successor, and those who still follow the old one hold other values.
//! * Acceptors are loyal to a leader they hear from (`check_quorum`), like voters in Raft: it keeps a node that was cut
//!   off from disturbing the others when it comes back. Switched off, this is Paxos as in the papers.
//! * Without leases nothing that is sent depends on a clock for its correctness; clocks only decide when to try.

mod accept;
mod apply;
mod ballot;
mod bugs;
pub mod checks;
mod disk;
mod lead;
mod learn;
mod log;
mod members;
mod message;
mod node;
mod options;
mod prepare;
mod quorum;
mod read;
mod reconfigure;
mod rejoin;
mod replica;
mod snapshot;
mod standstill;
mod system;

pub use ballot::Ballot;
pub use bugs::PaxosBug;
pub use log::{Entry, Log, Payload, Run, Slice};
pub use members::Members;
pub use message::{FACT_KINDS, Life, MESSAGE_KINDS, PaxosFact, PaxosMessage, Record, Report, Snapshot, Welcome};
pub use node::{ELECTION, HEARTBEAT, Paxos, TIMERS};
pub use options::{Config, PaxosOptions};
pub use rejoin::Lives;
pub use system::{PaxosProtocol, PaxosSystem};
