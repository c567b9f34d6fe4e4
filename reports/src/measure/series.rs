//! What happened when: operations sorted into bins of time, for charts.

use super::counts::measured;
use super::outages;
use super::scopes::{Said, Scopes};
use crate::report::Report;
use sim_core::record::RunRecord;
use sim_core::{Class, Fate};

/// The share served in each column of windows.
pub(crate) struct Served {
    /// Length of a column, nanoseconds.
    pub column_ns: u64,
    /// Windows in a column.
    pub windows: u64,
    /// The worst window's share of reads and of writes, by column; nothing where nothing was invoked.
    pub worst: [Vec<Option<f64>>; 2],
}

/// The shares of reads and writes served over time in at most `most` columns of whole windows, of the operations that
/// decide what is down. Who waited through an outage of his own scope counts as not served, so that the curve is back
/// when the outage is over.
pub(crate) fn served_over_time(record: &RunRecord, report: &Report, most: usize) -> Served {
    let scopes = Scopes::of(record);
    let down = down(&scopes, report);
    let (window_ns, count) = outages::grid(record, scopes.count());
    let mut windows = [vec![(0_u32, 0_u32); count as usize], vec![(0_u32, 0_u32); count as usize]];
    for op in record.ops.iter().filter(|op| scopes.decides(op) && measured(record, op)) {
        let said = scopes.said(op);
        let spans = &down[scopes.index(op)];
        let at = spans.partition_point(|span| span.1 <= op.invoke_ns);
        let waited = spans.get(at).is_some_and(|span| span.0 <= op.invoke_ns);
        let window = ((op.invoke_ns - record.measure_from_ns) / window_ns) as usize;
        let window = &mut windows[usize::from(op.class == Class::Write)][window];
        window.0 += u32::from(said != Said::Nothing);
        window.1 += u32::from(said == Said::Served && !waited);
    }
    let per_column = (count as usize).div_ceil(most.max(1)).max(1);
    let share = |w: &(u32, u32)| (w.0 > 0).then(|| f64::from(w.1) / f64::from(w.0));
    let worst = windows.map(|of| of.chunks(per_column).map(|c| c.iter().filter_map(share).reduce(f64::min)).collect());
    Served { column_ns: window_ns * per_column as u64, windows: per_column as u64, worst }
}

/// The times in which each scope was down, in order.
fn down(scopes: &Scopes<'_>, report: &Report) -> Vec<Vec<(u64, u64)>> {
    let mut spans = vec![Vec::new(); scopes.count()];
    let whole =
        report.availability.outages.iter().flat_map(|outage| &outage.scopes).filter(|part| part.share.is_none());
    for part in whole {
        let is = |index: &usize| {
            let scope = scopes.scope(*index);
            let shard = part.shard.is_none_or(|shard| usize::from(shard) == scope.shard);
            scope.class == part.class && scopes.zone(scope.zone) == part.zone && shard
        };
        if let Some(index) = (0..scopes.count()).find(is) {
            spans[index].push((part.start_ns, part.end_ns));
        }
    }
    spans
}

/// Operations that ended in one bin of time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bin {
    pub ok: u64,
    pub failed: u64,
    pub unknown: u64,
    /// Median latency of the successes, nanoseconds.
    pub p50: Option<u64>,
    /// Their 99th percentile.
    pub p99: Option<u64>,
}

/// Throughput and latency over time, by when operations ended.
pub(crate) struct Activity {
    pub bin_ns: u64,
    pub bins: Vec<Bin>,
}

/// Sorts the operations into at most `most` bins of a length people count in.
pub(crate) fn activity(record: &RunRecord, most: u64) -> Activity {
    let time = record.measure_to_ns.saturating_sub(record.measure_from_ns);
    let bin_ns = bin_length(time, most);
    let count = time.div_ceil(bin_ns) as usize;
    let mut bins = vec![Bin::default(); count];
    let index = |return_ns: u64| {
        let inside = return_ns >= record.measure_from_ns && return_ns < record.measure_to_ns;
        inside.then(|| ((return_ns - record.measure_from_ns) / bin_ns) as usize)
    };
    for op in record.ops.iter().filter(|op| !op.probe) {
        let Some(i) = index(op.return_ns) else { continue };
        match op.outcome {
            Fate::Ok => bins[i].ok += 1,
            Fate::Failed => bins[i].failed += 1,
            Fate::Unknown => bins[i].unknown += 1,
        }
    }
    // The latencies of each bin side by side in one list, however the operations are ordered.
    let mut ends: Vec<usize> = Vec::with_capacity(count);
    let mut total = 0;
    for bin in &bins {
        ends.push(total);
        total += bin.ok as usize;
    }
    let mut latencies = vec![0_u64; total];
    for op in record.ops.iter().filter(|op| op.outcome == Fate::Ok && !op.probe) {
        let Some(i) = index(op.return_ns) else { continue };
        latencies[ends[i]] = op.return_ns.saturating_sub(op.invoke_ns);
        ends[i] += 1;
    }
    let mut rest = latencies.as_mut_slice();
    for bin in &mut bins {
        let (here, after) = rest.split_at_mut(bin.ok as usize);
        rest = after;
        let mut rank = |per_cent: usize| {
            let at = (here.len() * per_cent).div_ceil(100).checked_sub(1)?;
            Some(*here.select_nth_unstable(at).1)
        };
        (bin.p50, bin.p99) = (rank(50), rank(99));
    }
    Activity { bin_ns, bins }
}

/// The shortest length of 1, 2 or 5 times a power of ten nanoseconds, from a microsecond up, that makes at most `most`
/// bins; above ten seconds, of whole minutes' parts.
pub(crate) fn bin_length(time: u64, most: u64) -> u64 {
    let wanted = time.div_ceil(most.max(1)).max(1_000);
    let mut base = 1_000_u64;
    loop {
        for step in [1, 2, 5] {
            if base.saturating_mul(step) >= wanted {
                return base.saturating_mul(step);
            }
        }
        base = base.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::record::OpRecord;

    const MS: u64 = 1_000_000;

    #[test]
    fn the_curve_is_back_when_the_outage_is_over() {
        // Nothing is served from 1 s to 1.5 s; who asks in the last 100 ms of it is patient enough to be answered after
        // it.
        let probe = |at: u64| {
            let waits = (1000..1500).contains(&at);
            let return_ns = if waits { (at + 100).min(1500) } else { at + 1 };
            let outcome = if waits && at < 1400 { Fate::Unknown } else { Fate::Ok };
            OpRecord {
                client: 0,
                op: at,
                class: Class::Write,
                probe: true,
                zone: 0,
                shard: 0,
                invoke_ns: at * MS,
                return_ns: return_ns * MS,
                outcome,
                node: None,
                attempts: 1,
            }
        };
        let record = RunRecord {
            ops: (0..2000).step_by(20).map(probe).collect(),
            simulated_ns: 2000 * MS,
            measure_to_ns: 2000 * MS,
            window_ns: 100 * MS,
            timeout_ns: 100 * MS,
            probe_every_ns: 20 * MS,
            ..RunRecord::default()
        };
        let report = crate::measure::analyse(&record);
        let outages = &report.availability.outages;
        assert_eq!((outages.len(), outages[0].start_ns, outages[0].end_ns), (1, 1000 * MS, 1500 * MS));
        let [reads, writes] = served_over_time(&record, &report, 20).worst;
        assert!(reads.iter().all(Option::is_none));
        let expected: Vec<Option<f64>> = (0..20).map(|w| Some(f64::from(u8::from(!(10..15).contains(&w))))).collect();
        assert_eq!(writes, expected);
    }
}
