//! What nodes tell each other, write to their disks and announce; what clients ask.

use super::cache::Block;
use super::graph::{Graph, Part, Pieces};
use super::program::Kind;
use crate::computing::tasks::talk::{Ping, Pong, ping_bytes, pong_bytes};
use crate::computing::tasks::{Attempt, Cause, How};
use sim_core::hash::Hashed;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{ClientId, NodeId};
use std::rc::Rc;

/// What an executor reports of an execution that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Report {
    /// It is done.
    Done {
        /// The rows, of one whose rows are collected.
        rows: Option<Part>,
        /// Partitions that the executor keeps in memory now.
        stored: Vec<Block>,
        /// Those that it does not keep any more.
        dropped: Vec<Block>,
        /// Those that the storage has.
        saved: Vec<Block>,
    },
    /// It could not get the outputs of a shuffle that this executor should have.
    FetchFailed {
        /// Which shuffle.
        shuffle: u32,
        /// Of whom.
        from: NodeId,
    },
    /// It did not know where to get something: these were not in the memory of those who should have them.
    Failed {
        /// Partitions, and who should have had them.
        gone: Vec<(Block, NodeId)>,
    },
}

/// Where things are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Places {
    /// The executor that has each output of a shuffle.
    pub outputs: SortedMap<u32, Vec<Option<NodeId>>>,
    /// An executor that has a partition in memory.
    pub cached: SortedMap<Block, NodeId>,
    /// What the storage has.
    pub saved: SortedSet<Block>,
}

/// What an executor is to execute: the attempt's task is the partition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    /// The application's datasets.
    pub graph: Rc<Hashed<Graph>>,
    /// Which is to be made.
    pub rdd: u32,
    /// For which shuffle; otherwise its rows are collected.
    pub shuffle: Option<u32>,
    /// Where everything is.
    pub places: Rc<Hashed<Places>>,
    /// Why.
    pub cause: Cause,
}

fn listed(items: usize) -> u32 {
    4 * items as u32
}

sim_core::messages! {
    /// Between the driver, executors and the storage.
    pub enum SparkMessage of 40 bytes {
        /// What an executor does.
        Ping(ping: Rc<Ping<Report>>) = "Ping" bytes { ping_bytes(ping, 64) }
            ("life {} ping {}: {} running, {} ended", ping.life, ping.number, ping.running.len(), ping.ended.len()),
        /// What it shall do.
        Pong(pong: Rc<Pong<Spec, ()>>) = "Pong" bytes { pong_bytes(pong) }
            ("ping {}: {} start, {} stop", pong.number, pong.start.len(), pong.stop.len()),
        /// A task wants its partition of these outputs of a shuffle.
        Fetch {
            /// Which task.
            attempt: Attempt,
            /// Which shuffle.
            shuffle: u32,
            /// Which outputs.
            maps: Vec<u32>,
            /// Of which application.
            app: u64,
        } = "Fetch" bytes { listed(maps.len()) } ("{attempt}: shuffle {shuffle}, {} outputs", maps.len()),
        /// Those that the executor has.
        Pieces {
            /// For which task.
            attempt: Attempt,
            /// Of which shuffle.
            shuffle: u32,
            /// The outputs, of which only the partition counts that was asked for.
            outputs: Vec<(u32, Rc<Hashed<Pieces>>)>,
            /// What those partitions weigh.
            weight: u32,
        } = "Pieces" bytes { *weight } ("{attempt}: shuffle {shuffle}, {} outputs, {weight} B", outputs.len()),
        /// A task wants a partition that the receiver has in memory, or in the storage.
        Read {
            /// Which task.
            attempt: Attempt,
            /// Which dataset.
            rdd: u32,
            /// Of which application.
            app: u64,
        } = "Read" ("{attempt}: dataset {rdd}"),
        /// It, if it is there.
        Rows {
            /// For which task.
            attempt: Attempt,
            /// Of which dataset.
            rdd: u32,
            /// The rows.
            rows: Option<Part>,
            /// What they weigh.
            weight: u32,
        } = "Rows" bytes { *weight } ("{attempt}: dataset {rdd}, {weight} B"),
        /// A partition for the storage.
        Save {
            /// By which task.
            attempt: Attempt,
            /// Of which dataset.
            rdd: u32,
            /// Of which application.
            app: u64,
            /// The rows.
            rows: Part,
            /// What they weigh.
            weight: u32,
        } = "Save" bytes { *weight } ("{attempt}: dataset {rdd}, {weight} B"),
        /// It is there, durably.
        Saved {
            /// Of which task.
            attempt: Attempt,
            /// Of which dataset.
            rdd: u32,
        } = "Saved" ("{attempt}: dataset {rdd}"),
    }
}

sim_core::records! {
    /// One append to a disk.
    pub enum SparkRecord {
        /// The number of a life begins.
        Life {
            /// Which.
            life: u64,
        } = ("life {life}"),
        /// The storage has a partition.
        Saved {
            /// Of which application.
            app: u64,
            /// Which.
            block: Block,
            /// The rows.
            rows: Part,
            /// What they weigh.
            weight: u32,
        } = ("application {app}: dataset {} partition {}", block.0, block.1),
    }
}

sim_core::facts! {
    /// What nodes announce.
    pub enum SparkFact {
        /// The driver has begun an application.
        AppBegan {
            /// Which.
            app: u64,
            /// What kind.
            kind: Kind,
        } = "app_began" landmark ("application {app}: {}", kind.name()),
        /// It has begun an action.
        ActionBegan {
            /// The run.
            run: u64,
            /// Which of the application's.
            number: u32,
        } = "action_began" ("action {number}"),
        /// An action has a result.
        ActionDone {
            /// The run.
            run: u64,
        } = "action_done" landmark (""),
        /// A stage may begin: what it needs is there.
        StageBegan {
            /// The run.
            run: u64,
            /// Which.
            stage: u32,
            /// How many of its tasks are to be done.
            missing: u32,
        } = "stage_began" ("stage {stage}: {missing} tasks"),
        /// The driver has given a task to an executor.
        Given {
            /// Which.
            attempt: Attempt,
            /// To whom.
            worker: NodeId,
        } = "task_given" ("{attempt} to {worker}"),
        /// An executor begins to execute a task.
        Began {
            /// Which.
            attempt: Attempt,
            /// Why.
            cause: Cause,
        } = "task_began" ("{attempt}: {}", cause.name()),
        /// It has all that it needs.
        Ready {
            /// Which.
            attempt: Attempt,
            /// How many outputs of shuffles it has.
            inputs: u32,
            /// How many it needs.
            of: u32,
            /// Partitions that it makes again although they should be in memory.
            remade: u32,
        } = "ready" ("{attempt}: {inputs} of {of} inputs"),
        /// It is over.
        Ended {
            /// Which.
            attempt: Attempt,
            /// How.
            how: How,
        } = "task_ended" ("{attempt}: {}", how.name()),
        /// The driver counts it as done.
        Counted {
            /// Which.
            attempt: Attempt,
            /// Where its output is.
            worker: NodeId,
        } = "task_counted" ("{attempt} at {worker}"),
        /// The driver has lost an executor.
        ExecutorLost {
            /// Which.
            worker: NodeId,
            /// Outputs of shuffles that it had.
            outputs: u32,
            /// Partitions that it had in memory.
            blocks: u32,
        } = "executor_lost" landmark ("{worker}: {outputs} outputs, {blocks} partitions in memory"),
        /// Outputs that an executor should have can not be got from it.
        OutputsLost {
            /// Who.
            worker: NodeId,
            /// Of which shuffle.
            shuffle: u32,
        } = "outputs_lost" landmark ("{worker}: shuffle {shuffle}"),
        /// An executor has found no space for a partition, or has dropped others for it.
        Memory {
            /// Whether there was no space.
            refused: bool,
            /// How many it has dropped.
            dropped: u32,
        } = "dropped" | "no_space" [usize::from(refused)] ("{dropped}"),
        /// A partition should be in the storage, and is not.
        CheckpointMissing {
            /// Of which dataset.
            rdd: u32,
            /// Which.
            part: u32,
        } = "checkpoint_missing" landmark ("dataset {rdd} partition {part}"),
        /// All is done.
        AppDone {
            /// Which.
            app: u64,
        } = "app_done" landmark ("application {app}"),
    }
}

/// What a client asks of the driver.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SparkRequest {
    /// How far is it?
    Status,
    /// Take an application of no tasks: what a probe asks, to see whether applications are taken.
    Empty,
    /// Run an application.
    Run(Kind),
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SparkResponse {
    /// Actions that are done, and applications that wait.
    Status {
        /// Actions of the application that goes on.
        actions: u32,
        /// Applications that wait.
        waiting: u32,
    },
    /// The application of no tasks was taken, and is done.
    Taken,
    /// It is done.
    Done {
        /// Which.
        app: u64,
        /// How many rows the result has.
        rows: u64,
    },
}

/// Whose application: the client and the number of its operation.
pub type Owner = (ClientId, u64);
