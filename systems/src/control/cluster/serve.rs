//! Serving clients: reads and writes of the node's own slots; everything else is sent elsewhere or refused.

use super::data::{Cell, Entry, Position};
use super::message::{ClusterFact, ClusterRequest, ClusterResponse, Refusal};
use super::node::{Cluster, Fx};
use super::slots::slot_of;
use sim_core::Ticket;

impl Cluster {
    /// A client asks something.
    pub(super) fn serve(&mut self, ticket: Ticket, request: &ClusterRequest, fx: &mut Fx<'_>) {
        if self.speaks {
            self.look_at_state(fx);
        }
        if self.down || !self.speaks {
            fx.note(ClusterFact::Refused { why: Refusal::ClusterDown });
            return fx.refuse(ticket);
        }
        let key = request.key();
        let slot = slot_of(key);
        match self.slots.owner(slot) {
            Some(owner) if owner == self.me && self.primary().is_none() => {}
            owner => {
                fx.note(ClusterFact::Refused { why: Refusal::Moved });
                return fx.redirect(ticket, owner);
            }
        }
        match *request {
            ClusterRequest::Get { key } => {
                let value = self.data.get(key).map(|cell| cell.number);
                fx.reply(ticket, ClusterResponse::Value(value));
            }
            ClusterRequest::Set { key, number, size } => {
                let over = self.data.get(key).map_or(Position::default(), |cell| cell.at);
                self.at.offset += 1;
                let at = self.at;
                let entry = Entry { key, cell: Cell { number, size, at } };
                self.data.set(&entry);
                let epoch = self.config_epoch(self.me);
                fx.note(ClusterFact::Wrote { slot, key, epoch, at, over });
                let id = self.log_writes([entry].into(), fx);
                self.replicate(entry, fx);
                if self.syncs_always() {
                    fx.sync();
                    self.answer_after(id, ticket, at);
                } else {
                    self.acknowledge(ticket, at, fx);
                }
            }
        }
    }
}
