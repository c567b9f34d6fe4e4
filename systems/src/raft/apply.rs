//! Applying committed entries to the state machine, and answering whoever waits for them.

use super::RaftBug;
use super::log::{Payload, link};
use super::message::RaftFact;
use super::node::{Fx, Raft, Stage};
use super::queue::pop_if;
use sim_core::StateMachine;

impl<M: StateMachine> Raft<M> {
    /// Applies what is committed.
    pub(super) fn apply(&mut self, fx: &mut Fx<'_, M>) {
        // Only published bugs commit beyond the log's end.
        let upto = self.commit.min(self.log.last());
        if upto <= self.applied {
            return;
        }
        let filter = !self.config.has(RaftBug::NoSessionFilter);
        let leads = self.stage == Stage::Leader;
        while self.applied < upto {
            let (batch, skip) = self.log.batch(self.applied + 1);
            let entries = &batch.entries()[skip..];
            let take = entries.len().min((upto - self.applied) as usize);
            for entry in &entries[..take] {
                self.applied += 1;
                self.applied_chain = link(self.applied_chain, entry.hash);
                let Payload::Command { stamp, command } = &entry.payload else { continue };
                let (response, fresh) = self.state.apply(*stamp, command, filter);
                if leads {
                    let (index, chain) = (self.applied, self.applied_chain);
                    fx.note(RaftFact::Executed { index, chain, client: stamp.client, op: stamp.op, fresh });
                }
                while let Some((index, ticket)) = pop_if(&mut self.waiters, |(index, _)| *index <= self.applied) {
                    if index == self.applied
                        && let Some(response) = &response
                    {
                        fx.reply(ticket, response.clone());
                    }
                }
            }
        }
        fx.note(RaftFact::Applied { index: self.applied, chain: self.applied_chain, digest: self.state.digest() });
        if self.config.snapshot_every > 0 && self.applied - self.snapshot_index() >= self.config.snapshot_every {
            self.take_snapshot(fx);
        }
    }
}
