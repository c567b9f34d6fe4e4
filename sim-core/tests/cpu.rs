//! CPUs: inputs that cost time wait their turn, pauses hold them back, slow machines take longer; nothing is lost.

use crate::support::*;
use sim_core::fault::{Fault, OnCrash, Target};
use sim_core::network::Latency;
use sim_core::workload::Arrival;
use sim_core::{Duration, EngineConfig, Instant, NodeId, Routing, Timer};

fn busy(n: usize, cost: Duration) -> EngineConfig {
    let mut config = config(n);
    config.nodes.iter_mut().for_each(|node| node.cpu_cost = cost);
    config
}

/// Node 1 sends ten numbered messages to node 0 at once.
fn burst() -> Script {
    Script {
        boot: |me, fx| {
            if me.0 == 1 {
                (0..10).for_each(|n| fx.send(NodeId(0), note(n)));
            }
        },
        ..Script::default()
    }
}

fn handled(run: &Run) -> Vec<(u64, u64)> {
    run.observer().arrived.iter().map(|(t, _, _, n)| (t.0 / 1_000, *n)).collect()
}

#[test]
fn inputs_are_handled_one_after_the_other_in_order_of_arrival() {
    let mut run = start(busy(2, us(100)), burst());
    run_to(&mut run, at(5));
    assert_eq!(handled(&run), (0..10).map(|n| (1_100 + 100 * n, n)).collect::<Vec<_>>());
    assert_eq!((run.stats()[0].busy_ns, run.stats()[1].busy_ns), (1_000_000, 0));
}

#[test]
fn waiting_under_load_is_what_queueing_theory_says() {
    // Poisson arrivals, fixed service: M/D/1. Mean wait before service = rho / (2 (1 - rho)) services.
    for (gap, rho) in [(us(200), 0.5), (us(125), 0.8)] {
        let mut config = busy(1, us(100));
        link(&mut config).latency = Latency::ZERO;
        let mut run = start_quiet(config, Script { remember: false, ..Script::default() });
        run.add_client(seat(Routing::Fixed(NodeId(0))), generated(Arrival::Open([(Instant::ZERO, gap).into()].into())));
        run_to(&mut run, at(20_000));
        let ended = &run.observer().ended;
        let mean = ended.iter().map(|e| e.returned.since(e.invoked).0 as f64).sum::<f64>() / ended.len() as f64;
        let expect = 100_000.0 * (1.0 + rho / (2.0 * (1.0 - rho)));
        assert!((mean / expect - 1.0).abs() < 0.05, "rho {rho}: {mean:.0} ns, expected {expect:.0}");
        let used = run.stats()[0].busy_ns as f64 / 20e9;
        assert!((used / rho - 1.0).abs() < 0.02, "busy {used}, expected {rho}");
    }
}

#[test]
fn a_machine_is_never_busier_than_time_passes() {
    let mut run = start(busy(2, ms(3)), burst());
    for t in 1..60 {
        run_to(&mut run, at(t));
        let busy = run.stats()[0].busy_ns;
        assert_eq!(busy, ms(t.saturating_sub(1).min(30)).0, "after {t} ms");
    }
}

#[test]
fn a_pause_makes_messages_wait_and_timers_late_and_loses_nothing() {
    let mut config = config(2);
    config.schedule = faults(vec![(Fault::Pause, Target::Node(NodeId(0)), at(5), at(50))]);
    let script = Script {
        boot: |me, fx| {
            if me.0 == 1 {
                fx.arm(Timer(0), ms(1));
            } else {
                fx.arm(Timer(1), ms(20));
            }
        },
        timer: |node, timer, fx| {
            if timer.0 == 0 && node.count < 100 {
                fx.send(NodeId(0), note(node.count));
                node.count += 1;
                fx.arm(timer, ms(1));
            }
        },
        ..Script::default()
    };
    let mut run = start(config, script);
    run_to(&mut run, at(49));
    assert!(live(&run, 0).numbers().len() <= 4);
    run_to(&mut run, at(200));
    assert_eq!(live(&run, 0).numbers(), (0..100).collect::<Vec<_>>());
    assert_eq!(live(&run, 0).timers(), [(50_000_000, 1)]);
    let touched = run.faults()[0].touched;
    assert_eq!(touched, 46, "messages that arrived from 5 to 50 ms, and a timer");
}

#[test]
fn a_pause_suspends_the_input_being_worked_on() {
    // Work begins at 1 ms and takes 10; the machine stands still from 4 to 24; the remaining 7 ms follow.
    let mut config = busy(2, ms(10));
    config.schedule = faults(vec![(Fault::Pause, Target::Node(NodeId(0)), at(4), at(24))]);
    let mut run = start(config, burst());
    run_to(&mut run, at(60));
    assert_eq!(handled(&run)[..3], [(31_000, 0), (41_000, 1), (51_000, 2)]);
    assert_eq!(run.stats()[0].busy_ns, ms(3 + 36).0);
    assert!(run.faults()[0].touched >= 10);
}

#[test]
fn overlapping_pauses_hold_until_the_last_one_ends() {
    let mut config = config(2);
    let pause = |from, until| (Fault::Pause, Target::Node(NodeId(0)), at(from), at(until));
    config.schedule = faults(vec![pause(0, 20), pause(10, 40), pause(15, 30)]);
    let mut run = start(config, burst());
    run_to(&mut run, at(100));
    assert!(handled(&run).iter().all(|(t, _)| *t == 40_000) && handled(&run).len() == 10);
    let paused = run.observer().lines.iter().filter(|(_, l)| l.starts_with("Paused")).count();
    assert_eq!(paused, 2, "one stop and one start");
}

#[test]
fn a_pause_of_an_idle_node_touches_nothing() {
    let mut config = config(1);
    config.schedule = faults(vec![(Fault::Pause, Target::All, at(5), at(50))]);
    let mut run = start(config, Script::default());
    run_to(&mut run, at(100));
    assert_eq!(run.faults()[0].touched, 0);
}

#[test]
fn a_slow_machine_takes_its_factor_and_at_least_the_floor() {
    let slow = |factor, floor| (Fault::Slow { factor, floor }, Target::Node(NodeId(0)), at(0), at(100));
    let finish = |cost, all: Vec<_>| {
        let mut run = start(EngineConfig { schedule: faults(all), ..busy(2, cost) }, burst());
        run_to(&mut run, at(100));
        (handled(&run).last().expect("handled").0, run.faults().iter().map(|f| f.touched).collect::<Vec<_>>())
    };
    assert_eq!(finish(us(100), vec![slow(5, Duration::ZERO)]), (1_000 + 5_000, vec![10]));
    // The floor is not multiplied.
    assert_eq!(finish(Duration::ZERO, vec![slow(5, us(50))]), (1_000 + 500, vec![10]));
    assert_eq!(finish(us(100), vec![slow(5, us(900))]), (1_000 + 9_000, vec![10]));
    assert_eq!(finish(us(100), vec![slow(2, Duration::ZERO), slow(3, us(10))]), (1_000 + 6_000, vec![10, 10]));
    assert_eq!(finish(Duration::ZERO, vec![slow(5, Duration::ZERO)]), (1_000, vec![0]));
}

/// Ten messages arrive at 1 ms, each costs 100 us, and the machine is slow by `factor` from 0 to `until`, in us.
fn slow_until(until: u64, cost: Duration, floor: Duration) -> Vec<u64> {
    let slow = Fault::Slow { factor: 10, floor };
    let schedule = faults(vec![(slow, Target::Node(NodeId(0)), at(0), Instant::ZERO + us(until))]);
    let mut run = start(EngineConfig { schedule, ..busy(2, cost) }, burst());
    run_to(&mut run, at(100));
    let busy = run.stats()[0].busy_ns / 1_000;
    assert_eq!(busy, handled(&run).last().expect("handled").0 - 1_000, "busy as long as it worked");
    handled(&run).iter().map(|(t, _)| *t).collect()
}

#[test]
fn a_slow_down_does_not_outlive_its_end() {
    // The first input takes 1 ms; of the second a tenth is done at 2.1 ms, and the other nine take 90 us at full speed.
    let expect: Vec<u64> = [2_000, 2_190].into_iter().chain((1..=8).map(|n| 2_190 + 100 * n)).collect();
    assert_eq!(slow_until(2_100, us(100), Duration::ZERO), expect);
    // What was free is free again, the input under way included.
    assert_eq!(slow_until(1_150, Duration::ZERO, us(100)), [[1_100].as_slice(), &[1_150; 9]].concat());
}

#[test]
fn a_slow_down_slows_the_input_under_way_and_one_of_two_that_ends_leaves_the_other() {
    // A free machine has the first two at 1.1 and 1.2 ms; slowed at 1.15, the second half of the second takes ten times
    // as long, and with another factor of two from 1.25 on what is left then twice that.
    let slow = |factor, from, until| {
        let time = |t| Instant::ZERO + us(t);
        (Fault::Slow { factor, floor: Duration::ZERO }, Target::Node(NodeId(0)), time(from), time(until))
    };
    let schedule = faults(vec![slow(10, 1_150, 50_000), slow(2, 1_250, 1_450)]);
    let mut run = start(EngineConfig { schedule, ..busy(2, us(100)) }, burst());
    run_to(&mut run, at(100));
    // Of 100 us of work: 50 by 1.15, 60 by 1.25, 70 by 1.45, and the last 30 by 1.75.
    assert_eq!(handled(&run)[..3], [(1_100, 0), (1_750, 1), (2_750, 2)]);
    assert!(run.faults().iter().all(|fault| fault.touched >= 1));
}

#[test]
fn a_slow_down_that_ends_during_a_pause_is_over_after_it() {
    let node = || Target::Node(NodeId(0));
    let schedule = faults(vec![
        (Fault::Slow { factor: 10, floor: Duration::ZERO }, node(), at(0), at(4)),
        (Fault::Pause, node(), Instant::ZERO + us(1_500), at(6)),
    ]);
    let mut run = start(EngineConfig { schedule, ..busy(2, us(100)) }, burst());
    run_to(&mut run, at(100));
    // Half of the first is done at 1.5 ms; the other half takes 50 us from 6 ms on.
    assert_eq!(handled(&run)[..2], [(6_050, 0), (6_150, 1)]);
}

#[test]
fn a_timer_disarmed_while_it_waits_costs_no_time() {
    let script = Script {
        boot: |me, fx| {
            if me.0 == 1 {
                (0..2).for_each(|n| fx.send(NodeId(0), note(n)));
            } else {
                fx.arm(Timer(0), us(1_010));
            }
        },
        message: |_, _, _, fx| fx.disarm(Timer(0)),
        ..Script::default()
    };
    let mut config = busy(2, us(100));
    config.schedule = faults(vec![]);
    let mut run = start(config, script);
    run_to(&mut run, at(5));
    assert_eq!((run.stats()[0].busy_ns, live(&run, 0).timers()), (200_000, vec![]));
}

#[test]
fn crashes_and_pauses_may_overlap_in_any_way() {
    let crash = |from, until| (Fault::Crash { on_crash: OnCrash::Keep }, Target::Node(NodeId(0)), at(from), at(until));
    let pause = |from, until| (Fault::Pause, Target::Node(NodeId(0)), at(from), at(until));
    let script = || Script {
        boot: |me, fx| {
            if me.0 == 1 {
                fx.arm(Timer(0), ms(1));
            }
        },
        timer: |node, timer, fx| {
            fx.send(NodeId(0), note(node.count));
            node.count += 1;
            fx.arm(timer, ms(1));
        },
        ..Script::default()
    };
    for (all, quiet, back) in [
        // What is to boot while it is paused boots when the pause is over.
        (vec![crash(10, 20), pause(15, 30)], 10..30, 28),
        (vec![pause(10, 30), crash(15, 20)], 10..30, 28),
        (vec![pause(10, 20), crash(15, 30)], 10..30, 28),
        (vec![crash(10, 40), pause(15, 30)], 10..40, 38),
        (vec![pause(10, 15), crash(15, 20)], 10..20, 18),
    ] {
        for cost in [Duration::ZERO, us(10)] {
            let mut config = busy(2, cost);
            config.schedule = faults(all.clone());
            let mut run = start(config, script());
            run_to(&mut run, at(100));
            let times: Vec<u64> = handled(&run).iter().map(|(t, _)| *t / 1_000).collect();
            assert!(times.iter().all(|t| !quiet.contains(t)), "{all:?} {times:?}");
            let first = handled(&run).iter().find(|(t, _)| *t >= quiet.end * 1_000).expect("it goes on").1;
            assert_eq!(first, back, "{all:?}: it lives again when both faults are over");
            assert!(live(&run, 0).numbers().len() > 50);
            let boots = &run.observer().booted;
            assert!(boots.iter().all(|(t, ..)| !quiet.contains(&(t.0 / 1_000_000))), "{all:?} {boots:?}");
            let (sent, got, lost) = (run.observer().sent, run.tally().delivered, run.observer().dropped);
            assert_eq!(sent, got + lost + run.messages_in_flight());
        }
    }
}
