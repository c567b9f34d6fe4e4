//! What must hold: every task's effect once, results that equal the direct computation, and jobs that end.

use super::message::{MapReduceFact, MapReduceMessage};
use super::node::Machine;
use super::options::Config;
use super::work::{Counters, Kind, Pair, directly};
use crate::computing::tasks::gantt::{Gantt, SlotClass};
use crate::computing::tasks::{Attempt, summary};
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::table::{Column, Holds, Table};
use sim_core::{Duration, Instant, NodeId, Observed, Observer, Verdict, Violation};
use std::rc::Rc;

sim_core::rules! {
    /// The output of a job that is done equals what its input comes to directly, without records that were skipped.
    pub const OUTPUT_IS_RIGHT: &str = "output_is_right";
    /// When a job is done, every part of its output is in the file system, each written by one execution, and stays.
    pub const DONE_IS_DURABLE: &str = "done_is_durable";
    /// No reduce function begins before the outputs of all maps have come.
    pub const MAPS_BEFORE_REDUCES: &str = "maps_before_reduces";
    /// Counters count every task once, however often it was executed.
    pub const COUNTERS_COUNT_ONCE: &str = "counters_count_once";
    /// No reduce that the master has counted as done is given out again, by this life of it or by the next.
    pub const REDUCES_RUN_ONCE: &str = "reduces_run_once";
    /// Only records that crash whoever maps them are skipped.
    pub const ONLY_BAD_RECORDS_SKIPPED: &str = "only_bad_records_skipped";
    /// No worker executes more than it has slots for.
    pub const SLOTS_ARE_KEPT: &str = "slots_are_kept";
    /// Every job ends: with a result, while it gets on, or never: then this says why.
    pub const JOBS_FINISH: &str = "jobs_finish";
}

/// Its own figures.
pub(super) const METRICS: &[MetricKind] = summary::metrics![
    MetricKind::new(
        "local_maps",
        "local maps",
        Unit::Fraction,
        "executions of maps that had their block on their disk"
    )
    .more_is_better(),
    MetricKind::new("shuffled_bytes", "shuffled", Unit::Number, "bytes of map outputs that came to reduces"),
    MetricKind::new("read_bytes", "read remotely", Unit::Number, "bytes of input that came over the network"),
    MetricKind::new("maps_took", "maps took", Unit::Time, "from a job's begin to the last map, of the longest job"),
    MetricKind::new("skipped_records", "records skipped", Unit::Number, "records that jobs left out"),
];

/// A job as it was seen.
#[derive(Clone, Debug)]
struct Seen {
    kind: Kind,
    began: Instant,
    maps_done: Option<Instant>,
    done: Option<(Instant, Counters)>,
    given_up: Option<u32>,
    skipped: SortedSet<u64>,
}

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct MapReduceChecks {
    config: Rc<Config>,
    gantt: Gantt,
    jobs: SortedMap<u64, Seen>,
    /// The run that goes on.
    run: u64,
    /// Reduces that the master has counted.
    counted: SortedSet<(u64, u32)>,
    local: [u64; 2],
    moved: SortedMap<&'static str, (u64, u64)>,
    now: Instant,
    last: Instant,
    /// What was broken in this step.
    broken: Option<Violation>,
    /// A job was done in this step.
    look_at: Option<u64>,
    looked_at: u64,
    reduces: u64,
}

impl MapReduceChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Rc<Config>) -> Self {
        let slots = |each: u32| u64::from(config.worker_count()) * u64::from(each);
        let classes = vec![
            SlotClass { name: "map", slots: slots(config.map_slots) },
            SlotClass { name: "reduce", slots: slots(config.reduce_slots) },
        ];
        Self {
            config: Rc::clone(config),
            gantt: Gantt::new(classes),
            jobs: SortedMap::new(),
            run: 0,
            counted: SortedSet::new(),
            local: [0; 2],
            moved: SortedMap::new(),
            now: Instant::ZERO,
            last: Instant::ZERO,
            broken: None,
            look_at: None,
            looked_at: 0,
            reduces: 0,
        }
    }

    fn breaks(&mut self, rule: &'static str, node: NodeId, detail: String) {
        let violation = Violation { rule: rule.to_owned(), at: self.now, node: Some(node), detail };
        self.broken.get_or_insert(violation);
    }

    fn on_fact(&mut self, node: NodeId, fact: MapReduceFact) {
        let at = self.now;
        match fact {
            MapReduceFact::JobBegan { run, kind } => {
                // What went on without a checkpoint is gone with its master.
                if let Some(before) = self.jobs.get_mut(&self.run).filter(|job| job.done.is_none()) {
                    before.given_up.get_or_insert(u32::MAX);
                    self.gantt.job_ends(at, self.run, false);
                }
                self.run = run;
                let seen =
                    Seen { kind, began: at, maps_done: None, done: None, given_up: None, skipped: SortedSet::new() };
                self.jobs.insert(run, seen);
                self.gantt.job_begins(at, run, format!("{} {}", kind.name(), self.jobs.len()));
                self.last = at;
            }
            MapReduceFact::Given { attempt, worker } => {
                if attempt.stage == 1 && self.counted.contains(&(attempt.run, attempt.task)) {
                    let detail = format!("reduce {} is done, and {worker} shall do it again", attempt.task);
                    self.breaks(REDUCES_RUN_ONCE, node, detail);
                }
            }
            MapReduceFact::Began { attempt, cause, local } => self.on_began(node, (attempt, cause, local)),
            MapReduceFact::Ready { attempt, inputs } => {
                self.gantt.ready(at, node, attempt);
                self.reduces += u64::from(attempt.stage == 1);
                if attempt.stage == 1 && inputs < self.config.maps {
                    let detail = format!("{attempt} goes on with the output of {inputs} of {} maps", self.config.maps);
                    self.breaks(MAPS_BEFORE_REDUCES, node, detail);
                }
            }
            MapReduceFact::Ended { attempt, how } => {
                self.gantt.ends(at, node, attempt, how);
                self.last = at;
            }
            MapReduceFact::Counted { attempt, .. } => {
                self.gantt.counts(attempt);
                if attempt.stage == 1 {
                    self.counted.insert((attempt.run, attempt.task));
                }
            }
            MapReduceFact::Skips { record, crashes } => {
                if let Some(job) = self.jobs.get_mut(&self.run) {
                    job.skipped.insert(record);
                }
                if !self.config.bad_records.contains(&record) {
                    let detail = format!("record {record} is skipped after {crashes} crashes, and is not at fault");
                    self.breaks(ONLY_BAD_RECORDS_SKIPPED, node, detail);
                }
            }
            MapReduceFact::MapsDone { run } => {
                if let Some(job) = self.jobs.get_mut(&run) {
                    job.maps_done = Some(at);
                }
            }
            MapReduceFact::JobDone { run, counters } => {
                if let Some(job) = self.jobs.get_mut(&run) {
                    job.done = Some((at, counters));
                    // A master that has forgotten its job, and one that has not, are two masters.
                    job.given_up = None;
                }
                self.gantt.job_ends(at, run, true);
                self.look_at = Some(run);
            }
            MapReduceFact::JobFailed { run, task } => {
                if let Some(job) = self.jobs.get_mut(&run) {
                    job.given_up = Some(task);
                }
                self.gantt.job_ends(at, run, false);
            }
            MapReduceFact::Recovered { run, .. } => self.run = run,
            MapReduceFact::WorkerLost { .. } | MapReduceFact::Crashed { .. } | MapReduceFact::Committed { .. } => {}
        }
    }

    fn on_began(&mut self, node: NodeId, (attempt, cause, local): (Attempt, crate::computing::tasks::Cause, bool)) {
        let busy = self.gantt.begins(self.now, node, attempt, cause);
        let slots = [self.config.map_slots, self.config.reduce_slots][attempt.stage.min(1) as usize];
        if busy > slots as usize {
            self.breaks(SLOTS_ARE_KEPT, node, format!("{node} executes {busy} at once, and has {slots} slots"));
        }
        if attempt.stage == 0 {
            self.local[usize::from(local)] += 1;
        }
    }

    /// The output of a run as the file system has it, held against the direct computation.
    fn look(&self, run: u64, nodes: &[Option<Machine>]) -> Result<(), (&'static str, NodeId, String)> {
        let (Some(job), config) = (self.jobs.get(&run), &self.config) else { return Ok(()) };
        let direct = directly(config, job.kind, &|record| job.skipped.contains(&record));
        for (part, expected) in (0..config.reduces).zip(&direct) {
            let node = config.files_of(part);
            let Some(files) = nodes[node.index()].as_ref().and_then(Machine::files) else { continue };
            let Some((content, writers)) = files.part(run, part) else {
                return Err((DONE_IS_DURABLE, node, format!("the job is done, and part {part} is not there")));
            };
            if content != *expected {
                let detail = difference(part, &content, expected, writers.len());
                return Err((OUTPUT_IS_RIGHT, node, detail));
            }
        }
        Ok(())
    }

    /// What counters come to if every task counts once.
    fn counters(&self, job: &Seen) -> Counters {
        let direct = directly(&self.config, job.kind, &|record| job.skipped.contains(&record));
        let written = direct.iter().map(|part| part.len() as u64).sum();
        let records = u64::from(self.config.maps) * u64::from(self.config.records) - job.skipped.len() as u64;
        let emitted = if job.kind == Kind::Sort { records } else { records * crate::computing::tasks::data::WORDS };
        Counters { records, emitted, written }
    }

    /// What can be said at the end.
    pub(super) fn verdicts(&self, nodes: &[Option<Machine>], end: Instant) -> Vec<Verdict> {
        let done = self.jobs.iter().filter(|(_, job)| job.done.is_some());
        let given_up = self.jobs.values().any(|job| job.given_up.is_some_and(|map| map != u32::MAX));
        let held = |rule, many: u64, what: &str| match many {
            // That there was nothing to look at is what another rule says then.
            0 if given_up => Verdict::Pass { rule, detail: "no job came to a result".to_owned() },
            0 => Verdict::Inconclusive { rule, why: format!("there were no {what}") },
            many => Verdict::Pass { rule, detail: format!("{many} {what}") },
        };
        let mut lost = None;
        for (run, _) in done.clone() {
            if let (None, Err((rule, node, detail))) = (&lost, self.look(*run, nodes)) {
                lost = Some(Violation { rule: rule.to_owned(), at: end, node: Some(node), detail });
            }
        }
        let count = done.count() as u64;
        let of = |rule: &'static str| match &lost {
            Some(violation) if violation.rule == rule => Verdict::Fail(violation.clone()),
            _ => held(rule, count, "jobs done"),
        };
        let maps: u64 = self.local.iter().sum();
        let skipped = self.jobs.values().map(|job| job.skipped.len() as u64).sum();
        vec![
            of(OUTPUT_IS_RIGHT),
            of(DONE_IS_DURABLE),
            held(COUNTERS_COUNT_ONCE, count, "jobs done"),
            held(MAPS_BEFORE_REDUCES, self.reduces, "reduces with all their input"),
            held(REDUCES_RUN_ONCE, self.counted.len() as u64, "reduces done"),
            held(SLOTS_ARE_KEPT, maps, "executions of maps"),
            match skipped {
                0 => Verdict::Pass { rule: ONLY_BAD_RECORDS_SKIPPED, detail: "no record was skipped".to_owned() },
                many => held(ONLY_BAD_RECORDS_SKIPPED, many, "records skipped"),
            },
            self.finish(nodes, end),
        ]
    }

    /// Whether every job ends: what goes on in the end has got on lately.
    fn finish(&self, nodes: &[Option<Machine>], end: Instant) -> Verdict {
        let config = &self.config;
        if let Some((_, job)) = self.jobs.iter().find(|(_, job)| job.given_up.is_some_and(|map| map != u32::MAX)) {
            let map = job.given_up.unwrap_or(0);
            let detail = format!(
                "the {} was given up: map {map} has crashed {} times{}",
                job.kind.name(),
                config.max_crashes,
                if config.skip_bad_records { "" } else { ", and bad records are not skipped" }
            );
            return Verdict::Fail(Violation { rule: JOBS_FINISH.to_owned(), at: end, node: None, detail });
        }
        let master = nodes[config.master().index()].as_ref().and_then(Machine::master);
        let Some(job) = master.and_then(|master| master.saved.job.as_ref()) else {
            let done = self.jobs.values().filter(|job| job.done.is_some()).count();
            return match done {
                0 => Verdict::Inconclusive { rule: JOBS_FINISH, why: "there were no jobs".to_owned() },
                done => Verdict::Pass { rule: JOBS_FINISH, detail: format!("{done} jobs are done, and none goes on") },
            };
        };
        let slowest = if config.slow_workers.is_empty() { 1 } else { u64::from(config.slow_factor) };
        let longest = Duration::millis(2).times(config.block * 1000 / config.map_rate + 1) + config.startup;
        let patience = longest.times(slowest).max(config.fetch_timeout.times(130)) + config.worker_timeout.times(3);
        let idle = end.since(self.last);
        if idle > patience {
            let [maps, reduces] = &job.boards;
            let detail = format!(
                "nothing has ended for {}: {} of {} maps and {} of {} reduces are done",
                idle,
                maps.done(),
                maps.len(),
                reduces.done(),
                reduces.len()
            );
            return Verdict::Fail(Violation { rule: JOBS_FINISH.to_owned(), at: end, node: None, detail });
        }
        Verdict::Pass { rule: JOBS_FINISH, detail: "one goes on, and gets on".to_owned() }
    }

    /// What a report shows of a run.
    pub(super) fn measures(&self, end: Instant) -> Measures {
        let mut measures = Measures::default();
        self.gantt.measure(end, &mut measures);
        let weight = |kind| self.moved.get(kind).map_or(0, |(_, bytes)| *bytes) as f64;
        let maps = self.local.iter().sum::<u64>();
        if maps > 0 {
            measures.set(METRICS, "local_maps", self.local[1] as f64 / maps as f64);
        }
        measures.set(METRICS, "shuffled_bytes", weight("Pieces"));
        measures.set(METRICS, "read_bytes", weight("Block"));
        let took = |job: &Seen| Some((job.done?.0.since(job.began), job.maps_done?.since(job.began)));
        if let Some((_, maps)) = self.jobs.values().filter_map(took).max() {
            measures.set(METRICS, "maps_took", maps.0 as f64);
        }
        let skipped = self.jobs.values().map(|job| job.skipped.len()).sum::<usize>();
        measures.set(METRICS, "skipped_records", skipped as f64);
        let columns = [
            Column::new("what", "What", Holds::Text),
            Column::new("messages", "Messages", Holds::Count),
            Column::new("bytes", "Bytes", Holds::Text),
        ];
        let mut table = Table::new("bytes_moved", "Bytes moved", &columns);
        "What workers sent each other and the file system; the weight of a record is what it stands for"
            .clone_into(&mut table.about);
        for (what, kind) in
            [("blocks read remotely", "Block"), ("shuffle", "Pieces"), ("outputs", "Append"), ("pings", "Ping")]
        {
            let (messages, bytes) = self.moved.get(kind).copied().unwrap_or((0, 0));
            table.rows.push(vec![what.into(), messages.into(), summary::bytes(bytes)]);
        }
        measures.tables.push(table);
        measures
    }
}

/// Where a part of an output is wrong first.
fn difference(part: u32, content: &[Pair], expected: &[Pair], writers: usize) -> String {
    let at = content.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(content.len().min(expected.len()));
    format!(
        "part {part} has {} pairs, written by {writers} executions, and should have {}; pair {at} is {:?}, not {:?}",
        content.len(),
        expected.len(),
        content.get(at),
        expected.get(at)
    )
}

impl Observer<Machine> for MapReduceChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        self.now = at;
        match what {
            Observed::Noted { node, fact } => self.on_fact(*node, *fact),
            Observed::Delivered { message, .. } => {
                let (kind, bytes) = (sim_core::Message::kind(*message).name, sim_core::Message::bytes(*message));
                if !matches!(message, MapReduceMessage::Pong(_)) {
                    let (messages, sum) = self.moved.entry(kind).or_default();
                    (*messages, *sum) = (*messages + 1, *sum + u64::from(bytes));
                }
            }
            Observed::Crashed { node, .. } => self.gantt.crashes(at, *node),
            _ => {}
        }
    }

    fn after_step(&mut self, at: Instant, node: NodeId, nodes: &[Option<Machine>]) -> Result<(), Violation> {
        if let Some(violation) = self.broken.take() {
            return Err(violation);
        }
        let Some(run) = self.look_at.take() else { return Ok(()) };
        self.looked_at += 1;
        self.look(run, nodes).map_err(|(rule, of, detail)| Violation {
            rule: rule.to_owned(),
            at,
            node: Some(of),
            detail,
        })?;
        let Some((job, (_, counters))) = self.jobs.get(&run).and_then(|job| Some((job, job.done?))) else {
            return Ok(());
        };
        let expected = self.counters(job);
        Violation::unless(counters == expected, COUNTERS_COUNT_ONCE, at, node, || {
            format!("the counters say {counters:?}, and once for each task comes to {expected:?}")
        })
    }
}
