//! A machine of the system: a coordinator, or a node of a shard, by its number.

use super::coordinator::Coordinator;
use super::log::{GROUP_TIMERS, TIMERS_FROM};
use super::message::{CommitFact, CommitMessage, CommitRecord, CommitRequest, CommitResponse};
use super::options::{Config, Duty};
use super::shard::Shard;
use super::txn::Reason;
use sim_core::{Completion, Effects, Node, NodeId, Replay, Role, Ticket, Timer};
use std::rc::Rc;

/// A node's outputs.
pub(super) type Fx<'a> = Effects<'a, Machine>;

/// Something is due.
pub(super) const CLOCK: Timer = Timer(0);
/// How many timer slots a node uses.
pub const TIMERS: u16 = TIMERS_FROM + GROUP_TIMERS;

/// A node.
#[derive(Clone, Debug)]
pub enum Machine {
    /// One that coordinates transactions.
    Coordinator(Box<Coordinator>),
    /// One that holds a shard, or a copy of one.
    Shard(Box<Shard>),
}

impl Machine {
    /// The shard that it holds.
    #[must_use]
    pub fn shard(&self) -> Option<&Shard> {
        if let Self::Shard(shard) = self { Some(shard) } else { None }
    }

    /// The coordinator that it is.
    #[must_use]
    pub fn coordinator(&self) -> Option<&Coordinator> {
        if let Self::Coordinator(coordinator) = self { Some(coordinator) } else { None }
    }
}

impl Coordinator {
    pub(super) fn on_message(&mut self, from: NodeId, message: CommitMessage, fx: &mut Fx<'_>) {
        self.leaders.hears(from, fx.now());
        match message {
            CommitMessage::Executed { txn, shard, seq, answer, vote } => {
                self.on_executed(txn, shard, seq, (answer, vote), fx);
            }
            CommitMessage::Voted { txn, shard, vote, participants } => {
                self.on_voted(txn, shard, vote, participants, fx);
            }
            CommitMessage::Stands { txn, shard, state } => self.on_stands(txn, shard, state, fx),
            CommitMessage::Ack { txn, shard, commit, at } => self.on_ack(txn, shard, (commit, at), fx),
            CommitMessage::Inquire { txn, prepared, participants, .. } => {
                self.on_inquire(from, txn, (prepared, participants), fx);
            }
            CommitMessage::NotLeader { shard, hint } => self.on_not_leader(shard, from, hint, fx),
            CommitMessage::Wound { txn, .. } => self.give_way(txn, Reason::Wounded, fx),
            CommitMessage::Kill { txn } => self.give_way(txn, Reason::Deadlock, fx),
            CommitMessage::Probe { at, .. } => self.on_probe(message, at, fx),
            CommitMessage::Phase1a { txn, ballot } => self.on_phase1a(from, txn, ballot, fx),
            CommitMessage::Phase1b { txn, ballot, votes, participants } => {
                self.on_phase1b(from, txn, ballot, (votes, participants), fx);
            }
            CommitMessage::Phase2a { txn, ballot, votes, participants } => {
                self.on_phase2a(from, txn, ballot, (votes, participants), fx);
            }
            CommitMessage::Phase2b { txn, ballot, votes } => self.on_phase2b(from, txn, ballot, votes, fx),
            _ => {}
        }
    }
}

impl Node for Machine {
    type Config = Rc<Config>;
    type Message = CommitMessage;
    type Request = CommitRequest;
    type Response = CommitResponse;
    type Record = CommitRecord;
    type Fact = CommitFact;

    fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, CommitRecord>, fx: &mut Fx<'_>) -> Self {
        match config.duty(me) {
            Duty::Coordinator => Self::Coordinator(Box::new(Coordinator::boot(config, me, disk, fx))),
            Duty::Shard(shard) => Self::Shard(Box::new(Shard::boot(config, me, shard, disk, fx))),
        }
    }

    fn on_message(&mut self, from: NodeId, message: CommitMessage, fx: &mut Fx<'_>) {
        match self {
            Self::Coordinator(coordinator) => {
                coordinator.on_message(from, message, fx);
                coordinator.arm(fx);
            }
            Self::Shard(shard) => shard.on_message(from, message, fx),
        }
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match self {
            Self::Coordinator(coordinator) => {
                coordinator.on_clock(fx);
                coordinator.arm(fx);
            }
            Self::Shard(shard) => shard.on_timer(timer, fx),
        }
    }

    fn on_request(&mut self, ticket: Ticket, request: CommitRequest, fx: &mut Fx<'_>) {
        match self {
            Self::Coordinator(coordinator) => {
                coordinator.on_request(ticket, request, fx);
                coordinator.arm(fx);
            }
            Self::Shard(_) => fx.refuse(ticket),
        }
    }

    fn on_disk(&mut self, done: Completion<CommitRecord>, fx: &mut Fx<'_>) {
        match self {
            Self::Coordinator(coordinator) => {
                coordinator.on_disk(&done, fx);
                coordinator.arm(fx);
            }
            Self::Shard(shard) => shard.on_disk(&done, fx),
        }
    }

    fn is_read(request: &CommitRequest) -> bool {
        request.is_read()
    }

    fn timer_name(timer: Timer) -> &'static str {
        if timer == CLOCK { "clock" } else { "of the group" }
    }

    fn role(&self) -> Role {
        match self {
            Self::Coordinator(_) => Role::new("coordinator", 0),
            Self::Shard(shard) if shard.log().council().is_none() => Role::new("shard", 0),
            Self::Shard(shard) if shard.log().serves() => Role::new("leader", 1),
            Self::Shard(_) => Role::new("follower", 0),
        }
    }

    fn progress(&self) -> u64 {
        self.shard().map_or(0, |shard| shard.log().ledger().carried())
    }
}
