//! Latency distributions of the operations that succeeded.

use super::counts::loads;
use crate::report::{Latencies, Latency};
use hdrhistogram::Histogram;
use sim_core::record::RunRecord;
use sim_core::{Class, Fate};

/// Three significant digits: a quantile is off by at most one in a thousand.
const DIGITS: u8 = 3;

/// The two histograms everything about latency is read from.
pub(crate) struct Histograms {
    read: Distribution,
    write: Distribution,
}

/// A histogram with its exact ends and mean.
pub(crate) struct Distribution {
    histogram: Histogram<u64>,
    sum: u128,
    min: u64,
    max: u64,
}

impl Distribution {
    fn new() -> Self {
        Self { histogram: Histogram::new(DIGITS).expect("three digits are allowed"), sum: 0, min: u64::MAX, max: 0 }
    }

    fn record(&mut self, ns: u64) {
        // A histogram's range ends at 2^63; 290 years will do.
        self.histogram.record(ns.min(u64::MAX >> 1)).expect("the histogram grows as needed");
        self.sum += u128::from(ns);
        self.min = self.min.min(ns);
        self.max = self.max.max(ns);
    }

    fn add(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("the histogram grows as needed");
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The value that `quantile` of the operations did not exceed, nanoseconds; nothing without operations.
    pub(crate) fn quantile(&self, quantile: f64) -> Option<u64> {
        (!self.histogram.is_empty()).then(|| self.histogram.value_at_quantile(quantile).clamp(self.min, self.max))
    }

    fn summarise(&self) -> Latency {
        let some = !self.histogram.is_empty();
        let count = self.histogram.len();
        Latency {
            count,
            min_ns: some.then_some(self.min),
            mean_ns: some.then(|| (self.sum as f64 / count as f64).round() as u64),
            p50_ns: self.quantile(0.5),
            p90_ns: self.quantile(0.9),
            p99_ns: self.quantile(0.99),
            p999_ns: self.quantile(0.999),
            max_ns: some.then_some(self.max),
        }
    }

    /// The cumulative distribution as (nanoseconds, share of operations at most this slow), from the fastest to the
    /// slowest, both included.
    pub(crate) fn cdf(&self) -> Vec<(u64, f64)> {
        let total = self.histogram.len();
        if total == 0 {
            return Vec::new();
        }
        let mut seen = 0;
        let mut points = vec![(self.min, 0.0)];
        for step in self.histogram.iter_recorded() {
            seen += step.count_since_last_iteration();
            points.push((step.value_iterated_to().clamp(self.min, self.max), seen as f64 / total as f64));
        }
        points
    }
}

impl Histograms {
    /// Reads every success once.
    pub(crate) fn of(record: &RunRecord) -> Self {
        let (mut read, mut write) = (Distribution::new(), Distribution::new());
        for op in record.ops.iter().filter(|op| op.outcome == Fate::Ok && loads(record, op)) {
            let into = if op.class == Class::Read { &mut read } else { &mut write };
            into.record(op.return_ns.saturating_sub(op.invoke_ns));
        }
        Self { read, write }
    }

    /// Reads.
    pub(crate) fn read(&self) -> &Distribution {
        &self.read
    }

    /// Writes.
    pub(crate) fn write(&self) -> &Distribution {
        &self.write
    }

    /// The figures of the report.
    pub(crate) fn summarise(&self) -> Latencies {
        let mut all = Distribution::new();
        all.add(&self.read);
        all.add(&self.write);
        Latencies { read: self.read.summarise(), write: self.write.summarise(), all: all.summarise() }
    }
}
