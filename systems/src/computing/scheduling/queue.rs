//! What the schedulers agree on by Raft: which jobs there are, how far each task is, which firings were made. A task is
//! done when this says so, whatever any machine believes.

use super::bugs::SchedulingBug;
use super::command::{Answer, Change, Command, Looks, Why};
use super::message::Life;
use super::task::{JobId, JobSpec, Lease, Needs, TaskId, TaskSpec, mix};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, NodeId, StateMachine, hash};
use std::rc::Rc;

/// How far a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Its parents are not done.
    #[default]
    Waiting,
    /// It waits for a worker: its place in the queue.
    Ready(u64),
    /// A worker has its lease.
    Leased {
        /// Which.
        worker: NodeId,
        /// In which life.
        life: Life,
    },
    /// It has a result.
    Done,
    /// Its result is public.
    Public,
    /// It has failed too often, or waits for one that has.
    GivenUp,
    /// Nobody knows of it any more: a bug.
    Forgotten,
}

/// A task in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// How far it is.
    pub stage: Stage,
    /// How many leases it has had: the number of the newest.
    pub attempt: u32,
    /// How many of them came to nothing for a reason that counts.
    pub failures: u32,
    /// For how many parents it waits.
    waits: u32,
}

/// A job in the queue.
#[derive(Clone, Debug, Hash)]
pub struct Job {
    /// Its class.
    pub class: u8,
    /// Its tasks, as submitted.
    pub tasks: Rc<[TaskSpec]>,
    /// How far they are.
    pub states: Vec<State>,
    /// How many are neither public nor given up.
    left: u32,
}

/// The state.
#[derive(Clone, Debug, Hash)]
pub struct Queue {
    looks: Looks,
    jobs: SortedMap<JobId, Job>,
    /// Jobs of which nothing is left to do.
    over: SortedSet<JobId>,
    given_up: SortedSet<TaskId>,
    /// Who waits for whom.
    children: SortedMap<TaskId, Vec<TaskId>>,
    /// Tasks that wait for a worker, in the order in which they came to.
    ready: SortedMap<u64, TaskId>,
    last_place: u64,
    /// When each entry of the cron table fired last, by what it was due.
    fired: SortedMap<u8, u64>,
    /// Commands that were carried out.
    carried: u64,
    accepted: u64,
    done: u64,
    /// A number made of all that was ever done: for comparisons of replicas.
    print: u64,
}

impl Queue {
    /// Commands that were carried out.
    #[must_use]
    pub const fn carried(&self) -> u64 {
        self.carried
    }

    /// Tasks that were accepted, and that are done.
    #[must_use]
    pub const fn counts(&self) -> (u64, u64) {
        (self.accepted, self.done)
    }

    /// Tasks that wait for a worker behind place `after`, in order.
    pub fn ready_after(&self, after: u64) -> impl Iterator<Item = (u64, TaskId)> + '_ {
        self.ready.range(after + 1..).map(|(place, task)| (*place, *task))
    }

    /// How many tasks wait for a worker.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.ready.len()
    }

    /// A task that is not over: its class, what was submitted, how far it is.
    #[must_use]
    pub fn task(&self, id: TaskId) -> Option<(u8, &TaskSpec, State)> {
        let job = self.jobs.get(&id.job)?;
        Some((job.class, job.tasks.get(id.index as usize)?, *job.states.get(id.index as usize)?))
    }

    /// All jobs that are not over.
    pub fn jobs(&self) -> impl Iterator<Item = (JobId, &Job)> {
        self.jobs.iter().map(|(id, job)| (*id, job))
    }

    /// Tasks that are not over, with how far they are.
    pub fn tasks(&self) -> impl Iterator<Item = (TaskId, State)> + '_ {
        self.jobs.iter().flat_map(|(id, job)| {
            let of = move |(index, state): (usize, &State)| (TaskId { job: *id, index: index as u32 }, *state);
            job.states.iter().enumerate().map(of)
        })
    }

    /// Whether a job was accepted, whatever has become of it.
    #[must_use]
    pub fn knows(&self, job: JobId) -> bool {
        self.jobs.contains_key(&job) || self.over.contains(&job)
    }

    /// Tasks that were given up.
    #[must_use]
    pub fn given_up(&self) -> usize {
        self.given_up.len()
    }

    /// When an entry of the cron table fired last, by what it was due; 0 for never.
    #[must_use]
    pub fn fired(&self, entry: u8) -> u64 {
        self.fired.get(&entry).copied().unwrap_or(0)
    }

    fn state(&mut self, id: TaskId) -> Option<&mut State> {
        self.jobs.get_mut(&id.job)?.states.get_mut(id.index as usize)
    }

    /// Whether a task has a result.
    fn is_done(&self, id: TaskId) -> bool {
        match self.task(id) {
            Some((_, _, state)) => matches!(state.stage, Stage::Done | Stage::Public),
            None => self.over.contains(&id.job) && !self.given_up.contains(&id),
        }
    }

    /// Takes a job into the queue. Whether it was there already.
    fn accept(&mut self, spec: &JobSpec) -> bool {
        if self.knows(spec.job) {
            return true;
        }
        let tasks = Rc::clone(&spec.tasks);
        let many = tasks.len() as u32;
        self.accepted += u64::from(many);
        let job = Job { class: spec.class, states: vec![State::default(); tasks.len()], tasks, left: many };
        self.jobs.insert(spec.job, job);
        let mut lost = Vec::new();
        for (index, task) in spec.tasks.iter().enumerate() {
            let id = TaskId { job: spec.job, index: index as u32 };
            let mut waits = 0;
            for parent in &task.parents {
                if self.given_up.contains(parent) {
                    lost.push(id);
                } else if !self.is_done(*parent) {
                    self.children.entry(*parent).or_default().push(id);
                    waits += 1;
                }
            }
            if let Some(state) = self.state(id) {
                state.waits = waits;
            }
            if waits == 0 {
                self.put(id);
            }
        }
        lost.into_iter().for_each(|id| self.give_up(id));
        false
    }

    /// A task waits for a worker from now on.
    fn put(&mut self, id: TaskId) {
        self.last_place += 1;
        let place = self.last_place;
        if let Some(state) = self.state(id) {
            state.stage = Stage::Ready(place);
            self.ready.insert(place, id);
        }
    }

    /// Who waits for this task does not any more.
    fn wake(&mut self, parent: TaskId) {
        for child in self.children.remove(&parent).unwrap_or_default() {
            let Some(state) = self.state(child) else { continue };
            state.waits = state.waits.saturating_sub(1);
            if state.waits == 0 && state.stage == Stage::Waiting {
                self.put(child);
            }
        }
    }

    /// A task is not tried again, and neither is what waits for it.
    fn give_up(&mut self, id: TaskId) {
        let mut all = vec![id];
        while let Some(id) = all.pop() {
            let Some(state) = self.state(id) else { continue };
            if let Stage::Ready(place) = state.stage {
                self.ready.remove(&place);
            }
            let Some(state) = self.state(id).filter(|state| state.stage != Stage::GivenUp) else { continue };
            state.stage = Stage::GivenUp;
            self.given_up.insert(id);
            all.extend(self.children.remove(&id).unwrap_or_default());
            self.one_less(id.job);
        }
    }

    fn one_less(&mut self, id: JobId) {
        let Some(job) = self.jobs.get_mut(&id) else { return };
        job.left = job.left.saturating_sub(1);
        if job.left == 0 {
            self.jobs.remove(&id);
            self.over.insert(id);
        }
    }

    /// Carries out a change. Whether it changed anything.
    fn change(&mut self, change: Change) -> bool {
        match change {
            Change::Grant { task, worker, life } => self.grant(task, worker, life),
            Change::Done { lease } => self.finish(lease),
            Change::Lost { lease, why } => self.lose(lease, why),
            Change::Published { task } => {
                let Some(state) = self.state(task).filter(|state| state.stage == Stage::Done) else { return false };
                state.stage = Stage::Public;
                self.one_less(task.job);
                true
            }
            Change::Fire { entry, due, work } => self.fire(entry, due, work),
        }
    }

    fn grant(&mut self, task: TaskId, worker: NodeId, life: Life) -> bool {
        let regrants = self.looks.regrants;
        let Some(state) = self.state(task) else { return false };
        match state.stage {
            Stage::Ready(place) => {
                (state.stage, state.attempt) = (Stage::Leased { worker, life }, state.attempt + 1);
                self.ready.remove(&place);
                true
            }
            Stage::Leased { .. } if regrants => {
                (state.stage, state.attempt) = (Stage::Leased { worker, life }, state.attempt + 1);
                true
            }
            _ => false,
        }
    }

    fn finish(&mut self, lease: Lease) -> bool {
        let Looks { unfenced, orphans, .. } = self.looks;
        let Some(state) = self.state(lease.task) else { return false };
        let place = match state.stage {
            Stage::Leased { .. } if state.attempt == lease.attempt || unfenced => None,
            Stage::Ready(place) if unfenced => Some(place),
            _ => return false,
        };
        state.stage = Stage::Done;
        self.done += 1;
        if let Some(place) = place {
            self.ready.remove(&place);
        }
        if !orphans || lease.attempt == 1 {
            self.wake(lease.task);
        }
        true
    }

    fn lose(&mut self, lease: Lease, why: Why) -> bool {
        let Looks { max_attempts, early, uncounted, forgets, .. } = self.looks;
        let Some(state) = self.state(lease.task) else { return false };
        if !matches!(state.stage, Stage::Leased { .. }) || state.attempt != lease.attempt {
            return false;
        }
        let counts = match why {
            Why::Preempted => false,
            Why::Expired | Why::Restarted => !uncounted,
            Why::Failed | Why::Overdue => true,
        };
        state.failures += u32::from(counts);
        if state.failures >= max_attempts {
            self.give_up(lease.task);
        } else if why == Why::Preempted && forgets {
            state.stage = Stage::Forgotten;
        } else {
            self.put(lease.task);
        }
        if early && why == Why::Failed {
            self.wake(lease.task);
        }
        true
    }

    fn fire(&mut self, entry: u8, due: u64, work: Option<Duration>) -> bool {
        let last = self.fired(entry);
        if due <= last && !self.looks.fires_twice {
            return false;
        }
        self.fired.insert(entry, due.max(last));
        if let Some(work) = work {
            let first = JobId::cron(entry, due);
            let job = if self.knows(first) { first.again() } else { first };
            let needs = Needs { cpus: 1, memory: 0 };
            let task = TaskSpec { work, needs, parents: Vec::new(), rank: work, block: 0, luck: mix(job.0) };
            self.accept(&JobSpec { job, class: 0, tasks: core::iter::once(task).collect() });
        }
        true
    }
}

impl StateMachine for Queue {
    type Command = Command;
    type Response = Answer;
    type Snapshot = Self;

    fn start() -> Self {
        Self {
            looks: Looks::with(u32::MAX, SchedulingBug::None),
            jobs: SortedMap::new(),
            over: SortedSet::new(),
            given_up: SortedSet::new(),
            children: SortedMap::new(),
            ready: SortedMap::new(),
            last_place: 0,
            fired: SortedMap::new(),
            carried: 0,
            accepted: 0,
            done: 0,
            print: 0,
        }
    }

    fn apply(&mut self, command: &Command) -> Answer {
        self.carried += 1;
        let answer = match command {
            Command::Barrier(looks) => {
                self.looks = *looks;
                Answer::Done
            }
            Command::Submit(spec) => Answer::Accepted { again: self.accept(spec) },
            Command::Step(changes) => Answer::Took(changes.iter().map(|change| self.change(*change)).collect()),
            Command::Check => Answer::Done,
        };
        self.print = hash::of(&[self.print, hash::content(&answer), self.last_place, self.done]);
        answer
    }

    fn read(&self, _: &Command) -> Answer {
        Answer::Done
    }

    fn is_read(_: &Command) -> bool {
        false
    }

    fn snapshot(&self) -> Self {
        self.clone()
    }

    fn restore(snapshot: &Self) -> Self {
        snapshot.clone()
    }

    fn command_bytes(command: &Command) -> u32 {
        match command {
            Command::Barrier(_) | Command::Check => 16,
            Command::Submit(spec) => 16 + 48 * spec.tasks.len() as u32,
            Command::Step(changes) => 16 + 24 * changes.len() as u32,
        }
    }

    fn response_bytes(answer: &Answer) -> u32 {
        if let Answer::Took(took) = answer { 8 + took.len() as u32 / 8 } else { 8 }
    }

    fn snapshot_bytes(snapshot: &Self) -> u64 {
        let tasks: usize = snapshot.jobs.values().map(|job| job.tasks.len()).sum();
        64 + 64 * tasks as u64 + 8 * snapshot.over.len() as u64
    }

    fn digest(&self) -> u64 {
        self.print
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const W: NodeId = NodeId(3);

    fn spec(job: u64, parents: &[&[u32]]) -> JobSpec {
        let job = JobId(job);
        let task = |parents: &&[u32]| TaskSpec {
            work: Duration::secs(1),
            needs: Needs { cpus: 1, memory: 0 },
            parents: parents.iter().map(|index| TaskId { job, index: *index }).collect(),
            rank: Duration::secs(1),
            block: 0,
            luck: 0,
        };
        JobSpec { job, class: 0, tasks: parents.iter().map(task).collect() }
    }

    fn step(queue: &mut Queue, change: Change) -> bool {
        queue.apply(&Command::Step(Rc::new([change]))) == Answer::Took(Rc::new([true]))
    }

    fn grant(queue: &mut Queue, task: TaskId) -> bool {
        step(queue, Change::Grant { task, worker: W, life: Life(1) })
    }

    #[test]
    fn tasks_run_behind_their_parents_and_results_count_under_their_lease_alone() {
        let mut queue = Queue::start();
        queue.apply(&Command::Barrier(Looks::with(2, SchedulingBug::None)));
        assert_eq!(queue.apply(&Command::Submit(spec(7, &[&[], &[0]]))), Answer::Accepted { again: false });
        assert_eq!(queue.apply(&Command::Submit(spec(7, &[&[], &[0]]))), Answer::Accepted { again: true });
        let id = |index| TaskId { job: JobId(7), index };
        let lease = |index, attempt| Lease { task: id(index), attempt };
        assert!(!grant(&mut queue, id(1)), "its parent is not done");
        assert!(grant(&mut queue, id(0)) && !grant(&mut queue, id(0)));
        assert!(step(&mut queue, Change::Lost { lease: lease(0, 1), why: Why::Expired }));
        assert!(grant(&mut queue, id(0)));
        assert!(!step(&mut queue, Change::Done { lease: lease(0, 1) }), "an old attempt");
        assert!(step(&mut queue, Change::Done { lease: lease(0, 2) }));
        assert_eq!(queue.ready_after(0).map(|(_, task)| task).collect::<Vec<_>>(), [id(1)]);
        assert!(step(&mut queue, Change::Published { task: id(0) }));
        for attempt in [1, 2] {
            assert!(grant(&mut queue, id(1)));
            assert!(step(&mut queue, Change::Lost { lease: lease(1, attempt), why: Why::Failed }));
        }
        assert_eq!((queue.given_up(), queue.jobs().count(), queue.knows(JobId(7))), (1, 0, true));
        assert_eq!(queue.counts(), (2, 1));
    }

    #[test]
    fn who_waits_for_what_is_given_up_is_given_up() {
        let mut queue = Queue::start();
        queue.apply(&Command::Barrier(Looks::with(1, SchedulingBug::None)));
        queue.apply(&Command::Submit(spec(1, &[&[], &[0], &[1], &[]])));
        let id = |index| TaskId { job: JobId(1), index };
        grant(&mut queue, id(0));
        step(&mut queue, Change::Lost { lease: Lease { task: id(0), attempt: 1 }, why: Why::Failed });
        assert_eq!(queue.given_up(), 3, "the second and the third wait for the first");
        assert_eq!(queue.ready_after(0).map(|(_, task)| task).collect::<Vec<_>>(), [id(3)]);
    }

    #[test]
    fn a_firing_is_made_once() {
        let mut queue = Queue::start();
        let fire = |due| Change::Fire { entry: 0, due, work: Some(Duration::secs(1)) };
        assert!(step(&mut queue, fire(500)) && !step(&mut queue, fire(500)) && !step(&mut queue, fire(400)));
        assert!(step(&mut queue, fire(600)));
        assert_eq!((queue.fired(0), queue.counts().0), (600, 2));
    }
}
