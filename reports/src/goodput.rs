//! What was asked of the system and what of that it served in time, in total and over time.

use crate::availability::{loads, served};
use crate::series::bin_length;
use crate::units::{fraction, round};
use serde::Serialize;
use sim_core::Fate;
use sim_core::measures::Measures;
use sim_core::record::RunRecord;

/// Bins over the measured window, at most.
const BINS: u64 = 120;

/// Offered load and goodput, by when operations were invoked.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Goodput {
    /// Operations invoked a second.
    pub offered_per_second: f64,
    /// Of those, served in time.
    pub served_per_second: f64,
    /// The one over the other; `null` without operations.
    pub fraction: Option<f64>,
    /// Tries the clients made for each operation.
    pub attempts_per_operation: Option<f64>,
    /// Length of a bin; the last may be shorter.
    pub bin_ns: u64,
    /// The same over time.
    pub bins: Vec<GoodputBin>,
}

/// Operations invoked in one bin of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GoodputBin {
    /// All of them.
    pub offered: u64,
    /// Those served in time.
    pub served: u64,
    /// Those that succeeded too late.
    pub late: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that may or may not have happened: nobody answered.
    pub unknown: u64,
}

/// The report's part on goodput, for systems that measure load: a protocol that orders commands has its throughput.
pub(crate) fn measure(record: &RunRecord) -> Option<Goodput> {
    let time = record.measure_to_ns.saturating_sub(record.measure_from_ns);
    // What is lost and who led, a protocol that orders commands tells as well.
    let beside_these = Measures { losses: None, tracks: Vec::new(), ..record.measures.clone() };
    if time == 0 || beside_these.is_empty() && record.timeline.gauges.is_empty() {
        return None;
    }
    let bin_ns = bin_length(time, BINS);
    let mut bins = vec![GoodputBin::default(); time.div_ceil(bin_ns) as usize];
    let mut attempts = 0;
    for op in record.ops.iter().filter(|op| loads(record, op)) {
        let bin = &mut bins[((op.invoke_ns - record.measure_from_ns) / bin_ns) as usize];
        attempts += u64::from(op.attempts);
        bin.offered += 1;
        match op.outcome {
            Fate::Ok if served(record, op) => bin.served += 1,
            Fate::Ok => bin.late += 1,
            Fate::Failed => bin.failed += 1,
            Fate::Unknown => bin.unknown += 1,
        }
    }
    let (offered, served) = bins.iter().fold((0, 0), |sum, bin| (sum.0 + bin.offered, sum.1 + bin.served));
    let per_second = |count: u64| round(count as f64 * 1e9 / time as f64, 6);
    Some(Goodput {
        offered_per_second: per_second(offered),
        served_per_second: per_second(served),
        fraction: fraction(served, offered),
        attempts_per_operation: fraction(attempts, offered),
        bin_ns,
        bins,
    })
}
