//! Links: latency, loss, duplicates, reordering, corruption, bandwidth, sites.

use crate::support::*;
use sim_core::fault::{Direction, Fault, OnCrash, PacketChange, Target};
use sim_core::network::{Latency, LinkPolicy, NetworkConfig, Transport};
use sim_core::{Drop, Duration, EngineConfig, NodeId, Probability, Timer};
use std::collections::BTreeSet;

const PERCENT: u64 = 10_000_000;

/// Node 0 sends a numbered message to node 1 every 100 us.
fn stream() -> Script {
    Script {
        boot: |me, fx| {
            if me.0 == 0 {
                fx.arm(Timer(0), us(100));
            }
        },
        timer: |node, timer, fx| {
            fx.send(NodeId(1), note(node.count));
            node.count += 1;
            fx.arm(timer, us(100));
        },
        ..Script::default()
    }
}

fn streamed(policy: LinkPolicy, millis: u64) -> Run {
    let mut config = config(2);
    *link(&mut config) = policy;
    let mut run = start_quiet(config, stream());
    run_to(&mut run, at(millis));
    run
}

/// Five standard deviations around the mean of a binomial.
fn binomial(got: u64, n: u64, p: f64) {
    let (mean, sd) = (n as f64 * p, (n as f64 * p * (1.0 - p)).sqrt());
    assert!((got as f64 - mean).abs() <= 5.0 * sd, "{got} of {n}, expected {mean:.0} +- {sd:.0}");
}

#[test]
fn latencies_keep_their_bounds_and_reach_them() {
    let run = streamed(LinkPolicy { latency: Latency::uniform(ms(1), ms(3)), ..LinkPolicy::default() }, 2_000);
    let took: Vec<u64> = run.observer().messages.iter().map(|(sent, arrives, ..)| arrives.since(*sent).0).collect();
    assert!(took.len() > 19_000 && took.iter().all(|t| (1_000_000..=3_000_000).contains(t)));
    assert!(took.iter().min() < Some(&1_001_000) && took.iter().max() > Some(&2_999_000));
    let mean = took.iter().sum::<u64>() / took.len() as u64;
    assert!((1_980_000..2_020_000).contains(&mean), "{mean}");
    // What was promised at send is what happened.
    let promised: BTreeSet<_> = run.observer().messages.iter().map(|(_, arrives, .., n)| (*n, *arrives)).collect();
    assert!(run.observer().arrived.iter().all(|(t, .., n)| promised.contains(&(*n, *t))));
}

#[test]
fn loss_is_binomial() {
    for percent in [1, 30] {
        let run =
            streamed(LinkPolicy { loss: Probability::per_billion(percent * PERCENT), ..LinkPolicy::default() }, 2_000);
        binomial(run.tally().dropped[Drop::Loss as usize], run.observer().sent, percent as f64 / 100.0);
        assert!(run.observer().lost.iter().all(|(_, why)| *why == Drop::Loss));
    }
    let run = streamed(LinkPolicy { loss: Probability::ALWAYS, ..LinkPolicy::default() }, 100);
    assert_eq!(run.observer().delivered, 0);
}

#[test]
fn duplicates_arrive_twice_with_latencies_of_their_own() {
    let run = streamed(
        LinkPolicy {
            latency: Latency::uniform(ms(1), ms(3)),
            duplicate: Probability::per_billion(20 * PERCENT),
            ..LinkPolicy::default()
        },
        2_000,
    );
    let mut counts = std::collections::BTreeMap::new();
    live(&run, 1).numbers().iter().for_each(|n| *counts.entry(*n).or_insert(0_u32) += 1);
    assert!(counts.values().all(|c| (1..=2).contains(c)));
    binomial(counts.values().filter(|c| **c == 2).count() as u64, run.observer().sent, 0.2);
    let took = run.observer().arrived.iter().map(|(t, .., n)| t.since(run.observer().messages[*n as usize].0).0);
    assert!(took.clone().all(|t| (1_000_000..=3_000_000).contains(&t)));
    assert!(run.tally().duplicated > 3_000);
}

#[test]
fn reordered_messages_are_held_back_and_overtaken() {
    let run = streamed(
        LinkPolicy {
            latency: Latency::Fixed(ms(1)),
            reorder: Probability::per_billion(10 * PERCENT),
            reorder_by: us(450),
            ..LinkPolicy::default()
        },
        2_000,
    );
    let held = run.observer().messages.iter().filter(|(s, a, ..)| a.since(*s) == us(1_450)).count();
    assert!(run.observer().messages.iter().all(|(s, a, ..)| [us(1_000), us(1_450)].contains(&a.since(*s))));
    binomial(held as u64, run.observer().sent, 0.1);
    let numbers = live(&run, 1).numbers();
    let overtaken = numbers.windows(2).filter(|w| w[0] > w[1]).count();
    assert!(overtaken * 10 > held * 7, "{overtaken} of {held}");
    let plain = streamed(LinkPolicy::default(), 2_000);
    assert!(live(&plain, 1).numbers().is_sorted());
}

#[test]
fn corrupted_messages_are_noticed_and_dropped() {
    let run = streamed(LinkPolicy { corrupt: Probability::per_billion(5 * PERCENT), ..LinkPolicy::default() }, 2_000);
    binomial(run.tally().dropped[Drop::Corrupt as usize], run.observer().sent, 0.05);
}

#[test]
fn a_limited_link_serializes_and_drops_when_its_queue_is_full() {
    // 100 bytes each 100 us are 8 Mbit/s; the link carries 4, and 1,000 bytes may wait.
    let policy = LinkPolicy {
        latency: Latency::Fixed(ms(1)),
        bandwidth: 4_000_000,
        queue_bytes: 1_000,
        ..LinkPolicy::default()
    };
    let run = streamed(policy, 1_000);
    let arrived: Vec<u64> = run.observer().arrived.iter().map(|(t, ..)| t.0).collect();
    assert!(arrived.windows(2).all(|w| w[1] - w[0] >= 200_000), "faster than the link");
    binomial(arrived.len() as u64, run.observer().sent, 0.5);
    let full = run.tally().dropped[Drop::QueueFull as usize];
    assert!(full > 4_900 && run.observer().lost.len() as u64 == full);
    let slowest = run.observer().arrived.iter().map(|(t, .., n)| t.since(run.observer().messages[*n as usize].0));
    // 1 ms of latency, at most 1,000 bytes ahead at 2 us a byte, and its own 100.
    assert!(slowest.max().expect("some arrive") <= us(1_000 + 2_000 + 200));
}

#[test]
fn each_ordered_pair_of_sites_has_its_own_policy() {
    let policy = |millis| LinkPolicy { latency: Latency::Fixed(ms(millis)), ..LinkPolicy::default() };
    let network = NetworkConfig {
        node_site: vec![0, 1, 0, 1],
        client_site: vec![0],
        sites: 2,
        policies: vec![policy(1), policy(20), policy(30), policy(2)],
        transport: Transport::Ideal,
    };
    let script = Script {
        boot: |me, fx| (0..4).filter(|to| *to != me.0).for_each(|to| fx.send(NodeId(to), note(0))),
        ..Script::default()
    };
    let mut run = start(EngineConfig { network, ..config(4) }, script);
    run_to(&mut run, at(100));
    for (sent, arrives, from, to, _) in &run.observer().messages {
        let expect = [[1, 20], [30, 2]][from.index() % 2][to.index() % 2];
        assert_eq!(arrives.since(*sent), ms(expect), "{from} to {to}");
    }
    assert_eq!(run.observer().delivered, 12);
}

#[test]
fn a_message_to_oneself_does_not_cross_the_network() {
    let mut config = config(1);
    link(&mut config).loss = Probability::ALWAYS;
    let script = Script { boot: |me, fx| fx.send(me, note(4)), ..Script::default() };
    let mut run = start(config, script);
    run_to(&mut run, at(0));
    assert_eq!(live(&run, 0).numbers(), [4]);
}

fn packet(change: PacketChange, direction: Direction, peers: Option<Target>, kinds: &[&str]) -> Fault {
    Fault::Packet { change, direction, peers, kinds: kinds.iter().map(|k| (*k).to_owned()).collect() }
}

/// Nodes 0, 1 and 2 send each other a note a millisecond; each is acknowledged.
fn mesh() -> Script {
    Script {
        boot: |_, fx| fx.arm(Timer(0), ms(1)),
        timer: |node, timer, fx| {
            let me = node.me.0;
            (0..3).filter(|to| *to != me).for_each(|to| fx.send(NodeId(to), note(u64::from(me))));
            fx.arm(timer, ms(1));
        },
        message: |_, from, message, fx| {
            if !message.ack {
                fx.send(from, Note { ack: true, ..message });
            }
        },
        remember: false,
        ..Script::default()
    }
}

fn meshed(fault: Fault) -> Run {
    let mut config = config(3);
    config.schedule = faults(vec![(fault, Target::Node(NodeId(0)), at(0), at(1_000))]);
    let mut run = start(config, mesh());
    run_to(&mut run, at(999));
    run
}

fn dropped(run: &Run) -> BTreeSet<String> {
    run.observer().before(at(2_000), &["Dropped"]).into_iter().map(|(_, line)| line).collect()
}

#[test]
fn packet_faults_keep_to_their_direction_peers_and_kinds() {
    let loss = || PacketChange { loss: Probability::ALWAYS, ..PacketChange::default() };
    let links = |run: &Run| {
        let all = dropped(run);
        let hit =
            |from, to| all.iter().any(|l| l.contains(&format!("from: Node(NodeId({from})), to: Node(NodeId({to}))")));
        (0..9).filter(|i| i / 3 != i % 3 && hit(i / 3, i % 3)).map(|i| (i / 3, i % 3)).collect::<Vec<_>>()
    };
    assert_eq!(links(&meshed(packet(loss(), Direction::From, None, &[]))), [(0, 1), (0, 2)]);
    assert_eq!(links(&meshed(packet(loss(), Direction::To, None, &[]))), [(1, 0), (2, 0)]);
    assert_eq!(links(&meshed(packet(loss(), Direction::Both, None, &[]))), [(0, 1), (0, 2), (1, 0), (2, 0)]);
    let to_two = Some(Target::Node(NodeId(2)));
    assert_eq!(links(&meshed(packet(loss(), Direction::Both, to_two, &[]))), [(0, 2), (2, 0)]);
    let acks = meshed(packet(loss(), Direction::From, None, &["ack"]));
    assert!(dropped(&acks).iter().all(|line| line.contains("\"ack\"")) && acks.faults()[0].touched > 1_000);
    let nothing = meshed(packet(loss(), Direction::From, None, &["unheard of"]));
    assert_eq!((nothing.faults()[0].touched, nothing.observer().dropped), (0, 0));
    let idle = meshed(packet(PacketChange::default(), Direction::Both, None, &[]));
    assert_eq!(idle.faults()[0].touched, 0);
}

#[test]
fn a_delay_delays_duplicates_as_well() {
    let change =
        PacketChange { delay: Some(Latency::Fixed(ms(10))), duplicate: Probability::ALWAYS, ..PacketChange::default() };
    let mut config = config(2);
    config.schedule =
        faults(vec![(packet(change, Direction::From, None, &[]), Target::Node(NodeId(0)), at(0), at(100))]);
    let mut run = start_quiet(config, stream());
    run_to(&mut run, at(100));
    let took =
        |(t, _, _, n): &(sim_core::Instant, NodeId, NodeId, u64)| t.since(run.observer().messages[*n as usize].0);
    assert!(run.observer().arrived.len() > 1_500);
    assert!(run.observer().arrived.iter().all(|a| took(a) == ms(11)));
}

#[test]
fn packet_changes_add_up_to_their_rates() {
    let change = PacketChange {
        loss: Probability::per_billion(10 * PERCENT),
        corrupt: Probability::per_billion(10 * PERCENT),
        duplicate: Probability::per_billion(30 * PERCENT),
        ..PacketChange::default()
    };
    let mut config = config(2);
    config.schedule =
        faults(vec![(packet(change, Direction::From, None, &[]), Target::Node(NodeId(0)), at(0), at(2_000))]);
    let mut run = start_quiet(config, stream());
    run_to(&mut run, at(2_000));
    let (sent, tally) = (run.observer().sent, run.tally());
    binomial(tally.dropped[Drop::Loss as usize], sent, 0.1);
    binomial(tally.dropped[Drop::Corrupt as usize], sent, 0.09);
    binomial(tally.duplicated, sent, 0.81 * 0.3);
}

/// Node 1 sends node 0 a numbered message every millisecond, up to 100, over an ordered link of 1 to 5 ms.
fn in_order(loss: u64, all: Vec<(Fault, Target, sim_core::Instant, sim_core::Instant)>, timeout: Duration) -> Run {
    let script = Script {
        boot: |me, fx| {
            if me.0 == 1 {
                fx.arm(Timer(0), ms(1));
            }
        },
        timer: |node, timer, fx| {
            if node.count < 100 {
                fx.send(NodeId(0), note(node.count));
                node.count += 1;
                fx.arm(timer, ms(1));
            }
        },
        ..Script::default()
    };
    let mut config = EngineConfig { schedule: faults(all), ..config(2) };
    *link(&mut config) = LinkPolicy {
        latency: Latency::uniform(ms(1), ms(5)),
        loss: Probability::per_billion(loss * PERCENT),
        ordered: true,
        connection_timeout: timeout,
        ..LinkPolicy::default()
    };
    let mut run = start(config, script);
    run_to(&mut run, at(5_000));
    assert_eq!(run.observer().sent, run.tally().delivered + run.observer().dropped + run.messages_in_flight());
    run
}

fn cut(from: u64, until: u64) -> (Fault, Target, sim_core::Instant, sim_core::Instant) {
    let fault = Fault::Partition { shape: sim_core::fault::Shape::Isolate, clients: sim_core::fault::CutClients::Free };
    (fault, Target::Node(NodeId(0)), at(from), at(until))
}

#[test]
fn an_ordered_link_keeps_order_and_loses_nothing() {
    let all: Vec<u64> = (0..100).collect();
    for loss in [0, 10] {
        let run = in_order(loss, vec![], Duration::secs(15));
        assert_eq!(live(&run, 0).numbers(), all);
        let late = run.observer().arrived.last().expect("some").0;
        assert_eq!(late > at(250), loss > 0, "what was lost came 200 ms later, and all behind it waited: {late}");
    }
}

#[test]
fn an_ordered_link_holds_what_a_cut_stops_and_delivers_it_after() {
    let run = in_order(0, vec![cut(30, 60), cut(40, 90)], Duration::secs(15));
    assert_eq!(live(&run, 0).numbers(), (0..100).collect::<Vec<u64>>());
    let within = |t: &sim_core::Instant| (at(30)..at(90)).contains(t);
    assert!(!run.observer().arrived.iter().any(|(t, ..)| within(t)), "nothing passes a cut");
    assert!(run.faults().iter().all(|fault| fault.touched > 0));
}

#[test]
fn a_connection_that_is_cut_for_too_long_is_lost_with_what_it_holds() {
    let run = in_order(0, vec![cut(30, 90)], ms(20));
    let numbers = live(&run, 0).numbers();
    assert!(numbers.is_sorted() && numbers[..25] == (0..25).collect::<Vec<u64>>(), "{numbers:?}");
    // What was sent before the cut ended is gone, the rest goes by a new connection.
    assert!(!numbers.iter().any(|n| (30..80).contains(n)) && numbers.ends_with(&[95, 96, 97, 98, 99]), "{numbers:?}");
    assert_eq!(run.tally().dropped[Drop::Cut as usize] as usize, 100 - numbers.len());
}

#[test]
fn a_crash_breaks_ordered_connections() {
    let crash = (Fault::Crash { on_crash: OnCrash::Keep }, Target::Node(NodeId(0)), at(50), at(51));
    let run = in_order(0, vec![crash], Duration::secs(15));
    let numbers = live(&run, 0).numbers();
    // In its second life it hears nothing that was sent in its first.
    assert!(numbers[0] >= 49 && numbers.ends_with(&[98, 99]), "{numbers:?}");
    let held = in_order(
        0,
        vec![cut(30, 60), (Fault::Crash { on_crash: OnCrash::Keep }, Target::Node(NodeId(0)), at(50), at(55))],
        Duration::secs(15),
    );
    let numbers = live(&held, 0).numbers();
    assert!(numbers[0] >= 49 && numbers.is_sorted() && numbers.ends_with(&[98, 99]), "{numbers:?}");
}

#[test]
fn what_leaves_a_machine_shares_its_way_out() {
    // 100 bytes each to four others at once: 800,000 bit/s is 1 ms for each, whoever it is for.
    let arrivals = |host: Option<u16>, queue: u64| {
        let script = Script {
            boot: |me, fx| {
                if me.0 == 0 {
                    (1..5).for_each(|to| fx.send(NodeId(to), note(u64::from(to))));
                }
            },
            ..Script::default()
        };
        let mut config = config(5);
        config.nodes[0].egress = 800_000;
        config.nodes[0].egress_queue = queue;
        (config.nodes[0].host, config.nodes[1].host) = (host, host);
        let mut run = start(config, script);
        run_to(&mut run, at(100));
        run.observer().arrived.iter().map(|(t, _, to, _)| (t.0 / 1_000_000, to.0)).collect::<Vec<_>>()
    };
    assert_eq!(arrivals(None, 1_000), [(2, 1), (3, 2), (4, 3), (5, 4)]);
    // Who is on the same machine is reached without.
    assert_eq!(arrivals(Some(0), 1_000), [(1, 1), (2, 2), (3, 3), (4, 4)]);
    assert_eq!(arrivals(None, 250), [(2, 1), (3, 2)], "there is no room for the others");
}
