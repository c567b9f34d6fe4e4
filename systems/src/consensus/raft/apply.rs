//! Applying committed entries to the state machine, and answering whoever waits for them.

use super::RaftBug;
use super::log::{Payload, link};
use super::message::RaftFact;
use super::node::{Fx, Raft, Stage};
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
        let (mut applied, mut chain) = (self.applied, self.applied_chain);
        while applied < upto {
            let entries = self.log.from(applied + 1);
            let take = entries.len().min((upto - applied) as usize);
            for entry in &entries[..take] {
                applied += 1;
                chain = link(chain, entry.hash());
                let Payload::Command { stamp, command } = &entry.payload else { continue };
                let (response, fresh) = self.state.apply(*stamp, command, filter);
                if leads {
                    fx.note(RaftFact::Executed { index: applied, chain, client: stamp.client, op: stamp.op, fresh });
                }
                while let Some((index, ticket)) = self.waiters.pop_through(applied) {
                    if index == applied
                        && let Some(response) = &response
                    {
                        fx.reply(ticket, response.clone());
                    }
                }
            }
        }
        (self.applied, self.applied_chain) = (applied, chain);
        fx.note(RaftFact::Applied { index: self.applied, chain: self.applied_chain, digest: self.state.digest() });
        self.serve_due(fx);
        if self.config.snapshot_every > 0 && self.applied - self.snapshot_index() >= self.config.snapshot_every {
            self.take_snapshot(fx);
        }
    }
}
