//! The acceptor and learner: takes values over from the leader (phase 2b).

use super::ballot::Ballot;
use super::log::Run;
use super::message::PaxosMessage;
use super::node::{Fx, Paxos};
use crate::shared::replication::ReadRound;
use sim_core::{NodeId, StateMachine};

impl<M: StateMachine> Paxos<M> {
    /// Phase 2a arrived.
    pub(super) fn on_accept(&mut self, from: NodeId, run: Run<M::Command>, commit: u64, fx: &mut Fx<'_, M>) {
        let (ballot, first, last) = (run.ballot, run.first, run.last());
        if !self.hear(from, ballot, fx) {
            return;
        }
        let held = self.log.ballot(first).is_some_and(|(of, upto)| of == ballot && upto >= last);
        // Chosen values are the same everywhere, whatever the message says about them.
        if last > self.commit && !held {
            self.store(run.behind::<M>(self.commit), fx);
        }
        // To accept is to promise, also where there is nothing new to accept.
        if ballot > self.recorded {
            self.write_hard(fx);
        }
        // The answer says "durable", so it waits until that is true.
        let accepted = PaxosMessage::Accepted { ballot, first, life: self.life, lives: self.lives.clone() };
        self.send_after(self.disk.written(), from, accepted, fx);
        self.on_announced(commit, fx);
    }

    /// The leader is alive.
    pub(super) fn on_heartbeat(
        &mut self,
        from: NodeId,
        ballot: Ballot,
        commit: u64,
        round: ReadRound,
        fx: &mut Fx<'_, M>,
    ) {
        if !self.hear(from, ballot, fx) {
            return;
        }
        fx.send(from, PaxosMessage::Alive { ballot, round, commit: self.commit });
        self.on_announced(commit, fx);
        // Not everything that is chosen has arrived. If that was so a heartbeat ago as well, it was lost.
        if self.commit < self.announced {
            let progress = (self.commit, self.incoming_bytes());
            if self.stuck_at == progress {
                self.ask(from, fx);
            }
            self.stuck_at = progress;
        } else {
            self.stuck_at = (u64::MAX, 0);
        }
    }

    /// The leader of the promised ballot says that everything up to `commit` is chosen. What was accepted in its ballot
    /// is what was chosen, because it proposes nothing else; what was accepted before it need not be.
    fn on_announced(&mut self, commit: u64, fx: &mut Fx<'_, M>) {
        self.announced = self.announced.max(commit);
        self.follow_chosen(fx);
    }

    /// Goes on with whatever it holds of the chosen values.
    pub(super) fn follow_chosen(&mut self, fx: &mut Fx<'_, M>) {
        let before = self.commit;
        while let Some((ballot, last)) = self.log.ballot(self.commit + 1) {
            if ballot == Ballot::CHOSEN {
                self.commit = last;
            } else if ballot == self.promised && self.commit < self.announced {
                self.commit = last.min(self.announced);
            } else {
                break;
            }
        }
        if self.commit > before {
            self.apply(fx);
        }
    }
}
