//! Reads what a fault waits for, and the names of messages and facts, which the chosen system knows.

use super::cluster::World;
use super::section::{Context, Reader};
use super::{measure, target};
use crate::keys;
use crate::suggest;
use crate::written::Value;
use sim_core::fault::{Cue, Target, Trigger};

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
    match (inner.has("kind"), inner.has("fact")) {
        (true, true) => inner.wrong("fact", "`kind` and `fact` are two triggers", "write a [[fault]] for each"),
        (false, false) if inner.is_there() => {
            let help = "`kind` of a message, or `fact`, for example { kind = \"AppendEntries\", count = 3 }";
            inner.context.wrong(inner.span, "this waits for nothing", help);
        }
        _ => {}
    }
    let count = inner.get("count", measure::small(1, 1_000_000_000)).unwrap_or(1);
    let node = inner.get("node", |value, context| target::target(value, context, world));
    if node == Some(Target::Trigger) {
        inner.wrong("node", "the trigger's own node is not known before it is met", "leave `node` out for any node");
    }
    let cue = kind.map(Cue::Message).or(fact.map(Cue::Fact))?;
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

/// Says that a fault that waits for nothing has no trigger to aim at.
pub fn aims_at_nothing(reader: &Reader<'_>, targets: [(&'static str, Option<&Target>); 2]) {
    for (key, _) in targets.iter().filter(|(_, target)| *target == Some(&Target::Trigger)) {
        reader.wrong(key, "this fault has no trigger", "say what it waits for with `after`");
    }
}
