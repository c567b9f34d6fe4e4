//! How long the queues of the nodes were, from the gauge `queue` that a system may have.

use crate::report::{NodeQueue, Queues};
use crate::units::round;
use sim_core::measures::Gauge;
use sim_core::record::RunRecord;

/// The gauge's name.
const QUEUE: &str = "queue";

/// The gauge of queues, if the system has one.
pub(crate) fn gauge(record: &RunRecord) -> Option<&Gauge> {
    record.timeline.gauges.iter().find(|gauge| gauge.kind.name == QUEUE)
}

/// Whether the node carries load; one that the record does not know does.
pub(crate) fn carries(record: &RunRecord, node: usize) -> bool {
    record.nodes.get(node).is_none_or(|n| n.carries)
}

/// The report's part on queues; nothing if there is no gauge, or not one sample.
pub(crate) fn measure(record: &RunRecord) -> Option<Queues> {
    let gauge = gauge(record)?;
    let measured = |at: &u64| *at > record.measure_from_ns && *at <= record.measure_to_ns;
    let mut all = Vec::new();
    let mut per_node = Vec::new();
    for (index, samples) in gauge.nodes.iter().enumerate().filter(|(index, _)| carries(record, *index)) {
        let pairs = record.timeline.at_ns.iter().zip(samples);
        let mut lengths: Vec<u64> = pairs.filter(|(at, _)| measured(at)).map(|(_, length)| *length).collect();
        all.extend_from_slice(&lengths);
        let Some((max, mean, p99)) = summary(&mut lengths) else { continue };
        per_node.push(NodeQueue { node: record.node_name(index as u32), max, mean, p99 });
    }
    let (max, mean, p99) = summary(&mut all)?;
    Some(Queues { max, mean, p99, per_node })
}

/// The longest, the mean and the 99th percentile (nearest rank).
fn summary(lengths: &mut [u64]) -> Option<(u64, f64, u64)> {
    lengths.sort_unstable();
    let max = *lengths.last()?;
    let mean = lengths.iter().map(|l| *l as f64).sum::<f64>() / lengths.len() as f64;
    Some((max, round(mean, 6), lengths[(lengths.len() * 99).div_ceil(100) - 1]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::measures::Timeline;
    use sim_core::metric::MetricKind;
    use sim_core::record::NodeRecord;

    #[test]
    fn only_measured_samples_of_nodes_that_carry_count() {
        let node = |name: &str, carries| NodeRecord { name: name.into(), carries, ..NodeRecord::default() };
        let gauge = Gauge {
            kind: MetricKind { name: QUEUE.into(), ..MetricKind::default() },
            nodes: vec![vec![90, 90, 90, 90], vec![80, 1, 3, 70]],
        };
        let record = RunRecord {
            measure_from_ns: 10,
            measure_to_ns: 30,
            nodes: vec![node("n1", false), node("n2", true)],
            timeline: Timeline { at_ns: vec![10, 20, 30, 40], gauges: vec![gauge], ..Timeline::default() },
            ..RunRecord::default()
        };
        let queues = measure(&record).expect("there is a gauge");
        assert_eq!((queues.max, queues.mean, queues.p99, queues.per_node.len()), (3, 2.0, 3, 1));
        assert_eq!(queues.per_node[0].node, "n2");
        assert_eq!(measure(&RunRecord::default()), None);
    }
}
