//! Reads `[[workload]]` and `[probe]`.

use super::cluster::World;
use super::section::{Context, Reader};
use super::{children, measure};
use crate::keys;
use crate::limits;
use crate::scenario::{KeySpace, Pace, Rate, Stage, Workload};
use crate::suggest;
use crate::written::{Kind, Value};
use sim_core::{Duration, Instant, Patience, Probability, ReadsFrom, Routing};

/// Reads all `[[workload]]`s.
pub fn workloads(readers: &[Reader<'_>], world: &World) -> Vec<Workload> {
    let mut read: Vec<Workload> = Vec::new();
    let mut clients = 0;
    if let Some(reader) = readers.get(limits::WORKLOADS) {
        let what = format!("{} workloads are too many", readers.len());
        reader.context.wrong(reader.span, what, format!("at most {}; raise `clients` instead", limits::WORKLOADS));
        return read;
    }
    for reader in readers {
        let before = reader.context.problems.count();
        let Some(workload) = workload(reader, world) else { continue };
        let sound = reader.context.problems.count() == before;
        clients += u64::from(workload.clients);
        if clients > limits::CLIENTS {
            let what = format!("{clients} clients are too many");
            reader.wrong("clients", what, format!("at most {} over all workloads", limits::CLIENTS));
            clients = 0;
        }
        if sound && read.contains(&workload) {
            reader.context.wrong(reader.span, "this [[workload]] is there twice", "raise `clients` and `rate` instead");
        }
        read.push(workload);
    }
    read
}

fn workload(reader: &Reader<'_>, world: &World) -> Option<Workload> {
    let clients = reader.get("clients", measure::small(1, limits::CLIENTS)).unwrap_or(10);
    let pace = pace(reader);
    let keys = reader.get("keys", keyspace).unwrap_or(KeySpace::Uniform { count: 1000 });
    let (start, stop) = hours(reader, world);
    let mix = super::mix::mix(reader, world);
    let at = reader.get("at", |value, context| seats(value, context, world));
    if reader.has("at") {
        for key in PLACES.into_iter().filter(|key| reader.has(key)) {
            let what = format!("`{key}` does not belong to clients that sit `at` a node");
            reader.wrong(
                key,
                what,
                "each asks the node it sits at, once: the rest is the business of that node's code",
            );
        }
    }
    if let (Some(seat), false) = (world.seat, reader.has("at")) {
        let help = format!("add `at = \"{seat}\"`");
        reader.wrong("at", "no node of this system is asked by clients that sit at none", help);
    }
    let zones = match reader.value("zones") {
        None if let Some(role) = &at => {
            Some(world.cluster.nodes_of(role).into_iter().map(|node| world.cluster.zone_of(node)).collect())
        }
        None => Some((0..world.cluster.zones.len()).map(|z| z as u16).collect()),
        Some(_) => reader.get("zones", |value, context| zones(value, context, world)),
    };
    let share = |key, default| reader.get(key, measure::probability).unwrap_or(default);
    let patience = match &at {
        None => patience(reader),
        Some(_) => patience(reader).once(),
    };
    Some(Workload {
        at,
        mix: mix?,
        clients,
        reads: share("read_ratio", Probability::per_billion(500_000_000)),
        appends: share("append_ratio", Probability::NEVER),
        cas: share("cas_ratio", Probability::NEVER),
        deletes: share("delete_ratio", Probability::NEVER),
        keys,
        value_size: reader.get("value_size", measure::size(limits::VALUE)).map_or(64, |n| n as u32),
        patience,
        routing: reader.get("routing", |value, context| routing(value, context, world)).unwrap_or(Routing::Sticky),
        reads_from: match reader.get("reads_from", measure::word(&["leader", "any", "nearest"])) {
            Some("any") => ReadsFrom::Any,
            Some("nearest") => ReadsFrom::Nearest,
            _ => ReadsFrom::Leader,
        },
        start,
        stop,
        zones: zones?,
        pace: pace?,
    })
}

/// Exactly one of `rate`, `stages` and `think_time`.
fn pace(reader: &Reader<'_>) -> Option<Pace> {
    let given: Vec<&'static str> = ["rate", "stages", "think_time"].into_iter().filter(|key| reader.has(key)).collect();
    let [first, rest @ ..] = given.as_slice() else {
        let help = "add `rate = \"400/s\"` (open loop), `think_time = \"10ms\"` (closed loop) or `stages`";
        reader.context.wrong(reader.span, "[[workload]] does not say how often operations start", help);
        return None;
    };
    for other in rest {
        let what = format!("`{first}` and `{other}` exclude each other");
        reader.wrong(other, what, "`rate` and `stages` are open loop, `think_time` is closed loop");
    }
    if *first != "think_time" && reader.has("outstanding") && !given.contains(&"think_time") {
        let what = format!("`outstanding` does not belong to `{first}`");
        reader.wrong("outstanding", what, "an open loop has as many in flight as it takes");
    }
    match *first {
        "rate" => {
            let rate = reader.get("rate", measure::rate)?;
            if rate == 0 {
                reader.wrong("rate", "a rate of zero asks nothing", "leave the [[workload]] out");
            }
            Some(Pace::Open(vec![Stage { at: Instant::ZERO, rate: Rate(rate), ramp_to: None }]))
        }
        "stages" => stages(reader),
        _ => Some(Pace::Closed {
            think: reader.get("think_time", measure::duration)?,
            outstanding: reader.get("outstanding", measure::small(1, 1_000_000)).unwrap_or(1),
        }),
    }
}

fn stages(reader: &Reader<'_>) -> Option<Pace> {
    let readers = children(reader, "stages", &keys::STAGE);
    let read: Vec<Option<Stage>> = readers
        .iter()
        .map(|stage| {
            let (at, rate) = (stage.must("at", measure::duration), stage.must("rate", measure::rate));
            let ramp_to = stage.get("ramp_to", measure::rate).map(Rate);
            Some(Stage { at: Instant(at?.0), rate: Rate(rate?), ramp_to })
        })
        .collect();
    let stages = read.into_iter().collect::<Option<Vec<Stage>>>()?;
    if stages.is_empty() {
        if matches!(reader.value("stages"), Some(Value { kind: Kind::List(_), .. })) {
            reader.wrong("stages", "there is no stage", "for example `stages = [{ at = \"0s\", rate = \"400/s\" }]`");
        }
        return None;
    }
    for (i, pair) in stages.windows(2).enumerate() {
        if pair[0].at >= pair[1].at {
            let what = format!("stage {} starts at {}, not after {}", i + 2, pair[1].at, pair[0].at);
            readers[i + 1].wrong("at", what, "stages go in order of time");
        }
    }
    Some(Pace::Open(stages))
}

/// What the hot keys of a hotspot take, unless a file says otherwise.
const HOT_SHARE: Probability = Probability::per_billion(900_000_000);

fn keyspace(value: &Value, context: &Context<'_>) -> Option<KeySpace> {
    if matches!(value.kind, Kind::Int(_)) {
        return measure::count(1, limits::KEYS)(value, context).map(|count| KeySpace::Uniform { count });
    }
    if !matches!(value.kind, Kind::Table(_)) {
        return measure::mismatch(
            value,
            context,
            "a number of keys, or a table such as { count = 1000, dist = \"zipf\" }",
        );
    }
    let reader = Reader::new(&keys::KEYS, value, context);
    let count = reader.get("count", measure::count(1, limits::KEYS)).unwrap_or(1000);
    let dist = reader.get("dist", measure::word(keys::POPULARITIES)).unwrap_or("uniform");
    let s = reader.get("s", measure::number(0.0, 10.0)).unwrap_or(0.99);
    let hot = reader.get("hot", measure::count(1, limits::KEYS)).unwrap_or(1);
    let share = reader.get("share", measure::probability).unwrap_or(HOT_SHARE);
    for (key, of) in [("s", "zipf"), ("hot", "hotspot"), ("share", "hotspot")] {
        if dist != of && reader.has(key) {
            let help = format!("add `dist = \"{of}\"`, or leave `{key}` out");
            reader.wrong(key, format!("`{key}` belongs to `dist = \"{of}\"`"), help);
        }
    }
    if dist == "hotspot" && hot >= count {
        reader.wrong("hot", format!("{hot} of {count} keys are hot"), "fewer than there are keys");
    }
    Some(match dist {
        "zipf" => KeySpace::Zipf { count, s },
        "hotspot" => KeySpace::Hotspot { count, hot, share },
        _ => KeySpace::Uniform { count },
    })
}

fn hours(reader: &Reader<'_>, world: &World) -> (Instant, Instant) {
    let start = reader.get("start", measure::duration).unwrap_or(Duration::ZERO);
    let end = world.duration.unwrap_or(Duration::MAX);
    let stop = reader.get("stop", measure::duration).unwrap_or(end);
    if stop > end {
        reader.wrong("stop", format!("the run's load ends at {end}"), "leave `stop` out");
    }
    if start >= stop {
        let key = if reader.has("start") { "start" } else { "stop" };
        reader.wrong(key, format!("from {start} to {stop} there is no time"), "`start` comes before `stop`");
    }
    (Instant(start.0), Instant(stop.0))
}

fn patience(reader: &Reader<'_>) -> Patience {
    let default = Patience::default();
    let timeout = reader.get("timeout", measure::positive).unwrap_or(default.timeout);
    let attempt = reader.get("attempt_timeout", measure::positive);
    if let Some(attempt) = attempt
        && attempt > timeout
    {
        let what = format!("one try may take {attempt}, the whole operation only {timeout}");
        reader.wrong("attempt_timeout", what, "`attempt_timeout` is at most `timeout`");
    }
    let backoff = reader.get("backoff", measure::duration).unwrap_or(default.backoff);
    let backoff_max = reader.get("backoff_max", measure::duration);
    if let Some(max) = backoff_max
        && backoff > max
    {
        reader.wrong(
            "backoff_max",
            format!("the first wait is {backoff} already"),
            "`backoff_max` is at least `backoff`",
        );
    }
    Patience {
        timeout,
        attempt_timeout: attempt.unwrap_or(default.attempt_timeout.min(timeout)),
        attempts: reader.get("attempts", attempts).unwrap_or(default.attempts),
        backoff,
        backoff_max: backoff_max.unwrap_or(default.backoff_max.max(backoff)),
    }
}

/// Where those go who sit at no node, and how often.
const PLACES: [&str; 7] = ["routing", "reads_from", "zones", "attempt_timeout", "attempts", "backoff", "backoff_max"];

/// The role of the nodes at which clients sit.
fn seats(value: &Value, context: &Context<'_>, world: &World) -> Option<String> {
    let role = measure::text(value, context)?;
    let groups: Vec<&str> = world.cluster.groups.iter().map(|group| group.role.as_str()).collect();
    if groups.contains(&role.as_str()) {
        return Some(role);
    }
    if world.known {
        let help = match groups.as_slice() {
            [] => "add a [[cluster.group]] of that role".to_owned(),
            groups => suggest::help(&role, groups),
        };
        context.wrong(value.span, format!("there is no group `{role}`"), help);
    }
    None
}

fn attempts(value: &Value, context: &Context<'_>) -> Option<u32> {
    match &value.kind {
        Kind::Text(text) if text == "unlimited" => Some(u32::MAX),
        Kind::Text(_) => measure::mismatch(value, context, "a whole number or \"unlimited\""),
        _ => measure::small(1, u64::from(u32::MAX - 1))(value, context),
    }
}

fn routing(value: &Value, context: &Context<'_>, world: &World) -> Option<Routing> {
    let text = measure::text(value, context)?;
    match text.as_str() {
        "sticky" => Some(Routing::Sticky),
        "random" => Some(Routing::Random),
        _ => match world.node(&text, value.span, context) {
            Some(node) => Some(Routing::Fixed(node)),
            None => {
                let help = suggest::nearest(&text, ["sticky", "random"]);
                let help = help.map_or("\"sticky\", \"random\" or a node such as \"n3\"".to_owned(), |h| {
                    format!("did you mean `{h}`?")
                });
                context.wrong(value.span, format!("`{text}` is not a routing"), help);
                None
            }
        },
    }
}

fn zones(value: &Value, context: &Context<'_>, world: &World) -> Option<Vec<u16>> {
    let zones = measure::list(|item, context| {
        let name = measure::text(item, context)?;
        world.zone(&name, item.span, context)
    })(value, context)?;
    if zones.is_empty() {
        context.wrong(value.span, "clients sit in at least one zone", "leave `zones` out for all");
        return None;
    }
    Some(zones)
}
