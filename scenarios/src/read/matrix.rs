//! Reads CSV files of latencies between zones; they become link rules.

use super::cluster::World;
use super::measure;
use super::section::Context;
use crate::diagnostics::Span;
use crate::scenario::{End, LinkChange, LinkRule};
use crate::suggest;
use crate::written::{Kind, Value};
use sim_core::Duration;
use sim_core::network::Latency;
use std::collections::{BTreeMap, BTreeSet};

/// The fields of one line, with their places.
type Row<'a> = Vec<(&'a str, Span)>;

/// The rows of a CSV file: fields trimmed, blank lines and lines that start with `#` left out.
fn rows(source: u32, text: &str) -> Vec<Row<'_>> {
    let mut rows = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        if !content.trim().is_empty() && !content.trim_start().starts_with('#') {
            let mut start = at;
            let fields = content.split(',').map(|field| {
                let lead = field.len() - field.trim_start().len();
                let place = Span::new(source, start + lead..start + lead + field.trim().len().max(1));
                start += field.len() + 1;
                (field.trim(), place)
            });
            rows.push(fields.collect());
        }
        at += line.len();
    }
    rows
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

fn cell<T>(field: (&str, Span), context: &Context<'_>, read: impl Fn(&Value, &Context<'_>) -> Option<T>) -> Option<T> {
    read(&Value { span: field.1, kind: Kind::Text(field.0.to_owned()) }, context)
}

/// `matrix = "file.csv"`: a row of zone names, then for each sending zone its name and a latency to each zone.
pub fn matrix(path: &str, span: Span, world: &World, context: &Context<'_>) -> Option<Vec<LinkRule>> {
    let (source, text) = open(path, span, context)?;
    let before = context.problems.count();
    let rows = rows(source, &text);
    let Some((head, body)) = rows.split_first() else {
        context.wrong(span, format!("`{path}` is empty"), "the first line names the receiving zones");
        return None;
    };
    let mut found = BTreeMap::new();
    for row in body {
        let from = row[0].0;
        if row.len() != head.len() {
            let what = format!("this row has {} fields, the first line has {}", row.len(), head.len());
            context.wrong(row[0].1, what, "a zone name, then a latency to each zone of the first line");
            continue;
        }
        for (to, field) in head.iter().zip(row).skip(1) {
            if let Some((lo, hi)) = cell(*field, context, measure::range) {
                found.insert((from.to_owned(), to.0.to_owned()), Latency::uniform(lo, hi));
            }
        }
    }
    rules(path, span, world, context, &found, context.problems.count() == before)
}

/// `recorded = "file.csv"`: lines `from,to,latency`, any number for each pair of zones.
pub fn recorded(path: &str, span: Span, world: &World, context: &Context<'_>) -> Option<Vec<LinkRule>> {
    let (source, text) = open(path, span, context)?;
    let before = context.problems.count();
    let mut samples: BTreeMap<(String, String), Vec<Duration>> = BTreeMap::new();
    for (i, row) in rows(source, &text).iter().enumerate() {
        if i == 0 && row.iter().map(|f| f.0).eq(["from", "to", "latency"]) {
            continue;
        }
        let [from, to, latency] = row.as_slice() else {
            context.wrong(row[0].1, format!("this line has {} fields", row.len()), "from, to, latency");
            continue;
        };
        if let Some(latency) = cell(*latency, context, measure::duration) {
            samples.entry((from.0.to_owned(), to.0.to_owned())).or_default().push(latency);
        }
    }
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
