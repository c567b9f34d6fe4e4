//! What a run shows beside its rules: the acknowledged writes that are gone.

use super::checks::RaftChecks;
use super::log::Payload;
use super::node::{Raft, Stage};
use crate::shared::kv::Kv;
use crate::shared::replication::{Survivor, losses};
use sim_core::measures::Measures;
use sim_core::{ClientId, History, Instant, NodeId, StateMachine};

impl<M: StateMachine> Survivor for Raft<M> {
    fn node(&self) -> NodeId {
        self.me
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

impl RaftChecks {
    /// What it measured of a finished run.
    pub(super) fn measures(&self, history: &History<Raft<Kv>>, nodes: &[Option<Raft<Kv>>], end: Instant) -> Measures {
        let live = || nodes.iter().flatten();
        // Whoever leads last decides what there is; without a leader, whoever can become one.
        let survivor = {
            let leader = live().filter(|node| node.stage == Stage::Leader).max_by_key(|node| node.term());
            leader.or_else(|| live().max_by_key(|node| (node.log().last_term(), node.log().last())))
        };
        Measures {
            losses: losses(self.audit(), survivor, history),
            tracks: vec![self.audit().leaders.finish(end)],
            ..Measures::default()
        }
    }
}
