//! MapReduce (Dean and Ghemawat, "MapReduce: simplified data processing on large clusters", OSDI 2004): a master gives
//! map and reduce tasks to workers, and a job comes to the same result whatever dies meanwhile.
//!
//! * `master.rs`, `saved.rs`: the master: tasks idle, running or done; locality; backup tasks near the end; workers
//!   that are lost, whose completed maps are executed again; records that are skipped after they have crashed two
//!   processes; counters that count each task once; checkpoints, and how a master goes on from one.
//! * `worker.rs`, `doing.rs`: a worker with slots for maps and reduces: blocks of the input on its disk or from
//!   elsewhere, the map function, the shuffle in pieces over the simulated network, sorting, the reduce function, the
//!   output.
//! * `files.rs`: the global file system, as far as outputs go: a reduce writes a file of its own and renames it.
//! * `work.rs`: word count, inverted index and sort, over generated text and numbers, and what they come to directly.
//! * `checks.rs`: the rules, and what a report shows.
//! * `computing/tasks/`: what it shares with other systems that run tasks.
//!
//! # What is not
//!
//! One job at a time: others wait. The input is where it is: blocks are not copied when a machine dies. What a map
//! writes to its own disk costs no time of its own, and is gone with its process, not only with its machine. The file
//! system is one node for each part of the output; what GFS does to keep that available is not here. Ordering
//! guarantees, side effects, local execution and status pages.

mod bugs;
mod checks;
mod client;
mod doing;
mod files;
mod master;
mod message;
mod node;
mod options;
mod saved;
mod system;
mod work;
mod worker;

pub use bugs::MapReduceBug;
pub use checks::MapReduceChecks;
pub use client::MapReduceClient;
pub use files::Files;
pub use master::Master;
pub use message::{
    MapReduceFact, MapReduceMessage, MapReduceRecord, MapReduceRequest, MapReduceResponse, Report, Spec,
};
pub use node::{Machine, TIMERS};
pub use options::{Config, MapReduceOptions};
pub use saved::{Job, Saved};
pub use system::MapReduceSystem;
pub use work::{Counters, Kind, MapOutput};
pub use worker::Worker;
