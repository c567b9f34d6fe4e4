//! Reads what a fault waits for, and the names of messages and facts, which the chosen system knows.

use super::cluster::World;
use super::section::{Context, Reader};
use super::{measure, target};
use crate::keys;
use crate::scenario::Plan;
use crate::suggest;
use crate::written::Value;
use sim_core::fault::{Cue, Fault, Name, Target, Trigger};
use std::collections::BTreeSet;

/// The trigger of a fault, if it has one: `after`, or `kill_after` of a crash.
pub fn trigger(reader: &Reader<'_>, world: &World) -> Option<Trigger> {
    let both = reader.has("after") && reader.has("kill_after");
    if both {
        reader.wrong("kill_after", "`kill_after` is another name for `after`", "write one of them");
    }
    let key = if reader.has("after") { "after" } else { "kill_after" };
    let inner = Reader::new(&keys::AFTER, reader.value(key)?, reader.context);
    let kind = inner.get("kind", |value, context| message(value, context, world));
    let fact = inner.get("fact", |value, context| known(value, context, world.facts, "fact"));
    let fault = inner.get("fault", measure::name).map(Name::from);
    let at = inner.get("at", measure::word(keys::ENDS)).unwrap_or("end");
    let cues: Vec<&str> = ["kind", "fact", "fault"].into_iter().filter(|cue| inner.has(cue)).collect();
    match cues.as_slice() {
        [first, second, ..] => {
            let what = format!("`{first}` and `{second}` are two triggers");
            inner.wrong(second, what, "write a [[fault]] for each");
        }
        [] if inner.is_there() => {
            let help =
                "`kind` of a message, `fact`, or another `fault`, for example { kind = \"AppendEntries\", count = 3 }";
            inner.context.wrong(inner.span, "this waits for nothing", help);
        }
        _ => {}
    }
    if inner.has("at") && !inner.has("fault") {
        inner.wrong("at", "`at` says what of another fault this waits for", "add `fault`, the `name` of the other");
    }
    let count = inner.get("count", measure::small(1, 1_000_000_000)).unwrap_or(1);
    let node = inner.get("node", |value, context| target::target(value, context, world));
    if node == Some(Target::Trigger) {
        inner.wrong("node", "the trigger's own node is not known before it is met", "leave `node` out for any node");
    }
    let fault = fault.map(if at == "begin" { Cue::FaultBegins } else { Cue::FaultEnds });
    let cue = kind.map(Cue::Message).or(fact.map(Cue::Fact)).or(fault)?;
    Some(Trigger { cue, count, node })
}

/// The name of a kind of messages.
pub fn message(value: &Value, context: &Context<'_>, world: &World) -> Option<String> {
    known(value, context, world.messages, "kind of messages")
}

/// A name that the system knows; any name if it has not said which it knows.
fn known(value: &Value, context: &Context<'_>, names: &[&str], what: &str) -> Option<String> {
    let name = measure::text(value, context)?;
    if !names.is_empty() && !names.contains(&name.as_str()) {
        let help = match suggest::nearest(&name, names.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`? There are: {}", names.join(", ")),
            None => format!("one of: {}", names.join(", ")),
        };
        context.wrong(value.span, format!("the system has no {what} `{name}`"), help);
    }
    Some(name)
}

/// Says which faults wait for others that are not there, never end, or wait for them in turn.
pub fn check(plans: &[(Plan, &Reader<'_>)]) {
    // A fault with an id was written by a machine: the one it waits for may have been left out since.
    let others = plans.iter().filter(|(_, reader)| !reader.has("id"));
    let waiting = others.filter_map(|(plan, reader)| Some((awaited(plan)?, *reader)));
    let names: BTreeSet<&str> = plans.iter().filter_map(|(plan, _)| plan.name.as_deref()).collect();
    // What can happen at all: what waits for no fault, and what waits for one that can.
    let mut happens: BTreeSet<&str> = BTreeSet::new();
    loop {
        let can = |plan: &Plan| awaited(plan).is_none_or(|(name, _)| happens.contains(name));
        let more: BTreeSet<&str> =
            plans.iter().filter(|(plan, _)| can(plan)).filter_map(|(plan, _)| plan.name.as_deref()).collect();
        if more == happens {
            break;
        }
        happens = more;
    }
    for ((name, ends), reader) in waiting {
        let key = if reader.has("after") { "after" } else { "kill_after" };
        if !names.contains(name) {
            let help = match suggest::nearest(name, names.iter().copied()) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("give that [[fault]] a `name = \"{name}\"`"),
            };
            reader.wrong(key, format!("no fault is called `{name}`"), help);
        } else if !happens.contains(name) {
            let what = format!("`{name}` waits for this fault, or for one that does: none of them ever begins");
            reader.wrong(key, what, "let one of them begin by itself, at a time");
        } else if ends && plans.iter().all(|(plan, _)| plan.name.as_deref() != Some(name) || !has_end(plan)) {
            let what = format!("`{name}` lasts until everything is healed, and nothing begins after that");
            reader.wrong(key, what, "give it a `duration`, or wait for `at = \"begin\"`");
        }
    }
}

/// The name of the fault that this one waits for, and whether for its end.
fn awaited(plan: &Plan) -> Option<(&str, bool)> {
    match &plan.after.as_ref()?.cue {
        Cue::FaultBegins(name) => Some((name, false)),
        Cue::FaultEnds(name) => Some((name, true)),
        Cue::Message(_) | Cue::Fact(_) => None,
    }
}

/// Whether a fault ends before everything is healed. An order does when it is obeyed.
fn has_end(plan: &Plan) -> bool {
    plan.duration.is_some()
        || plan.process.is_some()
        || plan.flap.is_some()
        || matches!(plan.fault, Fault::Membership(_))
}

/// Says that a fault that waits for nothing has no trigger to aim at.
pub fn aims_at_nothing(reader: &Reader<'_>, targets: [(&'static str, Option<&Target>); 2]) {
    for (key, _) in targets.iter().filter(|(_, target)| *target == Some(&Target::Trigger)) {
        reader.wrong(key, "this fault has no trigger", "say what it waits for with `after`");
    }
}
