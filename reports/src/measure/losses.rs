//! What clients were promised and did not get: acknowledged writes lost, stale reads, times of two primaries.

use crate::report::{Availability, Losses, LostWrite, TwoPrimaries};
use sim_core::record::RunRecord;
use sim_core::{Class, Fate};
use std::collections::BTreeSet;

/// What was lost in a run.
pub(crate) fn measure(record: &RunRecord, availability: &Availability) -> Losses {
    let asked = !availability.scopes.is_empty();
    let down: BTreeSet<&str> =
        availability.scopes.iter().filter(|scope| scope.outages > 0).map(|scope| scope.zone.as_str()).collect();
    let unavailable_zones = asked.then_some(down.len() as u64);
    let acknowledged =
        record.ops.iter().filter(|op| op.class == Class::Write && op.outcome == Fate::Ok && !op.probe).count() as u64;
    let Some(seen) = &record.measures.losses else {
        return Losses { acknowledged_writes: acknowledged, unavailable_zones, ..Losses::default() };
    };
    let spans = seen.two_primaries.as_ref();
    Losses {
        acknowledged_writes: acknowledged,
        lost_writes: Some(seen.lost),
        stale_reads: seen.stale_reads,
        unavailable_zones,
        two_primaries_ns: spans.map(|spans| covered(spans.iter().map(|s| (s.from_ns, s.to_ns)).collect())),
        first_lost: seen
            .lost_writes
            .iter()
            .map(|w| LostWrite {
                key: w.key,
                what: w.what.clone(),
                acknowledged_ns: w.acknowledged_ns,
                node: record.node_name(w.node),
                why: w.why.clone(),
            })
            .collect(),
        two_primaries: spans
            .into_iter()
            .flatten()
            .map(|s| TwoPrimaries {
                start_ns: s.from_ns,
                end_ns: s.to_ns,
                nodes: s.nodes.iter().map(|n| record.node_name(*n)).collect(),
                writes: s.writes,
            })
            .collect(),
    }
}

/// Time covered by at least one of the spans.
fn covered(mut spans: Vec<(u64, u64)>) -> u64 {
    spans.sort_unstable();
    let (mut sum, mut reached) = (0, 0);
    for (from, to) in spans {
        sum += to.saturating_sub(from.max(reached));
        reached = reached.max(to);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_overlap_count_once() {
        assert_eq!(covered(vec![(10, 20), (0, 5), (15, 30), (16, 17), (40, 40)]), 25);
        assert_eq!(covered(Vec::new()), 0);
    }
}
