//! Catching up: whoever lacks chosen values asks somebody who knows them.

use super::ballot::Ballot;
use super::log::{Run, Slice};
use super::message::PaxosMessage;
use super::node::{Fx, Paxos, Stage};
use sim_core::{NodeId, StateMachine};

/// Messages with chosen values that answer one question.
const WINDOW: u32 = 16;

impl<M: StateMachine> Paxos<M> {
    /// Asks `whom` for the values behind what it knows to be chosen.
    pub(super) fn ask(&self, whom: NodeId, fx: &mut Fx<'_, M>) {
        let snapshot = self.incoming.map_or((0, 0), |incoming| (incoming.slot, incoming.received));
        fx.send(whom, PaxosMessage::Learn { after: self.commit, snapshot });
    }

    /// `from` asks. Anybody may answer: chosen is chosen.
    pub(super) fn on_learn(&self, from: NodeId, after: u64, snapshot: (u64, u64), fx: &mut Fx<'_, M>) {
        if after >= self.commit {
            return;
        }
        if after < self.log.base() {
            return self.send_piece(from, snapshot, fx);
        }
        let mut first = after + 1;
        for batch in 1..=WINDOW {
            let entries = self.log.slice(first, self.commit, self.config.max_batch);
            let last = first + entries.len() as u64 - 1;
            let done = last == self.commit || batch == WINDOW;
            // Only the last one says that there is more, so that it alone is answered by another question.
            let commit = if done { self.commit } else { last };
            fx.send(from, PaxosMessage::Learned { first, entries, commit });
            if done {
                return;
            }
            first = last + 1;
        }
    }

    /// Chosen values arrived.
    pub(super) fn on_learned(
        &mut self,
        from: NodeId,
        first: u64,
        entries: Slice<M::Command>,
        commit: u64,
        fx: &mut Fx<'_, M>,
    ) {
        let before = self.commit;
        self.learn(first, entries, fx);
        match self.stage {
            Stage::Leader => self.advance(fx),
            _ => self.follow_chosen(fx),
        }
        if self.commit > before {
            let most = self.lead.as_ref().map_or(commit, |lead| commit.min(lead.chosen));
            if self.commit < most {
                self.ask(from, fx);
            }
            self.try_rejoin(fx);
        }
    }

    /// Puts chosen values into the log.
    pub(super) fn learn(&mut self, first: u64, entries: Slice<M::Command>, fx: &mut Fx<'_, M>) {
        if entries.is_empty() {
            return;
        }
        let mut run = Run { first, ballot: Ballot::CHOSEN, entries };
        if let Some(lead) = &self.lead {
            // Behind this, a leader that was replaced without knowing it would learn what its successor has chosen, and
            // then tell those who still follow it that everything up to there is chosen: but they hold its own
            // proposals.
            if first > lead.chosen {
                return;
            }
            run = run.upto::<M>(lead.chosen);
        }
        if run.last() > self.commit {
            self.store(run.behind::<M>(self.commit), fx);
        }
    }
}
