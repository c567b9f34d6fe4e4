//! Outages are found where they were made, sharpened to the operations at their ends, and add up.

use crate::sample::{MS, S, Sample, cases};
use proptest::prelude::*;
use reports::analyse;
use sim_core::record::{OpRecord, Ruling, RunRecord};
use sim_core::{Class, Fate};

/// What must hold of every report.
fn check(record: &RunRecord) {
    let a = analyse(record).availability;
    assert_eq!(a.operations, a.ok + a.failed + a.unknown);
    // What overlaps counts once, and an entry is as long as its longest scope: the time out of service can only be
    // longer.
    assert!(a.total_outage_ns >= a.outages.iter().map(|o| o.duration_ns).sum::<u64>());
    assert_eq!(a.longest_outage_ns, a.longest_read_outage_ns.max(a.longest_write_outage_ns));
    assert_eq!(a.longest_outage_ns, a.scopes.iter().map(|s| s.longest_outage_ns).max().unwrap_or(0));
    assert!(a.longest_full_outage_ns <= a.longest_zone_outage_ns && a.longest_zone_outage_ns <= a.longest_outage_ns);
    assert_eq!(
        a.scopes.iter().map(|s| s.outages).sum::<u64>(),
        a.outages.iter().map(|o| o.scopes.len() as u64).sum::<u64>(),
    );
    assert_eq!(a.longest_outage_ns, a.outages.iter().map(|o| o.duration_ns).max().unwrap_or(0));
    for o in &a.outages {
        assert_eq!(o.duration_ns, o.end_ns - o.start_ns);
        assert!(o.start_ns >= record.measure_from_ns && o.end_ns <= record.measure_to_ns, "{o:?}");
        assert!(
            !o.scope.is_empty() && o.scopes.iter().any(|s| (s.start_ns, s.end_ns) == (o.start_ns, o.end_ns)),
            "{o:?}"
        );
        let covered = o.phases.iter().fold(o.start_ns, |at, phase| {
            assert_eq!(phase.start_ns, at, "a gap in {o:?}");
            assert!(phase.end_ns > at, "an empty phase in {o:?}");
            phase.end_ns
        });
        assert_eq!(covered, o.end_ns);
    }
    for pair in a.outages.windows(2) {
        assert!(pair[0].end_ns < pair[1].start_ns, "{pair:?}");
    }
    assert!(a.outages.iter().rev().skip(1).all(|o| !o.open), "only the last can be open");
    assert!(a.total_outage_ns <= record.measure_to_ns - record.measure_from_ns);
}

#[test]
fn every_sample_adds_up() {
    for record in cases::all() {
        check(&record);
    }
}

#[test]
fn the_outages_of_the_leader_crashes_are_found_with_phases_and_causes() {
    let report = analyse(&cases::leader_crash());
    let outages = &report.availability.outages;
    assert_eq!(outages.len(), 4);
    let real = [(10 * S, 412), (25 * S, 287), (40 * S, 655), (50 * S, 301)];
    for (o, (start, ms)) in outages.iter().zip(real) {
        assert!(o.start_ns.abs_diff(start) <= 20 * MS, "{o:?}");
        assert!(o.end_ns.abs_diff(start + ms * MS) <= 20 * MS, "{o:?}");
        let names: Vec<_> = o.phases.iter().map(|p| p.name.as_str()).collect();
        assert_eq!(names, ["undetected", "election", "first commit", "clients find the leader"]);
    }
    assert_eq!(outages[0].cause, "crash of leader (n3)");
    assert_eq!(outages[3].cause, "partition (isolate) of leader (n2)");
    assert_eq!(report.worst_outage().unwrap().operations_lost, outages[2].operations_lost);
    assert_eq!((report.ruling, report.exit_code), (Ruling::Pass, 0));
}

#[test]
fn an_outage_the_timeout_forgives_still_shows_as_a_stall() {
    let record = Sample { timeout_ns: S, outages: vec![(20 * S, 20 * S + 300 * MS)], ..Sample::default() }.record();
    let a = analyse(&record).availability;
    assert_eq!(a.outages, []);
    assert_eq!((a.fraction, a.time_fraction, a.nines), (Some(1.0), Some(1.0), None));
    assert!(a.longest_stall.duration_ns.abs_diff(300 * MS) < 10 * MS, "{:?}", a.longest_stall);
}

#[test]
fn an_outage_that_does_not_end_is_open() {
    let record = cases::never_recovers();
    let a = analyse(&record).availability;
    assert_eq!(a.outages.len(), 1);
    assert!(a.outages[0].open);
    assert_eq!(a.outages[0].end_ns, record.measure_to_ns);
    assert_eq!(a.failed + a.unknown, a.outages[0].operations_lost);
}

/// A minute in which every operation of some scopes fails from 10 s to 50 s.
fn dead(sample: Sample, which: impl Fn(&OpRecord) -> bool) -> RunRecord {
    let mut record = Sample { duration_ns: 62 * S, ..sample }.record();
    for op in &mut record.ops {
        if (10 * S..50 * S).contains(&op.invoke_ns) && which(op) {
            (op.outcome, op.node) = (Fate::Unknown, None);
            op.return_ns = op.invoke_ns + record.timeout_ns;
        }
    }
    record.ops.sort_by_key(|op| op.return_ns);
    record
}

/// Whether this is 40 s, give or take a window.
fn forty(ns: u64) -> bool {
    ns.abs_diff(40 * S) <= 100 * MS
}

#[test]
fn an_outage_of_writes_is_seen_however_many_reads_there_are() {
    for reads in [10, 50, 90] {
        let mut dice = crate::sample::Dice(reads);
        let mut sample = Sample { rate: 200, ..Sample::default() };
        for probe_every_ns in [20 * MS, 0] {
            sample.probe_every_ns = probe_every_ns;
            let mut record = sample.record();
            for op in record.ops.iter_mut().filter(|op| !op.probe) {
                op.class = if dice.below(100) < reads { Class::Read } else { Class::Write };
            }
            let ops = record.ops;
            let mut record = dead(sample.clone(), |_| false);
            record.ops = ops;
            for op in &mut record.ops {
                if (10 * S..50 * S).contains(&op.invoke_ns) && op.class == Class::Write {
                    (op.outcome, op.return_ns) = (Fate::Failed, op.invoke_ns + MS);
                }
            }
            let a = analyse(&record).availability;
            assert_eq!(a.outages.len(), 1, "{reads} % reads, probes every {probe_every_ns} ns: {:?}", a.outages);
            assert_eq!(a.outages[0].scope, "writes");
            assert_eq!(a.decided_by_probes, probe_every_ns > 0);
            // Without probes writes are rare where most operations are reads, and the ends are as far apart as they
            // are.
            let slack = if probe_every_ns == 0 && reads == 90 { 600 * MS } else { 100 * MS };
            assert!(a.longest_write_outage_ns.abs_diff(40 * S) <= slack, "{:?}", a.outages);
            assert_eq!((a.longest_outage_ns, a.longest_read_outage_ns), (a.longest_write_outage_ns, 0));
            assert_eq!((a.longest_zone_outage_ns, a.longest_full_outage_ns), (0, 0));
            check(&record);
        }
    }
}

#[test]
fn an_outage_of_one_zone_is_one_and_has_its_length() {
    // Zone b of three has half of a sixth of the operations in a pot: never half of a window.
    for probe_every_ns in [20 * MS, 0] {
        let record = dead(Sample { probe_every_ns, ..Sample::default() }, |op| op.zone == 1);
        let a = analyse(&record).availability;
        let scopes: Vec<_> = a.outages.iter().map(|o| o.scope.as_str()).collect();
        assert_eq!(scopes, ["zone b"]);
        assert!(forty(a.longest_zone_outage_ns) && forty(a.longest_outage_ns), "{:?}", a.outages);
        assert_eq!(a.longest_full_outage_ns, 0);
        let up: Vec<_> = a.scopes.iter().filter(|s| s.longest_outage_ns == 0).map(|s| s.zone.as_str()).collect();
        assert_eq!(up, ["a", "c", "a", "c"]);
        check(&record);
    }
}

#[test]
fn an_outage_of_one_shard_of_three_is_named_so() {
    let shard = |op: &OpRecord| (op.invoke_ns / (20 * MS) % 3) as u16;
    let mut record = dead(Sample::default(), |op| shard(op) == 2);
    record.shards = 3;
    record.ops.iter_mut().for_each(|op| op.shard = shard(op));
    let a = analyse(&record).availability;
    let scopes: Vec<_> = a.outages.iter().map(|o| o.scope.as_str()).collect();
    assert_eq!(scopes, ["1 of 3 shards"]);
    assert!(forty(a.longest_outage_ns), "{:?}", a.outages);
    assert_eq!((a.scopes.len(), a.longest_zone_outage_ns), (18, 0));
    check(&record);
}

#[test]
fn a_class_of_which_too_few_ask_is_unknown_and_not_up() {
    // Without probes, one write every ten seconds.
    let mut record = Sample { probe_every_ns: 0, rate: 400, ..Sample::default() }.record();
    record.ops.retain(|op| op.class == Class::Read || op.invoke_ns % (10 * S) < 2 * MS);
    let a = analyse(&record).availability;
    assert!(a.outages.is_empty() && a.longest_write_outage_ns == 0);
    let of = |class| a.scopes.iter().filter(move |s| s.class == class);
    assert!(of(Class::Write).all(|s| s.unknown_ns > 50 * S), "{:?}", a.scopes);
    assert!(of(Class::Read).all(|s| s.unknown_ns <= 100 * MS), "{:?}", a.scopes);
}

#[test]
fn one_lost_probe_is_no_outage_however_rare_they_are() {
    let mut record = Sample { rate: 0, probe_every_ns: 500 * MS, ..Sample::default() }.record();
    let lost = |op: &&mut OpRecord| op.invoke_ns == 20 * S && op.zone == 0;
    record.ops.iter_mut().filter(lost).for_each(|op| op.outcome = Fate::Unknown);
    assert_eq!(analyse(&record).availability.outages, []);
    // Two in a row are one.
    let two = |op: &&mut OpRecord| (20 * S..21 * S).contains(&op.invoke_ns) && op.zone == 0;
    record.ops.iter_mut().filter(two).for_each(|op| op.outcome = Fate::Unknown);
    let outages = analyse(&record).availability.outages;
    assert_eq!(outages.len(), 1);
    assert_eq!((outages[0].start_ns, outages[0].scope.as_str()), (20 * S, "zone a"));
    assert!(outages[0].end_ns.abs_diff(21 * S) < 10 * MS, "{outages:?}");
}

#[test]
fn probes_are_no_load() {
    let record = Sample { rate: 100, ..Sample::default() }.record();
    let report = analyse(&record);
    let measured = |op: &&OpRecord| (record.measure_from_ns..record.measure_to_ns).contains(&op.invoke_ns);
    let load = record.ops.iter().filter(|op| !op.probe).filter(measured).count() as u64;
    let a = &report.availability;
    assert_eq!((a.operations, a.read.operations + a.write.operations), (load, load));
    assert_eq!(a.by_zone.values().map(|share| share.operations).sum::<u64>(), load);
    assert_eq!(report.latency.all.count, load);
    assert_eq!(a.probes.operations, a.scopes.iter().map(|s| s.operations).sum::<u64>());
}

#[test]
fn an_operation_that_a_stopped_run_left_unanswered_is_not_a_success() {
    // The run stops at 30 s. What had been asked for a while was not served; what had just been asked nobody knows.
    let mut record = dead(Sample::default(), |op| op.class == Class::Write && op.invoke_ns > 20 * S);
    record.ops.retain(|op| op.invoke_ns < 30 * S);
    (record.simulated_ns, record.measure_to_ns) = (30 * S, 30 * S);
    record.ops.iter_mut().filter(|op| op.return_ns >= 30 * S).for_each(|op| {
        (op.outcome, op.return_ns) = (Fate::Unknown, 30 * S);
    });
    let a = analyse(&record).availability;
    assert!(a.unknown > 0 && a.outages.len() == 1 && a.outages[0].open, "{:?}", a.outages);
    assert_eq!((a.outages[0].scope.as_str(), a.longest_read_outage_ns), ("writes", 0));
}

#[test]
fn without_operations_nothing_is_known() {
    let report = analyse(&cases::no_operations());
    assert_eq!(report.availability.fraction, None);
    assert_eq!(report.availability.time_fraction, None);
    assert_eq!((report.ruling, report.exit_code), (Ruling::Inconclusive, 3));
}

#[test]
fn an_empty_record_is_survived() {
    let report = analyse(&RunRecord::default());
    assert_eq!(report.exit_code, 3);
    let odd = RunRecord { measure_from_ns: 5, measure_to_ns: 3, window_ns: 1, ..RunRecord::default() };
    assert_eq!(analyse(&odd).exit_code, 3);
    let long = RunRecord { measure_to_ns: u64::MAX, window_ns: 1, ..RunRecord::default() };
    assert_eq!(analyse(&long).exit_code, 3);
}

#[test]
fn a_failing_run_says_so() {
    let report = analyse(&cases::failing());
    assert_eq!((report.ruling, report.exit_code), (Ruling::Fail, 1));
    let of = |rule: &str| report.verdicts.iter().find(|v| v.rule == rule).unwrap();
    assert_eq!(of("expect.availability").verdict, Ruling::Fail);
    assert!(of("expect.availability").detail.ends_with("expected >= 99.5 %"), "{:?}", of("expect.availability"));
    assert_eq!(of("fault_bit").verdict, Ruling::Inconclusive);
    assert_eq!(of("fault_bit").detail, "1 of 4 never bit: partition (isolate) of leader (n2) at 50 s");
}

#[test]
fn the_json_is_stable() {
    let record = cases::leader_crash();
    let (one, two) = (analyse(&record), analyse(&record.clone()));
    assert_eq!(one.to_json(), two.to_json());
    assert_eq!(serde_json::from_str::<serde_json::Value>(&one.to_json()).unwrap()["seed"], one.seed);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Any outages longer than a window, far enough apart to be two, are found within a probe spacing (and a timeout's
    /// worth of latency) of where they were made.
    #[test]
    fn made_outages_are_found(
        gaps in proptest::collection::vec((800_u64..3000, 210_u64..1500), 0..6),
        seed: u64,
        offset in 0_u64..100_000_000,
    ) {
        let mut at = 3 * S + offset;
        let mut outages = Vec::new();
        for (gap, length) in gaps {
            at += gap * MS;
            outages.push((at, at + length * MS));
            at += length * MS;
        }
        let sample = Sample { duration_ns: at + 5 * S, rate: 50, outages: outages.clone(), seed, ..Sample::default() };
        let record = sample.record();
        check(&record);
        let a = analyse(&record).availability;
        // The timeout is one window: an outage is visible once most of a window's operations time out in it.
        prop_assert_eq!(a.outages.len(), outages.len(), "{:?}", a.outages);
        for (found, (start, end)) in a.outages.iter().zip(outages) {
            prop_assert!(found.start_ns.abs_diff(start) <= 40 * MS, "{:?} for {}", found, start);
            prop_assert!(found.end_ns.abs_diff(end) <= 40 * MS, "{:?} for {}", found, end);
        }
    }

    /// Whatever the outcomes, the sums hold.
    #[test]
    fn arbitrary_outcomes_add_up(seed: u64, failing in 0_u64..100) {
        let mut record = Sample { duration_ns: 8 * S, rate: 60, probe_every_ns: 0, seed, ..Sample::default() }.record();
        let mut dice = crate::sample::Dice(seed);
        let mut bad = false;
        for op in &mut record.ops {
            if dice.below(12) == 0 {
                bad = dice.below(100) < failing;
            }
            if bad {
                op.outcome = if dice.below(2) == 0 { Fate::Failed } else { Fate::Unknown };
                op.return_ns += dice.below(300 * MS);
            }
        }
        check(&record);
    }
}
