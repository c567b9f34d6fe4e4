//! Limits hold faults back when they fire: they shrink, or do not happen, and say so.

use crate::support::*;
use sim_core::fault::{CutClients, Fault, Limits, OnCrash, Schedule, Shape, Target};
use sim_core::{ActiveFault, EngineConfig, NodeId};

const CRASH: Fault = Fault::Crash { on_crash: OnCrash::Keep };

fn limits(max_down: Option<u32>, max_cut: Option<u32>, keep_quorum: bool) -> Limits {
    Limits { max_down, max_cut, keep_quorum }
}

/// What becomes of the faults in five nodes, and who is down at 15 ms.
fn run_within(limits: Limits, schedule: Schedule) -> (Vec<ActiveFault>, usize) {
    let mut run = start(EngineConfig { schedule: schedule.within(limits), ..config(5) }, Script::default());
    run_to(&mut run, at(15));
    let down = run.nodes().iter().filter(|node| node.is_none()).count();
    run_to(&mut run, at(40));
    assert!(run.nodes().iter().all(Option::is_some), "everyone is up again");
    (run.faults(), down)
}

fn nodes(of: &ActiveFault) -> usize {
    of.resolved.len()
}

#[test]
fn a_crash_of_all_takes_as_many_as_may_be_down() {
    let all = || faults(vec![(CRASH, Target::All, at(10), at(20))]);
    for (limits, may) in [
        (limits(None, None, false), 5),
        (limits(Some(3), None, false), 3),
        (limits(None, None, true), 2),
        (limits(Some(1), None, true), 1),
    ] {
        let (faults, down) = run_within(limits.clone(), all());
        assert_eq!((nodes(&faults[0]), down), (may, may), "{limits:?}");
        assert_eq!(faults[0].held, 5 - may as u64, "{limits:?}");
        assert_eq!(faults[0].touched, may as u64, "{limits:?}");
    }
}

#[test]
fn faults_in_force_count_together() {
    // A pause of one and a crash of one leave room for nobody else; when they end there is room again.
    let schedule = faults(vec![
        (Fault::Pause, Target::Node(NodeId(0)), at(5), at(20)),
        (CRASH, Target::Node(NodeId(1)), at(6), at(20)),
        (CRASH, Target::Node(NodeId(2)), at(10), at(20)),
        (CRASH, Target::Node(NodeId(1)), at(11), at(20)),
        (CRASH, Target::Node(NodeId(2)), at(25), at(30)),
    ]);
    let (faults, down) = run_within(limits(Some(2), None, false), schedule);
    assert_eq!(down, 1);
    let held: Vec<u64> = faults.iter().map(|fault| fault.held).collect();
    assert_eq!(held, [0, 0, 1, 0, 0], "what is down already is not one more");
    assert_eq!((faults[2].started, faults[2].ended, nodes(&faults[2])), (Some(at(10)), Some(at(10)), 0));
}

#[test]
fn partitions_are_held_back_as_well() {
    let cut = |shape: Shape, target| (Fault::Partition { shape, clients: CutClients::Free }, target, at(10), at(20));
    let one = |limits: Limits, shape, target| run_within(limits, faults(vec![cut(shape, target)])).0.remove(0);
    let two = || Target::Nodes(vec![NodeId(0), NodeId(3)]);
    let free = one(limits(None, Some(2), true), Shape::Isolate, two());
    assert_eq!((free.held, nodes(&free)), (0, 2));
    let shrunk = one(limits(None, Some(1), false), Shape::Isolate, two());
    assert_eq!((shrunk.held, nodes(&shrunk)), (1, 1));
    let whole = one(limits(None, Some(1), false), Shape::Halves, Target::All);
    assert_eq!((whole.held, nodes(&whole), whole.ended), (1, 0, Some(at(10))));
    let ring = one(limits(None, Some(0), true), Shape::MajoritiesRing, Target::All);
    assert_eq!(ring.held, 0, "in a ring of majorities nobody is cut off");
    // Each alone is harmless, both together leave no majority.
    let both =
        faults(vec![cut(Shape::Isolate, two()), (CRASH, Target::Nodes(vec![NodeId(1), NodeId(2)]), at(12), at(18))]);
    let (both, down) = run_within(limits(None, None, true), both);
    assert_eq!((both[0].held, both[1].held, down), (0, 2, 0));
}

#[test]
fn what_is_held_back_is_the_same_in_every_run() {
    let schedule = || faults(vec![(CRASH, Target::All, at(10), at(20))]);
    let once = || run_within(limits(Some(2), None, false), schedule()).0.remove(0).resolved;
    assert_eq!(once(), once());
}
