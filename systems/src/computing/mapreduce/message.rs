//! What nodes tell each other, write to their disks and announce; what clients ask.

use super::saved::Saved;
use super::work::{Counters, Kind, MapOutput, Pair};
use crate::computing::tasks::talk::{Ping, Pong, ping_bytes, pong_bytes};
use crate::computing::tasks::{Attempt, Cause, How};
use sim_core::hash::Hashed;
use sim_core::{ClientId, NodeId};
use std::rc::Rc;

/// What a worker reports of an execution that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Report {
    /// It is done, and this was counted.
    Done(Counters),
    /// Its process has crashed: its last gasp names the record of its block.
    Crashed {
        /// Which.
        record: u32,
    },
}

/// What a worker is to execute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spec {
    /// A task of this kind of job: its attempt's stage says whether a map (0) or a reduce (1).
    pub kind: Kind,
    /// Why.
    pub cause: Cause,
    /// Records of the block that a map shall leave out.
    pub skip: Rc<Vec<u32>>,
}

/// Where a map's output is from now on: at a worker, or nowhere.
pub type News = (u32, Option<NodeId>);

/// A part of an output, or a chunk of it.
pub type Content = Rc<Hashed<Vec<Pair>>>;

fn listed(items: usize) -> u32 {
    4 * items as u32
}

sim_core::messages! {
    /// Between the master, workers and the file system.
    pub enum MapReduceMessage of 40 bytes {
        /// What a worker does.
        Ping(ping: Rc<Ping<Report>>) = "Ping" bytes { ping_bytes(ping, 36) }
            ("life {} ping {}: {} running, {} ended", ping.life, ping.number, ping.running.len(), ping.ended.len()),
        /// What it shall do.
        Pong(pong: Rc<Pong<Spec, News>>) = "Pong" bytes { pong_bytes(pong) }
            ("ping {}: {} start, {} stop, {} news", pong.number, pong.start.len(), pong.stop.len(), pong.news.len()),
        /// A map wants a block of the input that lies elsewhere.
        ReadBlock {
            /// Which map.
            attempt: Attempt,
        } = "ReadBlock" ("{attempt}"),
        /// The block.
        Block {
            /// For which map.
            attempt: Attempt,
            /// What it weighs.
            weight: u32,
        } = "Block" bytes { *weight } ("{attempt}"),
        /// A reduce wants its part of these maps' outputs.
        Fetch {
            /// Which reduce.
            attempt: Attempt,
            /// Of which maps.
            maps: Vec<u32>,
        } = "Fetch" bytes { listed(maps.len()) } ("{attempt}: of {} maps", maps.len()),
        /// Those of them that the worker has.
        Pieces {
            /// For which reduce.
            attempt: Attempt,
            /// The outputs, of which only the part counts that was asked for; nothing where that is empty.
            outputs: Vec<(u32, Option<Rc<Hashed<MapOutput>>>)>,
            /// What the parts weigh.
            weight: u32,
        } = "Pieces" bytes { *weight } ("{attempt}: of {} maps, {weight} B", outputs.len()),
        /// The next chunk of what a reduce writes.
        Append {
            /// Which reduce.
            attempt: Attempt,
            /// Which chunk, from 0.
            chunk: u32,
            /// What.
            content: Content,
            /// Whether it goes to the final file at once.
            at_once: bool,
            /// What it weighs.
            weight: u32,
        } = "Append" bytes { *weight } ("{attempt}: chunk {chunk}, {weight} B"),
        /// It is on the disk.
        Appended {
            /// Of which reduce.
            attempt: Attempt,
            /// Which chunk.
            chunk: u32,
        } = "Appended" ("{attempt}: chunk {chunk}"),
        /// What this reduce has written shall be the part of the output.
        Rename {
            /// Which reduce.
            attempt: Attempt,
        } = "Rename" ("{attempt}"),
        /// It is, durably.
        Renamed {
            /// Which reduce.
            attempt: Attempt,
        } = "Renamed" ("{attempt}"),
        /// A master that has come back asks which parts there are.
        List {
            /// Of which run.
            run: u64,
        } = "List" ("run {run}"),
        /// These.
        Listed {
            /// Of which run.
            run: u64,
            /// The parts, each with how many pairs it has.
            parts: Vec<(u32, u64)>,
        } = "Listed" bytes { 3 * listed(parts.len()) } ("run {run}: {} parts", parts.len()),
    }
}

sim_core::records! {
    /// One append to a disk.
    pub enum MapReduceRecord {
        /// The number of a life begins.
        Life {
            /// Which.
            life: u64,
        } = ("life {life}"),
        /// All that the master knows of its jobs.
        Checkpoint(saved: Rc<Hashed<Saved>>) = ("checkpoint: run {}", saved.run()),
        /// The file system has this chunk.
        Chunk {
            /// Who has written it.
            attempt: Attempt,
            /// Which chunk.
            chunk: u32,
            /// What.
            content: Content,
            /// Whether it went to the final file at once.
            at_once: bool,
        } = ("{attempt}: chunk {chunk}"),
        /// What this reduce has written is a part of the output.
        Renamed {
            /// Which reduce.
            attempt: Attempt,
        } = ("{attempt} is part {}", attempt.task),
    }
}

sim_core::facts! {
    /// What nodes announce.
    pub enum MapReduceFact {
        /// The master has begun a job.
        JobBegan {
            /// The run.
            run: u64,
            /// What kind.
            kind: Kind,
        } = "job_began" landmark ("run {run}: {}", kind.name()),
        /// The master has given a task to a worker.
        Given {
            /// Which.
            attempt: Attempt,
            /// To whom.
            worker: NodeId,
        } = "map_given" | "reduce_given" [attempt.stage.min(1) as usize] ("{attempt} to {worker}"),
        /// A worker begins to execute a task.
        Began {
            /// Which.
            attempt: Attempt,
            /// Why.
            cause: Cause,
            /// Whether its input is on the worker's own disk.
            local: bool,
        } = "map_began" | "reduce_began" [attempt.stage.min(1) as usize] ("{attempt}: {}", cause.name()),
        /// It has all that it needs.
        Ready {
            /// Which.
            attempt: Attempt,
            /// Of how many maps a reduce has the output.
            inputs: u32,
        } = "ready" ("{attempt}: {inputs} inputs"),
        /// It is over.
        Ended {
            /// Which.
            attempt: Attempt,
            /// How.
            how: How,
        } = "map_ended" | "reduce_ended" [attempt.stage.min(1) as usize] ("{attempt}: {}", how.name()),
        /// The master counts it as done.
        Counted {
            /// Which.
            attempt: Attempt,
            /// Where its output is.
            worker: NodeId,
        } = "map_counted" | "reduce_counted" [attempt.stage.min(1) as usize] ("{attempt} at {worker}"),
        /// The master has lost a worker.
        WorkerLost {
            /// Which.
            worker: NodeId,
            /// How many completed maps have to be executed again.
            outputs: u32,
        } = "worker_lost" landmark ("{worker}: {outputs} outputs"),
        /// The master has every map of this record skipped.
        Skips {
            /// Its number in the input.
            record: u64,
            /// How many processes it has crashed.
            crashes: u32,
        } = "record_skipped" landmark ("record {record} after {crashes} crashes"),
        /// A process has crashed.
        Crashed {
            /// Which map.
            attempt: Attempt,
            /// At which record of the input.
            record: u64,
        } = "process_crashed" landmark ("{attempt}: record {record}"),
        /// The first output of the run is there: maps are done.
        MapsDone {
            /// The run.
            run: u64,
        } = "maps_done" landmark ("run {run}"),
        /// A part of the output is in the file system.
        Committed {
            /// By whom.
            attempt: Attempt,
        } = "committed" ("{attempt}"),
        /// A master has come back with a job.
        Recovered {
            /// The run.
            run: u64,
            /// Tasks that it knows to be done.
            done: u32,
        } = "job_recovered" landmark ("run {run}: {done} tasks are done"),
        /// All parts are there.
        JobDone {
            /// The run.
            run: u64,
            /// What was counted.
            counters: Counters,
        } = "job_done" landmark ("run {run}: {} records, {} pairs written", counters.records, counters.written),
        /// A job is given up: a task has crashed too often.
        JobFailed {
            /// The run.
            run: u64,
            /// Which task.
            task: u32,
        } = "job_given_up" landmark ("run {run}: map {task} crashes"),
    }
}

/// What a client asks of the master.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MapReduceRequest {
    /// How far is it?
    Status,
    /// Take a job of no tasks: what a probe asks, to see whether jobs are taken.
    Empty,
    /// Run a job over the input.
    Run(Kind),
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MapReduceResponse {
    /// Tasks that are done, of how many; jobs that wait.
    Status {
        /// Done.
        done: u32,
        /// Of these.
        of: u32,
        /// Jobs that wait.
        waiting: u32,
    },
    /// The job of no tasks was taken, and is done.
    Taken,
    /// The output is there.
    Done {
        /// Which run.
        run: u64,
        /// What was counted.
        counters: Counters,
    },
    /// The job was given up: what the master remembers, and refuses the job with.
    GivenUp {
        /// Which run.
        run: u64,
        /// The map that crashed.
        map: u32,
    },
}

/// Whose job: the client and the number of its operation.
pub type Owner = (ClientId, u64);
