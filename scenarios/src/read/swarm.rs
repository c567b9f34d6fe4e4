//! Reads `[swarm]`.

use super::latency::latency;
use super::section::{Context, Reader};
use super::{child, measure, network};
use crate::diagnostics::Span;
use crate::keys::{self, Section};
use crate::options::Systems;
use crate::scenario::{Change, Choice, LinkChange, Plan, Scale, Setting, Swarm};
use crate::suggest;
use crate::written::{Entry, Kind, Table, Value};
use sim_core::{Probability, Shape};

/// So many mixtures of options are checked at most.
const MIXTURES: usize = 1_000;

/// Reads `[swarm]`, without the options of the system, which [`options`] adds.
pub fn read(reader: &Reader<'_>, plans: &[Plan], links: (bool, bool)) -> Option<Swarm> {
    let scale = |key| reader.get(key, scale).unwrap_or(Scale { lo: 1000, hi: 1000 });
    let off = reader.get("off", measure::probability);
    let off = off.unwrap_or(Probability::per_billion(500_000_000));
    let (weight, length) = (scale("weight"), scale("length"));
    let vary = child(reader, "vary", &keys::VARY);
    let mut choices = Vec::new();
    for (section, name) in [(&keys::CLIENT, "network"), (&keys::DISK, "disk")] {
        let Some(value) = (if name == "network" { vary.value("network") } else { vary.value("disk") }) else {
            continue;
        };
        choices.extend(lists(value, (name, links), section, reader.context));
    }
    if plans.is_empty() && choices.is_empty() && !vary.has("system") && reader.is_there() {
        reader.context.wrong(
            reader.span,
            "a swarm of nothing: there is no [[fault]]",
            "add some, or leave [swarm] out",
        );
    }
    Some(Swarm { off, weight, length, choices })
}

/// `"0.2..5"`, or a number.
fn scale(value: &Value, context: &Context<'_>) -> Option<Scale> {
    let one = |value: &Value, context: &Context<'_>| {
        let number = match &value.kind {
            Kind::Text(text) => text.parse().ok().filter(|n: &f64| n.is_finite()),
            Kind::Int(number) => Some(*number as f64),
            Kind::Float(number) => Some(*number),
            _ => return measure::mismatch(value, context, "a factor, or a range such as \"0.2..5\""),
        };
        let milli = number.map(|n| (n * 1000.0).round()).filter(|n| (1.0..=1e6).contains(n));
        if milli.is_none() {
            context.wrong(value.span, "this is not a factor", "from 0.001 to 1000, or a range such as \"0.2..5\"");
        }
        milli.map(|n| n as u32)
    };
    measure::span(one)(value, context).map(|(lo, hi)| Scale { lo, hi })
}

/// The lists in a table, each with the key it is for.
fn entries<'a>(
    value: &'a Value,
    name: &str,
    section: Option<&'static Section>,
    context: &Context<'_>,
) -> Vec<(&'a Entry, &'a [Value])> {
    let Kind::Table(table) = &value.kind else {
        context.wrong(value.span, format!("[swarm.vary.{name}] should be a table, not {}", value.kind.name()), "");
        return Vec::new();
    };
    let mut all = Vec::new();
    for entry in &table.entries {
        if let Some(section) = section
            && section.key(&entry.key).is_none()
        {
            let known: Vec<&str> = section.names().collect();
            let what = format!("[{name}] has no key `{}`", entry.key);
            context.wrong(entry.key_span, what, suggest::help(&entry.key, &known));
            continue;
        }
        match &entry.value.kind {
            Kind::List(items) if !items.is_empty() => all.push((entry, items.as_slice())),
            _ => context.wrong(entry.value.span, "a seed draws one of a list", format!("write {} = [...]", entry.key)),
        }
    }
    all
}

fn lists(
    value: &Value,
    (name, links): (&str, (bool, bool)),
    section: &'static Section,
    context: &Context<'_>,
) -> Vec<Choice> {
    let mut choices = Vec::new();
    for (entry, items) in entries(value, name, Some(section), context) {
        let mut among = Vec::new();
        for item in items {
            // Each value is read as if it stood in its own table, so that nothing is read in two ways.
            let alone = Entry { key: entry.key.clone(), key_span: entry.key_span, value: item.clone() };
            let table = Value { span: item.span, kind: Kind::Table(Table { entries: vec![alone] }) };
            let before = context.problems.count();
            let reader = Reader::new(section, &table, context);
            let change = match (name, entry.key.as_str()) {
                ("network", "latency") => {
                    Change::Link(LinkChange { latency: reader.get("latency", latency), ..LinkChange::default() })
                }
                ("network", _) => Change::Link(network::change(&reader, links)),
                (_, "sync") => Change::Sync(network::disk(&reader).sync),
                (_, "at_once") => Change::SyncsAtOnce(network::disk(&reader).at_once),
                _ => Change::SyncFail(network::disk(&reader).fail),
            };
            if context.problems.count() > before {
                break;
            }
            among.push(Setting { text: shown(item), change });
        }
        choices.push(Choice { key: format!("{name}.{}", entry.key), among });
    }
    choices
}

/// Reads `[swarm.vary.system]`: every mixture must be one that the system accepts.
pub fn options(
    lists: &Value,
    given: &toml::Table,
    system: (&str, &dyn Systems, &Shape),
    context: &Context<'_>,
) -> Vec<Choice> {
    let (name, systems, shape) = system;
    let all = entries(lists, "system", None, context);
    let mixtures = all.iter().fold(1_usize, |n, (_, items)| n.saturating_mul(items.len()));
    if mixtures > MIXTURES {
        let what = format!("these lists have {mixtures} mixtures");
        context.wrong(lists.span, what, format!("at most {MIXTURES}, so that each can be checked"));
        return Vec::new();
    }
    let mut among: Vec<Vec<Option<Setting>>> = all.iter().map(|(_, items)| vec![None; items.len()]).collect();
    let mut said: Vec<Span> = Vec::new();
    for mixture in 0..mixtures {
        let mut options = given.clone();
        let mut rest = mixture;
        let mut picked = Vec::new();
        for (entry, items) in &all {
            let pick = rest % items.len();
            rest /= items.len();
            picked.push(pick);
            match items[pick].to_toml() {
                Some(value) => drop(options.insert(entry.key.clone(), value)),
                None => measure::no_option(&items[pick], context),
            }
        }
        match systems.options(name, &options, shape) {
            Ok(complete) => {
                for (place, ((entry, items), pick)) in all.iter().zip(&picked).enumerate() {
                    let value = complete.get(&entry.key).cloned();
                    among[place][*pick] = value.map(|value| Setting {
                        text: shown(&items[*pick]),
                        change: Change::Option(entry.key.clone(), value),
                    });
                }
            }
            Err(problems) => {
                for problem in problems {
                    let own = all.iter().zip(&picked).find(|((entry, _), _)| entry.key == problem.key);
                    let span = match own {
                        Some(((entry, _), _)) if problem.unknown => entry.key_span,
                        Some(((_, items), pick)) => items[*pick].span,
                        None => lists.span,
                    };
                    if !said.contains(&span) {
                        said.push(span);
                        context.wrong(span, problem.what, problem.help);
                    }
                }
            }
        }
    }
    let key = |entry: &Entry| format!("system.{}", entry.key);
    let choices = all
        .iter()
        .zip(among)
        .map(|((entry, _), among)| Choice { key: key(entry), among: among.into_iter().flatten().collect() });
    choices.filter(|choice| !choice.among.is_empty()).collect()
}

/// A value for people.
fn shown(value: &Value) -> String {
    match &value.kind {
        Kind::Text(text) => text.clone(),
        _ => value.to_toml().map_or_else(String::new, |value| value.to_string()),
    }
}
