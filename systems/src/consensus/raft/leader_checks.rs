//! What a leader owes its cluster and its clients: it stays while a quorum is heard, goes when its disk hangs, and
//! sends away whose requests it has not begun.

use super::log::Payload;
use super::message::{RaftFact, RaftMessage, Record};
use super::node::Raft;
use crate::shared::replication::audit::Audit;
use sim_core::fault::Fault;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{ClientId, Duration, Instant, LocalInstant, NodeId, NodeSet, Observed, StateMachine, Verdict};

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
    answers: SortedMap<(NodeId, NodeId), (Instant, u64)>,
    said_why: Option<NodeId>,
    stopped: Option<Stopped>,
    /// By leader: what its disk owes, and since when that is so.
    disk: SortedMap<NodeId, (LocalInstant, Instant)>,
    /// Faults of clocks that go on, and whose those are: a watchdog goes by its node's clock, which may stand still.
    clocks: SortedMap<usize, Vec<NodeId>>,
    writes: SortedSet<Op>,
    /// By node: what it was asked and has not answered, and whether that is in its log.
    held: SortedMap<NodeId, SortedMap<Op, bool>>,
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
            Observed::FaultStarted { index, injection, resolved } if matches!(injection.fault, Fault::Clock(_)) => {
                self.disk.retain(|node, _| !resolved.contains(node));
                self.clocks.insert(*index, resolved.to_vec());
            }
            Observed::FaultEnded { index, .. } => {
                let held = self.clocks.remove(index).unwrap_or_default();
                self.disk.retain(|node, _| !held.contains(node));
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
        let is_honest = !self.clocks.values().flatten().any(|other| *other == node);
        let owes = raft.tail.waits_since().filter(|_| raft.lead.is_some() && is_honest);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consensus::raft::{self, Config, ELECTION};
    use crate::shared::kv::{Kv, KvCommand};
    use crate::shared::replication::ReadRound;
    use sim_core::fault::{ClockChange, Injection, Target};
    use sim_core::hand::Hand;
    use sim_core::{Instant, Ticket};

    const LEADER: NodeId = NodeId(0);
    const AT: Instant = Instant(1_000_000);

    fn hand(config: &Config) -> Hand<raft::Raft<Kv>> {
        let mut hand = Hand::down(config, LEADER, 1);
        hand.boot();
        hand
    }

    fn broken(audit: &Audit) -> Option<&str> {
        audit.violation().map(|violation| violation.rule.as_str())
    }

    #[test]
    fn a_leader_that_stops_though_a_quorum_has_just_answered_is_found() {
        let hand = hand(&Config::new(3));
        let run = |answered: Instant, why: Option<RaftFact>| {
            let (mut checks, mut audit) = (LeaderChecks::default(), Audit::new(3));
            let message = RaftMessage::Appended { term: 0, match_index: 1, round: ReadRound(0) };
            let delivered = Observed::Delivered { from: NodeId(2), to: LEADER, number: 1, message: &message };
            checks.watch::<Kv>(answered, &delivered);
            for fact in why.into_iter().chain([RaftFact::SteppedDown { term: 0 }]) {
                checks.on_fact(AT, LEADER, fact, Duration(100));
            }
            checks.after_step(&mut audit, AT, hand.node());
            broken(&audit).map(str::to_owned)
        };
        assert_eq!(run(AT, None).as_deref(), Some(QUORUM_HEARD));
        assert_eq!(run(Instant(AT.0 - 200), None), None, "it has not answered of late");
        assert_eq!(run(AT, Some(RaftFact::DiskTimedOut { term: 0 })), None, "it says why");
    }

    #[test]
    fn a_leader_that_stays_while_its_disk_hangs_is_found() {
        let most = Duration::millis(300);
        let config = Config { disk_timeout: Some(most), pre_vote: false, ..Config::new(3) };
        let mut hand = hand(&config);
        hand.fire(ELECTION);
        hand.sync();
        let term = hand.node().term();
        hand.tell(NodeId(1), RaftMessage::Vote { term, granted: true, pre: false });
        assert!(
            hand.node().lead.is_some() && hand.node().tail.waits_since().is_some(),
            "its first entry is on its way"
        );
        let (mut checks, mut audit) = (LeaderChecks::default(), Audit::new(3));
        checks.after_step(&mut audit, AT, hand.node());
        checks.after_step(&mut audit, AT + most, hand.node());
        assert_eq!(broken(&audit), None, "it has the time of a few heartbeats to look");
        checks.after_step(&mut audit, AT + most.times(3), hand.node());
        assert_eq!(broken(&audit), Some(DISK_WATCHED));

        // A clock that stands still does not tell it.
        let (mut checks, mut audit) = (LeaderChecks::default(), Audit::new(3));
        let injection = Injection {
            id: 1,
            name: None,
            fault: Fault::Clock(ClockChange::Freeze),
            target: Target::Nodes(vec![LEADER]),
            at: AT,
            until: AT + most.times(9),
            after: None,
            must_bite: false,
        };
        let frozen = Observed::FaultStarted { index: 4, injection: &injection, resolved: &[LEADER] };
        checks.watch::<Kv>(AT, &frozen);
        checks.after_step(&mut audit, AT, hand.node());
        checks.after_step(&mut audit, AT + most.times(3), hand.node());
        assert_eq!(broken(&audit), None);
        checks.watch::<Kv>(AT, &Observed::FaultEnded { index: 4, injection: &injection, touched: 1 });
        checks.after_step(&mut audit, AT + most.times(9), hand.node());
        checks.after_step(&mut audit, AT + most.times(12), hand.node());
        assert_eq!(broken(&audit), Some(DISK_WATCHED));
    }

    #[test]
    fn a_leader_that_stops_and_keeps_a_write_it_has_not_begun_is_found() {
        let hand = hand(&Config::new(3));
        let ticket = Ticket { client: ClientId(3), op: 5, floor: 0, attempt: 0 };
        let run = |request: KvCommand, answered: bool| {
            let (mut checks, mut audit) = (LeaderChecks::default(), Audit::new(3));
            checks.watch::<Kv>(AT, &Observed::Invoked { ticket, request: &request });
            checks.watch::<Kv>(AT, &Observed::Requested { ticket, node: LEADER });
            if answered {
                let answer = Observed::Answered { ticket, node: LEADER, redirect: true, names: None };
                checks.watch::<Kv>(AT, &answer);
            }
            checks.on_fact(AT, LEADER, RaftFact::SteppedDown { term: 0 }, Duration(100));
            checks.after_step(&mut audit, AT, hand.node());
            broken(&audit).map(str::to_owned)
        };
        assert_eq!(run(KvCommand::Delete { key: 1 }, false).as_deref(), Some(PROPOSALS_LET_GO));
        assert_eq!(run(KvCommand::Delete { key: 1 }, true), None, "its client was sent away");
        assert_eq!(run(KvCommand::Get { key: 1 }, false), None, "a read is another rule's");
    }
}
