//! Which operations counted, which succeeded, and what availability that makes.

use crate::outages;
use crate::report::{Availability, Share, Stall};
use crate::units;
use sim_core::record::{OpRecord, RunRecord};
use sim_core::{Class, Fate};
use std::collections::BTreeMap;

/// Whether the operation was invoked in the measured window: only those count.
pub(crate) fn measured(record: &RunRecord, op: &OpRecord) -> bool {
    op.invoke_ns >= record.measure_from_ns && op.invoke_ns < record.measure_to_ns
}

/// Whether the operation counts as served: it succeeded, and in time.
pub(crate) fn served(record: &RunRecord, op: &OpRecord) -> bool {
    op.outcome == Fate::Ok && op.return_ns.saturating_sub(op.invoke_ns) <= record.timeout_ns
}

/// Measures availability: three passes over the operations, which are not copied.
pub(crate) fn measure(record: &RunRecord) -> Availability {
    let mut a = Availability { timeout_ns: record.timeout_ns, ..Availability::default() };
    let mut zones = vec![Share::default(); record.zones.len()];
    for op in record.ops.iter().filter(|op| measured(record, op)) {
        let ok = served(record, op);
        a.operations += 1;
        match op.outcome {
            _ if ok => a.ok += 1,
            Fate::Ok => (a.failed, a.late) = (a.failed + 1, a.late + 1),
            Fate::Failed => a.failed += 1,
            Fate::Unknown => a.unknown += 1,
        }
        match op.class {
            Class::Read => a.read.count(ok),
            Class::Write => a.write.count(ok),
        }
        if op.probe {
            a.probes.count(ok);
        }
        if let Some(zone) = zones.get_mut(usize::from(op.zone)) {
            zone.count(ok);
        }
    }
    for share in [&mut a.read, &mut a.write, &mut a.probes].into_iter().chain(&mut zones) {
        share.close();
    }
    if zones.len() > 1 {
        a.by_zone = record.zones.iter().cloned().zip(zones).collect::<BTreeMap<_, _>>();
    }
    a.longest_stall = longest_stall(record);

    let found = outages::find(record);
    (a.window_ns, a.windows) = (found.window_ns, found.windows);
    (a.windows_down, a.windows_empty) = (found.windows_down, found.windows_empty);
    a.outages = found.outages;
    a.longest_outage_ns = a.outages.iter().map(|o| o.duration_ns).max().unwrap_or(0);
    a.total_outage_ns = a.outages.iter().map(|o| o.duration_ns).sum();

    a.fraction = units::fraction(a.ok, a.operations);
    let time = record.measure_to_ns.saturating_sub(record.measure_from_ns);
    if a.operations > 0 {
        let lost = a.total_outage_ns as f64 / time as f64;
        a.time_fraction = Some(units::round(1.0 - lost, 9));
        // From the lost share itself: 1 - (1 - x) would throw digits away.
        a.nines = (a.total_outage_ns > 0).then(|| units::round(-libm::log10(lost), 4).max(0.0));
    }
    a
}

/// The longest time between two successful returns, the ends of the measured window included.
fn longest_stall(record: &RunRecord) -> Stall {
    let (from, to) = (record.measure_from_ns, record.measure_to_ns);
    let mut last = from;
    let mut longest = Stall { start_ns: from, duration_ns: 0 };
    let mut gap = |start: u64, end: u64| {
        if end.saturating_sub(start) > longest.duration_ns {
            longest = Stall { start_ns: start, duration_ns: end - start };
        }
    };
    // Operations come in order of their end, so the successes do too; an odd one out only makes a gap look shorter.
    for op in record.ops.iter().filter(|op| op.outcome == Fate::Ok && op.return_ns >= from && op.return_ns < to) {
        gap(last, op.return_ns);
        last = last.max(op.return_ns);
    }
    gap(last, to);
    longest
}
