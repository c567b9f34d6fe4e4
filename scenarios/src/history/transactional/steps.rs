//! From events to transactions: each beginning with its end, and what is asked and answered as steps.

use super::super::pair::Pair;
use super::super::{Datum, Event, Lines};
use super::TransactionModel;
use sim_core::transactions::{Builder, Doing, Fate, History, Step, Transaction};
use std::collections::BTreeMap;

const FORMS: &str = "[[:append x 1] [:r y [2 3]]] of lists, [[:w x 1] [:r y 2]] of registers";

/// Transactions, and the names of what they are about.
pub(super) struct Read {
    pub history: History,
    pub keys: Vec<String>,
    pub values: Vec<String>,
    /// Process and lines of each transaction.
    pub shown: Vec<(String, (u32, Option<u32>))>,
}

pub(super) fn transactions(pairs: &[Pair<'_>], model: TransactionModel, lines: &Lines<'_>) -> Read {
    let mut builder: Builder<Datum, Datum> = Builder::new();
    let mut processes: BTreeMap<&str, u32> = BTreeMap::new();
    let mut shown = Vec::new();
    for pair in pairs {
        let next = processes.len() as u32;
        let process = *processes.entry(&pair.begun.process).or_insert(next);
        let fate = pair.fate();
        let told = pair.told();
        let steps = match steps(told, fate, model, &mut builder) {
            Ok(steps) => steps,
            Err(what) => {
                lines.wrong_event(told, what, FORMS);
                continue;
            }
        };
        let completed = pair.ended.map_or(u64::MAX, |ended| ended.at);
        builder.history.transactions.push(Transaction { process, fate, invoked: pair.begun.at, completed, steps });
        shown.push((pair.begun.process.to_string(), pair.lines()));
    }
    let (keys, values) = builder.names();
    let keys = keys.iter().map(ToString::to_string).collect();
    let values = values.iter().map(ToString::to_string).collect();
    Read { history: builder.history, keys, values, shown }
}

fn steps(
    event: &Event,
    fate: Fate,
    model: TransactionModel,
    builder: &mut Builder<Datum, Datum>,
) -> Result<Vec<Step>, String> {
    let Some(all) = event.value.members() else {
        return Err(format!("{} is no list of operations", event.value));
    };
    let lists = model == TransactionModel::ListAppend;
    let mut steps = Vec::new();
    for one in all {
        let Some([f, key, value]) = one.members() else {
            return Err(format!("{one} is no operation: function, key and value"));
        };
        let key = builder.key(key);
        let reads = matches!(f.name(), Some("r" | "read"));
        let doing = match f.name() {
            // What one that did not succeed has read, nobody can rely on.
            Some("r" | "read") if fate != Fate::Committed => continue,
            Some("r" | "read") if lists => {
                let elements = match value {
                    Datum::Nil => &[],
                    other => other.members().ok_or_else(|| format!("a list is read, and {other} is none"))?,
                };
                Doing::ReadList(elements.iter().map(|element| builder.version(key, element.clone())).collect())
            }
            Some("r" | "read") => {
                let value = Some(value).filter(|value| **value != Datum::Nil);
                Doing::ReadRegister(value.map(|value| builder.version(key, value.clone())))
            }
            Some("append") if lists => Doing::Append(builder.version(key, value.clone())),
            Some("w" | "write") if !lists => Doing::Write(builder.version(key, value.clone())),
            _ => return Err(format!("{f} is no operation of a {}", model.name())),
        };
        if !reads && *value == Datum::Nil {
            return Err(format!("{one} writes nil, which is what nothing looks like"));
        }
        steps.push(Step { key, doing });
    }
    Ok(steps)
}
