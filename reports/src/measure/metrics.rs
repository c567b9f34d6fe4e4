//! The figures of a report by their names: those that an expectation may bound, and those that are followed over many
//! runs.

use super::moves;
use crate::report::{Latency, Report};
use crate::units;
use sim_core::metric::{Metric, MetricKind, Unit};

/// The figures that sweeps and comparisons follow beside availability and latency, the gravest first. A system adds its
/// own (`System::METRICS`).
static FOLLOWED: &[MetricKind] = &[
    MetricKind::new("lost_writes", "lost writes", Unit::Number, "acknowledged writes that were lost").harm(),
    MetricKind::new(
        "two_primaries",
        "two primaries",
        Unit::Time,
        "time in which two nodes accepted writes for the same data",
    )
    .harm(),
    MetricKind::new(
        "stale_reads",
        "stale reads",
        Unit::Number,
        "reads that saw less than had been acknowledged before they began",
    )
    .harm(),
    MetricKind::new(
        "longest_write_outage",
        "outage of writes",
        Unit::Time,
        "the longest, in any zone and of any shard",
    ),
    MetricKind::new("longest_read_outage", "outage of reads", Unit::Time, "the longest, in any zone and of any shard"),
    MetricKind::new(
        "longest_zone_outage",
        "outage of a zone",
        Unit::Time,
        "the longest time in which a zone's clients had neither reads nor writes",
    ),
    MetricKind::new("moved_keys", "keys moved", Unit::Number, "keys that all changes of membership moved"),
];

/// The figures that are followed whatever the system.
#[must_use]
pub fn followed() -> Vec<MetricKind> {
    FOLLOWED.to_vec()
}

/// Whether the figure is followed whatever the system.
pub(crate) fn is_followed(name: &str) -> bool {
    FOLLOWED.iter().any(|kind| kind.name == name)
}

/// Those of a report that it has, and of its recoveries.
pub(crate) fn of(report: &Report) -> Vec<Metric> {
    let value = |kind: &MetricKind| figure(report, &kind.name).and_then(|figure| figure.value);
    let recovery = report.recoveries.iter().flat_map(|r| [&r.kind.longest.0, &r.kind.needless.0]);
    FOLLOWED.iter().chain(recovery).filter_map(|kind| value(kind).map(|value| kind.clone().with(value))).collect()
}

/// A figure of its recoveries, by the name that the system has for it.
fn of_recoveries(report: &Report, name: &str) -> Option<Figure> {
    let r = report.recoveries.as_ref()?;
    let figure = |kind: &MetricKind, value: Option<f64>| (kind.name == name).then(|| Figure::new(value, kind.unit));
    figure(&r.kind.longest.0, r.longest_ns.map(|ns| ns as f64))
        .or_else(|| figure(&r.kind.needless.0, Some(r.needless as f64)))
}

/// One figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Figure {
    /// Nothing when there was nothing to measure.
    pub value: Option<f64>,
    pub unit: Unit,
    /// What an infinite one is called.
    infinite: &'static str,
}

/// The figure called `name`, or nothing when there is no such figure.
///
/// Fractions: `availability` (of operations), `read_availability`, `write_availability`, `probe_availability`,
/// `time_availability`, `busy_max`. Times: `longest_outage` (of any scope), `longest_write_outage`,
/// `longest_read_outage`, `longest_zone_outage`, `longest_full_outage`, `total_outage`, `longest_stall`,
/// `{read|write|all}_{p50|p90|p99|p999|mean|max}` (without prefix: all), `two_primaries` (or `split_brain`). Numbers:
/// `nines`, `outages`, `operations`, `ok`, `failed`, `unknown`, `operations_lost`, `throughput` (ok a second),
/// `max_over_mean`, `cov`, `jain`, `gini` (of requests, or with the prefix `requests_` or `keys_`), `messages_sent`,
/// `messages_per_operation`, `keys_moved` (moved over the fewest that had to, of the worst change), `moved_keys` (of
/// all changes), `queue_max` (of the samples), `lost_writes` (or `rpo`), `stale_reads`, `unavailable_zones`,
/// `fact_<kind>`, those of recoveries, and `<name>` or `metric_<name>` of what the system names itself.
pub(crate) fn figure(report: &Report, name: &str) -> Option<Figure> {
    let a = &report.availability;
    let l = &report.load;
    let losses = &report.losses;
    let measured = a.operations > 0;
    // Outages are known where anybody asked, probes too.
    let known = a.time_fraction.is_some();
    let fraction = |value| Some(Figure::new(value, Unit::Fraction));
    let time_of = |ns: Option<u64>| Some(Figure::new(ns.map(|ns| ns as f64), Unit::Time));
    let time = |ns: u64| time_of(known.then_some(ns));
    let number = |value| Some(Figure::new(value, Unit::Number));
    let counted = |n: u64| number(measured.then_some(n as f64));
    match name {
        "availability" | "fraction" => fraction(a.fraction),
        "time_availability" | "time_fraction" => fraction(a.time_fraction),
        "read_availability" => fraction(a.read.fraction),
        "write_availability" => fraction(a.write.fraction),
        "probe_availability" => fraction(a.probes.fraction),
        "busy_max" => fraction(l.busy_max),
        // Without an outage there are more nines than any bound asks for.
        "nines" => {
            let value = known.then(|| a.nines.unwrap_or(f64::INFINITY));
            Some(Figure { infinite: "no outage", ..Figure::new(value, Unit::Number) })
        }
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
        "moved_keys" => {
            let moved = l.keys_moved.iter().map(|m| m.moved).sum::<u64>();
            number((!l.keys_moved.is_empty()).then_some(moved as f64))
        }
        "queue_max" => number(l.queues.as_ref().map(|q| q.max as f64)),
        // Without an acknowledged write there was nothing to lose.
        "lost_writes" | "rpo" => {
            number(losses.lost_writes.filter(|_| losses.acknowledged_writes > 0).map(|lost| lost as f64))
        }
        "stale_reads" => number(losses.stale_reads.map(|reads| reads as f64)),
        "unavailable_zones" => number(losses.unavailable_zones.map(|zones| zones as f64)),
        "two_primaries" | "split_brain" => time_of(losses.two_primaries_ns),
        "messages_sent" => number(Some(report.messages.sent as f64)),
        "messages_per_operation" => number((a.ok > 0).then(|| report.messages.sent as f64 / a.ok as f64)),
        _ => match name.strip_prefix("fact_") {
            Some(kind) => number(Some(report.facts.get(kind).copied().unwrap_or(0) as f64)),
            None => latency(report, name)
                .or_else(|| of_recoveries(report, name))
                .or_else(|| own(report, name.strip_prefix("metric_").unwrap_or(name))),
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
    Some(Figure::new(ns.map(|ns| ns as f64), Unit::Time))
}

/// What the system names itself.
fn own(report: &Report, name: &str) -> Option<Figure> {
    let metric = report.metrics.iter().find(|metric| metric.kind.name == name)?;
    Some(Figure::new(Some(metric.value), metric.kind.unit))
}

impl Figure {
    const fn new(value: Option<f64>, unit: Unit) -> Self {
        Self { value, unit, infinite: "infinitely many" }
    }

    /// A value like this one in its unit: `99.81 %`, `312 ms`, `1.82`.
    pub(crate) fn print(&self, value: f64) -> String {
        match self.unit {
            Unit::Time => units::duration(value.max(0.0).round() as u64),
            Unit::Number if value.is_infinite() => self.infinite.into(),
            Unit::Fraction => units::percent(value),
            Unit::Number => plain(value, 4),
        }
    }

    /// The same with all digits it has, for values that differ in the last of them.
    pub(crate) fn print_whole(&self, value: f64) -> String {
        match self.unit {
            Unit::Time => format!("{} ns", value.round()),
            Unit::Fraction => format!("{} %", plain(value * 100.0, 7)),
            Unit::Number => plain(value, 9),
        }
    }
}

/// A followed figure for people: `4.56 s`, `1,413`, `99.2 %`.
pub(crate) fn print(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Time => units::duration(value.max(0.0).round() as u64),
        Unit::Fraction => units::percent(value),
        Unit::Number if value.is_infinite() => "infinitely many".into(),
        Unit::Number if value.fract() == 0.0 && value >= 0.0 => units::count(value as u64),
        Unit::Number => units::significant(value),
    }
}

fn plain(value: f64, digits: i32) -> String {
    // The shortest form that reads back, so 0.995 stays 0.995.
    format!("{}", units::round(value, digits))
}
