//! What the master knows of its jobs, and keeps on its disk if it is told to.

use super::message::{MapReduceResponse, Owner};
use super::work::{Counters, Kind};
use crate::computing::tasks::board::Board;
use sim_core::NodeId;
use sim_core::sorted::{SortedMap, SortedSet};

/// The job that is going on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Job {
    /// Whose.
    pub owner: Owner,
    /// Unique.
    pub run: u64,
    /// What kind.
    pub kind: Kind,
    /// Maps, reduces.
    pub boards: [Board; 2],
    /// What each task that was done has counted.
    pub counted: SortedMap<(u32, u32), Counters>,
    /// Their sum.
    pub counters: Counters,
    /// Where the outputs of maps are: the worker, and which of its lives has them.
    pub outputs: SortedMap<u32, (NodeId, u64)>,
    /// Records that have crashed processes, each with the executions of which that is known.
    pub gasps: SortedMap<u64, SortedSet<u32>>,
}

impl Job {
    /// A job that has not begun.
    #[must_use]
    pub fn new(owner: Owner, run: u64, kind: Kind, maps: u32, reduces: u32) -> Self {
        Self {
            owner,
            run,
            kind,
            boards: [Board::new(maps), Board::new(reduces)],
            counted: SortedMap::new(),
            counters: Counters::default(),
            outputs: SortedMap::new(),
            gasps: SortedMap::new(),
        }
    }

    /// How many tasks are done.
    #[must_use]
    pub const fn done(&self) -> u32 {
        self.boards[0].done() + self.boards[1].done()
    }
}

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Saved {
    /// The job that is going on.
    pub job: Option<Job>,
    /// Those that wait, in order.
    pub queue: Vec<(Owner, Kind)>,
    /// What was answered, until its client has heard it.
    pub answers: SortedMap<Owner, MapReduceResponse>,
    /// Runs so far.
    pub runs: u64,
}

impl Saved {
    /// The run that is going on; 0 for none.
    #[must_use]
    pub fn run(&self) -> u64 {
        self.job.as_ref().map_or(0, |job| job.run)
    }
}
