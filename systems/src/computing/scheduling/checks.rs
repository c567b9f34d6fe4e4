//! What must hold, and what is judged in the end.

use super::ledger::Ledger;
use super::measure::Series;
use super::node::Machine;
use super::options::{Config, CronMode};
use super::queue::{Queue, Stage};
use super::scheduler::{LANE, Member, Scheduler};
use super::task::{JobId, TaskId};
use crate::consensus::raft::RaftProtocol;
use crate::consensus::raft::checks::RaftChecks;
use crate::shared::in_the_end;
use crate::shared::replication::{CouncilChecks, Protocol};
use sim_core::sorted::SortedSet;
use sim_core::{Instant, NodeId, Observed, Observer, Outcome, Verdict, Violation};
use std::rc::Rc;

sim_core::rules! {
    /// The result of a task becomes public once: that is its effect.
    pub const EFFECTS_ONCE: &str = "effects_once";
    /// No task is given to a worker before its parents are done.
    pub const PARENTS_FIRST: &str = "parents_first";
    /// The log never gives a task to a worker while another has its lease.
    pub const ONE_LEASE: &str = "one_lease";
    /// A task is done by the attempt that has its lease, never by an older one.
    pub const RESULTS_ARE_FENCED: &str = "results_are_fenced";
    /// A task is done only if a worker has run that attempt to its end.
    pub const DONE_WAS_RUN: &str = "done_was_run";
    /// A result that the collector has said to have is there when it is to become public.
    pub const RESULTS_ARE_KEPT: &str = "results_are_kept";
    /// What a worker was told to be done is never run again.
    pub const COMPLETIONS_ARE_KEPT: &str = "completions_are_kept";
    /// No task is tried more often than allowed.
    pub const ATTEMPTS_BOUNDED: &str = "attempts_bounded";
    /// No worker is given more than it has slots and memory for, where tasks wait at the scheduler.
    pub const SLOTS_KEPT: &str = "slots_kept";
    /// Nobody goes before one of a more urgent class that waits and fits, under the policy `priority`.
    pub const PRIORITY_KEPT: &str = "priority_kept";
    /// A submission that is repeated is one job.
    pub const SUBMITTED_ONCE: &str = "submitted_once";
    /// A job whose client was told that it was accepted is in the queue, or has been.
    pub const ACCEPTED_IS_KEPT: &str = "accepted_is_kept";
    /// In the end, each accepted task is done and its result public, or it was given up after all its attempts.
    pub const EVERY_TASK_ENDS: &str = "every_task_ends";
    /// No firing is made twice, or when nothing is due; firings that are promised at least once may be launched twice.
    pub const CRON_FIRES_ONCE: &str = "cron_fires_once";
    /// Each firing that was due has had its effect in the end, unless it is promised at most once.
    pub const CRON_MISSES_NONE: &str = "cron_misses_none";
    /// The schedulers' Raft keeps the rules of any other.
    pub const SCHEDULERS_AGREE: &str = "schedulers_agree";
}

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct SchedulingChecks {
    pub(super) config: Rc<Config>,
    pub(super) ledger: Ledger,
    pub(super) series: Series,
    council: Box<CouncilChecks<Member, RaftChecks>>,
    now: Instant,
}

impl SchedulingChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Rc<Config>) -> Self {
        let checks = RaftProtocol::checks::<Queue>(&config.group());
        Self {
            config: Rc::clone(config),
            ledger: Ledger::new(config),
            series: Series::new(),
            council: Box::new(CouncilChecks::new(SCHEDULERS_AGREE, LANE, checks)),
            now: Instant::ZERO,
        }
    }

    /// The scheduler that knows best how things ended: the newest leader, or who knows most.
    fn newest(nodes: &[Option<Machine>]) -> Option<(NodeId, &Scheduler)> {
        let all = in_the_end::each(nodes).filter_map(|(node, machine)| Some((node, machine.scheduler()?)));
        all.max_by_key(|(_, scheduler)| (scheduler.leads(), scheduler.queue().carried()))
    }

    /// What is wrong with tasks that have not ended.
    fn not_ended(&self, nodes: &[Option<Machine>], by: Instant) -> Option<(NodeId, String)> {
        let Some((node, scheduler)) = Self::newest(nodes) else {
            return Some((NodeId(0), "no scheduler is up: nobody knows what has become of any task".to_owned()));
        };
        let queue = scheduler.queue();
        let (mut waits, mut ready, mut leased, mut hidden, mut first) = (0_u64, 0_u64, 0_u64, 0_u64, None);
        // The cron table goes on to the last moment: what it fires after the faults need not have run.
        let counts = |task: &TaskId| task.job.firing().is_none_or(|(_, due)| due < by.0 / 1_000_000);
        for (task, state) in queue.tasks().filter(|(task, _)| counts(task)) {
            let what = match state.stage {
                Stage::Public | Stage::GivenUp => continue,
                Stage::Waiting => (waits += 1, "waits for its parents".to_owned()).1,
                Stage::Ready(_) => (ready += 1, "waits for a worker".to_owned()).1,
                Stage::Leased { worker, .. } => {
                    let runs = nodes[worker.index()].as_ref().and_then(Machine::worker);
                    let what = if runs.is_some_and(|worker| worker.runs(task)) { "runs on" } else { "is with" };
                    (leased += 1, format!("{what} {worker}")).1
                }
                Stage::Done => (hidden += 1, "is done, and its result is not public".to_owned()).1,
                Stage::Forgotten => "is in no queue any more".to_owned(),
            };
            first.get_or_insert((task, what));
        }
        if let Some((task, what)) = first {
            let registered = scheduler.registered();
            let detail = format!(
                "{task} {what}; in all {waits} tasks wait for parents, {ready} for a worker, {leased} are leased, \
                 {hidden} done and not public; {registered} of {} workers are known to the leader",
                self.config.workers
            );
            return Some((node, detail));
        }
        let collectors = in_the_end::each(nodes).filter_map(|(node, machine)| Some((node, machine.collector()?)));
        for (node, collector) in collectors {
            let done = self.ledger.tasks.iter().filter(|(task, seen)| seen.done.is_some() && counts(task));
            if let Some((task, _)) = done.into_iter().find(|(task, _)| !collector.has(**task)) {
                return Some((node, format!("{task} is done, and {node} does not have its result")));
            }
        }
        None
    }

    fn not_kept(&self, nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
        let (node, scheduler) = Self::newest(nodes)?;
        let gone = self.ledger.told.iter().find(|job| !scheduler.queue().knows(**job));
        gone.map(|job| (node, format!("{job} was accepted, its client was told so, and {node} does not know of it")))
    }

    /// Firings that were due by `by`.
    pub(super) fn due(&self, by: Instant) -> Vec<(u8, u64)> {
        let table = &self.config.table;
        let mut all = Vec::new();
        for entry in 0..table.entries.len() {
            let mut due = table.next(entry, 0);
            while due < by.0 / 1_000_000 {
                all.push((entry as u8, due));
                due = table.next(entry, due);
            }
        }
        all
    }

    /// Firings that have had their effect.
    pub(super) fn had_effect(&self, nodes: &[Option<Machine>]) -> Vec<(u8, u64)> {
        let mut all = Vec::new();
        for (_, collector) in in_the_end::each(nodes).filter_map(|(node, machine)| Some((node, machine.collector()?))) {
            match self.config.cron_mode {
                CronMode::Once => all.extend(self.ledger.fired.iter().flat_map(|((entry, due), (times, _))| {
                    let first = JobId::cron(*entry, *due);
                    let jobs = [first, first.again()].into_iter().take(*times as usize);
                    let had = jobs.filter(|job| collector.has(TaskId { job: *job, index: 0 }));
                    had.map(|_| (*entry, *due)).collect::<Vec<_>>()
                })),
                CronMode::AtLeastOnce | CronMode::AtMostOnce => {
                    all.extend(collector.ran().map(|kick| (kick.entry, kick.due)));
                }
            }
        }
        all
    }

    fn missed(&self, nodes: &[Option<Machine>], by: Instant) -> Option<(NodeId, String)> {
        let had: SortedSet<(u8, u64)> = self.had_effect(nodes).into_iter().collect();
        let due = self.due(by);
        let missed = due.iter().filter(|firing| !had.contains(firing)).count();
        let (entry, first) = due.iter().find(|firing| !had.contains(firing))?;
        let name = &self.config.table.entries[usize::from(*entry)];
        let detail = format!("`{name}` was due at {first}ms and has had no effect; {missed} of {} firings", due.len());
        Some((NodeId(0), detail))
    }

    /// What can be said at the end; `by` is when the last fault was healed.
    pub(super) fn verdicts(&self, nodes: &[Option<Machine>], by: Instant) -> Vec<Verdict> {
        let ledger = &self.ledger;
        let counted = |rule, many: u64, what: &str| Verdict::Pass { rule, detail: format!("{many} {what}") };
        let grants: u64 = ledger.tasks.values().map(|seen| u64::from(seen.attempts)).sum();
        let done = ledger.tasks.values().filter(|seen| seen.done.is_some()).count() as u64;
        let mut all = vec![
            counted(EFFECTS_ONCE, ledger.published, "results made public"),
            counted(PARENTS_FIRST, grants, "leases"),
            counted(ONE_LEASE, grants, "leases"),
            counted(RESULTS_ARE_FENCED, done, "results"),
            counted(DONE_WAS_RUN, done, "results"),
            counted(RESULTS_ARE_KEPT, ledger.published, "results made public"),
            counted(COMPLETIONS_ARE_KEPT, grants, "leases"),
            counted(ATTEMPTS_BOUNDED, grants, "leases"),
            counted(SUBMITTED_ONCE, ledger.jobs.len() as u64, "jobs"),
        ];
        if self.config.policy.is_central() {
            all.push(counted(SLOTS_KEPT, grants, "leases"));
        }
        if self.config.policy == super::options::Policy::Priority {
            all.push(counted(PRIORITY_KEPT, grants, "leases"));
        }
        // What nothing was looked at for says nothing.
        all.retain(|verdict| !matches!(verdict, Verdict::Pass { detail, .. } if detail.starts_with("0 ")));
        if !ledger.told.is_empty() {
            all.push(in_the_end::verdict(ACCEPTED_IS_KEPT, self.now, self.not_kept(nodes)));
        }
        all.push(in_the_end::verdict(EVERY_TASK_ENDS, self.now, self.not_ended(nodes, by)));
        if !self.config.table.entries.is_empty() {
            let fired = ledger.fired.values().map(|(times, _)| u64::from(*times)).sum();
            all.push(counted(CRON_FIRES_ONCE, fired, "firings"));
            if self.config.cron_mode != CronMode::AtMostOnce {
                all.push(in_the_end::verdict(CRON_MISSES_NONE, self.now, self.missed(nodes, by)));
            }
        }
        all.push(self.council.verdict(&nodes[..self.config.schedulers as usize]));
        all
    }
}

impl Observer<Machine> for SchedulingChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        self.now = at;
        self.ledger.at(at);
        match what {
            Observed::Noted { node, fact } => self.ledger.on_fact(*node, *fact),
            Observed::Crashed { node, .. } => self.ledger.on_crash(*node),
            Observed::Invoked { request, .. } => self.ledger.on_invoked(request),
            Observed::Returned { request, outcome: Outcome::Ok(_), .. } => self.ledger.on_told(request),
            _ => {}
        }
        self.series.look(at, &self.ledger);
        // What happens to other machines is nothing to the schedulers' group.
        if what.befalls(|node| node.0 < self.config.schedulers) {
            self.council.observe(at, what);
        }
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Machine>]) -> Result<(), Violation> {
        if stepped.0 < self.config.schedulers {
            self.council.after_step(at, stepped, nodes)?;
        }
        self.ledger.take_broken().map_or(Ok(()), Err)
    }
}
