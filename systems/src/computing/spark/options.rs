//! What may be written in `[system]`, and the configuration of a node that is made of it.

use super::bugs::SparkBug;
use crate::computing::tasks::data::Dataset;
use sim_core::units::{ByteSize, DurationText};
use sim_core::{Clock, Duration, Instant, Invalid, LocalInstant, NodeId};

sim_core::options! {
    /// The `[system]` options of `system = "spark"`.
    pub struct SparkOptions;

    /// The configuration that all nodes share.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Config of shape as built {
        /// The driver.
        pub driver: u32 = shape.role("driver").start;
        /// The nodes of the storage that checkpoints go to.
        pub storage: (u32, u32) = (shape.role("storage").start, shape.role("storage").end);
        /// The executors.
        pub executors: (u32, u32) = (shape.role("executor").start, shape.role("executor").end);
    }

    options {
        /// Partitions of the input, and of every RDD.
        partitions: u32 = 16,
            wrong if *partitions == 0 || *partitions > 100_000 => ("{partitions} partitions"), "from 1 to 100000";
        /// Rows of a partition of the input: lines of text, points, pages.
        rows: u32 = 60,
            wrong if *rows == 0 || *rows > 1_000_000 => ("{rows} rows in a partition"), "at least 1";
        /// What a partition of the input weighs in memory and on networks: its rows stand for as much.
        partition: ByteSize = ByteSize(256_000_000) => { partition: u64 = partition.0 },
            wrong if partition.0 == 0 || partition.0 > 2_000_000_000 =>
                ("a partition of {partition}"), "\"256 MB\", say; at most 2 GB";
        /// Different words of a text.
        vocabulary: u64 = 1000,
            wrong if *vocabulary == 0 || *vocabulary > 40_000_000 =>
                ("a vocabulary of {vocabulary} words"), "between 1 and 40000000";
        /// Share of all words, in percent, that are the same one.
        skew: u32 = 0,
            wrong if *skew > 100 => ("{skew} % of the words"), "at most 100";
        /// Whether rows of one key are summed before they are shuffled.
        combine: bool = true;
        /// Centres that k-means looks for.
        clusters: u32 = 5,
            wrong if *clusters == 0 => ("no clusters"), "at least 1";
        /// Iterations of k-means and of PageRank.
        iterations: u32 = 8,
            wrong if *iterations == 0 || *iterations > 1000 => ("{iterations} iterations"), "from 1 to 1000";
        /// After how many iterations the ranks are checkpointed; 0 for never.
        checkpoint_every: u32 = 0;
        /// What the input is drawn from.
        data_seed: u64 = 1;
        /// Whether the input is kept in memory once it was read.
        cache: bool = true;
        /// How much an executor keeps in memory.
        memory: ByteSize = ByteSize(4_000_000_000) => { memory: u64 = memory.0 };
        /// Tasks that an executor executes at the same time.
        cores: u32 = 4,
            wrong if *cores == 0 => ("executors without cores"), "at least 1";
        /// How long it takes to start a task.
        startup: DurationText = DurationText::millis(100);
        /// Bytes of input that a task reads and parses in a second.
        load_rate: ByteSize = ByteSize(40_000_000) => { load_rate: u64 = load_rate.0 },
            wrong if load_rate.0 == 0 => ("tasks that read nothing"), "\"40 MB\" a second, say";
        /// Bytes that a task computes with in a second.
        compute_rate: ByteSize = ByteSize(40_000_000) => { compute_rate: u64 = compute_rate.0 },
            wrong if compute_rate.0 == 0 => ("tasks that compute nothing"), "\"40 MB\" a second, say";
        /// How much longer or shorter the work of a task may be, in percent, by luck.
        jitter: u32 = 10,
            wrong if *jitter > 90 => ("a jitter of {jitter} %"), "at most 90";
        /// How long a task waits for an executor that has its partition in memory.
        locality_wait: DurationText = DurationText::millis(3000);
        /// Whether tasks that take long are executed once more elsewhere.
        speculation: bool = false;
        /// Share of a stage's tasks, in percent, that must be done before that.
        speculation_after: u32 = 75,
            wrong if *speculation_after == 0 || *speculation_after > 100 =>
                ("{speculation_after} % of a stage"), "from 1 to 100";
        /// How many percent of the median a task must have taken before that.
        speculation_factor: u32 = 150,
            wrong if *speculation_factor < 100 => ("{speculation_factor} % of the median"), "100 or more";
        /// How long whoever fetches or saves waits for an answer at first; doubles.
        fetch_timeout: DurationText = DurationText::millis(5000),
            wrong if fetch_timeout.0 == Duration::ZERO => ("no patience with a fetch"), "\"5s\" is usual";
        /// How often an executor is asked for a shuffle output before that counts as lost.
        fetch_tries: u32 = 4,
            wrong if *fetch_tries == 0 => ("no tries"), "at least 1";
        /// Between two heartbeats of an executor.
        heartbeat: DurationText = DurationText::millis(1000),
            wrong if heartbeat.0 < Duration::millis(1) => ("heartbeats without a pause"), "\"1s\" is usual";
        /// After how long without a heartbeat an executor is lost.
        executor_timeout: DurationText = DurationText::millis(10_000),
            wrong if executor_timeout.0 <= heartbeat.0 =>
                ("an executor is lost after {executor_timeout}, and says something every {heartbeat}"),
                "several heartbeats";
        /// The executors, by number from 1, that are slow machines.
        slow_executors: Vec<u32> = Vec::new();
        /// How many times as long everything takes there.
        slow_factor: u32 = 8,
            wrong if *slow_factor == 0 || *slow_factor > 10_000 => ("a factor of {slow_factor}"), "between 1 and 10000";
        /// From when on they are slow.
        slow_from: DurationText = DurationText::millis(0);
        /// How finely work is simulated: a machine that is paused gets no further than this.
        quantum: DurationText = DurationText::millis(1000),
            wrong if quantum.0 < Duration::millis(1) => ("a quantum of {quantum}"), "\"1s\", say";
        /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
        bug: SparkBug = SparkBug::default();
    }
    also built.wrong();
}

impl Config {
    fn wrong(&self) -> Vec<Invalid> {
        let mut all = Vec::new();
        let mut add = |key, what: String, help: &str| all.push(Invalid { key, what, help: help.to_owned() });
        let executors = self.executor_count();
        if let Some(number) = self.slow_executors.iter().find(|number| **number == 0 || **number > executors) {
            add("slow_executors", format!("there is no executor {number}"), "a number from 1 to that of the executors");
        }
        let points = u64::from(self.partitions) * u64::from(self.rows);
        if u64::from(self.clusters) > points {
            add("clusters", format!("{} clusters of {points} points", self.clusters), "at most as many as points");
        }
        all
    }

    /// How many executors there are.
    #[must_use]
    pub const fn executor_count(&self) -> u32 {
        self.executors.1 - self.executors.0
    }

    /// The driver.
    #[must_use]
    pub const fn driver(&self) -> NodeId {
        NodeId(self.driver)
    }

    /// The node of the storage that has this partition.
    #[must_use]
    pub const fn storage_of(&self, part: u32) -> NodeId {
        NodeId(self.storage.0 + part % (self.storage.1 - self.storage.0))
    }

    /// The text.
    #[must_use]
    pub const fn text(&self) -> Dataset {
        Dataset { seed: self.data_seed, records: self.rows, vocabulary: self.vocabulary }
    }

    /// How fast an executor is at a time, in thousandths.
    #[must_use]
    pub fn speed(&self, executor: NodeId, now: LocalInstant) -> u64 {
        let number = executor.0 - self.executors.0 + 1;
        let is_slow = now >= Clock::honest(Instant(self.slow_from.0)) && self.slow_executors.contains(&number);
        if is_slow { (1000 / u64::from(self.slow_factor)).max(1) } else { 1000 }
    }
}
