//! What a leader owes its cluster and its clients: it stays while a quorum is heard, goes when its disk hangs, and
//! sends away whose requests it has not begun.

use super::log::Payload;
use super::message::{RaftFact, RaftMessage, Record};
use super::node::Raft;
use crate::shared::replication::audit::Audit;
use sim_core::{ClientId, Duration, Instant, LocalInstant, NodeId, NodeSet, Observed, StateMachine, Verdict};
use std::collections::{BTreeMap, BTreeSet};

sim_core::rules! {
    /// A leader that has just heard from a quorum does not give up for want of one.
    pub const QUORUM_HEARD: &str = "quorum_heard";
    /// A leader gives up once its disk has hung for as long as the watchdog allows.
    pub const DISK_WATCHED: &str = "disk_watched";
    /// Who stops leading sends away those whose requests are not in its log: nothing will ever come of these tries.
    pub const PROPOSALS_LET_GO: &str = "proposals_let_go";
}

/// An operation.
type Op = (ClientId, u64);

/// A leader that has stopped.
#[derive(Clone, Copy, Debug)]
struct Stopped {
    node: NodeId,
    term: u64,
    /// Who had answered it, in its term and of late.
    heard: NodeSet,
    /// Whether it said why: its disk, or that it is no member.
    said_why: bool,
}

/// The memory of these rules.
#[derive(Clone, Debug, Default)]
pub(super) struct LeaderChecks {
    /// By leader: who has answered it, when and in which term.
    answers: BTreeMap<(NodeId, NodeId), (Instant, u64)>,
    said_why: Option<NodeId>,
    stopped: Option<Stopped>,
    /// By leader: what its disk owes, and since when that is so.
    disk: BTreeMap<NodeId, (LocalInstant, Instant)>,
    writes: BTreeSet<Op>,
    /// By node: what it was asked and has not answered, and whether that is in its log.
    held: BTreeMap<NodeId, BTreeMap<Op, bool>>,
    given_up: u64,
    disks: u64,
}

impl LeaderChecks {
    /// A node announces something; `window` is the time in which an answer is new.
    pub fn on_fact(&mut self, at: Instant, node: NodeId, fact: RaftFact, window: Duration) {
        match fact {
            RaftFact::DiskTimedOut { .. } | RaftFact::Left { .. } => self.said_why = Some(node),
            RaftFact::SteppedDown { term } => {
                let of = self.answers.range((node, NodeId(0))..=(node, NodeId(u32::MAX)));
                let new = of.filter(|(_, (when, of))| *of == term && at.since(*when) < window);
                let heard = new.map(|((_, from), _)| *from).collect();
                let said_why = self.said_why == Some(node);
                self.stopped = Some(Stopped { node, term, heard, said_why });
            }
            _ => {}
        }
    }

    /// Something else happens.
    pub fn watch<M: StateMachine>(&mut self, at: Instant, what: &Observed<'_, Raft<M>>) {
        match what {
            Observed::Delivered { from, to, message: RaftMessage::Appended { term, .. }, .. } => {
                self.answers.insert((*to, *from), (at, *term));
            }
            Observed::Invoked { ticket, request } if !M::is_read(request) => {
                self.writes.insert((ticket.client, ticket.op));
            }
            Observed::Requested { ticket, node } if self.writes.contains(&(ticket.client, ticket.op)) => {
                self.held.entry(*node).or_default().entry((ticket.client, ticket.op)).or_insert(false);
            }
            Observed::Appended { node, record: Record::Entries { entries, .. }, .. } => {
                if let Some(held) = self.held.get_mut(node).filter(|held| !held.is_empty()) {
                    for entry in entries.entries() {
                        if let Payload::Command { stamp, .. } = &entry.payload
                            && let Some(begun) = held.get_mut(&(stamp.client, stamp.op))
                        {
                            *begun = true;
                        }
                    }
                }
            }
            Observed::Answered { ticket, node, .. } => {
                self.held.get_mut(node).map(|held| held.remove(&(ticket.client, ticket.op)));
            }
            Observed::Returned { ticket, .. } => drop(self.writes.remove(&(ticket.client, ticket.op))),
            Observed::Crashed { node, .. } | Observed::Paused { node, .. } => {
                self.disk.remove(node);
                if matches!(what, Observed::Crashed { .. }) {
                    self.held.remove(node);
                }
            }
            _ => {}
        }
    }

    /// A step of `node` is over.
    pub fn after_step<M: StateMachine>(&mut self, audit: &mut Audit, at: Instant, raft: &Raft<M>) {
        let node = raft.me;
        self.said_why = None;
        if let Some(stopped) = self.stopped.take().filter(|stopped| stopped.node == node) {
            self.given_up += 1;
            self.check_stopped(audit, at, raft, stopped);
        }
        let owes = raft.tail.waits_since().filter(|_| raft.lead.is_some());
        let (Some(most), Some(owes)) = (raft.config.disk_timeout, owes) else {
            self.disk.remove(&node);
            return;
        };
        let (of, since) = *self
            .disk
            .entry(node)
            .and_modify(|(of, since)| {
                if *of != owes {
                    (*of, *since) = (owes, at);
                }
            })
            .or_insert((owes, at));
        self.disks += 1;
        // It looks at every heartbeat, by a clock that may run slow, on a machine that may.
        let patience = most + raft.config.heartbeat.times(2) + Duration(most.0 / 8) + Duration::millis(20);
        if of == owes && at.since(since) > patience {
            audit.fail(at, DISK_WATCHED, node, || {
                format!("{node} leads though its disk has hung for {}, and {most} are allowed", at.since(since))
            });
        }
    }

    fn check_stopped<M: StateMachine>(&mut self, audit: &mut Audit, at: Instant, raft: &Raft<M>, stopped: Stopped) {
        let node = stopped.node;
        let heard = stopped.heard.with(node);
        let in_vain = raft.term() == stopped.term && !stopped.said_why;
        if in_vain && raft.config.check_quorum && raft.config.decides(raft.configuration(), heard, 0) {
            audit.fail(at, QUORUM_HEARD, node, || {
                format!("{node} gives up its lead, though {heard} have just answered")
            });
        }
        let held = self.held.remove(&node).unwrap_or_default();
        if raft.lead.is_some() || raft.standstill.is_on() {
            return;
        }
        if let Some(((client, op), _)) = held.into_iter().find(|(op, begun)| !begun && self.writes.contains(op)) {
            audit.fail(at, PROPOSALS_LET_GO, node, || {
                format!("{node} leads no longer, and holds operation {op} of {client}, which is not in its log")
            });
        }
    }

    /// What these rules say, of what happened.
    pub fn verdicts(&self, audit: &Audit) -> Vec<Verdict> {
        let rows = [
            (QUORUM_HEARD, self.given_up, "leaders that stopped"),
            (DISK_WATCHED, self.disks, "steps of leaders with something on its way to the disk"),
            (PROPOSALS_LET_GO, self.given_up, "leaders that stopped"),
        ];
        let broken = |name: &str| audit.violation().is_some_and(|violation| violation.rule == name);
        let seen = rows.into_iter().filter(|(rule, seen, _)| *seen > 0 || broken(rule));
        seen.map(|(rule, seen, what)| audit.rule(rule, seen, format!("{seen} {what}"))).collect()
    }
}
