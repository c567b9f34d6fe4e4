//! Recoveries: for how long clients were without service while the system did something in steps, as the replacement of
//! a primary, and what that time was spent on.
//!
//! A recovery is what clients saw. Of each zone it runs from the moment in which clients there lost service until they
//! had it again (the outage of that zone's scope, see [`super::outages`]), and the zone that waited longest counts. A
//! zone that is cut off by a partition beyond the time at which others were served again waits for the partition to
//! end, not for the recovery: that is an outage, but no recovery. Where no outage is seen, what the system says of
//! itself stands: from the old one's last service to the first that the new one gave.

use crate::report::{Fault, Outage, Recoveries, Recovery, Report, ScopeOutage, Steps, ZoneRecovery};
use sim_core::Fate;
use sim_core::record::RunRecord;
use sim_core::recovery::{self, RecoveryKind};

/// Measures the recoveries of a run, if its system has such a thing, from its outages and faults. An outage that was
/// one recovery gets that one's parts as its phases.
pub(crate) fn measure(record: &RunRecord, report: &mut Report) {
    let Some(recovery::Recoveries { kind, all: seen }) = record.measures.recoveries.as_ref() else { return };
    let outages = &report.availability.outages;
    let mut all: Vec<Recovery> = Vec::new();
    for (i, one) in seen.iter().enumerate() {
        let since = seen[..i].iter().rev().filter(|before| before.shard == one.shard).find_map(in_force).unwrap_or(0);
        let zones = zones(one, since, outages, &report.faults);
        all.push(recovery(record, kind, one, &zones, report.availability.window_ns));
    }
    for outage in &mut report.availability.outages {
        let span = (outage.start_ns, outage.end_ns);
        let its = all.iter().find(|r| r.zone.is_some() && !r.planned && (r.began_ns, r.ended_ns) == span);
        if let Some(its) = its {
            outage.phases = its.phases();
        }
    }
    let unplanned = || all.iter().filter(|r| !r.planned);
    report.recoveries = Some(Recoveries {
        kind: kind.clone(),
        longest_ns: unplanned().map(|r| r.rto_ns).max(),
        needless: unplanned().filter(|r| r.needless).count() as u64,
        all,
    });
}

/// When the new order was in force.
fn in_force(r: &recovery::Recovery) -> Option<u64> {
    *r.steps.iter().nth_back(1)?
}

/// When clients were served again.
fn served(r: &recovery::Recovery) -> Option<u64> {
    *r.steps.last()?
}

/// The outages of zones that this recovery ended, the longest first: those in which the new order came into force, or,
/// where that was not seen, was made, and which began in the time of the old one, `since`. Of a zone the longest of its
/// classes counts.
fn zones(r: &recovery::Recovery, since: u64, outages: &[Outage], faults: &[Fault]) -> Vec<ZoneRecovery> {
    // The first step is that somebody noticed, the last that clients are served.
    let between = r.steps.get(1..r.steps.len().saturating_sub(1)).unwrap_or_default();
    let Some(made) = between.iter().rev().find_map(|step| *step) else { return Vec::new() };
    let of_shard = |o: &&ScopeOutage| o.shard.is_none_or(|shard| u32::from(shard) == r.shard);
    let during = |o: &&ScopeOutage| o.start_ns <= made && o.end_ns >= made && o.start_ns >= since;
    // Whoever is served again only when a partition ends, though others were served before, was cut off from the new
    // one.
    let cut_off = |o: &&ScopeOutage| {
        let served = served(r).unwrap_or(u64::MAX);
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

fn recovery(
    record: &RunRecord,
    kind: &RecoveryKind,
    r: &recovery::Recovery,
    zones: &[ZoneRecovery],
    window_ns: u64,
) -> Recovery {
    let worst = zones.first().filter(|_| !r.planned);
    let (began_ns, ended_ns, open) = match worst {
        Some(zone) => (zone.start_ns, zone.end_ns, zone.open),
        None => {
            let ended = served(r).unwrap_or(record.simulated_ns);
            (r.began_ns, ended.max(r.began_ns), served(r).is_none())
        }
    };
    // Each part begins where the last step that was seen ended, so that the parts add up.
    let mut reached = began_ns;
    let mut part = |at: Option<u64>| {
        let at = at?.clamp(reached, ended_ns);
        Some(at - std::mem::replace(&mut reached, at))
    };
    let last = kind.steps.len().saturating_sub(1);
    let steps = kind.steps.iter().enumerate().map(|(i, step)| {
        let at = if i < last { r.steps.get(i).copied().flatten() } else { (!open).then_some(ended_ns) };
        (step.clone(), part(at))
    });
    Recovery {
        shard: r.shard,
        began_ns,
        ended_ns,
        open,
        rto_ns: ended_ns - began_ns,
        steps: Steps(steps.collect()),
        old: r.old.map(|node| record.node_name(node)),
        new: r.new.map(|node| record.node_name(node)),
        needless: r.needless && !noticed(record, r, window_ns),
        planned: r.planned,
        zone: worst.map(|zone| zone.zone.clone()),
        zones: zones.to_vec(),
    }
}

/// Whether clients were without service when the old one was given up, though it may have seemed to be in order: of
/// what was asked shortly before, less than half had been answered.
fn noticed(record: &RunRecord, r: &recovery::Recovery, window_ns: u64) -> bool {
    let given_up = r.steps.first().copied().flatten().map_or(r.began_ns, |at| at.min(r.began_ns));
    let (from, to) = (given_up.saturating_sub(3 * window_ns), given_up.saturating_sub(window_ns));
    let asked = record.ops.iter().filter(|op| {
        (record.shards == 0 || u32::from(op.shard) == r.shard) && op.invoke_ns >= from && op.invoke_ns < to
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

    const STEPS: [&str; 4] = ["detect", "decide", "promote", "clients back"];

    fn seen(steps: [Option<u64>; 4]) -> recovery::Recovery {
        recovery::Recovery { began_ns: 100, steps: steps.into(), old: Some(0), new: Some(1), ..Default::default() }
    }

    fn made(record: &RunRecord, r: &recovery::Recovery, zones: &[ZoneRecovery], window_ns: u64) -> Recovery {
        let steps = STEPS.iter().map(|name| recovery::Step::new(name, name)).collect();
        super::recovery(record, &RecoveryKind { steps, ..RecoveryKind::default() }, r, zones, window_ns)
    }

    fn parts(r: &Recovery) -> Vec<Option<u64>> {
        r.parts().map(|(_, part)| part).collect()
    }

    #[test]
    fn parts_add_up_whatever_was_seen() {
        let record = RunRecord { simulated_ns: 1000, ..RunRecord::default() };
        let all = [Some(150), Some(190), Some(250), Some(300)];
        let whole = made(&record, &seen(all), &[], 0);
        assert_eq!((parts(&whole), whole.rto_ns), (vec![Some(50), Some(40), Some(60), Some(50)], 200));
        // Nobody saw the decision: what is known still adds up.
        let some = made(&record, &seen([all[0], None, all[2], all[3]]), &[], 0);
        assert_eq!((parts(&some), some.rto_ns), (vec![Some(50), None, Some(100), Some(50)], 200));
        // Nobody was ever served again.
        let open = made(&record, &seen([all[0], all[1], None, None]), &[], 0);
        assert_eq!((parts(&open), open.rto_ns, open.open), (vec![Some(50), Some(40), None, None], 900, true));
        assert_eq!(open.phases().iter().map(|p| p.end_ns - p.start_ns).sum::<u64>(), 900);
    }

    fn outage(zone: &str, start_ns: u64, end_ns: u64) -> Outage {
        let scope = ScopeOutage {
            class: Class::Write,
            zone: zone.into(),
            shard: None,
            start_ns,
            end_ns,
            open: false,
            share: None,
        };
        Outage { start_ns, end_ns, duration_ns: end_ns - start_ns, scopes: vec![scope], ..Outage::default() }
    }

    #[test]
    fn recovery_is_what_the_zone_that_waited_longest_saw() {
        let record = RunRecord { simulated_ns: 100_000 * MS, ..RunRecord::default() };
        // The old primary goes on for its own zone, and the others wait from 20 s on.
        let steps = [28_900, 29_000, 29_050, 29_106].map(|ms| Some(ms * MS));
        let f = recovery::Recovery { began_ns: 29_000 * MS, ..seen(steps) };
        let outages = [outage("b", 20_000 * MS, 29_120 * MS), outage("c", 20_400 * MS, 29_106 * MS)];
        let all = zones(&f, 0, &outages, &[]);
        let seen = made(&record, &f, &all, 100 * MS);
        assert_eq!((seen.zone.as_deref(), seen.rto_ns), (Some("b"), 9_120 * MS));
        assert_eq!(parts(&seen), [Some(8_900 * MS), Some(100 * MS), Some(50 * MS), Some(70 * MS)]);
        assert_eq!(seen.zones.len(), 2);
        // A zone that the partition keeps out waits for its end, not for the recovery.
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
        let steps = [Some(1_000 * MS), Some(1_000 * MS), Some(1_050 * MS), Some(1_050 * MS)];
        let f = recovery::Recovery { needless: true, began_ns: 1_000 * MS, ..seen(steps) };
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
            made(&record, &f, &[], 100 * MS).needless
        };
        assert!(needless(5), "clients had noticed nothing");
        assert!(!needless(400), "a slow primary is as good as none");
        assert!(made(&RunRecord::default(), &f, &[], 100 * MS).needless, "nobody asked");
    }
}
