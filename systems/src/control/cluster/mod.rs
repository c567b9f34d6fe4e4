//! Cluster mode: several primaries over hash slots, each with replicas, that notice and replace a failed primary by
//! themselves.
//!
//! In the manner of Redis Cluster (the cluster specification at redis.io; `cluster_legacy.c` was read for what it
//! leaves open). 16,384 slots are shared out among primaries. Nodes ping each other, when an answer is half the node
//! timeout old and by chance, and tell what they think of some others with every ping and pong. A node that leaves
//! pings of a majority of the primaries unanswered for the node timeout has *failed*, once word of that has met; a
//! replica of it waits, longer if others have more data, and asks the primaries for votes in a new epoch. Each votes
//! once in an epoch, and remembers it; votes that come when the replica's data has become too old count no more. Who
//! wins owns the slots by that epoch, and of two that say they own a slot the newer configuration epoch is believed.
//! Replication is asynchronous: what is acknowledged can be lost.
//!
//! | What | File |
//! |---|---|
//! | Slots of keys, who owns them | `slots.rs` |
//! | Pings and their answers, suspicion, word of it, failure | `detect.rs` |
//! | Slot claims, epoch collisions, whether the cluster is up | `gossip.rs` |
//! | Elections and votes, data age and rank | `election.rs` |
//! | Streams of writes, partial and full synchronisation, `wait` | `replicate.rs`, `data.rs` |
//! | `nodes.conf` and the append-only file | `disk.rs` |
//! | Reads, writes, `MOVED`; clients that keep the map | `serve.rs`, `client.rs` |
//! | What must hold, and which losses are allowed | `checks.rs`, `duties.rs`, `streams.rs` |
//!
//! # How near it is
//!
//! `scenarios/library/published/failover-cluster/primary-killed.toml` is 35 trials with a real Redis Cluster 7.0.15
//! (`fixtures/trials/`): with nothing fitted, the two distributions of recovery can not be told apart
//! (Kolmogorov-Smirnov, 5 %). Half of the time until a failure is declared is the node timeout; the rest is waiting for
//! a reason to ping, and for word to pass between those who suspect already.
//!
//! # What it does not promise
//!
//! One primary a shard at any moment. The voters of an election are the primaries that own slots, and each node
//! counts them by its own table of slots. A fail-over changes that table, and the primaries of the old table agree on
//! it, not those of the new one: so an old primary that has not heard of its successor, and that successor, can both
//! vote in the next epoch, and two replicas of different shards can win it. A storm finds that about once in a
//! thousand seeds. Configuration epochs that collide are told apart afterwards, which is why the specification has a
//! rule for it.
//!
//! # What is different
//!
//! Messages may be lost and overtake each other, as there are no connections: headers carry numbers, and writes that
//! are not acknowledged are sent again, as are pings. Nodes tick ten times a second, as Redis does, but more often at
//! node timeouts below 2 s. A client that is told `MOVED` by anybody but the node it took for the owner corrects all
//! slots of that node, where a real one reads the whole map. `wait` holds the answer back, where `WAIT` is a command of
//! its own.
//!
//! # What is not (yet)
//!
//! Moving slots between primaries (`ASK`), manual fail-over, migration of replicas to orphaned primaries, changes of
//! the nodes.

mod bugs;
mod checks;
mod client;
mod data;
mod detect;
mod disk;
mod duties;
mod election;
mod gossip;
mod measure;
mod message;
mod node;
mod options;
mod replicate;
mod serve;
mod slots;
mod streams;
mod system;

pub use bugs::ClusterBug;
pub use checks::ClusterChecks;
pub use client::ClusterClient;
pub use data::{Cell, Data, Entry, Position, StreamId};
pub use disk::{Conf, Record};
pub use message::{
    ClusterFact, ClusterMessage, ClusterRequest, ClusterResponse, Gossip, Header, HeaderNumber, How, Nonce, Refusal,
    Start,
};
pub use node::{Cluster, TICK, TIMERS};
pub use options::{ClusterOptions, Config, Fsync};
pub use slots::{Run, Runs, SLOTS, SlotMap, crc16, slot_of};
pub use streams::Streams;
pub use system::ClusterSystem;
