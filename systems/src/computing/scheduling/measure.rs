//! What a report shows of a run: who ran what when, how long tasks waited, what was wasted, how far from the best
//! possible it was, and what the cron table did.

use super::checks::SchedulingChecks;
use super::command::Why;
use super::ledger::{Ledger, Run, Seen};
use super::message::End;
use super::node::Machine;
use super::options::CronMode;
use super::task::TaskId;
use sim_core::curve::{Curve, Line};
use sim_core::measures::{Formula, Measures};
use sim_core::metric::{MetricKind, Unit};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::table::{Cell, Column, Holds, Table};
use sim_core::track::{Span, Track};
use sim_core::{Duration, Instant};

/// Its own figures.
pub(super) const METRICS: &[MetricKind] = &[
    MetricKind::new("tasks_accepted", "tasks accepted", Unit::Number, "tasks that were taken into the queue")
        .more_is_better(),
    MetricKind::new("tasks_done", "tasks done", Unit::Number, "tasks that have a result").more_is_better(),
    MetricKind::new("tasks_left", "tasks left", Unit::Number, "accepted tasks that are neither done nor given up"),
    MetricKind::new(
        "tasks_given_up",
        "tasks given up",
        Unit::Number,
        "tasks that failed too often, or waited for such",
    ),
    MetricKind::new("attempts", "attempts", Unit::Number, "how often a task was given to a worker"),
    MetricKind::new("attempts_lost", "attempts lost", Unit::Number, "attempts that came to nothing, for any reason"),
    MetricKind::new(
        "wasted",
        "wasted work",
        Unit::Fraction,
        "share of the time in which slots ran that came to nothing",
    ),
    MetricKind::new("mean_wait", "mean wait", Unit::Time, "from when a task could run until it first ran"),
    MetricKind::new("makespan", "makespan", Unit::Time, "from the first submission until the last task was done"),
    MetricKind::new(
        "over_bound",
        "makespan over the bound",
        Unit::Number,
        "how many times as long as the lower bound it took",
    ),
    MetricKind::new("expired", "leases expired", Unit::Number, "attempts whose lease nobody renewed in time"),
    MetricKind::new("preempted", "attempts preempted", Unit::Number, "attempts that had to make room"),
    MetricKind::new("stolen", "tasks stolen", Unit::Number, "tasks that one worker has taken from another's queue"),
    MetricKind::new(
        "remote",
        "away from the data",
        Unit::Fraction,
        "share of attempts that ran where their data is not",
    ),
    MetricKind::new("p99_wait", "p99 wait", Unit::Time, "the same, 99 % of tasks wait no longer"),
    MetricKind::new(
        "had_to_wait",
        "had to wait",
        Unit::Fraction,
        "share of tasks that waited for over 1 / 200 of the usual task time",
    ),
    MetricKind::new(
        "mean_turnaround",
        "mean turnaround",
        Unit::Time,
        "from the submission of a task until it was done",
    ),
    MetricKind::new(
        "mean_job_time",
        "mean job time",
        Unit::Time,
        "from the submission of a job until all of it was done",
    ),
    MetricKind::new("p99_job_time", "p99 job time", Unit::Time, "the same, 99 % of jobs take no longer"),
    MetricKind::new(
        "urgent_wait",
        "urgent wait",
        Unit::Time,
        "the mean wait of the most urgent class, where there are several",
    ),
    MetricKind::new(
        "lower_bound",
        "lower bound",
        Unit::Time,
        "what no schedule can beat: all work over all slots, or the longest chain",
    ),
    MetricKind::new(
        "slots_busy",
        "slots busy",
        Unit::Fraction,
        "share of the slots' time in which they ran, up to the last task",
    )
    .more_is_better(),
    MetricKind::new("registrations", "registrations", Unit::Number, "how often a worker registered with a leader"),
    MetricKind::new("registered_at_once", "registrations at once", Unit::Number, "at most within 100 ms"),
    MetricKind::new("cron_due", "firings due", Unit::Number, "by the table, until the faults were healed"),
    MetricKind::new("cron_fired", "firings made", Unit::Number, "of those, that have had their effect")
        .more_is_better(),
    MetricKind::new("cron_missed", "firings missed", Unit::Number, "of those, that have had none").harm(),
    MetricKind::new("cron_doubled", "firings doubled", Unit::Number, "effects beside the first of a firing").harm(),
    MetricKind::new("cron_late", "firings late", Unit::Time, "from when a firing was due until it was logged, mean"),
    MetricKind::new("cron_latest", "latest firing", Unit::Time, "the same, at most"),
];

/// Spans that a Gantt chart shows at most, and slots.
const SPANS: usize = 6_000;
const ROWS: usize = 48;
/// Points of a curve.
const POINTS: usize = 400;

/// How many tasks wait and run over time.
#[derive(Clone, Debug)]
pub(super) struct Series {
    at: Vec<u64>,
    waiting: Vec<f64>,
    running: Vec<f64>,
    step: u64,
}

impl Series {
    pub const fn new() -> Self {
        Self { at: Vec::new(), waiting: Vec::new(), running: Vec::new(), step: 10_000_000 }
    }

    /// Takes a sample if it is time for one; when there are too many, every second is forgotten.
    pub fn look(&mut self, now: Instant, ledger: &Ledger) {
        if self.at.last().is_some_and(|last| now.0 < last + self.step) {
            return;
        }
        if self.at.len() >= POINTS {
            let half = |all: &mut Vec<f64>| *all = all.iter().copied().step_by(2).collect();
            half(&mut self.waiting);
            half(&mut self.running);
            self.at = self.at.iter().copied().step_by(2).collect();
            self.step *= 2;
        }
        self.at.push(now.0);
        self.waiting.push(ledger.waiting as f64);
        self.running.push(ledger.running as f64);
    }

    fn curve(&self) -> Curve {
        let line = |name: &str, values: &[f64]| Line { name: name.to_owned(), values: values.to_vec() };
        Curve {
            kind: MetricKind::new("tasks", "Tasks that wait and run", Unit::Number, "tasks"),
            at_ns: self.at.clone(),
            lines: vec![line("wait for a worker", &self.waiting), line("run", &self.running)],
        }
    }
}

/// Lengths of time, to be asked for their mean and the like.
#[derive(Clone, Debug, Default)]
struct Times(Vec<u64>);

impl Times {
    fn of(times: impl Iterator<Item = Duration>) -> Self {
        let mut all: Vec<u64> = times.map(|time| time.0).collect();
        all.sort_unstable();
        Self(all)
    }

    fn mean(&self) -> Option<f64> {
        let sum: u128 = self.0.iter().map(|time| u128::from(*time)).sum();
        (!self.0.is_empty()).then(|| sum as f64 / self.0.len() as f64)
    }

    fn p99(&self) -> Option<f64> {
        let at = (self.0.len() * 99).div_ceil(100).checked_sub(1)?;
        self.0.get(at).map(|time| *time as f64)
    }
}

fn wait(seen: &Seen) -> Option<Duration> {
    Some(seen.started?.since(seen.ready?))
}

fn turnaround(seen: &Seen) -> Option<Duration> {
    Some(seen.done?.1.since(seen.submitted))
}

impl SchedulingChecks {
    /// What a report shows of a run.
    pub(super) fn measures(&self, nodes: &[Option<Machine>], by: Instant, end: Instant) -> Measures {
        let (ledger, config) = (&self.ledger, &self.config);
        let mut all = Measures::default();
        let mut set = |name: &str, value: Option<f64>| {
            if let Some(value) = value {
                all.set(METRICS, name, value);
            }
        };
        let tasks = ledger.tasks.values();
        let done = tasks.clone().filter(|seen| seen.done.is_some()).count();
        let given_up = tasks.clone().filter(|seen| seen.given_up).count();
        let attempts: u64 = tasks.clone().map(|seen| u64::from(seen.attempts)).sum();
        let lost = |why: Why| ledger.lost.get(&why).copied().unwrap_or(0) as f64;
        set("tasks_accepted", Some(ledger.tasks.len() as f64));
        set("tasks_done", Some(done as f64));
        set("tasks_given_up", Some(given_up as f64));
        set("tasks_left", Some((ledger.tasks.len() - done - given_up) as f64));
        set("attempts", Some(attempts as f64));
        set("attempts_lost", Some(ledger.lost.values().sum::<u64>() as f64));
        set("expired", Some(lost(Why::Expired)));
        set("preempted", Some(lost(Why::Preempted)));
        set("stolen", (config.policy == super::options::Policy::Stealing).then_some(ledger.stolen as f64));
        let remote = ledger.runs.iter().filter(|run| run.remote).count() as f64;
        set("remote", (config.remote > 100).then(|| remote / ledger.runs.len().max(1) as f64));
        let waits = Times::of(tasks.clone().filter_map(wait));
        set("mean_wait", waits.mean());
        set("p99_wait", waits.p99());
        let usual = if config.trace.is_empty() { config.task_time } else { Duration::secs(1) };
        let had = waits.0.iter().filter(|wait| **wait > usual.0 / 200).count() as f64;
        set("had_to_wait", (!waits.0.is_empty()).then(|| had / waits.0.len() as f64));
        set("mean_turnaround", Times::of(tasks.clone().filter_map(turnaround)).mean());
        let jobs = ledger.jobs.values().filter_map(|job| Some(job.done?.since(job.submitted)));
        let jobs = Times::of(jobs);
        set("mean_job_time", jobs.mean());
        set("p99_job_time", jobs.p99());
        if ledger.has_classes() {
            set("urgent_wait", Times::of(tasks.clone().filter(|seen| seen.class == 0).filter_map(wait)).mean());
        }
        let (makespan, bound) = (self.makespan(), self.bound());
        set("makespan", makespan.map(|time| time.0 as f64));
        set("lower_bound", bound.map(|time| time.0 as f64));
        let ratio = makespan.zip(bound).filter(|(_, bound)| bound.0 > 0);
        set("over_bound", ratio.map(|(makespan, bound)| makespan.0 as f64 / bound.0 as f64));
        let (busy, wasted) = self.busy(end);
        set("wasted", (busy > 0).then(|| wasted as f64 / busy as f64));
        let slots = f64::from(config.workers) * f64::from(config.slots);
        set("slots_busy", makespan.filter(|time| time.0 > 0).map(|time| busy as f64 / slots / time.0 as f64));
        set("registrations", Some(ledger.registered.len() as f64));
        set("registered_at_once", Some(self.herd() as f64));
        if !config.table.entries.is_empty() {
            self.cron(nodes, by, &mut all);
        }
        if let (Some(makespan), Some(bound)) = (makespan, bound) {
            all.formulas.push(formula(makespan, bound));
        }
        // A first screen shows as many as fit, in the order of the list.
        all.metrics.sort_by_key(|metric| METRICS.iter().position(|kind| kind.name == metric.kind.name));
        all.tables.push(self.causes(end));
        all.tables.extend(ledger.has_classes().then(|| self.classes()));
        all.tracks.push(self.gantt(end));
        all.curves.push(self.series.curve());
        all
    }

    fn makespan(&self) -> Option<Duration> {
        let tasks = self.ledger.tasks.values();
        let last = tasks.clone().filter_map(|seen| Some(seen.done?.1)).max()?;
        Some(last.since(tasks.map(|seen| seen.submitted).min()?))
    }

    /// What no schedule can beat, for the tasks that are done: all their work over all slots, or the longest chain from
    /// the first submission on.
    fn bound(&self) -> Option<Duration> {
        let (ledger, config) = (&self.ledger, &self.config);
        let done = ledger.tasks.iter().filter(|(_, seen)| seen.done.is_some());
        let first = done.clone().map(|(_, seen)| seen.submitted).min()?;
        let fastest = config.speeds.iter().copied().max().unwrap_or(100).max(1);
        let speed: u64 = config.all_workers().map(|worker| u64::from(config.speed(worker))).sum();
        let (mut work, mut longest) = (0_u128, 0_u64);
        for (task, seen) in done {
            let Some(spec) = ledger.spec(*task) else { continue };
            work += u128::from(spec.work.0) * u128::from(spec.needs.cpus);
            let chain = (u128::from(spec.rank.0) * 100 / u128::from(fastest)) as u64;
            longest = longest.max(seen.submitted.since(first).0 + chain);
        }
        let capacity = u128::from(speed) * u128::from(config.slots);
        Some(Duration(longest.max((work * 100 / capacity.max(1)) as u64)))
    }

    /// Whether what an attempt has run for is of use: its result is that of its task.
    fn is_of_use(&self, run: &Run) -> bool {
        self.ledger.tasks.get(&run.lease.task).and_then(|seen| seen.done).is_some_and(|(lease, _)| lease == run.lease)
    }

    /// For how long slots ran, and how much of that came to nothing.
    fn busy(&self, end: Instant) -> (u64, u64) {
        let (mut busy, mut wasted) = (0, 0);
        for run in &self.ledger.runs {
            let cpus = self.ledger.spec(run.lease.task).map_or(1, |spec| u64::from(spec.needs.cpus));
            let time = run.to.min(end).since(run.from).0 * cpus;
            busy += time;
            wasted += if self.is_of_use(run) || run.to == Instant::FAR { 0 } else { time };
        }
        (busy, wasted)
    }

    /// The most registrations within a tenth of a second.
    fn herd(&self) -> usize {
        let all = &self.ledger.registered;
        let within = |at: usize| all.partition_point(|other| other.0 < all[at].0 + 100_000_000) - at;
        (0..all.len()).map(within).max().unwrap_or(0)
    }

    /// Why attempts ended, and what they cost.
    fn causes(&self, end: Instant) -> Table {
        let columns = [
            Column::new("cause", "How an attempt ended", Holds::Text),
            Column::new("attempts", "Attempts", Holds::Count),
            Column::new("tasks", "Tasks", Holds::Count),
            Column::new("ran", "Slots ran for", Holds::Time),
        ];
        let mut table = Table::new("attempts", "Attempts", &columns);
        table.about = "Every attempt on a worker, by what became of it. An attempt whose lease ran out before it came \
                       to a worker has not run"
            .to_owned();
        let mut rows: SortedMap<(usize, &str), (u64, SortedSet<TaskId>, u64)> = SortedMap::new();
        for run in &self.ledger.runs {
            let (kind, name) = self.outcome(run);
            let row = rows.entry((kind, name)).or_default();
            row.0 += 1;
            row.1.insert(run.lease.task);
            row.2 += run.to.min(end).since(run.from).0;
        }
        table.rows = rows
            .into_iter()
            .map(|((_, name), (attempts, tasks, ran))| {
                vec![Cell::from(name), Cell::from(attempts), Cell::from(tasks.len() as u64), Cell::from(ran)]
            })
            .collect();
        table
    }

    /// What became of an attempt: its kind in the chart, and in words.
    fn outcome(&self, run: &Run) -> (usize, &'static str) {
        match run.how {
            _ if self.is_of_use(run) => (0, "its result counts"),
            Some(End::Well) => (1, "done, and its result is not used"),
            Some(End::Failed) => (2, "failed"),
            Some(End::Stopped) => (3, "stopped"),
            None if run.to == Instant::FAR => (5, "runs at the end"),
            None => (4, "lost with its worker"),
        }
    }

    fn gantt(&self, end: Instant) -> Track {
        let about = "Each slot of a worker, and the attempt that it ran: task, and which attempt after #";
        let mut track = Track::new("slots", "Tasks over workers", about, "its result counts")
            .or("not used", true)
            .or("failed", true)
            .or("stopped", true)
            .or("lost", true)
            .or("runs at the end", false);
        let slots = self.config.slots as usize;
        let shown = (ROWS / slots).max(1) as u32;
        let last = self.config.schedulers + shown;
        let of = self.ledger.runs.iter().filter(|run| run.worker.0 < last).take(SPANS);
        let span = |run: &Run| {
            let row = match slots {
                1 => run.worker.to_string(),
                _ => format!("{}.{}", run.worker, run.slot + 1),
            };
            let (kind, _) = self.outcome(run);
            Span { row, label: run.lease.to_string(), kind, start_ns: run.from.0, end_ns: run.to.min(end).0 }
        };
        track.spans = of.map(span).collect();
        if shown < self.config.workers || track.spans.len() == SPANS {
            track.about = format!("{about}. The first {shown} workers, and {SPANS} attempts at most").into();
        }
        track
    }

    fn classes(&self) -> Table {
        let columns = [
            Column::new("class", "Class", Holds::Id),
            Column::new("tasks", "Tasks", Holds::Count),
            Column::new("done", "Done", Holds::Count),
            Column::new("mean_wait", "Mean wait", Holds::Time),
            Column::new("p99_wait", "p99 wait", Holds::Time),
            Column::new("mean_turnaround", "Mean turnaround", Holds::Time),
            Column::new("p99_turnaround", "p99 turnaround", Holds::Time),
            Column::new("attempts", "Attempts", Holds::Count),
        ];
        let mut table = Table::new("classes", "Waiting and turnaround by class", &columns);
        table.about = "Class 0 is the most urgent".to_owned();
        for class in 0..self.config.classes {
            let of = self.ledger.tasks.values().filter(|seen| seen.class == class);
            let (waits, turns) = (Times::of(of.clone().filter_map(wait)), Times::of(of.clone().filter_map(turnaround)));
            let time = |value: Option<f64>| Cell::from(value.map(|time| time as u64));
            table.rows.push(vec![
                Cell::from(u64::from(class)),
                Cell::from(of.clone().count() as u64),
                Cell::from(of.clone().filter(|seen| seen.done.is_some()).count() as u64),
                time(waits.mean()),
                time(waits.p99()),
                time(turns.mean()),
                time(turns.p99()),
                Cell::from(of.map(|seen| u64::from(seen.attempts)).sum::<u64>()),
            ]);
        }
        table
    }

    /// What the cron table did.
    fn cron(&self, nodes: &[Option<Machine>], by: Instant, all: &mut Measures) {
        let due = self.due(by);
        let mut had: SortedMap<(u8, u64), u64> = SortedMap::new();
        self.had_effect(nodes).into_iter().for_each(|firing| *had.entry(firing).or_default() += 1);
        let count = |of: &dyn Fn(&(u8, u64)) -> bool| due.iter().filter(|firing| of(firing)).count() as f64;
        all.set(METRICS, "cron_due", due.len() as f64);
        all.set(METRICS, "cron_fired", count(&|firing| had.contains_key(firing)));
        all.set(METRICS, "cron_missed", count(&|firing| !had.contains_key(firing)));
        all.set(METRICS, "cron_doubled", had.values().map(|times| times - 1).sum::<u64>() as f64);
        let late = |((_, due), (_, at)): (&(u8, u64), &(u32, Instant))| at.since(Instant(due * 1_000_000));
        let late = Times::of(self.ledger.fired.iter().map(late));
        if let (Some(mean), Some(latest)) = (late.mean(), late.0.last()) {
            all.set(METRICS, "cron_late", mean);
            all.set(METRICS, "cron_latest", *latest as f64);
        }
        let columns = [
            Column::new("entry", "Entry", Holds::Text),
            Column::new("due_ns", "Due", Holds::Moment),
            Column::new("logged_ns", "In the log", Holds::Moment),
            Column::new("effects", "Effects", Holds::Count),
            Column::new("told", "What became of it", Holds::Text),
        ];
        let mut table = Table::new("firings", "Firings of the cron table", &columns);
        let mode = match self.config.cron_mode {
            CronMode::Once => "once",
            CronMode::AtLeastOnce => "at least once",
            CronMode::AtMostOnce => "at most once",
        };
        table.about = format!("Each is promised {mode}. The first 200, of those that went wrong the first");
        let mut rows: Vec<(u8, u64)> = due.iter().copied().chain(had.keys().copied()).collect();
        rows.sort_unstable();
        rows.dedup();
        rows.sort_by_key(|firing| (had.get(firing) == Some(&1), firing.1));
        rows.truncate(200);
        rows.sort_by_key(|(entry, due)| (*due, *entry));
        for firing @ (entry, due) in rows {
            let effects = had.get(&firing).copied().unwrap_or(0);
            let told = match effects {
                0 => "missed",
                1 => "made",
                _ => "doubled",
            };
            let logged = self.ledger.fired.get(&firing).map(|(_, at)| at.0);
            let name = self.config.table.entries[usize::from(entry)].to_string();
            table.rows.push(vec![
                Cell::from(name),
                Cell::from(due * 1_000_000),
                Cell::from(logged),
                Cell::from(effects),
                Cell::from(told),
            ]);
        }
        all.tables.push(table);
    }
}

fn formula(makespan: Duration, bound: Duration) -> Formula {
    Formula {
        name: "lower bound of the makespan".to_owned(),
        formula: "max(all work / all slots, longest chain)".to_owned(),
        predicted: bound.0 as f64,
        measured: Some(makespan.0 as f64),
        unit: Unit::Time,
        note: "Of the tasks that are done. No schedule is shorter; any list schedule on equal workers takes at most \
               (2 - 1/m) times the best (Graham 1969), without faults and if messages took no time."
            .to_owned(),
    }
}
