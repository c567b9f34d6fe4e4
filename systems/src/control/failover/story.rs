//! The fail-overs of a run, told from what nodes announce and what befell them.

use super::message::FailoverFact;
use super::node::Failover;
use crate::shared::fail_over::{PROMOTED, SERVED};
use crate::shared::replication::leaders;
use sim_core::fault::Fault;
use sim_core::measures::TwoPrimaries;
use sim_core::recovery::Recovery;
use sim_core::sorted::SortedMap;
use sim_core::track::{Span, Track};
use sim_core::{Instant, NodeId, Observed};

/// A primary's time that overlaps with that of a newer one, as long as it accepts writes.
const BESIDE_A_NEWER: &str = "accepts writes beside a newer primary";

/// A primary's time.
#[derive(Clone, Debug)]
struct Reign {
    node: NodeId,
    epoch: u64,
    /// When it last acknowledged a write.
    acked: Option<Instant>,
    /// When it went down or stepped down.
    stopped: Option<Instant>,
    /// When others took it for dead.
    suspected: Vec<Instant>,
    /// When it began to hand over.
    handing: Option<Instant>,
    /// Whether its machine went down.
    crashed: bool,
}

/// The story so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    reign: Option<Reign>,
    /// Since when each node is paused.
    paused: SortedMap<NodeId, Instant>,
    /// When a node last went on after a pause.
    resumed: Option<Instant>,
    /// Partitions in force.
    cuts: SortedMap<usize, Instant>,
    /// When the last partition was healed.
    healed: Option<Instant>,
    /// When the last fault of any kind ended, while none is in force.
    pub calm: Option<Instant>,
    faults: u64,
    pub failovers: Vec<(u64, Recovery)>,
    /// When each epoch's primary began to serve.
    promoted: SortedMap<u64, (Instant, NodeId)>,
    /// Acknowledgements by primaries that were not the newest, by epoch.
    split: SortedMap<u64, TwoPrimaries>,
    leaders: Track,
}

impl Story {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self { leaders: leaders().or(BESIDE_A_NEWER, true), ..Self::default() }
    }

    /// Who led when, and who accepted writes beside a newer primary.
    pub fn leaders(&self, end: Instant) -> Track {
        let mut leaders = self.leaders.finish(end);
        leaders.spans.extend(self.two_primaries().into_iter().map(|split| Span {
            row: NodeId(split.nodes[0]).to_string(),
            label: format!("{} writes", split.writes),
            kind: 1,
            start_ns: split.from_ns,
            end_ns: split.to_ns,
        }));
        leaders
    }

    /// A newer primary than that of `epoch` serves, on another node.
    pub fn is_superseded(&self, node: NodeId, epoch: u64) -> bool {
        self.promoted.range(epoch + 1..).any(|(_, (_, other))| *other != node)
    }

    /// When the newest primary stopped to lead, if it has.
    pub fn stopped_leading(&self) -> Option<Instant> {
        self.reign.as_ref().and_then(|reign| reign.stopped)
    }

    /// The times in which two nodes acknowledged writes.
    pub fn two_primaries(&self) -> Vec<TwoPrimaries> {
        let mut split: Vec<_> = self.split.values().cloned().collect();
        split.sort_by_key(|s| (s.from_ns, s.to_ns));
        split
    }

    /// Something happened to machines or links.
    pub fn watch(&mut self, at: Instant, what: &Observed<'_, Failover>) {
        match what {
            Observed::Crashed { node, .. } => {
                self.paused.remove(node);
                self.stopped(at, *node);
                if let Some(reign) = self.reign.as_mut().filter(|reign| reign.node == *node) {
                    reign.crashed = true;
                }
            }
            Observed::Paused { node, paused: true } => {
                self.paused.insert(*node, at);
            }
            Observed::Paused { node, paused: false } => {
                self.paused.remove(node);
                self.resumed = Some(at);
            }
            Observed::FaultStarted { index, injection, .. } => {
                self.faults += 1;
                self.calm = None;
                if matches!(injection.fault, Fault::Partition { .. }) {
                    self.cuts.insert(*index, at);
                }
            }
            Observed::FaultEnded { index, .. } => {
                self.faults = self.faults.saturating_sub(1);
                if self.faults == 0 {
                    self.calm = Some(at);
                }
                if self.cuts.remove(index).is_some() {
                    self.healed = Some(at);
                }
            }
            _ => {}
        }
    }

    fn stopped(&mut self, at: Instant, node: NodeId) {
        self.leaders.end(at, node);
        if let Some(reign) = self.reign.as_mut().filter(|reign| reign.node == node) {
            reign.stopped.get_or_insert(at);
        }
    }

    /// A node announced something.
    pub fn on_fact(&mut self, at: Instant, node: NodeId, fact: &FailoverFact) {
        match fact {
            FailoverFact::Suspected { .. } => {
                if let Some(reign) = &mut self.reign {
                    reign.suspected.push(at);
                }
            }
            FailoverFact::HandingOver { epoch, .. } => {
                if let Some(reign) = self.reign.as_mut().filter(|reign| reign.epoch == *epoch) {
                    reign.handing = Some(at);
                }
            }
            FailoverFact::SteppedDown { .. } => self.stopped(at, node),
            FailoverFact::Decided { epoch, planned, .. } => self.on_decided(at, node, *epoch, *planned),
            FailoverFact::Promoted { epoch } => {
                self.promoted.insert(*epoch, (at, node));
                self.leaders.begin(at, node, format!("epoch {epoch}"));
                if let Some(failover) = self.failover(*epoch) {
                    failover.steps[PROMOTED] = Some(at.0);
                }
            }
            FailoverFact::FirstAck { epoch } => {
                if let Some(failover) = self.failover(*epoch) {
                    failover.steps[SERVED] = Some(at.0);
                }
            }
            FailoverFact::Acknowledged { epoch, .. } => self.on_ack(at, node, *epoch),
            _ => {}
        }
    }

    fn failover(&mut self, epoch: u64) -> Option<&mut Recovery> {
        self.failovers.iter_mut().find(|(of, _)| *of == epoch).map(|(_, failover)| failover)
    }

    fn on_ack(&mut self, at: Instant, node: NodeId, epoch: u64) {
        if let Some(reign) = self.reign.as_mut().filter(|reign| reign.epoch == epoch) {
            reign.acked = Some(at);
        }
        let newer = self.promoted.range(epoch + 1..).find(|(_, (_, other))| *other != node);
        if let Some((_, (since, other))) = newer {
            let split = self.split.entry(epoch).or_insert_with(|| TwoPrimaries {
                from_ns: since.0,
                nodes: vec![node.0, other.0],
                ..TwoPrimaries::default()
            });
            split.to_ns = at.0;
            split.writes += 1;
        }
    }

    fn on_decided(&mut self, at: Instant, node: NodeId, epoch: u64, planned: bool) {
        let newest = self.reign.as_ref().is_none_or(|reign| reign.epoch < epoch);
        if !newest {
            return;
        }
        let next =
            Reign { node, epoch, acked: None, stopped: None, suspected: Vec::new(), handing: None, crashed: false };
        let Some(old) = self.reign.replace(next).filter(|old| old.node != node) else { return };
        let cut = self.cuts.values().min().copied();
        let paused = self.paused.get(&old.node).copied();
        let detected = old.suspected.iter().copied();
        let latest = detected.clone().next_back();
        let began = if planned {
            old.handing.unwrap_or(at)
        } else {
            // Whatever stopped it, it served as long as it acknowledged anything.
            let stopped = [old.stopped, paused, cut, latest].into_iter().flatten().min().unwrap_or(at);
            stopped.max(old.acked.unwrap_or(Instant::ZERO)).min(at)
        };
        let detected = detected.clone().find(|then| *then >= began).or(latest);
        let since_suspected = |then: Option<Instant>| then.zip(latest).is_some_and(|(then, latest)| then >= latest);
        let unreachable = cut.is_some() || since_suspected(self.healed);
        let silent = old.crashed || paused.is_some() || since_suspected(self.resumed);
        let detected = if planned { Some(began.0) } else { detected.map(|then| then.0.max(began.0)) };
        let failover = Recovery {
            shard: 0,
            began_ns: began.0,
            steps: vec![detected, Some(at.0), None, None],
            old: Some(old.node.0),
            new: Some(node.0),
            needless: !planned && !silent && !unreachable,
            planned,
        };
        self.failovers.push((epoch, failover));
    }
}
