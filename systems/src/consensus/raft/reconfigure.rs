//! Changing the members: learners catch up, then voters change one by one or through a joint configuration
//! (dissertation, chapter 4, with the correction of July 2015: no change before an entry of the leader's own term is
//! committed).

use super::RaftBug;
use super::configuration::Configuration;
use super::log::{Entry, Slice};
use super::message::RaftFact;
use super::node::{Fx, Raft};
use super::progress::Peer;
use sim_core::{Duration, LocalInstant, NodeId, NodeSet, StateMachine};

/// A server without a vote, as its leader sees it catch up in rounds (4.2.1): in each it gets what the leader held when
/// the round began.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer {
    node: NodeId,
    /// Rounds it has completed.
    rounds: u32,
    /// The last one: how long it took, and when it was over.
    took: Duration,
    ended: LocalInstant,
    /// The present one: what it is to hold, and when it began.
    target: u64,
    began: LocalInstant,
}

impl<M: StateMachine> Raft<M> {
    /// The configuration it acts under: the newest in its log, committed or not (4.1).
    #[inline]
    pub(super) fn configuration(&self) -> &Configuration {
        if self.config.has(RaftBug::ConfigurationAtApply) {
            return self.log.configuration_at(self.applied);
        }
        self.log.configuration()
    }

    /// Whether it knows that it is no member: that configuration is committed. Nobody needs its vote then.
    pub(super) fn is_out(&self) -> bool {
        self.log.configuration_index() <= self.commit && !self.log.configuration().everyone().has(self.me)
    }

    /// Whether it may try to lead. One that is about to be removed may, as long as it does not know that this is
    /// committed: it can be the only one who can still bring the configuration without it to the others (4.2.2, figure
    /// 4.6).
    pub(super) fn may_campaign(&self) -> bool {
        let mut may_be_in_force = self.log.configurations_from(self.commit);
        may_be_in_force.any(|(_, configuration)| configuration.votes(self.me))
    }

    /// What it is while it does not lead or try to.
    pub(super) fn seat(&self) -> &'static str {
        let configuration = self.configuration();
        if configuration.votes(self.me) {
            "follower"
        } else if configuration.learners.has(self.me) {
            "learner"
        } else {
            "spare"
        }
    }

    /// The newest configuration of its log is another one.
    pub(super) fn configured(&mut self, fx: &mut Fx<'_, M>) {
        let (index, new) = (self.log.configuration_index(), *self.log.configuration());
        fx.note(RaftFact::Configured { index, voters: new.voters, joint: new.is_joint() });
        if !new.learners.is_empty() {
            fx.note(RaftFact::Learning { index, learners: new.learners });
        }
        self.count_quorums(fx.now());
    }

    /// A leader counts quorums as its configuration says, and watches those who have no vote yet.
    pub(super) fn count_quorums(&mut self, now: LocalInstant) {
        let configuration = *self.configuration();
        let learners = self.log.configuration().learners;
        let target = self.log.last();
        let Some(lead) = &mut self.lead else { return };
        let voters = lead.voters.fill(configuration.voters, &self.config);
        if lead.outgoing.fill(configuration.outgoing, &self.config) || voters {
            // Clients would see no difference if it were kept. Who campaigns under the new configuration has it from
            // this leader, later than the lease was asked for, and has been loyal since; who does not know it needs a
            // majority of one that every quorum of the lease meets, or, in a joint one's place, of voters who hold the
            // joint entry and refuse a log without it. But that rests on how configurations follow each other, and a
            // round of heartbeats costs less than the argument.
            lead.reads.lease.forget();
        }
        lead.newcomers.retain(|newcomer| learners.has(newcomer.node));
        for node in learners.iter() {
            if lead.newcomers.iter().all(|newcomer| newcomer.node != node) {
                let began = now;
                lead.newcomers.push(Newcomer { node, rounds: 0, took: Duration::ZERO, ended: now, target, began });
            }
        }
    }

    /// An operator wants the voters to be these.
    pub(super) fn on_members_wanted(&mut self, voters: NodeSet, fx: &mut Fx<'_, M>) {
        let Some(lead) = &mut self.lead else { return };
        if voters.is_empty() || voters.iter().any(|node| node.0 >= self.config.nodes) {
            return;
        }
        lead.goal = Some(voters);
        self.reconfigure(fx);
    }

    /// A configuration has been committed, or the first entry of the leader's own term.
    pub(super) fn on_configuration_committed(&mut self, fx: &mut Fx<'_, M>) {
        // What was committed by then counts already, except in a published bug.
        self.count_quorums(fx.now());
        let (index, configuration) = (self.log.configuration_index(), *self.log.configuration());
        if index <= self.commit && !configuration.is_joint() && !configuration.votes(self.me) {
            // It managed the cluster without counting itself; now the others can do without it (4.2.2).
            fx.note(RaftFact::Left { index });
            return self.follow(self.term, None, fx);
        }
        self.reconfigure(fx);
    }

    /// Takes the next steps towards what the operator wants, as far as they may be taken now.
    pub(super) fn reconfigure(&mut self, fx: &mut Fx<'_, M>) {
        while let Some(next) = self.next_configuration(fx) {
            self.propose_configuration(next, fx);
        }
    }

    /// The configuration to go to, if one may be gone to now.
    fn next_configuration(&mut self, fx: &mut Fx<'_, M>) -> Option<Configuration> {
        let lead = self.lead.as_mut()?;
        // One change at a time: the majorities of two that follow each other overlap, those of others need not (4.1).
        let under_way = self.log.configuration_index() > self.commit;
        if under_way && !self.config.has(RaftBug::TwoChangesAtOnce) {
            return None;
        }
        // A change by an earlier leader may be somewhere, uncommitted: an entry of this term keeps it from being
        // committed.
        if self.commit < lead.first && !self.config.has(RaftBug::ChangeBeforeOwnCommit) {
            return None;
        }
        let now = *self.log.configuration();
        if now.is_joint() {
            // Also if another leader began it: nobody stays there.
            return Some(Configuration { outgoing: NodeSet::EMPTY, ..now });
        }
        let goal = lead.goal?;
        let new = goal.minus(now.voters);
        if !self.config.has(RaftBug::NewServerVotesAtOnce) {
            if !new.minus(now.learners).is_empty() {
                return Some(Configuration { learners: new, ..now });
            }
            if !new.iter().all(|node| self.has_caught_up(node, fx)) {
                return None;
            }
        }
        if now.voters == goal {
            if !now.learners.is_empty() {
                // Of an order that was given up.
                return Some(Configuration::of(goal));
            }
            if let Some(lead) = &mut self.lead {
                lead.goal = None;
            }
            return None;
        }
        if self.config.joint {
            return Some(Configuration { outgoing: now.voters, ..Configuration::of(goal) });
        }
        // First those who join; then those who leave, and of them the leader itself last.
        let leave = now.voters.minus(goal);
        let voters = match (new.iter().next(), leave.without(self.me).iter().next()) {
            (Some(node), _) => now.voters.with(node),
            (None, Some(node)) => now.voters.without(node),
            (None, None) => now.voters.without(self.me),
        };
        Some(Configuration { voters, learners: new.minus(voters), ..now })
    }

    /// Appends a configuration, which is in force at once, and sends it to everyone in it.
    fn propose_configuration(&mut self, next: Configuration, fx: &mut Fx<'_, M>) {
        let now = *self.log.configuration();
        let last = self.log.last();
        // Proposals that wait for their batch come one place later than they were told.
        self.waiters.put_off(last + 1, 1);
        let entry = Entry::configuration(self.term, next);
        let bytes = entry.bytes::<M>();
        let Some(lead) = &mut self.lead else { return };
        for node in next.everyone().minus(now.everyone()).iter() {
            // Whatever was known about it when it was a member before says nothing: it may have come back with another
            // disk.
            lead.peers[node.index()] = Peer::new(last + 1);
        }
        self.append_batch(Slice::new([entry].into(), bytes), fx);
        self.broadcast(fx);
    }

    /// Something was heard from a follower: if it is about to become a voter, it may have come further.
    #[inline]
    pub(super) fn on_progress(&mut self, from: NodeId, fx: &mut Fx<'_, M>) {
        if self.lead.as_ref().is_some_and(|lead| !lead.newcomers.is_empty()) {
            self.end_round(from, fx);
        }
    }

    #[cold]
    fn end_round(&mut self, from: NodeId, fx: &mut Fx<'_, M>) {
        let (now, last, wanted) = (fx.now(), self.log.last(), self.config.catch_up_rounds);
        let Some(lead) = &mut self.lead else { return };
        let held = lead.peers[from.index()].match_index;
        let Some(newcomer) = lead.newcomers.iter_mut().find(|newcomer| newcomer.node == from) else { return };
        if held < newcomer.target {
            return;
        }
        newcomer.rounds += 1;
        newcomer.took = now.since(newcomer.began);
        let (round, upto, took) = (newcomer.rounds, newcomer.target, newcomer.took);
        (newcomer.ended, newcomer.began, newcomer.target) = (now, now, last);
        if round <= wanted {
            fx.note(RaftFact::CatchUpRound { node: from, round, upto, took });
        }
        if held >= last {
            // It holds everything: all further rounds would take no time.
            (newcomer.rounds, newcomer.took) = (newcomer.rounds.max(wanted), Duration::ZERO);
        }
        let late = newcomer.rounds >= wanted && newcomer.took >= self.config.election_min;
        if late {
            // It can not keep up: the operator may ask again (4.2.1, "otherwise aborts").
            newcomer.rounds = 0;
            lead.goal = None;
            fx.note(RaftFact::GaveUp { node: from });
        }
        self.reconfigure(fx);
    }

    /// Whether a new server would not hold the cluster up if it were a voter: its last round took less than an election
    /// timeout, and was just now.
    fn has_caught_up(&self, node: NodeId, fx: &Fx<'_, M>) -> bool {
        let newcomers = self.lead.as_ref().map_or(&[][..], |lead| &lead.newcomers);
        newcomers.iter().any(|newcomer| {
            newcomer.node == node
                && newcomer.rounds >= self.config.catch_up_rounds
                && newcomer.took < self.config.election_min
                && fx.now().since(newcomer.ended) < self.config.election_min
        })
    }
}
