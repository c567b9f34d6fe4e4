//! Reads when a fault comes at random, and to whom one by one.

use super::cluster::World;
use super::section::{Context, Reader};
use super::{measure, target};
use crate::diagnostics::Span;
use crate::keys::{LAWS, SCOPES};
use crate::scenario::{Law, Process};
use sim_core::fault::Target;
use sim_core::units::DurationText;
use sim_core::{Duration, Instant, NodeId};

/// Keys that say when a fault comes that does not come at random.
const PLANNED: &[&str] = &["duration", "every", "count"];

/// The random process of a fault; `None` if its times are planned. `endless` is for what has no end, such as a jump.
pub fn process(reader: &Reader<'_>, at: Instant, endless: bool) -> Option<Process> {
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
        let law = Law::Recorded(recorded(&path, span, reader.context)?);
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

/// The spells of being down in a file of lines `time value`: seconds, and 1 for up or 0 for down. SimGrid's availability
/// profiles and the Failure Trace Archive's event lists are easily put into this form.
fn recorded(path: &str, span: Span, context: &Context<'_>) -> Option<Vec<(Duration, Option<Duration>)>> {
    let text = match context.files.read(path) {
        Ok(text) => text,
        Err((what, help)) => {
            context.wrong(span, format!("`{path}`: {what}"), help);
            return None;
        }
    };
    let source = context.problems.source(path, &text);
    let before = context.problems.count();
    let mut spells: Vec<(Duration, Option<Duration>)> = Vec::new();
    let (mut at, mut last) = (0, None);
    for line in text.split_inclusive('\n') {
        let content = line.split('#').next().unwrap_or("").trim_end();
        let lead = content.len() - content.trim_start().len();
        let place = Span::new(source, at + lead..at + content.len().max(lead + 1));
        at += line.len();
        let fields: Vec<&str> = content.split_whitespace().collect();
        let (time, up) = match fields.as_slice() {
            [] => continue,
            [time, value @ ("0" | "1")] => (*time, *value == "1"),
            [_, value] => {
                context.wrong(place, format!("`{value}` is neither up nor down"), "write 1 for up, 0 for down");
                continue;
            }
            _ => {
                context.wrong(place, "this line is not a time and a value", "for example `12.5 0`: down after 12.5 s");
                continue;
            }
        };
        let plain = time.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        let parsed = if plain { format!("{time}s").parse() } else { time.parse() };
        let Ok(DurationText(time)) = parsed else {
            context.wrong(place, format!("`{time}` is not a time"), "seconds, such as `12.5`");
            continue;
        };
        if last.is_some_and(|last| time <= last) {
            context.wrong(place, format!("{time} does not come after the line before"), "times grow from line to line");
        }
        last = Some(time);
        match (spells.last_mut(), up) {
            (Some((_, end @ None)), true) => *end = Some(time),
            (None | Some((_, Some(_))), false) => spells.push((time, None)),
            // It is what it was.
            _ => {}
        }
    }
    if spells.is_empty() && context.problems.count() == before {
        context.wrong(span, format!("nothing is ever down in `{path}`"), "add a line with a time and 0");
    }
    (context.problems.count() == before).then_some(spells)
}

/// The parts of the target that the fault goes for one by one, and how far apart if one after another.
pub fn parts(reader: &Reader<'_>, whom: &Target, random: bool, world: &World) -> (Vec<Target>, Option<Duration>) {
    let rolling = reader.get("rolling", measure::positive);
    let scope = reader.get("scope", measure::word(SCOPES));
    if reader.has("scope") && !reader.has("mtbf") {
        reader.wrong("scope", "`scope` says who fails together at random", "add `mtbf`");
    }
    if reader.has("rolling") && random {
        reader.wrong("rolling", "what comes at random does not come one after another", "leave `rolling` out");
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
