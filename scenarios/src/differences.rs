//! In which fields two scenarios differ, as meant: after defaults, `--set` and expansion.

use crate::{Scenario, expand, to_toml};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// A field and its value in both; nothing where it is absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldDifference {
    /// The dotted path, as in `--set`.
    pub path: String,
    /// In the first scenario.
    pub a: Option<String>,
    /// In the second.
    pub b: Option<String>,
}

/// Every field in which runs of `a` and `b` with this seed differ, in the order of their paths. Names, titles, expectations
/// and the report's looks are not part of a run.
#[must_use]
pub fn differences(a: &Scenario, b: &Scenario, seed: u64) -> Vec<FieldDifference> {
    let (mut a, b) = (fields(a, seed), fields(b, seed));
    let mut all: BTreeMap<String, (Option<String>, Option<String>)> = BTreeMap::new();
    for (path, value) in b {
        let other = a.remove(&path);
        if other.as_ref() != Some(&value) {
            all.insert(path, (other, Some(value)));
        }
    }
    all.extend(a.into_iter().map(|(path, value)| (path, (Some(value), None))));
    all.into_iter().map(|(path, (a, b))| FieldDifference { path, a, b }).collect()
}

fn fields(scenario: &Scenario, seed: u64) -> BTreeMap<String, String> {
    let text = to_toml(scenario, &expand(scenario, seed), seed);
    let mut table: Table = text.parse().expect("a resolved scenario is TOML");
    for section in ["expect", "report"] {
        table.remove(section);
    }
    if let Some(Value::Table(head)) = table.get_mut("scenario") {
        for key in ["name", "title", "description", "seed"] {
            head.remove(key);
        }
    }
    let mut out = BTreeMap::new();
    flatten(String::new(), &Value::Table(table), &mut out);
    out
}

fn flatten(path: String, value: &Value, out: &mut BTreeMap<String, String>) {
    let inner = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Table(table) => table.iter().for_each(|(key, value)| flatten(inner(key), value, out)),
        Value::Array(items) if items.iter().all(Value::is_table) && !items.is_empty() => {
            items.iter().enumerate().for_each(|(i, value)| flatten(inner(&i.to_string()), value, out));
        }
        Value::String(text) => {
            out.insert(path, text.clone());
        }
        other => {
            out.insert(path, other.to_string());
        }
    }
}
