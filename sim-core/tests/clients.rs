//! Clients: arrivals, timeouts, retries with back-off, hints, sessions, and outcomes that never claim too much.

use crate::support::*;
use sim_core::fault::{Fault, OnCrash, Target};
use sim_core::network::{Latency, NetworkConfig};
use sim_core::workload::{Arrival, Stage};
use sim_core::{Duration, EngineConfig, Fate, Instant, NodeId, Patience, Probability, Routing, Seat};
use std::collections::BTreeMap;

fn free(n: usize) -> EngineConfig {
    let mut config = config(n);
    link(&mut config).latency = Latency::Fixed(us(100));
    config
}

fn with(routing: Routing, patience: Patience) -> Seat {
    Seat { patience, ..seat(routing) }
}

const SILENT: fn(&mut Scripted, sim_core::Ticket, u64, Fx<'_, '_>) = |_, _, _, _| {};

#[test]
fn open_loop_arrivals_are_poisson_in_each_stage_whatever_the_answers() {
    let stages = [(at(1_000), ms(1)), (at(3_000), Duration::ZERO), (at(4_000), us(100))];
    let mut run = start_quiet(free(1), Script { request: SILENT, remember: false, ..Script::default() });
    let impatient = Patience { timeout: ms(5), attempts: 1, ..Patience::default() };
    let arrival = Arrival::Open(stages.map(Stage::from).into());
    run.add_client(with(Routing::Sticky, impatient), generated_until(arrival, at(5_000)));
    run_to(&mut run, at(6_000));
    let times: Vec<Instant> = run.observer().invoked.iter().map(|(t, _)| *t).collect();
    let count = |from, to| times.iter().filter(|t| (at(from)..at(to)).contains(t)).count();
    assert_eq!((count(0, 1_000), count(3_000, 4_000), count(5_000, 6_000)), (0, 0, 0));
    assert!((1_800..2_200).contains(&count(1_000, 3_000)), "{}", count(1_000, 3_000));
    assert!((9_600..10_400).contains(&count(4_000, 5_000)), "{}", count(4_000, 5_000));
    // Exponential gaps: 1 - 1/e of them are shorter than the mean.
    let gaps: Vec<u64> = times.windows(2).filter(|w| w[0] >= at(4_000)).map(|w| w[1].0 - w[0].0).collect();
    let short = gaps.iter().filter(|g| **g < 100_000).count() as f64 / gaps.len() as f64;
    assert!((short - 0.632).abs() < 0.02, "{short}");
}

#[test]
fn a_ramp_grows_and_falls_evenly() {
    let up = Stage { from: at(0), gap: Duration::ZERO, ramp: Some((at(4_000), us(100))) };
    let down = Stage { from: at(4_000), gap: us(100), ramp: Some((at(6_000), Duration::ZERO)) };
    let mut run = start_quiet(free(1), Script { request: SILENT, remember: false, ..Script::default() });
    let impatient = Patience { timeout: ms(5), attempts: 1, ..Patience::default() };
    run.add_client(with(Routing::Sticky, impatient), generated_until(Arrival::Open([up, down].into()), at(7_000)));
    run_to(&mut run, at(8_000));
    let times: Vec<Instant> = run.observer().invoked.iter().map(|(t, _)| *t).collect();
    // From nothing to 10,000 a second in 4 s: k-th quarters hold 1, 3, 5 and 7 of 16 parts of 20,000. Then down in 2 s.
    let expected = [1_250, 3_750, 6_250, 8_750, 7_500, 2_500, 0];
    for (second, expected) in expected.into_iter().enumerate() {
        let from = second as u64 * 1_000;
        let count = times.iter().filter(|t| (at(from)..at(from + 1_000)).contains(t)).count() as f64;
        // Four standard deviations of a Poisson count.
        let slack = 4.0 * f64::from(expected).sqrt();
        assert!((count - f64::from(expected)).abs() <= slack, "second {second}: {count}, not {expected}");
    }
}

#[test]
fn a_closed_loop_keeps_so_many_outstanding_and_thinks_in_between() {
    let mut config = free(1);
    link(&mut config).latency = Latency::uniform(us(100), us(900));
    let mut run = start_quiet(config, Script { remember: false, ..Script::default() });
    run.add_client(seat(Routing::Sticky), generated(Arrival::Closed { think: ms(2), outstanding: 3 }));
    run_to(&mut run, at(1_000));
    let mut changes: Vec<(Instant, i32)> = run.observer().invoked.iter().map(|(t, _)| (*t, 1)).collect();
    changes.extend(run.observer().ended.iter().map(|e| (e.returned, -1)));
    changes.sort_by_key(|(t, d)| (*t, *d));
    let (mut now, mut most) = (0, 0);
    for (_, change) in changes {
        now += change;
        most = most.max(now);
    }
    assert_eq!(most, 3);
    // Each operation takes 1 ms and 2 ms of thought: 1,000 of them in a second.
    assert!((950..1_050).contains(&run.observer().ended.len()), "{}", run.observer().ended.len());
    // The k-th beyond the first three follows some answer by exactly the think time.
    let answers: Vec<Instant> = run.observer().ended.iter().map(|e| e.returned + ms(2)).collect();
    assert!(run.observer().invoked[3..].iter().all(|(t, _)| answers.contains(t)));
}

#[test]
fn a_closed_loop_without_thought_starts_the_next_at_once() {
    let mut run = start_quiet(free(1), Script { remember: false, ..Script::default() });
    run.add_client(seat(Routing::Sticky), generated(Arrival::Closed { think: Duration::ZERO, outstanding: 2 }));
    run_to(&mut run, at(100));
    assert_eq!(run.observer().ended.len(), 2 * 500);
}

#[test]
fn probes_are_exactly_on_their_grid() {
    let mut run = start_quiet(free(1), Script { request: SILENT, ..Script::default() });
    run_to(&mut run, at(7));
    run.add_client(seat(Routing::Sticky), generated(Arrival::Grid { every: ms(20), phase: ms(5) }));
    run_to(&mut run, at(500));
    let times: Vec<u64> = run.observer().invoked.iter().map(|(t, _)| t.0).collect();
    assert_eq!(times, (1..25).map(|k| ms(5 + 20 * k).0).collect::<Vec<_>>());
}

#[test]
fn silence_is_unknown_after_the_timeout() {
    let mut run = start_quiet(free(3), Script { request: SILENT, ..Script::default() });
    let patience = Patience { timeout: ms(100), attempt_timeout: ms(30), ..Patience::default() };
    run.add_client(with(Routing::Sticky, patience), timetable(vec![at(5)]));
    run_to(&mut run, at(500));
    let [ended] = run.observer().ended[..] else { panic!("{:?}", run.observer().ended) };
    assert_eq!((ended.fate, ended.returned, ended.node), (Fate::Unknown, at(105), None));
    let asked = &run.observer().asked;
    assert!((3..=4).contains(&asked.len()));
    assert!(asked.windows(2).all(|w| w[0].2 != w[1].2), "a retry goes to somebody else: {asked:?}");
    assert_eq!(run.pending_operations(), 0);
}

#[test]
fn one_try_means_one_try() {
    let mut run = start_quiet(free(3), Script { request: SILENT, ..Script::default() });
    let patience = Patience { timeout: ms(100), attempt_timeout: ms(30), attempts: 1, ..Patience::default() };
    run.add_client(with(Routing::Sticky, patience), timetable(vec![at(5)]));
    run_to(&mut run, at(500));
    assert_eq!(run.observer().asked.len(), 1);
    assert_eq!((run.observer().ended[0].fate, run.observer().ended[0].returned), (Fate::Unknown, at(35)));
}

#[test]
fn a_client_without_retries_leaves_a_silent_favourite() {
    let mut config = free(3);
    config.schedule = faults(vec![(Fault::Crash { on_crash: OnCrash::Keep }, Target::All, at(20), at(2_000))]);
    // All but the favourite come back at once: crash all, then see whom it asks.
    let mut run = start_quiet(config, Script::default());
    let patience = Patience { timeout: ms(10), attempt_timeout: ms(10), attempts: 1, ..Patience::default() };
    run.add_client(with(Routing::Sticky, patience), timetable((0..40).map(|i| at(1 + 15 * i)).collect()));
    run_to(&mut run, at(600));
    let mut asked: Vec<u32> = run.observer().asked[3..].iter().map(|(.., to)| to.0).collect();
    asked.sort_unstable();
    asked.dedup();
    assert_eq!(asked, [0, 1, 2], "it went on asking the one that had answered once");
}

#[test]
fn a_redirected_operation_fails_only_if_nothing_is_in_doubt() {
    let refuse: fn(&mut Scripted, sim_core::Ticket, u64, Fx<'_, '_>) = |_, ticket, _, fx| fx.refuse(ticket);
    let patience = Patience { timeout: ms(50), attempt_timeout: ms(10), ..Patience::default() };
    let fate = |request, loss: u64| {
        let mut config = free(3);
        link(&mut config).loss = Probability::per_billion(loss);
        let mut run = start_quiet(config, Script { request, ..Script::default() });
        run.add_client(with(Routing::Random, patience), timetable((0..50).map(|i| at(1 + 60 * i)).collect()));
        run_to(&mut run, at(5_000));
        let mut fates: Vec<Fate> = run.observer().ended.iter().map(|e| e.fate).collect();
        fates.sort_unstable();
        fates.dedup();
        fates
    };
    assert_eq!(fate(refuse, 0), [Fate::Failed]);
    // Node 0 swallows requests, the others refuse: who asked it can not know.
    let swallow: fn(&mut Scripted, sim_core::Ticket, u64, Fx<'_, '_>) = |node, ticket, _, fx| {
        if node.me.0 > 0 {
            fx.refuse(ticket);
        }
    };
    assert_eq!(fate(swallow, 0), [Fate::Failed, Fate::Unknown]);
    assert_eq!(fate(refuse, 1_000_000_000), [Fate::Unknown]);
}

#[test]
fn a_refusal_says_nothing_about_a_duplicate_of_the_request() {
    // The first copy is refused, the second one would be carried out: "failed" would be a lie.
    let script = Script {
        request: |node, ticket, _, fx| {
            node.count += 1;
            if node.count % 2 == 1 {
                fx.refuse(ticket);
            } else {
                fx.note(Said(ticket.op));
            }
        },
        ..Script::default()
    };
    let mut config = free(1);
    link(&mut config).duplicate = Probability::ALWAYS;
    let mut run = start(config, script);
    let patience = Patience { attempts: 1, ..Patience::default() };
    run.add_client(with(Routing::Sticky, patience), timetable(vec![at(1)]));
    run_to(&mut run, at(2_000));
    let carried_out = run.observer().lines.iter().any(|(_, l)| l.starts_with("Noted"));
    assert!(carried_out);
    assert_eq!(run.observer().ended[0].fate, Fate::Unknown);
}

#[test]
fn retries_back_off_with_jitter() {
    let mut run = start_quiet(free(1), Script { request: |_, t, _, fx| fx.refuse(t), ..Script::default() });
    let patience = Patience { timeout: ms(4_000), backoff: ms(10), backoff_max: ms(160), ..Patience::default() };
    run.add_client(with(Routing::Sticky, patience), timetable(vec![at(0)]));
    run_to(&mut run, at(5_000));
    let asked: Vec<u64> = run.observer().asked.iter().map(|(t, ..)| t.0).collect();
    let waits: Vec<u64> = asked.windows(2).map(|w| w[1] - w[0] - us(200).0).collect();
    for (i, wait) in waits.iter().enumerate() {
        let full = ms(10 << i.min(4)).0;
        assert!((full / 2..=full).contains(wait), "wait {i}: {wait}");
    }
    assert!(waits.len() > 25 && waits[5..].iter().any(|w| *w != waits[4]));
    assert_eq!(run.observer().ended[0].fate, Fate::Failed);
    assert!(run.observer().ended[0].returned <= at(4_000));
}

#[test]
fn a_retry_after_silence_backs_off_too() {
    let mut run = start_quiet(free(1), Script { request: SILENT, ..Script::default() });
    let patience =
        Patience { timeout: ms(10_000), attempt_timeout: ms(50), backoff: ms(20), backoff_max: ms(80), attempts: 5 };
    run.add_client(with(Routing::Sticky, patience), timetable(vec![at(0)]));
    run_to(&mut run, at(10_000));
    let asked: Vec<u64> = run.observer().asked.iter().map(|(t, ..)| t.0).collect();
    let waits: Vec<u64> = asked.windows(2).map(|w| w[1] - w[0] - ms(50).0).collect();
    for (wait, full) in waits.iter().zip([20, 40, 80, 80]) {
        assert!((ms(full).0 / 2..=ms(full).0).contains(wait), "{waits:?}");
    }
    assert_eq!(waits.len(), 4);
}

fn to_node_two() -> Script {
    Script {
        request: |node, ticket, request, fx| {
            if node.me.0 == 2 { fx.reply(ticket, request) } else { fx.redirect(ticket, Some(NodeId(2))) }
        },
        ..Script::default()
    }
}

#[test]
fn hints_are_followed_at_once_and_remembered() {
    for routing in [Routing::Sticky, Routing::Random] {
        let mut run = start_quiet(free(5), to_node_two());
        run.add_client(seat(routing), timetable((0..20).map(|i| at(5 * i)).collect()));
        run_to(&mut run, at(200));
        let ended = &run.observer().ended;
        assert!(ended.iter().all(|e| e.fate == Fate::Ok && e.node == Some(NodeId(2)) && e.attempts <= 2));
        assert!(ended.iter().all(|e| e.returned.since(e.invoked) <= us(400)));
        if routing == Routing::Sticky {
            assert!(ended[1..].iter().all(|e| e.attempts == 1));
        } else {
            assert!(ended.iter().any(|e| e.attempts == 2));
        }
    }
}

#[test]
fn hints_that_lead_in_a_circle_are_followed_with_patience() {
    let script =
        Script { request: |node, ticket, _, fx| fx.redirect(ticket, Some(NodeId(1 - node.me.0))), ..Script::default() };
    let mut run = start_quiet(free(2), script);
    run.add_client(seat(Routing::Sticky), timetable(vec![at(0)]));
    run_to(&mut run, at(3_000));
    let asked = run.observer().asked.len();
    assert!((10..40).contains(&asked), "{asked} tries in a second");
    assert_eq!(run.observer().ended[0].fate, Fate::Failed);
}

#[test]
fn a_hint_at_a_dead_node_does_not_trap_the_client() {
    let mut config = free(5);
    config.schedule = faults(vec![(Fault::Crash { on_crash: OnCrash::Keep }, Target::Node(NodeId(2)), at(0), at(600))]);
    let mut run = start_quiet(config, to_node_two());
    let patience = Patience { timeout: ms(3_000), attempt_timeout: ms(50), ..Patience::default() };
    run.add_client(with(Routing::Sticky, patience), timetable(vec![at(10)]));
    run_to(&mut run, at(4_000));
    assert_eq!(run.observer().ended[0].fate, Fate::Ok);
    assert!(run.observer().ended[0].returned < at(900));
}

/// Every operation ends once at most, tickets count up, and `floor` is the oldest operation that has not ended.
fn check_sessions(run: &Run) {
    let seen = run.observer();
    let mut ended: BTreeMap<(u32, u64), Instant> = BTreeMap::new();
    for e in &seen.ended {
        assert!(ended.insert((e.client.0, e.op), e.returned).is_none(), "{e:?} ended twice");
    }
    let mut next: BTreeMap<u32, u64> = BTreeMap::new();
    for (_, ticket) in &seen.invoked {
        let next = next.entry(ticket.client.0).or_default();
        assert_eq!((ticket.op, ticket.attempt), (*next, 0));
        *next += 1;
    }
    assert!(ended.keys().all(|(client, op)| *op < next[client]));
    let mut floors: BTreeMap<u32, u64> = BTreeMap::new();
    for (at, ticket, _) in &seen.asked {
        let floor = floors.entry(ticket.client.0).or_default();
        assert!(ticket.floor >= *floor && ticket.floor <= ticket.op, "{ticket:?} after floor {floor}");
        *floor = ticket.floor;
        for op in ticket.floor.saturating_sub(50)..ticket.floor {
            assert!(ended[&(ticket.client.0, op)] <= *at, "{ticket:?} says {op} has ended");
        }
        assert!(ended.get(&(ticket.client.0, ticket.floor)).is_none_or(|t| *t >= *at), "{ticket:?} could say more");
    }
    assert_eq!(seen.invoked.len(), seen.ended.len() + run.pending_operations());
}

#[test]
fn sessions_hold_under_loss_duplication_and_a_crash() {
    let mut config = config(3);
    let policy = link(&mut config);
    policy.loss = Probability::per_billion(100_000_000);
    policy.duplicate = Probability::per_billion(100_000_000);
    policy.latency = Latency::uniform(us(200), ms(3));
    config.schedule = faults(vec![(Fault::Crash { on_crash: OnCrash::Torn }, Target::Random, at(300), at(500))]);
    let mut run = start_quiet(config, Script { remember: false, ..counter(3) });
    let patience = Patience { timeout: ms(200), attempt_timeout: ms(20), ..Patience::default() };
    for _ in 0..3 {
        let arrival = Arrival::Open([(Instant::ZERO, ms(3)).into()].into());
        run.add_client(with(Routing::Sticky, patience), generated_until(arrival, at(900)));
        run.add_client(with(Routing::Random, patience), generated(Arrival::Closed { think: us(10), outstanding: 4 }));
    }
    run_to(&mut run, at(1_000));
    check_sessions(&run);
    let open = run.pending_operations();
    let before = (run.observer().ended.len(), run.observer().invoked.len());
    assert!(open >= 12 && before.0 > 1_000);
    run.abandon_operations();
    assert_eq!(run.pending_operations(), 0, "a client started another operation");
    assert_eq!((run.observer().ended.len(), run.observer().invoked.len()), (before.0 + open, before.1));
    assert!(run.observer().ended[before.0..].iter().all(|e| e.fate == Fate::Unknown));
    check_sessions(&run);
    // Late answers find nobody.
    run_to(&mut run, at(1_500));
    assert_eq!(run.observer().ended.len(), before.0 + open);
}

#[test]
fn reads_from_the_nearest_leave_a_dead_node_alone_for_a_while() {
    let mut config = free(3);
    config.node_zones = vec![0, 1, 1];
    config.network = NetworkConfig::uniform(3, 2, config.network.policies[0].clone());
    let crash = Fault::Crash { on_crash: OnCrash::Keep };
    config.schedule = faults(vec![(crash, Target::Node(NodeId(0)), at(100), at(5_000))]);
    let mut run = start(config, Script { remember: false, ..Script::default() });
    let patience = Patience { timeout: ms(200), attempt_timeout: ms(20), ..Patience::default() };
    let near = sim_core::Seat { reads_from: sim_core::ReadsFrom::Nearest, ..with(Routing::Sticky, patience) };
    // A read every 10 ms for 10 s; odd requests are reads.
    run.add_client(near, timetable((1..1_000).map(|i| at(10 * i) + Duration::nanos(1)).collect()));
    run_to(&mut run, at(11_000));
    let asked = |from: u64, until: u64| {
        let within = run.observer().asked.iter().filter(|(t, ..)| (at(from)..at(until)).contains(t));
        within.filter(|(_, _, node)| *node == NodeId(0)).count()
    };
    assert_eq!(asked(0, 100), 9);
    // Asked until the first try is given up, and then after 80, 160, ... 1,280 ms, each time until that is noticed.
    assert!((8..=30).contains(&asked(100, 5_000)), "{}", asked(100, 5_000));
    assert!(asked(7_000, 10_000) > 295, "it is asked again when it is back: {}", asked(7_000, 10_000));
    assert!(run.observer().ended.iter().all(|ended| ended.fate == Fate::Ok));
    let slow = run.observer().ended.iter().filter(|ended| ended.returned.since(ended.invoked) > ms(20)).count();
    assert!(slow <= 30, "{slow} reads waited for a dead node");
}

#[test]
fn a_request_on_an_ordered_link_dies_with_the_process_it_was_sent_to() {
    // Never in the instant of the crash.
    let after = |millis| at(millis) + Duration::nanos(1);
    let heard = |ordered| {
        let mut config = free(1);
        let policy = link(&mut config);
        (policy.latency, policy.ordered) = (Latency::Fixed(ms(5)), ordered);
        config.schedule =
            faults(vec![(Fault::Crash { on_crash: OnCrash::Keep }, Target::Node(NodeId(0)), at(50), at(51))]);
        let mut run = start(config, Script { request: SILENT, ..Script::default() });
        let once = Patience { timeout: ms(100), attempts: 1, ..Patience::default() };
        run.add_client(with(Routing::Sticky, once), timetable((0..100).map(after).collect()));
        run_to(&mut run, at(500));
        assert!(run.observer().ended.iter().all(|ended| ended.fate == Fate::Unknown && ended.node.is_none()));
        let sent = |(_, seen): &(_, Seen)| if let Seen::Request(_, sent) = seen { Some(Instant(*sent)) } else { None };
        live(&run, 0).seen.iter().filter_map(sent).collect::<Vec<_>>()
    };
    assert_eq!(
        heard(true),
        (50..100).map(after).collect::<Vec<_>>(),
        "its second life is sent nothing by the first one's connection"
    );
    assert_eq!(heard(false), (46..100).map(after).collect::<Vec<_>>(), "packets know no connections");
}

#[test]
fn stopped_clients_finish_what_they_began() {
    let mut run = start_quiet(free(1), Script { remember: false, ..Script::default() });
    run.add_client(seat(Routing::Sticky), generated(Arrival::Closed { think: Duration::ZERO, outstanding: 4 }));
    run_to(&mut run, at(10));
    run.stop_clients();
    let invoked = run.observer().invoked.len();
    run_to(&mut run, at(20));
    assert_eq!((run.observer().invoked.len(), run.pending_operations()), (invoked, 0));
    assert!(run.observer().ended.iter().all(|e| e.fate == Fate::Ok));
}

#[test]
fn a_client_that_sleeps_until_now_does_not_stop_time() {
    #[derive(Clone)]
    struct Dozy;
    impl sim_core::Client<Scripted> for Dozy {
        fn next(&mut self, now: Instant, _: &mut sim_core::Rng) -> sim_core::Move<u64> {
            sim_core::Move::Sleep(now)
        }
    }
    let mut run: sim_core::Engine<Scripted, Dozy, ()> =
        sim_core::Engine::new(config(1), std::rc::Rc::new(Script::default()), ());
    run.add_client(seat(Routing::Sticky), Dozy);
    for _ in 0..100 {
        assert!(run.step(at(1)));
    }
    assert!(run.now() > Instant::ZERO);
}

/// Each of them times out at an instant of its own. If every alarm looked at all that wait, each event would cost
/// thousands of looks, not a few.
#[test]
fn whoever_waits_for_very_many_answers_pays_for_each_once() {
    let script = Script { request: |_, _, _, _| {}, remember: false, ..Script::default() };
    let mut run = start_quiet(config(1), script);
    let patience = Patience { timeout: ms(900), attempt_timeout: ms(300), attempts: 2, ..Patience::default() };
    let arrival = Arrival::Open([(Instant::ZERO, Duration::micros(50)).into()].into());
    run.add_client(Seat { patience, ..seat(Routing::Fixed(NodeId(0))) }, generated_until(arrival, at(1000)));
    run_to(&mut run, at(800));
    assert!(run.pending_operations() > 10_000, "{} wait", run.pending_operations());
    run_to(&mut run, at(3000));
    assert_eq!(run.pending_operations(), 0);
    let (looks, events) = (run.looks(), run.events());
    assert!(looks < 10 * events, "{looks} looks for {events} events");
}

/// Who works for a second on what it is asked, and says so every 100 ms if it `tells`.
fn works_long(tells: bool) -> Script {
    let quiet: fn(&mut Scripted, sim_core::Timer, Fx<'_, '_>) = |node, timer, fx| {
        node.count += 1;
        match node.count {
            10 => node.waiting.drain(..).for_each(|(_, ticket, request)| fx.reply(ticket, request)),
            _ => fx.arm(timer, ms(100)),
        }
    };
    Script {
        request: |node, ticket, request, fx| {
            node.waiting.push((sim_core::WriteId(0), ticket, request));
            if node.waiting.len() == 1 {
                fx.arm(sim_core::Timer(0), ms(100));
            }
        },
        timer: if tells {
            |node, timer, fx| {
                node.count += 1;
                for (_, ticket, request) in &node.waiting {
                    if node.count < 10 { fx.progress(*ticket) } else { fx.reply(*ticket, *request) }
                }
                if node.count < 10 {
                    fx.arm(timer, ms(100));
                }
            }
        } else {
            quiet
        },
        ..Script::default()
    }
}

#[test]
fn who_hears_of_progress_waits_on_but_no_longer_than_for_the_whole() {
    let tries = |tells, timeout| {
        let mut run = start_quiet(free(1), works_long(tells));
        let patience = Patience { timeout, attempt_timeout: ms(250), ..Patience::default() };
        run.add_client(with(Routing::Sticky, patience), timetable(vec![at(10)]));
        run_to(&mut run, at(3_000));
        let asked = run.nodes()[0].as_ref().expect("up").seen.iter();
        let asked = asked.filter(|(_, seen)| matches!(seen, Seen::Request(..))).count();
        let ended = &run.observer().ended[0];
        (asked, ended.fate, ended.returned < at(10) + timeout)
    };
    assert_eq!(tries(true, ms(2_000)), (1, Fate::Ok, true));
    let (asked, fate, _) = tries(false, ms(2_000));
    assert!(asked > 2 && fate == Fate::Ok, "{asked} tries without a word");
    assert_eq!(tries(true, ms(600)), (1, Fate::Unknown, false), "progress is no promise");
}
