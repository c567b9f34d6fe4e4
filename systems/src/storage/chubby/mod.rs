//! Chubby: a lock service for loosely-coupled systems (Burrows, OSDI 2006). A cell of servers elects a master; clients
//! have sessions with it, which hold locks and caches, and last as long as KeepAlives are answered.
//!
//! * `database.rs`: what the cell agrees on, by Multi-Paxos or Raft (a council, `docs/inside/councils.md`): the master
//!   and its epoch, sessions, files, locks and their generations.
//! * `server.rs`, `master.rs`, `calls.rs`: how a server becomes the master in a new epoch (section 2.9) and stops being
//!   it; sessions' leases and KeepAlives that are kept waiting, with events on their answers; writes that wait for
//!   caches, locks that wait for each other, lock-delay.
//! * `app.rs`, `tasks.rs`: the client library, which runs on machines of its own (`role = "app"`), and the programs.
//! * `shared/fenced.rs`: the store that programs write to under a lock (`role = "store"`), with their sequencers.
//! * `model.rs`, `checks.rs`: the log as the rules read it, and the rules.
//!
//! # Time
//!
//! Leases keep two from believing different things. The *master's lease* is renewed through the log; a server that has
//! a new epoch waits until the last renewal that it knows of has run out. A *session's lease* is counted by the master
//! from its answer, by the client from its question, less twice what clocks may drift. A new master gives every session
//! in the database the longest lease that the one before may have given. Once the client's count has run out, the
//! session is in *jeopardy*: the cache is off, calls wait, programs rest; after a *grace* period it is given up.
//!
//! # What is not
//!
//! The new master's nine steps are those of section 2.9, but for the eighth: handles are not shown again one by one;
//! a client opens its ephemeral file anew when it hears of the new master. Handles are a path and a mode. The store
//! checks sequencers against the newest that it has seen, not by a question to the cell. Access control, directories
//! and child-modified events, checksums, proxies, partitioning, mirroring, backups.

mod app;
mod bugs;
mod calls;
mod checks;
mod client;
mod database;
mod master;
mod message;
mod model;
mod node;
mod options;
mod server;
mod system;
mod tasks;

pub use app::App;
pub use bugs::ChubbyBug;
pub use checks::ChubbyChecks;
pub use client::ChubbyClient;
pub use database::{Answer, CallNumber, Change, Command, Database, Epoch, File, Looks, Mode, Path, Session};
pub use message::{Ask, ChubbyFact, ChubbyMessage, ChubbyRecord, ChubbyRequest, ChubbyResponse, Event, Told};
pub use node::{Machine, TIMERS};
pub use options::{ChubbyOptions, Config, Duty};
pub use server::Server;
pub use system::ChubbySystem;
