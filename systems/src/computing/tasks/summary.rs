//! What a report says of executions: a chart of them, why there were so many, who was slow, what the job waited for,
//! and how near it came to the least that it could have taken.

use super::attempt::{Cause, How};
use super::gantt::{Bar, Gantt, JobBar};
use sim_core::Instant;
use sim_core::curve::{Curve, Line};
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::table::{Cell, Column, Holds, Table};
use sim_core::track::{Span, Track};

/// Rows that a chart of executions has at most: as many as reports draw.
const ROWS: usize = 24;
/// Rows of the table of stragglers and of that of the critical path.
const LISTED: usize = 20;
/// Who takes so many times as long as the middle one of its stage is a straggler.
const STRAGGLES: u64 = 2;

/// How long the longest finished job took.
pub const MAKESPAN: MetricKind =
    MetricKind::new("makespan", "longest job", Unit::Time, "how long the longest finished job took");
/// Its time over the least that its tasks allow.
pub const OVER_BOUND: MetricKind =
    MetricKind::new("over_bound", "over the bound", Unit::Number, "its time over the least that its tasks allow");
/// Jobs that came to a result.
pub const JOBS_DONE: MetricKind =
    MetricKind::new("jobs_done", "jobs done", Unit::Number, "jobs that came to a result").more_is_better();
/// Jobs that were given up, or have not ended.
pub const JOBS_NOT_DONE: MetricKind =
    MetricKind::new("jobs_not_done", "jobs not done", Unit::Number, "jobs that were given up, or have not ended");
/// Executions of tasks, the first ones included.
pub const EXECUTIONS: MetricKind =
    MetricKind::new("executions", "executions", Unit::Number, "executions of tasks, the first ones included");
/// Executions after a loss or a failure.
pub const EXECUTED_AGAIN: MetricKind =
    MetricKind::new("executed_again", "executed again", Unit::Number, "executions after a loss or a failure");
/// Executions beside another one that took long.
pub const BACKUPS: MetricKind =
    MetricKind::new("backups", "backups", Unit::Number, "executions beside another one that took long");
/// Executions of twice their stage's median and more.
pub const STRAGGLERS: MetricKind =
    MetricKind::new("stragglers", "stragglers", Unit::Number, "executions of twice their stage's median and more");
/// Share of the time in slots that led to no result.
pub const WASTED: MetricKind =
    MetricKind::new("wasted", "wasted work", Unit::Fraction, "share of the time in slots that led to no result");

/// The figures of systems that run tasks, and those of a system's own.
macro_rules! metrics {
    ($($own:expr),* $(,)?) => {
        &[
            $crate::computing::tasks::summary::MAKESPAN,
            $crate::computing::tasks::summary::OVER_BOUND,
            $crate::computing::tasks::summary::JOBS_DONE,
            $crate::computing::tasks::summary::JOBS_NOT_DONE,
            $crate::computing::tasks::summary::EXECUTIONS,
            $crate::computing::tasks::summary::EXECUTED_AGAIN,
            $crate::computing::tasks::summary::BACKUPS,
            $crate::computing::tasks::summary::STRAGGLERS,
            $crate::computing::tasks::summary::WASTED,
            $($own),*
        ]
    };
}
pub(crate) use metrics;

/// Figures of systems that run tasks.
pub const METRICS: &[MetricKind] = metrics!();

/// What a bar of the chart is: an execution of one class of slots or of another, one that was needed for a reason,
/// harm.
fn kind_of(class: usize, bar: &Bar) -> usize {
    match (bar.ended.map(|(_, how)| how), bar.cause) {
        (Some(How::Failed | How::Lost), _) => 4,
        (_, Cause::Backup) => 3,
        (_, Cause::First) => class.min(1),
        _ => 2,
    }
}

impl Gantt {
    /// All that a report shows of it.
    pub fn measure(&self, now: Instant, measures: &mut Measures) {
        let ended = |job: &&JobBar| job.ended.is_some_and(|(_, well)| well);
        let done: Vec<&JobBar> = self.jobs.iter().filter(ended).collect();
        let took = |job: &&JobBar| job.ended.map_or(0, |(at, _)| at.since(job.began).0);
        let medians = self.medians(now);
        let slow = self.stragglers(now, &medians);
        let spent: u64 = self.bars.iter().map(|bar| bar.took(now)).sum();
        // What counted for a job that was given up was for nothing in the end.
        let given_up: SortedSet<u64> =
            self.jobs.iter().filter(|job| job.ended.is_some_and(|(_, well)| !well)).map(|job| job.run).collect();
        let counts = |bar: &&Bar| bar.counted && !given_up.contains(&bar.attempt.run);
        let useful: u64 = self.bars.iter().filter(counts).map(|bar| bar.took(now)).sum();
        let many = |which: &dyn Fn(&Bar) -> bool| self.bars.iter().filter(|bar| which(bar)).count() as f64;
        let mut set = |name, value| measures.set(METRICS, name, value);
        if let Some(longest) = done.iter().max_by_key(|job| took(job)) {
            set("makespan", took(longest) as f64);
            set("over_bound", took(longest) as f64 / self.bound(longest, now).max(1) as f64);
        }
        set("jobs_done", done.len() as f64);
        set("jobs_not_done", (self.jobs.len() - done.len()) as f64);
        set("executions", self.bars.len() as f64);
        let again = |bar: &Bar| !matches!(bar.cause, Cause::First | Cause::Backup);
        set("executed_again", many(&again));
        set("backups", many(&|bar| bar.cause == Cause::Backup));
        set("stragglers", slow.len() as f64);
        // What still runs is not wasted yet.
        let open: u64 = self.bars.iter().filter(|bar| bar.ended.is_none()).map(|bar| bar.took(now)).sum();
        set("wasted", if spent == 0 { 0.0 } else { (spent - useful).saturating_sub(open) as f64 / spent as f64 });
        measures.tables.push(self.job_table(now));
        measures.tables.push(self.why_table(now));
        measures.tables.push(self.straggler_table(now, &slow, &medians));
        if let Some(longest) = self.jobs.iter().max_by_key(|job| job.ended.map_or(now, |(at, _)| at).since(job.began)) {
            measures.tables.push(self.path_table(now, longest));
        }
        measures.tracks.push(self.track(now, &slow));
        measures.curves.push(self.curve(now));
    }

    /// The median time of executions that were done, stage by stage.
    fn medians(&self, now: Instant) -> SortedMap<(u64, u32), u64> {
        let mut all: SortedMap<(u64, u32), Vec<u64>> = SortedMap::new();
        for bar in self.bars.iter().filter(|bar| bar.counted) {
            all.entry((bar.attempt.run, bar.attempt.stage)).or_default().push(bar.took(now));
        }
        all.into_iter()
            .map(|(stage, mut times)| {
                times.sort_unstable();
                (stage, times[times.len() / 2])
            })
            .collect()
    }

    fn stragglers(&self, now: Instant, medians: &SortedMap<(u64, u32), u64>) -> Vec<usize> {
        let median = |bar: &Bar| medians.get(&(bar.attempt.run, bar.attempt.stage)).copied();
        let slow = |bar: &Bar| median(bar).is_some_and(|median| bar.took(now) >= STRAGGLES * median.max(1));
        let mut slow: Vec<usize> = (0..self.bars.len()).filter(|at| slow(&self.bars[*at])).collect();
        slow.sort_by_key(|at| core::cmp::Reverse(self.bars[*at].took(now)));
        slow
    }

    /// The least that a job could have taken, its executions as they were: each stage waits for the one before, and
    /// takes as long as its longest execution, and as all of them over all slots.
    #[must_use]
    pub fn bound(&self, job: &JobBar, now: Instant) -> u64 {
        let mut stages: SortedMap<u32, (u64, u64)> = SortedMap::new();
        for bar in self.bars.iter().filter(|bar| bar.counted && bar.attempt.run == job.run) {
            let from = if bar.attempt.stage == 0 { bar.began } else { bar.ready.unwrap_or(bar.began) };
            let took = bar.until(now).since(from).0;
            let (sum, longest) = stages.entry(bar.attempt.stage).or_default();
            (*sum, *longest) = (*sum + took, took.max(*longest));
        }
        let slots = |stage: u32| self.classes[self.class(stage)].slots.max(1);
        stages.iter().map(|(stage, (sum, longest))| (sum / slots(*stage)).max(*longest)).sum()
    }

    fn job_table(&self, now: Instant) -> Table {
        let columns = [
            Column::new("job", "Job", Holds::Text),
            Column::new("began", "Began", Holds::Moment),
            Column::new("took", "Took", Holds::Time),
            Column::new("ended", "Ended", Holds::Text),
            Column::new("bound", "Lower bound", Holds::Time),
            Column::new("executions", "Executions", Holds::Count),
            Column::new("tasks", "Tasks done", Holds::Count),
        ];
        let mut table = Table::new("jobs", "Jobs", &columns);
        "The lower bound is that of its stages one after the other: the longest execution that counted, or all of them \
         over all slots, whichever is more"
            .clone_into(&mut table.about);
        for job in self.jobs.iter().take(LISTED * 5) {
            let of = || self.bars.iter().filter(|bar| bar.attempt.run == job.run);
            let ended = match job.ended {
                Some((_, true)) => "done",
                Some((_, false)) => "given up",
                None => "not ended",
            };
            let until = job.ended.map_or(now, |(at, _)| at);
            table.rows.push(vec![
                job.name.as_str().into(),
                job.began.0.into(),
                until.since(job.began).0.into(),
                ended.into(),
                job.ended.map(|_| self.bound(job, now)).into(),
                (of().count() as u64).into(),
                (of().filter(|bar| bar.counted).count() as u64).into(),
            ]);
        }
        table
    }

    fn why_table(&self, now: Instant) -> Table {
        let columns = [
            Column::new("slots", "Executed", Holds::Text),
            Column::new("why", "Why", Holds::Text),
            Column::new("many", "Executions", Holds::Count),
            Column::new("counted", "Counted", Holds::Count),
            Column::new("stopped", "Stopped", Holds::Count),
            Column::new("failed", "Failed", Holds::Count),
            Column::new("lost", "Lost", Holds::Count),
            Column::new("time", "Time in slots", Holds::Time),
            Column::new("wasted", "Of that for nothing", Holds::Time),
        ];
        let mut table = Table::new("attempts", "Executions and their causes", &columns);
        "Why there were executions, and what came of them; what counted once and was lost later is not counted"
            .clone_into(&mut table.about);
        for (class, slots) in self.classes.iter().enumerate() {
            for cause in Cause::ALL {
                let of = |bar: &&Bar| self.class(bar.attempt.stage) == class && bar.cause == cause;
                let bars: Vec<&Bar> = self.bars.iter().filter(of).collect();
                if bars.is_empty() {
                    continue;
                }
                let how = |how| bars.iter().filter(|bar| bar.ended.is_some_and(|(_, of)| of == how)).count() as u64;
                let time = |which: &dyn Fn(&Bar) -> bool| -> u64 {
                    bars.iter().filter(|bar| which(bar)).map(|bar| bar.took(now)).sum()
                };
                table.rows.push(vec![
                    slots.name.into(),
                    cause.name().into(),
                    (bars.len() as u64).into(),
                    (bars.iter().filter(|bar| bar.counted).count() as u64).into(),
                    how(How::Stopped).into(),
                    how(How::Failed).into(),
                    how(How::Lost).into(),
                    time(&|_| true).into(),
                    time(&|bar| !bar.counted && bar.ended.is_some()).into(),
                ]);
            }
        }
        table
    }

    fn straggler_table(&self, now: Instant, slow: &[usize], medians: &SortedMap<(u64, u32), u64>) -> Table {
        let columns = [
            Column::new("task", "Task", Holds::Text),
            Column::new("node", "On", Holds::Text),
            Column::new("why", "Why", Holds::Text),
            Column::new("began", "Began", Holds::Moment),
            Column::new("took", "Took", Holds::Time),
            Column::new("median", "Median of its stage", Holds::Time),
            Column::new("ended", "Ended", Holds::Text),
        ];
        let mut table = Table::new("stragglers", "Stragglers", &columns);
        table.about = format!(
            "Executions that took twice the median of their stage or more: {}{}",
            slow.len(),
            if slow.len() > LISTED { "; the longest of them" } else { "" }
        );
        for bar in slow.iter().take(LISTED).map(|at| &self.bars[*at]) {
            table.rows.push(vec![
                self.label(bar.attempt).into(),
                bar.node.to_string().into(),
                bar.cause.name().into(),
                bar.began.0.into(),
                bar.took(now).into(),
                medians.get(&(bar.attempt.run, bar.attempt.stage)).copied().into(),
                bar.ended.map_or("not ended", |(_, how)| how.name()).into(),
            ]);
        }
        table
    }

    /// What the end of a job waited for, from the end backwards: each execution began, or had what it needs, when the
    /// one before it ended.
    fn path(&self, now: Instant, job: &JobBar) -> Vec<(usize, &'static str)> {
        let of = |bar: &Bar| bar.attempt.run == job.run;
        let all: Vec<usize> = (0..self.bars.len()).filter(|at| of(&self.bars[*at])).collect();
        let counted = all.iter().copied().filter(|at| self.bars[*at].counted);
        let Some(mut at) = counted.max_by_key(|at| (self.bars[*at].until(now), *at)) else { return Vec::new() };
        let (mut path, mut why) = (Vec::new(), "the job's end");
        loop {
            path.push((at, why));
            let bar = &self.bars[at];
            let ready = bar.ready.unwrap_or(bar.began);
            let ended = |other: &usize, by: Instant| self.bars[*other].ended.is_some_and(|(end, _)| end <= by);
            let last = |which: &dyn Fn(&Bar) -> bool, by: Instant| {
                let before = all.iter().copied().filter(|other| *other != at && ended(other, by));
                before.filter(|other| which(&self.bars[*other])).max_by_key(|other| self.bars[*other].until(now))
            };
            let input = last(&|other| other.attempt.stage < bar.attempt.stage && other.counted, ready);
            let waited = input.filter(|input| self.bars[*input].until(now) > bar.began);
            let slot = |other: &Bar| self.row(other) == self.row(bar);
            let task = |other: &Bar| (other.attempt.stage, other.attempt.task) == (bar.attempt.stage, bar.attempt.task);
            let next = match waited {
                Some(input) => Some((input, "its output")),
                None => {
                    let before = last(&|other| slot(other) || task(other), bar.began).or(input);
                    before.map(|at| (at, if task(&self.bars[at]) { "it to fail" } else { "its slot" }))
                }
            };
            match next {
                Some((next, for_what)) if path.len() < 200 => (at, why) = (next, for_what),
                _ => return path,
            }
        }
    }

    fn path_table(&self, now: Instant, job: &JobBar) -> Table {
        let columns = [
            Column::new("task", "Task", Holds::Text),
            Column::new("node", "On", Holds::Text),
            Column::new("began", "Began", Holds::Moment),
            Column::new("ready", "Had its input", Holds::Moment),
            Column::new("ended", "Ended", Holds::Moment),
            Column::new("for", "What waited for", Holds::Text),
        ];
        let mut table = Table::new("critical_path", "Critical path", &columns);
        let path = self.path(now, job);
        table.about = format!("What the end of {} waited for, the last first", job.name);
        for (at, why) in path.into_iter().take(LISTED) {
            let bar = &self.bars[at];
            table.rows.push(vec![
                self.label(bar.attempt).into(),
                bar.node.to_string().into(),
                bar.began.0.into(),
                bar.ready.map(|at| at.0).into(),
                bar.ended.map(|(at, _)| at.0).into(),
                why.into(),
            ]);
        }
        table
    }

    /// The chart, a row for each worker. Of many workers it has those with something to tell, and some of the others.
    fn track(&self, now: Instant, slow: &[usize]) -> Track {
        let mut track = Track::new("executions", "Executions over workers", "", self.classes[0].name)
            .or(self.classes.last().map_or("", |class| class.name), false)
            .or("again, after a loss or a failure", false)
            .or("backup", false)
            .or("failed or lost", true);
        let kind = |bar: &Bar| kind_of(self.class(bar.attempt.stage), bar);
        let rows: SortedSet<_> = self.bars.iter().map(|bar| bar.node).collect();
        let all = rows.len();
        let mut shown = SortedSet::new();
        if all <= ROWS {
            shown = rows;
        } else {
            let odd = self.bars.iter().filter(|bar| kind(bar) > 1).map(|bar| bar.node);
            for row in slow.iter().map(|at| self.bars[*at].node).chain(odd) {
                if shown.len() < ROWS / 2 {
                    shown.insert(row);
                }
            }
            let step = all / (ROWS - shown.len()) + 1;
            shown.extend(rows.into_iter().step_by(step));
        }
        track.about = match all - shown.len() {
            0 => "What each worker executed, those at one time below each other".into(),
            _ => format!("What workers executed; {} of {all}: where something was odd, and others", shown.len()).into(),
        };
        let mut bars: Vec<&Bar> = self.bars.iter().filter(|bar| shown.contains(&bar.node)).collect();
        bars.sort_by_key(|bar| (bar.node, bar.began));
        for bar in bars {
            let (row, label, kind) = (bar.node.to_string(), self.label(bar.attempt), kind(bar));
            let (start_ns, end_ns) = (bar.began.0, bar.until(now).0);
            track.spans.push(Span { row, label, kind, start_ns, end_ns });
        }
        track
    }

    /// How many executions of each class went on over time, on all workers.
    fn curve(&self, now: Instant) -> Curve {
        const POINTS: u64 = 200;
        let end = self.bars.iter().map(|bar| bar.until(now).0).max().unwrap_or(0);
        let at_ns: Vec<u64> = (0..=POINTS).map(|point| end / POINTS * point).collect();
        let kind = MetricKind::new("executing", "executions under way", Unit::Number, "of all workers together");
        let mut lines = Vec::new();
        for (class, slots) in self.classes.iter().enumerate() {
            let mut change = vec![0_i64; at_ns.len() + 1];
            for bar in self.bars.iter().filter(|bar| self.class(bar.attempt.stage) == class) {
                change[at_ns.partition_point(|at| *at < bar.began.0)] += 1;
                change[at_ns.partition_point(|at| *at < bar.until(now).0)] -= 1;
            }
            let mut sum = 0;
            let values = change.iter().take(at_ns.len()).map(|by| {
                sum += by;
                sum as f64
            });
            lines.push(Line { name: slots.name.to_owned(), values: values.collect() });
        }
        Curve { kind, at_ns, lines }
    }
}

/// Bytes as a cell of a table has them.
#[must_use]
pub fn bytes(count: u64) -> Cell {
    let (whole, unit) = match count {
        0..10_000 => (count, "B"),
        10_000..10_000_000 => (count / 1_000, "kB"),
        10_000_000..10_000_000_000 => (count / 1_000_000, "MB"),
        _ => (count / 1_000_000_000, "GB"),
    };
    format!("{whole} {unit}").into()
}
