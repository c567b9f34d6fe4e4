//! What must hold: results that equal the direct computation, only what was lost made again, and applications that end.

use super::message::{SparkFact, SparkMessage};
use super::node::Machine;
use super::options::Config;
use super::program::{Kind, directly};
use crate::computing::tasks::gantt::{Gantt, SlotClass};
use crate::computing::tasks::{Attempt, Cause, How, summary};
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::sorted::SortedMap;
use sim_core::table::{Column, Holds, Table};
use sim_core::{Duration, Instant, NodeId, Observed, Observer, Verdict, Violation};
use std::rc::Rc;

sim_core::rules! {
    /// The result of an application equals what its input comes to directly, whatever died.
    pub const RESULT_IS_RIGHT: &str = "result_is_right";
    /// No task is given out again while the executor that has its output is not lost, and the output can be got.
    pub const ONLY_LOST_RECOMPUTED: &str = "only_lost_recomputed";
    /// A task goes on only with the outputs of all tasks of the shuffles that it reads.
    pub const INPUTS_ARE_COMPLETE: &str = "inputs_are_complete";
    /// What counts as checkpointed is in the storage.
    pub const CHECKPOINT_IS_THERE: &str = "checkpoint_is_there";
    /// No executor executes more than it has cores for.
    pub const CORES_ARE_KEPT: &str = "cores_are_kept";
    /// No executor keeps more in memory than it has.
    pub const MEMORY_IS_KEPT: &str = "memory_is_kept";
    /// Every application ends, or gets on: otherwise this says what it waits for.
    pub const JOBS_FINISH: &str = "jobs_finish";
}

/// Its own figures.
pub(super) const METRICS: &[MetricKind] = summary::metrics![
    MetricKind::new("apps_done", "applications done", Unit::Number, "applications that came to a result")
        .more_is_better(),
    MetricKind::new("app_took", "longest application", Unit::Time, "how long the longest finished application took"),
    MetricKind::new(
        "first_over_steady",
        "first iteration",
        Unit::Number,
        "the first iteration's time over the median of those after it"
    ),
    MetricKind::new(
        "worst_over_steady",
        "worst iteration",
        Unit::Number,
        "the longest later iteration's time over their median"
    ),
    MetricKind::new(
        "recomputed",
        "recomputed",
        Unit::Number,
        "tasks that were done once more as their output was lost"
    ),
    MetricKind::new("no_space", "found no space", Unit::Number, "partitions for which there was no memory"),
    MetricKind::new("dropped", "dropped", Unit::Number, "partitions that made room for others"),
    MetricKind::new("shuffled_bytes", "shuffled", Unit::Number, "bytes of shuffle outputs that came over the network"),
    MetricKind::new("saved_bytes", "checkpointed", Unit::Number, "bytes that went to the storage"),
];

/// An application as it was seen.
#[derive(Clone, Debug)]
struct Seen {
    kind: Kind,
    began: Instant,
    done: Option<Instant>,
    /// Its actions: runs, and when each began and ended.
    actions: Vec<(u64, Instant, Option<Instant>)>,
}

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct SparkChecks {
    config: Rc<Config>,
    gantt: Gantt,
    apps: SortedMap<u64, Seen>,
    app: u64,
    /// Tasks that are done, and where their output is: by stage and task, of the application that goes on.
    outputs: SortedMap<(u32, u32), NodeId>,
    /// Outputs of a shuffle at an executor that could not be got.
    given: u64,
    read: u64,
    recomputed: u64,
    memory: [u64; 2],
    moved: SortedMap<&'static str, (u64, u64)>,
    now: Instant,
    last: Instant,
    broken: Option<Violation>,
    look_at: Option<u64>,
    right: u64,
}

impl SparkChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Rc<Config>) -> Self {
        let slots = u64::from(config.executor_count()) * u64::from(config.cores);
        Self {
            config: Rc::clone(config),
            gantt: Gantt::new(vec![SlotClass { name: "task", slots }]),
            apps: SortedMap::new(),
            app: 0,
            outputs: SortedMap::new(),
            given: 0,
            read: 0,
            recomputed: 0,
            memory: [0; 2],
            moved: SortedMap::new(),
            now: Instant::ZERO,
            last: Instant::ZERO,
            broken: None,
            look_at: None,
            right: 0,
        }
    }

    fn breaks(&mut self, rule: &'static str, node: NodeId, detail: String) {
        let violation = Violation { rule: rule.to_owned(), at: self.now, node: Some(node), detail };
        self.broken.get_or_insert(violation);
    }

    fn on_fact(&mut self, node: NodeId, fact: SparkFact) {
        let at = self.now;
        match fact {
            SparkFact::AppBegan { app, kind } => {
                // What went on is gone with the life of its driver.
                for job in
                    self.gantt.jobs.iter().filter(|job| job.ended.is_none()).map(|job| job.run).collect::<Vec<_>>()
                {
                    self.gantt.job_ends(at, job, false);
                }
                self.outputs.clear();
                (self.app, self.last) = (app, at);
                self.apps.insert(app, Seen { kind, began: at, done: None, actions: Vec::new() });
            }
            SparkFact::ActionBegan { run, number } => {
                let many = self.apps.len();
                if let Some(app) = self.apps.get_mut(&self.app) {
                    app.actions.push((run, at, None));
                    let name = match app.kind {
                        Kind::KMeans => format!("{} {many} iteration {number}", app.kind.name()),
                        _ => format!("{} {many}", app.kind.name()),
                    };
                    self.gantt.job_begins(at, run, name);
                }
                // What collects rows is of this action; outputs of shuffles stay.
                self.outputs.retain(|(stage, _), _| stage % 2 == 0);
            }
            SparkFact::ActionDone { run } => {
                let actions = self.apps.get_mut(&self.app).into_iter().flat_map(|app| &mut app.actions);
                actions.filter(|(of, ..)| *of == run).for_each(|(.., ended)| *ended = Some(at));
                self.gantt.job_ends(at, run, true);
            }
            SparkFact::StageBegan { run, stage, .. } => {
                let name = if stage % 2 == 0 { format!("shuffle {}", stage / 2) } else { "result".to_owned() };
                self.gantt.stages.insert((run, stage), name);
            }
            SparkFact::Given { attempt, .. } => self.on_given(node, attempt),
            SparkFact::Began { attempt, cause } => {
                let busy = self.gantt.begins(at, node, attempt, cause);
                self.recomputed += u64::from(cause == Cause::OutputLost);
                if busy > self.config.cores as usize {
                    let detail = format!("{node} executes {busy} at once, and has {} cores", self.config.cores);
                    self.breaks(CORES_ARE_KEPT, node, detail);
                }
            }
            SparkFact::Ready { attempt, inputs, of, .. } => {
                self.gantt.ready(at, node, attempt);
                self.read += u64::from(of > 0);
                if inputs < of {
                    let detail = format!("{attempt} goes on with {inputs} of {of} outputs of what it reads");
                    self.breaks(INPUTS_ARE_COMPLETE, node, detail);
                }
            }
            SparkFact::Ended { attempt, how } => {
                self.gantt.ends(at, node, attempt, how);
                // One that fails again and again is no progress.
                if how == How::Done {
                    self.last = at;
                }
            }
            SparkFact::Counted { attempt, worker } => {
                self.gantt.counts(attempt);
                self.outputs.insert((attempt.stage, attempt.task), worker);
            }
            SparkFact::ExecutorLost { worker, .. } => {
                self.outputs.retain(|(stage, _), at| stage % 2 == 1 || *at != worker);
            }
            SparkFact::OutputsLost { worker, shuffle } => {
                self.outputs.retain(|(stage, _), at| *stage != 2 * shuffle || *at != worker);
            }
            SparkFact::Memory { refused, dropped } => {
                self.memory[0] += u64::from(refused);
                self.memory[1] += u64::from(dropped);
            }
            SparkFact::CheckpointMissing { rdd, part } => {
                let detail = format!("partition {part} of dataset {rdd} counts as checkpointed, and is not there");
                self.breaks(CHECKPOINT_IS_THERE, node, detail);
            }
            SparkFact::AppDone { app } => {
                if let Some(seen) = self.apps.get_mut(&app) {
                    seen.done = Some(at);
                }
                self.look_at = Some(app);
            }
        }
    }

    fn on_given(&mut self, node: NodeId, attempt: Attempt) {
        self.given += 1;
        if let Some(at) = self.outputs.get(&(attempt.stage, attempt.task)) {
            let detail = format!("{attempt} is given out, and {at} has its output");
            self.breaks(ONLY_LOST_RECOMPUTED, node, detail);
        }
    }

    /// What can be said at the end.
    pub(super) fn verdicts(&self, nodes: &[Option<Machine>], end: Instant) -> Vec<Verdict> {
        let held = |rule, many: u64, what: &str| match many {
            0 => Verdict::Inconclusive { rule, why: format!("there were no {what}") },
            many => Verdict::Pass { rule, detail: format!("{many} {what}") },
        };
        let saved = self.moved.get("Save").map_or(0, |(messages, _)| *messages);
        vec![
            held(RESULT_IS_RIGHT, self.right, "results"),
            held(ONLY_LOST_RECOMPUTED, self.given, "tasks given out"),
            held(INPUTS_ARE_COMPLETE, self.read, "tasks that read a shuffle"),
            Verdict::Pass { rule: CHECKPOINT_IS_THERE, detail: format!("{saved} partitions sent to the storage") },
            held(CORES_ARE_KEPT, self.gantt.bars.len() as u64, "executions"),
            held(MEMORY_IS_KEPT, self.gantt.bars.len() as u64, "executions"),
            self.finish(nodes, end),
        ]
    }

    /// Whether every application ends: what goes on in the end has got on lately.
    fn finish(&self, nodes: &[Option<Machine>], end: Instant) -> Verdict {
        let config = &self.config;
        let driver = nodes[config.driver().index()].as_ref().and_then(Machine::driver);
        let Some(app) = driver.and_then(|driver| driver.app.as_ref()) else {
            let done = self.apps.values().filter(|app| app.done.is_some()).count();
            return match done {
                0 => Verdict::Inconclusive { rule: JOBS_FINISH, why: "there were no applications".to_owned() },
                done => Verdict::Pass { rule: JOBS_FINISH, detail: format!("{done} are done, and none goes on") },
            };
        };
        let slowest = if config.slow_executors.is_empty() { 1 } else { u64::from(config.slow_factor) };
        let rate = config.load_rate.min(config.compute_rate);
        let longest = Duration::millis(20).times(config.partition * 1000 / rate + 1) + config.startup;
        let patience = longest.times(slowest).max(config.fetch_timeout.times(130));
        let patience = patience + config.executor_timeout.times(3);
        let idle = end.since(self.last);
        if idle > patience {
            let open = app.stages.iter().filter(|(_, stage)| !stage.board.is_done());
            let open: Vec<String> = open
                .map(|(number, stage)| format!("{} of {} of stage {number}", stage.board.done(), stage.board.len()))
                .collect();
            let detail = format!("no task was done for {idle}: {}", open.join(", "));
            return Verdict::Fail(Violation { rule: JOBS_FINISH.to_owned(), at: end, node: None, detail });
        }
        Verdict::Pass { rule: JOBS_FINISH, detail: "one goes on, and gets on".to_owned() }
    }

    /// The first iteration over the median of the others, and the longest of those, of the longest application.
    fn iterations(&self) -> Option<(f64, f64)> {
        let times = |app: &Seen| -> Vec<u64> {
            app.actions.iter().filter_map(|(_, began, ended)| Some((*ended)?.since(*began).0)).collect()
        };
        let done = self.apps.values().filter(|app| app.done.is_some() && app.kind == Kind::KMeans);
        let all: Vec<u64> =
            done.map(times).filter(|times| times.len() > 2).max_by_key(|all| all.iter().sum::<u64>())?;
        let mut later = all[1..].to_vec();
        later.sort_unstable();
        let steady = later[later.len() / 2].max(1) as f64;
        Some((all[0] as f64 / steady, later[later.len() - 1] as f64 / steady))
    }

    /// What a report shows of a run.
    pub(super) fn measures(&self, end: Instant) -> Measures {
        let mut measures = Measures::default();
        self.gantt.measure(end, &mut measures);
        let weight = |kind| self.moved.get(kind).map_or(0, |(_, bytes)| *bytes) as f64;
        let took = |app: &Seen| app.done.map(|at| at.since(app.began).0);
        let done: Vec<u64> = self.apps.values().filter_map(took).collect();
        measures.set(METRICS, "apps_done", done.len() as f64);
        if let Some(longest) = done.iter().max() {
            measures.set(METRICS, "app_took", *longest as f64);
        }
        if let Some((first, worst)) = self.iterations() {
            measures.set(METRICS, "first_over_steady", first);
            measures.set(METRICS, "worst_over_steady", worst);
        }
        measures.set(METRICS, "recomputed", self.recomputed as f64);
        measures.set(METRICS, "no_space", self.memory[0] as f64);
        measures.set(METRICS, "dropped", self.memory[1] as f64);
        measures.set(METRICS, "shuffled_bytes", weight("Pieces"));
        measures.set(METRICS, "saved_bytes", weight("Save"));
        let columns = [
            Column::new("what", "What", Holds::Text),
            Column::new("messages", "Messages", Holds::Count),
            Column::new("bytes", "Bytes", Holds::Text),
        ];
        let mut table = Table::new("bytes_moved", "Bytes moved", &columns);
        "What nodes sent each other; the weight of a row is what it stands for".clone_into(&mut table.about);
        for (what, kind) in [
            ("shuffle", "Pieces"),
            ("partitions read from the memory of others, or from the storage", "Rows"),
            ("checkpoints", "Save"),
            ("heartbeats", "Ping"),
        ] {
            let (messages, bytes) = self.moved.get(kind).copied().unwrap_or((0, 0));
            table.rows.push(vec![what.into(), messages.into(), summary::bytes(bytes)]);
        }
        measures.tables.push(table);
        measures
    }
}

impl Observer<Machine> for SparkChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        self.now = at;
        match what {
            Observed::Noted { node, fact } => self.on_fact(*node, *fact),
            Observed::Delivered { message, .. } if !matches!(message, SparkMessage::Pong(_)) => {
                let (kind, bytes) = (sim_core::Message::kind(*message).name, sim_core::Message::bytes(*message));
                let (messages, sum) = self.moved.entry(kind).or_default();
                (*messages, *sum) = (*messages + 1, *sum + u64::from(bytes));
            }
            Observed::Crashed { node, .. } => self.gantt.crashes(at, *node),
            _ => {}
        }
    }

    fn after_step(&mut self, at: Instant, node: NodeId, nodes: &[Option<Machine>]) -> Result<(), Violation> {
        if let Some(violation) = self.broken.take() {
            return Err(violation);
        }
        let machine = nodes[node.index()].as_ref();
        if let Some(executor) = machine.and_then(Machine::executor) {
            let (kept, memory) = (executor.kept(), self.config.memory);
            Violation::unless(kept <= memory, MEMORY_IS_KEPT, at, node, || format!("{kept} B, of {memory} B"))?;
        }
        let Some(app) = self.look_at.take() else { return Ok(()) };
        let Some((_, kind, rows)) = machine.and_then(Machine::driver).and_then(|driver| driver.last.as_ref()) else {
            return Ok(());
        };
        let expected = directly(&self.config, *kind);
        self.right += 1;
        Violation::unless(**rows == expected, RESULT_IS_RIGHT, at, node, || {
            let at = rows.iter().zip(&expected).position(|(a, b)| a != b).unwrap_or(rows.len().min(expected.len()));
            format!(
                "application {app} has {} rows, and should have {}; row {at} is {:?}, not {:?}",
                rows.len(),
                expected.len(),
                rows.get(at),
                expected.get(at)
            )
        })
    }
}
