//! What was simulated, for the page of a run: the scenario as a reader sees it.

use reports::{Setup, SetupLink, SetupPart, SetupZone};
use scenarios::Scenario;
use sim_core::network::{Latency, Law, LinkPolicy};
use sim_core::units::{BitRate, ProbabilityText};
use sim_core::{Duration, node_ids};

/// The machines, links and keys of a scenario; `text` is the same, resolved.
pub fn of(scenario: &Scenario, text: &str) -> Setup {
    let cluster = &scenario.cluster;
    let zones = 0..cluster.zones.len() as u16;
    let clients =
        |zone: u16| scenario.workloads.iter().flat_map(move |w| (0..w.clients).filter(move |i| w.zone_of(*i) == zone));
    let zone = |zone: u16| SetupZone {
        name: cluster.zones[usize::from(zone)].clone(),
        nodes: node_ids(cluster.nodes())
            .filter(|node| cluster.zone_of(*node) == zone)
            .map(|node| (node.to_string(), cluster.group_of(node).map_or_else(String::new, |group| group.role.clone())))
            .collect(),
        clients: clients(zone).count() as u32,
    };
    let pairs = zones.clone().flat_map(|a| zones.clone().map(move |b| (a, b)));
    let links = pairs.filter_map(|(a, b)| {
        let there = scenario.network.zone_link(a, b);
        // What is the same both ways is told once, and a zone of one node has no links.
        let same = a > b && there == scenario.network.zone_link(b, a);
        let alone = a == b && cluster.nodes_in(a).len() < 2;
        (!same && !alone).then(|| link(a, b, &there))
    });
    let (faults, parts) = SetupPart::of_text(text).into_iter().partition(|part| part.name == "fault");
    Setup { links: links.collect(), zones: zones.map(zone).collect(), parts, faults, text: text.to_owned() }
}

fn link(from: u16, to: u16, link: &LinkPolicy) -> SetupLink {
    let mut loss = Vec::new();
    for (share, what) in
        [(link.loss, "lost"), (link.duplicate, "twice"), (link.reorder, "overtaken"), (link.corrupt, "corrupted")]
    {
        if !share.is_never() {
            let share = ProbabilityText::from(share).to_string().replace('%', " %");
            loss.push(format!("{share} {what}"));
        }
    }
    if link.bandwidth > 0 {
        loss.push(format!("at most {}", BitRate(link.bandwidth)));
    }
    if link.ordered {
        loss.push("in order".to_owned());
    }
    SetupLink {
        from: from.into(),
        to: to.into(),
        latency: latency(&link.latency),
        loss: loss.join(", "),
        median_ns: link.latency.median().0,
    }
}

/// A delay, for people.
fn latency(latency: &Latency) -> String {
    match latency {
        Latency::Fixed(d) => spaced(*d),
        Latency::Uniform(lo, hi) => format!("{} to {}", spaced(*lo), spaced(*hi)),
        Latency::Table(table) => match table.law() {
            Law::Exponential { mean } => format!("mean {}", spaced(*mean)),
            Law::Lognormal { median, p99 } => format!("median {}, p99 {}", spaced(*median), spaced(*p99)),
            Law::Recorded(_) => format!("recorded, median {}", spaced(latency.median())),
        },
    }
}

/// `1.5 ms`.
fn spaced(length: Duration) -> String {
    let text = length.to_string();
    let unit = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    format!("{} {}", &text[..unit], text[unit..].replace("us", "\u{b5}s"))
}
