//! `splitbrain list` and `splitbrain schema`: what there is.

use crate::args::{Format, ListArgs, Listing, ShowArgs};
use crate::exit::Exit;
use crate::run::say;
use crate::terminal::say_wrapped;
use scenarios::Registry;
use scenarios::keys::{EXPECT, FAULT, KINDS, Key, SHAPES, Takes, Unit};
use scenarios::runner;
use serde_json::{Value, json};
use sim_core::workload::OperationKind;
use sim_core::{RoleKind, Rule};
use std::path::Path;

/// Runs `list`.
pub fn list(registry: &Registry, args: &ListArgs) -> Exit {
    let listed = match args.what {
        Listing::Systems => systems(registry),
        Listing::Faults => faults(),
        Listing::Scenarios => library(registry),
        Listing::Bugs => bugs(registry),
        Listing::Rules => rules(registry),
        Listing::Metrics => metrics(registry),
    };
    match args.format {
        Format::Json => say(&format!("{:#}\n", listed.json)),
        Format::Text => listed.lines.iter().for_each(|(line, hanging)| say_wrapped(line, *hanging)),
    }
    Exit::Held
}

/// What is listed: for programs, and in lines for people, each with how far it is indented where it is broken.
struct Listed {
    json: Value,
    lines: Vec<(String, usize)>,
}

impl Listed {
    fn new(json: Value) -> Self {
        Self { json, lines: Vec::new() }
    }

    fn line(&mut self, text: impl Into<String>, hanging: usize) {
        self.lines.push((text.into(), hanging));
    }

    /// A name in a column of its own, and what it is.
    fn entry(&mut self, indent: usize, width: usize, name: &str, about: &str) {
        self.line(format!("{:indent$}{name:<width$} {about}", ""), indent + width + 1);
    }
}

/// Runs `schema`.
pub fn schema(registry: &Registry) -> Exit {
    let systems: Vec<_> = registry.iter().map(|s| (s.name(), Some(s.options_schema().to_value()))).collect();
    say(&format!("{:#}\n", scenarios::schema(&systems)));
    Exit::Held
}

fn systems(registry: &Registry) -> Listed {
    let mut listed = Listed::new(json!([]));
    let mut all = Vec::new();
    for system in registry.iter() {
        listed.line(system.name(), 0);
        listed.line(format!("    {}", system.about()), 4);
        for role in system.roles() {
            let of = if role.member { "members" } else { "beside the members" };
            listed.line(format!("    role {}: {} ({of})", role.name, role.about), 8);
        }
        for kind in system.operations() {
            listed.line(format!("    operation {}: {}", kind.name, kind.about), 8);
        }
        if !system.orders().is_empty() {
            listed.line(format!("    takes orders: {}", system.orders().join(", ")), 4);
        }
        for order in system.own_orders() {
            listed.line(format!("    order {}: {}", order.name, order.about), 8);
        }
        let schema = system.options_schema().to_value();
        let mut options = Vec::new();
        for (key, property) in schema["properties"].as_object().into_iter().flatten() {
            let about = property["description"].as_str().unwrap_or_default().replace('\n', " ");
            let values = scenarios::schema_values(&schema, property);
            let default = property.get("default").filter(|default| !default.is_null());
            let mut facts = Vec::new();
            facts.extend(default.map(|default| format!("default {default}")));
            facts.extend((!values.is_empty()).then(|| format!("one of: {}", values.join(", "))));
            let facts = if facts.is_empty() { String::new() } else { format!(" ({})", facts.join("; ")) };
            listed.entry(4, 20, key, &format!("{about}{facts}"));
            options.push(json!({ "name": key, "default": default, "values": values, "about": about }));
        }
        let operations: Vec<Value> = system.operations().iter().map(operation_json).collect();
        let own_orders: Vec<&str> = system.own_orders().iter().map(|order| order.name).collect();
        let roles: Vec<Value> = system.roles().iter().map(role_json).collect();
        all.push(json!({
            "name": system.name(), "about": system.about(), "roles": roles, "operations": operations,
            "orders": system.orders(), "own_orders": own_orders, "options": options,
        }));
    }
    listed.json = Value::Array(all);
    listed
}

fn operation_json(kind: &OperationKind) -> Value {
    json!({ "name": kind.name, "class": kind.class, "about": kind.about })
}

fn role_json(role: &RoleKind) -> Value {
    json!({ "name": role.name, "about": role.about, "member": role.member, "least": role.least })
}

/// The words that a key takes, if it takes words.
const fn words(takes: Takes) -> &'static [&'static str] {
    match takes {
        Takes::Word(words) => words,
        _ => &[],
    }
}

fn key_json(key: &Key) -> Value {
    let inner: Vec<Value> = match key.takes {
        Takes::Table(inner) => inner.keys.iter().map(key_json).collect(),
        _ => Vec::new(),
    };
    json!({ "name": key.name, "default": key.default, "values": words(key.takes), "about": key.about, "keys": inner })
}

fn key_text(key: &Key) -> String {
    let mut facts = Vec::new();
    facts.extend((!key.default.is_empty()).then(|| format!("default {}", key.default)));
    let words = words(key.takes);
    // What kinds there are is the list itself.
    facts.extend((!words.is_empty() && key.name != "kind").then(|| format!("one of: {}", words.join(", "))));
    if facts.is_empty() { key.about.to_owned() } else { format!("{} ({})", key.about, facts.join("; ")) }
}

/// From the same table that the reader checks files against.
fn faults() -> Listed {
    let mut listed = Listed::new(json!({}));
    let of = |kind: Option<&'static str>| {
        FAULT.keys.iter().filter(move |key| kind.map_or(key.kinds.is_empty(), |kind| key.kinds.contains(&kind)))
    };
    let mut kinds = serde_json::Map::new();
    for kind in core::iter::once(None).chain(KINDS.iter().copied().map(Some)) {
        listed.line(kind.map_or("every kind of fault".to_owned(), |kind| format!("kind = {kind:?}")), 0);
        for key in of(kind) {
            listed.entry(4, 13, key.name, &key_text(key));
            if let Takes::Table(inner) = key.takes {
                inner.keys.iter().for_each(|key| listed.entry(8, 13, &format!(".{}", key.name), &key_text(key)));
            }
        }
        if let Some(kind) = kind {
            kinds.insert(kind.to_owned(), of(Some(kind)).map(key_json).collect());
        }
    }
    listed.line(format!("partition shapes: {}", SHAPES.join(", ")), 4);
    let every: Vec<Value> = of(None).map(key_json).collect();
    listed.json = json!({ "every": every, "kinds": kinds, "shapes": SHAPES });
    listed
}

fn bugs(registry: &Registry) -> Listed {
    let mut listed = Listed::new(json!([]));
    let mut all = Vec::new();
    for system in registry.iter() {
        for bug in system.bugs() {
            listed.line(format!("{:<16} {}", system.name(), bug.name), 17);
            listed.line(format!("    {}", bug.about), 4);
            listed.line(format!("    breaks {}; {}", bug.violates, bug.source), 4);
            all.push(json!({
                "system": system.name(), "name": bug.name, "about": bug.about, "violates": bug.violates,
                "source": bug.source,
            }));
        }
    }
    listed.json = Value::Array(all);
    listed
}

fn rules(registry: &Registry) -> Listed {
    let mut listed = Listed::new(json!([]));
    let mut all = Vec::new();
    let mut add = |name: Option<&str>, rules: &[Rule]| {
        listed.line(name.unwrap_or("every system"), 0);
        for rule in rules {
            listed.entry(4, 32, rule.name, rule.about());
            all.push(json!({ "system": name, "name": rule.name, "about": rule.about() }));
        }
    };
    add(None, &[runner::RULES, reports::RULES].concat());
    registry.iter().for_each(|system| add(Some(system.name()), &system.rules()));
    listed.json = Value::Array(all);
    listed
}

fn metrics(registry: &Registry) -> Listed {
    let mut listed = Listed::new(json!([]));
    let mut all = Vec::new();
    for key in EXPECT.keys {
        let Takes::Bound(unit) = key.takes else { continue };
        let unit = match unit {
            Unit::Fraction => "fraction",
            Unit::Number => "number",
            Unit::Count => "count",
            Unit::Time => "time",
        };
        listed.line(format!("{:<24} {unit:<10} {}", key.name, key.about), 36);
        all.push(json!({ "name": key.name, "unit": unit, "about": key.about }));
    }
    let mut facts = serde_json::Map::new();
    for system in registry.iter() {
        // Those that a bound may name without a prefix are above.
        for kind in system.metrics().iter().filter(|kind| EXPECT.keys.iter().all(|key| key.name != kind.name)) {
            let name = format!("metric_{}", kind.name);
            let unit = json!(kind.unit);
            let about = format!("{}, of {}", kind.about, system.name());
            listed.line(format!("{name:<24} {:<10} {about}", unit.as_str().unwrap_or_default()), 36);
            all.push(json!({ "name": name, "unit": unit, "about": kind.about, "system": system.name() }));
        }
        let (_, kinds) = system.kinds();
        if !kinds.is_empty() {
            listed.entry(0, 24, &format!("fact_* of {}", system.name()), &kinds.join(", "));
            facts.insert(system.name().to_owned(), json!(kinds));
        }
    }
    listed.json = json!({ "metrics": all, "facts": facts });
    listed
}

/// The scenarios that travel in the program, for the systems that it knows, each with its title.
fn library(registry: &Registry) -> Listed {
    let mut listed = Listed::new(json!([]));
    let mut all = Vec::new();
    for name in scenarios::library::names() {
        let Ok(scenario) = scenarios::load(Path::new(name), &[], registry) else { continue };
        listed.entry(0, 45, name, &scenario.title);
        all.push(json!({ "name": name, "title": scenario.title, "system": scenario.system }));
    }
    listed.json = Value::Array(all);
    listed
}

/// Runs `show`.
pub fn show(args: &ShowArgs) -> Exit {
    if let Some(text) = scenarios::library::text(Path::new(&args.name)) {
        say(text);
        return Exit::Held;
    }
    let near = scenarios::library::nearest(&args.name).map(|name| format!("; did you mean `{name}`?"));
    let near = near.unwrap_or_else(|| "; `list scenarios` names all".to_owned());
    complain!("the library has no scenario `{}`{near}", args.name);
    Exit::Usage
}
