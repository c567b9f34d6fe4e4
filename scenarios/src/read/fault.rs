//! Reads `[[fault]]`s.

use super::cluster::World;
use super::latency::latency;
use super::section::{Context, Reader};
use super::{measure, overlap, process, target, trigger};
use crate::expand::{self, fault_id};
use crate::keys::{self, CHANGES, DIRECTIONS, KINDS, ON_CRASH, SHAPES};
use crate::limits;
use crate::scenario::{Flap, Plan};
use crate::suggest;
use crate::written::{Kind, Value};
use sim_core::fault::{
    Burst, ClockChange, CutClients, Direction, DiskChange, Fault, MemberChange, Name, OnCrash, PacketChange, Shape,
    Target,
};
use sim_core::hash::Mixer;
use sim_core::{Argument, Duration, Instant, NodeId, OrderKind, Probability};
use std::collections::BTreeMap;

/// Reads all `[[fault]]`s.
pub fn read(readers: &[Reader<'_>], swarm: bool, world: &World) -> Vec<Plan> {
    let mut plans: Vec<(Plan, &Reader<'_>)> = Vec::new();
    let mut names = BTreeMap::new();
    for reader in readers {
        if let Some(plan) = plan(reader, swarm, world, &mut names) {
            plans.push((plan, reader));
        }
    }
    trigger::check(&plans);
    if let Some(duration) = world.duration {
        let total: u64 = plans.iter().map(|(plan, _)| expand::number(plan, duration)).fold(0, u64::saturating_add);
        if total > limits::INJECTIONS {
            if let Some((plan, reader)) = plans.iter().max_by_key(|(plan, _)| expand::number(plan, duration)) {
                let what = format!("the faults happen {total} times, this one {}", expand::number(plan, duration));
                let help = format!("at most {} in one run; raise `every`, or set `count`", limits::INJECTIONS);
                reader.wrong("every", what, help);
            }
        } else {
            overlap::check(&plans, world, duration);
        }
    }
    plans.into_iter().map(|(plan, _)| plan).collect()
}

fn plan(reader: &Reader<'_>, swarm: bool, world: &World, names: &mut BTreeMap<String, u64>) -> Option<Plan> {
    let kind = reader.must("kind", measure::word(KINDS));
    if let Some(kind) = kind {
        belongs(reader, kind);
    }
    let whom = reader.get("target", |value, context| target::target(value, context, world));
    let (at, spread, duration, every, count) = times(reader, kind, world);
    let endless = kind == Some("clock") && (reader.has("step")) || kind == Some("disk") && reader.has("rot");
    let endless = endless || matches!(kind, Some("membership" | "order")) && !reader.has("mttr");
    let process = process::process(reader, at, endless, world.duration);
    // Of what comes at random nobody can say that each single time changes something.
    let random = process.is_some() || reader.has("mtbf") || reader.has("recorded");
    let must_bite = reader.get("must_bite", measure::flag).unwrap_or(!random && !swarm);
    let after = trigger::trigger(reader, world);
    let waits = reader.has("after") || reader.has("kill_after");
    if waits && reader.has("period") {
        reader.wrong("period", "what waits for something does not come and go", "leave `period` or `after` out");
    }
    let name = reader.get("name", measure::name).map(Name::from);
    let own_id = reader.get("id", measure::count(0, i64::MAX as u64));
    let (fault, flap) = match kind? {
        "crash" => (Some(crash(reader)), None),
        "pause" => (Some(Fault::Pause), None),
        "slow" => (Some(slow(reader)), None),
        "partition" => (partition(reader, world, whom.as_ref()), flap(reader)),
        "packet" => (packet(reader, world), None),
        "clock" => (clock(reader).map(Fault::Clock), None),
        "membership" => (membership(reader, world), None),
        "order" => (own_order(reader, world), None),
        _ => (disk(reader).map(Fault::Disk), None),
    };
    let optional = fault.is_none()
        || matches!(&fault, Some(Fault::Packet { .. }))
        || matches!(
            &fault,
            Some(Fault::Membership(
                MemberChange::Grow { .. }
                    | MemberChange::Shrink { .. }
                    | MemberChange::Transfer
                    | MemberChange::Own { takes: Argument::Nothing | Argument::Number, .. }
            ))
        )
        || matches!(&fault, Some(Fault::Partition { shape, .. })
            if !matches!(shape, Shape::Isolate | Shape::OneWay { .. }));
    let whom = match (reader.has("target"), optional) {
        (true, _) => whom,
        // A shape that draws everything by itself is drawn over all nodes.
        (false, true) => Some(Target::All),
        (false, false) => reader.must("target", |value, context| target::target(value, context, world)),
    };
    let (fault, target) = (fault?, whom?);
    if !waits {
        let other = match &fault {
            Fault::Packet { peers, .. } => ("peers", peers.as_ref()),
            Fault::Membership(MemberChange::MoveZone { to }) => ("to", to.as_ref()),
            _ => ("peers", None),
        };
        trigger::aims_at_nothing(reader, [("target", Some(&target)), other]);
    }
    let (each, rolling) = process::parts(reader, &target, process.as_ref(), random, world);
    rolling.inspect(|rolling| process::rounds(reader, rolling, &each, (duration, every, spread)));
    let id = own_id.unwrap_or_else(|| identity(&fault, &target, at, names));
    Some(Plan {
        id,
        name,
        fault,
        target,
        at,
        spread,
        duration,
        every,
        count,
        process,
        each,
        rolling,
        after,
        flap,
        must_bite,
    })
}

/// What a fault is, hashed; of several that are the same, each gets a number of its own.
fn identity(fault: &Fault, target: &Target, at: Instant, names: &mut BTreeMap<String, u64>) -> u64 {
    let shape = match fault {
        Fault::Partition { shape, .. } => shape.name(),
        Fault::Membership(change) => change.name(),
        _ => "",
    };
    let name = format!("{} {shape} {target} {at}", fault.kind());
    let mut mixer = Mixer::default();
    mixer.bytes(name.as_bytes());
    let equal = names.entry(name).or_default();
    mixer.word(*equal);
    *equal += 1;
    fault_id(mixer.finish())
}

/// Says which keys do not belong to the kind.
fn belongs(reader: &Reader<'_>, kind: &str) {
    for (key, span) in reader.present() {
        if let Some(known) = keys::FAULT.key(key)
            && !known.kinds.is_empty()
            && !known.kinds.contains(&kind)
        {
            let what = format!("`{key}` does not belong to a fault of kind `{kind}`");
            reader.context.wrong(span, what, format!("it belongs to: {}", known.kinds.join(", ")));
        }
    }
}

type Times = (Instant, Duration, Option<Duration>, Option<Duration>, Option<u32>);

fn times(reader: &Reader<'_>, kind: Option<&str>, world: &World) -> Times {
    let (at, latest) = reader.get("at", measure::range).unwrap_or_default();
    if let Some(end) = world.duration
        && latest >= end
    {
        let what = format!("a fault at {latest} never happens: the run's load ends at {end}");
        reader.wrong("at", what, "`at` counts from the start; everything is healed at scenario.duration");
    }
    let step = kind == Some("clock") && reader.has("step");
    let rot = kind == Some("disk") && reader.has("rot");
    let orders = matches!(kind, Some("membership" | "order"));
    let duration = reader.get("duration", measure::positive);
    if step && reader.has("duration") {
        reader.wrong("duration", "a clock's jump has no end", "leave `duration` out; a second fault can jump back");
    }
    if rot && reader.has("duration") {
        reader.wrong("duration", "what has rotted stays rotten", "leave `duration` out; `every` lets more rot");
    }
    let every = reader.get("every", measure::positive);
    if reader.has("every") && !step && !rot && !orders && !reader.has("duration") && !reader.has("mtbf") {
        reader.wrong("every", "a fault that repeats must end before it comes again", "add `duration`");
    }
    if let (Some(duration), Some(every)) = (duration, every)
        && every <= duration
    {
        let what = format!("the fault overlaps itself: it lasts {duration} and comes again after {every}");
        reader.wrong("every", what, "`every` is longer than `duration`");
    }
    let count = reader.get("count", measure::small(1, 1_000_000));
    if count.is_some() && !reader.has("every") {
        reader.wrong("count", "`count` is for a fault that repeats", "add `every`");
    }
    if at < latest && (reader.has("mtbf") || reader.has("recorded")) {
        reader.wrong("at", "a process begins at one moment", "`mtbf` makes its own luck; write one time");
    }
    (Instant(at.0), Duration(latest.0 - at.0), duration, every, count)
}

fn crash(reader: &Reader<'_>) -> Fault {
    let on_crash = match reader.get("on_crash", measure::word(ON_CRASH)) {
        Some("keep") => OnCrash::Keep,
        Some("torn") => OnCrash::Torn,
        Some("wipe") => OnCrash::Wipe,
        _ => OnCrash::LoseUnsynced,
    };
    Fault::Crash { on_crash }
}

fn slow(reader: &Reader<'_>) -> Fault {
    Fault::Slow {
        factor: reader.get("factor", measure::small(2, 1_000_000)).unwrap_or(20),
        floor: reader.get("floor", measure::duration).unwrap_or(Duration::millis(1)),
    }
}

fn partition(reader: &Reader<'_>, world: &World, target: Option<&Target>) -> Option<Fault> {
    let name = match reader.value("shape") {
        Some(_) => reader.get("shape", measure::word(SHAPES))?,
        None => "isolate",
    };
    let shape = shape(reader, name, world)?;
    if matches!(shape, Shape::Groups(_)) && reader.has("target") {
        reader.wrong("target", "shape `groups` has no target", "`groups` says who can talk to whom");
    }
    if world.known && world.cluster.nodes() < 2 && !reader.has("peers") {
        let span = reader.span;
        reader.context.wrong(span, "one node has nobody to be cut off from", "a partition needs two nodes");
    }
    let zones = match &shape {
        Shape::Groups(groups) => groups.iter().flatten().all(target::is_zone),
        _ => target.is_some_and(target::is_zone) || reader.get("scope", |v, _| v.is("zone").then_some(())).is_some(),
    };
    let with_zone = reader.get("clients", measure::flag).unwrap_or(zones);
    let only = reader.value("peers").is_some_and(|peers| from_clients(reader, peers, &shape));
    let clients = match (only, with_zone) {
        (true, _) => CutClients::Only,
        (false, true) => CutClients::WithZone,
        (false, false) => CutClients::Free,
    };
    Some(Fault::Partition { shape, clients })
}

/// Whether a partition is one between its target and clients alone.
fn from_clients(reader: &Reader<'_>, peers: &Value, shape: &Shape) -> bool {
    if !peers.is("clients") {
        let help = "`peers = \"clients\"`; shape `groups` cuts nodes off from certain others";
        reader.wrong("peers", "a partition is from everyone, or from clients alone", help);
        return false;
    }
    if !matches!(shape, Shape::Isolate | Shape::OneWay { .. }) {
        let what = format!("shape `{}` is about who can talk among nodes", shape.name());
        reader.wrong("peers", what, "leave `peers` out, or use shape `isolate` or `one_way`");
    }
    if reader.has("clients") {
        reader.wrong("clients", "the clients are who this cuts off", "leave `clients` or `peers` out");
    }
    true
}

fn shape(reader: &Reader<'_>, name: &str, world: &World) -> Option<Shape> {
    let direction = reader.get("direction", measure::word(DIRECTIONS));
    if name != "one_way" && reader.has("direction") {
        reader.wrong("direction", format!("`direction` does not belong to shape `{name}`"), "use shape `one_way`");
    }
    if name != "groups" && reader.has("groups") {
        reader.wrong("groups", format!("`groups` does not belong to shape `{name}`"), "use shape `groups`");
    }
    Some(match name {
        "halves" => Shape::Halves,
        "majority_minority" => Shape::MajorityMinority,
        "minority_third" => Shape::MinorityThird,
        "majorities_ring" => Shape::MajoritiesRing,
        "bridge" => Shape::Bridge,
        "intersecting" => Shape::Intersecting,
        "one_way" => {
            if direction == Some("both") {
                reader.wrong("direction", "one way is `from` or `to`", "for both, use shape `isolate`");
            }
            Shape::OneWay { outbound: direction != Some("to") }
        }
        "groups" => Shape::Groups(reader.must("groups", |value, context| groups(value, context, world))?),
        _ => Shape::Isolate,
    })
}

fn groups(value: &Value, context: &Context<'_>, world: &World) -> Option<Vec<Vec<Target>>> {
    let Kind::List(lists) = &value.kind else { return measure::mismatch(value, context, "a list of groups") };
    if lists.len() < 2 {
        context.wrong(value.span, format!("{} group can not be cut off from another", lists.len()), "two or more");
        return None;
    }
    let mut seen: Vec<(NodeId, usize)> = Vec::new();
    let mut groups = Vec::new();
    for (place, list) in lists.iter().enumerate() {
        let alone = core::slice::from_ref(list);
        let members: &[Value] = match &list.kind {
            Kind::List(members) if members.is_empty() => {
                context.wrong(list.span, "this group is empty", "name a node, a zone or a role");
                continue;
            }
            Kind::List(members) => members,
            _ => alone,
        };
        let mut group = Vec::new();
        for member in members {
            let Some(target) = target::target(member, context, world) else { continue };
            for node in target::fixed(&target, world).unwrap_or_default() {
                match seen.iter().find(|(n, _)| *n == node).filter(|_| world.known) {
                    Some((_, other)) if *other == place => {
                        context.wrong(member.span, format!("{node} is in this group already"), "name each node once");
                    }
                    Some((_, other)) => {
                        let what = format!("{node} is in group {} already", other + 1);
                        context.wrong(member.span, what, "a node is in one group, or in none and then talks to all");
                    }
                    None => seen.push((node, place)),
                }
            }
            group.push(target);
        }
        groups.push(group);
    }
    Some(groups)
}

fn flap(reader: &Reader<'_>) -> Option<Flap> {
    let period = reader.get("period", measure::positive);
    let up = reader.get("up", measure::positive);
    if reader.has("up") && !reader.has("period") {
        reader.wrong("up", "`up` is a part of each `period`", "add `period`");
    }
    let period = period?;
    let up = up.unwrap_or(Duration(period.0 / 2));
    if up >= period {
        reader.wrong("up", format!("{up} of every {period} leaves no time to be cut"), "`up` is shorter than `period`");
        return None;
    }
    Some(Flap { period, up })
}

fn packet(reader: &Reader<'_>, world: &World) -> Option<Fault> {
    let share = |key| reader.get(key, measure::probability).unwrap_or(Probability::NEVER);
    let rate = reader.get("rate", measure::bandwidth).unwrap_or(0);
    let queue = reader.get("queue", measure::size(1 << 40));
    if reader.has("queue") && !reader.has("rate") {
        reader.wrong("queue", "`queue` is what waits for a limited `rate`", "add `rate`");
    }
    if reader.has("reorder_by") && !reader.has("reorder") {
        reader.wrong("reorder_by", "`reorder_by` says how far, `reorder` how often", "add `reorder`");
    }
    let changes = ["loss", "delay", "duplicate", "reorder", "corrupt", "rate", "burst"];
    if !changes.iter().any(|key| reader.has(key)) {
        reader.context.wrong(reader.span, "this fault changes nothing", format!("add one of: {}", changes.join(", ")));
        return None;
    }
    if reader.has("correlation") && !changes[..5].iter().any(|key| reader.has(key)) {
        let help = format!("add one of: {}", changes[..5].join(", "));
        reader.wrong("correlation", "`correlation` is about what happens to messages at random", help);
    }
    let change = PacketChange {
        loss: share("loss"),
        delay: reader.get("delay", latency),
        duplicate: share("duplicate"),
        reorder: share("reorder"),
        reorder_by: match reader.get("reorder_by", measure::duration) {
            Some(by) => by,
            None if reader.has("reorder") => Duration::millis(10),
            None => Duration::ZERO,
        },
        corrupt: share("corrupt"),
        rate,
        queue_bytes: if rate == 0 { 0 } else { queue.unwrap_or(1 << 20) },
        correlation: share("correlation"),
        burst: reader.value("burst").and_then(|value| burst(&Reader::new(&keys::BURST, value, reader.context))),
    };
    let direction = match reader.get("direction", measure::word(DIRECTIONS)) {
        Some("to") => Direction::To,
        Some("from") => Direction::From,
        _ => Direction::Both,
    };
    let peers = reader.get("peers", |value, context| match value.is("clients") {
        true => Some(Target::Clients),
        false => target::target(value, context, world),
    });
    let kind = |value: &Value, context: &Context<'_>| trigger::message(value, context, world);
    let kinds = reader.get("messages", measure::list(kind)).unwrap_or_default();
    if peers == Some(Target::Clients) && !kinds.is_empty() {
        reader.wrong("messages", "what clients send has no kinds", "leave `messages` or `peers` out");
    }
    Some(Fault::Packet { change, direction, peers, kinds })
}

fn burst(reader: &Reader<'_>) -> Option<Burst> {
    let good_to_bad = reader.must("good_to_bad", measure::probability);
    let bad_to_good = reader.must("bad_to_good", measure::probability);
    let loss_bad = reader.get("loss_bad", measure::probability).unwrap_or(Probability::ALWAYS);
    let loss_good = reader.get("loss_good", measure::probability).unwrap_or(Probability::NEVER);
    Some(Burst { good_to_bad: good_to_bad?, bad_to_good: bad_to_good?, loss_bad, loss_good })
}

/// Says that a fault has to change exactly one of `keys`; the one it changes.
fn exactly_one(reader: &Reader<'_>, keys: &[&'static str]) -> Option<&'static str> {
    let given: Vec<&'static str> = keys.iter().copied().filter(|key| reader.has(key)).collect();
    match given.as_slice() {
        [] => {
            let help = format!("add one of: {}", keys.join(", "));
            reader.context.wrong(reader.span, "this fault changes nothing", help);
        }
        [first, rest @ ..] => {
            for other in rest {
                let what = format!("`{first}` and `{other}` are two faults");
                reader.wrong(other, what, "write a [[fault]] for each");
            }
        }
    }
    given.first().copied()
}

fn clock(reader: &Reader<'_>) -> Option<ClockChange> {
    match exactly_one(reader, &["step", "drift", "freeze"])? {
        "freeze" => switched_on(reader, "freeze").map(|()| ClockChange::Freeze),
        "step" => reader.get("step", measure::offset).map(ClockChange::Step),
        _ => reader.get("drift", measure::drift).map(ClockChange::Drift),
    }
}

fn disk(reader: &Reader<'_>) -> Option<DiskChange> {
    match exactly_one(reader, &["slow", "stall", "fail_sync", "full", "lie", "torn", "rot"])? {
        "slow" => reader.get("slow", latency).map(DiskChange::Slow),
        "fail_sync" => reader.get("fail_sync", measure::probability).map(DiskChange::FailSync),
        "rot" => reader.get("rot", measure::probability).map(DiskChange::Rot),
        "full" => switched_on(reader, "full").map(|()| DiskChange::Full),
        "lie" => switched_on(reader, "lie").map(|()| DiskChange::Lie),
        "torn" => switched_on(reader, "torn").map(|()| DiskChange::Torn),
        _ => switched_on(reader, "stall").map(|()| DiskChange::Stall),
    }
}

/// What the operator asks for. The system must be able to do it.
fn membership(reader: &Reader<'_>, world: &World) -> Option<Fault> {
    let by = reader.get("by", measure::small(1, 127));
    let to = reader.get("to", |value, context| target::target(value, context, world));
    let name = reader.must("change", measure::word(CHANGES))?;
    if reader.has("by") && !matches!(name, "grow" | "shrink") {
        reader.wrong("by", format!("`by` does not belong to change `{name}`"), "use change `grow` or `shrink`");
    }
    if reader.has("to") && name != "move_zone" {
        reader.wrong("to", format!("`to` does not belong to change `{name}`"), "use change `move_zone`");
    }
    let by = by.unwrap_or(1);
    let change = match name {
        "add" => MemberChange::Add,
        "remove" => MemberChange::Remove,
        "replace" => MemberChange::Replace,
        "grow" => MemberChange::Grow { by },
        "shrink" => MemberChange::Shrink { by },
        "move_zone" => MemberChange::MoveZone { to },
        _ => MemberChange::Transfer,
    };
    if let Some(orders) = world.orders
        && !orders.contains(&change.order())
    {
        let what = match change {
            MemberChange::Transfer => "the system can not hand leadership over when asked to",
            _ => "the system can not change its members",
        };
        reader.wrong("change", what, "`list systems` says which orders a system takes");
    }
    Some(Fault::Membership(change))
}

/// An order that only the system knows.
fn own_order(reader: &Reader<'_>, world: &World) -> Option<Fault> {
    let name = reader.must("order", measure::text)?;
    let own = world.own_orders?;
    let found = (0..).zip(own).find(|(_, kind)| kind.name == name);
    let number = reader.get("number", measure::count(0, i64::MAX as u64));
    let Some((kind, &OrderKind { name, takes, .. })) = found else {
        let help = match own {
            [] => "it has none of its own; members and leaders are changed by a fault of kind `membership`".to_owned(),
            own => suggest::help(&name, &own.iter().map(|kind| kind.name).collect::<Vec<_>>()),
        };
        reader.wrong("order", format!("the system takes no order `{name}`"), help);
        return None;
    };
    if takes != Argument::Node && reader.has("target") {
        reader.wrong("target", format!("order `{name}` is about no node"), "leave `target` out");
    }
    match (takes, number) {
        (Argument::Number, None) if !reader.has("number") => {
            reader.wrong("order", format!("order `{name}` is about a number"), "add `number`");
        }
        (Argument::Node | Argument::Nothing, Some(_)) => {
            reader.wrong("number", format!("order `{name}` is about no number"), "leave `number` out");
        }
        _ => {}
    }
    Some(Fault::Membership(MemberChange::Own { kind, name, takes, number: number.unwrap_or(0) }))
}

/// What makes the fault must be `true`.
fn switched_on(reader: &Reader<'_>, key: &'static str) -> Option<()> {
    if !reader.get(key, measure::flag)? {
        reader.wrong(key, "this fault changes nothing", format!("write `{key} = true`"));
    }
    Some(())
}
