//! A replicated log, as Kafka is one (Kreps, Narkhede and Rao, NetDB 2011; the documentation and improvement proposals
//! of Apache Kafka since).

mod assign;
mod broker;
mod bugs;
mod checks;
mod client;
mod consumer;
mod controller;
mod coordinator;
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

pub use broker::Broker;
pub use bugs::QueueBug;
pub use checks::QueueChecks;
pub use client::{QueueClient, client};
pub use consumer::Consumer;
pub use controller::Controller;
pub use log::{Batch, Body, Item, Log, Offset};
pub use message::{QueueFact, QueueMessage, QueueRecord, QueueRequest, QueueResponse, Refusal};
pub use metadata::{Image, Metadata, Partition};
pub use node::{Machine, TIMERS};
pub use options::{Acks, Config, Duty, QueueOptions};
pub use producer::Producer;
pub use replica::Replica;
pub use system::QueueSystem;
