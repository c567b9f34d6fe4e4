//! Reads which operations a workload is made of: `mix`, or the shares of a key-value store's.

use super::cluster::World;
use super::measure;
use super::section::{Context, Reader};
use crate::scenario::Weight;
use crate::suggest;
use crate::written::{Kind, Value};
use sim_core::workload::{OperationKind, VERBS};

/// The keys that share out the operations of a key-value store.
const RATIOS: [&str; 4] = ["read_ratio", "append_ratio", "cas_ratio", "delete_ratio"];

/// The weights of a workload's operations; none where the shares of reads and writes say it all.
pub fn mix(reader: &Reader<'_>, world: &World) -> Option<Vec<Weight>> {
    for key in RATIOS.into_iter().filter(|key| reader.has(key)) {
        let named = world.operations.iter().map(|operation| format!("{} = 1", operation.name)).collect::<Vec<_>>();
        if reader.has("mix") {
            reader.wrong(key, format!("`{key}` and `mix` exclude each other"), "`mix` says how often each comes");
        } else if !named.is_empty() {
            let what = format!("the system has operations of its own, so `{key}` says nothing");
            reader.wrong(key, what, format!("for example `mix = {{ {} }}`", named.join(", ")));
        }
    }
    if reader.has("mix") {
        return reader.get("mix", |value, context| weights(value, context, world.operations));
    }
    // As often one as the other, where nobody says more of operations that only their system knows.
    let equal = |(kind, operation): (u16, &OperationKind)| Weight { kind, name: operation.name, weight: 1 };
    Some((0..).zip(world.operations).map(equal).collect())
}

fn weights(value: &Value, context: &Context<'_>, own: &'static [OperationKind]) -> Option<Vec<Weight>> {
    let operations = if own.is_empty() { VERBS } else { own };
    let Kind::Table(table) = &value.kind else {
        let example = format!("a table of weights such as {{ {} = 1 }}", operations[0].name);
        return measure::mismatch(value, context, &example);
    };
    let known: Vec<&str> = operations.iter().map(|operation| operation.name).collect();
    let mut read = Vec::new();
    let mut sound = true;
    for entry in &table.entries {
        let kind = known.iter().position(|name| *name == entry.key);
        if kind.is_none() {
            let what = format!("there is no operation `{}`", entry.key);
            context.wrong(entry.key_span, what, suggest::help(&entry.key, &known));
        }
        let weight = measure::small(0, 1_000_000)(&entry.value, context);
        match (kind, weight) {
            (Some(kind), Some(weight)) => read.push(Weight { kind: kind as u16, name: known[kind], weight }),
            _ => sound = false,
        }
    }
    // The order of the file says nothing: JSON has none.
    read.sort_unstable_by_key(|weight| weight.kind);
    if sound && read.iter().all(|weight| weight.weight == 0) {
        context.wrong(value.span, "a mix of nothing", format!("one of {} at least", known.join(", ")));
        sound = false;
    }
    sound.then_some(read)
}
