//! Holds the list of keys to the reader: a key that the list allows is read, and its value is checked.

use crate::common::{parse, root};
use scenarios::keys::{self, Section, Takes};

/// A document in which the key at `path` has a value that no key takes: a table with a key that no table has.
fn spoil(document: &mut toml::Table, path: &[(&str, bool)], key: &str) {
    match path {
        [] => {
            let wrong: toml::Table =
                [("wrong_on_purpose".to_owned(), toml::Value::Boolean(true))].into_iter().collect();
            document.insert(key.to_owned(), toml::Value::Table(wrong));
        }
        [(name, many), rest @ ..] => {
            let mut inner = document.remove(*name);
            let mut fresh = toml::Table::new();
            let table = match &mut inner {
                Some(toml::Value::Array(items)) => items[0].as_table_mut().expect("a table"),
                Some(toml::Value::Table(table)) => table,
                _ => &mut fresh,
            };
            spoil(table, rest, key);
            let table = toml::Value::Table(table.clone());
            document.insert((*name).to_owned(), if *many { toml::Value::Array(vec![table]) } else { table });
        }
    }
}

const BASE: &str = "
[scenario]
name = \"x\"
system = \"raft\"
duration = \"60s\"
[cluster]
nodes = 3
";

/// One fault of each kind, so that every key belongs to one of them.
const FAULTS: &[&str] = &[
    "kind = \"crash\"\ntarget = \"n1\"",
    "kind = \"slow\"\ntarget = \"n1\"",
    "kind = \"partition\"\nshape = \"isolate\"\ntarget = \"n1\"",
    "kind = \"partition\"\nshape = \"groups\"",
    "kind = \"packet\"\ntarget = \"n1\"\nreorder = \"1%\"",
    "kind = \"clock\"\ntarget = \"n1\"",
    "kind = \"disk\"\ntarget = \"n1\"",
];

fn check(section: &'static Section, path: &mut Vec<(&'static str, bool)>, bases: &[String], done: &mut usize) {
    for key in section.keys {
        if matches!(key.takes, Takes::Options) {
            continue;
        }
        // In at least one context the bad value must be found, and never may the key be unknown.
        let mut found = false;
        for base in bases {
            let mut document: toml::Table = base.parse().expect("TOML");
            spoil(&mut document, path, key.name);
            let errors = parse(&document.to_string(), &[]).map(|s| s.name);
            let Err(errors) = errors else { continue };
            for problem in errors.list() {
                let unknown = format!("has no key `{}`", key.name);
                assert!(!problem.what.ends_with(&unknown), "{} {}", section.name, problem.what);
                let text = problem.place.as_ref().map_or("", |p| p.text.as_str());
                found |= text.contains("wrong_on_purpose") || text.contains(key.name);
            }
        }
        assert!(found, "{} in {} is in the list of keys, but nobody reads it", key.name, section.name);
        *done += 1;
        if let Takes::Table(inner) | Takes::Tables(inner) = key.takes {
            path.push((key.name, matches!(key.takes, Takes::Tables(_))));
            check(inner, path, bases, done);
            path.pop();
        }
    }
}

#[test]
fn every_key_in_the_list_is_read() {
    let mut bases = vec![BASE.to_owned()];
    bases.extend(FAULTS.iter().map(|fault| format!("{BASE}\n[[fault]]\n{fault}\n")));
    bases.push(format!("{BASE}\n[[workload]]\nthink_time = \"1s\"\n"));
    let mut done = 0;
    check(&keys::ROOT, &mut Vec::new(), &bases, &mut done);
    assert!(done > 120, "only {done} keys");
}

#[test]
fn every_key_is_in_the_files_that_have_them_all() {
    let read = |name| std::fs::read_to_string(root().join("fixtures/valid").join(name)).expect("the file is there");
    let text = read("every-key.toml") + &read("swarm.toml");
    for section in [
        &keys::SCENARIO,
        &keys::CLUSTER,
        &keys::GROUP,
        &keys::NETWORK,
        &keys::UDP,
        &keys::TCP,
        &keys::LINK,
        &keys::DISK,
        &keys::WORKLOAD,
        &keys::PROBE,
        &keys::FAULT,
        &keys::LIMITS,
        &keys::SWARM,
        &keys::REPORT,
    ] {
        for name in section.names().filter(|name| !["client", "group", "link", "tcp", "udp", "vary"].contains(name)) {
            let there = text.lines().any(|line| line.trim_start().starts_with(&format!("{name} =")));
            assert!(there, "{name} of {} is missing", section.name);
        }
    }
}
