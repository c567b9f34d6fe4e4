//! Who decides what there is in the end, and what that one has.

use super::log::Payload;
use super::node::{Raft, Stage};
use crate::shared::replication::Survivor;
use sim_core::{ClientId, NodeId, StateMachine};

impl<M: StateMachine> Survivor for Raft<M> {
    fn node(&self) -> NodeId {
        self.me
    }

    fn leads(&self) -> Option<(u64, u64)> {
        (self.stage == Stage::Leader).then_some((self.term, 0))
    }

    fn standing(&self) -> (u64, u64) {
        (self.log().last_term(), self.log().last())
    }

    fn last(&self) -> u64 {
        self.log().last()
    }

    fn base(&self) -> u64 {
        self.log().base()
    }

    fn operation_at(&self, index: u64) -> Option<(ClientId, u64)> {
        match &self.log().entry(index)?.payload {
            Payload::Command { stamp, .. } => Some((stamp.client, stamp.op)),
            Payload::Noop | Payload::Configuration(_) => None,
        }
    }

    fn remembers(&self, client: ClientId, op: u64) -> bool {
        self.state.remembers(client, op)
    }
}
