//! A panic in a node's own code ends the run with a broken rule, wherever it happens; any other goes on as it was.

use crate::support::*;
use sim_core::fault::{Fault, OnCrash, Target};
use sim_core::{EngineConfig, NodeId, Observer, Timer, Violation};

fn broken(config: EngineConfig, script: Script) -> (Violation, Run) {
    let mut run = start(config, script);
    let violation = run.run_until(at(100)).expect_err("some node panics");
    assert_eq!(run.run_until(at(200)), Err(violation.clone()), "the run stays where it happened");
    (violation, run)
}

#[test]
fn in_a_step() {
    let script = Script {
        boot: |_, fx| fx.arm(Timer(0), ms(7)),
        timer: |node, _, fx| {
            fx.send(NodeId(0), note(1));
            assert!(node.me.0 != 1, "a timer of {}", node.me);
        },
        ..Script::default()
    };
    let (violation, run) = broken(config(3), script);
    assert_eq!((violation.rule.as_str(), violation.node, violation.at), ("no_panic", Some(NodeId(1)), at(7)));
    assert!(violation.detail.starts_with("a timer of n2 (sim-core/tests/panics.rs:"), "{}", violation.detail);
    assert!(run.nodes()[1].is_none(), "nobody may look at what it was in the middle of");
    assert_eq!(run.observer().sent, 1, "nor is half of a step carried out");
}

#[test]
fn at_the_very_beginning_and_in_a_later_life() {
    let script = Script { boot: |me, _| assert!(me.0 != 2, "no disk"), ..Script::default() };
    let (violation, _) = broken(config(3), script);
    assert_eq!((violation.node, violation.at), (Some(NodeId(2)), at(0)));

    let crash = (Fault::Crash { on_crash: OnCrash::Keep }, Target::Node(NodeId(0)), at(5), at(9));
    let script = Script { boot: |_, fx| assert!(fx.now().0 < (1 << 60) + ms(8).0, "up again"), ..Script::default() };
    let (violation, _) = broken(EngineConfig { schedule: faults(vec![crash]), ..config(2) }, script);
    assert_eq!((violation.node, violation.at), (Some(NodeId(0)), at(9)));
}

#[test]
fn a_message_to_nobody_is_its_senders_fault() {
    let script = Script { boot: |me, fx| fx.send(NodeId(me.0 + 1), note(1)), ..Script::default() };
    let (violation, _) = broken(config(2), script);
    assert_eq!(violation.node, Some(NodeId(1)));
    assert!(violation.detail.starts_with("n2 sends to n3, of 2 nodes ("), "{}", violation.detail);
}

struct Touchy;

impl Observer<Scripted> for Touchy {
    fn after_step(&mut self, _: sim_core::Instant, _: NodeId, _: &[Option<Scripted>]) -> Result<(), Violation> {
        panic!("a rule of its own")
    }
}

#[test]
fn a_panic_of_a_rule_is_no_nodes() {
    let made = sim_core::panics::caught(|| {
        let script = std::rc::Rc::new(Script { nodes: 1, ..Script::default() });
        let _ = sim_core::Engine::<Scripted, Person, Touchy>::new(config(1), script, Touchy);
    });
    assert!(made.expect_err("it goes on").starts_with("a rule of its own ("));
}
