//! Nodes moved by hand: nothing happens unless a test or a transcript says so. One driver for every system, with the
//! engine's own disk. [`Hand`] is one machine whose peers are played by the test; [`Table`] has several, and the
//! messages between them lie on a wire until they are delivered.

mod table;

pub use table::{Letter, Table, Told};

use crate::disk::Disk;
use crate::fault::OnCrash;
use crate::sorted::SortedMap;
use crate::{
    Completion, Duration, Effect, Effects, Instant, LocalInstant, Node, NodeId, Order, Purpose, Rng, Ticket, Timer,
    WriteId, Writes,
};
use std::collections::VecDeque;

/// One machine: a node, its clock, its timers and its disk.
///
/// What a step gives back is what leaves the machine: messages, answers, facts, work, and that it halts. Timers, writes
/// and syncs are carried out. A write is durable once [`Hand::sync`] says so, or after every step while
/// [`Hand::syncs`] is set.
#[derive(Clone, Debug)]
pub struct Hand<N: Node> {
    config: N::Config,
    me: NodeId,
    node: Option<N>,
    /// What its clock shows.
    pub now: LocalInstant,
    /// Whether its disk catches up by itself after every step.
    pub syncs: bool,
    timers: SortedMap<Timer, LocalInstant>,
    disk: Disk<N::Record>,
    writes: Writes,
    /// The sync in flight.
    flight: Option<u32>,
    /// Every write up to this one is known to the node to be durable.
    settled: WriteId,
    /// What waits for a write to be durable, in the order in which that was said.
    waiting: VecDeque<(WriteId, Effect<N>)>,
    reads: VecDeque<WriteId>,
    rng: Rng,
}

impl<N: Node> Hand<N>
where
    N::Config: Clone,
{
    /// A machine that is not running yet; `seed` and `me` make its luck.
    #[must_use]
    pub fn down(config: &N::Config, me: NodeId, seed: u64) -> Self {
        Self {
            config: config.clone(),
            me,
            node: None,
            now: LocalInstant(0),
            syncs: false,
            timers: SortedMap::new(),
            disk: Disk::new(),
            writes: Writes::default(),
            flight: None,
            settled: WriteId(0),
            waiting: VecDeque::new(),
            reads: VecDeque::new(),
            rng: Rng::stream(seed, Purpose::Node, u64::from(me.0)),
        }
    }

    /// What all nodes are configured with.
    #[must_use]
    pub const fn config(&self) -> &N::Config {
        &self.config
    }

    /// Which node this is.
    #[must_use]
    pub const fn me(&self) -> NodeId {
        self.me
    }

    /// The node.
    ///
    /// # Panics
    /// If it is down.
    #[must_use]
    pub fn node(&self) -> &N {
        self.node.as_ref().expect("the node is running")
    }

    /// The node, if it is running.
    #[must_use]
    pub const fn running(&self) -> Option<&N> {
        self.node.as_ref()
    }

    /// Whether it is running.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.node.is_some()
    }

    /// Gives the node one input; one that is down ignores it.
    pub fn step(&mut self, input: impl FnOnce(&mut N, &mut Effects<'_, N>)) -> Vec<Effect<N>> {
        let mut out = Vec::new();
        if let Some(node) = &mut self.node {
            input(node, &mut Effects::new(self.me, self.now, &mut self.rng, &mut self.writes, &mut out));
        }
        let mut left = self.carry_out(out);
        if self.syncs {
            left.extend(self.sync());
        }
        left
    }

    /// A message arrives.
    pub fn tell(&mut self, from: NodeId, message: N::Message) -> Vec<Effect<N>> {
        self.step(|node, fx| node.on_message(from, message, fx))
    }

    /// A client asks.
    pub fn ask(&mut self, ticket: Ticket, request: N::Request) -> Vec<Effect<N>> {
        self.step(|node, fx| node.on_request(ticket, request, fx))
    }

    /// An operator asks.
    pub fn order(&mut self, order: Order) -> Vec<Effect<N>> {
        self.step(|node, fx| node.on_order(order, fx))
    }

    /// A timer comes due now, whether or not it is armed.
    pub fn ring(&mut self, timer: Timer) -> Vec<Effect<N>> {
        self.timers.remove(&timer);
        self.step(|node, fx| node.on_timer(timer, fx))
    }

    /// When an armed timer comes due.
    #[must_use]
    pub fn due(&self, timer: Timer) -> Option<LocalInstant> {
        self.timers.get(&timer).copied()
    }

    /// The timers that are armed.
    pub fn armed(&self) -> impl Iterator<Item = Timer> + '_ {
        self.timers.keys().copied()
    }

    /// When the next timer comes due.
    #[must_use]
    pub fn next_due(&self) -> Option<LocalInstant> {
        self.timers.values().min().copied()
    }

    /// Lets the clock run to where `timer` comes due, if it is armed; other timers do not come due on the way.
    pub fn fire(&mut self, timer: Timer) -> Vec<Effect<N>> {
        let Some(due) = self.due(timer) else { return Vec::new() };
        self.now = self.now.max(due);
        self.ring(timer)
    }

    /// Moves the clock alone: timers do not come due.
    pub fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    /// Lets time pass, with every timer that comes due.
    pub fn run(&mut self, time: Duration) -> Vec<Effect<N>> {
        let until = self.now + time;
        let mut left = Vec::new();
        while let Some((due, timer)) = self.timers.iter().map(|(timer, due)| (*due, *timer)).min()
            && due <= until
        {
            left.extend(self.fire(timer));
        }
        self.now = until;
        left
    }

    /// Every write so far becomes durable, and every read is answered.
    pub fn sync(&mut self) -> Vec<Effect<N>> {
        let mut left = Vec::new();
        while self.has_disk_work() {
            left.extend(self.sync_once(true));
        }
        left
    }

    /// Whether the disk has something to do.
    #[must_use]
    pub fn has_disk_work(&self) -> bool {
        self.flight.is_some() || !self.reads.is_empty()
    }

    /// The disk does one thing: the sync in flight ends, well or not, or the oldest read.
    pub fn sync_once(&mut self, ok: bool) -> Vec<Effect<N>> {
        if let Some(number) = self.flight.take() {
            let (done, next) = self.disk.finish_sync(number, ok, self.writes.next(), Instant::ZERO, 1);
            self.flight = next;
            let upto = done.upto;
            let mut left = Vec::new();
            let done = match done.result {
                Ok(()) => {
                    self.settled = self.settled.max(upto);
                    for (write, what) in core::mem::take(&mut self.waiting) {
                        left.extend(self.carry_out(vec![Effect::After { write, what: Box::new(what) }]));
                    }
                    Completion::Synced { upto }
                }
                Err(why) => Completion::SyncFailed { upto, why },
            };
            left.extend(self.step_disk(done));
            return left;
        }
        let Some(id) = self.reads.pop_front() else { return Vec::new() };
        let record = self.disk.read(id);
        self.step_disk(Completion::Read { id, record })
    }

    fn step_disk(&mut self, done: Completion<N::Record>) -> Vec<Effect<N>> {
        let mut out = Vec::new();
        if let Some(node) = &mut self.node {
            let mut fx = Effects::new(self.me, self.now, &mut self.rng, &mut self.writes, &mut out);
            node.on_disk(done, &mut fx);
        }
        self.carry_out(out)
    }

    /// Starts it from what its disk holds.
    ///
    /// # Panics
    /// If it is running.
    pub fn boot(&mut self) -> Vec<Effect<N>> {
        assert!(self.node.is_none(), "{} is running", self.me);
        let mut out = Vec::new();
        let mut fx = Effects::new(self.me, self.now, &mut self.rng, &mut self.writes, &mut out);
        self.node = Some(N::boot(&self.config, self.me, self.disk.replay(), &mut fx));
        let mut left = self.carry_out(out);
        if self.syncs {
            left.extend(self.sync());
        }
        left
    }

    /// The process ends, and its disk keeps what `how` says: how many records are lost.
    pub fn crash(&mut self, how: OnCrash) -> usize {
        self.stop();
        self.disk.crash(how, self.writes.next(), &mut self.rng).records
    }

    /// The power is lost while the disk writes: the oldest `kept` of the records that are not durable survive.
    pub fn tear(&mut self, kept: usize) -> usize {
        self.stop();
        self.disk.tear(kept, self.writes.next()).records
    }

    /// Power is lost, and comes back.
    pub fn restart(&mut self) -> Vec<Effect<N>> {
        self.crash(OnCrash::LoseUnsynced);
        self.boot()
    }

    fn stop(&mut self) {
        self.node = None;
        self.timers.clear();
        self.waiting.clear();
        self.reads.clear();
        self.flight = None;
        self.settled = WriteId(0);
    }

    /// What is on the disk, oldest first: where each record stands, its lane, the record unless it has rotted, and
    /// whether it would survive a power loss.
    pub fn records(&self) -> impl DoubleEndedIterator<Item = (WriteId, u16, Option<&N::Record>, bool)> {
        self.disk.records()
    }

    /// The record at place `at` of the disk can not be read any more.
    ///
    /// # Panics
    /// If there is none.
    pub fn rot(&mut self, at: usize) -> WriteId {
        self.disk.rot_at(at)
    }

    /// What the device has counted.
    #[must_use]
    pub const fn writes(&self) -> &Writes {
        &self.writes
    }

    /// The device was used before: its next write will stand at `next`, and nothing of what was written is there.
    pub fn was_used(&mut self, next: WriteId) {
        self.writes = Writes::at(next);
    }

    /// Carries out what concerns the machine alone, and gives what does not.
    fn carry_out(&mut self, out: Vec<Effect<N>>) -> Vec<Effect<N>> {
        let mut left = Vec::new();
        for effect in out {
            match effect {
                Effect::Arm { timer, after } => _ = self.timers.insert(timer, self.now + after),
                Effect::Disarm { timer } => _ = self.timers.remove(&timer),
                Effect::Append { id, lane, record } => _ = self.disk.append(id, lane, record),
                Effect::Sync => {
                    let number = self.disk.request_sync(self.writes.next(), Instant::ZERO, 1);
                    self.flight = number.or(self.flight);
                }
                Effect::Read { id } => self.reads.push_back(id),
                Effect::Forget { before, lane } => self.disk.forget(before, lane),
                Effect::After { write, what } if write > self.settled => self.waiting.push_back((write, *what)),
                Effect::After { what, .. } => left.extend(self.carry_out(vec![*what])),
                Effect::Halt { why } => {
                    self.crash(OnCrash::LoseUnsynced);
                    left.push(Effect::Halt { why });
                    break;
                }
                leaves @ (Effect::Send { .. }
                | Effect::Reply { .. }
                | Effect::Redirect { .. }
                | Effect::Progress { .. }
                | Effect::Note { .. }
                | Effect::Work { .. }) => left.push(leaves),
            }
        }
        left
    }
}

/// The messages among effects, with whom they are for.
pub fn sent<N: Node>(effects: Vec<Effect<N>>) -> Vec<(NodeId, N::Message)> {
    let message = |effect| match effect {
        Effect::Send { to, message } => Some((to, message)),
        _ => None,
    };
    effects.into_iter().filter_map(message).collect()
}
