//! What only some systems measure, in words: losses, recoveries, goodput, errors, keys moved, formulas.

use super::sheet::{ROWS, Sheet, Shown, texts};
use crate::measure::{goodput, metrics, moves};
use crate::report::{Goodput, Moved, Recoveries, Recovery, Report};
use crate::units;
use serde::Serialize;
use sim_core::measures::Formula;
use sim_core::metric::{Metric, Unit};
use std::collections::BTreeMap;

/// Sentences and tables; each empty where nothing was measured.
#[derive(Serialize)]
pub(crate) struct Measured {
    pub losses_sentence: String,
    pub losses_short: String,
    pub splits: Sheet,
    pub lost: Sheet,
    pub recovery_title: String,
    pub recovery_short: String,
    pub recovery_sentence: String,
    pub recoveries: Sheet,
    pub own: Sheet,
    pub goodput_sentence: String,
    pub errors: Sheet,
    pub moves_sentence: String,
    pub moves: Sheet,
    pub formulas: Sheet,
    pub tables: Vec<OwnTable>,
}

/// A table that the system names itself.
#[derive(Serialize)]
pub(crate) struct OwnTable {
    pub title: String,
    pub about: String,
    pub sheet: Sheet,
}

/// `4 hand-overs, the longest 2.6 s, 1 needless`.
pub(crate) fn recovery_sentence(r: &Recoveries, zones: usize) -> String {
    let mut text = match r.all.len() {
        0 => "none".to_owned(),
        n => units::plural(n, &r.kind.one),
    };
    match r.longest_ns {
        Some(ns) if r.never_ended() => {
            text.push_str(&format!(", the longest at least {}: it never ended", units::duration(ns)));
        }
        Some(ns) => {
            text.push_str(&format!(", the longest {}", units::duration(ns)));
            // Where zones differ, it matters whose clients that were.
            let worst = r.all.iter().find(|r| !r.planned && r.rto_ns == ns);
            if let Some((worst, zone)) = worst.and_then(|r| Some((r, r.zone.as_ref()?)))
                && zones > 1
                && worst.zones.len() < zones
            {
                text.push_str(&format!(" (zone {zone})"));
            }
        }
        None => {}
    }
    if r.needless > 0 {
        text.push_str(&format!(", {} needless", units::count(r.needless)));
    }
    text
}

/// The figures that the system names itself, with their values, but for those of its recoveries, which are told
/// elsewhere.
fn own(report: &Report) -> impl Iterator<Item = &Metric> {
    let told = report.recoveries.iter().flat_map(|r| [&r.kind.longest.0.name, &r.kind.needless.0.name]);
    let told: Vec<_> = told.collect();
    let own = move |metric: &&Metric| !metrics::is_followed(&metric.kind.name) && !told.contains(&&metric.kind.name);
    report.metrics.iter().filter(own)
}

/// `reads of what was deleted 3; cold starts 12`: what does harm first, because a terminal has no room for all.
pub(crate) fn own_sentence(report: &Report) -> Option<String> {
    let told = |m: &Metric| format!("{} {}", m.kind.title, metrics::print(m.value, m.kind.unit));
    let (harm, others): (Vec<&Metric>, Vec<&Metric>) = own(report).partition(|metric| metric.kind.harm);
    let all: Vec<String> = harm.into_iter().chain(others).map(told).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// How much is said of each harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    All,
    Few,
}

/// What harm was done though every rule held, the gravest first: `179 of 980 acknowledged writes lost`, or `179 writes
/// lost` in few words.
pub(crate) fn harm(report: &Report, words: Words) -> Vec<String> {
    let told = report.harmed().map(|m| match (&*m.kind.name, metrics::print(m.value, m.kind.unit), words) {
        ("lost_writes", lost, Words::All) => {
            format!("{lost} of {} acknowledged writes lost", units::count(report.losses.acknowledged_writes))
        }
        ("lost_writes", lost, Words::Few) if lost == "1" => "1 write lost".to_owned(),
        ("lost_writes", lost, Words::Few) => format!("{lost} writes lost"),
        ("two_primaries", time, Words::All) => format!("two primaries for {time}"),
        ("two_primaries", time, Words::Few) => format!("two primaries {time}"),
        (_, value, _) => units::counted(&value, &m.kind.title),
    });
    told.collect()
}

/// All of that harm in one line, if there was any.
#[must_use]
pub fn harm_sentence(report: &Report) -> Option<String> {
    let harm = harm(report, Words::All);
    (!harm.is_empty()).then(|| harm.join(", "))
}

/// `312 of 400 ops/s served in time, 78 %; 1.2 tries each; refused 1,412`.
pub(crate) fn goodput_sentence(g: &Goodput, errors: &BTreeMap<String, u64>) -> String {
    let Some(fraction) = g.fraction else { return "nobody asked".into() };
    let mut text = format!("{}, {}", goodput::served_of_offered(g), units::percent(fraction));
    if let Some(tries) = g.attempts_per_operation.filter(|tries| *tries > 1.0) {
        text.push_str(&format!(", {} tries each", units::significant(tries)));
    }
    let told = by_count(errors).into_iter().filter(|(_, n)| **n > 0).take(3);
    let reasons: Vec<String> = told.map(|(why, n)| format!("{} {}", why.replace('_', " "), units::count(*n))).collect();
    if !reasons.is_empty() {
        text.push_str(&format!("; {}", reasons.join(", ")));
    }
    text
}

/// The most frequent first.
pub(crate) fn by_count(all: &BTreeMap<String, u64>) -> Vec<(&String, &u64)> {
    let mut all: Vec<_> = all.iter().collect();
    all.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    all
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
    let changes = units::plural(all.len(), "change");
    Some(format!("{changes} moved {} keys; the worst, {}, {times}", units::count(moved), worst.event))
}

impl Measured {
    pub(crate) fn of(report: &Report) -> Self {
        let (r, losses) = (report.recoveries.as_ref(), &report.losses);
        let left_out = losses.lost_writes.unwrap_or(0).saturating_sub(losses.first_lost.len().min(ROWS) as u64);
        let mut lost = Sheet::new([("Acknowledged at", "n"), ("By", ""), ("What", "nowrap"), ("Why", "wide")]).of(
            &losses.first_lost,
            ROWS,
            |w| texts([units::moment(w.acknowledged_ns), w.node.clone(), w.what.clone(), w.why.clone()]),
        );
        if left_out > 0 && !lost.rows.is_empty() {
            lost.left_out = format!("{left_out} more were lost");
        }
        Self {
            losses_sentence: super::losses::sentence(losses).unwrap_or_default(),
            losses_short: match losses.lost_writes {
                Some(0) => "none".into(),
                lost => lost.map_or_else(|| units::UNKNOWN.into(), units::count),
            },
            splits: Sheet::new([
                ("From", "n"),
                ("Lasted", "n"),
                ("Nodes", "wide"),
                ("Writes that the newest did not take", "n"),
            ])
            .of(&losses.two_primaries, ROWS, |s| {
                let lasted = units::duration(s.end_ns.saturating_sub(s.start_ns));
                texts([units::moment(s.start_ns), lasted, s.nodes.join(", "), units::count(s.writes)])
            }),
            lost,
            recovery_title: r.map(|r| units::capitalised(&r.kind.one)).unwrap_or_default(),
            recovery_short: units::duration_or_unknown(r.and_then(|r| r.longest_ns)),
            recovery_sentence: r.map(|r| recovery_sentence(r, report.availability.by_zone.len())).unwrap_or_default(),
            recoveries: r.map(recoveries).unwrap_or_default(),
            own: Sheet::new([("", "nowrap"), ("", "n"), ("", "wide")]).of(
                &own(report).collect::<Vec<_>>(),
                usize::MAX,
                |m| texts([m.kind.title.to_string(), metrics::print(m.value, m.kind.unit), m.kind.about.to_string()]),
            ),
            goodput_sentence: report
                .goodput
                .as_ref()
                .map(|g| goodput_sentence(g, &BTreeMap::new()))
                .unwrap_or_default(),
            errors: Sheet::new([("Not served because", "wide"), ("Times", "n")]).of(
                &by_count(&report.errors),
                usize::MAX,
                |(why, n)| texts([why.replace('_', " "), units::count(**n)]),
            ),
            moves_sentence: moves_sentence(&report.load.keys_moved).unwrap_or_default(),
            moves: Sheet::new([
                ("At", "n"),
                ("Change", "wide"),
                ("Keys moved", "n"),
                ("Of all", "n"),
                ("Had to", "n"),
                ("Times that", "n"),
                ("Took", "n"),
            ])
            .of(&report.load.keys_moved, ROWS, move_row),
            formulas: Sheet::new([
                ("", "name"),
                ("Formula", "formula"),
                ("Predicted", "n"),
                ("Measured", "n"),
                ("Assumed", "wide"),
            ])
            .of(&report.formulas, usize::MAX, formula_row),
            tables: report
                .tables
                .iter()
                .chain(&report.load.tables.0)
                .map(|table| OwnTable {
                    title: table.title.to_string(),
                    about: table.about.clone(),
                    sheet: Sheet::of_system(table),
                })
                .collect(),
        }
    }
}

fn recoveries(r: &Recoveries) -> Sheet {
    let who = units::capitalised(&r.kind.who);
    let steps: Vec<String> = r.kind.steps.iter().map(|step| units::capitalised(&step.name)).collect();
    let heads = [("Began at", "n"), (&*who, "nowrap"), ("", "wide"), ("Zone", ""), ("Recovery", "n")];
    let heads = heads.into_iter().chain(steps.iter().map(|step| (step.as_str(), "n")));
    Sheet::new(heads).of(&r.all, ROWS, recovery_row)
}

fn recovery_row(r: &Recovery) -> Vec<Shown> {
    let name = |node: &Option<String>| node.clone().unwrap_or_else(|| "nobody".into());
    let (what, pill) = match (r.planned, r.needless, r.open) {
        (_, _, true) => ("never ended", "inconclusive"),
        (true, ..) => ("planned", ""),
        (_, true, _) => ("needless", "inconclusive"),
        _ => ("", ""),
    };
    let took = units::duration(r.rto_ns);
    let mut row = vec![
        units::moment(r.began_ns).into(),
        format!("{} to {}", name(&r.old), name(&r.new)).into(),
        Shown::from(what).pill(pill),
        r.zone.clone().unwrap_or_default().into(),
        Shown::from(if r.open { format!("at least {took}") } else { took }).strong(true),
    ];
    row.extend(r.parts().map(|(_, part)| units::duration_or_unknown(part).into()));
    row
}

fn move_row(m: &Moved) -> Vec<Shown> {
    let unknown = || units::UNKNOWN.to_owned();
    texts([
        units::moment(m.at_ns),
        m.event.clone(),
        units::count(m.moved),
        if m.total == 0 { unknown() } else { units::percent(m.moved as f64 / m.total as f64) },
        units::count(m.ideal),
        m.over_ideal.map_or_else(unknown, units::significant),
        units::duration_or_unknown(m.done_ns.map(|done| done.saturating_sub(m.at_ns))),
    ])
}

fn formula_row(f: &Formula) -> Vec<Shown> {
    // Shares as everywhere in the report; probabilities of what hardly ever happens would be all zeros.
    let is_share = |value: &f64| *value == 0.0 || (0.0001..=1.0).contains(value);
    let shares = is_share(&f.predicted) && f.measured.iter().all(is_share);
    let print = |value: f64| match f.unit {
        Unit::Fraction if shares => units::percent(value),
        Unit::Fraction => units::significant_small(value),
        Unit::Time => units::duration(value.max(0.0).round() as u64),
        Unit::Number => units::significant(value),
    };
    vec![
        f.name.clone().into(),
        Shown::from(f.formula.clone()).code(),
        print(f.predicted).into(),
        f.measured.map_or_else(|| units::UNKNOWN.into(), print).into(),
        units::singular(&f.note).into(),
    ]
}
