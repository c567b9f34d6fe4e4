//! What every protocol's participant can be asked: whether it leads, how far it has got, and what it has.

use super::log::Payload;
use super::message::RaftFact;
use super::node::{Raft, Stage, TIMERS};
use crate::shared::replication::{Consensus, Landmark, Reign, Sessioned, Survivor};
use sim_core::{ClientId, NodeId, StateMachine};

impl<M: StateMachine> Consensus for Raft<M> {
    const TIMERS: u16 = TIMERS;
    type Machine = M;

    fn state(&self) -> &Sessioned<M> {
        &self.state
    }

    fn state_mut(&mut self) -> &mut Sessioned<M> {
        &mut self.state
    }

    fn led_by(&self) -> Option<(NodeId, Reign)> {
        self.leader.map(|leader| (leader, (self.term, 0)))
    }

    fn commit(&self) -> u64 {
        self.commit
    }

    fn applied(&self) -> u64 {
        self.applied
    }

    fn landmark(fact: &RaftFact) -> Option<Landmark> {
        match *fact {
            RaftFact::Elected { term, .. } => Some(Landmark::Elected((term, 0))),
            RaftFact::Unreadable { record } => Some(Landmark::Unreadable { record }),
            _ => None,
        }
    }
}

impl<M: StateMachine> Survivor for Raft<M> {
    fn node(&self) -> NodeId {
        self.me
    }

    fn leads(&self) -> Option<Reign> {
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
