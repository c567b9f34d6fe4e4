//! The report in words: every figure formatted once, for the Markdown page, the HTML page and the terminal.

use crate::causes::fault_name;
use crate::conditions::Condition;
pub(crate) use crate::losses::sentence as losses_sentence;
use crate::measured::{Measured, harm};
pub(crate) use crate::measured::{failover_sentence, goodput_sentence, moves_sentence, own_sentence};
use crate::queues::NodeQueue;
use crate::report::{Availability, Latency, Outage, Report, ScopeAvailability, Share, Verdict};
use crate::{failover, units};
use serde::Serialize;
use sim_core::Class;
use sim_core::record::{ProbeLoad, Ruling};

/// More outages than this are left to `report.json`.
const OUTAGES: usize = 60;
/// More nodes than this too.
const NODES: usize = 200;
/// And more scopes.
const SCOPES: usize = 60;

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
    pub verdicts: Vec<VerdictRow<'a>>,
    pub outages: Vec<OutageRow>,
    pub outages_left_out: usize,
    pub shares: Vec<ShareRow>,
    pub scopes: Vec<ScopeRow>,
    pub scopes_left_out: usize,
    pub latencies: Vec<LatencyRow>,
    pub nodes: Vec<NodeRow<'a>>,
    pub nodes_left_out: usize,
    pub load_sentence: String,
    pub has_keys: bool,
    pub has_queues: bool,
    pub spreads: Vec<SpreadRow>,
    pub more: Measured,
    pub faults: Vec<FaultRow>,
    pub messages_sentence: String,
    pub kinds: Vec<(String, String)>,
    pub facts: Vec<(String, String)>,
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

#[derive(Serialize)]
pub(crate) struct VerdictRow<'a> {
    pub rule: &'a str,
    pub verdict: &'static str,
    pub detail: &'a str,
}

#[derive(Serialize)]
pub(crate) struct OutageRow {
    pub start: String,
    pub scope: String,
    pub duration: String,
    /// Of the clients' operations: without an answer, and answered late.
    pub failed: String,
    pub late: String,
    pub cause: String,
    pub phases: String,
}

#[derive(Serialize)]
pub(crate) struct ShareRow {
    pub name: String,
    pub operations: String,
    pub not_served: String,
    pub fraction: String,
}

/// A scope: how much of it was served, and how much of the time.
#[derive(Serialize)]
pub(crate) struct ScopeRow {
    pub name: String,
    pub asked: String,
    pub served: String,
    pub up: String,
    pub outages: String,
    pub longest: String,
}

#[derive(Serialize)]
pub(crate) struct LatencyRow {
    pub name: &'static str,
    pub count: String,
    pub p50: String,
    pub p90: String,
    pub p99: String,
    pub p999: String,
    pub max: String,
}

#[derive(Serialize)]
pub(crate) struct NodeRow<'a> {
    pub name: &'a str,
    pub zone: &'a str,
    pub requests: String,
    /// Of the busiest, in percent.
    pub width: f64,
    pub bytes_in: String,
    pub bytes_out: String,
    pub keys: String,
    pub busy: String,
    pub disk: String,
    pub down: String,
    /// Mean, 99th percentile and longest.
    pub queue: String,
}

/// How evenly something is spread over the nodes.
#[derive(Serialize)]
pub(crate) struct SpreadRow {
    pub name: &'static str,
    pub max_over_mean: String,
    pub cov: String,
    pub jain: String,
    pub gini: String,
}

#[derive(Serialize)]
pub(crate) struct FaultRow {
    pub name: String,
    pub start: String,
    pub duration: String,
    pub effect: String,
    pub bit: bool,
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

/// The same of one verdict; one that was to be broken is as amber as one that nobody could judge.
fn verdict_name(verdict: &Verdict) -> &'static str {
    if verdict.broken_as_expected { "broken as expected" } else { ruling_name(verdict.verdict) }
}

/// How much is said of each harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    All,
    Few,
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
    fraction.map_or_else(|| "\u{2013}".into(), units::percent)
}

fn time(ns: Option<u64>) -> String {
    ns.map_or_else(|| "\u{2013}".into(), units::duration)
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
            down: if a.time_fraction.is_none() { "\u{2013}".into() } else { units::duration(a.total_outage_ns) },
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
                        plural(a.outages.len(), "outage"),
                        beside(a)
                    )
                }
            },
            worst: worst.map_or_else(|| "none".into(), |o| units::duration(o.duration_ns)),
            worst_note: worst.map_or_else(
                || format!("longest pause between answers {}", units::duration(a.longest_stall.duration_ns)),
                |o| format!("{} at {}: {}", o.scope, units::moment(o.start_ns), o.cause),
            ),
            p99: time(all.p99_ns),
            p99_note: format!("median {}, slowest {}", time(all.p50_ns), time(all.max_ns)),
            worst_sentence: worst.map(worst_sentence).unwrap_or_default(),
            worst_spent: worst.map(phases).unwrap_or_default(),
            worst_phases: worst.map(phase_rows).unwrap_or_default(),
            verdicts: report
                .verdicts
                .iter()
                .map(|v| VerdictRow { rule: &v.rule, verdict: verdict_name(v), detail: &v.detail })
                .collect(),
            outages: a.outages.iter().take(OUTAGES).map(outage_row).collect(),
            outages_left_out: a.outages.len().saturating_sub(OUTAGES),
            shares: share_rows(report),
            scopes: a.scopes.iter().take(SCOPES).map(|s| scope_row(a, s)).collect(),
            scopes_left_out: a.scopes.len().saturating_sub(SCOPES),
            latencies: [("reads", &report.latency.read), ("writes", &report.latency.write), ("all", all)]
                .map(|(name, l)| latency_row(name, l))
                .into(),
            nodes: node_rows(report),
            nodes_left_out: report.load.per_node.len().saturating_sub(NODES),
            load_sentence: load_sentence(report, total_requests),
            has_keys: report.load.keys_max_over_mean.is_some(),
            has_queues: report.load.queues.is_some(),
            spreads: spread_rows(report),
            more: Measured::of(report),
            faults: report.faults.iter().map(fault_row).chain(report.conditions.iter().map(condition_row)).collect(),
            messages_sentence: format!(
                "{} sent, {} delivered, {} lost{}",
                units::count(report.messages.sent),
                units::count(report.messages.delivered),
                units::count(report.messages.lost),
                reasons(report),
            ),
            kinds: kinds(report),
            facts: report.facts.iter().map(|(k, n)| (k.clone(), units::count(*n))).collect(),
            method: format!(
                "An operation is served when it succeeds within {}. Reads and writes of each zone{} are looked at by \
                 themselves{}: a window of {} is down when fewer than half of what was asked in it was served within {}; \
                 an outage is a run of down windows, from the first operation that was not served to the return of the \
                 first success after which it stays up. Outages that overlap are one, as long as the longest of them. \
                 {} of {} windows were down, {} had no operations.",
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

/// `1 outage`, `4 outages`.
pub(crate) fn plural(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
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

fn phase_rows(o: &Outage) -> Vec<PhaseRow> {
    let row = |(i, p): (usize, &crate::report::Phase)| PhaseRow {
        name: p.name.clone(),
        look: failover::look(&p.name).unwrap_or(i) % 6,
        duration: units::duration(p.end_ns - p.start_ns),
        width: units::round((p.end_ns - p.start_ns) as f64 * 100.0 / o.duration_ns.max(1) as f64, 2),
    };
    o.phases.iter().enumerate().map(row).collect()
}

fn outage_row(o: &Outage) -> OutageRow {
    OutageRow {
        start: units::moment(o.start_ns),
        scope: o.scope.clone(),
        duration: length(o),
        failed: units::count(o.operations_failed),
        late: units::count(o.operations_late),
        cause: o.cause.clone(),
        phases: phases(o),
    }
}

fn share_rows(report: &Report) -> Vec<ShareRow> {
    let a = &report.availability;
    let all = Share { operations: a.operations, ok: a.ok, fraction: a.fraction };
    let mut named = vec![("all".to_owned(), &all), ("reads".into(), &a.read), ("writes".into(), &a.write)];
    named.push(("probes, beside these".into(), &a.probes));
    named.extend(a.by_zone.iter().map(|(zone, share)| (format!("clients in zone {zone}"), share)));
    named
        .into_iter()
        .filter(|(_, share)| share.operations > 0)
        .map(|(name, share)| ShareRow {
            name,
            operations: units::count(share.operations),
            not_served: units::count(share.operations - share.ok),
            fraction: percent(share.fraction),
        })
        .collect()
}

/// `writes of shard 2 in zone b`, with as much of it as there is.
fn scope_row(a: &Availability, s: &ScopeAvailability) -> ScopeRow {
    let mut name = if s.class == Class::Read { "reads" } else { "writes" }.to_owned();
    if let Some(shard) = s.shard {
        name.push_str(&format!(" of shard {}", u32::from(shard) + 1));
    }
    if a.scopes.iter().any(|other| other.zone != s.zone) {
        name.push_str(&format!(" in zone {}", s.zone));
    }
    let mut up = percent(s.time_fraction);
    if s.unknown_ns > 0 {
        up.push_str(&format!(", {} unknown", units::duration(s.unknown_ns)));
    }
    ScopeRow {
        name,
        asked: units::count(s.operations),
        served: percent(s.fraction),
        up,
        outages: units::count(s.outages),
        longest: if s.outages == 0 { "\u{2013}".into() } else { units::duration(s.longest_outage_ns) },
    }
}

fn latency_row(name: &'static str, l: &Latency) -> LatencyRow {
    LatencyRow {
        name,
        count: units::count(l.count),
        p50: time(l.p50_ns),
        p90: time(l.p90_ns),
        p99: time(l.p99_ns),
        p999: time(l.p999_ns),
        max: time(l.max_ns),
    }
}

fn node_rows(report: &Report) -> Vec<NodeRow<'_>> {
    let max = report.carriers().map(|n| n.requests).max().unwrap_or(0).max(1);
    let queues = report.load.queues.as_ref();
    report
        .load
        .per_node
        .iter()
        .take(NODES)
        .map(|n| NodeRow {
            name: &n.node,
            zone: &n.zone,
            requests: units::count(n.requests),
            width: if n.carries { units::round(n.requests as f64 * 100.0 / max as f64, 1) } else { 0.0 },
            bytes_in: units::bytes(n.bytes_in),
            bytes_out: units::bytes(n.bytes_out),
            keys: units::count(n.keys),
            busy: units::percent(units::round(n.busy_fraction, 4)),
            disk: units::percent(units::round(n.disk_busy_fraction, 4)),
            down: units::duration(n.down_ns),
            queue: queues.and_then(|q| q.per_node.iter().find(|q| q.node == n.node)).map_or_else(String::new, queue),
        })
        .collect()
}

/// `1.3 / 8 / 21`.
fn queue(q: &NodeQueue) -> String {
    format!("{} / {} / {}", units::significant(q.mean), units::count(q.p99), units::count(q.max))
}

fn spread_rows(report: &Report) -> Vec<SpreadRow> {
    let l = &report.load;
    let rows = [
        ("requests", l.requests_max_over_mean, l.requests_cov, l.requests_jain, l.requests_gini),
        ("keys", l.keys_max_over_mean, l.keys_cov, l.keys_jain, l.keys_gini),
        ("bytes", l.bytes_max_over_mean, l.bytes_cov, l.bytes_jain, l.bytes_gini),
        ("busy time", l.busy_max_over_mean, l.busy_cov, l.busy_jain, l.busy_gini),
    ];
    let figure = |value: Option<f64>| value.map_or_else(|| "\u{2013}".into(), units::significant_small);
    rows.into_iter()
        .filter(|(_, ratio, ..)| ratio.is_some())
        .map(|(name, ratio, cov, jain, gini)| SpreadRow {
            name,
            max_over_mean: figure(ratio),
            cov: figure(cov),
            jain: figure(jain),
            gini: figure(gini),
        })
        .collect()
}

fn load_sentence(report: &Report, total: u64) -> String {
    let l = &report.load;
    let (Some(ratio), Some(max)) = (l.requests_max_over_mean, report.carriers().max_by_key(|n| n.requests)) else {
        return "No node was asked anything.".into();
    };
    let figure = |value: Option<f64>| value.map_or_else(|| "\u{2013}".into(), units::significant);
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
fn condition_row(c: &Condition) -> FaultRow {
    FaultRow { effect: format!("no fault: {}", c.kind.replace('_', " ")), ..fault_row(&c.as_fault()) }
}

fn fault_row(f: &crate::report::Fault) -> FaultRow {
    FaultRow {
        name: fault_name(&f.label, &f.kind, &f.resolved),
        start: units::moment(f.start_ns),
        duration: units::duration(f.end_ns.saturating_sub(f.start_ns)),
        effect: match (f.bit, f.touched) {
            (false, _) if f.held > 0 => "held back by limits".into(),
            (false, _) => "never bit".into(),
            (true, 0) => "bit".into(),
            (true, n) => format!("bit ({})", units::count(n)),
        },
        bit: f.bit,
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

/// Kinds of message, most frequent first.
fn kinds(report: &Report) -> Vec<(String, String)> {
    let mut rows: Vec<_> = report.messages.by_kind.iter().collect();
    rows.sort_by(|a, b| b.1.cmp(a.1).then_with(|| a.0.cmp(b.0)));
    rows.into_iter().map(|(kind, n)| (kind.clone(), units::count(*n))).collect()
}

/// The same, to go on after what is said of outages.
fn beside(a: &Availability) -> String {
    failed_outside(a).map_or_else(String::new, |text| format!("; {text}"))
}

/// Operations that failed though probes, which may try for longer, saw no outage: an overload, a limit of clients, one attempt only. Said
/// where it is one operation in a hundred.
pub fn failed_outside(a: &Availability) -> Option<String> {
    let inside: u64 = a.outages.iter().map(|outage| outage.operations_failed).sum();
    let failed = (a.operations - a.ok).saturating_sub(inside);
    (failed > 0 && failed * 100 >= a.operations).then(|| {
        let share = units::percent(failed as f64 / a.operations as f64);
        format!("{} operations ({share}) were not served outside of any outage", units::count(failed))
    })
}
