//! The figures an expectation may name.

use crate::report::{Latency, Report};
use crate::{moves, units};

/// What a figure counts in, which decides how it is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Of one.
    Fraction,
    /// Nanoseconds.
    Time,
    /// A plain number.
    Number,
    /// Nines, of which there are infinitely many without an outage.
    Nines,
}

/// One figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    /// Nothing when there was nothing to measure.
    pub value: Option<f64>,
    pub unit: Unit,
}

/// The figure called `name`, or nothing when there is no such figure.
///
/// Fractions: `availability` (of operations), `read_availability`, `write_availability`, `probe_availability`,
/// `time_availability`, `busy_max`. Times: `longest_outage` (of any scope), `longest_write_outage`,
/// `longest_read_outage`, `longest_zone_outage`, `longest_full_outage`, `total_outage`, `longest_stall`,
/// `{read|write|all}_{p50|p90|p99|p999|mean|max}` (without prefix: all), `rto` (the longest unplanned fail-over),
/// `split_brain`. Numbers: `nines`, `outages`, `operations`, `ok`,
/// `failed`, `unknown`, `operations_lost`, `throughput` (ok a second), `max_over_mean`, `cov`, `jain`, `gini` (of
/// requests, or with the prefix `requests_` or `keys_`), `messages_sent`, `messages_per_operation`, `keys_moved` (moved over the
/// fewest that had to, of the worst change), `queue_max` (of the samples), `rpo` (acknowledged writes lost),
/// `false_failovers`, `fact_<kind>`.
pub(crate) fn figure(report: &Report, name: &str) -> Option<Figure> {
    let a = &report.availability;
    let l = &report.load;
    let failover = report.failover.as_ref();
    let measured = a.operations > 0;
    // Outages are known where anybody asked, probes too.
    let known = a.time_fraction.is_some();
    let fraction = |value| Some(Figure { value, unit: Unit::Fraction });
    let time = |ns: u64| Some(Figure { value: known.then_some(ns as f64), unit: Unit::Time });
    let number = |value| Some(Figure { value, unit: Unit::Number });
    let counted = |n: u64| number(measured.then_some(n as f64));
    match name {
        "availability" | "fraction" => fraction(a.fraction),
        "time_availability" | "time_fraction" => fraction(a.time_fraction),
        "read_availability" => fraction(a.read.fraction),
        "write_availability" => fraction(a.write.fraction),
        "probe_availability" => fraction(a.probes.fraction),
        "busy_max" => fraction(l.busy_max),
        // Without an outage there are more nines than any bound asks for.
        "nines" => Some(Figure { value: known.then(|| a.nines.unwrap_or(f64::INFINITY)), unit: Unit::Nines }),
        "longest_outage" => time(a.longest_outage_ns),
        "longest_write_outage" => time(a.longest_write_outage_ns),
        "longest_read_outage" => time(a.longest_read_outage_ns),
        "longest_zone_outage" => time(a.longest_zone_outage_ns),
        "longest_full_outage" => time(a.longest_full_outage_ns),
        "total_outage" => time(a.total_outage_ns),
        "longest_stall" => time(a.longest_stall.duration_ns),
        "outages" => number(known.then_some(a.outages.len() as f64)),
        "operations" => number(Some(a.operations as f64)),
        "ok" => counted(a.ok),
        "failed" => counted(a.failed),
        "unknown" => counted(a.unknown),
        "operations_lost" => counted(a.outages.iter().map(|o| o.operations_lost).sum()),
        "throughput" | "goodput" => {
            number((report.measured_ns() > 0).then(|| a.ok as f64 * 1e9 / report.measured_ns() as f64))
        }
        "max_over_mean" | "requests_max_over_mean" => number(l.requests_max_over_mean),
        "cov" | "requests_cov" => number(l.requests_cov),
        "jain" | "requests_jain" => number(l.requests_jain),
        "gini" | "requests_gini" => number(l.requests_gini),
        "keys_max_over_mean" => number(l.keys_max_over_mean),
        "keys_cov" => number(l.keys_cov),
        "keys_jain" => number(l.keys_jain),
        "keys_gini" => number(l.keys_gini),
        "keys_moved" => number(moves::worst(&l.keys_moved)),
        "queue_max" => number(l.queues.as_ref().map(|q| q.max as f64)),
        "rto" => Some(Figure { value: failover.and_then(|f| f.rto_max_ns).map(|ns| ns as f64), unit: Unit::Time }),
        // Without an acknowledged write there was nothing to lose.
        "rpo" => number(failover.filter(|f| f.acknowledged > 0).map(|f| f.lost as f64)),
        "split_brain" => Some(Figure { value: failover.map(|f| f.split_brain_ns as f64), unit: Unit::Time }),
        "false_failovers" => number(failover.map(|f| f.false_failovers as f64)),
        "messages_sent" => number(Some(report.messages.sent as f64)),
        "messages_per_operation" => number((a.ok > 0).then(|| report.messages.sent as f64 / a.ok as f64)),
        _ => match name.strip_prefix("fact_") {
            Some(kind) => number(Some(report.facts.get(kind).copied().unwrap_or(0) as f64)),
            None => latency(report, name),
        },
    }
}

fn latency(report: &Report, name: &str) -> Option<Figure> {
    let (of, which): (&Latency, &str) = match name.split_once('_') {
        Some(("read", rest)) => (&report.latency.read, rest),
        Some(("write", rest)) => (&report.latency.write, rest),
        Some(("all", rest)) => (&report.latency.all, rest),
        _ => (&report.latency.all, name),
    };
    let ns = match which {
        "p50" => of.p50_ns,
        "p90" => of.p90_ns,
        "p99" => of.p99_ns,
        "p999" => of.p999_ns,
        "mean" => of.mean_ns,
        "max" => of.max_ns,
        _ => return None,
    };
    Some(Figure { value: ns.map(|ns| ns as f64), unit: Unit::Time })
}

/// A value in its unit: `0.99812`, `312 ms`, `1.82`.
pub(crate) fn print(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Time => units::duration(value.max(0.0).round() as u64),
        Unit::Fraction => plain(value, 6),
        Unit::Nines if value.is_infinite() => "no outage".into(),
        Unit::Number if value.is_infinite() => "infinitely many".into(),
        Unit::Number | Unit::Nines => plain(value, 4),
    }
}

fn plain(value: f64, digits: i32) -> String {
    // The shortest form that reads back, so 0.995 stays 0.995.
    format!("{}", units::round(value, digits))
}
