//! Disks: group commit, what crashes leave, failing, stalling and slow syncs, reads, compaction.

use crate::support::*;
use sim_core::fault::{DiskChange, Fault, OnCrash, Target};
use sim_core::network::Latency;
use sim_core::{Completion, DiskPolicy, EngineConfig, NodeId, Probability, Timer, WriteId};
use std::rc::Rc;

/// Appends 1, 2, 3 ... every 300 us and asks for a sync each time.
fn writer() -> Script {
    Script {
        boot: |_, fx| fx.arm(Timer(0), us(300)),
        timer: |node, timer, fx| {
            node.count += 1;
            fx.append(node.count);
            fx.sync();
            fx.arm(timer, us(300));
        },
        ..Script::default()
    }
}

fn synced(run: &Run) -> Vec<(u64, u64)> {
    let seen = &live(run, 0).seen;
    seen.iter()
        .filter_map(|(t, s)| if let Seen::Synced(n) = s { Some((since_start(*t) / 1_000, *n)) } else { None })
        .collect()
}

#[test]
fn one_sync_in_flight_and_the_next_covers_all_that_came_meanwhile() {
    let mut run = start(config(1), writer());
    run_to(&mut run, at(5));
    // The first is asked for at 300 us and takes 1 ms; writes 2, 3 and 4 (at 600, 900, 1200) wait for the next one.
    assert_eq!(synced(&run), [(1_300, 1), (2_300, 4), (3_300, 7), (4_300, 10)]);
    assert_eq!((run.stats()[0].syncs, run.stats()[0].disk_busy_ns), (4, 4_700_000));
}

#[test]
fn nothing_is_synced_that_nobody_asked_for() {
    let script = Script {
        boot: |_, fx| {
            fx.append(1);
            fx.sync();
            fx.append(2);
        },
        ..Script::default()
    };
    let mut run = start(config(1), script);
    run_to(&mut run, at(5));
    assert_eq!(synced(&run).len(), 1);
    assert_eq!(run.stats()[0].syncs, 1);
}

fn crashed_at(micros: u64, on_crash: OnCrash, seed: u64) -> (Vec<u64>, usize) {
    let at = sim_core::Instant::ZERO + us(micros);
    let schedule = faults(vec![(Fault::Crash { on_crash }, Target::Node(NodeId(0)), at, at + ms(1))]);
    let mut run = start(EngineConfig { schedule, seed, ..config(1) }, writer());
    run_to(&mut run, at + ms(1));
    let lost = run.observer().crashed[0].3;
    let Seen::Boot(found) = &live(&run, 0).seen[0].1 else { panic!("a life starts with a boot") };
    assert_eq!(run.observer().booted[1].2, found.len());
    (found.clone(), lost)
}

#[test]
fn a_node_boots_with_what_the_crash_left() {
    // At 3 ms: written are 1 to 10 (the tenth at this very instant, before the crash or after), synced 1 to 4.
    let (found, lost) = crashed_at(2_950, OnCrash::Keep, 1);
    assert_eq!((found, lost), ((1..=9).collect(), 0));
    let (found, lost) = crashed_at(2_950, OnCrash::LoseUnsynced, 1);
    assert_eq!((found, lost), ((1..=4).collect(), 5));
    let (found, lost) = crashed_at(2_950, OnCrash::Wipe, 1);
    assert_eq!((found, lost), (vec![], 9));
    let torn: Vec<usize> = (0..60)
        .map(|seed| crashed_at(2_950, OnCrash::Torn, seed))
        .map(|(found, _)| {
            assert!(found.iter().copied().eq(1..=found.len() as u64));
            found.len()
        })
        .collect();
    for length in 4..=9 {
        assert!(torn.contains(&length), "{length} of {torn:?}");
    }
    assert!(torn.iter().all(|n| (4..=9).contains(n)));
}

#[test]
fn a_sync_a_crash_overtook_reports_to_nobody_and_ids_are_never_reused() {
    let schedule = faults(vec![(Fault::Crash { on_crash: OnCrash::LoseUnsynced }, Target::All, at(1), at(2))]);
    let mut run = start(EngineConfig { schedule, ..config(1) }, writer());
    run_to(&mut run, at(4));
    // Writes 1 to 3 of the first life are gone; the second life's first one is the fourth, synced a millisecond later.
    assert_eq!(synced(&run), [(3_300, 4)]);
}

#[test]
fn a_failed_sync_halts_the_node_and_its_supervisor_restarts_it() {
    let failing =
        faults(vec![(Fault::Disk(DiskChange::FailSync(Probability::ALWAYS)), Target::Node(NodeId(0)), at(10), at(40))]);
    let mut run = start(EngineConfig { schedule: failing, ..config(2) }, Script { remember: true, ..counter(2) });
    run.add_client(seat(sim_core::Routing::Fixed(NodeId(0))), timetable(vec![at(2), at(15), at(60)]));
    run_to(&mut run, at(500));
    let crashed = &run.observer().crashed;
    assert!(crashed.iter().all(|(_, node, why, _)| node.0 == 0 && *why == Some("a sync failed")));
    let booted: Vec<_> = run.observer().booted.iter().filter(|(_, n, _)| n.0 == 0).collect();
    assert_eq!(booted.len(), crashed.len() + 1);
    for (crash, boot) in crashed.iter().zip(&booted[1..]) {
        assert_eq!(boot.0.since(crash.0), ms(10), "the supervisor takes its time");
    }
    // Written at 2 ms and answered: still there. Never answered: never acknowledged either.
    assert!(booted[1..].iter().all(|(_, _, records)| *records >= 1));
    assert!(run.faults()[0].touched >= 1);
    assert_eq!(run.observer().ended.iter().filter(|e| e.fate == sim_core::Fate::Ok).count(), 3);
}

#[test]
fn a_node_that_syncs_again_after_a_failure_believes_a_lie() {
    // The kernel has dropped the dirty pages of the first sync: the second one succeeds without them.
    let script = || Script {
        boot: |_, fx| {
            fx.append(1);
            fx.sync();
        },
        disk: |_, done, fx| {
            if matches!(done, Completion::SyncFailed { .. }) {
                fx.append(2);
                fx.sync();
            }
        },
        ..Script::default()
    };
    let left = |on_crash| {
        let failing = Fault::Disk(DiskChange::FailSync(Probability::ALWAYS));
        let schedule = faults(vec![
            (failing, Target::All, at(0), sim_core::Instant::ZERO + us(1_500)),
            (Fault::Crash { on_crash }, Target::All, at(10), at(11)),
        ]);
        let mut run = start(EngineConfig { schedule, ..config(1) }, script());
        run_to(&mut run, at(9));
        assert_eq!(synced(&run), [(2_000, 2)]);
        run_to(&mut run, at(11));
        let Seen::Boot(found) = &live(&run, 0).seen[0].1 else { panic!("a life starts with a boot") };
        found.clone()
    };
    assert_eq!(left(OnCrash::LoseUnsynced), [2]);
    assert_eq!(left(OnCrash::Torn), [2]);
    assert_eq!(left(OnCrash::Keep), [1, 2], "the page cache survives the process");
}

#[test]
fn a_policy_s_failures_have_their_rate() {
    let mut config = config(1);
    config.nodes[0].disk = Rc::new(DiskPolicy {
        sync: Latency::uniform(us(50), us(150)),
        fail: Probability::per_billion(200_000_000),
        ..DiskPolicy::default()
    });
    let mut run = start(config, writer());
    run_to(&mut run, at(3_000));
    let failed = live(&run, 0).seen.iter().filter(|(_, s)| matches!(s, Seen::SyncFailed(_))).count();
    let all = run.stats()[0].syncs;
    assert!(all > 9_900 && (1_800..2_200).contains(&failed), "{failed} of {all}");
}

fn stalled(faults_: Vec<(Fault, Target, sim_core::Instant, sim_core::Instant)>) -> Run {
    let mut run = start(EngineConfig { schedule: faults(faults_), ..config(1) }, writer());
    run_to(&mut run, at(30));
    run
}

#[test]
fn no_sync_completes_during_a_stall() {
    let stall = |from, until| (Fault::Disk(DiskChange::Stall), Target::All, at(from), at(until));
    // One sync is in flight when it begins, asked for at 1.3 ms.
    let run = stalled(vec![stall(2, 10)]);
    assert!(synced(&run).iter().all(|(t, _)| !(2_000..10_000).contains(t)), "{:?}", synced(&run));
    let after: Vec<_> = synced(&run).into_iter().filter(|(t, _)| *t >= 10_000).collect();
    assert_eq!(after[..2], [(11_000, 4), (12_000, 36)], "the one in flight starts over; the next covers the backlog");
    assert!(run.faults()[0].touched >= 1);
    assert!(synced(&run).last().expect("syncs go on").0 > 28_000);
    // Overlapping stalls hold until the last has ended.
    let run = stalled(vec![stall(2, 10), stall(5, 15)]);
    assert!(synced(&run).iter().all(|(t, _)| !(2_000..15_000).contains(t)), "{:?}", synced(&run));
    assert!(run.faults().iter().all(|f| f.touched > 0));
    // On an idle disk it touches nothing.
    let schedule = faults(vec![stall(2, 10)]);
    let mut idle = start(EngineConfig { schedule, ..config(1) }, Script::default());
    run_to(&mut idle, at(30));
    assert_eq!(idle.faults()[0].touched, 0);
}

#[test]
fn a_crash_during_a_stall_leaves_nothing_half_done() {
    let run = stalled(vec![
        (Fault::Disk(DiskChange::Stall), Target::All, at(2), at(10)),
        (Fault::Crash { on_crash: OnCrash::LoseUnsynced }, Target::All, at(4), at(6)),
    ]);
    assert!(synced(&run).iter().all(|(t, _)| *t >= 11_000), "{:?}", synced(&run));
    assert!(synced(&run).len() > 10);
}

#[test]
fn a_slow_disk_adds_to_each_sync() {
    let slow = Fault::Disk(DiskChange::Slow(Latency::Fixed(ms(4))));
    let run = stalled(vec![(slow, Target::All, at(0), at(20))]);
    let times: Vec<u64> = synced(&run).iter().map(|(t, _)| *t).collect();
    assert_eq!(times[..4], [5_300, 10_300, 15_300, 20_300]);
    assert_eq!(times[4], 21_300 + 4_000 * u64::from(times[4] > 22_000));
    assert_eq!(run.faults()[0].touched, 4 + u64::from(times[4] > 22_000));
}

#[test]
fn reads_find_what_is_there() {
    let script = Script {
        boot: |_, fx| {
            let ids: Vec<WriteId> = (10..20).map(|r| fx.append(r)).collect();
            fx.forget(ids[3]);
            fx.read(ids[2]);
            fx.read(ids[3]);
            fx.read(WriteId(77));
        },
        ..Script::default()
    };
    let mut run = start(config(1), script);
    run_to(&mut run, at(1));
    let seen = &live(&run, 0).seen[1..];
    let reads: Vec<_> = seen.iter().map(|(t, s)| (since_start(*t), s.clone())).collect();
    let expect = [Seen::Read(3, None), Seen::Read(4, Some(13)), Seen::Read(77, None)];
    assert_eq!(reads, expect.map(|s| (100_000, s)));
}

#[test]
fn what_was_forgotten_stays_forgotten() {
    let script = Script {
        boot: |_, fx| {
            let ids: Vec<WriteId> = (1..=5).map(|r| fx.append(r)).collect();
            fx.forget(ids[3]);
            fx.sync();
        },
        ..Script::default()
    };
    let schedule = faults(vec![(Fault::Crash { on_crash: OnCrash::LoseUnsynced }, Target::All, at(5), at(6))]);
    let mut run = start(EngineConfig { schedule, ..config(1) }, script);
    run_to(&mut run, at(6));
    assert_eq!(live(&run, 0).seen[0].1, Seen::Boot(vec![4, 5]));
}
