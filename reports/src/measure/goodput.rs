//! What was asked of the system and what of that it served in time, in total and over time.

use super::counts::{loads, served};
use super::series::bin_length;
use crate::report::{Goodput, GoodputBin};
use crate::units::{self, fraction, round};
use sim_core::Fate;
use sim_core::measures::Measures;
use sim_core::record::RunRecord;

/// Bins over the measured window, at most.
const BINS: u64 = 120;

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

/// `312 of 400 ops/s served in time`; counted where a rate would say nothing.
pub(crate) fn served_of_offered(g: &Goodput) -> String {
    if g.offered_per_second < 0.1 {
        let sum = |of: fn(&GoodputBin) -> u64| units::count(g.bins.iter().map(of).sum());
        return format!("{} of {} operations served in time", sum(|bin| bin.served), sum(|bin| bin.offered));
    }
    let (served, offered) = (units::short_count(g.served_per_second), units::short_count(g.offered_per_second));
    format!("{served} of {offered} ops/s served in time")
}
