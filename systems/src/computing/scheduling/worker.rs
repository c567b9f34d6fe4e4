//! A worker, the essays' handler: runs tasks in its slots, answers for their leases, brings results to the collector.
//! Nothing of it survives a crash: what it ran is run again elsewhere.

use super::bugs::SchedulingBug;
use super::job;
use super::message::{End, Kick, Life, Parcel, SchedulingFact, SchedulingMessage};
use super::node::{BEAT, Fx, WORK};
use super::options::{Config, Policy};
use super::task::{JobId, Lease, Needs, TaskId};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, LocalInstant, NodeId};
use std::collections::VecDeque;
use std::rc::Rc;

/// A task that runs.
#[derive(Clone, Copy, Debug)]
struct Running {
    parcel: Parcel,
    until: LocalInstant,
}

/// What stands in its queue.
#[derive(Clone, Copy, Debug)]
enum Queued {
    /// A task.
    Task(Parcel),
    /// A place for one.
    Place(JobId),
}

/// An attempt that has ended, until the schedulers have taken that in.
#[derive(Clone, Copy, Debug)]
struct Over {
    well: bool,
    /// Whether its result is at the collector.
    staged: bool,
}

/// A worker.
#[derive(Clone, Debug)]
pub struct Worker {
    config: Rc<Config>,
    me: NodeId,
    life: Life,
    /// Whom it takes for the leader, and how many beats that has not been heard.
    leader: Option<NodeId>,
    unheard: u32,
    /// Whom it asks next if it knows of no leader.
    asks: u32,
    slots: Vec<Option<Running>>,
    used: Needs,
    queue: VecDeque<Queued>,
    over: SortedMap<Lease, Over>,
    /// Leases that it was given already: a message may come twice.
    seen: SortedSet<Lease>,
    /// Places it has asked about, each of which keeps a slot.
    wants: SortedMap<JobId, (u32, LocalInstant)>,
    /// Firings that run, and firings whose results are on their way.
    firings: SortedMap<Kick, LocalInstant>,
    ran: SortedMap<Kick, bool>,
    /// Leases that it answers for though a thief has the task: a bug.
    ghosts: SortedSet<Lease>,
    steals_at: Option<LocalInstant>,
}

/// How long a worker that knows of no leader waits before it asks the next scheduler.
const SEARCH: Duration = Duration::millis(250);
/// How many beats a leader may be silent.
const SILENCE: u32 = 3;

impl Worker {
    pub(super) fn boot(config: &Rc<Config>, me: NodeId, fx: &mut Fx<'_>) -> Self {
        let life = Life(fx.rng().next_u64());
        let this = Self {
            config: Rc::clone(config),
            me,
            life,
            leader: None,
            unheard: 0,
            asks: me.0,
            slots: vec![None; config.slots as usize],
            used: Needs::default(),
            queue: VecDeque::new(),
            over: SortedMap::new(),
            seen: SortedSet::new(),
            wants: SortedMap::new(),
            firings: SortedMap::new(),
            ran: SortedMap::new(),
            ghosts: SortedSet::new(),
            steals_at: None,
        };
        // Not all at once.
        let first = Duration(fx.rng().below(config.beat.0.min(100_000_000)));
        fx.arm(BEAT, first);
        this
    }

    /// How many tasks run.
    #[must_use]
    pub fn running(&self) -> u64 {
        self.slots.iter().flatten().count() as u64
    }

    /// How many wait in its queue.
    #[must_use]
    pub fn queued(&self) -> u64 {
        self.queue.len() as u64
    }

    /// Whether it runs this task now.
    #[must_use]
    pub fn runs(&self, task: TaskId) -> bool {
        self.slots.iter().flatten().any(|running| running.parcel.lease.task == task)
    }

    fn beat(&self) -> SchedulingMessage {
        SchedulingMessage::Beat { life: self.life, held: self.held(), running: self.running() as u32 }
    }

    fn held(&self) -> Vec<Lease> {
        let running = self.slots.iter().flatten().map(|running| running.parcel.lease);
        let queued = self.queue.iter().filter_map(|queued| match queued {
            Queued::Task(parcel) => Some(parcel.lease),
            Queued::Place(_) => None,
        });
        running.chain(queued).chain(self.over.keys().copied()).chain(self.ghosts.iter().copied()).collect()
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: SchedulingMessage, fx: &mut Fx<'_>) {
        match message {
            SchedulingMessage::Heard => self.on_leader(from),
            SchedulingMessage::Elsewhere { leader } => self.on_elsewhere(from, leader, fx),
            SchedulingMessage::Launch { life, parcel } if life == self.life => self.on_task(parcel, fx),
            SchedulingMessage::Stop { lease } => self.on_stop(from, lease, fx),
            SchedulingMessage::Staged { lease } => {
                if let Some(over) = self.over.get_mut(&lease) {
                    over.staged = true;
                    self.tell_finished(lease, fx);
                }
            }
            SchedulingMessage::Noted { lease } => _ = self.over.remove(&lease),
            SchedulingMessage::Reserve { job } => {
                self.queue.push_back(Queued::Place(job));
                self.fill(fx);
            }
            SchedulingMessage::Nothing { job } => {
                self.unwant(job);
                self.fill(fx);
            }
            SchedulingMessage::Steal => self.on_steal(from, fx),
            SchedulingMessage::Stolen { parcel } => self.on_task(parcel, fx),
            SchedulingMessage::Keeps => {}
            SchedulingMessage::Kick(kick) => self.on_kick(kick, fx),
            SchedulingMessage::RanStaged(kick) => {
                if let Some(staged) = self.ran.get_mut(&kick) {
                    *staged = true;
                    self.tell_kicked(kick, fx);
                    self.ran.remove(&kick);
                }
            }
            _ => {}
        }
    }

    pub(super) fn on_beat(&mut self, fx: &mut Fx<'_>) {
        self.unheard += 1;
        if self.unheard > SILENCE {
            self.leader = None;
        }
        let to = self.leader.unwrap_or_else(|| {
            self.asks = (self.asks + 1) % self.config.schedulers;
            NodeId(self.asks)
        });
        fx.send(to, self.beat());
        let over: Vec<(Lease, Over)> = self.over.iter().map(|(lease, over)| (*lease, *over)).collect();
        for (lease, over) in over {
            if over.staged || !over.well {
                self.tell_finished(lease, fx);
            } else {
                fx.send(self.config.collector(), SchedulingMessage::Result { lease });
            }
        }
        for kick in self.ran.keys() {
            fx.send(self.config.collector(), SchedulingMessage::Ran(*kick));
        }
        let now = fx.now();
        let patience = self.config.beat.times(2);
        self.wants.retain(|_, (_, since)| now.since(*since) < patience);
        self.fill(fx);
        // Who knows of no leader looks for one more often.
        fx.arm(BEAT, if self.leader.is_some() { self.config.beat } else { self.config.beat.min(SEARCH) });
    }

    fn on_leader(&mut self, from: NodeId) {
        (self.leader, self.unheard) = (Some(from), 0);
    }

    fn on_elsewhere(&mut self, from: NodeId, leader: Option<NodeId>, fx: &mut Fx<'_>) {
        if self.leader == Some(from) {
            self.leader = None;
        }
        if let Some(leader) = leader.filter(|leader| self.leader.is_none() && *leader != from) {
            self.leader = Some(leader);
            let spread = self.config.register_spread;
            if spread > Duration::ZERO {
                let wait = Duration(fx.rng().below(spread.0));
                fx.arm(BEAT, wait);
            } else {
                fx.send(leader, self.beat());
            }
        }
    }

    fn on_task(&mut self, parcel: Parcel, fx: &mut Fx<'_>) {
        self.unwant(parcel.lease.task.job);
        if self.seen.insert(parcel.lease) {
            // A slot is kept for what it has asked for: places behind that one wait.
            match self.config.policy {
                Policy::Sparrow => self.queue.push_front(Queued::Task(parcel)),
                _ => self.queue.push_back(Queued::Task(parcel)),
            }
        }
        self.fill(fx);
    }

    fn unwant(&mut self, job: JobId) {
        if let Some((many, _)) = self.wants.get_mut(&job) {
            *many -= 1;
            if *many == 0 {
                self.wants.remove(&job);
            }
        }
    }

    /// Runs what there is room for, in the order of the queue.
    fn fill(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        loop {
            let wanted: u32 = self.wants.values().map(|(many, _)| many).sum();
            let room = self.config.room().less(self.used).less(Needs { cpus: wanted, memory: 0 });
            match self.queue.front().copied() {
                Some(Queued::Task(parcel)) if parcel.needs.fit(self.config.room().less(self.used)) => {
                    self.queue.pop_front();
                    self.start(parcel, fx);
                }
                Some(Queued::Place(job)) if room.cpus > 0 && self.leader.is_some() => {
                    self.queue.pop_front();
                    let (many, since) = self.wants.entry(job).or_insert((0, now));
                    (*many, *since) = (*many + 1, now);
                    if let Some(leader) = self.leader {
                        fx.send(leader, SchedulingMessage::Want { life: self.life, job });
                    }
                }
                _ => break,
            }
        }
        if self.config.policy == Policy::Stealing {
            self.steal(fx);
        }
        self.arm(fx);
    }

    fn start(&mut self, parcel: Parcel, fx: &mut Fx<'_>) {
        let Some(slot) = self.slots.iter().position(Option::is_none) else { return };
        let Parcel { lease, luck, .. } = parcel;
        let remote = self.config.remote > 100 && !self.config.has_block(self.me, parcel.block);
        let factor = u64::from(job::straggles(&self.config, luck, lease.attempt));
        let mut time = self.config.time_on(self.me, parcel.work).times(factor);
        if remote {
            time = Duration((u128::from(time.0) * u128::from(self.config.remote) / 100) as u64);
        }
        self.slots[slot] = Some(Running { parcel, until: fx.now() + time });
        self.used = self.used.and(parcel.needs);
        fx.note(SchedulingFact::Started { lease, slot: slot as u32, remote });
    }

    /// Something has run.
    pub(super) fn on_work(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        for slot in 0..self.slots.len() {
            let Some(Running { parcel, until }) = self.slots[slot] else { continue };
            if until > now {
                continue;
            }
            self.slots[slot] = None;
            self.used = self.used.less(parcel.needs);
            let lease = parcel.lease;
            let well = !job::fails(&self.config, parcel.luck, lease.attempt);
            fx.note(SchedulingFact::Ended { lease, how: if well { End::Well } else { End::Failed } });
            self.over.insert(lease, Over { well, staged: false });
            if well {
                fx.send(self.config.collector(), SchedulingMessage::Result { lease });
            } else {
                self.tell_finished(lease, fx);
            }
        }
        let done: Vec<Kick> = self.firings.iter().filter(|(_, until)| **until <= now).map(|(kick, _)| *kick).collect();
        for kick in done {
            self.firings.remove(&kick);
            self.ran.insert(kick, false);
            fx.send(self.config.collector(), SchedulingMessage::Ran(kick));
        }
        self.fill(fx);
    }

    fn arm(&self, fx: &mut Fx<'_>) {
        let ends = self.slots.iter().flatten().map(|running| running.until);
        let next = ends.chain(self.firings.values().copied()).chain(self.steals_at).min();
        match next {
            Some(due) => fx.arm(WORK, Duration(due.0.saturating_sub(fx.now().0))),
            None => fx.disarm(WORK),
        }
    }

    fn tell_finished(&self, lease: Lease, fx: &mut Fx<'_>) {
        let Some(over) = self.over.get(&lease) else { return };
        if let Some(leader) = self.leader {
            fx.send(leader, SchedulingMessage::Finished { life: self.life, lease, well: over.well });
        }
    }

    fn on_stop(&mut self, from: NodeId, lease: Lease, fx: &mut Fx<'_>) {
        self.over.remove(&lease);
        self.ghosts.remove(&lease);
        self.seen.insert(lease);
        self.queue.retain(|queued| !matches!(queued, Queued::Task(parcel) if parcel.lease == lease));
        let at = self.slots.iter().position(|slot| slot.is_some_and(|running| running.parcel.lease == lease));
        if let Some(running) = at.and_then(|slot| self.slots[slot].take()) {
            self.used = self.used.less(running.parcel.needs);
            fx.note(SchedulingFact::Ended { lease, how: End::Stopped });
        }
        fx.send(from, SchedulingMessage::Stopped { life: self.life, lease });
        self.fill(fx);
    }

    /// Asks another for work, if it has none and time has come.
    fn steal(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let has_room = self.used.cpus < self.config.slots && self.queue.is_empty();
        if !has_room || self.config.workers < 2 {
            self.steals_at = None;
            return;
        }
        if self.steals_at.is_some_and(|at| at > now) {
            return;
        }
        let first = self.config.schedulers;
        let mut victim = NodeId(first + fx.rng().below(u64::from(self.config.workers) - 1) as u32);
        if victim >= self.me {
            victim = NodeId(victim.0 + 1);
        }
        fx.send(victim, SchedulingMessage::Steal);
        self.steals_at = Some(now + Duration(self.config.task_time.0 / 8).max(Duration::millis(2)));
    }

    /// The newest task in the queue goes: the oldest will run here soon.
    fn on_steal(&mut self, thief: NodeId, fx: &mut Fx<'_>) {
        let at = self.queue.iter().rposition(|queued| matches!(queued, Queued::Task(_)));
        let Some(Queued::Task(parcel)) = at.and_then(|at| self.queue.remove(at)) else {
            fx.send(thief, SchedulingMessage::Keeps);
            return;
        };
        if self.config.has(SchedulingBug::ThiefUnacknowledged) {
            self.ghosts.insert(parcel.lease);
        }
        // It is the thief's from now on: should it never get there, its lease runs out.
        fx.note(SchedulingFact::Gave { lease: parcel.lease, to: thief });
        fx.send(thief, SchedulingMessage::Stolen { parcel });
    }

    fn on_kick(&mut self, kick: Kick, fx: &mut Fx<'_>) {
        if !self.firings.contains_key(&kick) && !self.ran.contains_key(&kick) {
            self.firings.insert(kick, fx.now() + self.config.cron_time);
        }
        self.arm(fx);
    }

    fn tell_kicked(&self, kick: Kick, fx: &mut Fx<'_>) {
        // Whoever leads by now is told; it may be another than the one that launched it.
        (0..self.config.schedulers).for_each(|node| fx.send(NodeId(node), SchedulingMessage::Kicked(kick)));
    }
}
