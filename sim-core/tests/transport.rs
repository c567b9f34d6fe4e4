//! Transports: datagrams in fragments and sockets that overflow; streams that lose segments and no messages.

use crate::support::*;
use sim_core::fault::{CutClients, Direction, Fault, OnCrash, PacketChange, Shape, Target};
use sim_core::network::{LinkPolicy, TcpPolicy, Transport, UdpPolicy};
use sim_core::workload::Arrival;
use sim_core::{Drop, Duration, EngineConfig, Instant, NodeId, Probability, Routing, Timer};

const PERCENT: u64 = 10_000_000;

fn percent(n: u64) -> Probability {
    Probability::per_billion(n * PERCENT)
}

fn tcp() -> TcpPolicy {
    // Without keep-alive, so that what is counted is what was sent.
    TcpPolicy { keep_alive: Duration::ZERO, ..TcpPolicy::default() }
}

/// Node 0 sends node 1 a message of `bytes` every millisecond.
fn stream(bytes: u32) -> Script {
    let timer = match bytes {
        0..=100 => |node: &mut Scripted, timer, fx: Fx<'_, '_>| say(node, timer, fx, 100),
        101..=4_000 => |node: &mut Scripted, timer, fx: Fx<'_, '_>| say(node, timer, fx, 4_000),
        _ => |node: &mut Scripted, timer, fx: Fx<'_, '_>| say(node, timer, fx, 70_000),
    };
    Script {
        boot: |me, fx| {
            if me.0 == 0 {
                fx.arm(Timer(0), ms(1));
            }
        },
        timer,
        ..Script::default()
    }
}

fn say(node: &mut Scripted, timer: Timer, fx: Fx<'_, '_>, bytes: u32) {
    fx.send(NodeId(1), Note { number: node.count, bytes, ack: false });
    node.count += 1;
    fx.arm(timer, ms(1));
}

fn over(transport: Transport, policy: LinkPolicy, bytes: u32, all: Vec<(Fault, Target, Instant, Instant)>) -> Run {
    let mut config = EngineConfig { schedule: faults(all), ..config(2) };
    *link(&mut config) = LinkPolicy { latency: link(&mut config).latency.clone(), ..policy };
    config.network.transport = transport;
    start(config, stream(bytes))
}

fn udp() -> Transport {
    Transport::Udp(UdpPolicy::default())
}

fn cut(from: u64, until: u64) -> (Fault, Target, Instant, Instant) {
    let fault = Fault::Partition { shape: Shape::Isolate, clients: CutClients::Free };
    (fault, Target::Node(NodeId(0)), at(from), at(until))
}

fn crash(on_crash: OnCrash, who: u32, from: u64, until: u64) -> (Fault, Target, Instant, Instant) {
    (Fault::Crash { on_crash }, Target::Node(NodeId(who)), at(from), at(until))
}

/// When segments left node 0 that it had sent before, in milliseconds.
fn sent_again(run: &Run) -> Vec<u64> {
    let mine = "Segment { from: Node(NodeId(0))";
    let again = run.observer().lines.iter().filter(|(_, l)| l.starts_with(mine) && l.contains("again: true"));
    again.map(|(at, _)| at.0 / 1_000_000).collect()
}

fn kept_books(run: &Run) {
    let tally = run.tally();
    let (sent, gone): (u64, u64) = (tally.sent.iter().sum(), tally.dropped.iter().sum());
    assert_eq!(sent + tally.duplicated, tally.delivered + gone + run.messages_in_flight(), "{tally:?}");
}

#[test]
fn a_datagram_is_lost_with_any_of_its_fragments() {
    let mut run = over(udp(), LinkPolicy { loss: percent(10), ..LinkPolicy::default() }, 4_000, vec![]);
    run_to(&mut run, at(20_000));
    let stats = run.transport_stats().expect("there is a transport");
    let (sent, arrived) = (run.observer().sent, run.observer().delivered);
    assert_eq!(stats.packets, 3 * sent, "4,008 bytes are three fragments of 1,480 at most");
    assert_eq!(stats.bytes, sent * (4_008 + 3 * 20));
    let (mean, sd) = (sent as f64 * 0.729, (sent as f64 * 0.729 * 0.271).sqrt());
    assert!((arrived as f64 - mean).abs() < 5.0 * sd, "{arrived} of {sent}");
    // Some fragment arrives of nearly all that are lost.
    assert!(stats.lost_by_fragment > (sent - arrived) * 9 / 10 && stats.lost_by_fragment <= sent - arrived);
    kept_books(&run);
}

#[test]
fn what_no_datagram_can_hold_never_arrives() {
    let policy = UdpPolicy { split: false, ..UdpPolicy::default() };
    let mut run = over(Transport::Udp(policy), LinkPolicy::default(), 70_000, vec![]);
    run_to(&mut run, at(1_000));
    let mut split = over(udp(), LinkPolicy { loss: percent(1), ..LinkPolicy::default() }, 70_000, vec![]);
    run_to(&mut split, at(5_000));
    // 65,515 bytes are 45 fragments, and the rest is 4.
    let (mean, arrived) = (0.99_f64.powi(49), split.observer().delivered as f64 / split.observer().sent as f64);
    assert!((arrived - mean).abs() < 0.04, "{arrived} of {mean}");
    assert_eq!((run.observer().delivered, run.tally().dropped[Drop::TooBig as usize]), (0, run.observer().sent));
}

#[test]
fn a_socket_that_nobody_reads_overflows() {
    let pause = (Fault::Pause, Target::Node(NodeId(1)), at(100), at(1_100));
    let policy = UdpPolicy { receive_buffer: 100 * 768, ..UdpPolicy::default() };
    let mut run = over(Transport::Udp(policy), LinkPolicy::default(), 100, vec![pause]);
    run_to(&mut run, at(2_000));
    let lost = run.tally().dropped[Drop::Overflow as usize];
    assert!((890..=905).contains(&lost), "a hundred of a thousand wait, {lost} are lost");
    kept_books(&run);
}

#[test]
fn datagrams_come_twice_and_out_of_order_and_segments_do_not_show_it() {
    let policy = || LinkPolicy {
        duplicate: percent(20),
        reorder: percent(20),
        reorder_by: ms(7),
        loss: percent(5),
        corrupt: percent(1),
        ..LinkPolicy::default()
    };
    let mut run = over(udp(), policy(), 100, vec![]);
    run_to(&mut run, at(5_000));
    let numbers = live(&run, 1).numbers();
    assert!(!numbers.is_sorted() && run.tally().duplicated > 500);
    kept_books(&run);
    for bytes in [100, 4_000, 70_000] {
        let mut run = over(Transport::Tcp(tcp()), policy(), bytes, vec![]);
        run_to(&mut run, at(5_000));
        let numbers = live(&run, 1).numbers();
        assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>(), "in order, each once, none missing");
        let stats = run.transport_stats().expect("there is a transport");
        assert!(numbers.len() > 5 && stats.sent_again > 20 && stats.behind > 2, "{bytes}: {stats:?}");
        kept_books(&run);
    }
}

#[test]
fn time_outs_double_from_one_second_on_as_rfc_6298_says() {
    // One message in flight when the line is cut: everything behind it waits.
    let policy = TcpPolicy { min_rto: Duration::secs(1), ..tcp() };
    let mut run = over(Transport::Tcp(policy), LinkPolicy::default(), 100, vec![cut(2_000, 40_000)]);
    run_to(&mut run, at(70_000));
    let mut times = sent_again(&run);
    times.retain(|at| *at < 40_000);
    times.dedup_by(|b, a| b.abs_diff(*a) < 100);
    // The newest that was acknowledged armed the timer, a round trip before the cut or so.
    let after: Vec<u64> = times.iter().map(|at| (at - 2_000 + 500) / 1_000).collect();
    assert_eq!(after, [1, 3, 7, 15, 31], "{times:?}");
    let resumed = run.observer().arrived.iter().map(|(t, ..)| t.0 / 1_000_000).find(|t| *t > 2_100);
    assert!(resumed.is_some_and(|t| (64_900..65_200).contains(&t)), "the next try is at 63 s: {resumed:?}");
}

#[test]
fn servers_wait_200_ms_and_a_syn_a_second() {
    let mut run = over(Transport::Tcp(tcp()), LinkPolicy::default(), 100, vec![cut(2_000, 3_300)]);
    run_to(&mut run, at(6_000));
    let mut times = sent_again(&run);
    times.dedup_by(|b, a| b.abs_diff(*a) < 50);
    let after: Vec<u64> = times.iter().map(|at| (at - 2_000 + 50) / 100).collect();
    assert_eq!(after, [2, 6, 14], "{times:?}");
    let policy = TcpPolicy { connect_timeout: Duration::secs(60), ..tcp() };
    let mut run = over(Transport::Tcp(policy), LinkPolicy::default(), 100, vec![cut(0, 10_000)]);
    run_to(&mut run, at(20_000));
    assert_eq!(sent_again(&run).iter().take(4).collect::<Vec<_>>(), [&1_001, &3_001, &7_001, &15_001]);
    assert_eq!(live(&run, 1).numbers()[0], 0, "what was said first has waited");
}

#[test]
fn a_slow_receiver_pushes_back_and_a_full_sender_drops() {
    let pause = (Fault::Pause, Target::Node(NodeId(1)), at(100), at(4_100));
    let policy = TcpPolicy { receive_buffer: 8_000, send_buffer: 4_000, pending: 20_000, ..tcp() };
    let mut run = over(Transport::Tcp(policy), LinkPolicy::default(), 100, vec![pause]);
    run_to(&mut run, at(10_000));
    let stats = run.transport_stats().expect("there is a transport");
    assert!(stats.most_under_way <= 8_000, "{stats:?}");
    let kept = 4_000 - run.tally().dropped[Drop::Overflow as usize];
    assert!((320..=340).contains(&kept), "what three buffers hold, and eight that its process has read: {kept}");
    assert!(live(&run, 1).numbers().is_sorted());
    kept_books(&run);
}

#[test]
fn a_process_that_dies_ends_its_connections_and_a_machine_leaves_them_half_open() {
    let process = vec![crash(OnCrash::Keep, 1, 1_000, 1_500)];
    let mut run = over(Transport::Tcp(tcp()), LinkPolicy::default(), 100, process);
    run_to(&mut run, at(3_000));
    let stats = run.transport_stats().expect("there is a transport");
    assert!(stats.resets > 240 && stats.opened == 2, "every try is refused at once: {stats:?}");
    let first = live(&run, 1).numbers()[0];
    assert!((1_495..=1_505).contains(&first), "it hears whoever asks first when it is back: {first}");
    kept_books(&run);

    let machine = vec![crash(OnCrash::LoseUnsynced, 1, 1_000, 1_500)];
    let mut run = over(Transport::Tcp(tcp()), LinkPolicy::default(), 100, machine);
    run_to(&mut run, at(3_000));
    let stats = run.transport_stats().expect("there is a transport");
    assert_eq!((stats.resets, stats.opened), (1, 2), "one reset when it is back: {stats:?}");
    let first = live(&run, 1).numbers()[0];
    assert!((1_590..=1_605).contains(&first), "the retransmission 0.6 s after the cut meets the reset: {first}");
    kept_books(&run);

    // Nobody says anything: keep-alive finds out.
    let policy = TcpPolicy { keep_alive: ms(300), keep_alive_probes: 3, ..tcp() };
    let quiet = Script {
        boot: |me, fx| {
            if me.0 == 0 {
                fx.send(NodeId(1), note(0));
            }
        },
        ..Script::default()
    };
    let all = faults(vec![crash(OnCrash::LoseUnsynced, 1, 1_000, 60_000)]);
    let mut config = EngineConfig { schedule: all, ..config(2) };
    config.network.transport = Transport::Tcp(policy);
    let mut run = start(config, quiet);
    run_to(&mut run, at(10_000));
    let over = run.observer().before(at(10_000), &["Connection"]);
    let gone = over.iter().find(|(_, l)| l.contains("end: Node(NodeId(0))") && l.contains("open: false"));
    let gone = gone.map(|(t, _)| t.0 / 1_000_000);
    assert!(gone.is_some_and(|t| (1_900..2_300).contains(&t)), "{over:?}");
}

#[test]
fn clients_hear_of_a_refusal_and_pools_share_their_operations() {
    for pool in [1, 4] {
        let all = faults(vec![crash(OnCrash::Keep, 0, 1_000, 2_000)]);
        let mut config = EngineConfig { schedule: all, ..config(1) };
        link(&mut config).loss = percent(2);
        config.network.transport = Transport::Tcp(TcpPolicy { pool, ..tcp() });
        let mut run = start_quiet(config, Script { remember: false, ..Script::default() });
        run.add_client(seat(Routing::Sticky), generated(Arrival::Grid { every: ms(5), phase: ms(1) }));
        run_to(&mut run, at(5_000));
        run.abandon_operations();
        let stats = run.transport_stats().expect("there is a transport");
        assert!(stats.opened >= u64::from(2 * pool), "{pool}: {stats:?}");
        assert!(run.observer().ended.len() > 900);
    }
}

#[test]
fn a_faulty_run_over_tcp_is_the_same_again() {
    let run = |seed| {
        let packet = PacketChange { loss: percent(10), duplicate: percent(5), ..PacketChange::default() };
        let packet = Fault::Packet { change: packet, direction: Direction::Both, peers: None, kinds: vec![] };
        let all = vec![
            crash(OnCrash::Keep, 1, 200, 300),
            (packet, Target::All, at(100), at(900)),
            crash(OnCrash::LoseUnsynced, 2, 400, 600),
            (Fault::Pause, Target::Node(NodeId(0)), at(500), at(700)),
        ];
        let mut config = EngineConfig { schedule: faults(all), seed, shuffle_ties: true, ..config(3) };
        config.network.transport = Transport::Tcp(TcpPolicy::default());
        let mut run = start_quiet(config, counter(3));
        run.add_client(seat(Routing::Sticky), generated(Arrival::Grid { every: ms(5), phase: ms(1) }));
        run_to(&mut run, at(3_000));
        kept_books(&run);
        (run.digest(), run.events(), run.observer().delivered)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1).0, run(2).0);
    assert!(run(1).2 > 3_000);
}
