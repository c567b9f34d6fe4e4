//! Reads when a fault comes at random, and to whom one by one.

use super::cluster::World;
use super::section::Reader;
use super::{measure, recorded, target};
use crate::expand;
use crate::keys::{HEALS, LAWS, SCOPES};
use crate::limits;
use crate::scenario::{Heal, Law, Process, Recording, Rolling};
use sim_core::fault::Target;
use sim_core::{Duration, Instant, NodeId};

/// Keys that say when a fault comes that does not come at random.
const PLANNED: &[&str] = &["duration", "every", "count"];

/// The random process of a fault; `None` if its times are planned. `endless` is for what has no end, such as a jump.
pub fn process(reader: &Reader<'_>, at: Instant, endless: bool, end: Option<Duration>) -> Option<Process> {
    let mtbf = reader.get("mtbf", measure::positive);
    let mttr = reader.get("mttr", measure::positive);
    let law = reader.get("law", measure::word(LAWS)).unwrap_or("exponential");
    let shape = reader.get("weibull_shape", measure::number(0.1, 20.0)).unwrap_or(0.7);
    let until = reader.get("until", measure::duration).map(|until| Instant(until.0));
    let random = reader.has("mtbf") || reader.has("recorded");
    for key in ["mttr", "law"] {
        if reader.has(key) && !reader.has("mtbf") {
            reader.wrong(key, format!("`{key}` belongs to a fault that comes at random"), "add `mtbf`");
        }
    }
    if reader.has("weibull_shape") && law != "weibull" {
        reader.wrong("weibull_shape", "only law `weibull` has this shape", "add `law = \"weibull\"`");
    }
    if reader.has("until") && !random {
        reader.wrong("until", "`until` ends a fault that comes at random", "use `count`, or add `mtbf`");
    }
    if let Some(until) = until
        && random
        && until <= at
    {
        reader.wrong("until", format!("nothing fails from {at} to {until}"), "`until` is later than `at`");
    }
    if !random {
        return None;
    }
    for key in PLANNED.iter().copied().filter(|key| reader.has(key)) {
        let what = format!("a fault that comes at random has no `{key}`");
        reader.wrong(key, what, "leave it out; `mtbf` says how often it comes, `mttr` how long it lasts");
    }
    if reader.has("recorded") {
        if reader.has("mtbf") {
            reader.wrong("recorded", "a fault comes either at random or as recorded", "leave `mtbf` or `recorded` out");
        }
        let span = reader.at("recorded");
        let path = reader.get("recorded", measure::text)?;
        let recordings = recorded::recorded(&path, span, reader.context)?;
        let first = recordings.iter().filter_map(Recording::first_failure).min();
        if let (Some(end), Some(first)) = (end, first)
            && at + first >= Instant(end.0)
        {
            let what =
                format!("nothing of `{path}` happens: it is first down at {}, the load ends at {end}", at + first);
            reader.wrong("recorded", what, "a longer scenario.duration, or a part of the file");
        }
        let law = Law::Recorded(recordings);
        return Some(Process { law, mtbf: Duration::ZERO, mttr: None, until });
    }
    match (reader.has("mttr"), endless) {
        (true, true) => reader.wrong("mttr", "a clock's jump has no end", "leave `mttr` out"),
        (false, false) => {
            reader.wrong("mtbf", "a fault that comes again must end before", "add `mttr`, the mean time to repair");
        }
        _ => {}
    }
    let law = match law {
        "weibull" => Law::Weibull { shape_milli: (shape * 1000.0).round() as u32 },
        _ => Law::Exponential,
    };
    Some(Process { law, mtbf: mtbf?, mttr, until })
}

/// The node of the target that each recording is about: the one of its name, or else they are dealt in order.
fn recorded_nodes(reader: &Reader<'_>, recordings: &[Recording], whom: &Target, world: &World) -> Vec<Target> {
    let Some(nodes) = target::fixed(whom, world) else {
        let what = format!("`{whom}` may be another node each time, but the file tells of several nodes");
        reader.wrong("recorded", what, "aim at `all`, at a zone, or at a list of nodes");
        return Vec::new();
    };
    let named = |recording: &Recording| nodes.iter().find(|node| node.to_string() == recording.node).copied();
    let by_name: Option<Vec<_>> = recordings.iter().map(named).collect();
    if by_name.is_none() && recordings.len() > nodes.len() && world.known {
        let what = format!("the file tells of {} nodes, the target has {}", recordings.len(), nodes.len());
        reader.wrong("recorded", what, "aim at as many, or keep only the lines of some nodes");
    }
    by_name.unwrap_or(nodes).into_iter().take(recordings.len()).map(Target::Node).collect()
}

/// The parts of the target that the fault goes for one by one, and how far apart if one after another.
pub fn parts(
    reader: &Reader<'_>,
    whom: &Target,
    process: Option<&Process>,
    random: bool,
    world: &World,
) -> (Vec<Target>, Option<Rolling>) {
    let at_once = reader.get("at_once", measure::small(1, limits::NODES));
    let heal = match reader.get("heal", measure::word(HEALS)) {
        Some("reverse") => Heal::Reverse,
        Some("random") => Heal::Random,
        _ => Heal::InOrder,
    };
    for key in ["at_once", "heal"].into_iter().filter(|key| reader.has(key) && !reader.has("rolling")) {
        let what = format!("`{key}` is for a fault that comes to one after another");
        reader.wrong(key, what, "add `rolling`, how far apart");
    }
    let rolling = reader.get("rolling", measure::positive).map(|apart| Rolling { apart, at_once, heal });
    let scope = reader.get("scope", measure::word(SCOPES));
    if reader.has("scope") && !reader.has("mtbf") {
        reader.wrong("scope", "`scope` says who fails together at random", "add `mtbf`");
    }
    if reader.has("rolling") && random {
        reader.wrong("rolling", "what comes at random does not come one after another", "leave `rolling` out");
    }
    if let Some(Law::Recorded(recordings)) = process.map(|process| &process.law)
        && recordings.iter().any(|recording| !recording.node.is_empty())
    {
        return (recorded_nodes(reader, recordings, whom, world), None);
    }
    let key = match (rolling, scope) {
        (Some(_), _) => "rolling",
        (None, Some("node" | "machine" | "zone")) => "scope",
        _ => return (Vec::new(), None),
    };
    let Some(nodes) = target::fixed(whom, world) else {
        let what = format!("`{whom}` may be another node each time, so it has no parts that come one by one");
        reader.wrong(key, what, "aim at `all`, at a zone, or at a list of nodes");
        return (Vec::new(), None);
    };
    let cluster = &world.cluster;
    // Nodes that fail together, and what they are called together.
    let groups: Vec<(Target, Vec<NodeId>)> = match scope.filter(|_| key == "scope") {
        Some("zone") => {
            let zones = (0_u16..).zip(&cluster.zones);
            zones.map(|(zone, name)| (Target::Zone(zone, name.clone()), cluster.nodes_in(zone))).collect()
        }
        Some("machine") => {
            let machines = (0_u16..).zip(&cluster.machines);
            machines.map(|(m, name)| (Target::Machine(m, name.clone()), cluster.nodes_on(m))).collect()
        }
        _ => return (nodes.into_iter().map(Target::Node).collect(), rolling),
    };
    let part = |(whole, of_group): (Target, Vec<NodeId>)| {
        let here: Vec<NodeId> = of_group.iter().copied().filter(|node| nodes.contains(node)).collect();
        match here.len() {
            0 => None,
            n if n == of_group.len() => Some(whole),
            _ => Some(Target::Nodes(here)),
        }
    };
    (groups.into_iter().filter_map(part).collect(), None)
}

/// Says what does not fit in the rounds of a fault that goes from part to part.
pub fn rounds(
    reader: &Reader<'_>,
    rolling: &Rolling,
    each: &[Target],
    (duration, every, spread): (Option<Duration>, Option<Duration>, Duration),
) {
    let parts = each.len() as u64;
    if rolling.at_once.is_some() && !reader.has("duration") {
        reader.wrong("at_once", "what does not end lets nobody go, so the next would wait for ever", "add `duration`");
    }
    let orders = rolling.heal != Heal::InOrder;
    if orders && rolling.at_once.is_some() {
        let what = "what lets go of one before it takes the next does so in the order in which it came";
        reader.wrong("heal", what, "leave `heal` or `at_once` out");
    }
    if orders && spread > Duration::ZERO {
        reader.wrong("at", "who is held when is drawn here, and in which order they are let go too", "write one time");
    }
    let Some(duration) = duration else {
        if orders && !reader.has("duration") {
            reader.wrong("heal", "what does not end is let go of all at once", "add `duration`");
        }
        return;
    };
    let all_held = rolling.apart.times(parts.saturating_sub(1));
    if orders && duration <= all_held {
        let what = format!("the first is let go of after {duration}, before the last is held at {all_held}");
        reader.wrong("duration", what, "longer than it takes to hold them all");
    }
    let round = expand::round(rolling, duration, parts);
    if let Some(every) = every
        && rolling.at_once.is_some()
        && every < round
    {
        let what = format!("the next round begins after {every}, but one takes {round}");
        reader.wrong("every", what, "`every` is at least as long as a round");
    }
}
