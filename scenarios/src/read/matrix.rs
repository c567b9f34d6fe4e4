//! Reads CSV files of latencies between zones; they become link rules.

use super::cluster::World;
use super::csv::{self, Field};
use super::measure;
use super::section::Context;
use crate::diagnostics::Span;
use crate::scenario::{End, LinkChange, LinkRule};
use crate::suggest;
use crate::written::{Kind, Value};
use sim_core::Duration;
use sim_core::network::Latency;
use std::collections::{BTreeMap, BTreeSet};

/// A CSV file of latencies, and how its numbers are meant.
pub struct Listed {
    /// Its path, relative to the scenario.
    pub path: String,
    /// What numbers without a unit are in.
    pub unit: Option<&'static str>,
    /// Whether it holds round trips, so that one way takes half.
    pub rtt: bool,
}

fn open(path: &str, span: Span, context: &Context<'_>) -> Option<(u32, String)> {
    match context.files.read(path) {
        Ok(text) => Some((context.problems.source(path, &text), text)),
        Err((what, help)) => {
            context.wrong(span, format!("`{path}`: {what}"), help);
            None
        }
    }
}

/// Reads the cells of a file, and keeps those that lack a unit: it is the same slip in each, so it is said once.
struct Cells<'a> {
    listed: &'a Listed,
    context: &'a Context<'a>,
    bare: Vec<Field>,
}

impl<'a> Cells<'a> {
    const fn new(listed: &'a Listed, context: &'a Context<'a>) -> Self {
        Self { listed, context, bare: Vec::new() }
    }

    /// A latency or a range of them, one way.
    fn read(&mut self, field: &Field) -> Option<(Duration, Duration)> {
        let is_bare = |text: &str| text.parse::<f64>().is_ok_and(|n| n > 0.0) && !text.contains(['e', 'E']);
        let parts: Vec<&str> = field.text.split("..").map(str::trim).collect();
        let text = match self.listed.unit {
            _ if !parts.iter().any(|part| is_bare(part)) => field.text.clone(),
            None => {
                self.bare.push(field.clone());
                return None;
            }
            Some(unit) => {
                let whole = |part: &&str| if is_bare(part) { format!("{part}{unit}") } else { (*part).to_owned() };
                parts.iter().map(whole).collect::<Vec<_>>().join("..")
            }
        };
        let (lo, hi) = measure::range(&Value { span: field.span, kind: Kind::Text(text) }, self.context)?;
        let one_way = |there_and_back: Duration| Duration(there_and_back.0 / 2);
        Some(if self.listed.rtt { (one_way(lo), one_way(hi)) } else { (lo, hi) })
    }

    /// Says which lack a unit.
    fn finish(self) {
        let Some(first) = self.bare.first() else { return };
        let text = &first.text;
        let what = match self.bare.len() - 1 {
            0 => format!("`{text}` has no unit"),
            more => format!("`{text}` has no unit, and {more} more have none"),
        };
        let help = format!("write for example `{text}ms`, or add `unit = \"ms\"` beside the file's name");
        self.context.wrong(first.span, what, help);
    }
}

/// `matrix = "file.csv"`: a row of zone names, then for each sending zone its name and a latency to each zone.
pub fn matrix(listed: &Listed, span: Span, world: &World, context: &Context<'_>) -> Option<Vec<LinkRule>> {
    let path = &listed.path;
    let (source, text) = open(path, span, context)?;
    let before = context.problems.count();
    let rows = csv::rows(source, &text, context);
    let Some((head, body)) = rows.split_first() else {
        context.wrong(span, format!("`{path}` is empty"), "the first line names the receiving zones");
        return None;
    };
    let twice = |field: &Field, what: &str| {
        let help = "one line and one column for each zone";
        context.wrong(field.span, format!("zone `{}` has {what} already", field.text), help);
    };
    let mut columns = BTreeSet::new();
    head.iter().skip(1).filter(|to| !columns.insert(to.text.as_str())).for_each(|to| twice(to, "a column"));
    let mut cells = Cells::new(listed, context);
    let mut found = BTreeMap::new();
    let mut senders = BTreeSet::new();
    for row in body {
        let from = &row[0];
        if !senders.insert(from.text.as_str()) {
            twice(from, "a line");
        }
        if row.len() != head.len() {
            let what = format!("this row has {} fields, the first line has {}", row.len(), head.len());
            context.wrong(from.span, what, "a zone name, then a latency to each zone of the first line");
            continue;
        }
        for (to, field) in head.iter().zip(row).skip(1) {
            if let Some((lo, hi)) = cells.read(field) {
                found.insert((from.text.clone(), to.text.clone()), Latency::uniform(lo, hi));
            }
        }
    }
    cells.finish();
    rules(path, span, world, context, &found, context.problems.count() == before)
}

/// `recorded = "file.csv"`: lines `from,to,latency`, any number for each pair of zones.
pub fn recorded(listed: &Listed, span: Span, world: &World, context: &Context<'_>) -> Option<Vec<LinkRule>> {
    let path = &listed.path;
    let (source, text) = open(path, span, context)?;
    let before = context.problems.count();
    let mut samples: BTreeMap<(String, String), Vec<Duration>> = BTreeMap::new();
    let mut cells = Cells::new(listed, context);
    for (i, row) in csv::rows(source, &text, context).iter().enumerate() {
        if i == 0 && row.iter().map(|f| f.text.as_str()).eq(["from", "to", "latency"]) {
            continue;
        }
        let [from, to, latency] = row.as_slice() else {
            context.wrong(row[0].span, format!("this line has {} fields", row.len()), "from, to, latency");
            continue;
        };
        match cells.read(latency) {
            Some((lo, hi)) if lo == hi => samples.entry((from.text.clone(), to.text.clone())).or_default().push(lo),
            Some(_) => context.wrong(latency.span, "a sample is one time, not a range", "for example `1.2ms`"),
            None => {}
        }
    }
    cells.finish();
    let found = samples.into_iter().map(|(pair, samples)| (pair, Latency::recorded(&samples))).collect();
    rules(path, span, world, context, &found, context.problems.count() == before)
}

/// One rule for each pair of the cluster's zones, in their order; zones and pairs that the file does not have are said,
/// if the file could be read as a `whole`.
fn rules(
    path: &str,
    span: Span,
    world: &World,
    context: &Context<'_>,
    found: &BTreeMap<(String, String), Latency>,
    whole: bool,
) -> Option<Vec<LinkRule>> {
    let zones = &world.cluster.zones;
    let named: BTreeSet<&str> = found.keys().flat_map(|(from, to)| [from.as_str(), to.as_str()]).collect();
    let wrong = |what, help: &str| {
        // A file with broken lines lacks what they would have said.
        if world.known && whole {
            context.wrong(span, what, help);
        }
    };
    for zone in zones.iter().filter(|zone| !named.contains(zone.as_str())) {
        let known: Vec<&str> = named.iter().copied().collect();
        wrong(format!("`{path}` has no zone `{zone}`"), &suggest::help(zone, &known));
    }
    let mut rules = Vec::new();
    for (i, from) in zones.iter().enumerate() {
        for (j, to) in zones.iter().enumerate() {
            match found.get(&(from.clone(), to.clone())) {
                Some(latency) => rules.push(LinkRule {
                    from: End::Zone(u16::try_from(i).ok()?),
                    to: End::Zone(u16::try_from(j).ok()?),
                    both_ways: false,
                    change: LinkChange { latency: Some(latency.clone()), ..LinkChange::default() },
                }),
                None if named.contains(from.as_str()) && named.contains(to.as_str()) => {
                    let what = format!("`{path}` has no latency from zone `{from}` to zone `{to}`");
                    wrong(what, "a file needs every pair of the cluster's zones, both ways and within");
                }
                None => {}
            }
        }
    }
    Some(rules)
}
