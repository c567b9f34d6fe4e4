//! A replicated log with topics, partitions and consumer groups, as Kafka (Kreps, Narkhede and Rao, NetDB 2011; the
//! documentation of Apache Kafka 4, and the improvement proposals, KIPs, that are named below). Four kinds of machines:
//! brokers keep partitions, controllers keep who leads and who is in sync, producers send, consumers work.
//!
//! * `metadata.rs`, `controller.rs`: a council of controllers on the project's Raft (KRaft, KIP-500). Brokers register,
//!   are heard from, are fenced and come back (KIP-631). The state machine elects: a replica in sync; else one that is
//!   eligible, because too few were in sync when it fell out (KIP-966); else, if all of them came back from an unclean
//!   shutdown, the last known; else, only with `unclean_election`, any. The last two may lack what was committed, and
//!   are counted as lossy. Whole images of the state go to brokers, as news, and to applications, when they ask.
//! * `broker.rs`, `replica.rs`, `serve.rs`, `follow.rs`: replication by fetches. A leader's high watermark is what all
//!   in sync have, those included that may be by what it has asked (KIP-497); a replica that has not caught up for
//!   `replica_lag_time` is taken out, and one that has caught up with the leader's epoch (KAFKA-7128) and is still
//!   registered as it says (KIP-903) comes back, once the controllers have decided so. A follower cuts its log where
//!   its last epoch ends in the leader's (KIP-101, KIP-279, by the fetch itself: KIP-595).
//! * `log.rs`: batches, epochs, what producers have sent (KIP-98; five batches each), truncation, retention by age,
//!   compaction. All of it is rebuilt from the disk. A broker syncs when the system writes back (`flush = "never"`, as
//!   Kafka is run: a power loss takes the page cache), or before anybody is told (`"every"`).
//! * `producer.rs`: batches, linger, acks 0, 1 and all, several in flight, retries until `delivery_timeout`, ids and
//!   numbers; after a batch was given up that may be in the log, a new epoch (KIP-360).
//! * `coordinator.rs`, `consumer.rs`, `work.rs`, `assign.rs`: groups by the classic protocol: join, sync, heartbeat,
//!   leave, commit; generations fence; who is in a group and how far it has come is in a replicated partition, from
//!   which the next coordinator takes it. Eager rebalancing by ranges, cooperative and sticky in two rounds (KIP-429,
//!   KIP-792).
//! * `silent.rs`: an application gives up the connection to a broker that did not answer within `request_timeout`, and
//!   sends nothing before that answers again. Nodes talk over connections (`Node::CONNECTS`), as over TCP.
//! * `checks.rs` holds all of it to its rules, `ledger.rs` follows every message, `story.rs` tells what happened.
//!
//! # What is not
//!
//! Transactions, and with them exactly-once from topic to topic: consumers are at most once or at least once, counted.
//! Static membership (KIP-345) and the new group protocol (KIP-848). Fetching from followers (KIP-392), and consumers
//! that notice a truncated log by its epochs (KIP-320): they start anew by `auto_offset_reset`. A broker's controlled
//! shutdown, moving replicas, more topics at run time, quotas, several disks. Retention by size, tombstones, compaction
//! of the groups' partition. Segments: old messages leave the log, the simulated disk keeps its records.

mod assign;
mod broker;
mod bugs;
mod checks;
mod client;
mod consumer;
mod controller;
mod coordinator;
mod duties;
mod follow;
mod ledger;
mod log;
mod message;
mod metadata;
mod node;
mod options;
mod producer;
mod replica;
mod serve;
mod silent;
mod story;
mod system;
mod work;

pub use broker::Broker;
pub use bugs::QueueBug;
pub use checks::QueueChecks;
pub use client::QueueClient;
pub use consumer::Consumer;
pub use controller::Controller;
pub use log::{Batch, Body, Item, Log, Offset};
pub use message::{QueueFact, QueueMessage, QueueRecord, QueueRequest, QueueResponse, Refusal};
pub use metadata::{Image, Metadata, Partition};
pub use node::{Machine, TIMERS};
pub use options::{Acks, Config, Duty, QueueOptions, Rebalance};
pub use producer::Producer;
pub use replica::Replica;
pub use system::QueueSystem;
