//! The report in words: every figure formatted once, for the Markdown page, the HTML page and the terminal.

use super::measured::{Measured, Words, harm};
use super::sheet::{Sheet, Shown, texts};
use crate::report::{
    Availability, Condition, Fault, Latency, Load, NodeQueue, Outage, Queues, Report, ScopeAvailability, Share, Verdict,
};
use crate::units;
use serde::Serialize;
use sim_core::Class;
use sim_core::record::{ProbeLoad, Ruling};

/// More outages than this are left to `report.json`.
const OUTAGES: usize = 60;
/// More nodes than this too.
const NODES: usize = 200;
/// And more scopes.
const SCOPES: usize = 60;
/// The heads of tables of verdicts.
const VERDICTS: [(&str, &str); 3] = [("", ""), ("Rule", "nowrap"), ("Seen", "wide")];

/// All the pages show.
#[derive(Serialize)]
pub(crate) struct View<'a> {
    pub report: &'a Report,
    pub ruling: &'static str,
    pub headline: String,
    pub measured: String,
    pub measured_span: String,
    pub simulated: String,
    pub events: String,
    pub availability: String,
    pub availability_note: String,
    pub down: String,
    pub down_note: String,
    pub worst: String,
    pub worst_note: String,
    pub p99: String,
    pub p99_note: String,
    pub worst_sentence: String,
    pub worst_spent: String,
    pub worst_phases: Vec<PhaseRow>,
    pub verdicts: Sheet,
    /// Those of figures that were expected, and of rules.
    pub expected: Sheet,
    pub rules: Sheet,
    pub rules_sentence: String,
    /// Those that did not hold.
    pub broken: Sheet,
    pub outages: Sheet,
    pub shares: Sheet,
    pub scopes: Sheet,
    pub latencies: Sheet,
    pub nodes: Sheet,
    pub load_sentence: String,
    pub spreads: Sheet,
    pub more: Measured,
    pub faults: Sheet,
    pub messages_sentence: String,
    pub facts: Sheet,
    pub method: String,
}

#[derive(Serialize)]
pub(crate) struct PhaseRow {
    pub name: String,
    /// The number of its colour.
    pub look: usize,
    pub duration: String,
    /// Of the outage, in percent.
    pub width: f64,
}

/// `pass`, `fail` or `inconclusive`.
pub(crate) fn ruling_name(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Pass => "pass",
        Ruling::Fail => "fail",
        Ruling::Inconclusive => "inconclusive",
    }
}

/// What a run came to, for the eye: its ruling, and whether holding was all good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// All held.
    Held,
    /// All held, but the design let clients down: it is never shown as a plain success.
    Harmed,
    /// A rule was broken, and the scenario is there to show that.
    AsExpected,
    /// Something was broken.
    Failed,
    /// Nobody knows.
    Open,
}

impl Standing {
    pub(crate) fn of(report: &Report) -> Self {
        match report.ruling {
            Ruling::Fail => Self::Failed,
            Ruling::Inconclusive => Self::Open,
            Ruling::Pass if report.verdicts.iter().any(|v| v.broken_as_expected) => Self::AsExpected,
            Ruling::Pass if harm(report, Words::Few).is_empty() => Self::Held,
            Ruling::Pass => Self::Harmed,
        }
    }

    /// The class of its colour on pages: green, amber or red.
    pub(crate) const fn colour(self) -> &'static str {
        match self {
            Self::Held => "pass",
            Self::Failed => "fail",
            Self::Harmed | Self::AsExpected | Self::Open => "inconclusive",
        }
    }
}

/// Whether it held, in one sentence, with all harm that was done whatever held, the gravest first.
pub(crate) fn headline(report: &Report, words: Words) -> String {
    let broken: Vec<&str> = report.verdicts.iter().filter(|v| v.broken_as_expected).map(|v| v.rule.as_str()).collect();
    let as_expected = report.ruling == Ruling::Pass && !broken.is_empty();
    let ruled = if as_expected { format!("broken as expected: {}", broken.join(", ")) } else { rulings(report) };
    let harm = harm(report, words).join(", ");
    match report.ruling {
        _ if harm.is_empty() => ruled,
        Ruling::Pass if !as_expected => format!("{ruled}, but {harm}"),
        _ => format!("{ruled}; {harm}"),
    }
}

/// `0 operations failed, 128 late`.
pub(crate) fn cost(failed: u64, late: u64) -> String {
    let operations = if failed == 1 { "operation" } else { "operations" };
    format!("{} {operations} failed, {} late", units::count(failed), units::count(late))
}

fn rulings(report: &Report) -> String {
    let count = |ruling| report.verdicts.iter().filter(|v| v.verdict == ruling).count();
    let all = report.verdicts.len();
    let (failed, open) = (count(Ruling::Fail), count(Ruling::Inconclusive));
    match report.ruling {
        Ruling::Pass if all == 0 => "Nothing was expected of this run".into(),
        Ruling::Pass if all == 1 => "The one check held".into(),
        Ruling::Pass => format!("All {all} checks held"),
        Ruling::Fail if open > 0 => format!("{failed} of {all} checks failed, {open} inconclusive"),
        Ruling::Fail => format!("{failed} of {all} checks failed"),
        Ruling::Inconclusive => format!("{open} of {all} checks could not be decided"),
    }
}

/// `undetected 341 ms, election 118 ms`.
pub(crate) fn phases(outage: &Outage) -> String {
    let part = |p: &crate::report::Phase| format!("{} {}", p.name, units::duration(p.end_ns - p.start_ns));
    outage.phases.iter().map(part).collect::<Vec<_>>().join(", ")
}

/// `99.9 %`, or a dash where nothing was measured.
pub(crate) fn percent(fraction: Option<f64>) -> String {
    fraction.map_or_else(|| units::UNKNOWN.into(), units::percent)
}

/// `656 ms`, or `at least 656 ms` for one that was still open.
pub(crate) fn length(outage: &Outage) -> String {
    let text = units::duration(outage.duration_ns);
    if outage.open { format!("at least {text}") } else { text }
}

impl<'a> View<'a> {
    pub(crate) fn of(report: &'a Report) -> Self {
        let a = &report.availability;
        let worst = report.worst_outage();
        let lost = |n: u64| format!("{} of {} operations not served", units::count(n), units::count(a.operations));
        let all = &report.latency.all;
        let total_requests: u64 = report.carriers().map(|n| n.requests).sum();
        Self {
            ruling: Standing::of(report).colour(),
            headline: match report.ruling {
                Ruling::Inconclusive => format!("Inconclusive: {}", headline(report, Words::All)),
                Ruling::Pass | Ruling::Fail => units::capitalised(&headline(report, Words::All)),
            },
            measured: units::duration(report.measured_ns()),
            measured_span: units::span(report.measure_from_ns, report.measure_to_ns),
            simulated: units::duration(report.simulated_ns),
            events: units::count(report.events),
            availability: percent(a.fraction),
            availability_note: if a.operations == 0 { "no operations".into() } else { lost(a.operations - a.ok) },
            down: if a.time_fraction.is_none() { units::UNKNOWN.into() } else { units::duration(a.total_outage_ns) },
            down_note: match (a.time_fraction, a.nines) {
                (None, _) => "nothing was measured".into(),
                (Some(_), None) => {
                    format!("no outage in {}{}", units::duration(report.measured_ns()), beside(a))
                }
                (Some(f), Some(n)) => {
                    format!(
                        "up {} of the time ({} nines), {}{}",
                        units::percent(f),
                        units::significant(n),
                        units::plural(a.outages.len(), "outage"),
                        beside(a)
                    )
                }
            },
            worst: worst.map_or_else(|| "none".into(), |o| units::duration(o.duration_ns)),
            worst_note: worst.map_or_else(
                || format!("longest pause between answers {}", units::duration(a.longest_stall.duration_ns)),
                |o| format!("{} at {}: {}", o.scope, units::moment(o.start_ns), o.cause),
            ),
            p99: units::duration_or_unknown(all.p99_ns),
            p99_note: format!(
                "median {}, slowest {}",
                units::duration_or_unknown(all.p50_ns),
                units::duration_or_unknown(all.max_ns)
            ),
            worst_sentence: worst.map(worst_sentence).unwrap_or_default(),
            worst_spent: worst.map(phases).unwrap_or_default(),
            worst_phases: worst.map(|worst| phase_rows(report, worst)).unwrap_or_default(),
            verdicts: Sheet::new(VERDICTS).of(&report.verdicts, usize::MAX, verdict_row),
            expected: verdict_sheet(report, is_expected),
            rules: verdict_sheet(report, |v| !is_expected(v)),
            rules_sentence: rules_sentence(report),
            broken: Sheet::new(VERDICTS.map(|(_, lies)| ("", lies))).of(
                &report
                    .verdicts
                    .iter()
                    .filter(|v| v.verdict != Ruling::Pass || v.broken_as_expected)
                    .collect::<Vec<_>>(),
                usize::MAX,
                |verdict| verdict_row(verdict),
            ),
            outages: Sheet::new([
                ("Began at", "n"),
                ("Lasted", "n"),
                ("Of", ""),
                ("Failed", "n"),
                ("Late", "n"),
                ("Cause", ""),
                ("Spent on", ""),
            ])
            .of(&a.outages, OUTAGES, outage_row),
            shares: share_sheet(report),
            scopes: Sheet::new([
                ("Scope", "nowrap"),
                ("Asked", "n"),
                ("Served", "n"),
                ("Up", "n"),
                ("Outages", "n"),
                ("Longest", "n"),
            ])
            .of(&a.scopes, SCOPES, |scope| scope_row(a, scope)),
            latencies: Sheet::new([
                ("Succeeded", ""),
                ("Count", "n"),
                ("Median", "n"),
                ("p90", "n"),
                ("p99", "n"),
                ("p99.9", "n"),
                ("Slowest", "n"),
            ])
            .of(
                &[("reads", &report.latency.read), ("writes", &report.latency.write), ("all", all)],
                usize::MAX,
                latency_row,
            ),
            nodes: node_sheet(report),
            load_sentence: load_sentence(report, total_requests),
            spreads: spread_sheet(&report.load),
            more: Measured::of(report),
            faults: fault_sheet(report),
            messages_sentence: format!(
                "{} sent, {} delivered, {} lost{}",
                units::count(report.messages.sent),
                units::count(report.messages.delivered),
                units::count(report.messages.lost),
                reasons(report),
            ),
            facts: Sheet::new([("", ""), ("", "n")]).of(
                &report.facts.iter().collect::<Vec<_>>(),
                usize::MAX,
                |(kind, n)| vec![Shown::from(kind.as_str()).code(), units::count(**n).into()],
            ),
            method: format!(
                "An operation is served when it succeeds within {}. Reads and writes of each zone{} are looked at by \
                 themselves{}: a window of {} is down when fewer than half of what was asked in it was served within \
                 {}; an outage is a run of down windows, from the first operation that was not served to the return \
                 of the first success after which it stays up. Where a share of the requests fails for a time, at \
                 random, that time is one outage of that share. Outages that overlap are one, as long as the longest \
                 of them. {} of {} windows were down, {} had no operations.",
                units::duration(a.timeout_ns),
                if a.scopes.iter().any(|s| s.shard.is_some()) { " and shard" } else { "" },
                if a.decided_by_probes {
                    ", as probes see them, which count in nothing else"
                } else {
                    ", as the workload saw them, for there were no probes"
                },
                units::duration(a.window_ns),
                units::duration(a.probe_timeout_ns),
                units::count(a.windows_down),
                units::count(a.windows),
                units::count(a.windows_empty),
            ),
            report,
        }
    }
}

fn worst_sentence(o: &Outage) -> String {
    let end = if o.open { " It had not ended when the measurement did." } else { "" };
    format!(
        "The worst outage, of {}, began at {} and lasted {}. Cause: {}. {}.{end}",
        o.scope,
        units::moment(o.start_ns),
        length(o),
        o.cause,
        cost(o.operations_failed, o.operations_late),
    )
}

fn phase_rows(report: &Report, o: &Outage) -> Vec<PhaseRow> {
    let names = report.phase_names();
    let look = |name: &str| names.iter().position(|known| *known == name).unwrap_or(0) % 6;
    let row = |p: &crate::report::Phase| PhaseRow {
        name: p.name.clone(),
        look: look(&p.name),
        duration: units::duration(p.end_ns - p.start_ns),
        width: units::round((p.end_ns - p.start_ns) as f64 * 100.0 / o.duration_ns.max(1) as f64, 2),
    };
    o.phases.iter().map(row).collect()
}

/// Whether it is about a figure of which something was expected.
fn is_expected(v: &Verdict) -> bool {
    v.rule.starts_with("expect.")
}

fn verdict_sheet(report: &Report, of: impl Fn(&Verdict) -> bool) -> Sheet {
    let some: Vec<&Verdict> = report.verdicts.iter().filter(|v| of(v)).collect();
    Sheet::new(VERDICTS.map(|(_, lies)| ("", lies))).of(&some, usize::MAX, |v| verdict_row(v))
}

/// `All 22 rules held`.
fn rules_sentence(report: &Report) -> String {
    let rules = || report.verdicts.iter().filter(|v| !is_expected(v));
    let held = rules().filter(|v| v.verdict == Ruling::Pass && !v.broken_as_expected).count();
    match rules().count() {
        1 if held == 1 => "The one rule held".to_owned(),
        all if held == all => format!("All {all} rules held"),
        all => format!("{held} of {all} rules held"),
    }
}

fn verdict_row(v: &Verdict) -> Vec<Shown> {
    // One that was to be broken is as amber as one that nobody could judge.
    let (name, colour) = match ruling_name(v.verdict) {
        _ if v.broken_as_expected => ("broken as expected", "inconclusive"),
        name => (name, name),
    };
    let failed = v.verdict == Ruling::Fail;
    vec![Shown::from(name).pill(colour).strong(failed), Shown::from(&*v.rule).code(), units::singular(&v.detail).into()]
}

fn outage_row(o: &Outage) -> Vec<Shown> {
    let (failed, late) = (units::count(o.operations_failed), units::count(o.operations_late));
    texts([units::moment(o.start_ns), length(o), o.scope.clone(), failed, late, o.cause.clone(), phases(o)])
}

fn share_sheet(report: &Report) -> Sheet {
    let a = &report.availability;
    let all = Share { operations: a.operations, ok: a.ok, fraction: a.fraction };
    let mut named = vec![("all".to_owned(), &all), ("reads".into(), &a.read), ("writes".into(), &a.write)];
    named.push(("probes, beside these".into(), &a.probes));
    named.extend(a.by_zone.iter().map(|(zone, share)| (format!("clients in zone {zone}"), share)));
    named.retain(|(_, share)| share.operations > 0);
    Sheet::new([("Operations", "nowrap"), ("Invoked", "n"), ("Not served", "n"), ("Availability", "n")]).of(
        &named,
        usize::MAX,
        |(name, s)| {
            let (all, not) = (units::count(s.operations), units::count(s.operations - s.ok));
            texts([name.clone(), all, not, percent(s.fraction)])
        },
    )
}

/// `writes of shard 2 in zone b`, with as much of it as there is.
pub(crate) fn scope_name(a: &Availability, s: &ScopeAvailability) -> String {
    let mut name = if s.class == Class::Read { "reads" } else { "writes" }.to_owned();
    if let Some(shard) = s.shard {
        name.push_str(&format!(" of shard {}", u32::from(shard) + 1));
    }
    if a.scopes.iter().any(|other| other.zone != s.zone) {
        name.push_str(&format!(" in zone {}", s.zone));
    }
    name
}

fn scope_row(a: &Availability, s: &ScopeAvailability) -> Vec<Shown> {
    let name = scope_name(a, s);
    let mut up = percent(s.time_fraction);
    if s.unknown_ns > 0 {
        up.push_str(&format!(", {} unknown", units::duration(s.unknown_ns)));
    }
    let longest = units::duration_or_unknown((s.outages > 0).then_some(s.longest_outage_ns));
    texts([name, units::count(s.operations), percent(s.fraction), up, units::count(s.outages), longest])
}

fn latency_row((name, l): &(&str, &Latency)) -> Vec<Shown> {
    let times = [l.p50_ns, l.p90_ns, l.p99_ns, l.p999_ns, l.max_ns].map(units::duration_or_unknown);
    [(*name).to_owned(), units::count(l.count)].into_iter().chain(times).map(Shown::from).collect()
}

/// What each node had to do; keys and queues where there are some.
fn node_sheet(report: &Report) -> Sheet {
    let max = report.carriers().map(|n| n.requests).max().unwrap_or(0).max(1);
    let (keys, queues) = (report.load.keys_max_over_mean.is_some(), report.load.queues.as_ref());
    let heads = [
        ("Node", "", true),
        ("Zone", "", true),
        ("Requests", "n", true),
        ("", "bar", true),
        ("Keys", "n", keys),
        ("In", "n", true),
        ("Out", "n", true),
        ("CPU busy", "n", true),
        ("Disk busy", "n", true),
        ("Down", "n", true),
        ("Queue mean / p99 / max", "n", queues.is_some()),
    ];
    let heads = || heads.into_iter().filter(|(.., there)| *there).map(|(title, lies, _)| (title, lies));
    Sheet::new(heads()).of(&report.load.per_node, NODES, |n| {
        let width = if n.carries { units::round(n.requests as f64 * 100.0 / max as f64, 1) } else { 0.0 };
        let mut row = texts([n.node.clone(), n.zone.clone(), units::count(n.requests)]);
        row.push(Shown::bar(width));
        row.extend(keys.then(|| units::count(n.keys).into()));
        row.extend(texts([
            units::bytes(n.bytes_in),
            units::bytes(n.bytes_out),
            units::percent(units::round(n.busy_fraction, 4)),
            units::percent(units::round(n.disk_busy_fraction, 4)),
            units::duration(n.down_ns),
        ]));
        let its = |queues: &Queues| queues.per_node.iter().find(|q| q.node == n.node).map_or_else(String::new, queue);
        row.extend(queues.map(|queues| its(queues).into()));
        row
    })
}

/// `1.3 / 8 / 21`.
fn queue(q: &NodeQueue) -> String {
    format!("{} / {} / {}", units::significant(q.mean), units::count(q.p99), units::count(q.max))
}

fn spread_sheet(l: &Load) -> Sheet {
    let mut rows = vec![
        ("requests", l.requests_max_over_mean, l.requests_cov, l.requests_jain, l.requests_gini),
        ("keys", l.keys_max_over_mean, l.keys_cov, l.keys_jain, l.keys_gini),
        ("bytes", l.bytes_max_over_mean, l.bytes_cov, l.bytes_jain, l.bytes_gini),
        ("busy time", l.busy_max_over_mean, l.busy_cov, l.busy_jain, l.busy_gini),
    ];
    rows.retain(|(_, ratio, ..)| ratio.is_some());
    let figure = |value: Option<f64>| value.map_or_else(|| units::UNKNOWN.into(), units::significant_small);
    Sheet::new([
        ("Spread of", ""),
        ("Maximum over mean", "n"),
        ("Coefficient of variation", "n"),
        ("Jain", "n"),
        ("Gini", "n"),
    ])
    .of(&rows, usize::MAX, |(name, ratio, cov, jain, gini)| {
        texts([(*name).to_owned(), figure(*ratio), figure(*cov), figure(*jain), figure(*gini)])
    })
}

fn load_sentence(report: &Report, total: u64) -> String {
    let l = &report.load;
    let (Some(ratio), Some(max)) = (l.requests_max_over_mean, report.carriers().max_by_key(|n| n.requests)) else {
        return "No node was asked anything.".into();
    };
    let figure = |value: Option<f64>| value.map_or_else(|| units::UNKNOWN.into(), units::significant);
    let of_probes = |of: fn(&ProbeLoad) -> u64| l.per_node.iter().map(|node| of(&node.probes)).sum::<u64>();
    let (asked, bytes) = (of_probes(|p| p.requests), of_probes(|p| p.bytes_in + p.bytes_out));
    let beside = match asked {
        0 => String::new(),
        n => format!(
            " Beside it, and in none of these figures: {} requests of probes, {}.",
            units::count(n),
            units::bytes(bytes)
        ),
    };
    format!(
        "{} took {} % of {} requests, {} times the mean (coefficient of variation {}, Jain {}, Gini {}).{beside}",
        max.node,
        units::significant(max.requests as f64 * 100.0 / total.max(1) as f64),
        units::count(total),
        units::significant(ratio),
        figure(l.requests_cov),
        figure(l.requests_jain),
        figure(l.requests_gini),
    )
}

/// What was wrong without being a fault stands in the same table.
fn fault_sheet(report: &Report) -> Sheet {
    let faults = report.faults.iter().map(|f| (f.clone(), effect(f)));
    let others = report.conditions.iter();
    let others = others.map(|c: &Condition| (c.as_fault(), format!("no fault: {}", c.kind.replace('_', " "))));
    let all: Vec<(Fault, String)> = faults.chain(others).collect();
    Sheet::new([("Began at", "n"), ("Lasted", "n"), ("Fault", "wide"), ("Effect", "nowrap")]).of(
        &all,
        usize::MAX,
        |(f, effect)| {
            let mut row =
                texts([units::moment(f.start_ns), units::duration(f.end_ns.saturating_sub(f.start_ns)), f.name()]);
            row.push(Shown::from(&**effect).pill(if f.bit { "" } else { "inconclusive" }).strong(!f.bit));
            row
        },
    )
}

/// What it did: `bit (128)`.
pub(crate) fn effect(f: &Fault) -> String {
    match (f.bit, f.touched) {
        (false, _) if f.held > 0 => "held back by limits".into(),
        (false, _) => "never bit".into(),
        (true, 0) => "bit".into(),
        (true, n) => format!("bit ({})", units::count(n)),
    }
}

fn reasons(report: &Report) -> String {
    let by: Vec<String> = report
        .messages
        .lost_by
        .iter()
        .filter(|(_, n)| **n > 0)
        .map(|(why, n)| format!("{} {}", why.replace('_', " "), units::count(*n)))
        .collect();
    if by.is_empty() { String::new() } else { format!(" ({})", by.join(", ")) }
}

/// The same, to go on after what is said of outages.
fn beside(a: &Availability) -> String {
    failed_outside(a).map_or_else(String::new, |text| format!("; {text}"))
}

/// Operations that failed though probes, which may try for longer, saw no outage: an overload, a limit of clients, one
/// attempt only. Said where it is one operation in a hundred.
pub fn failed_outside(a: &Availability) -> Option<String> {
    let inside: u64 = a.outages.iter().map(|outage| outage.operations_failed + outage.operations_late).sum();
    let failed = (a.operations - a.ok).saturating_sub(inside);
    (failed > 0 && failed * 100 >= a.operations).then(|| {
        let share = units::percent(failed as f64 / a.operations as f64);
        // What came late within an outage may have been served in time for its client.
        let least = if a.outages.is_empty() { "" } else { "at least " };
        format!("{least}{} operations ({share}) were not served outside of any outage", units::count(failed))
    })
}
