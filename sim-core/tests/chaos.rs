//! Random small schedules of every kind of fault: nothing panics, every run is reproducible, no message is unaccounted.

use crate::support::*;
use proptest::prelude::*;
use sim_core::fault::{
    Burst, ClockChange, CutClients, Direction, DiskChange, Fault, Injection, OnCrash, PacketChange, Schedule, Shape,
    Target,
};
use sim_core::network::Latency;
use sim_core::workload::Arrival;
use sim_core::{Clock, DiskPolicy, Duration, EngineConfig, Instant, NodeId, Probability, Routing};
use std::rc::Rc;

const NODES: u32 = 4;

fn share() -> impl Strategy<Value = Probability> {
    prop_oneof![Just(0), 0..1_000_000_000_u64, Just(1_000_000_000)].prop_map(Probability::per_billion)
}

fn target() -> impl Strategy<Value = Target> {
    let some_node = || (0..NODES).prop_map(NodeId);
    prop_oneof![
        Just(Target::All),
        some_node().prop_map(Target::Node),
        prop::collection::vec(some_node(), 0..4).prop_map(Target::Nodes),
        (0..2_u16).prop_map(|z| Target::Zone(z, format!("z{z}"))),
        prop_oneof![Just("leader"), Just("follower"), Just("nobody")].prop_map(|r| Target::Role(r.into())),
        Just(Target::RoleZone("leader".into())),
        Just(Target::Every("follower".into())),
        Just(Target::RoleMachine("leader".into())),
        Just(Target::MostBehind),
        Just(Target::Random),
        Just(Target::Minority),
        Just(Target::MinorityWith("leader".into())),
        Just(Target::OneMoreThanMinority),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Isolate),
        Just(Shape::Halves),
        Just(Shape::MajorityMinority),
        Just(Shape::MinorityThird),
        Just(Shape::MajoritiesRing),
        Just(Shape::Bridge),
        any::<bool>().prop_map(|outbound| Shape::OneWay { outbound }),
        Just(Shape::Intersecting),
        prop::collection::vec(prop::collection::vec(target(), 0..3), 0..3).prop_map(Shape::Groups),
    ]
}

fn latency() -> impl Strategy<Value = Latency> {
    prop_oneof![
        (0..5_000_u64).prop_map(|n| Latency::Fixed(us(n))),
        (0..500_u64, 500..5_000_u64).prop_map(|(lo, hi)| Latency::uniform(us(lo), us(hi))),
        (1..3_000_u64).prop_map(|n| Latency::exponential(us(n))),
    ]
}

prop_compose! {
    fn packet()(
        (loss, duplicate, reorder, corrupt) in (share(), share(), share(), share()),
        delay in prop::option::of(latency()),
        (rate, queue_bytes) in prop_oneof![Just((0, 0)), (10_000..10_000_000_u64, 0..5_000_u64)],
        reorder_by in (0..5_000_u64).prop_map(us),
        correlation in share(),
        burst in prop::option::of((share(), share(), share(), share()).prop_map(
            |(good_to_bad, bad_to_good, loss_bad, loss_good)| Burst { good_to_bad, bad_to_good, loss_bad, loss_good }
        )),
    ) -> PacketChange {
        PacketChange { loss, delay, duplicate, reorder, reorder_by, corrupt, rate, queue_bytes, correlation, burst }
    }
}

fn fault() -> impl Strategy<Value = Fault> {
    let mode = prop_oneof![Just(OnCrash::Keep), Just(OnCrash::LoseUnsynced), Just(OnCrash::Torn), Just(OnCrash::Wipe)];
    let way = prop_oneof![Just(Direction::To), Just(Direction::From), Just(Direction::Both)];
    let kinds = prop_oneof![Just(vec![]), Just(vec!["ack".to_owned()])];
    prop_oneof![
        mode.prop_map(|on_crash| Fault::Crash { on_crash }),
        Just(Fault::Pause),
        (1..50_u32, 0..500_u64).prop_map(|(factor, floor)| Fault::Slow { factor, floor: us(floor) }),
        (shape(), any::<bool>()).prop_map(|(shape, only)| Fault::Partition {
            shape,
            clients: if only { CutClients::Only } else { CutClients::WithZone }
        }),
        (packet(), way, prop::option::of(target()), kinds)
            .prop_map(|(change, direction, peers, kinds)| Fault::Packet { change, direction, peers, kinds }),
        (-1_000_000_000..1_000_000_000_i64).prop_map(|n| Fault::Clock(ClockChange::Step(n))),
        (-999_999..5_000_000_i32).prop_map(|n| Fault::Clock(ClockChange::Drift(n))),
        Just(Fault::Clock(ClockChange::Freeze)),
        latency().prop_map(|l| Fault::Disk(DiskChange::Slow(l))),
        Just(Fault::Disk(DiskChange::Stall)),
        share().prop_map(|p| Fault::Disk(DiskChange::FailSync(p))),
        share().prop_map(|p| Fault::Disk(DiskChange::Rot(p))),
        prop_oneof![Just(DiskChange::Lie), Just(DiskChange::Full), Just(DiskChange::Torn)].prop_map(Fault::Disk),
    ]
}

prop_compose! {
    fn one()(fault in fault(), target in target(), from in 0..60_u64, length in prop::option::of(0..40_u64))
        -> (Fault, Target, Instant, Instant) {
        (fault, target, at(from), length.map_or(Instant::FAR, |length| at(from + length)))
    }
}

prop_compose! {
    fn cluster()(
        seed in any::<u64>(),
        shuffle_ties in any::<bool>(),
        all in prop::collection::vec(one(), 0..7),
        costs in prop::collection::vec(prop_oneof![Just(0), 1..300_u64], NODES as usize),
        drifts in prop::collection::vec(-900_000..900_000_i32, NODES as usize),
        latency in latency(),
        own in packet(),
        plain in any::<bool>(),
        sync in latency(),
    ) -> EngineConfig {
        let mut config = EngineConfig { seed, shuffle_ties, schedule: faults(all), ..config(NODES as usize) };
        config.node_zones = vec![0, 0, 1, 1];
        for (node, (cost, ppm)) in config.nodes.iter_mut().zip(costs.into_iter().zip(drifts)) {
            node.cpu_cost = us(cost);
            node.clock = Clock::new(0, ppm);
            node.disk = Rc::new(DiskPolicy { sync: sync.clone(), ..DiskPolicy::default() });
        }
        let link = link(&mut config);
        link.latency = latency;
        link.loss = Probability::per_billion(20_000_000);
        if !plain {
            (link.duplicate, link.reorder, link.reorder_by) = (own.duplicate, own.reorder, own.reorder_by);
            (link.corrupt, link.bandwidth, link.queue_bytes) = (own.corrupt, own.rate, own.queue_bytes);
        }
        config
    }
}

fn accounts(run: &Run) {
    let tally = run.tally();
    let sent = tally.sent.iter().sum::<u64>() + tally.duplicated;
    let ended = tally.delivered + tally.dropped.iter().sum::<u64>();
    assert_eq!(sent, ended + run.messages_in_flight());
    let seen = run.observer();
    assert_eq!(seen.invoked.len(), seen.ended.len() + run.pending_operations());
    for (stats, now) in run.stats().iter().zip(std::iter::repeat(run.now().0)) {
        assert!(stats.busy_ns <= now && stats.disk_busy_ns <= now && stats.down_ns <= now, "{stats:?} at {now}");
    }
}

fn live_through(config: &EngineConfig, fork_at: Option<u64>) -> (u64, u64, u64) {
    let mut run = start_quiet(config.clone(), counter(NODES));
    run.add_client(seat(Routing::Sticky), generated(Arrival::Open([(Instant::ZERO, ms(2)).into()].into())));
    run.add_client(seat(Routing::Random), generated(Arrival::Closed { think: us(500), outstanding: 2 }));
    for t in [10, 30, 60, 90] {
        run_to(&mut run, at(t));
        accounts(&run);
        if fork_at == Some(t) {
            run = run.clone();
        }
    }
    run.heal();
    run_to(&mut run, at(130));
    accounts(&run);
    assert!(run.faults().iter().all(|f| f.started.is_none() || f.ended.is_some()));
    run.abandon_operations();
    let drained = run.now() + Duration::secs(1);
    let sent = run.tally().sent[0];
    run_to(&mut run, drained);
    accounts(&run);
    // Healed: everybody is up, but for those who have just halted and wait for their supervisor, and talks.
    assert!(run.nodes().iter().all(Option::is_some));
    assert!(run.tally().sent[0] > sent + 100);
    (run.digest(), run.events(), run.observer().sent)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_schedule_is_survived_reproduced_and_accounted_for(config in cluster()) {
        let first = live_through(&config, None);
        prop_assert_eq!(first, live_through(&config, None));
        prop_assert_eq!(first, live_through(&config, Some(30)));
    }

    #[test]
    fn leaving_out_any_fault_changes_nothing_before_it(config in cluster(), which in any::<prop::sample::Index>()) {
        let mut injections: Vec<Injection> = config.schedule.injections().to_vec();
        if injections.is_empty() {
            return Ok(());
        }
        let removed = injections.remove(which.index(injections.len()));
        let less = EngineConfig { schedule: Schedule::new(injections), ..config.clone() };
        let until = removed.at;
        let lines = |config: EngineConfig| {
            let mut run = start(config, counter(NODES));
            run.add_client(seat(Routing::Sticky), generated(Arrival::Open([(Instant::ZERO, ms(2)).into()].into())));
            run_to(&mut run, until);
            let mut lines = run.observer().lines.clone();
            // The position in the schedule is what changes.
            lines.retain(|(t, line)| *t < until && !line.starts_with("Fault"));
            lines
        };
        prop_assert_eq!(lines(config), lines(less));
    }
}
