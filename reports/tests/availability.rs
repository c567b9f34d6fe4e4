//! Outages are found where they were made, sharpened to the operations at their ends, and add up.

mod sample;

use proptest::prelude::*;
use reports::analyse;
use sample::{MS, S, Sample, cases};
use sim_core::record::{Ruling, RunRecord};

/// What must hold of every report.
fn check(record: &RunRecord) {
    let a = analyse(record).availability;
    assert_eq!(a.operations, a.ok + a.failed + a.unknown);
    assert_eq!(a.total_outage_ns, a.outages.iter().map(|o| o.duration_ns).sum::<u64>());
    assert_eq!(a.longest_outage_ns, a.outages.iter().map(|o| o.duration_ns).max().unwrap_or(0));
    for o in &a.outages {
        assert_eq!(o.duration_ns, o.end_ns - o.start_ns);
        assert!(o.start_ns >= record.measure_from_ns && o.end_ns <= record.measure_to_ns, "{o:?}");
        assert!(o.operations_lost > 0, "{o:?}");
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
    assert!(of("expect.availability").detail.ends_with("expected >= 0.995"), "{:?}", of("expect.availability"));
    assert_eq!(of("fault_bit").verdict, Ruling::Inconclusive);
    assert_eq!(of("fault_bit").detail, "1 of 4 never bit: partition (isolate) of leader (n2) at 50 s");
}

#[test]
fn the_json_is_stable_and_reads_back() {
    let record = cases::leader_crash();
    let (one, two) = (analyse(&record), analyse(&record.clone()));
    assert_eq!(one.to_json(), two.to_json());
    assert_eq!(serde_json::from_str::<reports::Report>(&one.to_json()).unwrap(), one);
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
        let mut dice = sample::Dice(seed);
        let mut bad = false;
        for op in &mut record.ops {
            if dice.below(12) == 0 {
                bad = dice.below(100) < failing;
            }
            if bad {
                op.outcome = if dice.below(2) == 0 { sim_core::Fate::Failed } else { sim_core::Fate::Unknown };
                op.return_ns += dice.below(300 * MS);
            }
        }
        check(&record);
    }
}
