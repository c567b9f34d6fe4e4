//! Applying chosen values to the state machine in order of their slots, and answering whoever waits for them.

use super::log::Payload;
use super::message::PaxosFact;
use super::node::{Fx, Paxos, Stage};
use crate::shared::replication::link;
use sim_core::StateMachine;

impl<M: StateMachine> Paxos<M> {
    /// Applies what is chosen, without gaps.
    pub(super) fn apply(&mut self, fx: &mut Fx<'_, M>) {
        if self.commit <= self.applied {
            return;
        }
        let leads = self.stage == Stage::Leader;
        let (mut applied, mut chain) = (self.applied, self.applied_chain);
        let (mut configured, mut reconfigured) = (None, false);
        while applied < self.commit {
            let entries = self.log.from(applied + 1);
            let take = entries.len().min((self.commit - applied) as usize);
            assert!(take > 0, "{}: slot {} is chosen but not there", self.me, applied + 1);
            for entry in &entries[..take] {
                applied += 1;
                chain = link(chain, entry.hash());
                let Payload::Command { stamp, command } = entry.payload() else {
                    if let Payload::Members(set) = *entry.payload() {
                        configured = Some((applied, set));
                        break;
                    }
                    continue;
                };
                let (response, fresh) = self.state.apply(*stamp, command, true);
                if leads {
                    let (client, op) = (stamp.client, stamp.op);
                    fx.note(PaxosFact::Executed { slot: applied, chain, client, op, fresh });
                }
                while let Some((slot, ticket)) = self.waiters.pop_through(applied) {
                    if slot == applied
                        && let Some(response) = &response
                    {
                        fx.reply(ticket, response.clone());
                    }
                }
            }
            if let Some((slot, set)) = configured.take() {
                self.adopt_members(slot, set, fx);
                reconfigured = true;
            }
        }
        (self.applied, self.applied_chain) = (applied, chain);
        fx.note(PaxosFact::Applied { slot: applied, chain, digest: self.state.digest() });
        if self.config.snapshot_every > 0 && self.applied - self.snapshot_slot() >= self.config.snapshot_every {
            self.take_snapshot(fx);
        }
        if reconfigured && leads {
            self.on_configured(fx);
        }
    }
}
