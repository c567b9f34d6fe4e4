//! Which operations counted, which succeeded, and what availability that makes.

use super::counts::{measured, served};
use super::scopes::{Scopes, scope_timeout};
use super::{outages, overlaps};
use crate::report::{Availability, Share, Stall};
use crate::units;
use sim_core::record::RunRecord;
use sim_core::{Class, Fate};
use std::collections::BTreeMap;

/// Measures availability: a few passes over the operations, which are not copied.
pub(crate) fn measure(record: &RunRecord) -> Availability {
    let mut a = Availability {
        timeout_ns: record.timeout_ns,
        probe_timeout_ns: scope_timeout(record),
        ..Availability::default()
    };
    let mut zones = vec![Share::default(); record.zones.len()];
    for op in record.ops.iter().filter(|op| measured(record, op)) {
        let ok = served(record, op);
        if op.probe {
            a.probes.count(ok);
            continue;
        }
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
    a.fraction = units::fraction(a.ok, a.operations);
    let scopes = Scopes::of(record);
    let found = outages::find(record, &scopes);
    overlaps::fill(&mut a, record, &scopes, &found);
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
