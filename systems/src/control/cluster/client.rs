//! The clients: generated load, taken to the owner of each key's slot by a map that every client keeps and corrects.

use super::message::{ClusterRequest, ClusterResponse};
use super::node::Cluster;
use super::options::Config;
use super::slots::{SLOTS, slot_of};
use sim_core::workload::{Generated, Load, Op, Verb};
use sim_core::{Client, Instant, Move, NodeId, Outcome, Rng};
use std::rc::Rc;

/// A client that knows which node has which slot, as it was told last.
#[derive(Clone, Debug)]
pub struct ClusterClient {
    load: Generated<Cluster>,
    map: Rc<[u16]>,
}

fn request(op: &Op) -> ClusterRequest {
    match op.verb {
        Verb::Get => ClusterRequest::Get { key: op.key },
        Verb::Put | Verb::Append | Verb::Cas | Verb::Delete => {
            ClusterRequest::Set { key: op.key, number: op.unique, size: op.size }
        }
    }
}

impl ClusterClient {
    /// A client with this load, which knows the map that the cluster begins with.
    #[must_use]
    pub fn new(config: &Config, load: Load) -> Self {
        let owner = |slot| config.slots.owner(slot).map_or(0, |owner| owner.0 as u16);
        Self { load: Generated::new(load, request), map: (0..SLOTS).map(owner).collect() }
    }
}

impl Client<Cluster> for ClusterClient {
    fn next(&mut self, now: Instant, rng: &mut Rng) -> Move<ClusterRequest> {
        self.load.next(now, rng)
    }

    fn done(&mut self, now: Instant, op: u64, outcome: &Outcome<ClusterResponse>) {
        self.load.done(now, op, outcome);
    }

    fn route(&mut self, request: &ClusterRequest, tried: Option<NodeId>) -> Option<NodeId> {
        let owner = NodeId(u32::from(self.map[usize::from(slot_of(request.key()))]));
        // Silence: anybody else may know better.
        (tried != Some(owner)).then_some(owner)
    }

    /// `MOVED`. From the node that had the slot, it is about this slot. From another one, asked because that one was
    /// silent, all its slots have a new owner: a real client reads the whole map then.
    fn turned_away(&mut self, request: &ClusterRequest, from: NodeId, hint: Option<NodeId>) {
        let slot = usize::from(slot_of(request.key()));
        let (old, Some(new)) = (self.map[slot], hint.map(|hint| hint.0 as u16)) else { return };
        if old == new {
            return;
        }
        let map = Rc::make_mut(&mut self.map);
        if u32::from(old) == from.0 {
            map[slot] = new;
        } else {
            map.iter_mut().filter(|owner| **owner == old).for_each(|owner| *owner = new);
        }
    }
}
