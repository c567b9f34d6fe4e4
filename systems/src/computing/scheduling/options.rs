//! What may be written in `[system]`, and the configuration of a machine that is made of it.

use super::bugs::SchedulingBug;
use super::cron::{Entry, Table, Zone};
use super::task::{Needs, mix};
use super::trace::{self, Row};
use crate::consensus::raft::{self, RaftProtocol};
use crate::shared::replication::{Group, Protocol};
use sim_core::network::Latency;
use sim_core::units::{DurationText, ProbabilityText, RangeText};
use sim_core::{Duration, FileText, Invalid, NodeId, Probability};
use std::rc::Rc;

sim_core::choices! {
    /// Which task goes next, and to whom.
    pub enum Policy {
        /// The one that has waited longest, to any worker with room.
        #[default]
        Fifo,
        /// One of the class that has the least running.
        Fair,
        /// One of the most urgent class; what is less urgent makes room.
        Priority,
        /// The shortest.
        Shortest,
        /// The one that has waited longest, where its data is; elsewhere only after a while (delay scheduling).
        Locality,
        /// The one with the longest way to the end behind it, to the worker that would be done with it first (HEFT).
        CriticalPath,
        /// As they come, each to a worker at random, which has a queue.
        Random,
        /// As they come, each to the one of two workers at random that has less to do.
        TwoChoices,
        /// Places are reserved at two workers for each task; who comes to one first asks for a task (Sparrow).
        Sparrow,
        /// As they come, each to a worker at random; who has nothing to do takes from another's queue.
        Stealing,
    }
}

impl Policy {
    /// Whether tasks wait at the scheduler until a worker has room, not in queues of workers.
    #[must_use]
    pub const fn is_central(self) -> bool {
        !matches!(self, Self::Random | Self::TwoChoices | Self::Stealing | Self::Sparrow)
    }
}

sim_core::choices! {
    /// How long tasks take.
    pub enum Durations {
        /// All as long.
        #[default]
        Fixed,
        /// Exponentially distributed.
        Exponential,
        /// Lognormally: the mean is the median, and one in a hundred takes `tail` times as long.
        Lognormal,
        /// By a power law of exponent `tail` / 10, up to a thousand times the shortest.
        Pareto,
    }

    /// How the tasks of a job wait for each other.
    pub enum JobShape {
        /// Not at all.
        #[default]
        Bag,
        /// One after the other.
        Chain,
        /// All but the first for the first, and the last for all of them.
        ForkJoin,
        /// In layers of four, each task for one or two of the layer before.
        Layers,
    }

    /// How often an entry of the cron table has its effect.
    pub enum CronMode {
        /// Once: the firing is a task of the queue, made by the entry of the log that says it has fired.
        #[default]
        Once,
        /// At least once: it is launched, and logged when it is known to have run.
        AtLeastOnce,
        /// At most once: it is logged, and launched then, one time.
        AtMostOnce,
    }
}

/// How tasks' durations are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw(pub Latency);

// What it is made of can be compared to itself.
impl Eq for Draw {}

fn draw(law: Durations, mean: Duration, tail: u32) -> Draw {
    Draw(match law {
        Durations::Fixed => Latency::Fixed(mean),
        Durations::Exponential => Latency::exponential(mean),
        Durations::Lognormal => Latency::lognormal(mean, mean.times(u64::from(tail.max(2)))),
        Durations::Pareto => pareto(mean, f64::from(tail.max(11)) / 10.0),
    })
}

/// A bounded Pareto distribution with this mean: from its shortest to a thousand times that.
fn pareto(mean: Duration, alpha: f64) -> Latency {
    const SAMPLES: u32 = 20_000;
    const LONGEST: f64 = 1000.0;
    let all = 1.0 - libm::pow(LONGEST, -alpha);
    let at = |i: u32| libm::pow(1.0 - (f64::from(i) + 0.5) / f64::from(SAMPLES) * all, -1.0 / alpha);
    let sum: f64 = (0..SAMPLES).map(at).sum();
    let shortest = mean.0 as f64 / (sum / f64::from(SAMPLES));
    Latency::recorded(&(0..SAMPLES).map(|i| Duration((at(i) * shortest) as u64)).collect::<Vec<_>>())
}

/// The cron table that options describe, if they make sense.
fn table(cron: &[String], begins: &str, offsets: &[String]) -> Table {
    let entries = cron.iter().filter_map(|text| Entry::read(text)).collect();
    Table { entries, zone: Zone::read(begins, offsets).unwrap_or_default() }
}

/// What is wrong with entries and trace.
fn also((cron, begins, offsets): (&[String], &str, &[String]), files: &[FileText], config: &Config) -> Vec<Invalid> {
    let mut wrong = Vec::new();
    for text in cron.iter().filter(|text| Entry::read(text).is_none()) {
        let help = "\"every 30s\", or \"daily at 02:30\"".to_owned();
        wrong.push(Invalid { key: "cron", what: format!("{text:?} says no time"), help });
    }
    let (what, help) = ("at most 100 entries can be told apart".to_owned(), "fewer entries".to_owned());
    if cron.len() > 100 {
        wrong.push(Invalid { key: "cron", what, help });
    }
    if Zone::read(begins, offsets).is_none() {
        let what = format!("{begins:?} with offsets {offsets:?} is no local time");
        let help = "a time of day \"00:30\", and offsets in order: [\"+1h\", \"+2h from 30m\"]".to_owned();
        wrong.push(Invalid { key: "utc_offsets", what, help });
    }
    let room = config.room();
    if config.workers == 0 || room.cpus == 0 {
        return wrong;
    }
    for row in config.trace.iter().filter(|row| !row.job.tasks[0].needs.fit(room)) {
        let Needs { cpus, memory } = row.job.tasks[0].needs;
        let at = format!("{}, line {}", files[row.file].file, row.line);
        let what = format!("{at}: a task of {cpus} cpus and {memory} MiB fits on no worker");
        let help = format!("at most {} cpus and {} MiB, or more slots and memory", room.cpus, room.memory);
        wrong.push(Invalid { key: "trace", what, help });
    }
    wrong
}

sim_core::options! {
    /// The `[system]` options of `system = "scheduling"`.
    pub struct SchedulingOptions;

    /// The configuration that all machines share: schedulers, then workers, then the collector.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Config of shape as config {
        /// How many schedulers there are.
        pub schedulers: u32 = shape.number_of("scheduler", 3.min(shape.nodes() as u32));
        /// How many workers.
        pub workers: u32 = shape.number_of("worker", (shape.nodes() as u32).saturating_sub(4)),
            wrong if workers == 0 => ("there is no worker"), "at least one: a group with role = \"worker\"";
        /// How many collectors.
        pub collectors: u32 = shape.number_of("collector", 1),
            wrong if collectors == 0 => ("nobody collects results"), "one: a group with role = \"collector\"";
        /// No honest clock drifts more than this, in parts per million.
        pub max_drift_ppm: u32 = shape.max_drift_ppm;
    }

    options {
        /// Which task goes next, and to whom: `fifo`, `fair`, `priority` (with preemption), `shortest`, `locality`,
        /// `critical_path` (HEFT); with queues at the workers `random`, `two_choices`, `sparrow` (two choices with late
        /// binding), `stealing`.
        policy: Policy = Policy::default();
        /// How many tasks of one cpu a worker runs at a time.
        slots: u32 = 2, wrong if *slots == 0 => ("workers without slots"), "at least 1";
        /// How much memory a worker has for tasks, in MiB.
        memory: u32 = 4096;
        /// How fast workers are, in percent of the usual, one after the other and from the first again.
        speeds: Vec<u32> = vec![100],
            wrong if speeds.is_empty() || speeds.contains(&0) => ("speeds {speeds:?}"), "percents: [100, 50]";

        /// How many tasks a job has.
        tasks: u32 = 1, wrong if *tasks == 0 || *tasks > 1_000_000 => ("jobs of {tasks} tasks"), "1 to 1000000";
        /// How the tasks of a job wait for each other: `bag` (not at all), `chain`, `fork_join`, `layers`.
        graph: JobShape = JobShape::default();
        /// How long a task takes on a worker of usual speed, in the mean (of `lognormal`, the median).
        task_time: DurationText = DurationText::millis(1000) => {
            task_time: Duration = task_time.0,
            draw: Draw = draw(*durations, task_time.0, *tail),
        }, wrong if task_time.0 == Duration::ZERO => ("tasks that take no time"), "for example \"1s\"";
        /// How that is distributed: `fixed`, `exponential`, `lognormal`, `pareto`.
        durations: Durations = Durations::default();
        /// How heavy the tail is: of `lognormal`, how many times the median one in a hundred takes; of `pareto`, ten
        /// times the exponent.
        tail: u32 = 15, wrong if *durations == Durations::Pareto && *tail < 11 =>
            ("a power law of exponent {tail} / 10 has no mean"), "at least 11";
        /// How many cpus a task takes.
        task_cpus: u32 = 1, wrong if *task_cpus == 0 || *task_cpus > *slots =>
            ("tasks of {task_cpus} cpus on workers of {slots}"), "1 to slots";
        /// How much memory, in MiB.
        task_memory: u32 = 0, wrong if *task_memory > *memory =>
            ("tasks of {task_memory} MiB on workers of {memory}"), "at most memory";
        /// Into how many classes jobs fall: users for `fair`; the first is the most urgent for `priority`.
        classes: u8 = 1, wrong if *classes == 0 || *classes > 8 => ("{classes} classes"), "1 to 8";
        /// How many of the jobs are of the first class; the others are spread evenly.
        urgent: ProbabilityText = ProbabilityText::per_billion(200_000_000) => {
            urgent: Probability = urgent.probability(),
        };
        /// How many blocks of data there are, for `locality`: each lies on three workers.
        blocks: u32 = 1000, wrong if *blocks == 0 => ("no data"), "at least 1";
        /// How long a task takes where its data is not, in percent of where it is.
        remote: u32 = 100, wrong if *remote < 100 => ("tasks that are faster without their data"), "at least 100";
        /// How long a task of `locality` waits for a worker with its data.
        locality_wait: DurationText = DurationText::millis(500);
        /// How many attempts fail when they have run.
        fails: ProbabilityText = ProbabilityText::default() => { fails: Probability = fails.probability() };
        /// How many tasks fail in every attempt.
        poison: ProbabilityText = ProbabilityText::default() => { poison: Probability = poison.probability() };
        /// How many attempts are stragglers.
        stragglers: ProbabilityText = ProbabilityText::default() => {
            stragglers: Probability = stragglers.probability(),
        };
        /// How many times as long those take.
        straggle: u32 = 8, wrong if *straggle == 0 => ("stragglers that take no time"), "at least 1";
        /// An attempt that takes this many times its own time, in tenths, is stopped and begun elsewhere; 0 for never.
        overdue: u32 = 0, wrong if *overdue > 0 && *overdue < 11 =>
            ("attempts are stopped after {overdue} / 10 of their time"), "more than 10, or 0 for never";
        /// How many attempts of a task may fail, or be lost, before it is given up with all that waits for it.
        max_attempts: u32 = 4, wrong if *max_attempts == 0 => ("no attempt at all"), "at least 1";
        /// Recorded work, instead of what the options above draw: files with a task a line, `submit, duration, cpu,
        /// memory, parent`, which the first client submits. All others are idle.
        trace: Vec<FileText> = Vec::new() => { trace: Rc<Vec<Row>> = Rc::new(trace::read(trace).0) };

        /// How long a lease lasts that its worker does not renew.
        lease: DurationText = DurationText::millis(3000),
            wrong if lease.0 < beat.0.times(2) => ("leases of {lease} that are renewed every {beat}"), "several beats";
        /// How often a worker says what it has.
        beat: DurationText = DurationText::millis(500),
            wrong if beat.0 == Duration::ZERO => ("heartbeats without pause"), "for example \"500ms\"";
        /// How long workers that look for the leader wait at most, at random, before they ask.
        register_spread: DurationText = DurationText::millis(0);

        /// The cron table: `every 30s`, or `daily at 02:30`.
        cron: Vec<String> = Vec::new() => {
            table: Rc<Table> = Rc::new(table(cron, day_begins, utc_offsets)),
        };
        /// How often an entry has its effect: `once`, `at_least_once`, `at_most_once`.
        cron_mode: CronMode = CronMode::default();
        /// How long what it fires takes.
        cron_time: DurationText = DurationText::millis(100);
        /// Which time of day it is, UTC, when the run begins.
        day_begins: String = "00:00".to_owned();
        /// How much local time is ahead of UTC, and from which moment of the run on: `["+1h", "+2h from 30m"]`.
        utc_offsets: Vec<String> = Vec::new();

        /// How long the schedulers wait before they elect a leader.
        election_timeout: RangeText = RangeText { lo: Duration::millis(150), hi: Duration::millis(300) } => {
            election: (Duration, Duration) = (election_timeout.lo, election_timeout.hi),
        }, wrong if election_timeout.lo <= heartbeat_interval.0 =>
            ("elections after {election_timeout} with heartbeats every {heartbeat_interval}"), "several heartbeats";
        /// How often their leader is heard from.
        heartbeat_interval as heartbeat: DurationText = DurationText::millis(50),
            wrong if heartbeat_interval.0 == Duration::ZERO => ("heartbeats without pause"), "for example \"50ms\"";
        /// Commands between two snapshots of the schedulers' state.
        snapshot_every: u64 = 10_000, wrong if *snapshot_every == 0 => ("snapshots without pause"), "for example 10000";
        /// Entries that stay in the log behind one.
        snapshot_keep: u64 = 1_000;
        /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
        bug: SchedulingBug = SchedulingBug::default();
    }
    also also((cron, day_begins, utc_offsets), trace, &config);
}

/// What a machine is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It decides which task goes where.
    Scheduler,
    /// It runs tasks: the essays' handler.
    Worker,
    /// It keeps results, and makes them public.
    Collector,
}

impl Config {
    /// What a machine is there for.
    #[must_use]
    pub const fn duty(&self, node: NodeId) -> Duty {
        if node.0 < self.schedulers {
            Duty::Scheduler
        } else if node.0 < self.schedulers + self.workers {
            Duty::Worker
        } else {
            Duty::Collector
        }
    }

    /// The collector.
    #[must_use]
    pub const fn collector(&self) -> NodeId {
        NodeId(self.schedulers + self.workers)
    }

    /// All workers.
    pub fn all_workers(&self) -> impl Iterator<Item = NodeId> + use<> {
        (self.schedulers..self.schedulers + self.workers).map(NodeId)
    }

    /// What a worker has for tasks.
    #[must_use]
    pub const fn room(&self) -> Needs {
        Needs { cpus: self.slots, memory: self.memory }
    }

    /// How fast a worker is, in percent.
    #[must_use]
    pub fn speed(&self, worker: NodeId) -> u32 {
        let at = worker.0.saturating_sub(self.schedulers) as usize;
        self.speeds[at % self.speeds.len()]
    }

    /// How long `work` takes on a worker that has its data.
    #[must_use]
    pub fn time_on(&self, worker: NodeId, work: Duration) -> Duration {
        Duration((u128::from(work.0) * 100 / u128::from(self.speed(worker))) as u64)
    }

    /// Whether a block of data lies on a worker: each lies on three, one after the other.
    #[must_use]
    pub fn has_block(&self, worker: NodeId, block: u32) -> bool {
        let first = (mix(u64::from(block)) % u64::from(self.workers.max(1))) as u32;
        let at = worker.0.saturating_sub(self.schedulers);
        (at + self.workers - first) % self.workers.max(1) < 3
    }

    /// The group of the schedulers.
    #[must_use]
    pub fn group(&self) -> raft::Config {
        RaftProtocol::group(&Group {
            heartbeat: self.heartbeat,
            election: self.election,
            snapshot_every: self.snapshot_every,
            snapshot_keep: self.snapshot_keep,
            ..Group::of(self.schedulers)
        })
    }
}
