//! Faults that wait: for the n-th message of a kind, for the n-th fact, at one node or anywhere.

use crate::support::*;
use sim_core::fault::{Cue, Fault, Injection, OnCrash, Schedule, Target, Trigger};
use sim_core::{EngineConfig, Instant, NodeId, Timer};

const CRASH: Fault = Fault::Crash { on_crash: OnCrash::LoseUnsynced };

/// Node 0 sends a note to each other in turn, every millisecond from 1 ms on; it arrives 1 ms later and is
/// acknowledged. Whoever gets a note says so.
fn rounds() -> Script {
    Script {
        boot: |me, fx| {
            if me.0 == 0 {
                fx.arm(Timer(0), ms(1));
            }
        },
        timer: |node, timer, fx| {
            let to = 1 + node.count as u32 % (node.script.nodes - 1);
            fx.send(NodeId(to), note(node.count));
            node.count += 1;
            fx.arm(timer, ms(1));
        },
        message: |_, from, message, fx| {
            if !message.ack {
                fx.note(Said(message.number));
                fx.send(from, Note { ack: true, ..message });
            }
        },
        ..Script::default()
    }
}

fn after(cue: Cue, count: u32, node: Option<Target>) -> Option<Trigger> {
    Some(Trigger { cue, count, node })
}

fn message(kind: &str) -> Cue {
    Cue::Message(kind.to_owned())
}

fn run_with(all: Vec<Injection>, until: u64) -> Run {
    let mut run = start(EngineConfig { schedule: Schedule::new(all), ..config(3) }, rounds());
    run_to(&mut run, at(until));
    run
}

fn waiting(trigger: Option<Trigger>, target: Target, from: u64, until: Instant) -> Injection {
    Injection { after: trigger, ..injection(1, CRASH, target, at(from), until) }
}

fn crashes(run: &Run) -> Vec<(u64, u32)> {
    run.observer().crashed.iter().map(|(at, node, ..)| (at.0 / 1_000_000, node.0)).collect()
}

#[test]
fn the_node_that_got_the_nth_message_goes_down_when_it_has_handled_it() {
    // Notes arrive at 2, 3, 4, 5 ... ms at nodes 1, 2, 1, 2 ...
    let run = run_with(vec![waiting(after(message("note"), 3, None), Target::Trigger, 0, at(10))], 30);
    assert_eq!(crashes(&run), [(4, 1)]);
    let acknowledged = run.observer().messages.iter().any(|(sent, _, from, ..)| *sent == at(4) && from.0 == 1);
    assert!(acknowledged, "it had answered before it went down");
    let fault = &run.faults()[0];
    assert_eq!((fault.armed, fault.trigger, fault.started), (Some(at(0)), Some(NodeId(1)), Some(at(4))));
    assert_eq!((fault.ended, fault.touched), (Some(at(14)), 1), "it lasts as long as it would have otherwise");
    assert_eq!(run.observer().booted.last().map(|(at, node, _)| (at.0 / 1_000_000, node.0)), Some((14, 1)));
    // Messages count from the fault's own time on, and only those of its kind.
    let run = run_with(vec![waiting(after(message("note"), 3, None), Target::Trigger, 5, at(10))], 30);
    assert_eq!(crashes(&run), [(7, 2)], "the note of 5 ms arrives before the fault begins to wait, or with it");
    let run = run_with(vec![waiting(after(message("ack"), 2, None), Target::Trigger, 0, at(10))], 30);
    assert_eq!(crashes(&run), [(4, 0)]);
}

#[test]
fn facts_are_counted_where_they_are_announced_and_someone_else_can_pay() {
    let fact = || Cue::Fact("said".to_owned());
    let run = run_with(vec![waiting(after(fact(), 4, None), Target::Node(NodeId(0)), 0, Instant::FAR)], 30);
    assert_eq!(crashes(&run), [(5, 0)]);
    // Only at node 2, which gets every second one.
    let at_two = Some(Target::Node(NodeId(2)));
    let run = run_with(vec![waiting(after(fact(), 2, at_two), Target::Trigger, 0, Instant::FAR)], 30);
    assert_eq!(crashes(&run), [(5, 2)]);
}

#[test]
fn what_never_happens_lets_the_fault_wait_forever() {
    for cue in [message("nothing"), Cue::Fact("note".to_owned())] {
        let mut run = run_with(vec![waiting(after(cue, 1, None), Target::Trigger, 3, at(10))], 30);
        let fault = run.faults()[0].clone();
        assert_eq!((fault.armed, fault.started, fault.touched), (Some(at(3)), None, 0));
        run.heal();
        run_to(&mut run, at(40));
        assert!(crashes(&run).is_empty());
    }
    // After everything is healed nothing waits any more.
    let mut run = run_with(vec![waiting(after(message("note"), 25, None), Target::Trigger, 0, at(10))], 20);
    run.heal();
    run_to(&mut run, at(60));
    assert!(crashes(&run).is_empty());
}

#[test]
fn waiting_changes_nothing_else() {
    let quiet = run_with(vec![], 30);
    let waits = run_with(vec![waiting(after(message("nothing"), 1, None), Target::Trigger, 0, at(10))], 30);
    assert_eq!(quiet.digest(), waits.digest());
}

#[test]
fn a_message_that_waits_for_a_paused_node_counts_when_it_is_handled() {
    let pause = injection(2, Fault::Pause, Target::Node(NodeId(1)), at(1), at(9));
    let run = run_with(vec![pause, waiting(after(message("note"), 4, None), Target::Trigger, 0, Instant::FAR)], 30);
    // Node 2 gets one at 3, 5 and 7 ms; the fourth is at 9 ms, when node 1 begins on its backlog or node 2 gets
    // another.
    assert_eq!(crashes(&run).first().map(|(at, _)| *at), Some(9));
}

#[test]
fn a_fault_begins_with_the_beginning_or_the_end_of_another() {
    let named = |injection: Injection| Injection { name: Some("cut".into()), ..injection };
    let cut = |id, node, from, until| {
        let fault = Fault::Pause;
        named(injection(id, fault, Target::Node(NodeId(node)), at(from), at(until)))
    };
    let waits = |cue: fn(sim_core::fault::Name) -> Cue, count| {
        waiting(after(cue("cut".into()), count, None), Target::Trigger, 0, at(5))
    };
    // Two of that name: whichever it is counts, and the node it hit is the trigger.
    let both = || vec![cut(2, 1, 0, 10), cut(3, 2, 4, 8)];
    for (cue, count, expect) in [
        (Cue::FaultBegins as fn(_) -> _, 1, (0, 1)),
        (Cue::FaultBegins, 2, (4, 2)),
        (Cue::FaultEnds, 1, (8, 2)),
        (Cue::FaultEnds, 2, (10, 1)),
    ] {
        let run = run_with([both(), vec![waits(cue, count)]].concat(), 30);
        assert_eq!(crashes(&run), [expect]);
        let fault = run.faults().into_iter().find(|fault| fault.trigger.is_some()).expect("it was met");
        assert_eq!(fault.ended, Some(at(expect.0 + 5)), "it lasts as long as it would have otherwise");
    }
    // One that hits nobody is nothing to wait for, nor is healing.
    let nobody = named(injection(2, Fault::Pause, Target::Role("emperor".into()), at(1), at(2)));
    assert!(crashes(&run_with(vec![nobody, waits(Cue::FaultEnds, 1)], 30)).is_empty());
    let mut run = run_with(vec![cut(2, 1, 0, 90), waits(Cue::FaultEnds, 1)], 30);
    run.heal();
    run_to(&mut run, at(60));
    assert!(crashes(&run).is_empty());
}
