//! What the page's script draws, as data: one object that stands in the page, safe in any HTML.

use super::Beside;
use super::diagram::{self, MOST_ROWS, Messages, ROWS, Roles};
use crate::measure::{curves, moments, series};
use crate::report::{Outage, Report};
use crate::trace::Line;
use crate::units;
use crate::words::view;
use serde::Serialize;
use sim_core::metric::Unit;
use sim_core::record::RunRecord;
use sim_core::track::{Span, Track};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Spans of one track.
const SPANS: usize = 6_000;
/// Lines of one curve.
const LINES: usize = 12;
/// Bins of time, from afar and from close by.
const BINS: [u64; 3] = [240, 1_000, 4_000];
/// Bytes of a page: it is to open at once, and to be sent to others.
const PAGE: usize = 2_800_000;
/// What it takes beside pictures and messages, and what messages may take.
const REST: usize = 300_000;
const MESSAGES: (usize, usize) = (150_000, 1_700_000);

/// Rows of a lane: what each is called, and what is in it.
type Named<T> = Vec<(String, Vec<T>)>;

#[derive(Serialize)]
struct Data {
    end: u64,
    measure: (u64, u64),
    /// Name, from, to, whether it bit, what it did.
    faults: Vec<(String, u64, u64, bool, String)>,
    conditions: Vec<(String, u64, u64)>,
    /// When, rule, what was seen, whether that was expected.
    breaks: Vec<(Option<u64>, String, String, bool)>,
    /// Name, then from, to, whether it is open, number of the outage.
    scopes: Named<(u64, u64, bool, usize)>,
    outages: Vec<Down>,
    roles: Roles,
    tracks: Vec<Rows>,
    activity: Vec<Level>,
    curves: Vec<Figure>,
    moments: Messages,
}

#[derive(Serialize)]
struct Down {
    from: u64,
    to: u64,
    scope: String,
    cause: String,
    cost: String,
    /// Name, look, from, to.
    phases: Vec<(String, usize, u64, u64)>,
}

#[derive(Serialize)]
struct Rows {
    title: String,
    kinds: Vec<(String, bool)>,
    /// Name, then from, to, kind, label.
    rows: Named<(u64, u64, usize, String)>,
}

#[derive(Serialize)]
struct Level {
    from: u64,
    bin: u64,
    ok: Vec<u64>,
    failed: Vec<u64>,
    unknown: Vec<u64>,
    p50: Vec<Option<u64>>,
    p99: Vec<Option<u64>>,
}

#[derive(Serialize)]
struct Figure {
    title: String,
    unit: &'static str,
    at: Vec<u64>,
    lines: Vec<(String, Vec<f64>)>,
}

/// The data as JSON that may stand within a `script` element; so many bytes of the page are taken by pictures.
pub(super) fn json(report: &Report, record: &RunRecord, beside: &Beside<'_>, pictures: usize) -> String {
    let room = PAGE.saturating_sub(REST + pictures).clamp(MESSAGES.0, MESSAGES.1);
    let lines: Vec<Line> = beside.lines();
    let roles = diagram::roles(record, &lines);
    let chosen = moments::of(report, record);
    // Of what would be too much, each moment keeps what lies around what it is about.
    let mut most = lines.len();
    let mut messages = diagram::messages(record, &chosen, &lines, &roles, most);
    while most > 0 && serde_json::to_vec(&messages).is_ok_and(|text| text.len() > room) {
        most = most.min(messages.longest) / 4 * 3;
        messages = diagram::messages(record, &chosen, &lines, &roles, most);
    }
    let data = Data {
        end: report.simulated_ns,
        measure: (report.measure_from_ns, report.measure_to_ns),
        faults: report.faults.iter().map(|f| (f.name(), f.start_ns, f.end_ns, f.bit, view::effect(f))).collect(),
        conditions: report.conditions.iter().map(|c| (c.label.clone(), c.start_ns, c.end_ns)).collect(),
        breaks: breaks(report, beside),
        scopes: scopes(report),
        outages: report.availability.outages.iter().map(|outage| down(report, outage)).collect(),
        roles,
        tracks: report.tracks.iter().map(rows).filter(|track| !track.rows.is_empty()).collect(),
        activity: activity(record),
        curves: figures(record),
        moments: messages,
    };
    embedded(&data)
}

/// Data as JSON that may stand within a `script` element: nothing in it ends that element, nor is it anything else to a
/// parser of HTML.
pub(super) fn embedded(data: &impl Serialize) -> String {
    let text = serde_json::to_string(data).expect("plain data becomes JSON");
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

fn breaks(report: &Report, beside: &Beside<'_>) -> Vec<(Option<u64>, String, String, bool)> {
    // A history is judged as a whole; its last straw has a time.
    let straw = beside.witness.filter(|w| w.timed).and_then(|w| w.operations.last()?.end);
    let broken = report.verdicts.iter().filter(|v| moments::is_broken(v));
    broken
        .map(|v| {
            let at = v.at_ns.or(if v.rule == "linearizable" { straw } else { None });
            (at, v.rule.clone(), v.detail.clone(), v.broken_as_expected)
        })
        .collect()
}

fn scopes(report: &Report) -> Named<(u64, u64, bool, usize)> {
    let a = &report.availability;
    let mut all: Named<(u64, u64, bool, usize)> = Vec::new();
    for scope in &a.scopes {
        let mine = |part: &&crate::report::ScopeOutage| {
            (part.class, &part.zone, part.shard) == (scope.class, &scope.zone, scope.shard)
        };
        let parts = a.outages.iter().enumerate().flat_map(|(number, outage)| {
            outage.scopes.iter().filter(mine).map(move |part| (part.start_ns, part.end_ns, part.open, number))
        });
        all.push((view::scope_name(a, scope), parts.collect()));
    }
    if all.len() > ROWS {
        all.retain(|(_, parts)| !parts.is_empty());
        all.sort_by_key(|(_, parts)| Reverse(parts.iter().map(|part| part.1 - part.0).sum::<u64>()));
        all.truncate(MOST_ROWS);
    }
    all
}

fn down(report: &Report, o: &Outage) -> Down {
    let names = report.phase_names();
    let look = |name: &str| names.iter().position(|known| *known == name).unwrap_or(0) % 6;
    Down {
        from: o.start_ns,
        to: o.end_ns,
        scope: o.scope.clone(),
        cause: o.cause.clone(),
        cost: view::cost(o.operations_failed, o.operations_late),
        phases: o.phases.iter().map(|p| (p.name.clone(), look(&p.name), p.start_ns, p.end_ns)).collect(),
    }
}

/// The rows of a track: those with harm in them, then the busiest, in the order in which they began.
fn rows(track: &Track) -> Rows {
    let harm = |span: &Span| track.kinds.get(span.kind).is_some_and(|kind| kind.harm);
    let mut of: BTreeMap<&str, (bool, u64, Vec<&Span>)> = BTreeMap::new();
    for span in &track.spans {
        let row = of.entry(&span.row).or_default();
        *row = (row.0 || harm(span), row.1 + (span.end_ns - span.start_ns), std::mem::take(&mut row.2));
        row.2.push(span);
    }
    let mut rows: Vec<_> = of.into_iter().collect();
    rows.sort_by_key(|(name, (harm, time, _))| (Reverse((*harm, *time)), *name));
    rows.truncate(MOST_ROWS);
    rows.sort_by_key(|(name, _)| units::natural(name));
    let mut left = SPANS;
    let rows = rows.into_iter().map(|(name, (_, _, spans))| {
        let kept = spans.len().min(left);
        left -= kept;
        let last = track.kinds.len().saturating_sub(1);
        let shown = spans[..kept].iter().map(|s| (s.start_ns, s.end_ns, s.kind.min(last), s.label.clone()));
        (name.to_owned(), shown.collect::<Vec<_>>())
    });
    Rows {
        rows: rows.collect(),
        title: track.title.to_string(),
        kinds: track.kinds.iter().map(|kind| (kind.name.to_string(), kind.harm)).collect(),
    }
}

fn activity(record: &RunRecord) -> Vec<Level> {
    if record.ops.iter().all(|op| op.probe) {
        return Vec::new();
    }
    let level = |most: u64| {
        let activity = series::activity(record, most);
        let of = |pick: fn(&series::Bin) -> u64| activity.bins.iter().map(pick).collect();
        let short = |ns: Option<u64>| ns.map(|ns| units::round_significant(ns as f64, 3) as u64);
        Level {
            from: record.measure_from_ns,
            bin: activity.bin_ns,
            ok: of(|bin| bin.ok),
            failed: of(|bin| bin.failed),
            unknown: of(|bin| bin.unknown),
            p50: activity.bins.iter().map(|bin| short(bin.p50)).collect(),
            p99: activity.bins.iter().map(|bin| short(bin.p99)).collect(),
        }
    };
    BINS.map(level).into()
}

fn figures(record: &RunRecord) -> Vec<Figure> {
    let figure = |curve: &sim_core::curve::Curve| {
        let most = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
        let mut lines: Vec<_> = curve.lines.iter().collect();
        lines.sort_by(|a, b| most(&b.values).total_cmp(&most(&a.values)).then_with(|| a.name.cmp(&b.name)));
        lines.truncate(LINES);
        lines.sort_by_key(|line| units::natural(&line.name));
        let tidy = |values: &[f64]| values.iter().map(|value| units::round_significant(*value, 4)).collect();
        Figure {
            title: units::capitalised(&curve.kind.title),
            unit: match curve.kind.unit {
                Unit::Time => "time",
                Unit::Fraction => "fraction",
                Unit::Number => "number",
            },
            at: curve.at_ns.clone(),
            lines: lines.into_iter().map(|line| (line.name.clone(), tidy(&line.values))).collect(),
        }
    };
    curves::of(record).iter().map(figure).filter(|f| f.lines.iter().any(|(_, v)| v.iter().any(|v| *v != 0.0))).collect()
}
