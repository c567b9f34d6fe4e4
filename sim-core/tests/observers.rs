//! Observers: matched pairs, both of a pair of observers, and the flight recorder's order.

use crate::support::*;
use sim_core::fault::{CutClients, Fault, OnCrash, Shape, Target};
use sim_core::network::Latency;
use sim_core::workload::Arrival;
use sim_core::{Engine, EngineConfig, FlightRecorder, Instant, NodeId, Probability, Routing};
use std::collections::BTreeMap;
use std::rc::Rc;

fn eventful() -> EngineConfig {
    let mut config = config(3);
    let policy = link(&mut config);
    policy.latency = Latency::uniform(us(200), ms(2));
    policy.loss = Probability::per_billion(50_000_000);
    policy.duplicate = Probability::per_billion(50_000_000);
    config.nodes[1].cpu_cost = us(200);
    config.schedule = faults(vec![
        (Fault::Crash { on_crash: OnCrash::Keep }, Target::Node(NodeId(0)), at(20), at(30)),
        (Fault::Pause, Target::Node(NodeId(1)), at(25), at(45)),
        (
            Fault::Partition { shape: Shape::Isolate, clients: CutClients::Free },
            Target::Node(NodeId(2)),
            at(40),
            at(60),
        ),
    ]);
    config
}

fn busy_run() -> Run {
    let mut run = start(eventful(), counter(3));
    run.add_client(seat(Routing::Random), generated(Arrival::Open([(Instant::ZERO, ms(1)).into()].into())));
    run_to(&mut run, at(100));
    run
}

#[test]
fn every_message_sent_is_delivered_dropped_or_under_way() {
    let run = busy_run();
    let seen = run.observer();
    assert_eq!(seen.sent, run.tally().sent.iter().sum::<u64>());
    assert_eq!(seen.delivered, run.tally().delivered);
    assert_eq!(seen.dropped, run.tally().dropped.iter().sum::<u64>());
    assert!(seen.sent > 300 && seen.dropped > 50 && run.tally().duplicated > 5);
    let ends = seen.delivered + seen.dropped + run.messages_in_flight();
    assert_eq!(seen.sent + run.tally().duplicated, ends);
    // Each is delivered on the link it was sent on, not before it could have arrived, and twice at most.
    let mut sent: BTreeMap<(u32, u32, u64), Vec<Instant>> = BTreeMap::new();
    seen.messages.iter().for_each(|(t, _, f, to, n)| sent.entry((f.0, to.0, *n)).or_default().push(*t));
    let mut got: BTreeMap<(u32, u32, u64), usize> = BTreeMap::new();
    for (t, f, to, n) in &seen.arrived {
        let key = (f.0, to.0, *n);
        assert!(sent[&key].iter().any(|s| t.since(*s) >= us(200)), "{key:?} at {t}");
        *got.entry(key).or_default() += 1;
    }
    assert!(got.iter().all(|(key, n)| *n <= 2 * sent[key].len()));
}

#[test]
fn lives_faults_and_operations_begin_before_they_end() {
    let run = busy_run();
    let lines = &run.observer().lines;
    let count = |start: &str| lines.iter().filter(|(_, l)| l.starts_with(start)).count();
    assert_eq!((count("FaultStarted"), count("FaultEnded")), (3, 3));
    assert_eq!((count("Booted"), count("Crashed")), (4, 1));
    assert_eq!(
        (count("Paused { node: NodeId(1), paused: true"), count("Paused { node: NodeId(1), paused: false")),
        (1, 1)
    );
    assert_eq!(count("Invoked"), count("Returned") + run.pending_operations());
    assert!(count("Asked") >= count("Invoked") && count("Requested") > 20 && count("Answered") > 20);
    assert!(lines.windows(2).all(|w| w[0].0 <= w[1].0), "time never runs backwards");
    // What a fault reports at its end is what the engine remembers of it.
    for (i, fault) in run.faults().iter().enumerate() {
        let end = lines.iter().find(|(_, l)| l.starts_with(&format!("FaultEnded {{ index: {i},"))).expect("it ended");
        assert!(end.1.ends_with(&format!("touched: {} }}", fault.touched)), "{} {fault:?}", end.1);
        assert!(fault.touched > 0);
    }
}

#[test]
fn observers_change_nothing_and_pairs_see_the_same() {
    let plain = busy_run();
    type Both = (Trace, (FlightRecorder<Scripted>, Option<Trace>));
    let script = Rc::new(Script { nodes: 3, ..counter(3) });
    let both: Both = (Trace::default(), (FlightRecorder::new(10), Some(Trace::default())));
    let mut paired: Engine<Scripted, Person, Both> = Engine::new(eventful(), Rc::clone(&script), both);
    paired.add_client(seat(Routing::Random), generated(Arrival::Open([(Instant::ZERO, ms(1)).into()].into())));
    paired.run_until(at(100)).expect("nothing is checked");
    assert_eq!(plain.digest(), paired.digest());
    let (one, (_, two)) = paired.observer();
    assert_eq!(one.lines, plain.observer().lines);
    assert_eq!(two.as_ref().map(|t| &t.lines), Some(&one.lines));
    let mut unwatched: Engine<Scripted, Person, ()> = Engine::new(eventful(), script, ());
    unwatched.add_client(seat(Routing::Random), generated(Arrival::Open([(Instant::ZERO, ms(1)).into()].into())));
    unwatched.run_until(at(100)).expect("nothing is checked");
    assert_eq!(plain.digest(), unwatched.digest());
}

#[test]
fn the_flight_recorder_keeps_the_last_things_oldest_first() {
    let record = |capacity, until| {
        let script = Rc::new(Script { nodes: 3, ..counter(3) });
        let mut run: Engine<Scripted, Person, FlightRecorder<Scripted>> =
            Engine::new(eventful(), script, FlightRecorder::new(capacity));
        run.run_until(until).expect("nothing is checked");
        run.observer().iter().map(|(t, what)| (*t, format!("{what:?}"))).collect::<Vec<_>>()
    };
    let all = record(100_000, at(50));
    assert!(all.len() > 200 && all.windows(2).all(|w| w[0].0 <= w[1].0));
    assert!(
        all.iter().any(|(_, l)| l.starts_with("Crashed")) && all.iter().any(|(_, l)| l.starts_with("FaultStarted"))
    );
    // What it keeps tells the same as what was observed.
    let script = Rc::new(Script { nodes: 3, ..counter(3) });
    let both = (FlightRecorder::new(100_000), Trace::default());
    let mut run: Engine<Scripted, Person, (FlightRecorder<Scripted>, Trace)> = Engine::new(eventful(), script, both);
    run.add_client(seat(Routing::Random), generated(Arrival::Open([(Instant::ZERO, ms(1)).into()].into())));
    run.run_until(at(100)).expect("nothing is checked");
    let (flight, trace) = run.observer();
    let told: Vec<_> = flight.iter().map(|(t, what)| (*t, format!("{:?}", what.observed()))).collect();
    assert_eq!(told, trace.lines);
    for capacity in [1, 2, 7, 64, all.len() - 1, all.len(), all.len() + 1] {
        let kept = record(capacity, at(50));
        assert_eq!(kept, all[all.len() - capacity.min(all.len())..], "capacity {capacity}");
    }
}
