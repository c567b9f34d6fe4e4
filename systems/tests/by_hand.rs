//! The parts of Raft one at a time, on a cluster driven by hand.

mod support;

use sim_core::{Duration, Node};
use support::{Leaves, Told, n, ticket};
use systems::kv::{KvCommand, KvResponse, Value};
use systems::raft::{Config, HEARTBEAT, RaftFact, RaftMessage};

type Cluster = support::Cluster<support::Raft>;

fn put(key: u64, text: &str) -> KvCommand {
    KvCommand::Put { key, value: Value::new(text) }
}

fn get(key: u64) -> KvCommand {
    KvCommand::Get { key }
}

fn three() -> Cluster {
    Cluster::new(Config { snapshot_every: 0, ..Config::new(3) }, 1)
}

fn value_at(cluster: &Cluster, node: u32, key: u64) -> Option<String> {
    cluster.node(n(node)).machine().get(key).map(|v| v.text().to_owned())
}

#[test]
fn a_leader_is_elected_and_replicates() {
    let mut c = three();
    c.elect(n(1));
    c.request(n(1), ticket(1, 0, 0), put(1, "a"));
    c.stabilize();
    assert!(matches!(&c.answers[..], [(_, _, Told::Done(KvResponse::Done))]), "{:?}", c.answers);
    c.fire(n(1), HEARTBEAT);
    c.pass(n(1), Duration::millis(50));
    c.fire(n(1), HEARTBEAT);
    c.stabilize();
    for node in 1..=3 {
        assert_eq!(value_at(&c, node, 1).as_deref(), Some("a"));
    }
    c.request(n(2), ticket(1, 1, 0), get(1));
    assert!(matches!(c.answers.last(), Some((_, _, Told::Elsewhere(Some(leader)))) if *leader == n(1)));
    c.request(n(1), ticket(1, 1, 1), get(1));
    c.stabilize();
    assert!(matches!(c.answers.last(), Some((_, _, Told::Done(KvResponse::Value(Some(_)))))));
    assert_eq!(c.violation, None);
}

#[test]
fn one_command_costs_two_messages_a_follower() {
    let mut c = Cluster::new(Config::new(5), 1);
    c.elect(n(1));
    let before = c.sent;
    for op in 0..10 {
        c.request(n(1), ticket(1, op, 0), put(op, "x"));
        c.stabilize();
    }
    assert_eq!(c.sent - before, 10 * 2 * 4);
    assert_eq!(c.answers.len(), 10);
}

#[test]
fn everything_survives_a_power_loss() {
    let mut c = three();
    c.elect(n(1));
    for op in 0..5 {
        c.request(n(1), ticket(1, op, 0), put(op, "x"));
    }
    c.stabilize();
    for node in 1..=3 {
        c.crash(n(node), Leaves::Nothing);
    }
    for node in 1..=3 {
        c.restart(n(node));
        assert_eq!(c.node(n(node)).log().last(), 6);
        assert_eq!(c.node(n(node)).term(), 1);
    }
    c.elect(n(2));
    assert_eq!(c.node(n(2)).applied(), 7);
    assert_eq!(value_at(&c, 2, 4).as_deref(), Some("x"));
    assert_eq!(c.violation, None);
}

#[test]
fn a_lagging_follower_gets_a_snapshot_in_pieces_and_restarts_from_it() {
    let config = Config { snapshot_every: 10, snapshot_keep: 2, snapshot_chunk: 100, ..Config::new(3) };
    let mut c = Cluster::new(config, 1);
    c.elect(n(1));
    for op in 0..50 {
        c.request(n(1), ticket(1, op, 0), put(op, "some value"));
        c.stabilize_but(|flight| flight.to == n(3));
    }
    assert!(c.node(n(1)).log().base() > 30);
    let mut pieces = 0;
    for _ in 0..5 {
        c.pass(n(1), Duration::millis(50));
        c.fire(n(1), HEARTBEAT);
        c.stabilize_but(|flight| {
            pieces += u32::from(matches!(flight.message, RaftMessage::InstallSnapshot { .. }));
            false
        });
    }
    assert!(pieces >= 10, "{pieces} pieces");
    assert_eq!(c.node(n(3)).applied(), 51);
    let digest = c.node(n(1)).digest();
    for node in [1, 3] {
        c.crash(n(node), Leaves::Nothing);
        c.restart(n(node));
    }
    assert!(c.node(n(3)).applied() >= 40);
    assert_eq!(c.node(n(3)).log().last(), 51);
    c.elect(n(3));
    assert_eq!(c.node(n(3)).digest(), digest);
    assert_eq!(c.violation, None);
    // What compaction has made superfluous is gone from the disk.
    assert!(c.disks[0].records.len() < 30, "{} records", c.disks[0].records.len());
}

#[test]
fn a_retry_is_executed_once_and_answered_by_the_next_leader() {
    let mut c = three();
    c.elect(n(1));
    let append = KvCommand::Append { key: 1, value: Value::new("x") };
    c.request(n(1), ticket(1, 0, 0), append.clone());
    c.stabilize();
    c.answers.clear();
    c.crash(n(1), Leaves::Nothing);
    c.elect(n(2));
    c.request(n(2), ticket(1, 0, 1), append.clone());
    assert!(matches!(c.answers[..], [(_, _, Told::Done(KvResponse::Done))]));
    c.request(n(2), ticket(1, 1, 0), append);
    c.stabilize();
    assert_eq!(value_at(&c, 2, 1).as_deref(), Some("xx"));
    assert_eq!(c.violation, None);
}

#[test]
fn appends_that_overtake_each_other_are_taken_in_order() {
    let mut c = three();
    c.elect(n(1));
    for op in 0..3 {
        c.request(n(1), ticket(1, op, 0), put(op, "x"));
    }
    while !c.wire.is_empty() {
        c.deliver(c.wire.len() - 1);
    }
    let rejected = |c: &Cluster| c.wire.iter().any(|f| matches!(f.message, RaftMessage::Rejected { .. }));
    assert!(!rejected(&c));
    c.stabilize();
    assert_eq!(c.node(n(2)).log().last(), 4);
    assert_eq!(c.answers.len(), 3);
}

#[test]
fn a_failed_sync_stops_the_node() {
    let mut c = three();
    c.elect(n(1));
    c.request(n(1), ticket(1, 0, 0), put(1, "a"));
    c.fail_sync(n(1));
    assert!(!c.is_up(n(1)));
}

#[test]
fn an_isolated_leader_steps_down_and_refuses_only_what_it_never_appended() {
    let mut c = three();
    c.elect(n(1));
    for op in 0..6 {
        c.request(n(1), ticket(1, op, 0), put(1, "a"));
    }
    c.request(n(1), ticket(2, 0, 0), get(1));
    c.wire.clear();
    // The first count still sees who answered before.
    c.campaign(n(1));
    c.campaign(n(1));
    assert_eq!(c.node(n(1)).role().name, "follower");
    // Four batches were appended and may yet be committed by others; two requests and the read never were.
    let refused: Vec<_> = c.answers.iter().map(|(t, ..)| (t.client.0, t.op)).collect();
    assert_eq!(refused, [(0, 4), (0, 5), (1, 0)]);
}

#[test]
fn a_candidate_that_can_not_win_puts_nobody_off() {
    let config = Config { snapshot_every: 0, pre_vote: false, check_quorum: false, ..Config::new(3) };
    let mut c = Cluster::new(config, 1);
    c.elect(n(1));
    c.request(n(1), ticket(1, 0, 0), put(1, "a"));
    // The entry never reaches n3.
    c.wire.retain(|flight| flight.to != n(3));
    c.stabilize();
    c.crash(n(1), Leaves::Nothing);
    let due = |c: &Cluster| c.timers[n(2).index()][support::ELECTION.0 as usize];
    let before = due(&c);
    assert!(before.is_some());
    c.pass(n(2), Duration::millis(20));
    c.fire(n(3), support::ELECTION);
    c.stabilize();
    let voter = c.node(n(2));
    assert_eq!((voter.term(), voter.vote()), (2, None));
    assert_eq!(due(&c), before, "only a leader, or a vote, starts the wait anew");
}

#[test]
fn a_cluster_of_one_needs_nobody() {
    let mut c = Cluster::new(Config::new(1), 1);
    c.elect(n(1));
    c.request(n(1), ticket(1, 0, 0), put(1, "a"));
    c.request(n(1), ticket(1, 1, 0), get(1));
    c.stabilize();
    assert_eq!(c.answers.len(), 2);
}

#[test]
fn a_node_that_can_not_read_its_disk_stays_out_and_the_others_go_on() {
    for record in 0..3 {
        let mut c = Cluster::new(Config::new(3), 1);
        c.elect(n(1));
        c.request(n(1), ticket(1, 0, 0), put(1, "a"));
        c.stabilize();
        let disk = &mut c.disks[1].records;
        assert!(disk.len() >= 3, "{} records", disk.len());
        disk[record].2 = None;
        c.crash(n(2), Leaves::Everything);
        c.facts.clear();
        c.restart(n(2));
        assert!(!c.is_up(n(2)), "record {record} is gone, and {} runs", n(2));
        assert!(matches!(c.facts[..], [(_, RaftFact::Unreadable { .. })]), "{:?}", c.facts);
        c.request(n(1), ticket(1, 1, 0), put(1, "b"));
        c.stabilize();
        assert_eq!(c.answers.len(), 2);
        assert!(c.violation.is_none());
    }
}
