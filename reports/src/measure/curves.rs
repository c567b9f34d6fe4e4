//! The curves of a run: those that its system filled, and those of the gauges that were sampled for every node.

use sim_core::curve::{Curve, Line};
use sim_core::record::RunRecord;

/// All that have something to show: a gauge's, of the nodes that ever had some of it.
pub(crate) fn of(record: &RunRecord) -> Vec<Curve> {
    let timeline = &record.timeline;
    let gauges = timeline.gauges.iter().map(|gauge| Curve {
        kind: gauge.kind.clone(),
        at_ns: timeline.at_ns.clone(),
        lines: gauge
            .nodes
            .iter()
            .zip(&record.nodes)
            .filter(|(samples, node)| node.carries || samples.iter().any(|sample| *sample > 0))
            .map(|(samples, node)| Line {
                name: node.name.clone(),
                values: samples.iter().map(|sample| *sample as f64).collect(),
            })
            .collect(),
    });
    let some = |curve: &Curve| curve.lines.iter().flat_map(|line| &line.values).any(|value| *value != 0.0);
    gauges.chain(record.measures.curves.iter().cloned()).filter(some).collect()
}
