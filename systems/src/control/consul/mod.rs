//! Consul: a pool of members that gossip who is there, and servers that keep a catalog of it, with keys, sessions and
//! locks. The gossip is Serf's over memberlist's SWIM with Lifeguard (Das et al. 2002; Dadgar, Phillips, Currey 2018);
//! where papers are silent, Consul 1.16 and its libraries decide.
//!
//! * `shared/swim/`: the gossip itself, a library without I/O. `pool.rs`: a node's membership, its way in and its
//!   snapshot.
//! * `database.rs`: what the servers agree on by Raft (a council, `docs/inside/councils.md`): keys with lock indexes,
//!   sessions, nodes with their `serfHealth`, services with their checks.
//! * `server.rs`: what agents ask, in three modes of consistency; queries that wait for an index; lock-delay.
//!   `leader.rs`: sessions' clocks, the catalog as the pool sees it, autopilot's care of dead servers.
//! * `agent.rs`, `services.rs`, `tasks.rs`: an agent beside applications (`role = "agent"`): its questions to servers,
//!   the check of its service, anti-entropy, followers of the catalog and calls of what they find; the lock recipe.
//! * `shared/fenced.rs`: the store that applications write to under a lock (`role = "store"`), with their sequencers.
//! * `gossip.rs`, `records.rs`, `model.rs`, `checks.rs`, `measure.rs`: the rules, and what a report shows.
//!
//! # Time
//!
//! A session's time to live is a promise of the least: the leader waits for twice that since it was renewed, and a new
//! leader starts all clocks anew. The lock-delay is each server's own memory of when it saw the holder's session end:
//! it survives a new leader, and no restart. Consul's times are the defaults; chaos files scale them down.
//!
//! # What is not
//!
//! TCP: questions and answers are messages that may be lost; what has had no answer is asked again, but for writes,
//! which are given up as Consul does. A query that waits is asked now and then whether it still does. A leader answers
//! an agent itself, not by way of the server that was asked. One service a machine; sessions are of the node's
//! `serfHealth` alone. A restored snapshot is what was there, as of low indexes. Datacenters and the WAN pool, access
//! lists, prepared queries, DNS, Connect, prefixes of keys and their tombstones, transactions, node and alias checks.

mod agent;
mod bugs;
mod checks;
mod client;
mod database;
mod gossip;
mod leader;
mod measure;
mod message;
mod model;
mod node;
mod options;
mod pool;
mod records;
mod server;
mod services;
mod system;
mod tasks;

pub use agent::Agent;
pub use bugs::ConsulBug;
pub use checks::ConsulChecks;
pub use client::{ConsulClient, client};
pub use database::{Answer, Behavior, Command, Database, Health, Index, Key, Looks, Session, Why};
pub use message::{
    Ask, Consistency, ConsulFact, ConsulMessage, ConsulRecord, ConsulRequest, ConsulResponse, Told, Watched,
};
pub use node::{Machine, TIMERS};
pub use options::{Check, Config, ConsulOptions, Duty, Fencing, ProbeOrder};
pub use server::Server;
pub use system::ConsulSystem;
