//! What must hold of writes that edges queue: each arrives at the hub once, in order, and none that was accepted is
//! lost.

use super::message::Queued;
use super::node::Machine;
use super::options::Config;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Instant, NodeId};

/// What became of one edge's writes.
#[derive(Clone, Debug, Default)]
struct OfEdge {
    /// Those that clients were told are queued, by what they say.
    accepted: SortedMap<u64, Queued>,
    /// What the hub has, in order.
    taken: Vec<Queued>,
    /// What of it the hub has told the edge that it has.
    told: u64,
    /// When it lost the core, if it has, and how long it was without it in all.
    offline: Option<Instant>,
    longest: u64,
    /// Most that waited at a time.
    peak: u64,
}

/// What became of all.
#[derive(Clone, Debug, Default)]
pub(super) struct EdgeWrites {
    edges: SortedMap<NodeId, OfEdge>,
}

impl EdgeWrites {
    pub fn accepted(&mut self, edge: NodeId, write: Queued) {
        let of = self.edges.entry(edge).or_default();
        of.accepted.insert(write.unique, write);
        of.peak = of.peak.max((of.accepted.len() as u64).saturating_sub(of.told));
    }

    /// The hub takes one: what is wrong with that.
    pub fn took(&mut self, edge: NodeId, write: Queued) -> Option<String> {
        let taken = &mut self.edges.entry(edge).or_default().taken;
        let before = taken.last().map_or(0, |last| last.number);
        let wrong = (write.number != before + 1)
            .then(|| format!("takes write {} of {edge} after write {before}", write.number));
        taken.push(write);
        wrong
    }

    /// The hub tells an edge that it has its writes up to here.
    pub fn told(&mut self, edge: NodeId, upto: u64) {
        let told = &mut self.edges.entry(edge).or_default().told;
        *told = (*told).max(upto);
    }

    /// A hub that has started has this: what is wrong with that.
    pub fn found(&mut self, edge: NodeId, upto: u64) -> Option<String> {
        let of = self.edges.entry(edge).or_default();
        of.taken.retain(|write| write.number <= upto);
        (of.told > upto).then(|| format!("has {edge}'s writes up to {upto}, and has said up to {}", of.told))
    }

    pub fn online(&mut self, at: Instant, edge: NodeId, online: bool) {
        let of = self.edges.entry(edge).or_default();
        match of.offline.take() {
            Some(since) if online => of.longest = of.longest.max(at.since(since).0),
            since => of.offline = if online { None } else { since.or(Some(at)) },
        }
    }

    /// Accepted writes, and those that the hub has.
    pub fn counts(&self) -> (u64, u64) {
        let sum = |of: fn(&OfEdge) -> usize| self.edges.values().map(|edge| of(edge) as u64).sum();
        (sum(|of| of.accepted.len()), sum(|of| of.taken.len()))
    }

    /// The longest that an edge was without the core, and the most that waited at one.
    pub fn worst(&self) -> (u64, u64) {
        let most = |of: fn(&OfEdge) -> u64| self.edges.values().map(of).max().unwrap_or(0);
        (most(|of| of.longest), most(|of| of.peak))
    }

    /// A write that was accepted and is nowhere.
    pub fn lost(&self, config: &Config, nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
        for edge in config.edges.clone().map(NodeId) {
            let (Some(of), Some(machine)) = (self.edges.get(&edge), &nodes[edge.index()]) else { continue };
            let has: SortedSet<u64> = of.taken.iter().map(|write| write.unique).collect();
            let waits: SortedSet<u64> = machine.edge().into_iter().flat_map(|edge| edge.writes()).collect();
            let is_there = |write: &&Queued| has.contains(&write.unique) || waits.contains(&write.unique);
            let lost = of.accepted.values().find(|write| !is_there(write));
            if let Some(write) = lost {
                let detail = format!("write {} was accepted, and neither {edge} nor the hub has it", write.number);
                return Some((edge, detail));
            }
        }
        None
    }

    /// An edge that has writes left in the end.
    pub fn left(&self, config: &Config, nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
        let hub_is_up = config.hub().is_some_and(|hub| nodes[hub.index()].is_some());
        let edges = config.edges.clone().map(NodeId).filter(|_| hub_is_up);
        let mut queued = edges.filter_map(|edge| Some((edge, nodes[edge.index()].as_ref()?.edge()?.queued())));
        let (edge, queued) = queued.find(|(_, queued)| *queued > 50)?;
        Some((edge, format!("{queued} writes are not uploaded")))
    }
}
