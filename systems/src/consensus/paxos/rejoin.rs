//! A replica whose disk was wiped must not take part before it knows again what it may have promised and accepted.
//!
//! Paxos Made Live lets it wait for one complete instance; that is not enough, because promises and acceptances it gave
//! before may still be on their way (Michael et al., "Recovering Shared Objects Without Stable Storage", DISC 2017). So
//! it does what they propose: it begins a new *life*, has enough others write that down, and learns from them. Each of
//! them tells of the new life with every later promise and acceptance, so that what the old life said no longer counts
//! beside theirs; and whatever they said before, it has learned from them.
//!
//! It does not know who the acceptors are now. The foremost of those who have answered knows who they are up to some
//! slot, and if the answers meet every quorum of those, they tell of every configuration that can have been chosen
//! behind it.

use super::ballot::Ballot;
use super::log::Run;
use super::members::proposed_in;
use super::message::{Life, PaxosFact, PaxosMessage, Report, Welcome};
use super::node::{ELECTION, Fx, Paxos};
use sim_core::{NodeId, NodeSet, StateMachine};
use std::rc::Rc;

/// The newest life of each replica whose disk was wiped; the first one is 0. Cloning copies a pointer, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Lives(Option<Rc<Vec<(NodeId, Life)>>>);

impl Lives {
    /// The newest life of `node`.
    #[inline]
    pub(super) fn of(&self, node: NodeId) -> Life {
        self.0.as_ref().and_then(|all| all.iter().find(|(n, _)| *n == node)).map_or(Life(0), |(_, life)| *life)
    }

    /// `node` is in this life, or a later one. Returns whether that is news.
    pub(super) fn learn(&mut self, node: NodeId, life: Life) -> bool {
        if life <= self.of(node) {
            return false;
        }
        let all = Rc::make_mut(self.0.get_or_insert_with(Rc::default));
        all.retain(|(n, _)| *n != node);
        all.push((node, life));
        true
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, Life)> {
        self.0.iter().flat_map(|all| all.iter().copied())
    }

    /// Whether somebody's disk was ever wiped.
    #[inline]
    pub(super) const fn any(&self) -> bool {
        self.0.is_some()
    }
}

/// The state of a replica that has lost its memory.
#[derive(Clone, Debug)]
pub struct Rejoin<C> {
    answers: Vec<(NodeId, Welcome<C>)>,
    /// Whether enough have answered; then only their chosen values are missing.
    learning: bool,
    /// How often it has asked for those.
    asked: usize,
}

/// One of so many questions for chosen values goes to somebody else than who knew the most: that one may have restarted
/// since, and what is chosen is not on its disk.
const ELSEWHERE: usize = 8;

impl<C> Rejoin<C> {
    /// Who knows the most to be chosen, of those who know anything.
    fn ahead(&self) -> Option<&(NodeId, Welcome<C>)> {
        self.answers.iter().filter(|(_, answer)| !answer.blank).max_by_key(|(_, answer)| answer.report.commit)
    }
}

impl<M: StateMachine> Paxos<M> {
    /// Whether it has lost its memory, and must not promise or accept anything.
    #[inline]
    pub(super) const fn is_blank(&self) -> bool {
        self.rejoin.is_some()
    }

    /// Its disk is empty, and it does not know why.
    pub(super) fn begin_rejoin(&mut self, life: Life, fx: &mut Fx<'_, M>) {
        self.life = life;
        self.rejoin = Some(Box::new(Rejoin { answers: Vec::new(), learning: false, asked: 0 }));
        fx.note(PaxosFact::Wiped { life });
        self.ask_to_rejoin(fx);
    }

    /// Asks, and goes on asking.
    pub(super) fn ask_to_rejoin(&mut self, fx: &mut Fx<'_, M>) {
        let Some(rejoin) = &self.rejoin else { return };
        let target = rejoin.ahead().map(|(from, answer)| (*from, answer.report.commit));
        fx.arm(ELECTION, self.config.heartbeat);
        match target {
            Some((from, commit)) if rejoin.learning && self.commit < commit => {
                let turn = rejoin.asked;
                let next = (turn / ELSEWHERE) % (self.config.machines() as usize - 1).max(1);
                let elsewhere = self.others().nth(next).filter(|_| turn % ELSEWHERE == ELSEWHERE - 1);
                let whom = elsewhere.unwrap_or(from);
                self.ask(whom, fx);
                if let Some(rejoin) = &mut self.rejoin {
                    rejoin.asked += 1;
                }
            }
            _ => {
                let life = self.life;
                for to in self.others() {
                    // Its answers count for this life only, which must not be used again.
                    self.send_after(self.disk.written(), to, PaxosMessage::Rejoin { life }, fx);
                }
            }
        }
        self.try_rejoin(fx);
    }

    /// `from` has lost its memory and begins another life.
    pub(super) fn on_rejoin(&mut self, from: NodeId, life: Life, fx: &mut Fx<'_, M>) {
        if !self.is_blank() {
            if life < self.lives.of(from) {
                return;
            }
            if self.learn_life(from, life) {
                self.write_hard(fx);
            }
        }
        let base = self.log.base();
        let runs = if self.is_blank() { Rc::default() } else { self.log.behind(base).collect() };
        let report = Report { commit: self.commit, runs, lives: self.lives.clone() };
        let (blank, promised, members) = (self.is_blank(), self.promised, self.members.since(self.commit));
        let welcome = PaxosMessage::Welcome(Box::new(Welcome { life, blank, promised, report, members }));
        self.send_after(self.disk.written(), from, welcome, fx);
    }

    /// Notes that `node` is in a new life: what earlier ones accepted does not count any more.
    fn learn_life(&mut self, node: NodeId, life: Life) -> bool {
        let news = self.lives.learn(node, life);
        if news && let Some(lead) = &mut self.lead {
            lead.discount(node);
        }
        news
    }

    /// Notes whatever another replica knows about lives.
    #[inline]
    pub(super) fn learn_lives(&mut self, lives: &super::rejoin::Lives) {
        if lives.any() {
            for (node, life) in lives.iter() {
                self.learn_life(node, life);
            }
        }
    }

    /// Another replica has answered.
    pub(super) fn on_welcome(&mut self, from: NodeId, welcome: Welcome<M::Command>, fx: &mut Fx<'_, M>) {
        let own = self.life;
        let Some(rejoin) = self.rejoin.as_mut().filter(|rejoin| welcome.life == own && !rejoin.learning) else {
            return;
        };
        rejoin.answers.retain(|(node, _)| *node != from);
        rejoin.answers.push((from, welcome));
        self.try_rejoin(fx);
    }

    /// Whether those who have answered, and know anything, meet every quorum that it may have been part of.
    fn has_asked_enough(&self, rejoin: &Rejoin<M::Command>) -> bool {
        let Some((_, ahead)) = rejoin.ahead() else { return false };
        let known = || rejoin.answers.iter().filter(|(_, answer)| !answer.blank);
        let who: NodeSet = known().map(|(node, _)| *node).collect();
        let meets = |set: NodeSet| who.without(self.me).common(set).len() as u32 >= self.config.rejoin(set);
        // A configuration that was proposed may have been chosen, though nobody here knows.
        let mut proposed = known()
            .flat_map(|(_, answer)| answer.report.runs.iter())
            .filter(|run| run.last() > ahead.report.commit)
            .flat_map(|run| proposed_in(run.entries.entries()));
        ahead.members.iter().all(|(_, set)| meets(set)) && proposed.all(meets)
    }

    /// Learns what the answers themselves tell of what is chosen, from where it has got to. Whoever gave them may have
    /// restarted since and not know it any more, nor find out before this replica takes part again.
    fn learn_from_answers(&mut self, fx: &mut Fx<'_, M>) {
        let Some(rejoin) = &self.rejoin else { return };
        let reports: Vec<Report<M::Command>> = rejoin.answers.iter().map(|(_, answer)| answer.report.clone()).collect();
        for report in reports {
            for run in report.runs.iter().filter(|run| run.first <= report.commit) {
                if run.first <= self.commit + 1 {
                    let known = run.upto::<M>(report.commit);
                    self.learn(known.first, known.entries, fx);
                    self.follow_chosen(fx);
                }
            }
        }
    }

    /// Takes part again if it knows enough.
    pub(super) fn try_rejoin(&mut self, fx: &mut Fx<'_, M>) {
        let Some(rejoin) = &self.rejoin else { return };
        // Nobody anywhere has promised anything yet: it can not have missed anything.
        let fresh = rejoin.answers.len() as u32 + 1 == self.config.machines()
            && rejoin.answers.iter().all(|(_, answer)| answer.promised == Ballot::ZERO);
        if !rejoin.learning && !fresh && !self.has_asked_enough(rejoin) {
            return;
        }
        let Some(rejoin) = &mut self.rejoin else { return };
        let begins = !core::mem::replace(&mut rejoin.learning, true);
        // Blank ones may have answered too; they know nothing.
        rejoin.answers.retain(|(_, answer)| !answer.blank);
        let ahead = rejoin.ahead().map(|(from, answer)| (*from, answer.report.commit));
        self.learn_from_answers(fx);
        if let Some((from, commit)) = ahead
            && self.commit < commit
        {
            if begins {
                self.ask(from, fx);
            }
            return;
        }
        let answers = self.rejoin.take().map_or_else(Vec::new, |rejoin| rejoin.answers);
        let mut runs: Vec<Run<M::Command>> = Vec::new();
        for (_, answer) in answers {
            self.promised = self.promised.max(answer.promised);
            self.learn_lives(&answer.report.lives);
            runs.extend(answer.report.runs.iter().cloned());
        }
        // Of several values for a slot that of the highest ballot stays: it comes last.
        runs.sort_by_key(|run| (run.ballot, run.first));
        for run in runs {
            if run.last() > self.commit {
                let from = run.first.max(self.commit + 1);
                let run = if from == run.first { run } else { run.behind::<M>(from - 1) };
                self.store(run, fx);
            }
        }
        let me = self.me;
        self.lives.learn(me, self.life);
        // The last record: with it on disk the rest is there too.
        self.write_hard(fx);
        fx.note(PaxosFact::Rebuilt { life: self.life });
        self.follow(self.promised, None, fx);
    }
}
