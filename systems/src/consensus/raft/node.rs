//! The Raft participant: its whole state, how it boots from disk, and where each input goes.

use super::configuration::Configuration;
use super::disk::Disk;
use super::election::Votes;
use super::follower_read::FollowerReads;
use super::lead::Lead;
use super::log::{Log, link};
use super::message::{Append, RaftFact, RaftMessage, Record, Snapshot};
use super::options::Config;
use super::snapshot::Incoming;
use super::ticks::Ticks;
use crate::shared::replication::{Input, ReadRound, Sessioned, Standstill, Tail, Waiters};
use sim_core::{
    Completion, Duration, Effects, LocalInstant, Node, NodeId, NodeSet, Order, Replay, Role, StateMachine, Ticket,
    Timer,
};
use std::rc::Rc;

/// A node's outputs.
pub(super) type Fx<'a, M> = Effects<'a, Raft<M>>;

/// Comes due when no leader was heard from, and on a leader when it must have heard from a quorum.
pub const ELECTION: Timer = Timer(0);
/// Comes due on a leader when its followers must hear from it.
pub const HEARTBEAT: Timer = Timer(1);
/// How many timer slots a node uses.
pub const TIMERS: u16 = 2;

/// What a node is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Follower,
    PreCandidate,
    Candidate,
    Leader,
}

/// A Raft replica of the state machine `M`.
#[derive(Clone, Debug)]
pub struct Raft<M: StateMachine> {
    pub(super) config: Config,
    pub(super) me: NodeId,
    /// On disk: the newest term it knows.
    pub(super) term: u64,
    /// On disk: who got its vote in that term.
    pub(super) vote: Option<NodeId>,
    /// On disk: the log.
    pub(super) log: Log<M>,
    /// On disk: the newest snapshot.
    pub(super) snapshot: Option<Rc<Snapshot<M>>>,
    pub(super) commit: u64,
    pub(super) applied: u64,
    /// The running hash of the log up to `applied`.
    pub(super) applied_chain: u64,
    /// The running hash of the whole log.
    pub(super) tail_chain: u64,
    pub(super) state: Sessioned<M>,
    pub(super) stage: Stage,
    /// The leader of this term, if known.
    pub(super) leader: Option<NodeId>,
    /// The newest leader it ever knew, of whatever term.
    pub(super) last_leader: Option<NodeId>,
    pub(super) heard: LocalInstant,
    /// What its ticks have counted, if it has any.
    pub(super) ticks: Ticks,
    /// The election timeout it has drawn.
    pub(super) timeout: Duration,
    pub(super) votes: Votes,
    pub(super) lead: Option<Box<Lead<M>>>,
    /// Who waits for which entry to be applied, by index.
    pub(super) waiters: Waiters,
    pub(super) disk: Disk<M>,
    /// How much of its log is durable.
    pub(super) tail: Tail,
    /// A leader's loop that stands still while its disk syncs.
    pub(super) standstill: Standstill<RaftMessage<M>, M::Command>,
    /// Whether this term's leader has found where the two logs agree.
    pub(super) agreed: bool,
    /// Appends that overtook earlier ones.
    pub(super) early: Vec<Append<M::Command>>,
    pub(super) incoming: Option<Incoming>,
    pub(super) follower_reads: FollowerReads<M::Command>,
}

impl<M: StateMachine> Raft<M> {
    /// The current term.
    #[must_use]
    pub const fn term(&self) -> u64 {
        self.term
    }

    /// Who got its vote in this term.
    #[must_use]
    pub const fn vote(&self) -> Option<NodeId> {
        self.vote
    }

    /// The leader it believes in.
    #[must_use]
    pub const fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// The newest entry it knows to be committed.
    #[must_use]
    pub const fn commit(&self) -> u64 {
        self.commit
    }

    /// The newest entry it has applied.
    #[must_use]
    pub const fn applied(&self) -> u64 {
        self.applied
    }

    /// The log it holds.
    #[must_use]
    pub const fn log(&self) -> &Log<M> {
        &self.log
    }

    /// The newest entry of its log that is durable.
    #[must_use]
    pub const fn durable(&self) -> u64 {
        self.tail.durable()
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

    /// The last entry its newest snapshot covers; 0 without one.
    #[must_use]
    pub fn snapshot_index(&self) -> u64 {
        self.snapshot.as_ref().map_or(0, |s| s.index)
    }

    /// The running hash of its log up to `index`, if it still knows it.
    #[must_use]
    pub fn chain_at(&self, index: u64) -> Option<u64> {
        let (start, chain) = if index >= self.applied {
            (self.applied, self.applied_chain)
        } else {
            self.snapshot.as_ref().map_or((0, 0), |s| (s.index, s.chain))
        };
        if index < start || index > self.log.last() || start < self.log.base() {
            return None;
        }
        let mut chain = chain;
        self.log.each(start + 1, index, |_, entry| chain = link(chain, entry.hash()));
        Some(chain)
    }

    /// Those a leader sends its log to.
    #[inline]
    pub(super) fn listeners(&self) -> impl Iterator<Item = NodeId> + use<M> {
        self.configuration().everyone().without(self.me).iter()
    }

    /// Becomes, or stays, a follower in `term`, which is not older than its own.
    ///
    /// A newer term alone is no reason to wait longer, only a leader is, or a vote (Raft paper, figure 2): otherwise
    /// candidates that can not win would put off those who can.
    pub(super) fn follow(&mut self, term: u64, leader: Option<NodeId>, fx: &mut Fx<'_, M>) {
        if term > self.term {
            self.term = term;
            self.vote = None;
            self.write_hard(fx);
        } else if self.config.has(super::RaftBug::VoteForgottenInTerm) {
            self.vote = None;
            self.write_hard(fx);
        }
        let led = self.stage == Stage::Leader;
        if led {
            self.step_down(leader, fx);
        }
        self.stage = Stage::Follower;
        self.leader = leader;
        self.last_leader = leader.or(self.last_leader);
        self.agreed = false;
        self.early.clear();
        self.follower_reads.forget_questions();
        self.draw_timeout(fx);
        // With ticks whoever becomes a follower counts anew, as in etcd.
        if led || leader.is_some() || self.config.tick.is_some() {
            self.await_leader(fx);
        }
    }

    /// A message of the term's leader arrived.
    #[inline]
    pub(super) fn hear(&mut self, leader: NodeId, fx: &mut Fx<'_, M>) {
        if self.stage != Stage::Follower || self.leader != Some(leader) {
            self.follow(self.term, Some(leader), fx);
        } else {
            self.await_leader(fx);
        }
        self.heard = fx.now();
    }

    /// Whether it has a leader that it may not desert: one it heard from within the shortest election timeout
    /// (dissertation 6.2 and 4.2.3). Without leases this guards availability, never safety, so a drifting clock does no
    /// harm.
    fn is_loyal(&self, fx: &Fx<'_, M>) -> bool {
        self.config.check_quorum
            && !self.config.has(super::RaftBug::NoStickiness)
            && self.leader.is_some()
            && (self.stage == Stage::Leader || self.heard_lately(fx))
            || self.is_bound(fx.now())
    }

    /// A message of an older term: tells its sender what the term is, or drops it.
    fn on_stale(&mut self, from: NodeId, message: &RaftMessage<M>, fx: &mut Fx<'_, M>) {
        let term = self.term;
        match message {
            RaftMessage::RequestVote { pre, .. } => {
                if *pre && self.config.has(super::RaftBug::NoPreVoteReply) {
                    return;
                }
                self.answer(from, RaftMessage::Vote { term, granted: false, pre: *pre }, fx);
            }
            // Without an answer a leader, or a candidate it would beat, might stay in its old term forever.
            RaftMessage::Append(_) | RaftMessage::Heartbeat { .. } | RaftMessage::InstallSnapshot { .. } => {
                self.answer(from, RaftMessage::Alive { term, round: ReadRound(0) }, fx);
            }
            RaftMessage::Vote { granted, pre: false, .. } if self.config.has(super::RaftBug::StaleVotesCounted) => {
                self.on_vote(from, self.term, *granted, false, fx);
            }
            _ => {}
        }
    }

    /// A message, where nothing makes it wait.
    pub(super) fn take_message(&mut self, from: NodeId, message: RaftMessage<M>, fx: &mut Fx<'_, M>) {
        let term = message.term();
        if self.config.has(super::RaftBug::TimerResetByAnything) && self.stage != Stage::Leader {
            self.await_leader(fx);
        }
        if matches!(message, RaftMessage::RequestVote { .. }) && self.is_out() {
            return;
        }
        if term > self.term {
            match &message {
                RaftMessage::RequestVote { transfer: false, .. } if self.is_loyal(fx) => return,
                // A question changes nothing, and a granted one carries the term that was asked for.
                RaftMessage::RequestVote { pre: true, .. } | RaftMessage::Vote { pre: true, granted: true, .. } => {}
                RaftMessage::Append(_)
                | RaftMessage::Heartbeat { .. }
                | RaftMessage::InstallSnapshot { .. }
                | RaftMessage::TimeoutNow { .. } => {
                    self.follow(term, Some(from), fx);
                }
                _ => self.follow(term, None, fx),
            }
        } else if term < self.term {
            return self.on_stale(from, &message, fx);
        }
        match message {
            RaftMessage::Append(append) => self.on_append(from, append, fx),
            RaftMessage::Appended { match_index, round, .. } => self.on_appended(from, match_index, round, fx),
            RaftMessage::Rejected { prev_index, conflict_term, conflict_index, round, .. } => {
                self.on_rejected(from, prev_index, (conflict_term, conflict_index), round, fx);
            }
            RaftMessage::Heartbeat { commit, round, .. } => self.on_heartbeat(from, commit, round, fx),
            RaftMessage::Alive { round, .. } => self.on_alive(from, round, fx),
            RaftMessage::ReadIndex { number, .. } => self.on_read_index(from, number, fx),
            RaftMessage::ReadIndexReply { number, index, .. } => self.on_read_index_reply(number, index, fx),
            RaftMessage::TimeoutNow { .. } => self.on_timeout_now(from, fx),
            RaftMessage::RequestVote { term, last_index, last_term, pre, transfer } => {
                self.on_request_vote(from, term, (last_term, last_index), (pre, transfer), fx);
            }
            RaftMessage::Vote { term, granted, pre } => self.on_vote(from, term, granted, pre, fx),
            RaftMessage::InstallSnapshot { offset, length, round, snapshot, .. } => {
                self.on_install(from, (offset, length), round, &snapshot, fx);
            }
            RaftMessage::SnapshotReceived { index, received, round, .. } => {
                self.on_snapshot_received(from, index, received, round, fx);
            }
        }
    }

    /// A request, likewise.
    pub(super) fn take_request(&mut self, ticket: Ticket, request: M::Command, fx: &mut Fx<'_, M>) {
        if self.stage != Stage::Leader {
            if self.config.follower_reads && self.leader.is_some() && M::is_read(&request) {
                self.on_read_here(ticket, request, fx);
                return;
            }
            let stale = self.config.has(super::RaftBug::StaleLeaderHint);
            let hint = if stale { self.last_leader } else { self.leader };
            return fx.redirect(ticket, hint.filter(|leader| *leader != self.me));
        }
        if M::is_read(&request) {
            self.on_read(ticket, request, fx);
        } else {
            self.propose(ticket, request, fx);
        }
    }

    /// An order, likewise.
    pub(super) fn take_order(&mut self, order: Order, fx: &mut Fx<'_, M>) {
        match order {
            Order::Members(voters) => self.on_members_wanted(voters, fx),
            Order::Lead(node) => self.hand_over(node, fx),
            Order::Own { .. } => {}
        }
    }
}

impl<M: StateMachine> Node for Raft<M> {
    type Config = Config;
    type Message = RaftMessage<M>;
    type Request = M::Command;
    type Response = M::Response;
    type Record = Record<M>;
    type Fact = RaftFact;

    fn boot(config: &Config, me: NodeId, disk: Replay<'_, Record<M>>, fx: &mut Fx<'_, M>) -> Self {
        assert!(me.0 < config.nodes, "{me} is not one of {} nodes", config.nodes);
        let mut node = Self {
            config: *config,
            me,
            term: 0,
            vote: None,
            log: Log::after(0, 0, Configuration::of(config.first_voters())),
            snapshot: None,
            commit: 0,
            applied: 0,
            applied_chain: 0,
            tail_chain: 0,
            state: Sessioned::default(),
            stage: Stage::Follower,
            leader: None,
            last_leader: None,
            heard: fx.now(),
            ticks: Ticks::default(),
            timeout: config.election_min,
            votes: Votes::default(),
            lead: None,
            waiters: Waiters::default(),
            disk: Disk::default(),
            tail: Tail::default(),
            standstill: Standstill::default(),
            agreed: false,
            early: Vec::new(),
            incoming: None,
            follower_reads: if config.follower_reads { FollowerReads::new(fx.rng()) } else { FollowerReads::default() },
        };
        if let Err(record) = node.replay(disk, fx.now()) {
            fx.note(RaftFact::Unreadable { record: record.0 });
            fx.halt("its disk can not be read: what it has promised is unknown");
            return node;
        }
        node.begin_waiting(fx);
        node.settle(fx);
        node
    }

    fn on_message(&mut self, from: NodeId, message: RaftMessage<M>, fx: &mut Fx<'_, M>) {
        if self.standstill.is_on() {
            return self.standstill.put(Input::Message(from, message));
        }
        self.take_message(from, message, fx);
        self.settle(fx);
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_, M>) {
        match (timer, self.config.tick) {
            (ELECTION, Some(tick)) => self.on_tick(tick, fx),
            _ if self.standstill.is_on() => self.on_timer_at_standstill(timer, fx),
            (ELECTION, None) => self.on_election_due(fx),
            (HEARTBEAT, _) => self.on_heartbeat_due(fx),
            (other, _) => panic!("{} has no timer {other:?}", self.me),
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

    fn on_order(&mut self, order: Order, fx: &mut Fx<'_, M>) {
        if self.standstill.is_on() {
            return self.standstill.put(Input::Order(order));
        }
        self.take_order(order, fx);
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

    fn is_read(request: &M::Command) -> bool {
        M::is_read(request)
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
            Stage::Follower => self.seat(),
            Stage::PreCandidate => "pre_candidate",
            Stage::Candidate => "candidate",
            Stage::Leader => "leader",
        };
        Role::new(name, self.term)
    }

    fn members(&self) -> Option<NodeSet> {
        Some(self.log.configuration_at(self.commit).settled())
    }

    fn progress(&self) -> u64 {
        self.applied
    }
}
