//! How the format asks the registered systems about `[system]`, without knowing any of them.

use crate::suggest;
use schemars::schema_for;
use sim_core::metric::MetricKind;
use sim_core::workload::OperationKind;
use sim_core::{FileReading, FileText, OrderKind, Profile, RoleKind, Rule, Shape, System};

/// A `[system]` option that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionProblem {
    /// The option's key.
    pub key: String,
    /// Whether the key itself is wrong, rather than its value.
    pub unknown: bool,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub help: String,
}

/// The registered systems, as far as the format needs to know them.
pub trait Systems {
    /// Their names.
    fn names(&self) -> Vec<&'static str>;
    /// Checks the options of one of them for a cluster, and completes them with their defaults.
    ///
    /// # Errors
    /// Every option that makes no sense.
    fn options(&self, system: &str, given: &toml::Table, shape: &Shape) -> Result<toml::Table, Vec<OptionProblem>>;
    /// The options of a system that name files ([`FileText`]).
    fn file_options(&self, system: &str) -> Vec<String> {
        let _ = system;
        Vec::new()
    }
    /// What a system says of the files that one of its options names.
    fn read_files(&self, system: &str, option: &str, files: &[FileText]) -> FileReading {
        let _ = (system, option, files);
        FileReading::default()
    }
    /// The names of a system's kinds of messages and of facts; empty if it has not listed them, or there is no such
    /// system.
    fn kinds(&self, system: &str) -> (Names, Names) {
        let _ = system;
        (&[], &[])
    }
    /// The rules of a system; empty if it has not listed them, or there is no such system.
    fn rules(&self, system: &str) -> Vec<Rule> {
        let _ = system;
        Vec::new()
    }
    /// What a system with these options is like, in a cluster of this shape.
    fn profile(&self, system: &str, options: &toml::Table, shape: &Shape) -> Profile {
        let _ = (system, options, shape);
        Profile::default()
    }
    /// The figures that a system names itself.
    fn metrics(&self, system: &str) -> &'static [MetricKind] {
        let _ = system;
        &[]
    }
    /// Whether a system's nodes talk over connections with these options ([`sim_core::Node::connects`]).
    fn connects(&self, system: &str, options: &toml::Table, shape: &Shape) -> bool {
        let _ = (system, options, shape);
        false
    }
    /// The kinds of nodes that a system tells apart; none where any role will do.
    fn roles(&self, system: &str) -> &'static [RoleKind] {
        let _ = system;
        &[]
    }
    /// How many of so many nodes have which role where the file does not say so ([`System::default_groups`]).
    fn default_groups(&self, system: &str, nodes: u32) -> Vec<(&'static str, u32)> {
        let _ = (system, nodes);
        Vec::new()
    }
    /// The operations that a system names itself; none if they are those of a key-value store.
    fn operations(&self, system: &str) -> &'static [OperationKind] {
        let _ = system;
        &[]
    }
    /// The kinds of orders that a system takes from an operator; none if it never changes.
    fn orders(&self, system: &str) -> Names {
        let _ = system;
        &[]
    }
    /// The orders that only a system knows.
    fn own_orders(&self, system: &str) -> &'static [OrderKind] {
        let _ = system;
        &[]
    }
}

/// Names that a system has listed.
pub type Names = &'static [&'static str];

/// [`Systems::options`] for one system: unknown keys, then each bad value, then what the system itself objects to.
///
/// # Errors
/// Every option that makes no sense.
pub fn check_options<S: System>(given: &toml::Table, shape: &Shape) -> Result<toml::Table, Vec<OptionProblem>> {
    let schema = schema_for!(S::Options);
    let known: Vec<&str> = schema
        .get("properties")
        .and_then(|p| p.as_object())
        .map(|p| p.keys().map(String::as_str).collect())
        .unwrap_or_default();
    let mut problems = Vec::new();
    let mut good = toml::Table::new();
    for (key, value) in given {
        if !known.contains(&key.as_str()) {
            let what = format!("`{}` has no option `{key}`", S::NAME);
            problems.push(OptionProblem { key: key.clone(), unknown: true, what, help: suggest::help(key, &known) });
            continue;
        }
        // Every option has a default, so a table that holds only this key says whether its value is good.
        let alone: toml::Table = [(key.clone(), value.clone())].into_iter().collect();
        match alone.try_into::<S::Options>() {
            Ok(_) => drop(good.insert(key.clone(), value.clone())),
            Err(error) => {
                let what = format!("`{key}` can not be {}: {}", brief(value), error.message().trim_end());
                problems.push(OptionProblem { key: key.clone(), unknown: false, what, help: String::new() });
            }
        }
    }
    let complete = match good.try_into::<S::Options>() {
        Ok(options) => {
            let complete = toml::Table::try_from(&options);
            if let Err(invalid) = S::configure(options, shape) {
                // The defaults that stand in for what could not be read are nobody's fault.
                let said = problems.iter().any(|p| !p.unknown);
                let invalid = invalid.into_iter().filter(|i| !said || given.contains_key(i.key));
                problems.extend(invalid.map(|i| OptionProblem {
                    key: i.key.to_owned(),
                    unknown: false,
                    what: i.what,
                    help: i.help,
                }));
            }
            complete.unwrap_or_else(|_| given.clone())
        }
        Err(error) => {
            let what = error.message().trim_end().to_owned();
            problems.push(OptionProblem { key: String::new(), unknown: false, what, help: String::new() });
            given.clone()
        }
    };
    if problems.is_empty() { Ok(complete) } else { Err(problems) }
}

/// The options of `S` that name files, as their schema says.
#[must_use]
pub fn file_options<S: System>() -> Vec<String> {
    let schema = schema_for!(S::Options);
    let options = schema.get("properties").and_then(|p| p.as_object());
    let names_files = |option: &serde_json::Value| option.to_string().contains(FileText::SCHEMA);
    let named = options.into_iter().flatten().filter(|(_, option)| names_files(option));
    named.map(|(key, _)| key.clone()).collect()
}

fn brief(value: &toml::Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { format!("{}...", text.chars().take(57).collect::<String>()) }
}
