//! What has happened to jobs, tasks and attempts in a run, as one who sees everything knows it, and what of that
//! breaks a rule.

use super::checks::{
    ATTEMPTS_BOUNDED, COMPLETIONS_ARE_KEPT, CRON_FIRES_ONCE, DONE_WAS_RUN, EFFECTS_ONCE, ONE_LEASE, PARENTS_FIRST,
    PRIORITY_KEPT, RESULTS_ARE_FENCED, RESULTS_ARE_KEPT, SLOTS_KEPT, SUBMITTED_ONCE,
};
use super::command::{Change, Why};
use super::job;
use super::message::{End, SchedulingFact, SchedulingRequest};
use super::options::{Config, CronMode, Policy};
use super::task::{JobId, JobSpec, Lease, Needs, TaskId, TaskSpec};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Instant, NodeId, Violation};
use std::rc::Rc;

/// A task.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub class: u8,
    /// When it was submitted.
    pub submitted: Instant,
    /// When it could first have run: its job was in the queue and its parents were done.
    pub ready: Option<Instant>,
    /// When it first ran.
    pub started: Option<Instant>,
    /// Under which lease it came to its result, and when.
    pub done: Option<(Lease, Instant)>,
    leased: Option<(Lease, NodeId)>,
    pub attempts: u32,
    pub failures: u32,
    pub given_up: bool,
    /// How many parents it waits for.
    waits: u32,
    told_done: bool,
    published: u32,
}

/// An attempt on its worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub worker: NodeId,
    pub slot: u32,
    pub lease: Lease,
    pub from: Instant,
    /// When it ended; `FAR` while it has not.
    pub to: Instant,
    /// How; `None` if its worker went down.
    pub how: Option<End>,
    pub remote: bool,
}

/// A job.
#[derive(Clone, Copy, Debug)]
pub(super) struct JobSeen {
    pub submitted: Instant,
    left: u32,
    /// When the last of its tasks was done.
    pub done: Option<Instant>,
}

/// All of it.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    config: Rc<Config>,
    specs: SortedMap<JobId, (JobSpec, Instant)>,
    pub jobs: SortedMap<JobId, JobSeen>,
    /// Jobs by what their clients called them.
    bases: SortedSet<JobId>,
    pub tasks: SortedMap<TaskId, Seen>,
    children: SortedMap<TaskId, Vec<TaskId>>,
    /// What the log has given to each worker.
    used: SortedMap<NodeId, Needs>,
    pub runs: Vec<Run>,
    open: SortedMap<(NodeId, Lease), usize>,
    ran_well: SortedSet<Lease>,
    /// Tasks that wait for a worker, by class.
    ready: Vec<SortedSet<TaskId>>,
    picked: SortedSet<TaskId>,
    leader: Option<NodeId>,
    /// The newest decision that was looked at.
    seen: (u64, u32),
    /// Jobs that clients were told of.
    pub told: SortedSet<JobId>,
    pub lost: SortedMap<Why, u64>,
    pub stolen: u64,
    /// Firings in the log, and when.
    pub fired: SortedMap<(u8, u64), (u32, Instant)>,
    pub decisions: u64,
    pub published: u64,
    pub registered: Vec<Instant>,
    /// Tasks that wait, and that run, whenever that changes.
    pub waiting: u64,
    pub running: u64,
    broken: Option<Violation>,
    now: Instant,
}

/// The bits of a job's number that a repeated submission must not change.
const SAME: u64 = !(0x7f << 56);

impl Ledger {
    pub fn new(config: &Rc<Config>) -> Self {
        Self {
            config: Rc::clone(config),
            specs: SortedMap::new(),
            jobs: SortedMap::new(),
            bases: SortedSet::new(),
            tasks: SortedMap::new(),
            children: SortedMap::new(),
            used: SortedMap::new(),
            runs: Vec::new(),
            open: SortedMap::new(),
            ran_well: SortedSet::new(),
            ready: vec![SortedSet::new(); usize::from(config.classes)],
            picked: SortedSet::new(),
            leader: None,
            seen: (0, 0),
            told: SortedSet::new(),
            lost: SortedMap::new(),
            stolen: 0,
            fired: SortedMap::new(),
            decisions: 0,
            published: 0,
            registered: Vec::new(),
            waiting: 0,
            running: 0,
            broken: None,
            now: Instant::ZERO,
        }
    }

    pub const fn at(&mut self, now: Instant) {
        self.now = now;
    }

    pub const fn take_broken(&mut self) -> Option<Violation> {
        self.broken.take()
    }

    fn breaks(&mut self, rule: &str, node: NodeId, detail: String) {
        let (rule, at) = (rule.to_owned(), self.now);
        self.broken.get_or_insert(Violation { rule, at, node: Some(node), detail });
    }

    /// A client submits something.
    pub fn on_invoked(&mut self, request: &SchedulingRequest) {
        if let SchedulingRequest::Submit(spec) = request {
            self.specs.insert(spec.job, (spec.clone(), self.now));
        }
    }

    /// A client was told that its job is in the queue.
    pub fn on_told(&mut self, request: &SchedulingRequest) {
        if let SchedulingRequest::Submit(spec) = request {
            self.told.insert(spec.job);
        }
    }

    /// A task as it was submitted.
    pub fn spec(&self, task: TaskId) -> Option<&TaskSpec> {
        let (spec, _) = self.specs.get(&task.job).or_else(|| self.specs.get(&JobId(task.job.0 & SAME)))?;
        spec.tasks.get(task.index as usize)
    }

    fn needs(&self, task: TaskId) -> Needs {
        self.spec(task).map_or(Needs::default(), |spec| spec.needs)
    }

    /// A worker went down with all that it ran.
    pub fn on_crash(&mut self, node: NodeId) {
        let from = (node, Lease::default());
        let of: Vec<(NodeId, Lease)> =
            self.open.range(from..).map(|(key, _)| *key).take_while(|(worker, _)| *worker == node).collect();
        for key in of {
            if let Some(run) = self.open.remove(&key) {
                self.runs[run].to = self.now;
                self.running = self.running.saturating_sub(1);
            }
        }
    }

    pub fn on_fact(&mut self, node: NodeId, fact: SchedulingFact) {
        match fact {
            SchedulingFact::Leads { .. } => {
                self.leader = Some(node);
                self.picked.clear();
            }
            SchedulingFact::SteppedDown { .. } if self.leader == Some(node) => self.leader = None,
            SchedulingFact::Accepted { number, job, again } if self.is_new(node, number, 0) && !again => {
                self.accept(node, job);
            }
            SchedulingFact::Decided { number, part, change, took } if self.is_new(node, number, part) && took => {
                self.decisions += 1;
                self.on_change(node, change);
            }
            SchedulingFact::Picks { task } => self.on_pick(node, task),
            SchedulingFact::ToldDone { lease, well: true } => {
                if let Some(seen) = self.tasks.get_mut(&lease.task) {
                    seen.told_done = true;
                }
            }
            SchedulingFact::Registered { .. } => self.registered.push(self.now),
            SchedulingFact::Started { lease, slot, remote } => {
                let (from, to) = (self.now, Instant::FAR);
                self.open.insert((node, lease), self.runs.len());
                self.runs.push(Run { worker: node, slot, lease, from, to, how: None, remote });
                self.running += 1;
                let now = self.now;
                if let Some(seen) = self.tasks.get_mut(&lease.task) {
                    seen.started.get_or_insert(now);
                }
            }
            SchedulingFact::Ended { lease, how } => {
                if let Some(run) = self.open.remove(&(node, lease)) {
                    (self.runs[run].to, self.runs[run].how) = (self.now, Some(how));
                    self.running = self.running.saturating_sub(1);
                }
                if how == End::Well {
                    self.ran_well.insert(lease);
                }
            }
            SchedulingFact::Gave { .. } => self.stolen += 1,
            SchedulingFact::Published { lease } => {
                self.published += 1;
                let seen = self.tasks.entry(lease.task).or_default();
                seen.published += 1;
                if seen.published > 1 {
                    let detail = format!("the result of {} is public a second time, as {lease}", lease.task);
                    self.breaks(EFFECTS_ONCE, node, detail);
                }
            }
            SchedulingFact::Missing { lease } => {
                let detail = format!("the result of {lease} is not there, though {node} had said that it was");
                self.breaks(RESULTS_ARE_KEPT, node, detail);
            }
            _ => {}
        }
    }

    /// Whether this decision was not seen at another scheduler. Who leads knows of each first: if it was another, one
    /// more has been elected, and has yet to say so.
    fn is_new(&mut self, node: NodeId, number: u64, part: u32) -> bool {
        let is = number > self.seen.0 || number == self.seen.0 && part >= self.seen.1;
        if is {
            self.seen = (number, part + 1);
            self.leader = self.leader.filter(|leader| *leader == node);
        }
        is
    }

    fn accept(&mut self, node: NodeId, job: JobId) {
        let base = JobId(job.0 & SAME);
        let (spec, submitted) = match job.firing() {
            Some((entry, due)) => (job::firing(&self.config, entry, due), Instant(due * 1_000_000)),
            None => match self.specs.get(&base) {
                Some((spec, submitted)) => (spec.clone(), *submitted),
                None => return,
            },
        };
        if job.firing().is_none() && !self.bases.insert(base) {
            let detail = format!("{base} is in the queue twice: a repeated submission is another job");
            self.breaks(SUBMITTED_ONCE, node, detail);
        }
        if job.firing().is_some() {
            self.specs.insert(job, (spec.clone(), submitted));
        }
        let (class, now) = (spec.class, self.now);
        self.jobs.insert(job, JobSeen { submitted, left: spec.tasks.len() as u32, done: None });
        for (index, task) in spec.tasks.iter().enumerate() {
            let id = TaskId { job, index: index as u32 };
            let open = task.parents.iter().filter(|parent| self.is_open(**parent));
            let open: Vec<TaskId> = open.copied().collect();
            let seen = self.tasks.entry(id).or_default();
            (seen.class, seen.submitted, seen.waits) = (class, submitted.min(now), open.len() as u32);
            for parent in &open {
                self.children.entry(*parent).or_default().push(id);
            }
            let dead = task.parents.iter().any(|parent| self.tasks.get(parent).is_some_and(|seen| seen.given_up));
            if dead {
                self.give_up(id);
            } else if open.is_empty() {
                self.make_ready(id);
            }
        }
    }

    fn is_open(&self, task: TaskId) -> bool {
        self.tasks.get(&task).is_none_or(|seen| seen.done.is_none() && !seen.given_up)
    }

    fn make_ready(&mut self, id: TaskId) {
        let now = self.now;
        if let Some(seen) = self.tasks.get_mut(&id) {
            seen.ready.get_or_insert(now);
            self.ready[usize::from(seen.class)].insert(id);
            self.waiting += 1;
        }
    }

    fn not_ready(&mut self, id: TaskId) {
        if self.ready.iter_mut().any(|ready| ready.remove(&id)) {
            self.waiting -= 1;
        }
        self.picked.remove(&id);
    }

    fn give_up(&mut self, id: TaskId) {
        let mut all = vec![id];
        while let Some(id) = all.pop() {
            self.not_ready(id);
            let Some(seen) = self.tasks.get_mut(&id).filter(|seen| !seen.given_up) else { continue };
            seen.given_up = true;
            all.extend(self.children.remove(&id).unwrap_or_default());
        }
    }

    /// A leader chooses: of the newest one, which knows all that was decided, nothing that is more urgent may wait.
    fn on_pick(&mut self, node: NodeId, task: TaskId) {
        self.picked.insert(task);
        if self.leader != Some(node) {
            return;
        }
        let (class, needs) = (self.tasks.get(&task).map_or(0, |seen| seen.class), self.needs(task));
        let more = self.ready.iter().take(usize::from(class)).flatten();
        let first = more.filter(|other| !self.picked.contains(other)).find(|other| self.needs(**other).fit(needs));
        if let Some(other) = first {
            let urgent = self.tasks.get(other).map_or(0, |seen| seen.class);
            let detail = format!("{task} of class {class} goes before {other} of class {urgent}, which waits");
            self.breaks(PRIORITY_KEPT, node, detail);
        }
    }

    fn on_change(&mut self, node: NodeId, change: Change) {
        match change {
            Change::Grant { task, worker, .. } => self.on_grant(node, task, worker),
            Change::Done { lease } => self.on_done(node, lease),
            Change::Lost { lease, why } => {
                *self.lost.entry(why).or_default() += 1;
                self.free(lease.task);
                let max = self.config.max_attempts;
                let Some(seen) = self.tasks.get_mut(&lease.task) else { return };
                seen.failures += u32::from(why != Why::Preempted);
                if seen.failures >= max {
                    self.give_up(lease.task);
                } else {
                    self.make_ready(lease.task);
                }
            }
            Change::Published { .. } => {}
            Change::Fire { entry, due, work } => self.on_fire(node, entry, due, work.is_some()),
        }
    }

    fn on_grant(&mut self, node: NodeId, task: TaskId, worker: NodeId) {
        let needs = self.needs(task);
        let parent = self.spec(task).and_then(|spec| {
            let undone = |parent: &&TaskId| self.tasks.get(parent).is_none_or(|seen| seen.done.is_none());
            spec.parents.iter().find(undone).copied()
        });
        if let Some(parent) = parent {
            self.breaks(PARENTS_FIRST, node, format!("{task} goes to {worker} before {parent} is done"));
        }
        self.not_ready(task);
        let max = self.config.max_attempts;
        let seen = self.tasks.entry(task).or_default();
        seen.attempts += 1;
        let (lease, before) = (Lease { task, attempt: seen.attempts }, seen.leased);
        let (told, failures) = (seen.told_done, seen.failures);
        seen.leased = Some((lease, worker));
        let used = self.used.entry(worker).or_default();
        *used = used.and(needs);
        let used = *used;
        if let Some((other, holder)) = before {
            self.breaks(ONE_LEASE, node, format!("{worker} gets {lease} while {holder} has {other}"));
        }
        if told {
            let detail = format!("{task} goes to {worker} although its worker was told that it is done");
            self.breaks(COMPLETIONS_ARE_KEPT, node, detail);
        }
        if failures >= max {
            let detail = format!("{task} is tried once more after {failures} attempts, and {max} is the limit");
            self.breaks(ATTEMPTS_BOUNDED, node, detail);
        }
        if self.config.policy.is_central() && !used.fit(self.config.room()) {
            let room = self.config.room();
            let detail = format!(
                "{worker} is given {lease}: {} cpus and {} MiB, and has {} and {}",
                used.cpus, used.memory, room.cpus, room.memory
            );
            self.breaks(SLOTS_KEPT, node, detail);
        }
    }

    /// What the log had given away for this task is free.
    fn free(&mut self, task: TaskId) {
        let needs = self.needs(task);
        let Some((_, worker)) = self.tasks.get_mut(&task).and_then(|seen| seen.leased.take()) else { return };
        if let Some(used) = self.used.get_mut(&worker) {
            *used = used.less(needs);
        }
    }

    fn on_done(&mut self, node: NodeId, lease: Lease) {
        let leased = self.tasks.get(&lease.task).and_then(|seen| seen.leased);
        if leased.is_none_or(|(of, _)| of != lease) {
            let has = leased.map_or("nobody has its lease".to_owned(), |(of, who)| format!("{who} has {of}"));
            self.breaks(RESULTS_ARE_FENCED, node, format!("the result of {lease} is taken, but {has}"));
        } else if !self.ran_well.contains(&lease) {
            self.breaks(DONE_WAS_RUN, node, format!("{lease} is taken for done, and nobody has run it to its end"));
        }
        self.not_ready(lease.task);
        self.free(lease.task);
        let now = self.now;
        if let Some(seen) = self.tasks.get_mut(&lease.task) {
            seen.done = Some((lease, now));
        }
        if let Some(job) = self.jobs.get_mut(&lease.task.job) {
            job.left = job.left.saturating_sub(1);
            if job.left == 0 {
                job.done = Some(now);
            }
        }
        for child in self.children.remove(&lease.task).unwrap_or_default() {
            let Some(seen) = self.tasks.get_mut(&child) else { continue };
            seen.waits = seen.waits.saturating_sub(1);
            if seen.waits == 0 && !seen.given_up {
                self.make_ready(child);
            }
        }
    }

    fn on_fire(&mut self, node: NodeId, entry: u8, due: u64, makes_task: bool) {
        let now = self.now;
        let fired = self.fired.entry((entry, due)).or_insert((0, now));
        fired.0 += 1;
        let times = fired.0;
        let (table, at) = (Rc::clone(&self.config.table), usize::from(entry));
        let name = table.entries.get(at).map_or_else(String::new, ToString::to_string);
        if times > 1 && self.config.cron_mode != CronMode::AtLeastOnce {
            let detail = format!("`{name}` fires {times} times for what was due at {due}ms");
            self.breaks(CRON_FIRES_ONCE, node, detail);
        }
        if table.next(at, due.saturating_sub(1)) != due {
            let detail = format!("`{name}` fires for {due}ms, when it is not due");
            self.breaks(CRON_FIRES_ONCE, node, detail);
        }
        if makes_task {
            let first = JobId::cron(entry, due);
            self.accept(node, if times > 1 { first.again() } else { first });
        }
    }

    /// Whether classes count.
    pub fn has_classes(&self) -> bool {
        self.config.classes > 1 || self.config.policy == Policy::Priority
    }
}
