//! What clients were promised and did not get: acknowledged writes lost, stale reads, times of two primaries.

use crate::report::Availability;
use crate::units;
use serde::Serialize;
use sim_core::record::RunRecord;
use sim_core::{Class, Fate};
use std::collections::BTreeSet;

/// The part of the report about losses. Operations count once each, as clients saw them, in the whole run; probes do not count.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Losses {
    /// Writes whose clients were told that they are done.
    pub acknowledged_writes: u64,
    /// How many of them are lost (RPO, counted in writes): no node that serves has them, nor will. `null` where the system
    /// keeps no account of it.
    pub lost_writes: Option<u64>,
    /// Reads that saw less than had been acknowledged before they began; `null` likewise.
    pub stale_reads: Option<u64>,
    /// Time in which two nodes or more accepted writes for the same data; times that overlap count once. `null` likewise.
    pub two_primaries_ns: Option<u64>,
    /// Zones whose clients were without service at some time: of reads, of writes, or of a shard. `null` where nobody asked.
    pub unavailable_zones: Option<u64>,
    /// The first hundred of the lost writes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub first_lost: Vec<LostWrite>,
    /// The times of two primaries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub two_primaries: Vec<TwoPrimaries>,
}

/// An acknowledged write that is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LostWrite {
    /// Its key.
    pub key: u64,
    /// What was written, for people.
    pub what: String,
    /// When it was acknowledged.
    pub acknowledged_ns: u64,
    /// By whom.
    pub node: String,
    /// Why it is gone, as far as is known.
    pub why: String,
}

/// A time in which two nodes or more accepted writes for the same data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TwoPrimaries {
    /// Since when.
    pub start_ns: u64,
    /// Until when.
    pub end_ns: u64,
    /// Who did.
    pub nodes: Vec<String>,
    /// Writes that were acknowledged meanwhile by any but the newest of them.
    pub writes: u64,
}

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

/// `179 of 980 acknowledged writes lost; two primaries for 4.56 s; 12 stale reads`, or how good it was; nothing where nobody
/// looked.
pub(crate) fn sentence(losses: &Losses) -> Option<String> {
    let lost = losses.lost_writes?;
    let mut parts = vec![match (lost, losses.acknowledged_writes) {
        (0, 0) => "no write was acknowledged".to_owned(),
        (0, n) => format!("none of {} acknowledged writes lost", units::count(n)),
        (lost, n) => format!("{} of {} acknowledged writes lost", units::count(lost), units::count(n)),
    }];
    parts.extend(losses.two_primaries_ns.map(|ns| match ns {
        0 => "never two primaries".to_owned(),
        ns => format!("two primaries for {}", units::duration(ns)),
    }));
    parts.extend(losses.stale_reads.map(|reads| match reads {
        0 => "no stale read".to_owned(),
        1 => "1 stale read".to_owned(),
        n => format!("{} stale reads", units::count(n)),
    }));
    Some(parts.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_overlap_count_once() {
        assert_eq!(covered(vec![(10, 20), (0, 5), (15, 30), (16, 17), (40, 40)]), 25);
        assert_eq!(covered(Vec::new()), 0);
    }

    #[test]
    fn the_sentence_says_as_much_as_is_known() {
        let sentence = |losses: Losses| sentence(&losses);
        assert_eq!(sentence(Losses { acknowledged_writes: 9, ..Losses::default() }), None);
        let losses = Losses { acknowledged_writes: 1880, lost_writes: Some(2), ..Losses::default() };
        assert_eq!(sentence(losses.clone()).unwrap(), "2 of 1,880 acknowledged writes lost");
        let losses = Losses { lost_writes: Some(0), stale_reads: Some(1), two_primaries_ns: Some(0), ..losses };
        let said = "none of 1,880 acknowledged writes lost; never two primaries; 1 stale read";
        assert_eq!(sentence(losses).unwrap(), said);
    }
}
