//! Distributed task scheduling: the essays' scheduler, handlers and collector of results, and a distributed cron.
//!
//! * `task.rs`, `job.rs`, `trace.rs`: jobs of tasks that wait for each other, drawn or recorded.
//! * `queue.rs`, `command.rs`: what the schedulers agree on by Raft (a council, `docs/inside/councils.md`): which jobs
//!   there are, who has the lease of which attempt, what is done, what the cron table has fired.
//! * `scheduler.rs`, `lead.rs`, `dispatch.rs`, `desks.rs`, `waiting.rs`: a leader: who has registered, when leases run
//!   out, and ten policies. Delay scheduling is Zaharia et al.'s (EuroSys 2010), places and late binding are Sparrow's
//!   (Ousterhout et al., SOSP 2013), the critical path is HEFT's (Topcuoglu, Hariri, Wu, 2002), stealing from a victim
//!   at random is Blumofe and Leiserson's (1999).
//! * `worker.rs`: a handler: slots, a queue, heartbeats, results on their way. `collector.rs`: results on a disk,
//!   each made public once. A result is staged, then its attempt is taken into the log, then it is made public: the
//!   commit of output as Hadoop and Spark have it.
//! * `cron.rs`, `firing.rs`: when entries are due, over changes of local time, and who has fired what (Serebryany and
//!   others, "Distributed Periodic Scheduling with Cron", in Site Reliability Engineering, 2016).
//! * `ledger.rs`, `checks.rs`, `measure.rs`: the rules, and what a report shows.
//!
//! # What is not
//!
//! Several leaders that each schedule a part: Sparrow's own. Plans made ahead, and insertion into their gaps. Tasks
//! that pass over one at the head of the queue that does not fit yet (backfilling). A second copy beside a
//! straggler: it is stopped and begun elsewhere (`overdue`). Data on its way from parent to child; checkpoints of
//! tasks that are stopped. Admission and quotas. A status is what the leader knows, without a word of the others.
//! Results and places of finished jobs are never forgotten. Cron's days, months and weekdays: entries are `every
//! 30s` and `daily at 02:30`. Changes of the cron table, and of the set of workers, while it runs.

mod bugs;
#[cfg(test)]
mod by_hand;
mod checks;
mod client;
mod collector;
mod command;
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
pub use command::{Answer, Change, Command, Looks, Why};
pub use cron::{Entry, Table, Zone};
pub use message::{
    End, Kick, Life, Parcel, SchedulingFact, SchedulingMessage, SchedulingRecord, SchedulingRequest, SchedulingResponse,
};
pub use node::{Machine, TIMERS};
pub use options::{Config, CronMode, Durations, Duty, JobShape, Policy, SchedulingOptions};
pub use queue::{Job, Queue, Stage, State};
pub use scheduler::Scheduler;
pub use system::SchedulingSystem;
pub use task::{JobId, JobSpec, Lease, Needs, TaskId, TaskSpec};
pub use worker::Worker;
