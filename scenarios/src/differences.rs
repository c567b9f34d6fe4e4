//! In which keys two scenario files differ.

use std::collections::BTreeMap;
use toml::{Table, Value};

/// Every key that is not the same in two files, as `key: value in the one | value in the other`; empty if they say the
/// same. A text that is no TOML counts as empty.
#[must_use]
pub fn differences(a: &str, b: &str) -> Vec<String> {
    let (a, b) = (flat(a), flat(b));
    let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let nothing = || "(not there)".to_owned();
    keys.into_iter()
        .filter_map(|key| {
            let (of_a, of_b) = (a.get(key), b.get(key));
            let tell = |value: Option<&String>| value.cloned().unwrap_or_else(nothing);
            (of_a != of_b).then(|| format!("{key}: {} | {}", tell(of_a), tell(of_b)))
        })
        .collect()
}

fn flat(text: &str) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for (key, value) in text.parse::<Table>().unwrap_or_default() {
        flatten(key, &value, &mut all);
    }
    all
}

fn flatten(path: String, value: &Value, all: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                flatten(format!("{path}.{key}"), value, all);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_table) => {
            for (i, value) in items.iter().enumerate() {
                flatten(format!("{path}[{}]", i + 1), value, all);
            }
        }
        value => {
            all.insert(path, value.to_string());
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
        assert_eq!(differences(a, b), ["fault[1].at: \"1s\" | \"2s\"", "fault[2].kind: \"pause\" | (not there)"]);
        assert!(differences(a, a).is_empty());
    }
}
