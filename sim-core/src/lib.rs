//! The engine and the contract a protocol implements. Knows no protocol.
//!
//! Start with [`Node`], the one trait a protocol implements, and [`System`], what a crate registers. Everything is a
//! function of the seed: no wall clock, no threads, no hashing with random keys.

pub mod curve;
pub mod fault;
pub mod hand;
pub mod hash;
#[doc(hidden)]
pub mod kinds;
pub mod linearize;
pub mod measures;
pub mod metric;
pub mod network;
pub mod panics;
pub mod queue;
pub mod record;
pub mod recovery;
pub mod seal;
pub mod sorted;
pub mod table;
pub mod track;
pub mod transactions;
pub mod units;
pub mod workload;

mod catalogue;
mod client;
mod clock;
mod digest;
mod disk;
mod effects;
mod embed;
mod engine;
mod files;
mod flight;
mod id;
mod journal;
mod node;
mod node_set;
mod observer;
mod operations;
mod options;
mod order;
mod probability;
mod rng;
mod rule;
mod shape;
mod stack;
mod state_machine;
mod system;
mod time;
mod verdict;

pub use client::{Client, Fate, Move, Outcome, Patience, ReadsFrom, Routing, Seat};
pub use clock::Clock;
pub use disk::DiskPolicy;
pub use effects::{Effect, Effects, Writes};
pub use embed::{Embed, Wrap};
pub use engine::{ActiveFault, Engine, EngineConfig, NodeSetup, NodeStats, Tally};
pub use files::{FileProblem, FileReading, FileText};
pub use flight::{Flight, FlightRecorder};
pub use id::{ClientId, Kind, NodeId, Role, Ticket, Timer, WriteId};
pub use journal::{Journal, Upto};
pub use node::{Completion, Fact, Message, Node, Record, Replay, SyncError, Unreadable};
pub use node_set::NodeSet;
pub use observer::{Drop, Observed, Observer, Parcel, Peer};
pub use options::Options;
pub use order::{Argument, Order, OrderKind};
pub use probability::Probability;
pub use rng::{Purpose, Rng};
pub use rule::Rule;
pub use shape::{Group, RoleKind, Shape};
pub use state_machine::StateMachine;
pub use system::{
    Bug, Collect, Entry, Finished, History, Invalid, LoadUnit, Operation, Phase, Profile, Said, Span, System, node_ids,
};
pub use time::{Duration, Instant, LocalInstant};
pub use verdict::{Budget, Verdict, Violation};
pub use workload::Class;
