//! How primaries were replaced: for how long clients were without service, and what that time was spent on.
//!
//! Recovery is what clients saw. Of each zone it runs from the moment in which clients there lost service until they had it
//! again (the outage of that zone's scope, see [`crate::outages`]), and the zone that waited longest counts. A zone that is cut
//! off by a partition beyond the time at which others were served again waits for the partition to end, not for the fail-over: that
//! is an outage, but no recovery. Where no outage is seen, what the system says of itself stands: from the old primary's last
//! service to the first write that the new one acknowledged.

use crate::report::{Fault, Outage, Phase, Report, ScopeOutage};
use serde::{Deserialize, Serialize};
use sim_core::record::RunRecord;
use sim_core::{Fate, measures};

/// What recovery is spent on, in order.
pub(crate) const PARTS: [&str; 4] = ["detect", "decide", "promote", "clients back"];

/// Which of the looks of phases a part of a fail-over has; nothing for a phase that is none.
pub(crate) fn look(name: &str) -> Option<usize> {
    PARTS.iter().position(|part| *part == name).map(|index| index + 1)
}

/// The fail-over part of the report. Times are simulated nanoseconds since the start of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverReport {
    /// Each replacement of a primary, in order of time.
    pub failovers: Vec<Replacement>,
    /// The longest recovery (RTO). Planned ones do not count. One that never ended lasts until the end of the run. `null` if
    /// there was none.
    pub rto_max_ns: Option<u64>,
    /// Replacements of a primary that was in order, as far as clients could notice.
    pub false_failovers: u64,
}

/// One replacement of a primary. The four parts make up `rto_ns`; a step that was not seen is a part of the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// Which part of the data; 0 where there is one.
    pub shard: u32,
    /// When clients of `zone` lost service; without an outage, when the old primary stopped serving or was given up.
    pub began_ns: u64,
    /// When they had it again, or the end of the run.
    pub ended_ns: u64,
    /// Nobody had been served again when the run ended.
    pub open: bool,
    /// `ended_ns - began_ns`.
    pub rto_ns: u64,
    /// Until somebody held the old primary for dead.
    pub detect_ns: Option<u64>,
    /// From then until it was decided who follows.
    pub decide_ns: Option<u64>,
    /// From then until the new primary began to accept writes.
    pub promote_ns: Option<u64>,
    /// From then until clients were served.
    pub clients_ns: Option<u64>,
    /// The old primary.
    pub old: Option<String>,
    /// The new one.
    pub new: Option<String>,
    /// Whether the old primary was in order, as far as clients could notice: nobody had to be replaced.
    pub needless: bool,
    /// Whether an operator or fail-back asked for it.
    pub planned: bool,
    /// The zone whose clients waited longest; `null` where no zone had an outage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// How long each zone's clients waited, the longest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<ZoneRecovery>,
}

/// How long the clients of a zone were without service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZoneRecovery {
    /// The zone.
    pub zone: String,
    /// The first operation that was not served.
    pub start_ns: u64,
    /// When the first success after it returned.
    pub end_ns: u64,
    /// It had not ended when the measured window did.
    pub open: bool,
}

impl Replacement {
    /// What the time was spent on, each part with its name; nothing for a step that was not seen.
    pub(crate) fn parts(&self) -> [(&'static str, Option<u64>); 4] {
        let [detect, decide, promote, clients] = PARTS;
        [(detect, self.detect_ns), (decide, self.decide_ns), (promote, self.promote_ns), (clients, self.clients_ns)]
    }

    /// The same as phases of the outage that it was.
    fn phases(&self) -> Vec<Phase> {
        let mut from = self.began_ns;
        let parts = self.parts().into_iter().filter_map(|(name, part)| Some((name, part?)));
        let mut phases: Vec<Phase> = parts
            .map(|(name, part)| {
                let start_ns = from;
                from += part;
                Phase { name: name.to_owned(), start_ns, end_ns: from }
            })
            .filter(|phase| phase.end_ns > phase.start_ns)
            .collect();
        if from < self.ended_ns {
            // It never came to the next step.
            let next = self.parts().iter().position(|(_, part)| part.is_none()).unwrap_or(PARTS.len() - 1);
            phases.push(Phase { name: PARTS[next].to_owned(), start_ns: from, end_ns: self.ended_ns });
        }
        phases
    }
}

/// A node's name; its number where the record does not know it.
pub(crate) fn name(record: &RunRecord, node: u32) -> String {
    record.nodes.get(node as usize).map_or_else(|| format!("n{}", u64::from(node) + 1), |n| n.name.clone())
}

/// Measures the fail-over part of the report, if the system has primaries, from its outages and faults. An outage that was
/// one fail-over gets that one's parts as its phases.
pub(crate) fn measure(record: &RunRecord, report: &mut Report) {
    let Some(seen) = record.measures.failover.as_ref() else { return };
    let outages = &report.availability.outages;
    let mut failovers: Vec<Replacement> = Vec::new();
    for (i, f) in seen.failovers.iter().enumerate() {
        let since =
            seen.failovers[..i].iter().rev().find(|before| before.shard == f.shard && before.promoted_ns.is_some());
        let since = since.and_then(|before| before.promoted_ns).unwrap_or(0);
        failovers.push(replacement(
            record,
            f,
            &zones(f, since, outages, &report.faults),
            report.availability.window_ns,
        ));
    }
    for outage in &mut report.availability.outages {
        let span = (outage.start_ns, outage.end_ns);
        let its = failovers.iter().find(|f| f.zone.is_some() && !f.planned && (f.began_ns, f.ended_ns) == span);
        if let Some(its) = its {
            outage.phases = its.phases();
        }
    }
    let unplanned = || failovers.iter().filter(|f| !f.planned);
    report.failover = Some(FailoverReport {
        rto_max_ns: unplanned().map(|f| f.rto_ns).max(),
        false_failovers: unplanned().filter(|f| f.needless).count() as u64,
        failovers,
    });
}

/// The outages of zones that this fail-over ended, the longest first: those in which the new primary was made, which began in the
/// time of the old one, `since`. Of a zone the longest of its classes counts.
fn zones(f: &measures::Failover, since: u64, outages: &[Outage], faults: &[Fault]) -> Vec<ZoneRecovery> {
    let Some(made) = f.promoted_ns.or(f.decided_ns) else { return Vec::new() };
    let of_shard = |o: &&ScopeOutage| o.shard.is_none_or(|shard| u32::from(shard) == f.shard);
    let during = |o: &&ScopeOutage| o.start_ns <= made && o.end_ns >= made && o.start_ns >= since;
    // Whoever is served again only when a partition ends, though others were served before, was cut off from the new primary.
    let cut_off = |o: &&ScopeOutage| {
        let served = f.served_ns.unwrap_or(u64::MAX);
        let keeps =
            |fault: &Fault| fault.kind == "partition" && fault.bit && fault.start_ns <= served && fault.end_ns > served;
        faults.iter().any(|fault| keeps(fault) && (o.open || o.end_ns >= fault.end_ns))
    };
    let ended = outages.iter().flat_map(|o| &o.scopes).filter(of_shard).filter(during).filter(|o| !cut_off(o));
    let mut zones: Vec<ZoneRecovery> = Vec::new();
    for o in ended {
        let this = ZoneRecovery { zone: o.zone.clone(), start_ns: o.start_ns, end_ns: o.end_ns, open: o.open };
        match zones.iter_mut().find(|zone| zone.zone == o.zone) {
            Some(known) if known.end_ns - known.start_ns >= o.end_ns - o.start_ns => {}
            Some(known) => *known = this,
            None => zones.push(this),
        }
    }
    zones.sort_by_key(|zone| (std::cmp::Reverse(zone.end_ns - zone.start_ns), zone.start_ns));
    zones
}

fn replacement(record: &RunRecord, f: &measures::Failover, zones: &[ZoneRecovery], window_ns: u64) -> Replacement {
    let worst = zones.first().filter(|_| !f.planned);
    let (began_ns, ended_ns, open) = match worst {
        Some(zone) => (zone.start_ns, zone.end_ns, zone.open),
        None => {
            let ended = f.served_ns.unwrap_or(record.simulated_ns);
            (f.began_ns, ended.max(f.began_ns), f.served_ns.is_none())
        }
    };
    // Each part begins where the last step that was seen ended, so that the parts add up.
    let mut reached = began_ns;
    let mut part = |at: Option<u64>| {
        let at = at?.clamp(reached, ended_ns);
        Some(at - std::mem::replace(&mut reached, at))
    };
    Replacement {
        shard: f.shard,
        began_ns,
        ended_ns,
        open,
        rto_ns: ended_ns - began_ns,
        detect_ns: part(f.detected_ns),
        decide_ns: part(f.decided_ns),
        promote_ns: part(f.promoted_ns),
        clients_ns: part(if open { None } else { Some(ended_ns) }),
        old: f.old.map(|n| name(record, n)),
        new: f.new.map(|n| name(record, n)),
        needless: f.needless && !noticed(record, f, window_ns),
        planned: f.planned,
        zone: worst.map(|zone| zone.zone.clone()),
        zones: zones.to_vec(),
    }
}

/// Whether clients were without service when the old primary was given up, though it may have seemed to be in order: of what was
/// asked shortly before, less than half had been answered.
fn noticed(record: &RunRecord, f: &measures::Failover, window_ns: u64) -> bool {
    let given_up = f.detected_ns.map_or(f.began_ns, |at| at.min(f.began_ns));
    let (from, to) = (given_up.saturating_sub(3 * window_ns), given_up.saturating_sub(window_ns));
    let asked = record.ops.iter().filter(|op| {
        (record.shards == 0 || u32::from(op.shard) == f.shard) && op.invoke_ns >= from && op.invoke_ns < to
    });
    let (asked, answered) = asked.fold((0_u64, 0_u64), |(asked, answered), op| {
        (asked + 1, answered + u64::from(op.outcome == Fate::Ok && op.return_ns <= given_up))
    });
    asked > 1 && answered * 2 < asked
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Class;
    use sim_core::record::OpRecord;

    const MS: u64 = 1_000_000;

    fn seen() -> measures::Failover {
        measures::Failover {
            began_ns: 100,
            detected_ns: Some(150),
            decided_ns: Some(190),
            promoted_ns: Some(250),
            served_ns: Some(300),
            old: Some(0),
            new: Some(1),
            ..measures::Failover::default()
        }
    }

    fn parts(r: &Replacement) -> [Option<u64>; 4] {
        [r.detect_ns, r.decide_ns, r.promote_ns, r.clients_ns]
    }

    #[test]
    fn parts_add_up_whatever_was_seen() {
        let record = RunRecord { simulated_ns: 1000, ..RunRecord::default() };
        let whole = replacement(&record, &seen(), &[], 0);
        assert_eq!((parts(&whole), whole.rto_ns), ([Some(50), Some(40), Some(60), Some(50)], 200));
        // Nobody saw the decision: what is known still adds up.
        let some = replacement(&record, &measures::Failover { decided_ns: None, ..seen() }, &[], 0);
        assert_eq!((parts(&some), some.rto_ns), ([Some(50), None, Some(100), Some(50)], 200));
        // Nobody was ever served again.
        let never = measures::Failover { served_ns: None, promoted_ns: None, ..seen() };
        let open = replacement(&record, &never, &[], 0);
        assert_eq!((parts(&open), open.rto_ns, open.open), ([Some(50), Some(40), None, None], 900, true));
        assert_eq!(open.phases().iter().map(|p| p.end_ns - p.start_ns).sum::<u64>(), 900);
    }

    fn outage(zone: &str, start_ns: u64, end_ns: u64) -> Outage {
        let scope = ScopeOutage { class: Class::Write, zone: zone.into(), shard: None, start_ns, end_ns, open: false };
        Outage { start_ns, end_ns, duration_ns: end_ns - start_ns, scopes: vec![scope], ..Outage::default() }
    }

    #[test]
    fn recovery_is_what_the_zone_that_waited_longest_saw() {
        let record = RunRecord { simulated_ns: 100_000 * MS, ..RunRecord::default() };
        // The old primary goes on for its own zone, and the others wait from 20 s on.
        let f = measures::Failover {
            began_ns: 29_000 * MS,
            detected_ns: Some(28_900 * MS),
            decided_ns: Some(29_000 * MS),
            promoted_ns: Some(29_050 * MS),
            served_ns: Some(29_106 * MS),
            ..measures::Failover::default()
        };
        let outages = [outage("b", 20_000 * MS, 29_120 * MS), outage("c", 20_400 * MS, 29_106 * MS)];
        let all = zones(&f, 0, &outages, &[]);
        let seen = replacement(&record, &f, &all, 100 * MS);
        assert_eq!((seen.zone.as_deref(), seen.rto_ns), (Some("b"), 9_120 * MS));
        assert_eq!(parts(&seen), [Some(8_900 * MS), Some(100 * MS), Some(50 * MS), Some(70 * MS)]);
        assert_eq!(seen.zones.len(), 2);
        // A zone that the partition keeps out waits for its end, not for the fail-over.
        let partition = Fault {
            kind: "partition".into(),
            start_ns: 20_000 * MS,
            end_ns: 80_000 * MS,
            bit: true,
            ..Fault::default()
        };
        let with_a = [outage("a", 25_000 * MS, 80_010 * MS), outages[0].clone()];
        let counted = zones(&f, 0, &with_a, std::slice::from_ref(&partition));
        assert_eq!(counted.iter().map(|z| z.zone.as_str()).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_primary_that_clients_could_not_use_is_not_replaced_needlessly() {
        let f = measures::Failover {
            needless: true,
            began_ns: 1_000 * MS,
            detected_ns: Some(1_000 * MS),
            promoted_ns: Some(1_050 * MS),
            ..seen()
        };
        // An operation every 20 ms, each answered after `took`.
        let needless = |took: u64| {
            let op = |i: u64| OpRecord {
                client: 0,
                op: i,
                class: Class::Write,
                probe: false,
                zone: 0,
                shard: 0,
                invoke_ns: i * 20 * MS,
                return_ns: (i * 20 + took) * MS,
                outcome: Fate::Ok,
                node: None,
                attempts: 1,
            };
            let record = RunRecord { ops: (0..100).map(op).collect(), ..RunRecord::default() };
            replacement(&record, &f, &[], 100 * MS).needless
        };
        assert!(needless(5), "clients had noticed nothing");
        assert!(!needless(400), "a slow primary is as good as none");
        assert!(replacement(&RunRecord::default(), &f, &[], 100 * MS).needless, "nobody asked");
    }
}
