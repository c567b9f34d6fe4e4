//! Samples how the nodes are over time, for charts: what each did, how busy it was, and what its system measures of it.

use sim_core::measures::{Gauge, Timeline};
use sim_core::{Instant, NodeStats, System};
use std::marker::PhantomData;

/// Takes the samples of one run.
pub(super) struct Sampler<S: System> {
    timeline: Timeline,
    last: Vec<NodeStats>,
    system: PhantomData<fn() -> S>,
}

impl<S: System> Sampler<S> {
    /// Nothing sampled yet.
    pub fn new(nodes: usize) -> Self {
        let empty = || vec![Vec::new(); nodes];
        let gauges = S::GAUGES.iter().map(|kind| Gauge { kind: kind.clone(), nodes: empty() }).collect();
        Self {
            timeline: Timeline { at_ns: Vec::new(), work: empty(), busy_ns: empty(), gauges },
            last: Vec::new(),
            system: PhantomData,
        }
    }

    /// One sample of every node; a node that is down counts 0.
    pub fn sample(&mut self, now: Instant, stats: Vec<NodeStats>, nodes: &[Option<S::Node>]) {
        self.timeline.at_ns.push(now.0);
        for (index, stat) in stats.iter().enumerate() {
            let did = self.last.get(index).map_or(*stat, |last| stat.since(last));
            self.timeline.work[index].push(S::LOAD.of(did.requests, did.work));
            self.timeline.busy_ns[index].push(did.busy_ns);
        }
        for (which, gauge) in self.timeline.gauges.iter_mut().enumerate() {
            for (samples, node) in gauge.nodes.iter_mut().zip(nodes) {
                samples.push(node.as_ref().map_or(0, |node| S::gauge(node, which)));
            }
        }
        self.last = stats;
    }

    /// What was sampled.
    pub fn finish(self) -> Timeline {
        self.timeline
    }
}
