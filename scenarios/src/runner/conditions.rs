//! What is wrong in a scenario from beginning to end without being a fault: links that are too slow for what is asked over them.

use crate::Scenario;
use sim_core::Instant;
use sim_core::measures::Condition;

/// The zones between which a round trip of a client takes half of what an operation may take, or more.
pub(super) fn slow_links(scenario: &Scenario, end: Instant) -> Vec<Condition> {
    let zones = &scenario.cluster.zones;
    let median =
        |from: u16, to: u16| scenario.network.client.apply(scenario.network.zone_link(from, to)).latency.median();
    let pairs = (0..zones.len() as u16).flat_map(|from| (from..zones.len() as u16).map(move |to| (from, to)));
    let slow = pairs.filter_map(|(from, to)| {
        let there_and_back = median(from, to) + median(to, from);
        if there_and_back.times(2) < scenario.probe.timeout {
            return None;
        }
        let (a, b) = (&zones[usize::from(from)], &zones[usize::from(to)]);
        let place = if from == to { format!("within zone {a}") } else { format!("between zones {a} and {b}") };
        let may = scenario.probe.timeout;
        Some(Condition {
            kind: "slow_link".to_owned(),
            label: format!("slow links {place}: {there_and_back} there and back, of {may} that an operation may take"),
            from_ns: 0,
            to_ns: end.0,
            ..Condition::default()
        })
    });
    slow.collect()
}
