//! The leader's part in changing who the acceptors are, and in handing its office over.
//!
//! It lets those who join learn what was chosen, proposes the configuration like any other value, asks those for
//! promises who have not given any, and fills the slots that the old configuration still governs. Whoever leaves is
//! told so.

use super::ballot::Ballot;
use super::lead::Peer;
use super::log::{Entry, Run, Slice};
use super::message::{Life, PaxosMessage, Report};
use super::node::{Fx, Paxos, Stage};
use sim_core::{NodeId, NodeSet, Order, StateMachine};

/// What a leader has been asked to do about the acceptors, and how far it has got.
#[derive(Clone, Copy, Debug, Default)]
pub struct Change {
    /// Who they shall be.
    wanted: Option<NodeSet>,
    /// Those who accept nothing that counts, but hear everything: they will join, or do not know yet that they were
    /// removed.
    pub(super) learners: NodeSet,
    /// A configuration is proposed, and not known to be chosen.
    proposed: bool,
    /// What it knew to be chosen at its last two heartbeats, the earlier one first.
    seen: (u64, u64),
}

impl Change {
    /// Nothing asked yet of a leader that begins with everything up to `chosen` decided.
    pub(super) fn since(chosen: u64) -> Self {
        Self { seen: (chosen, chosen), ..Self::default() }
    }
}

impl<M: StateMachine> Paxos<M> {
    /// An operator asks something of the leader.
    pub(super) fn obey(&mut self, order: Order, fx: &mut Fx<'_, M>) {
        match order {
            Order::Members(set) => {
                let fits = set.minus(NodeSet::first(self.config.machines() as usize)).is_empty();
                if let Some(lead) = &mut self.lead
                    && fits
                    && !set.is_empty()
                {
                    lead.change.wanted = Some(set);
                    self.try_changing(fx);
                }
            }
            Order::Lead(node) => {
                let hears = self.lead.as_ref().is_some_and(|lead| {
                    let heard = |peer: &Peer| peer.active && peer.commit >= Some(lead.change.seen.0);
                    lead.peers.get(node.index()).is_some_and(heard)
                });
                if hears && node != self.me && self.members.of(self.commit + 1).1.has(node) {
                    self.hand_over(node, fx);
                }
            }
            Order::Own { .. } => {}
        }
    }

    /// A heartbeat is due: another look at what there is to change.
    pub(super) fn try_changing(&mut self, fx: &mut Fx<'_, M>) {
        let commit = self.commit;
        let Some(lead) = &mut self.lead else { return };
        lead.change.seen = (lead.change.seen.1, commit);
        if self.lacks_promises() {
            self.ask_promises(fx);
            if !self.lacks_promises() {
                self.use_promises(fx);
            }
        }
        self.try_proposing(fx);
    }

    /// Proposes the configuration that was asked for, one at a time, once those who join know what was chosen a
    /// heartbeat ago.
    fn try_proposing(&mut self, fx: &mut Fx<'_, M>) {
        let (from, newest) = self.members.newest();
        let knows = self.knows_chosen() && from <= self.commit + 1;
        let Some(lead) = &mut self.lead else { return };
        let Some(wanted) = lead.change.wanted else { return };
        if lead.change.proposed || !knows {
            return;
        }
        if wanted == newest {
            lead.change.wanted = None;
            return;
        }
        let joining = wanted.minus(newest);
        lead.change.learners = lead.change.learners.union(joining);
        let is_ready = |node: NodeId| {
            let peer = &lead.peers[node.index()];
            node == self.me || (peer.active && peer.commit >= Some(lead.change.seen.0))
        };
        if joining.iter().all(is_ready) {
            lead.change.proposed = true;
            lead.gather(Entry::members(wanted));
            self.flush(fx);
        }
    }

    /// Another replica has said how far it has got.
    #[inline]
    pub(super) fn on_progress(&mut self, from: NodeId, fx: &mut Fx<'_, M>) {
        if !self.is_voter() {
            return self.retire(fx);
        }
        let Some(lead) = &mut self.lead else { return };
        if !lead.change.learners.has(from) {
            return;
        }
        let (since, newest) = self.members.newest();
        let joins = newest.has(from) || lead.change.wanted.is_some_and(|wanted| wanted.has(from));
        if !joins && lead.peers[from.index()].commit.is_some_and(|commit| commit + 1 >= since) {
            // It knows that it was removed.
            lead.change.learners = lead.change.learners.without(from);
        }
        self.try_proposing(fx);
    }

    /// It has applied a new configuration.
    pub(super) fn on_configured(&mut self, fx: &mut Fx<'_, M>) {
        let (_, newest) = self.members.newest();
        // Those who are being replaced, so that they will hear of it.
        let leaving = self.members.everybody(self.commit).minus(newest);
        let Some(lead) = &mut self.lead else { return };
        lead.change.proposed = false;
        lead.change.learners = lead.change.learners.minus(newest).union(leaving);
        self.ask_promises(fx);
    }

    /// Whether a configuration of open slots has not promised yet, as it must before anything is proposed there.
    pub(super) fn lacks_promises(&self) -> bool {
        let Some(lead) = &self.lead else { return false };
        self.members.behind(self.commit).any(|(_, set)| !lead.covered.contains(&set))
    }

    /// Asks those for a promise who accept in open slots and have not given one, unless a quorum of them has.
    fn ask_promises(&mut self, fx: &mut Fx<'_, M>) {
        self.cover();
        let Some(lead) = &self.lead else { return };
        let uncovered = |set: &NodeSet| !lead.covered.contains(set);
        let missing = self.members.behind(self.commit).map(|(_, set)| set).filter(uncovered);
        let missing = missing.fold(NodeSet::EMPTY, NodeSet::union).minus(self.who_promised());
        let (ballot, after) = (lead.ballot, self.commit);
        for to in missing.iter() {
            fx.send(to, PaxosMessage::Prepare { ballot, after, handed: Ballot::ZERO });
        }
    }

    /// Those who have promised to the ballot it leads, in a life that is not over as far as it knows.
    fn who_promised(&self) -> NodeSet {
        let Some(lead) = &self.lead else { return NodeSet::EMPTY };
        let counts = |given: &&(NodeId, Life)| given.1 >= self.lives.of(given.0);
        lead.promised.iter().filter(counts).map(|(node, _)| *node).collect()
    }

    /// Notes of which configurations a quorum has promised. That stays so: who forgets it in a new life learns it anew.
    fn cover(&mut self) {
        let who = self.who_promised();
        let Some(lead) = &mut self.lead else { return };
        for (_, set) in self.members.behind(self.commit) {
            if !lead.covered.contains(&set) && who.common(set).len() as u32 >= self.config.phase_one(set) {
                lead.covered.push(set);
            }
        }
    }

    /// An acceptor has promised after it was elected: what it has accepted counts in the slots that are still free.
    pub(super) fn on_late_promise(&mut self, from: NodeId, life: Life, report: Report<M::Command>, fx: &mut Fx<'_, M>) {
        self.learn_lives(&report.lives);
        let Some(lead) = &mut self.lead else { return };
        if lead.promised.iter().any(|(node, known)| *node == from && *known >= life) {
            return;
        }
        let next = lead.next;
        let holds = |slot: u64| report.runs.iter().any(|run| run.first <= slot && slot <= run.last());
        if report.commit >= next && !holds(next) {
            // Somebody has gone on without this leader, so far that the values are gone from the log.
            self.follow(self.promised, None, fx);
            return self.ask(from, fx);
        }
        lead.promised.retain(|(node, _)| *node != from);
        lead.promised.push((from, life));
        let free = lead.free();
        for run in report.runs.iter().filter(|run| run.last() >= next) {
            if run.first <= report.commit {
                let chosen = run.upto::<M>(report.commit);
                lead.adopted.merge(&Run { ballot: Ballot::CHOSEN, ..chosen });
            }
            if run.last() > report.commit {
                lead.adopted.merge(&run.behind::<M>(report.commit));
            }
        }
        lead.first = lead.first.max(lead.adopted.last() + 1);
        let later = lead.free() - free;
        self.waiters.put_off(next, later);
        self.cover();
        self.use_promises(fx);
    }

    /// There may be enough promises now: goes on with whatever waits for them.
    fn use_promises(&mut self, fx: &mut Fx<'_, M>) {
        self.advance(fx);
        self.start_round(fx);
        self.on_round(fx);
    }

    /// More is chosen: lets a new configuration begin, and retires a leader that is no longer an acceptor.
    #[inline]
    pub(super) fn go_on_changing(&mut self, fx: &mut Fx<'_, M>) {
        if self.lead.as_ref().is_some_and(|lead| lead.next < self.members.newest().0) {
            self.push_window(fx);
        }
        if self.stage == Stage::Leader && !self.is_voter() {
            self.retire(fx);
        }
    }

    /// Fills the slots before those of the newest configuration with values that do nothing.
    fn push_window(&mut self, fx: &mut Fx<'_, M>) {
        while let Some(lead) = &self.lead
            && lead.next >= lead.first
            && lead.next < self.members.newest().0
        {
            let (next, left) = (lead.next, self.members.newest().0 - lead.next);
            let count = self.room().min(left).min(Slice::<M::Command>::LONGEST as u64);
            if count == 0 {
                return;
            }
            self.waiters.put_off(next, count);
            let noops: Vec<_> = (0..count).map(|_| Entry::noop()).collect();
            let bytes = noops.iter().map(Entry::bytes::<M>).sum();
            self.propose_batch(Slice::new(noops.into(), bytes), fx);
        }
    }

    /// It is not an acceptor any more, and everything is decided where it was one. As soon as a quorum of those who are
    /// has promised, and one of them knows that it is one, that one takes over.
    fn retire(&mut self, fx: &mut Fx<'_, M>) {
        let (since, acceptors) = self.members.of(self.commit + 1);
        if self.lacks_promises() {
            return;
        }
        let Some(lead) = &self.lead else { return };
        let rank = |node: &NodeId| {
            let peer = &lead.peers[node.index()];
            (peer.active, peer.commit, core::cmp::Reverse(*node))
        };
        let knows = |node: &NodeId| lead.peers[node.index()].commit.is_some_and(|commit| commit + 1 >= since);
        if let Some(heir) = acceptors.iter().filter(knows).max_by_key(rank) {
            self.send_heartbeats(fx);
            self.hand_over(heir, fx);
        }
    }

    /// Leads no more, and asks `heir` to lead instead.
    fn hand_over(&mut self, heir: NodeId, fx: &mut Fx<'_, M>) {
        let ballot = self.promised;
        self.step_down(Some(heir), fx);
        self.follow(ballot, None, fx);
        fx.send(heir, PaxosMessage::TakeOver { ballot });
    }

    /// The leader of `ballot` leads no more.
    pub(super) fn on_take_over(&mut self, ballot: Ballot, fx: &mut Fx<'_, M>) {
        if ballot == self.promised && self.stage == Stage::Follower {
            self.campaign(ballot, fx);
        }
    }
}
