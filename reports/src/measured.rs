//! What only some systems measure, in words: losses, fail-overs, goodput, errors, keys moved, hot keys, formulas.

use crate::failover::{FailoverReport, Replacement};
use crate::goodput::Goodput;
use crate::moves::{self, Moved};
use crate::report::Report;
use crate::view::{Words, plural};
use crate::{losses, metrics, units};
use serde::Serialize;
use sim_core::measures::Formula;
use sim_core::metric::{Metric, Unit};
use std::collections::BTreeMap;

/// More rows than this of any table are left to `report.json`.
const ROWS: usize = 30;

/// The tables; each empty where nothing was measured.
#[derive(Serialize)]
pub(crate) struct Measured {
    pub losses_sentence: String,
    pub losses_short: String,
    pub failover_short: String,
    pub failover_sentence: String,
    pub own: Vec<OwnRow>,
    pub failovers: Vec<FailoverRow>,
    pub failovers_left_out: usize,
    pub splits: Vec<SplitRow>,
    pub splits_left_out: usize,
    pub lost: Vec<LostRow>,
    pub lost_left_out: u64,
    pub goodput_sentence: String,
    pub errors: Vec<(String, String)>,
    pub moves_sentence: String,
    pub moves: Vec<MoveRow>,
    pub moves_left_out: usize,
    pub hot: Vec<HotRow>,
    pub formulas: Vec<FormulaRow>,
}

#[derive(Serialize)]
pub(crate) struct FailoverRow {
    pub at: String,
    pub who: String,
    pub what: &'static str,
    pub zone: String,
    pub rto: String,
    pub detect: String,
    pub decide: String,
    pub promote: String,
    pub clients: String,
}

/// A figure that the system names itself.
#[derive(Serialize)]
pub(crate) struct OwnRow {
    pub title: String,
    pub value: String,
    pub about: String,
}

#[derive(Serialize)]
pub(crate) struct SplitRow {
    pub at: String,
    pub duration: String,
    pub nodes: String,
    pub writes: String,
}

#[derive(Serialize)]
pub(crate) struct LostRow {
    pub at: String,
    pub node: String,
    pub what: String,
    pub why: String,
}

#[derive(Serialize)]
pub(crate) struct MoveRow {
    pub at: String,
    pub event: String,
    pub moved: String,
    pub share: String,
    pub ideal: String,
    pub over_ideal: String,
    pub took: String,
}

#[derive(Serialize)]
pub(crate) struct HotRow {
    pub key: String,
    pub requests: String,
    pub nodes: String,
}

#[derive(Serialize)]
pub(crate) struct FormulaRow {
    pub name: String,
    pub formula: String,
    pub predicted: String,
    pub measured: String,
    pub note: String,
}

/// `4 fail-overs, the longest 2.6 s, 1 needless`.
pub(crate) fn failover_sentence(f: &FailoverReport, zones: usize) -> String {
    let mut text = match f.failovers.len() {
        0 => "none".to_owned(),
        n => plural(n, "fail-over"),
    };
    match f.rto_max_ns {
        Some(ns) if f.failovers.iter().any(|f| f.open && !f.planned) => {
            text.push_str(&format!(", the longest at least {}: it never ended", units::duration(ns)));
        }
        Some(ns) => {
            text.push_str(&format!(", the longest {}", units::duration(ns)));
            // Where zones differ, it matters whose clients that were.
            let worst = f.failovers.iter().find(|f| !f.planned && f.rto_ns == ns);
            if let Some((worst, zone)) = worst.and_then(|f| Some((f, f.zone.as_ref()?)))
                && zones > 1
                && worst.zones.len() < zones
            {
                text.push_str(&format!(" (zone {zone})"));
            }
        }
        None => {}
    }
    if f.false_failovers > 0 {
        text.push_str(&format!(", {} needless", units::count(f.false_failovers)));
    }
    text
}

/// The figures that the system names itself, with their values.
fn own(report: &Report) -> impl Iterator<Item = &Metric> {
    report.metrics.iter().filter(|metric| !metrics::is_followed(&metric.kind.name))
}

/// `reads of what was deleted 3; cold starts 12`.
pub(crate) fn own_sentence(report: &Report) -> Option<String> {
    let told = |m: &Metric| format!("{} {}", m.kind.title, metrics::print(m.value, m.kind.unit));
    let all: Vec<String> = own(report).map(told).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// What harm was done though every rule held, the gravest first: `179 of 980 acknowledged writes lost`, or `179 writes lost` in few
/// words.
pub(crate) fn harm(report: &Report, words: Words) -> Vec<String> {
    let harmful = report.metrics.iter().filter(|metric| metric.kind.harm && metric.value > 0.0);
    let told = harmful.map(|m| match (&*m.kind.name, metrics::print(m.value, m.kind.unit), words) {
        ("lost_writes", lost, Words::All) => {
            format!("{lost} of {} acknowledged writes lost", units::count(report.losses.acknowledged_writes))
        }
        ("lost_writes", lost, Words::Few) if lost == "1" => "1 write lost".to_owned(),
        ("lost_writes", lost, Words::Few) => format!("{lost} writes lost"),
        ("two_primaries", time, Words::All) => format!("two primaries for {time}"),
        ("two_primaries", time, Words::Few) => format!("two primaries {time}"),
        (_, value, _) => format!("{value} {}", m.kind.title),
    });
    told.collect()
}

/// `312 of 400 ops/s served in time, 78 %; 1.2 tries each; refused 1,412`.
pub(crate) fn goodput_sentence(g: &Goodput, errors: &BTreeMap<String, u64>) -> String {
    let Some(fraction) = g.fraction else { return "nobody asked".into() };
    let (served, offered) = (units::short_count(g.served_per_second), units::short_count(g.offered_per_second));
    let mut text = format!("{served} of {offered} ops/s served in time, {}", units::percent(fraction));
    if let Some(tries) = g.attempts_per_operation.filter(|tries| *tries > 1.0) {
        text.push_str(&format!(", {} tries each", units::significant(tries)));
    }
    let mut errors: Vec<_> = errors.iter().filter(|(_, n)| **n > 0).collect();
    errors.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    let reasons: Vec<String> =
        errors.iter().take(3).map(|(why, n)| format!("{} {}", why.replace('_', " "), units::count(**n))).collect();
    if !reasons.is_empty() {
        text.push_str(&format!("; {}", reasons.join(", ")));
    }
    text
}

/// `2 changes moved 85,100 keys; the worst, n4 joined, 3 times as many as had to`.
pub(crate) fn moves_sentence(all: &[Moved]) -> Option<String> {
    let ratio = |m: &Moved| m.over_ideal.unwrap_or(f64::INFINITY);
    let worst = all.iter().reduce(|a, b| if ratio(b) > ratio(a) { b } else { a })?;
    let moved: u64 = all.iter().map(|m| m.moved).sum();
    let times = match moves::worst(all) {
        Some(times) if times.is_finite() => format!("{} times as many as had to", units::significant(times)),
        _ => "though none had to".into(),
    };
    let changes = plural(all.len(), "change");
    Some(format!("{changes} moved {} keys; the worst, {}, {times}", units::count(moved), worst.event))
}

impl Measured {
    pub(crate) fn of(report: &Report) -> Self {
        let (f, moves) = (report.failover.as_ref(), &report.load.keys_moved);
        let failovers = f.map_or(&[][..], |f| &f.failovers);
        let (splits, lost) = (&report.losses.two_primaries, &report.losses.first_lost);
        let mut errors: Vec<_> = report.errors.iter().collect();
        errors.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
        Self {
            losses_sentence: losses::sentence(&report.losses).unwrap_or_default(),
            losses_short: match report.losses.lost_writes {
                Some(0) => "none".into(),
                lost => lost.map_or_else(|| "\u{2013}".into(), units::count),
            },
            failover_short: f.and_then(|f| f.rto_max_ns).map_or_else(|| "\u{2013}".into(), units::duration),
            own: own(report)
                .map(|m| OwnRow {
                    title: m.kind.title.to_string(),
                    value: metrics::print(m.value, m.kind.unit),
                    about: m.kind.about.to_string(),
                })
                .collect(),
            failover_sentence: f.map(|f| failover_sentence(f, report.availability.by_zone.len())).unwrap_or_default(),
            failovers: failovers.iter().take(ROWS).map(failover_row).collect(),
            failovers_left_out: failovers.len().saturating_sub(ROWS),
            splits: splits
                .iter()
                .take(ROWS)
                .map(|s| SplitRow {
                    at: units::moment(s.start_ns),
                    duration: units::duration(s.end_ns.saturating_sub(s.start_ns)),
                    nodes: s.nodes.join(", "),
                    writes: units::count(s.writes),
                })
                .collect(),
            splits_left_out: splits.len().saturating_sub(ROWS),
            lost: lost
                .iter()
                .take(ROWS)
                .map(|w| LostRow {
                    at: units::moment(w.acknowledged_ns),
                    node: w.node.clone(),
                    what: w.what.clone(),
                    why: w.why.clone(),
                })
                .collect(),
            lost_left_out: report.losses.lost_writes.unwrap_or(0).saturating_sub(lost.len().min(ROWS) as u64),
            goodput_sentence: report
                .goodput
                .as_ref()
                .map(|g| goodput_sentence(g, &BTreeMap::new()))
                .unwrap_or_default(),
            errors: errors.into_iter().map(|(why, n)| (why.replace('_', " "), units::count(*n))).collect(),
            moves_sentence: moves_sentence(moves).unwrap_or_default(),
            moves: moves.iter().take(ROWS).map(move_row).collect(),
            moves_left_out: moves.len().saturating_sub(ROWS),
            hot: report
                .load
                .hot_keys
                .iter()
                .take(ROWS)
                .map(|k| HotRow {
                    key: k.key.to_string(),
                    requests: units::count(k.requests),
                    nodes: k.nodes.join(", "),
                })
                .collect(),
            formulas: report.formulas.iter().map(formula_row).collect(),
        }
    }
}

fn failover_row(f: &Replacement) -> FailoverRow {
    let time = |ns: Option<u64>| ns.map_or_else(|| "\u{2013}".into(), units::duration);
    let name = |node: &Option<String>| node.clone().unwrap_or_else(|| "nobody".into());
    FailoverRow {
        at: units::moment(f.began_ns),
        who: format!("{} to {}", name(&f.old), name(&f.new)),
        what: match (f.planned, f.needless, f.open) {
            (_, _, true) => "never ended",
            (true, ..) => "planned",
            (_, true, _) => "needless",
            _ => "",
        },
        zone: f.zone.clone().unwrap_or_default(),
        rto: if f.open { format!("at least {}", units::duration(f.rto_ns)) } else { units::duration(f.rto_ns) },
        detect: time(f.detect_ns),
        decide: time(f.decide_ns),
        promote: time(f.promote_ns),
        clients: time(f.clients_ns),
    }
}

fn move_row(m: &Moved) -> MoveRow {
    MoveRow {
        at: units::moment(m.at_ns),
        event: m.event.clone(),
        moved: units::count(m.moved),
        share: if m.total == 0 { "\u{2013}".into() } else { units::percent(m.moved as f64 / m.total as f64) },
        ideal: units::count(m.ideal),
        over_ideal: m.over_ideal.map_or_else(|| "\u{2013}".into(), units::significant),
        took: m.done_ns.map_or_else(|| "\u{2013}".into(), |done| units::duration(done.saturating_sub(m.at_ns))),
    }
}

fn formula_row(f: &Formula) -> FormulaRow {
    let print = |value: f64| match f.unit {
        Unit::Fraction => units::significant_small(value),
        Unit::Time => units::duration(value.max(0.0).round() as u64),
        Unit::Number => units::significant(value),
    };
    FormulaRow {
        name: f.name.clone(),
        formula: f.formula.clone(),
        predicted: print(f.predicted),
        measured: f.measured.map_or_else(|| "\u{2013}".into(), print),
        note: f.note.clone(),
    }
}
