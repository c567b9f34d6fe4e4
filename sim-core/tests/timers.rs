//! Timers: slots that move, go, wait behind a pause, die in a crash, follow drifting clocks and never fire early.

use crate::support::*;
use sim_core::fault::{ClockChange, Fault, OnCrash, Target};
use sim_core::{Clock, Duration, EngineConfig, NodeId, Timer};

const A: Timer = Timer(0);
const B: Timer = Timer(1);

fn fired(script: Script, config: EngineConfig, until: u64) -> Vec<(u64, u16)> {
    let mut run = start(config, script);
    run_to(&mut run, at(until));
    live(&run, 0).timers()
}

#[test]
fn each_slot_has_one_deadline_and_the_last_arming_counts() {
    let script = Script {
        boot: |_, fx| {
            fx.arm(A, ms(5));
            fx.arm(B, ms(7));
            // Later, earlier, later again: only the last holds.
            fx.arm(A, ms(50));
            fx.arm(A, ms(2));
            fx.arm(A, ms(20));
        },
        ..Script::default()
    };
    assert_eq!(fired(script, config(1), 100), [(7_000_000, 1), (20_000_000, 0)]);
}

#[test]
fn a_disarmed_timer_stays_silent_and_can_be_armed_again() {
    let script = Script {
        boot: |_, fx| {
            fx.arm(A, ms(5));
            fx.disarm(A);
            fx.arm(B, ms(3));
        },
        timer: |node, timer, fx| {
            if timer == B && node.timers().len() == 1 {
                // The old key for 5 ms is still in the queue; the new deadlines lie before and after it.
                fx.arm(A, ms(1));
                fx.arm(B, ms(6));
            }
        },
        ..Script::default()
    };
    assert_eq!(fired(script, config(1), 100), [(3_000_000, 1), (4_000_000, 0), (9_000_000, 1)]);
}

#[test]
fn a_timer_may_arm_itself_for_now() {
    let script = Script {
        boot: |_, fx| fx.arm(A, Duration::ZERO),
        timer: |node, timer, fx| {
            if node.timers().len() < 4 {
                fx.arm(timer, Duration::ZERO);
            }
        },
        ..Script::default()
    };
    assert_eq!(fired(script, config(1), 1), [(0, 0); 4]);
}

#[test]
fn a_timer_due_during_a_pause_fires_when_it_ends_unless_disarmed_or_moved() {
    // Node 1's message arrives first in the pause, so it is handled first when the pause ends.
    let script = || Script {
        boot: |me, fx| {
            if me.0 == 1 {
                fx.send(NodeId(0), note(1));
            } else {
                fx.arm(A, ms(2));
                fx.arm(B, ms(3));
                fx.arm(Timer(2), ms(4));
            }
        },
        message: |_, _, _, fx| {
            fx.disarm(A);
            fx.arm(B, ms(5));
        },
        ..Script::default()
    };
    let mut config = config(2);
    config.schedule = faults(vec![(Fault::Pause, Target::Node(NodeId(0)), at(0), at(10))]);
    assert_eq!(fired(script(), config, 100), [(10_000_000, 2), (15_000_000, 1)]);
}

#[test]
fn a_crash_clears_timers() {
    let script = Script {
        boot: |_, fx| {
            fx.arm(A, ms(10));
            fx.arm(B, ms(30));
        },
        ..Script::default()
    };
    let mut config = config(1);
    config.schedule = faults(vec![(Fault::Crash { on_crash: OnCrash::Keep }, Target::Node(NodeId(0)), at(5), at(8))]);
    // Armed afresh at the second boot at 8 ms: nothing of the first life fires.
    assert_eq!(fired(script, config, 100), [(18_000_000, 0), (38_000_000, 1)]);
}

fn clocked(clock: Clock) -> EngineConfig {
    let mut config = config(1);
    config.nodes[0].clock = clock;
    config
}

/// Arms itself every 10 ms by its own clock.
fn ticker() -> Script {
    Script { boot: |_, fx| fx.arm(A, ms(10)), timer: |_, timer, fx| fx.arm(timer, ms(10)), ..Script::default() }
}

#[test]
fn a_fast_clock_ticks_more_often_and_never_early_by_its_own_reckoning() {
    for ppm in [-500_000, -300, -1, 1, 77, 333_333, 1_000_000] {
        let local = fired(ticker(), clocked(Clock::new(0, ppm)), 1_000);
        let expect = 100 * (1_000_000 + i64::from(ppm)) / 1_000_000;
        assert!((local.len() as i64 - expect).abs() <= 1, "{ppm} ppm: {} ticks, not {expect}", local.len());
        let mut last = 0;
        for (now, _) in local {
            assert!(now - last >= 10_000_000, "{ppm} ppm: fired {} ns after it was armed", now - last);
            assert!(now - last <= 10_000_000 + 4);
            last = now;
        }
    }
}

#[test]
fn a_change_of_rate_while_a_timer_runs_neither_fires_it_early_nor_leaves_it_late() {
    for (ppm, fires_at) in [(-500_000, 15_000_000_u64), (1_000_000, 7_500_000)] {
        let mut config = config(1);
        config.schedule = faults(vec![(Fault::Clock(ClockChange::Drift(ppm)), Target::All, at(5), at(500))]);
        let mut run = start(config, ticker());
        run_to(&mut run, at(100));
        let first = run.observer().lines.iter().find(|(_, l)| l.starts_with("Fired")).expect("it fires").0;
        assert_eq!(first.0, fires_at, "half of the 10 ms had passed when the clock went {ppm} ppm");
        let mut last = 0;
        for (now, _) in live(&run, 0).timers() {
            assert!((10_000_000..10_000_004).contains(&(now - last)), "{ppm} ppm: {} ns", now - last);
            last = now;
        }
    }
}

#[test]
fn a_step_moves_the_clock_but_not_the_timers() {
    let mut config = config(1);
    config.schedule = faults(vec![(Fault::Clock(ClockChange::Step(-7_000_000)), Target::All, at(15), at(16))]);
    let local = fired(ticker(), config, 45);
    assert_eq!(local.iter().map(|(t, _)| *t / 1_000_000).collect::<Vec<_>>(), [10, 13, 23, 33]);
}

#[test]
fn drifts_that_would_turn_a_clock_backwards_stop_it_short_of_that_and_undo_exactly() {
    let drift = |ppm| Fault::Clock(ClockChange::Drift(ppm));
    let mut config = config(1);
    config.schedule =
        faults(vec![(drift(-900_000), Target::All, at(10), at(40)), (drift(-900_000), Target::All, at(20), at(30))]);
    let mut run = start(config, ticker());
    run_to(&mut run, at(200));
    let times: Vec<u64> = run.observer().before(at(200), &["Fired"]).iter().map(|(t, _)| t.0 / 1_000_000).collect();
    // From 10 to 40 ms the clock has shown 1 ms, 10 ns and 1 ms; then it is honest again.
    assert_eq!(times[..3], [10, 47, 57], "{times:?}");
}

#[test]
fn many_random_armings_fire_when_a_model_says() {
    // Each tick of slot 3 arms or disarms one of slots 0..3 at random; the node's own notes say what must fire.
    let script = Script {
        boot: |_, fx| fx.arm(Timer(3), us(100)),
        timer: |_, timer, fx| {
            if timer != Timer(3) {
                return;
            }
            let slot = fx.rng().below(3);
            if fx.rng().below(4) == 0 {
                fx.disarm(Timer(slot as u16));
                fx.note(Said(slot << 56));
            } else {
                let after = us(1 + fx.rng().below(1_000));
                fx.arm(Timer(slot as u16), after);
                fx.note(Said(slot << 56 | after.0));
            }
            fx.arm(timer, us(137));
        },
        ..Script::default()
    };
    let mut run = start(config(1), script);
    run_to(&mut run, at(2_000));
    let mut due = [None; 3];
    let mut fires = 0;
    for (t, line) in &run.observer().lines {
        if let Some(said) = line.strip_prefix("Noted { node: NodeId(0), fact: Said(") {
            let said: u64 = said.trim_end_matches(") }").parse().expect("a number");
            let (slot, after) = ((said >> 56) as usize, said & ((1 << 56) - 1));
            assert!(due[slot].is_none_or(|d| d >= t.0), "slot {slot} should have fired");
            due[slot] = (after > 0).then_some(t.0 + after);
        } else if line.starts_with("Fired") && !line.contains("Timer(3)") {
            let slot = (0..3).find(|s| line.contains(&format!("Timer({s})"))).expect("one of three");
            assert_eq!(due[slot].take(), Some(t.0));
            fires += 1;
        }
    }
    assert!(fires > 2_000, "{fires}");
}

#[test]
fn a_frozen_clock_holds_its_timers_and_goes_on_from_where_it_stood() {
    let freeze = |from, until| (Fault::Clock(ClockChange::Freeze), Target::All, at(from), at(until));
    let fires = |all: Vec<_>, clock| {
        let mut run = start(EngineConfig { schedule: faults(all), ..clocked(clock) }, ticker());
        run_to(&mut run, at(100));
        let times = run.observer().before(at(100), &["Fired"]).iter().map(|(t, _)| t.0 / 1_000_000).collect::<Vec<_>>();
        (times, live(&run, 0).timers().iter().map(|(t, _)| t / 1_000_000).collect::<Vec<_>>(), run)
    };
    let (real, local, run) = fires(vec![freeze(25, 60)], Clock::default());
    // 5 ms of the third 10 were left.
    assert_eq!((real, run.faults()[0].touched), (vec![10, 20, 65, 75, 85, 95], 1));
    assert_eq!(local, [10, 20, 30, 40, 50, 60], "the clock never jumps");
    // Two at once hold it until both are over.
    let (real, ..) = fires(vec![freeze(25, 60), freeze(40, 70)], Clock::default());
    assert_eq!(real, [10, 20, 75, 85, 95]);
    // On a clock that runs at half speed, and with one that is slowed down meanwhile.
    let (real, ..) = fires(vec![freeze(25, 60)], Clock::new(0, -500_000));
    assert_eq!(real, [20, 75, 95]);
    let drift = (Fault::Clock(ClockChange::Drift(-500_000)), Target::All, at(30), at(500));
    let (real, ..) = fires(vec![freeze(25, 60), drift], Clock::default());
    assert_eq!(real, [10, 20, 70, 90]);
    // A restart while it stands still: the timers of the new life wait too.
    let crash = (Fault::Crash { on_crash: OnCrash::Keep }, Target::All, at(30), at(40));
    let (real, ..) = fires(vec![freeze(25, 60), crash], Clock::default());
    assert_eq!(real, [10, 20, 70, 80, 90]);
}

#[test]
fn timers_can_be_armed_and_disarmed_while_the_clock_stands_still() {
    // Messages from node 1, whose clock is fine, make node 0 arm and disarm.
    let script = Script {
        boot: |me, fx| fx.arm(A, ms(if me.0 == 1 { 5 } else { 500 })),
        timer: |node, timer, fx| {
            if node.me.0 == 1 {
                fx.send(NodeId(0), note(node.count));
                node.count += 1;
                fx.arm(timer, ms(5));
            }
        },
        message: |_, _, message, fx| match message.number {
            0 => fx.arm(B, ms(3)),
            1 => fx.arm(B, ms(8)),
            2 => fx.arm(Timer(2), ms(2)),
            3 => fx.disarm(Timer(2)),
            _ => {}
        },
        ..Script::default()
    };
    let freeze = (Fault::Clock(ClockChange::Freeze), Target::Node(NodeId(0)), at(2), at(50));
    let mut run = start(EngineConfig { schedule: faults(vec![freeze]), ..config(2) }, script);
    run_to(&mut run, at(100));
    assert_eq!(live(&run, 0).timers(), [(10_000_000, 1)], "2 ms when it froze, and 8 ms more");
}

#[test]
fn a_run_that_feeds_on_itself_ends_and_says_so() {
    let script = Script { boot: |_, fx| fx.arm(A, ms(0)), timer: |_, _, fx| fx.arm(A, ms(0)), ..Script::default() };
    let mut run = start(config(1), script);
    run.limit_events(1000);
    let broken = run.run_until(at(1_000_000)).expect_err("its time never passes");
    assert_eq!((broken.rule.as_str(), run.events()), ("max_events", 1001));
    assert_eq!(run.now(), at(0), "it stays where it was");
}
