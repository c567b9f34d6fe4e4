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
    pub fn new(nodes: usize, streams: bool) -> Self {
        let empty = || vec![Vec::new(); nodes];
        let of_streams = if streams { crate::transport::GAUGES } else { &[] };
        let kinds = S::GAUGES.iter().chain(of_streams);
        let gauges = kinds.map(|kind| Gauge { kind: kind.clone(), nodes: empty() }).collect();
        Self {
            timeline: Timeline { at_ns: Vec::new(), work: empty(), busy_ns: empty(), gauges },
            last: Vec::new(),
            system: PhantomData,
        }
    }

    /// One sample of every node, and of its connections where those are hosted; a node that is down counts 0.
    pub fn sample(&mut self, now: Instant, stats: Vec<NodeStats>, nodes: &[Option<S::Node>], streams: &[[u64; 2]]) {
        self.timeline.at_ns.push(now.0);
        for (index, stat) in stats.iter().enumerate() {
            let did = self.last.get(index).map_or(*stat, |last| stat.since(last));
            self.timeline.work[index].push(S::LOAD.of(did.requests, did.work));
            self.timeline.busy_ns[index].push(did.busy_ns);
        }
        let (own, of_streams) = self.timeline.gauges.split_at_mut(S::GAUGES.len());
        for (which, gauge) in of_streams.iter_mut().enumerate() {
            for (samples, node) in gauge.nodes.iter_mut().zip(streams) {
                samples.push(node[which]);
            }
        }
        for (which, gauge) in own.iter_mut().enumerate() {
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
