//! Distributed task scheduling: the essays' scheduler, handlers and collector of results, and a distributed cron.

mod bugs;
mod checks;
mod client;
mod collector;
mod cron;
mod desks;
mod dispatch;
mod firing;
mod job;
mod lead;
mod ledger;
mod measure;
mod message;
mod node;
mod options;
mod queue;
mod scheduler;
mod system;
mod task;
mod trace;
mod waiting;
mod worker;

pub use bugs::SchedulingBug;
pub use checks::SchedulingChecks;
pub use client::{SchedulingClient, client};
pub use collector::Collector;
pub use cron::{Entry, Table, Zone};
pub use message::{
    End, Kick, Life, Parcel, SchedulingFact, SchedulingMessage, SchedulingRecord, SchedulingRequest, SchedulingResponse,
};
pub use node::{Machine, TIMERS};
pub use options::{Config, CronMode, Durations, Duty, JobShape, Policy, SchedulingOptions};
pub use queue::{Answer, Change, Command, Job, Looks, Queue, Stage, State, Why};
pub use scheduler::Scheduler;
pub use system::SchedulingSystem;
pub use task::{JobId, JobSpec, Lease, Needs, TaskId, TaskSpec};
pub use worker::Worker;
