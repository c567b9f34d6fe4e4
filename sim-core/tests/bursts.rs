//! Packet faults with a memory: correlated draws, and losses in bursts.

use crate::support::*;
use sim_core::fault::{Burst, Direction, Fault, PacketChange, Target};
use sim_core::{EngineConfig, NodeId, Probability, Timer};

fn percent(n: u64) -> Probability {
    Probability::per_billion(n * 10_000_000)
}

/// For each message that node 0 sends to node `to`, one every 100 us, whether it was lost. With `others`, it sends
/// some to node 2 as well.
fn lost(change: &PacketChange, seed: u64, others: bool) -> Vec<bool> {
    let script = Script {
        boot: |me, fx| {
            if me.0 == 0 {
                fx.arm(Timer(0), us(100));
            }
        },
        timer: |node, timer, fx| {
            fx.send(NodeId(1), note(node.count));
            node.count += 1;
            if u64::from(node.script.nodes) > 2 && node.count % 3 == 0 {
                fx.send(NodeId(2), note(node.count));
            }
            fx.arm(timer, us(100));
        },
        remember: false,
        ..Script::default()
    };
    let fault = Fault::Packet { change: change.clone(), direction: Direction::From, peers: None, kinds: vec![] };
    let nodes = 2 + usize::from(others);
    let schedule = faults(vec![(fault, Target::Node(NodeId(0)), at(0), at(9_999))]);
    let mut run = start_quiet(EngineConfig { schedule, seed, ..config(nodes) }, script);
    run_to(&mut run, at(3_000));
    let seen = run.observer();
    let sent = seen.messages.iter().filter(|(.., to, _)| to.0 == 1).map(|(.., n)| *n);
    let arrived: std::collections::BTreeSet<u64> =
        seen.arrived.iter().filter(|(_, _, to, _)| to.0 == 1).map(|(.., n)| *n).collect();
    // The last ones are still under way.
    let lost: Vec<bool> = sent.map(|n| !arrived.contains(&n)).collect();
    lost[..lost.len() - 20].to_vec()
}

fn share(of: &[bool]) -> f64 {
    of.iter().filter(|b| **b).count() as f64 / of.len() as f64
}

/// How many losses in a row there are on average.
fn run_length(of: &[bool]) -> f64 {
    let runs = of.windows(2).filter(|w| !w[0] && w[1]).count() + usize::from(of[0]);
    of.iter().filter(|b| **b).count() as f64 / runs as f64
}

/// How much one tells of the next.
fn correlation(of: &[bool]) -> f64 {
    let p = share(of);
    let both = of.windows(2).filter(|w| w[0] && w[1]).count() as f64 / (of.len() - 1) as f64;
    (both - p * p) / (p * (1.0 - p))
}

#[test]
fn correlated_losses_come_in_runs_at_the_rate_they_have_alone() {
    for rho in [0, 25, 60, 90] {
        let change = PacketChange { loss: percent(20), correlation: percent(rho), ..PacketChange::default() };
        let all: Vec<bool> = (1..=4).flat_map(|seed| lost(&change, seed, false)).collect();
        let (p, r) = (share(&all), correlation(&all));
        assert!((p - 0.2).abs() < 0.02, "{rho}%: {p} lost");
        assert!((r - rho as f64 / 100.0).abs() < 0.03, "{rho}%: correlation {r}");
    }
}

#[test]
fn bursts_are_as_long_and_as_rare_as_gilbert_and_elliott_say() {
    let burst =
        Burst { good_to_bad: percent(2), bad_to_good: percent(10), loss_bad: percent(100), loss_good: percent(0) };
    let change = PacketChange { burst: Some(burst), ..PacketChange::default() };
    let all: Vec<bool> = (1..=4).flat_map(|seed| lost(&change, seed, false)).collect();
    // Bad a share p / (p + r) of the time, for 1 / r messages each time.
    let (p, length) = (share(&all), run_length(&all));
    assert!((p - 2.0 / 12.0).abs() < 0.015, "{p} lost");
    assert!((length - 10.0).abs() < 0.8, "{length} in a row");
    let mild = Burst { loss_bad: percent(50), loss_good: percent(1), ..burst };
    let change = PacketChange { burst: Some(mild), ..PacketChange::default() };
    let p = share(&(1..=4).flat_map(|seed| lost(&change, seed, false)).collect::<Vec<_>>());
    assert!((p - (0.5 * 2.0 + 0.01 * 10.0) / 12.0).abs() < 0.015, "{p} lost");
}

#[test]
fn what_is_sent_to_another_node_changes_nothing() {
    let burst =
        Burst { good_to_bad: percent(5), bad_to_good: percent(20), loss_bad: percent(90), loss_good: percent(1) };
    let change =
        PacketChange { loss: percent(5), correlation: percent(30), burst: Some(burst), ..PacketChange::default() };
    assert_eq!(lost(&change, 7, false), lost(&change, 7, true));
    assert_ne!(lost(&change, 7, false), lost(&change, 8, false));
}
