//! A tiny cluster driven by hand: nothing happens unless a test says so. Messages lie on the wire until delivered,
//! writes are volatile until synced, clocks stand still until moved.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod chaos;
pub mod failover_story;
pub mod paxos_story;
pub mod raft_story;
pub mod script;

use core::fmt::Debug;
use sim_core::{
    ClientId, Completion, Duration, Effect, Effects, Instant, LocalInstant, Node, NodeId, Observed, Observer, Order,
    Purpose, Replay, Rng, SyncError, Ticket, Timer, Verdict, Violation, WriteId, Writes,
};
use systems::consensus::paxos::checks::PaxosChecks;
use systems::consensus::raft::checks::RaftChecks;
use systems::consensus::{paxos, raft};
use systems::control::failover;
use systems::control::failover::Failover;
use systems::control::failover::checks::FailoverChecks;
use systems::shared::kv::{Kv, KvCommand, KvResponse};
use systems::shared::replication::Audited;

pub type Raft = raft::Raft<Kv>;
pub type Paxos = paxos::Paxos<Kv>;
type Seen<'a, N> = Observed<'a, N>;

/// All protocols use the same slots for the same purpose; one has more.
pub const ELECTION: Timer = raft::ELECTION;
pub const TIMERS: u16 = failover::TIMERS;
const _: () = assert!(ELECTION.0 == paxos::ELECTION.0 && ELECTION.0 == failover::WATCH.0);
const _: () = assert!(raft::HEARTBEAT.0 == failover::HEARTBEAT.0 && TIMERS > raft::TIMERS && TIMERS > paxos::TIMERS);

/// A protocol that replicates the key-value store, as the tests see it.
pub trait Subject: Node<Request = KvCommand, Response = KvResponse, Config: Copy + Debug> + Clone + Debug {
    type Checks: Observer<Self> + Debug;
    fn nodes(config: &Self::Config) -> u32;
    fn election_max(config: &Self::Config) -> Duration;
    fn heartbeat(config: &Self::Config) -> Duration;
    fn checks(config: &Self::Config) -> Self::Checks;
    fn verdicts(checks: &Self::Checks, nodes: &[Option<Self>]) -> Vec<Verdict>;
}

macro_rules! subject {
    ($protocol:ident, $node:ident, $checks:ident, $machines:expr, $new:expr) => {
        impl Subject for $node {
            type Checks = $checks;
            fn nodes(config: &$protocol::Config) -> u32 {
                $machines(config)
            }
            fn election_max(config: &$protocol::Config) -> Duration {
                config.election_max
            }
            fn heartbeat(config: &$protocol::Config) -> Duration {
                config.heartbeat
            }
            fn checks(config: &$protocol::Config) -> $checks {
                $new(config)
            }
            fn verdicts(checks: &$checks, nodes: &[Option<Self>]) -> Vec<Verdict> {
                checks.verdicts(&nodes.iter().map(Option::as_ref).collect::<Vec<_>>())
            }
        }
    };
}

subject!(raft, Raft, RaftChecks, |c: &raft::Config| c.nodes, |c: &raft::Config| RaftChecks::new(c.nodes));
subject!(paxos, Paxos, PaxosChecks, |c: &paxos::Config| c.nodes + c.spares, PaxosChecks::new);

impl Subject for Failover {
    type Checks = FailoverChecks;
    fn nodes(config: &failover::Config) -> u32 {
        config.nodes
    }
    fn election_max(config: &failover::Config) -> Duration {
        config.failure_timeout
    }
    fn heartbeat(config: &failover::Config) -> Duration {
        config.heartbeat
    }
    fn checks(config: &failover::Config) -> FailoverChecks {
        FailoverChecks::new(config)
    }
    fn verdicts(checks: &FailoverChecks, nodes: &[Option<Self>]) -> Vec<Verdict> {
        checks.verdicts(nodes)
    }
}

/// A message on the wire.
#[derive(Clone, Debug)]
pub struct Flight<N: Node> {
    pub from: NodeId,
    pub to: NodeId,
    pub message: N::Message,
}

/// What a client was told.
#[derive(Clone, Debug)]
pub enum Told {
    Done(KvResponse),
    Elsewhere(Option<NodeId>),
}

/// What a crash leaves of the writes that were not synced.
#[derive(Clone, Copy, Debug)]
pub enum Leaves {
    Nothing,
    Everything,
    /// The oldest so many.
    Some(usize),
}

#[derive(Clone, Debug)]
pub struct Disk<N: Node> {
    /// `None` for one that can not be read.
    pub records: Vec<(WriteId, u16, Option<N::Record>)>,
    /// Records before this one survive a crash.
    pub durable: WriteId,
    pub next: Writes,
    pub sync_wanted: bool,
}

impl<N: Node> Disk<N> {
    const fn new() -> Self {
        Self { records: Vec::new(), durable: WriteId(0), next: Writes::at(WriteId(0)), sync_wanted: false }
    }
}

#[derive(Debug)]
pub struct Cluster<N: Subject = Raft> {
    pub config: N::Config,
    pub nodes: Vec<Option<N>>,
    pub disks: Vec<Disk<N>>,
    pub clocks: Vec<u64>,
    pub timers: Vec<[Option<u64>; TIMERS as usize]>,
    pub wire: Vec<Flight<N>>,
    pub answers: Vec<(Ticket, NodeId, Told)>,
    /// What the nodes announced in the newest step.
    pub facts: Vec<(NodeId, N::Fact)>,
    pub checks: N::Checks,
    pub violation: Option<Violation>,
    /// Messages sent so far.
    pub sent: u64,
    rngs: Vec<Rng>,
    out: Vec<Effect<N>>,
}

impl<N: Subject> Cluster<N> {
    pub fn new(config: N::Config, seed: u64) -> Self {
        let n = N::nodes(&config) as usize;
        let mut cluster = Self {
            config,
            nodes: (0..n).map(|_| None).collect(),
            disks: (0..n).map(|_| Disk::new()).collect(),
            clocks: vec![0; n],
            timers: vec![[None; TIMERS as usize]; n],
            wire: Vec::new(),
            answers: Vec::new(),
            facts: Vec::new(),
            checks: N::checks(&config),
            violation: None,
            sent: 0,
            rngs: (0..n as u64).map(|i| Rng::stream(seed, Purpose::Node, i)).collect(),
            out: Vec::new(),
        };
        for i in 0..n {
            // Installed properly: what a node writes to a new disk is there before anything can go wrong.
            cluster.restart(NodeId(i as u32));
            cluster.sync(NodeId(i as u32));
        }
        cluster
    }

    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<N> {
        sim_core::node_ids(self.nodes.len())
    }

    fn now(&self) -> Instant {
        Instant(self.clocks.iter().copied().max().unwrap_or(0))
    }

    pub fn node(&self, id: NodeId) -> &N {
        self.nodes[id.index()].as_ref().expect("the node is running")
    }

    pub fn is_up(&self, id: NodeId) -> bool {
        self.nodes[id.index()].is_some()
    }

    pub fn leader(&self) -> Option<NodeId> {
        let leaders = self.ids().filter(|id| self.is_up(*id) && self.node(*id).role().name == "leader");
        leaders.max_by_key(|id| self.node(*id).role().rank)
    }

    /// Gives a running node one input; a node that is down ignores it.
    fn step(&mut self, id: NodeId, input: impl FnOnce(&mut N, &mut Effects<'_, N>)) {
        let i = id.index();
        let Some(node) = &mut self.nodes[i] else { return };
        let now = LocalInstant(self.clocks[i]);
        input(node, &mut Effects::new(id, now, &mut self.rngs[i], &mut self.disks[i].next, &mut self.out));
        self.drain(id);
    }

    fn drain(&mut self, id: NodeId) {
        let i = id.index();
        let at = self.now();
        let mut halted = false;
        let out = core::mem::take(&mut self.out);
        for effect in out {
            match effect {
                Effect::Send { to, message } => {
                    self.sent += 1;
                    self.wire.push(Flight { from: id, to, message });
                }
                Effect::Reply { ticket, response } => {
                    self.checks.observe(at, &Seen::<N>::Answered { ticket, node: id, redirect: false });
                    self.answers.push((ticket, id, Told::Done(response)));
                }
                Effect::Redirect { ticket, hint } => self.answers.push((ticket, id, Told::Elsewhere(hint))),
                Effect::Progress { .. } => {}
                Effect::Arm { timer, after } => {
                    self.timers[i][timer.0 as usize] = Some(self.clocks[i] + after.0);
                }
                Effect::Disarm { timer } => self.timers[i][timer.0 as usize] = None,
                Effect::Append { id: write, lane, record } => self.disks[i].records.push((write, lane, Some(record))),
                Effect::Sync => self.disks[i].sync_wanted = true,
                Effect::Read { .. } => {}
                Effect::Forget { before, .. } => self.disks[i].records.retain(|(write, ..)| *write >= before),
                Effect::Work { .. } => {}
                Effect::After { .. } => unreachable!("no protocol here leaves it to the engine to wait for a disk"),
                Effect::Note { fact } => {
                    self.checks.observe(at, &Seen::<N>::Noted { node: id, fact });
                    self.facts.push((id, fact));
                }
                Effect::Halt { .. } => halted = true,
            }
        }
        if let Err(violation) = self.checks.after_step(at, id, &self.nodes) {
            self.violation.get_or_insert(violation);
        }
        if halted {
            self.crash(id, Leaves::Nothing);
        }
    }

    pub fn deliver(&mut self, at: usize) -> Flight<N> {
        let flight = self.wire.remove(at);
        let Flight { from, to, message } = flight.clone();
        self.checks.observe(self.now(), &Seen::<N>::Delivered { from, to, number: 0, message: &message });
        self.step(to, |node, fx| node.on_message(from, message, fx));
        flight
    }

    pub fn sync(&mut self, id: NodeId) -> bool {
        let disk = &mut self.disks[id.index()];
        if !core::mem::take(&mut disk.sync_wanted) || disk.next.next() == WriteId(0) {
            return false;
        }
        disk.durable = disk.next.next();
        let upto = WriteId(disk.next.next().0 - 1);
        self.step(id, |node, fx| node.on_disk(Completion::Synced { upto }, fx));
        true
    }

    pub fn fail_sync(&mut self, id: NodeId) {
        let upto = WriteId(self.disks[id.index()].next.next().0.saturating_sub(1));
        self.step(id, |node, fx| node.on_disk(Completion::SyncFailed { upto, why: SyncError::Io }, fx));
    }

    pub fn fire(&mut self, id: NodeId, timer: Timer) {
        if let Some(deadline) = self.timers[id.index()][timer.0 as usize].take() {
            let clock = &mut self.clocks[id.index()];
            *clock = (*clock).max(deadline);
            self.step(id, |node, fx| node.on_timer(timer, fx));
        }
    }

    /// Lets the node's election timeout run out.
    pub fn campaign(&mut self, id: NodeId) {
        self.fire(id, ELECTION);
    }

    /// Moves the node's clock forward without firing anything.
    pub fn pass(&mut self, id: NodeId, time: Duration) {
        self.clocks[id.index()] += time.0;
    }

    pub fn request(&mut self, id: NodeId, ticket: Ticket, command: KvCommand) {
        if self.is_up(id) {
            self.checks.observe(self.now(), &Seen::<N>::Requested { ticket, node: id });
        }
        self.step(id, |node, fx| node.on_request(ticket, command, fx));
    }

    /// An operator asks something of a node.
    pub fn order(&mut self, id: NodeId, order: Order) {
        self.step(id, |node, fx| node.on_order(order, fx));
    }

    pub fn crash(&mut self, id: NodeId, leaves: Leaves) -> usize {
        let i = id.index();
        if self.nodes[i].take().is_none() {
            return 0;
        }
        self.checks.observe(self.now(), &Seen::<N>::Crashed { node: id, halted: None, lost_records: 0 });
        let disk = &mut self.disks[i];
        let durable = disk.records.iter().filter(|(write, ..)| *write < disk.durable).count();
        let unsynced = disk.records.len() - durable;
        let kept = match leaves {
            Leaves::Nothing => 0,
            Leaves::Everything => unsynced,
            Leaves::Some(n) => n.min(unsynced),
        };
        disk.records.truncate(durable + kept);
        if !matches!(leaves, Leaves::Everything) {
            // A process that dies leaves what it wrote in the page cache: that is durable once it is synced.
            disk.durable = disk.next.next();
        }
        disk.sync_wanted = false;
        self.timers[i] = [None; TIMERS as usize];
        unsynced - kept
    }

    /// Everything on the disk of a node that is down is gone.
    pub fn wipe(&mut self, id: NodeId) {
        assert!(!self.is_up(id), "{id} is running");
        self.disks[id.index()].records.clear();
    }

    pub fn restart(&mut self, id: NodeId) {
        let i = id.index();
        assert!(self.nodes[i].is_none(), "{id} is running");
        let now = LocalInstant(self.clocks[i]);
        let disk = &mut self.disks[i];
        let mut fx = Effects::new(id, now, &mut self.rngs[i], &mut disk.next, &mut self.out);
        let node = N::boot(&self.config, id, Replay::new(&disk.records), &mut fx);
        self.nodes[i] = Some(node);
        self.drain(id);
    }

    /// Syncs and delivers, oldest first, until nothing is left to do. Messages for which `lost` holds vanish.
    pub fn stabilize_but(&mut self, mut lost: impl FnMut(&Flight<N>) -> bool) {
        loop {
            let mut idle = true;
            for id in self.ids() {
                idle &= !self.sync(id);
            }
            if !self.wire.is_empty() {
                idle = false;
                if lost(&self.wire[0]) {
                    self.wire.remove(0);
                } else {
                    self.deliver(0);
                }
            }
            if idle {
                return;
            }
        }
    }

    pub fn stabilize(&mut self) {
        self.stabilize_but(|_| false);
    }

    /// Elects `id` and lets everything settle.
    pub fn elect(&mut self, id: NodeId) {
        for other in self.ids() {
            self.pass(other, N::election_max(&self.config));
        }
        self.campaign(id);
        self.stabilize();
        assert_eq!(self.leader(), Some(id), "{id} was not elected");
    }
}

pub fn n(number: u32) -> NodeId {
    NodeId(number - 1)
}

pub fn ticket(client: u32, op: u64, attempt: u32) -> Ticket {
    Ticket { client: ClientId(client - 1), op, floor: 0, attempt }
}
