//! What was simulated, in tables.

use super::sheet::{Sheet, Shown, texts};
use crate::report::{Setup, SetupLink, SetupPart};
use crate::units;
use serde::Serialize;

/// Links that are listed.
const LINKS: usize = 30;
/// The cards that are shown at once.
const FIRST: [&str; 2] = ["Time-outs", "Load"];
/// Faults that are listed.
const FAULTS: usize = 100;

/// What was simulated, for a page.
#[derive(Serialize)]
pub(crate) struct SetupView {
    /// Five nodes in three zones, and what asks them.
    pub sentence: String,
    pub links: Sheet,
    /// What a reader asks first: time-outs and load.
    pub cards: Vec<Card>,
    pub rest: Vec<Card>,
    pub faults: Sheet,
    pub text: String,
}

#[derive(Serialize)]
pub(crate) struct Card {
    pub title: &'static str,
    pub rows: Vec<(String, String)>,
}

impl SetupView {
    pub(crate) fn of(setup: &Setup) -> Self {
        let nodes: usize = setup.zones.iter().map(|zone| zone.nodes.len()).sum();
        let clients: u32 = setup.zones.iter().map(|zone| zone.clients).sum();
        let zones = units::plural(setup.zones.len(), "zone");
        let clients = units::plural(clients as usize, "client");
        let name = |place: usize| setup.zones.get(place).map_or("", |zone| zone.name.as_str());
        let place = |l: &SetupLink| {
            let back = setup.links.iter().any(|other| (other.from, other.to) == (l.to, l.from));
            match (l.from == l.to, back) {
                (true, _) => format!("within {}", name(l.from)),
                (false, true) => format!("{} to {}", name(l.from), name(l.to)),
                (false, false) => format!("{}\u{2013}{}", name(l.from), name(l.to)),
            }
        };
        // Links that are alike are one row.
        let mut alike: Vec<(Vec<String>, &SetupLink)> = Vec::new();
        for link in &setup.links {
            match alike.iter_mut().find(|(_, l)| (&l.latency, &l.loss) == (&link.latency, &link.loss)) {
                Some((places, _)) => places.push(place(link)),
                None => alike.push((vec![place(link)], link)),
            }
        }
        let (cards, rest) = cards(&setup.parts).into_iter().partition(|card| FIRST.contains(&card.title));
        Self {
            sentence: format!("{} in {zones}, asked by {clients}", units::plural(nodes, "node")),
            links: Sheet::new([("Latency, one way", "nowrap"), ("Messages are", ""), ("On the links", "wide")]).of(
                &alike,
                LINKS,
                |(places, l)| texts([l.latency.clone(), or_none(&l.loss), places.join(", ")]),
            ),
            cards,
            rest,
            faults: Sheet::new([
                ("At", "n"),
                ("For", "n"),
                ("Fault", "nowrap"),
                ("Target", "nowrap"),
                ("With", "wide"),
            ])
            .of(&setup.faults, FAULTS, fault),
            text: setup.text.clone(),
        }
    }
}

fn or_none(loss: &str) -> String {
    if loss.is_empty() { "never lost".to_owned() } else { loss.to_owned() }
}

fn fault(part: &SetupPart) -> Vec<Shown> {
    let value = |key: &str| part.get(key).unwrap_or_default().to_owned();
    let told = ["id", "name", "kind", "target", "at", "duration", "must_bite"];
    let rest = part.keys.iter().filter(|(key, value)| !told.contains(&key.as_str()) && !is_nothing(value));
    let with: Vec<String> = rest.map(|(key, value)| format!("{} {}", words(key), plain(value))).collect();
    let length = part.get("duration").map_or_else(|| "to the end".to_owned(), spaced);
    texts([spaced(&value("at")), length, value("kind"), value("target"), with.join(", ")])
}

/// Values that say that something is not so.
fn is_nothing(value: &str) -> bool {
    matches!(value, "\"0%\"" | "\"0s\"" | "false" | "[]" | "\"none\"" | "\"0ppm..0ppm\"" | "\"0s..0s\"" | "\"0B\"")
}

fn words(key: &str) -> String {
    key.replace('_', " ")
}

/// A value without what marks it as one of TOML.
fn plain(value: &str) -> String {
    let bare: String = value.chars().filter(|c| !matches!(c, '"' | '{' | '}' | '[' | ']')).collect();
    let parts = bare.split(',').map(|part| match part.trim().split_once(" = ") {
        Some((key, value)) => format!("{key} {}", spaced(value)),
        None => spaced(part.trim()),
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// A number and its unit, if it is one of time or a share.
fn unit(text: &str) -> Option<(&str, &str)> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-')?);
    (!number.is_empty() && ["ns", "us", "ms", "s", "min", "m", "h", "d", "%"].contains(&unit)).then_some((number, unit))
}

/// `150 ms to 300 ms` for `150ms..300ms`.
fn spaced(value: &str) -> String {
    let one = |text: &str| match unit(text) {
        Some((number, unit)) => format!("{number} {}", unit.replace("us", "\u{b5}s")),
        None => text.to_owned(),
    };
    value.split("..").map(one).collect::<Vec<_>>().join(" to ")
}

/// Whether a value is a length of time, or a range of those.
fn is_time(value: &str) -> bool {
    value.trim_matches('"').split("..").all(|one| unit(one).is_some_and(|(_, unit)| unit != "%"))
}

/// What is better shown elsewhere on the page.
const ELSEWHERE: [&str; 13] = [
    "name",
    "title",
    "description",
    "system",
    "seed",
    "max_events",
    "shuffle_ties",
    "zones",
    "node_zones",
    "nodes",
    "bug",
    "start",
    "enabled",
];

/// The keys of a scenario by what a reader asks, not by where they stand.
fn cards(parts: &[SetupPart]) -> Vec<Card> {
    let mut cards = ["Time-outs", "Load", "System", "Network and disks", "Machines and run"]
        .map(|title| Card { title, rows: Vec::new() });
    let workloads = parts.iter().filter(|part| part.name == "workload").count();
    let mut workload = 0;
    for part in parts {
        workload += usize::from(part.name == "workload");
        let (place, of) = match part.name.as_str() {
            "workload" if workloads > 1 => (1, format!("load {workload}: ")),
            "workload" => (1, String::new()),
            "probe" => (1, "probes: ".to_owned()),
            name if name == "system" || name.starts_with("system.") => {
                (2, name.strip_prefix("system.").map_or_else(String::new, |of| format!("{of}: ")))
            }
            "network" => (3, String::new()),
            "network.client" => (3, "clients: ".to_owned()),
            "disk" => (3, "disks: ".to_owned()),
            "scenario" | "cluster" => (4, String::new()),
            "cluster.group" => (4, part.get("role").map_or_else(String::new, |role| format!("{role}: "))),
            "limits" => (4, "limits: ".to_owned()),
            _ => continue,
        };
        for (key, value) in &part.keys {
            if ELSEWHERE.contains(&key.as_str()) || is_nothing(value) || (place == 3 && key == "latency") {
                continue;
            }
            let waits =
                is_time(value) && (place == 2 || ["timeout", "backoff", "every"].iter().any(|w| key.contains(w)));
            let card = &mut cards[if waits { 0 } else { place }];
            card.rows.push((format!("{of}{}", words(key)), plain(value)));
        }
    }
    cards.into_iter().filter(|card| !card.rows.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_people_do() {
        assert_eq!(plain("\"150ms..300ms\""), "150 ms to 300 ms");
        assert_eq!(plain("\"500us\""), "500 \u{b5}s");
        assert_eq!(plain("\"leader\""), "leader");
        assert_eq!(plain("{ count = 10, dist = \"zipf\" }"), "count 10, dist zipf");
        assert_eq!(plain("[\"a\", \"b\"]"), "a, b");
        assert!(is_time("\"5s\"") && !is_time("\"64 B\"") && !is_time("20") && !is_time("\"400/s\""));
    }
}
