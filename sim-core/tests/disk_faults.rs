//! Disks that lie, fill up, tear and rot: what each takes, what it leaves alone, and when it counts as having bitten.

use crate::support::*;
use sim_core::fault::{DiskChange, Fault, OnCrash, Target};
use sim_core::{Completion, EngineConfig, Instant, Probability, SyncError, Timer};

type Planned = (Fault, Target, Instant, Instant);

fn disk(change: DiskChange, from: u64, until: u64) -> Planned {
    (Fault::Disk(change), Target::All, at(from), at(until))
}

fn crash(on_crash: OnCrash, from: u64) -> Planned {
    (Fault::Crash { on_crash }, Target::All, at(from), at(from + 1))
}

/// Appends 1, 2, 3 ... and asks for a sync of each, at 2, 4, 6 ... ms: each is synced a millisecond later.
fn writer() -> Script {
    Script {
        boot: |_, fx| fx.arm(Timer(0), ms(2)),
        timer: |node, timer, fx| {
            node.count += 1;
            fx.append(node.count);
            fx.sync();
            fx.arm(timer, ms(2));
        },
        ..Script::default()
    }
}

fn run_with(all: Vec<Planned>, script: Script, until: u64) -> Run {
    let mut run = start(EngineConfig { schedule: faults(all), ..config(1) }, script);
    run_to(&mut run, at(until));
    run
}

/// What the node found when it booted last.
fn found(run: &Run) -> Vec<u64> {
    let Seen::Boot(found) = &live(run, 0).seen[0].1 else { panic!("a life starts with a boot") };
    found.clone()
}

fn touched(run: &Run) -> Vec<u64> {
    run.faults().iter().map(|f| f.touched).collect()
}

#[test]
fn a_power_loss_takes_what_a_lying_disk_said_was_synced() {
    let mut run = start(
        EngineConfig {
            schedule: faults(vec![disk(DiskChange::Lie, 6, 15), crash(OnCrash::LoseUnsynced, 12)]),
            ..config(1)
        },
        writer(),
    );
    run_to(&mut run, Instant(at(12).0 - 1));
    let synced: Vec<_> = live(&run, 0).seen.iter().filter(|(_, s)| matches!(s, Seen::Synced(_))).collect();
    assert_eq!(synced.len(), 5, "the disk says what it always says");
    run_to(&mut run, at(13));
    // 1 and 2 were synced before, at 3 and 5 ms; 3, 4 and 5 under the lie.
    assert_eq!((found(&run), touched(&run)[0]), (vec![1, 2], 3));
    // Torn, a prefix of the cache may have made it.
    let run = run_with(vec![disk(DiskChange::Lie, 6, 15), crash(OnCrash::Torn, 12)], writer(), 13);
    let kept = found(&run);
    assert_eq!((&kept[..2], kept.len() as u64 + touched(&run)[0]), (&[1, 2][..], 5));
}

#[test]
fn a_lie_without_a_power_loss_or_before_an_honest_sync_takes_nothing() {
    // The process dies, the disk keeps its cache; the power goes later, under the same lie.
    let keep = |then: Vec<Planned>| {
        let mut all = vec![disk(DiskChange::Lie, 6, 30), crash(OnCrash::Keep, 12)];
        all.extend(then);
        run_with(all, writer(), 20)
    };
    let run = keep(vec![]);
    assert_eq!((found(&run), touched(&run)[0]), (vec![1, 2, 3, 4, 5], 0));
    let run = keep(vec![crash(OnCrash::LoseUnsynced, 14)]);
    assert_eq!((found(&run), touched(&run)[0]), (vec![1, 2], 3), "still only in the cache");
    // The lie ends at 8; the sync at 9 is honest and covers what the one at 7 was about.
    let run = run_with(vec![disk(DiskChange::Lie, 6, 8), crash(OnCrash::LoseUnsynced, 12)], writer(), 13);
    assert_eq!((found(&run), touched(&run)[0]), (vec![1, 2, 3, 4, 5], 0));
    // A replaced disk is gone, lie or no lie.
    let run = run_with(vec![disk(DiskChange::Lie, 6, 30), crash(OnCrash::Wipe, 12)], writer(), 13);
    assert_eq!((found(&run), touched(&run)[0]), (vec![], 0));
}

#[test]
fn a_full_disk_refuses_records_and_says_so_at_the_sync() {
    let script = || Script {
        disk: |node, done, _| {
            if let Completion::SyncFailed { why: SyncError::NoSpace, .. } = done {
                node.waiting.clear();
                node.count += 100;
            }
        },
        ..writer()
    };
    let run = run_with(vec![disk(DiskChange::Full, 5, 9), crash(OnCrash::LoseUnsynced, 20)], script(), 19);
    // 3 (at 6 ms) and 104 (at 8 ms) found no space; after that there is some, and what was refused is not there.
    let failed: Vec<_> = live(&run, 0).seen.iter().filter(|(_, s)| matches!(s, Seen::SyncFailed(_))).collect();
    assert_eq!((failed.len(), touched(&run)[0]), (2, 2));
    let run = run_with(vec![disk(DiskChange::Full, 5, 9), crash(OnCrash::LoseUnsynced, 20)], script(), 21);
    assert_eq!(found(&run), [1, 2, 205, 206, 207, 208, 209]);
    // A disk that nobody writes to can be as full as it likes.
    let run = run_with(vec![disk(DiskChange::Full, 5, 9)], Script::default(), 20);
    assert_eq!(touched(&run), [0]);
}

#[test]
fn a_record_that_was_refused_fails_the_sync_that_covers_it_and_no_other() {
    // Two in one step and a third while the sync of those is in flight, which only then finds no space.
    let script = Script {
        boot: |_, fx| {
            fx.append(1);
            fx.append(2);
            fx.sync();
            fx.arm(Timer(0), us(500));
        },
        timer: |_, _, fx| {
            fx.append(3);
            fx.sync();
        },
        ..Script::default()
    };
    let full = (Fault::Disk(DiskChange::Full), Target::All, Instant::ZERO + us(100), at(9));
    let run = run_with(vec![full], script, 20);
    let seen: Vec<Seen> = live(&run, 0).seen.iter().map(|(_, s)| s.clone()).collect();
    assert_eq!(seen[2..], [Seen::Synced(2), Seen::SyncFailed(3)]);
}

#[test]
fn a_crash_is_torn_whatever_it_was_meant_to_be() {
    // Nothing is ever synced: at 21 ms there are ten records.
    let script = || Script {
        timer: |node, timer, fx| {
            node.count += 1;
            fx.append(node.count);
            fx.arm(timer, ms(2));
        },
        ..writer()
    };
    for on_crash in [OnCrash::Keep, OnCrash::LoseUnsynced] {
        let left: Vec<usize> = (0..30)
            .map(|seed| {
                let schedule = faults(vec![disk(DiskChange::Torn, 5, 30), crash(on_crash, 21)]);
                let mut run = start(EngineConfig { schedule, seed, ..config(1) }, script());
                run_to(&mut run, at(22));
                assert_eq!(touched(&run)[0], 1);
                found(&run).len()
            })
            .collect();
        assert!(left.iter().any(|n| *n > 0) && left.iter().any(|n| *n < 10), "{left:?}");
    }
    let run = run_with(vec![disk(DiskChange::Torn, 5, 30), crash(OnCrash::Wipe, 21)], script(), 22);
    assert_eq!((found(&run).len(), touched(&run)[0]), (0, 0));
    // What is synced can not be torn.
    let run = run_with(vec![disk(DiskChange::Torn, 5, 30), crash(OnCrash::Keep, 12)], writer(), 13);
    assert_eq!((found(&run).len(), touched(&run)[0]), (5, 0));
}

#[test]
fn rot_is_found_at_boot_and_never_hidden() {
    let rot = |share: u64, from: u64| disk(DiskChange::Rot(Probability::per_billion(share)), from, 60);
    // At 10 ms, 1 to 4 are durable; 5 is appended at that very moment, or not yet.
    let run = run_with(vec![rot(1_000_000_000, 10), crash(OnCrash::LoseUnsynced, 16)], writer(), 17);
    assert_eq!((found(&run), touched(&run)[0]), (vec![ROTTEN, ROTTEN, ROTTEN, ROTTEN, 5, 6, 7], 4));
    // It stays rotten, but it counts only once.
    let again = vec![rot(1_000_000_000, 10), crash(OnCrash::Keep, 16), crash(OnCrash::Keep, 30)];
    let run = run_with(again, writer(), 31);
    assert_eq!((found(&run)[..5].to_vec(), touched(&run)[0]), (vec![ROTTEN, ROTTEN, ROTTEN, ROTTEN, 5], 4));
    // Nobody reads: nothing is found. The disk is replaced: nothing is left to find.
    let run = run_with(vec![rot(1_000_000_000, 10)], writer(), 40);
    assert_eq!(touched(&run), [0]);
    let run = run_with(vec![rot(1_000_000_000, 10), crash(OnCrash::Wipe, 16)], writer(), 17);
    assert_eq!((found(&run), touched(&run)[0]), (vec![], 0));
    // About as many as it says.
    let run = run_with(vec![rot(300_000_000, 4_000), crash(OnCrash::Keep, 4_100)], writer(), 4_101);
    let rotten = found(&run).iter().filter(|r| **r == ROTTEN).count();
    assert!((500..700).contains(&rotten) && touched(&run)[0] == rotten as u64, "{rotten} of 2,000");
}

#[test]
fn rot_is_found_when_a_record_is_read_back() {
    let script = Script {
        boot: |_, fx| {
            fx.append(7);
            fx.sync();
            fx.arm(Timer(0), ms(5));
        },
        timer: |_, timer, fx| {
            fx.read(sim_core::WriteId(1));
            fx.arm(timer, ms(5));
        },
        ..Script::default()
    };
    let run = run_with(vec![disk(DiskChange::Rot(Probability::ALWAYS), 7, 60)], script, 18);
    let reads: Vec<Seen> =
        live(&run, 0).seen.iter().filter(|(_, s)| matches!(s, Seen::Read(..))).map(|(_, s)| s.clone()).collect();
    assert_eq!(reads, [Seen::Read(1, Some(7)), Seen::Read(1, None), Seen::Read(1, None)]);
    assert_eq!(touched(&run), [1]);
}

#[test]
fn a_node_that_refuses_to_start_is_not_started_without_time_going_on() {
    let script = Script { boot: |_, fx| fx.halt("it does not want to"), ..Script::default() };
    let mut run = start(EngineConfig { restart_halted: ms(0), ..config(1) }, script);
    run_to(&mut run, at(10));
    assert_eq!(run.observer().booted.len(), 11);
}

#[test]
fn behind_a_refused_record_nothing_is_written_until_the_node_knows() {
    // 1 at 2 ms finds no space; 2 at 4 ms would, but the sync that covers both is asked for only then.
    let script = Script {
        boot: |_, fx| fx.arm(Timer(0), ms(2)),
        timer: |node, timer, fx| {
            node.count += 1;
            fx.append(node.count);
            if node.count % 2 == 0 {
                fx.sync();
            }
            fx.arm(timer, ms(2));
        },
        ..Script::default()
    };
    let run = run_with(vec![disk(DiskChange::Full, 1, 3), crash(OnCrash::Keep, 11)], script, 12);
    assert_eq!((found(&run), touched(&run)[0]), (vec![3, 4, 5], 1));
}
