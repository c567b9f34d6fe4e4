//! What may be written in `[system]`, and the configuration of a node that is made of it.

use super::bugs::MapReduceBug;
use super::work::Kind;
use crate::computing::tasks::data::{Dataset, mix};
use sim_core::units::{ByteSize, DurationText};
use sim_core::{Clock, Duration, Instant, Invalid, LocalInstant, NodeId};

/// Bytes of a word and a number.
const PAIR: u64 = 14;

sim_core::options! {
    /// The `[system]` options of `system = "mapreduce"`.
    pub struct MapReduceOptions;

    /// The configuration that all nodes share.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Config of shape as built {
        /// The master.
        pub master: u32 = shape.role("master").start;
        /// The nodes of the global file system.
        pub files: (u32, u32) = (shape.role("files").start, shape.role("files").end);
        /// The workers.
        pub workers: (u32, u32) = (shape.role("worker").start, shape.role("worker").end);
        /// The zone of each node.
        pub zones: Vec<u16> = shape.node_zones.clone();
    }

    options {
        /// How many blocks the input has: the number of map tasks.
        maps: u32 = 40,
            wrong if *maps == 0 || *maps > 1_000_000 => ("{maps} maps"), "at least one block of input, at most 1000000";
        /// How many parts the output has: the number of reduce tasks.
        reduces: u32 = 10,
            wrong if *reduces == 0 => ("no reduces"), "at least one",
            wrong if u64::from(*reduces) > *vocabulary =>
                ("more reduces than keys: {reduces} for {vocabulary} words"), "at most as many as there are keys";
        /// Records of a block: lines of text, or numbers to sort.
        records: u32 = 100,
            wrong if *records == 0 || *records > 1_000_000 => ("{records} records in a block"), "at least 1";
        /// Different words of the text.
        vocabulary: u64 = 2000,
            wrong if *vocabulary == 0 || *vocabulary > 40_000_000 =>
                ("a vocabulary of {vocabulary} words"), "between 1 and 40000000";
        /// What the input is drawn from.
        data_seed: u64 = 1;
        /// What a block weighs on disks and networks: its records stand for as much.
        block: ByteSize = ByteSize(64_000_000) => { block: u64 = block.0 },
            wrong if block.0 == 0 || block.0 > 2_000_000_000 =>
                ("a block of {block}"), "\"64 MB\" is usual; at most 2 GB";
        /// On how many workers a block of the input lies.
        replicas: u32 = 3,
            wrong if *replicas == 0 => ("no copy of the input"), "3 is usual";
        /// Whether maps go where their block lies.
        locality: bool = true;
        /// Whether a map's pairs are combined by key before they are written.
        combiner: bool = true;
        /// Maps that a worker executes at the same time.
        map_slots: u32 = 2,
            wrong if *map_slots == 0 => ("workers without slots for maps"), "at least 1";
        /// Reduces that a worker executes at the same time.
        reduce_slots: u32 = 1,
            wrong if *reduce_slots == 0 => ("workers without slots for reduces"), "at least 1";
        /// Share of the maps, in percent, that are done before reduces begin to fetch.
        slow_start: u32 = 5,
            wrong if *slow_start > 100 => ("{slow_start} % of the maps"), "at most 100";
        /// How long it takes to start a task: the program is sent and files are opened.
        startup: DurationText = DurationText::millis(1000);
        /// Bytes that a map reads from a disk and handles in a second.
        map_rate: ByteSize = ByteSize(10_000_000) => { map_rate: u64 = map_rate.0 },
            wrong if map_rate.0 == 0 => ("maps that read nothing"), "\"10 MB\" a second, say";
        /// Bytes that a reduce sorts in a second.
        sort_rate: ByteSize = ByteSize(50_000_000) => { sort_rate: u64 = sort_rate.0 },
            wrong if sort_rate.0 == 0 => ("reduces that sort nothing"), "\"50 MB\" a second, say";
        /// Bytes that a reduce handles in a second.
        reduce_rate: ByteSize = ByteSize(20_000_000) => { reduce_rate: u64 = reduce_rate.0 },
            wrong if reduce_rate.0 == 0 => ("reduces that handle nothing"), "\"20 MB\" a second, say";
        /// How much longer or shorter the work of a task may be, in percent, by luck.
        jitter: u32 = 10,
            wrong if *jitter > 90 => ("a jitter of {jitter} %"), "at most 90";
        /// From how many workers a reduce fetches at the same time.
        fetches: u32 = 5,
            wrong if *fetches == 0 => ("no fetches"), "at least 1";
        /// How long whoever fetches, reads or writes waits for an answer at first; doubles.
        fetch_timeout: DurationText = DurationText::millis(3000),
            wrong if fetch_timeout.0 == Duration::ZERO => ("no patience with a fetch"), "\"3s\" is usual";
        /// Between two pings of a worker.
        heartbeat: DurationText = DurationText::millis(1000),
            wrong if heartbeat.0 < Duration::millis(1) => ("pings without a pause"), "\"1s\" is usual";
        /// After how long without a ping a worker is lost.
        worker_timeout: DurationText = DurationText::millis(10_000),
            wrong if worker_timeout.0 <= heartbeat.0 =>
                ("a worker is lost after {worker_timeout}, and pings every {heartbeat}"), "several heartbeats";
        /// Between two checkpoints of the master; 0 for none, and then a master's failure ends the job.
        checkpoint: DurationText = DurationText::millis(0);
        /// Whether tasks that are still running near the end get a backup execution.
        backups: bool = true;
        /// Share of a stage's tasks, in percent, that must be done before backups begin.
        backup_after: u32 = 90,
            wrong if *backup_after > 100 => ("{backup_after} % of a stage"), "at most 100";
        /// Whether records that crash two workers are skipped.
        skip_bad_records: bool = true;
        /// Records that crash whoever maps them, by their numbers in the input from 0.
        bad_records: Vec<u64> = Vec::new();
        /// Records that crash the first process that maps them, and no other.
        unlucky_records: Vec<u64> = Vec::new();
        /// How often a task may crash before the job is given up.
        max_crashes: u32 = 4,
            wrong if *max_crashes < 3 => ("a job that is given up after {max_crashes} crashes of a task"), "3 or more";
        /// The workers, by number from 1, that are slow machines.
        slow_workers: Vec<u32> = Vec::new();
        /// How many times as long everything takes there.
        slow_factor: u32 = 10,
            wrong if *slow_factor == 0 || *slow_factor > 10_000 => ("a factor of {slow_factor}"), "between 1 and 10000";
        /// From when on they are slow.
        slow_from: DurationText = DurationText::millis(0);
        /// How finely work is simulated: a machine that is paused gets no further than this.
        quantum: DurationText = DurationText::millis(1000),
            wrong if quantum.0 < Duration::millis(1) => ("a quantum of {quantum}"), "\"1s\", say";
        /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
        bug: MapReduceBug = MapReduceBug::default();
    }
    also built.wrong();
}

impl Config {
    fn wrong(&self) -> Vec<Invalid> {
        let mut all = Vec::new();
        let mut add = |key, what: String, help: &str| all.push(Invalid { key, what, help: help.to_owned() });
        let workers = self.worker_count();
        if let Some(number) = self.slow_workers.iter().find(|number| **number == 0 || **number > workers) {
            add("slow_workers", format!("there is no worker {number}"), "a number from 1 to that of the workers");
        }
        let records = u64::from(self.maps) * u64::from(self.records);
        for (key, list) in [("bad_records", &self.bad_records), ("unlucky_records", &self.unlucky_records)] {
            if let Some(number) = list.iter().find(|number| **number >= records) {
                add(key, format!("there is no record {number}: the input has {records}"), "a number from 0");
            }
        }
        if self.replicas > workers {
            let what = format!("{} copies of a block on {workers} workers", self.replicas);
            add("replicas", what, "at most as many as there are workers");
        }
        all
    }

    /// How many workers there are.
    #[must_use]
    pub const fn worker_count(&self) -> u32 {
        self.workers.1 - self.workers.0
    }

    /// The master.
    #[must_use]
    pub const fn master(&self) -> NodeId {
        NodeId(self.master)
    }

    /// The node of the file system that has part `task` of the output.
    #[must_use]
    pub const fn files_of(&self, task: u32) -> NodeId {
        NodeId(self.files.0 + task % (self.files.1 - self.files.0))
    }

    /// The nodes of the file system.
    pub fn all_files(&self) -> impl Iterator<Item = NodeId> + use<> {
        (self.files.0..self.files.1).map(NodeId)
    }

    /// The workers on which a block lies.
    #[must_use]
    pub fn holders(&self, block: u32) -> Vec<NodeId> {
        let workers = self.worker_count();
        let mut holders: Vec<u32> = Vec::with_capacity(self.replicas as usize);
        let mut draw = u64::from(block % workers);
        while holders.len() < self.replicas.min(workers) as usize {
            let worker = (draw % u64::from(workers)) as u32;
            if !holders.contains(&worker) {
                holders.push(worker);
            }
            draw = mix(self.data_seed ^ u64::from(block), draw + 1);
        }
        holders.into_iter().map(|worker| NodeId(self.workers.0 + worker)).collect()
    }

    /// The input.
    #[must_use]
    pub const fn data(&self) -> Dataset {
        Dataset { seed: self.data_seed, records: self.records, vocabulary: self.vocabulary }
    }

    /// What a pair weighs that a map has written: of a sort a record, of text a word and a number for each of what a
    /// record stands for; of those that a combiner counts, one is left.
    #[must_use]
    pub const fn pair_bytes(&self, kind: Kind) -> u64 {
        let record = self.block / self.records as u64;
        let bytes = match kind {
            Kind::Sort => record,
            Kind::WordCount if self.combiner => PAIR,
            // A line of ten words is 50 bytes or so.
            Kind::WordCount | Kind::Index => record * PAIR / 50,
        };
        if bytes == 0 { 1 } else { bytes }
    }

    /// What a pair weighs that a reduce has written.
    #[must_use]
    pub const fn written_bytes(&self, kind: Kind) -> u64 {
        match kind {
            Kind::WordCount => PAIR,
            Kind::Sort | Kind::Index => self.pair_bytes(kind),
        }
    }

    /// How fast a worker is at a time, in thousandths.
    #[must_use]
    pub fn speed(&self, worker: NodeId, now: LocalInstant) -> u64 {
        let is_slow = now >= Clock::honest(Instant(self.slow_from.0))
            && self.slow_workers.contains(&(worker.0 - self.workers.0 + 1));
        if is_slow { (1000 / u64::from(self.slow_factor)).max(1) } else { 1000 }
    }
}
