//! The Paxos participant: its whole state, how it boots from disk, and where each input goes.

use super::ballot::Ballot;
use super::disk::{Disk, Own};
use super::lead::Lead;
use super::log::Log;
use super::members::Members;
use super::message::{Life, PaxosFact, PaxosMessage, Record, Snapshot};
use super::options::Config;
use super::prepare::Promises;
use super::rejoin::{Lives, Rejoin};
use super::snapshot::Incoming;
use crate::shared::replication::{Input, Sessioned, Standstill, Waiters, link};
use sim_core::{
    Completion, Duration, Effects, LocalInstant, Node, NodeId, NodeSet, Order, Replay, Role, StateMachine, Ticket,
    Timer,
};
use std::rc::Rc;

/// A node's outputs.
pub(super) type Fx<'a, M> = Effects<'a, Paxos<M>>;

/// Comes due when no leader was heard from, and on a leader when it must have heard from a quorum.
pub const ELECTION: Timer = Timer(0);
/// Comes due on a leader when the others must hear from it, and on a candidate when it asks again.
pub const HEARTBEAT: Timer = Timer(1);
/// How many timer slots a node uses.
pub const TIMERS: u16 = 2;

/// What a node is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Follower,
    Candidate,
    Leader,
}

/// A Paxos replica of the state machine `M`: proposer, acceptor and learner in one.
#[derive(Clone, Debug)]
pub struct Paxos<M: StateMachine> {
    pub(super) config: Config,
    pub(super) me: NodeId,
    /// On disk: no ballot below this one gets its help.
    pub(super) promised: Ballot,
    /// The highest ballot in any record: it may know of higher ones without having promised anything.
    pub(super) recorded: Ballot,
    /// On disk: what it has accepted.
    pub(super) log: Log<M>,
    /// On disk: the newest snapshot.
    pub(super) snapshot: Option<Rc<Snapshot<M>>>,
    /// On disk: how often its own disk was wiped, in a manner of speaking (see `rejoin.rs`), and those of others.
    pub(super) life: Life,
    pub(super) lives: Lives,
    /// All slots up to here are chosen, and their values are in the log.
    pub(super) commit: u64,
    pub(super) applied: u64,
    /// The running hash of the values up to `applied`.
    pub(super) applied_chain: u64,
    pub(super) state: Sessioned<M>,
    /// The acceptors, as what it has applied says.
    pub(super) members: Members,
    pub(super) stage: Stage,
    /// Whose ballot it has promised to, if that is known to lead.
    pub(super) leader: Option<NodeId>,
    /// Up to where the leader of the promised ballot says that everything is chosen.
    pub(super) announced: u64,
    /// Who has its loyalty, and since when: the leader it heard from, or a candidate it has promised to.
    pub(super) liege: Option<NodeId>,
    pub(super) heard: LocalInstant,
    /// Since when it runs: before that it may have granted leases that it has forgotten.
    pub(super) booted: LocalInstant,
    /// The time it has drawn to wait for a leader.
    pub(super) timeout: Duration,
    /// Attempts to lead that have failed since it last heard from a leader.
    pub(super) failures: u32,
    pub(super) promises: Promises<M::Command>,
    pub(super) lead: Option<Box<Lead<M>>>,
    /// Who waits for which slot to be applied.
    pub(super) waiters: Waiters,
    pub(super) disk: Disk<M>,
    pub(super) own: Own,
    /// A leader's loop that stands still while its disk syncs.
    pub(super) standstill: Standstill<PaxosMessage<M>, M::Command>,
    /// How far it had got when it last looked whether it lags: commit, and bytes of a snapshot.
    pub(super) stuck_at: (u64, u64),
    pub(super) incoming: Option<Incoming>,
    /// What it has to find out after its disk was wiped.
    pub(super) rejoin: Option<Box<Rejoin<M::Command>>>,
}

impl<M: StateMachine> Paxos<M> {
    /// The ballot it has promised to.
    #[must_use]
    pub const fn promised(&self) -> Ballot {
        self.promised
    }

    /// The leader it believes in.
    #[must_use]
    pub const fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// All slots up to this one are chosen, as far as it knows.
    #[must_use]
    pub const fn commit(&self) -> u64 {
        self.commit
    }

    /// The newest slot it has applied.
    #[must_use]
    pub const fn applied(&self) -> u64 {
        self.applied
    }

    /// The slots it holds.
    #[must_use]
    pub const fn log(&self) -> &Log<M> {
        &self.log
    }

    /// The replicated state machine.
    #[must_use]
    pub const fn machine(&self) -> &M {
        self.state.machine()
    }

    /// Of the replicated state and how it was reached (see [`Sessioned::digest`]).
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.state.digest()
    }

    /// The last slot its newest snapshot covers; 0 without one.
    #[must_use]
    pub fn snapshot_slot(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |s| s.slot)
    }

    /// The running hash of its values up to `slot`, if it still knows it and has applied it.
    #[must_use]
    pub fn chain_at(&self, slot: u64) -> Option<u64> {
        if slot == self.applied {
            return Some(self.applied_chain);
        }
        let (start, mut chain) = self.snapshot.as_ref().map_or((0, 0), |s| (s.slot, s.chain));
        if slot > self.applied || slot < start || start < self.log.base() {
            return None;
        }
        for at in start + 1..=slot {
            chain = link(chain, self.log.slot(at)?.1.hash());
        }
        Some(chain)
    }

    /// Whom a client is sent to: the leader, or one of the members by one who is none and hears of no leader.
    fn hint(&self, ticket: Ticket) -> Option<NodeId> {
        let others = self.members.everybody(self.commit).without(self.me);
        let leader = self.leader.filter(|leader| *leader != self.me);
        if leader.is_some() || self.is_voter() || others.is_empty() {
            return leader;
        }
        let turn = (ticket.op + u64::from(ticket.attempt)) as usize % others.len();
        others.iter().nth(turn)
    }

    /// All other machines, members or not.
    pub(super) fn others(&self) -> impl Iterator<Item = NodeId> + Clone + use<M> {
        let me = self.me;
        (self.config.first..self.config.machines()).map(NodeId).filter(move |n| *n != me)
    }

    /// Draws a new time to wait for a leader, from a range that doubles with every attempt that has failed (Paxos Made
    /// Moderately Complex, section 3).
    pub(super) fn draw_timeout(&mut self, fx: &mut Fx<'_, M>) {
        let (lo, hi) = (self.config.election_min.0, self.config.election_max.0);
        let drawn = fx.rng().between(lo, hi);
        let doubled = if self.config.back_off { self.failures.saturating_sub(1).min(4) } else { 0 };
        self.timeout = Duration(lo + ((drawn - lo) << doubled));
    }

    /// Starts waiting for a leader anew.
    #[inline]
    pub(super) fn await_leader(&mut self, fx: &mut Fx<'_, M>) {
        fx.arm(ELECTION, self.timeout);
    }

    /// Becomes, or stays, a follower in `ballot`, which is not below its own promise.
    pub(super) fn follow(&mut self, ballot: Ballot, leader: Option<NodeId>, fx: &mut Fx<'_, M>) {
        let outbid = self.stage != Stage::Follower && ballot > self.promised;
        if ballot > self.promised {
            self.promised = ballot;
            self.announced = 0;
        }
        if self.stage == Stage::Leader {
            self.step_down(leader, fx);
        }
        fx.disarm(HEARTBEAT);
        self.stage = Stage::Follower;
        self.promises.clear();
        self.leader = leader;
        if leader.is_some() {
            self.failures = 0;
            self.stuck_at = (self.commit, 0);
        }
        self.draw_timeout(fx);
        if outbid && self.config.has(super::PaxosBug::NoBackOff) {
            self.timeout = Duration::ZERO;
        }
        self.await_leader(fx);
    }

    /// A message of `ballot`'s leader arrived. Returns whether it is to be obeyed.
    #[inline]
    pub(super) fn hear(&mut self, from: NodeId, ballot: Ballot, fx: &mut Fx<'_, M>) -> bool {
        if ballot < self.promised {
            fx.send(from, PaxosMessage::Outbid { ballot, promised: self.promised });
            return false;
        }
        if ballot == self.promised && self.stage != Stage::Follower {
            // Two proposers with one ballot: the check of ballots reports it.
            return false;
        }
        if ballot > self.promised || self.leader != Some(from) {
            self.follow(ballot, Some(from), fx);
        } else {
            self.await_leader(fx);
        }
        self.liege = Some(from);
        self.heard = fx.now();
        true
    }

    /// Whether it may not help `candidate` now: it has heard from another leader within the shortest timeout, or has
    /// just promised to another candidate. Without leases this guards availability only; with them it is what they
    /// mean.
    pub(super) fn is_loyal(&self, candidate: NodeId, now: LocalInstant) -> bool {
        let within = |since: LocalInstant| now.since(since) < self.config.election_min;
        if self.config.leases && within(self.booted) {
            return true;
        }
        if !self.config.check_quorum && !self.config.leases {
            return false;
        }
        let other = self.liege.is_some_and(|liege| liege != candidate);
        self.stage == Stage::Leader || (other && within(self.heard))
    }

    /// A message, where nothing makes it wait.
    pub(super) fn take_message(&mut self, from: NodeId, message: PaxosMessage<M>, fx: &mut Fx<'_, M>) {
        match message {
            PaxosMessage::Learned { first, entries, commit } => self.on_learned(from, first, entries, commit, fx),
            PaxosMessage::Piece { offset, length, snapshot } => self.on_piece(from, (offset, length), &snapshot, fx),
            PaxosMessage::Rejoin { life } => self.on_rejoin(from, life, fx),
            PaxosMessage::Welcome(welcome) => self.on_welcome(from, *welcome, fx),
            // It does not know what it has promised.
            _ if self.is_blank() => {}
            PaxosMessage::Accept { run, commit } => self.on_accept(from, run, commit, fx),
            PaxosMessage::Accepted { ballot, first, life, lives } => {
                self.on_accepted(from, ballot, first, life, &lives, fx);
            }
            PaxosMessage::Heartbeat { ballot, commit, round } => self.on_heartbeat(from, ballot, commit, round, fx),
            PaxosMessage::Alive { ballot, round, commit } => self.on_alive(from, ballot, (round, commit), fx),
            PaxosMessage::Prepare { ballot, after, handed } => self.on_prepare(from, ballot, after, handed, fx),
            PaxosMessage::Promise { ballot, life, report } => self.on_promise(from, ballot, life, report, fx),
            PaxosMessage::Outbid { ballot, promised } => self.on_outbid(ballot, promised, fx),
            PaxosMessage::Learn { after, snapshot } => self.on_learn(from, after, snapshot, fx),
            PaxosMessage::TakeOver { ballot } => self.on_take_over(ballot, fx),
        }
    }

    /// A request, likewise.
    pub(super) fn take_request(&mut self, ticket: Ticket, request: M::Command, fx: &mut Fx<'_, M>) {
        if self.stage != Stage::Leader {
            return fx.redirect(ticket, self.hint(ticket));
        }
        if M::is_read(&request) {
            self.on_read(ticket, request, fx);
        } else {
            self.propose(ticket, request, fx);
        }
    }

    /// An order, likewise.
    pub(super) fn take_order(&mut self, order: Order, fx: &mut Fx<'_, M>) {
        if self.stage == Stage::Leader {
            self.obey(order, fx);
        }
    }
}

impl<M: StateMachine> Node for Paxos<M> {
    type Config = Config;
    type Message = PaxosMessage<M>;
    type Request = M::Command;
    type Response = M::Response;
    type Record = Record<M>;
    type Fact = PaxosFact;

    fn boot(config: &Config, me: NodeId, disk: Replay<'_, Record<M>>, fx: &mut Fx<'_, M>) -> Self {
        assert!(me.0 < config.machines(), "{me} is not one of {} nodes", config.machines());
        let mut node = Self {
            config: *config,
            me,
            promised: Ballot::ZERO,
            recorded: Ballot::ZERO,
            log: Log::after(0),
            snapshot: None,
            life: Life(0),
            lives: Lives::default(),
            commit: 0,
            applied: 0,
            applied_chain: 0,
            state: Sessioned::default(),
            members: Members::initial(config),
            stage: Stage::Follower,
            leader: None,
            announced: 0,
            liege: None,
            heard: fx.now(),
            booted: fx.now(),
            timeout: config.election_min,
            failures: 0,
            promises: Promises::default(),
            lead: None,
            waiters: Waiters::default(),
            disk: Disk::default(),
            own: Own::default(),
            standstill: Standstill::default(),
            stuck_at: (0, 0),
            incoming: None,
            rejoin: None,
        };
        node.replay(disk, fx);
        if !node.is_blank() {
            node.draw_timeout(fx);
            node.await_leader(fx);
            node.apply(fx);
        }
        node.settle(fx);
        node
    }

    fn on_message(&mut self, from: NodeId, message: PaxosMessage<M>, fx: &mut Fx<'_, M>) {
        if self.standstill.is_on() {
            return self.standstill.put(Input::Message(from, message));
        }
        self.take_message(from, message, fx);
        self.settle(fx);
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_, M>) {
        if self.standstill.is_on() {
            self.on_timer_at_standstill(timer, fx);
            return self.settle(fx);
        }
        match timer {
            ELECTION if self.is_blank() => self.ask_to_rejoin(fx),
            ELECTION if self.stage == Stage::Leader => self.check_quorum(fx),
            ELECTION if self.disk_hangs(fx.now()) => self.await_leader(fx),
            ELECTION => self.campaign(Ballot::ZERO, fx),
            HEARTBEAT if self.stage == Stage::Candidate => self.ask_again(fx),
            HEARTBEAT => self.on_heartbeat_due(fx),
            other => panic!("{} has no timer {other:?}", self.me),
        }
        self.settle(fx);
    }

    fn on_request(&mut self, ticket: Ticket, request: M::Command, fx: &mut Fx<'_, M>) {
        if self.standstill.is_on() {
            return self.standstill.put(Input::Request(ticket, request));
        }
        self.take_request(ticket, request, fx);
        self.settle(fx);
    }

    fn on_disk(&mut self, done: Completion<Record<M>>, fx: &mut Fx<'_, M>) {
        match done {
            Completion::Synced { upto } => {
                self.on_synced(upto, fx);
                if self.standstill.ends_at(self.disk.durable()) {
                    self.go_on(fx);
                }
            }
            Completion::SyncFailed { .. } => return fx.halt("a sync failed: what is on the disk is unknown"),
            Completion::Read { .. } => {}
        }
        self.settle(fx);
    }

    fn on_order(&mut self, order: Order, fx: &mut Fx<'_, M>) {
        if self.standstill.is_on() {
            return self.standstill.put(Input::Order(order));
        }
        self.take_order(order, fx);
        self.settle(fx);
    }

    fn request_bytes(request: &M::Command) -> u32 {
        16 + M::command_bytes(request)
    }

    fn response_bytes(response: &M::Response) -> u32 {
        16 + M::response_bytes(response)
    }

    fn timer_name(timer: Timer) -> &'static str {
        match timer {
            ELECTION => "election timeout",
            HEARTBEAT => "heartbeat",
            _ => "",
        }
    }

    fn role(&self) -> Role {
        let name = match self.stage {
            _ if self.is_blank() => "rejoining",
            Stage::Follower if !self.is_voter() => "learner",
            Stage::Follower => "follower",
            Stage::Candidate => "candidate",
            Stage::Leader => "leader",
        };
        Role::new(name, self.promised.round)
    }

    fn progress(&self) -> u64 {
        self.applied
    }

    fn members(&self) -> Option<NodeSet> {
        Some(self.members.of(self.commit + 1).1)
    }
}
