//! Partitions: every shape bites and is counted, decided at send and checked again at arrival.

use crate::support::*;
use sim_core::fault::{CutClients, Fault, Shape, Target};
use sim_core::network::{LinkPolicy, NetworkConfig};
use sim_core::{Drop, Duration, EngineConfig, NodeId, Routing, Timer};

fn everyone_talks() -> Script {
    Script {
        boot: |_, fx| fx.arm(Timer(0), us(500)),
        timer: |node, timer, fx| {
            let me = node.me.0;
            (0..node.script.nodes).filter(|to| *to != me).for_each(|to| fx.send(NodeId(to), note(0)));
            fx.arm(timer, ms(1));
        },
        remember: false,
        ..Script::default()
    }
}

fn cut(shape: Shape, target: Target) -> (Fault, Target, sim_core::Instant, sim_core::Instant) {
    (Fault::Partition { shape, clients: CutClients::Free }, target, at(10), at(20))
}

fn partitioned(n: usize, shape: Shape, target: Target) -> Run {
    let mut run = start(EngineConfig { schedule: faults(vec![cut(shape, target)]), ..config(n) }, everyone_talks());
    run_to(&mut run, at(30));
    run
}

/// Ordered pairs between which something arrived while the cut held.
fn connected(run: &Run, n: u32) -> Vec<(u32, u32)> {
    let during = |t: &sim_core::Instant| *t >= at(10) && *t < at(20);
    let heard = |a, b| run.observer().arrived.iter().any(|(t, f, to, _)| during(t) && (f.0, to.0) == (a, b));
    (0..n * n).map(|i| (i / n, i % n)).filter(|(a, b)| a != b && heard(*a, *b)).collect()
}

#[test]
fn every_shape_bites_and_counts_what_it_dropped() {
    let node = Target::Node(NodeId(1));
    let groups = vec![vec![Target::Node(NodeId(0))], vec![Target::Nodes(vec![NodeId(2), NodeId(3)])]];
    for (shape, target) in [
        (Shape::Isolate, node.clone()),
        (Shape::Halves, Target::All),
        (Shape::MajorityMinority, node.clone()),
        (Shape::MinorityThird, Target::All),
        (Shape::MajoritiesRing, Target::All),
        (Shape::Bridge, node.clone()),
        (Shape::OneWay { outbound: true }, node.clone()),
        (Shape::OneWay { outbound: false }, node),
        (Shape::Intersecting, Target::All),
        (Shape::Groups(groups), Target::All),
    ] {
        let run = partitioned(5, shape.clone(), target);
        let dropped = run.tally().dropped[Drop::Cut as usize];
        let fault = &run.faults()[0];
        assert!(dropped > 0, "{}", shape.name());
        assert_eq!(fault.touched, dropped, "{}", shape.name());
        assert_eq!((fault.started, fault.ended), (Some(at(10)), Some(at(20))));
        let last_cut = run.observer().lost.iter().map(|(t, _)| *t).max().expect("something was cut");
        assert!(last_cut <= at(20), "{}: still cut at {last_cut}", shape.name());
    }
}

#[test]
fn a_one_way_cut_is_one_way() {
    for outbound in [true, false] {
        let run = partitioned(4, Shape::OneWay { outbound }, Target::Node(NodeId(1)));
        let cut_off = |(a, b): &(u32, u32)| if outbound { *a == 1 } else { *b == 1 };
        let connected = connected(&run, 4);
        assert_eq!(connected.len(), 9);
        assert!(!connected.iter().any(cut_off), "{connected:?}");
    }
}

#[test]
fn a_bridge_hears_both_sides_and_the_ring_hears_majorities() {
    let run = partitioned(5, Shape::Bridge, Target::Node(NodeId(3)));
    let pairs = connected(&run, 5);
    assert_eq!(pairs.iter().filter(|(a, _)| *a == 3).count(), 4);
    assert!((0..5).filter(|n| *n != 3).all(|n| pairs.iter().filter(|(a, _)| *a == n).count() == 2), "{pairs:?}");
    let ring = connected(&partitioned(5, Shape::MajoritiesRing, Target::All), 5);
    assert!((0..5).all(|n| ring.iter().filter(|(a, _)| *a == n).count() == 2), "{ring:?}");
}

#[test]
fn a_message_under_way_when_the_cut_falls_is_dropped_and_one_sent_before_it_heals_too() {
    // Sent at 9.5 with 1 ms to go: the cut at 10 stops it. Sent at 19.5: stopped at send, though the cut ends at 20.
    let run = partitioned(2, Shape::Isolate, Target::Node(NodeId(0)));
    let cuts: Vec<f64> = run.observer().lost.iter().map(|(t, _)| t.0 as f64 / 1e6).collect();
    assert_eq!(cuts[..4], [10.5, 10.5, 10.5, 10.5], "two stopped at arrival, two at send");
    assert_eq!(cuts.len(), 2 + 20 - 2 + 2);
    assert!(cuts.ends_with(&[19.5, 19.5]));
}

#[test]
fn a_message_that_lands_after_the_heal_was_sent_after_it() {
    let mut config = config(2);
    config.schedule = faults(vec![cut(Shape::Isolate, Target::Node(NodeId(0)))]);
    link(&mut config).latency = sim_core::network::Latency::Fixed(ms(15));
    let mut run = start(config, everyone_talks());
    run_to(&mut run, at(60));
    // Sent before 5: arrives during the cut. Sent from 5 to 10: crosses the whole cut, which falls and heals meanwhile.
    for (t, ..) in &run.observer().arrived {
        let sent = Duration(t.0 - ms(15).0);
        assert!(!(ms(10)..ms(20)).contains(&sent), "sent at {sent}, during the cut");
        assert!(*t < at(10) || *t >= at(20), "arrived at {t}, during the cut");
    }
}

#[test]
fn a_cut_that_separates_nobody_who_talks_has_touched_nothing() {
    let all = Shape::Groups(vec![vec![Target::All]]);
    assert_eq!(partitioned(4, all, Target::All).faults()[0].touched, 0);
    let mut run = start(
        EngineConfig { schedule: faults(vec![cut(Shape::Isolate, Target::Node(NodeId(0)))]), ..config(3) },
        Script::default(),
    );
    run_to(&mut run, at(30));
    assert_eq!(run.faults()[0].touched, 0);
}

#[test]
fn overlapping_cuts_all_count_what_they_stop() {
    let both = faults(vec![
        cut(Shape::Isolate, Target::Node(NodeId(0))),
        cut(Shape::OneWay { outbound: true }, Target::Node(NodeId(0))),
    ]);
    let mut run = start(EngineConfig { schedule: both, ..config(3) }, everyone_talks());
    run_to(&mut run, at(30));
    let touched: Vec<u64> = run.faults().iter().map(|f| f.touched).collect();
    assert!(touched[1] > 0 && touched[0] > touched[1], "{touched:?}");
}

#[test]
fn clients_are_cut_off_with_their_zone_only_where_asked() {
    use CutClients::{Free, WithZone};
    let answered = |clients, zone: u16| {
        let mut config = config(4);
        config.node_zones = vec![0, 0, 1, 1];
        config.network = NetworkConfig::uniform(4, 2, LinkPolicy::default());
        let shape = Shape::Groups(vec![vec![Target::Zone(0, "a".into())], vec![Target::Zone(1, "b".into())]]);
        config.schedule = faults(vec![(Fault::Partition { shape, clients }, Target::All, at(10), at(500))]);
        let mut run = start(config, Script::default());
        let mut seat = seat(Routing::Fixed(NodeId(0)));
        seat.zone = zone;
        run.add_client(seat, timetable(vec![at(5), at(50)]));
        run_to(&mut run, at(60));
        run.observer().ended.len()
    };
    assert_eq!((answered(Free, 0), answered(Free, 1), answered(WithZone, 0), answered(WithZone, 1)), (2, 2, 2, 1));
}

#[test]
fn a_node_may_be_cut_off_from_clients_alone() {
    let (isolate, deaf) = (Shape::Isolate, Shape::OneWay { outbound: false });
    let hears = |shape: &Shape, node: u32| {
        let fault = Fault::Partition { shape: shape.clone(), clients: CutClients::Only };
        let schedule = faults(vec![(fault, Target::Node(NodeId(0)), at(10), at(500))]);
        let mut run = start(EngineConfig { schedule, ..config(3) }, everyone_talks());
        run.add_client(seat(Routing::Fixed(NodeId(node))), timetable(vec![at(5), at(50)]));
        run_to(&mut run, at(60));
        assert_eq!(run.tally().dropped[Drop::Cut as usize], 0, "nodes talk to each other");
        assert_eq!(run.faults()[0].touched > 0, node == 0);
        (run.stats()[node as usize].requests, run.observer().ended.len())
    };
    assert_eq!((hears(&isolate, 0), hears(&isolate, 1)), ((1, 1), (2, 2)));
    // It hears them and can not answer, or does not hear them.
    let mute = Shape::OneWay { outbound: true };
    assert_eq!((hears(&mute, 0), hears(&deaf, 0)), ((2, 1), (1, 1)));
}
