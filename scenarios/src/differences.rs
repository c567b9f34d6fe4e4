//! In which fields two scenarios differ: as written, or as meant after defaults, `--set` and expansion.

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

/// Every field in which runs of `a` and `b` with this seed differ, in the order of their paths. Names, titles,
/// expectations and the report's looks are not part of a run.
#[must_use]
pub fn differences(a: &Scenario, b: &Scenario, seed: u64) -> Vec<FieldDifference> {
    let table = |scenario: &Scenario| {
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
        table
    };
    between(table(a), table(b))
}

/// Every field in which two scenario files differ, in the order of their paths. A text that is no TOML counts as empty.
#[must_use]
pub fn differences_of_files(a: &str, b: &str) -> Vec<FieldDifference> {
    between(a.parse().unwrap_or_default(), b.parse().unwrap_or_default())
}

fn between(a: Table, b: Table) -> Vec<FieldDifference> {
    let fields = |table: Table| {
        let mut fields = BTreeMap::new();
        flatten(String::new(), &Value::Table(table), &mut fields);
        fields
    };
    let (mut a, b) = (fields(a), fields(b));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_named_with_both_values() {
        let a = "x = 1\n[[fault]]\nkind = \"crash\"\nat = \"1s\"\n[[fault]]\nkind = \"pause\"\n";
        let b = "# a remark\nx = 1\n[[fault]]\nkind = \"crash\"\nat = \"2s\"\n";
        let found: Vec<_> = differences_of_files(a, b).into_iter().map(|d| (d.path, d.a, d.b)).collect();
        let some = |text: &str| Some(text.to_owned());
        let right =
            [("fault.0.at".to_owned(), some("1s"), some("2s")), ("fault.1.kind".to_owned(), some("pause"), None)];
        assert_eq!(found, right);
        assert!(differences_of_files(a, a).is_empty());
    }
}
