//! Phase 1: a candidate prepares a ballot for all open slots at once, and goes on with what the promises say was
//! accepted (Paxos Made Simple, section 3).

use super::ballot::Ballot;
use super::bugs::PaxosBug;
use super::lead::Lead;
use super::log::{Log, Run};
use super::message::{Life, PaxosFact, PaxosMessage, Report};
use super::node::{ELECTION, Fx, HEARTBEAT, Paxos, Stage};
use super::quorum::Tally;
use super::reconfigure::Change;
use sim_core::{NodeId, StateMachine, WriteId};

/// A promise that a candidate was given.
#[derive(Clone, Debug)]
struct Given<C> {
    from: NodeId,
    life: Life,
    report: Report<C>,
}

/// The promises of one campaign.
#[derive(Clone, Debug)]
pub struct Promises<C> {
    given: Vec<Given<C>>,
    tally: Tally,
    /// The ballot of the leader who has asked it to campaign, if one has.
    handed: Ballot,
}

impl<C> Default for Promises<C> {
    fn default() -> Self {
        Self { given: Vec::new(), tally: Tally::default(), handed: Ballot::ZERO }
    }
}

impl<C> Promises<C> {
    pub(super) fn clear(&mut self) {
        self.given.clear();
        self.tally = Tally::default();
    }
}

impl<M: StateMachine> Paxos<M> {
    /// Prepares a ballot above every one it knows; `handed` is that of a leader who has asked it to.
    pub(super) fn campaign(&mut self, handed: Ballot, fx: &mut Fx<'_, M>) {
        if !self.is_voter() {
            // Whoever does not accept need not lead. But it may be one of those who shall, and not know yet.
            if self.promised != Ballot::ZERO {
                let whom = NodeId(fx.rng().below(u64::from(self.config.machines())) as u32);
                if whom != self.me {
                    self.ask(whom, fx);
                }
            }
            return self.await_leader(fx);
        }
        if self.stage == Stage::Leader {
            self.step_down(None, fx);
        }
        self.stage = Stage::Candidate;
        self.leader = None;
        self.promises.clear();
        self.promises.handed = handed;
        self.promised = self.promised.next(self.me, &self.config);
        self.announced = 0;
        self.liege = None;
        self.write_hard(fx);
        self.draw_timeout(fx);
        self.await_leader(fx);
        self.failures += 1;
        fx.note(PaxosFact::Campaign { ballot: self.promised });
        self.send_prepare(fx);
    }

    /// A promise that was lost must not cost as long as the candidate backs off.
    pub(super) fn ask_again(&mut self, fx: &mut Fx<'_, M>) {
        if self.disk.knows_promise() {
            self.send_prepare(fx);
        } else {
            fx.arm(HEARTBEAT, self.config.election_min);
        }
    }

    /// Asks those for a promise who have not given one.
    fn send_prepare(&mut self, fx: &mut Fx<'_, M>) {
        fx.arm(HEARTBEAT, self.config.election_min);
        let (ballot, after, handed) = (self.promised, self.commit, self.promises.handed);
        for to in self.members.everybody(after).without(self.me).minus(self.promises.tally.who()).iter() {
            // The own promise is durable before anyone hears of the ballot, or it might be used again after a crash.
            self.send_after(self.disk.promised(), to, PaxosMessage::Prepare { ballot, after, handed }, fx);
        }
    }

    /// What it tells a candidate that knows everything chosen up to `after`.
    fn report(&self, after: u64) -> Report<M::Command> {
        Report { commit: self.commit, runs: self.log.behind(after).collect(), lives: self.lives.clone() }
    }

    /// Phase 1a arrived.
    pub(super) fn on_prepare(&mut self, from: NodeId, ballot: Ballot, after: u64, handed: Ballot, fx: &mut Fx<'_, M>) {
        // A leader that has handed over holds nobody to anything, nor a lease.
        let released = handed != Ballot::ZERO && handed == self.promised && self.stage != Stage::Leader;
        if !released && self.is_loyal(from, fx.now()) {
            if !self.members.everybody(self.commit).has(from) {
                // It does not know that it was removed.
                self.on_learn(from, after, (0, 0), fx);
            }
            return;
        }
        if ballot < self.promised {
            return fx.send(from, PaxosMessage::Outbid { ballot, promised: self.promised });
        }
        let first = ballot > self.promised;
        if first {
            self.follow(ballot, None, fx);
        }
        if ballot > self.recorded {
            self.write_hard(fx);
        }
        // To promise is to wait for the candidate: it may soon lead. Asking again does not make it wait for longer.
        if first || self.liege != Some(from) {
            self.await_leader(fx);
            (self.liege, self.heard) = (Some(from), fx.now());
        }
        let promise = PaxosMessage::Promise { ballot, life: self.life, report: self.report(after) };
        let need = if self.config.has(PaxosBug::PromiseNotDurable) { 0 } else { self.disk.written() };
        self.send_after(need, from, promise, fx);
    }

    /// Its own promise is durable.
    pub(super) fn on_own_promise(&mut self, fx: &mut Fx<'_, M>) {
        fx.note(PaxosFact::Promised { ballot: self.promised, candidate: self.me });
        self.on_promise(self.me, self.promised, self.life, self.report(self.commit), fx);
    }

    /// Phase 1b arrived.
    pub(super) fn on_promise(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        life: Life,
        report: Report<M::Command>,
        fx: &mut Fx<'_, M>,
    ) {
        if self.lead.as_ref().is_some_and(|lead| lead.ballot == ballot) {
            if self.lacks_promises() {
                self.on_late_promise(from, life, report, fx);
            }
            return;
        }
        let current = ballot == self.promised || self.config.has(PaxosBug::StalePromises);
        if self.stage != Stage::Candidate || !current {
            return;
        }
        self.learn_lives(&report.lives);
        let promises = &mut self.promises;
        if !promises.tally.has(from) {
            promises.given.push(Given { from, life, report });
        }
        promises.tally.add(from, &self.config);
        for given in promises.given.extract_if(.., |given| given.life < self.lives.of(given.from)) {
            // It has forgotten what it promised in an earlier life.
            promises.tally.remove(given.from);
        }
        // Of every configuration that governs slots which are open, as far as it knows.
        let tally = promises.tally;
        let enough = |set| tally.reaches(self.config.phase_one(set), set);
        if tally.has(self.me) && self.members.behind(self.commit).all(|(_, set)| enough(set)) {
            self.become_leader(fx);
        }
    }

    fn become_leader(&mut self, fx: &mut Fx<'_, M>) {
        let promises = core::mem::take(&mut self.promises.given);
        // What the others know to be chosen: no need to propose it again, only to learn it.
        let ahead = promises.iter().max_by_key(|given| given.report.commit).expect("its own is among them");
        let (source, chosen) = (ahead.from, ahead.report.commit.max(self.commit));
        for given in &promises {
            for run in given.report.runs.iter().filter(|run| run.first <= given.report.commit) {
                let known = run.upto::<M>(given.report.commit);
                self.learn(known.first, known.entries, fx);
            }
        }
        // Of several values for a slot that of the highest ballot counts: it comes last.
        let mut accepted = Log::<M>::after(chosen);
        let mut runs: Vec<&Run<M::Command>> = promises.iter().flat_map(|given| given.report.runs.iter()).collect();
        runs.sort_by_key(|run| run.ballot);
        for run in runs {
            accepted.put(run.clone(), WriteId(0));
        }
        let ballot = self.promised;
        let mut lead = Lead::new(self.config.machines(), ballot, accepted, source);
        if self.config.has(PaxosBug::HigherSlotsForgotten) {
            lead.first = self.log.last().max(chosen) + 1;
        }
        lead.change = Change::since(chosen);
        lead.promised = promises.iter().map(|given| (given.from, given.life)).collect();
        lead.covered = self.members.behind(self.commit).map(|(_, set)| set).collect();
        self.stage = Stage::Leader;
        self.leader = Some(self.me);
        self.liege = self.leader;
        self.failures = 0;
        self.incoming = None;
        self.waiters.clear();
        fx.note(PaxosFact::Elected { ballot, chosen, first: lead.first });
        self.lead = Some(Box::new(lead));
        fx.arm(ELECTION, self.config.election_min);
        fx.arm(HEARTBEAT, self.config.heartbeat);
        self.propose_open(fx);
        // The others hear of their new leader at once, and what it knows to be chosen.
        self.send_heartbeats(fx);
        if self.commit < chosen {
            self.ask(source, fx);
        }
        self.advance(fx);
    }

    /// A ballot of its own was outbid.
    pub(super) fn on_outbid(&mut self, ballot: Ballot, promised: Ballot, fx: &mut Fx<'_, M>) {
        if ballot != self.promised || promised <= self.promised || self.stage == Stage::Follower {
            return;
        }
        // A leader that a quorum still hears from was not replaced: somebody has tried in vain. It must outbid that
        // attempt, or the one who made it could never follow.
        let secure = self.config.check_quorum && self.hears_quorum();
        self.follow(promised, None, fx);
        if secure {
            self.campaign(Ballot::ZERO, fx);
        }
    }

    /// Whether it leads, and has heard lately from a quorum of those who accept in the next slot.
    fn hears_quorum(&mut self) -> bool {
        let (me, acceptors) = (self.me, self.members.of(self.commit + 1).1);
        let quorum = self.config.phase_two(acceptors);
        self.lead.as_mut().is_some_and(|lead| lead.count_active(me, acceptors) >= quorum)
    }

    /// A leader that has not heard from a quorum for a while may have been replaced.
    pub(super) fn check_quorum(&mut self, fx: &mut Fx<'_, M>) {
        let heard = self.hears_quorum();
        let Some(lead) = &mut self.lead else { return };
        lead.clear_active();
        if heard || !self.config.check_quorum {
            fx.arm(ELECTION, self.config.election_min);
        } else {
            self.follow(self.promised, None, fx);
        }
    }

    /// Stops leading. What was proposed may yet be chosen, so nobody who waits for it is told anything; what was not
    /// proposed never will be by this try, and reads have no effect.
    pub(super) fn step_down(&mut self, leader: Option<NodeId>, fx: &mut Fx<'_, M>) {
        let Some(lead) = self.lead.take() else { return };
        for ticket in self.waiters.since(lead.next) {
            fx.redirect(ticket, leader);
        }
        self.waiters.clear();
        for ticket in lead.reads.waiting() {
            fx.redirect(ticket, leader);
        }
        fx.note(PaxosFact::SteppedDown { ballot: lead.ballot });
    }
}
