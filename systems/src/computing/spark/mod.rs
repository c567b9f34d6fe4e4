//! Spark (Zaharia et al., "Resilient distributed datasets: a fault-tolerant abstraction for in-memory cluster
//! computing", NSDI 2012): a driver cuts an application into stages of tasks, executors keep what they have made in
//! memory, and whatever is lost is made again from the datasets that it was made of. Where the paper is silent, Spark 3
//! decides.
//!
//! * `graph.rs`, `program.rs`: datasets with their lineage, narrow and wide; word count, k-means and PageRank as
//!   programs over them, and what they come to directly.
//! * `driver.rs`: actions, stages, tasks; what is where; tasks go to executors that have their partition in memory, and
//!   wait for those for a while; lost outputs, failed fetches; speculative tasks.
//! * `executor.rs`, `doing.rs`, `cache.rs`: cores; what a task needs, back along the lineage to what is in memory, in
//!   the storage or behind a shuffle; memory with a limit, where the partition goes that was used longest ago.
//! * `storage.rs`: where checkpoints go.
//! * `checks.rs`: the rules, and what a report shows.
//! * `computing/tasks/`: what it shares with other systems that run tasks.
//!
//! # What is not
//!
//! One application at a time. A driver that dies takes its application along: its client asks again. Input is read at
//! one speed, wherever it lies. Shuffle outputs go with their executor: there is no service that outlives it; they are
//! never on a disk that is slow, and never too many. Memory holds cached partitions only; nothing is spilled or
//! serialised. Broadcasts, accumulators, actions other than collecting, range partitioning, SQL.

mod bugs;
mod cache;
mod checks;
mod client;
mod doing;
mod driver;
mod executor;
mod graph;
mod message;
mod node;
mod options;
mod program;
mod storage;
mod system;

pub use bugs::SparkBug;
pub use cache::{Block, Cache};
pub use checks::SparkChecks;
pub use client::SparkClient;
pub use driver::{App, Driver, Stage};
pub use executor::Executor;
pub use graph::{Func, Graph, Part, Pieces, Rdd, Row};
pub use message::{Places, Report, SparkFact, SparkMessage, SparkRecord, SparkRequest, SparkResponse, Spec};
pub use node::{Machine, TIMERS};
pub use options::{Config, SparkOptions};
pub use program::{Kind, Program};
pub use storage::Storage;
pub use system::SparkSystem;
