//! The parts of Raft one at a time, on a cluster driven by hand.

use crate::support::{ELECTION, Flight, n, ticket};
use sim_core::fault::OnCrash;
use sim_core::hand::Told;
use sim_core::{Duration, Node};
use systems::consensus::raft::{Config, HEARTBEAT, RaftFact, RaftMessage};
use systems::shared::kv::{Kv, KvCommand, KvResponse, Value};
use systems::shared::replication::LeaderDisk;

type Cluster = crate::support::Cluster<crate::support::Raft>;

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
        c.crash(n(node), OnCrash::LoseUnsynced);
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
        c.crash(n(node), OnCrash::LoseUnsynced);
        c.restart(n(node));
    }
    assert!(c.node(n(3)).applied() >= 40);
    assert_eq!(c.node(n(3)).log().last(), 51);
    c.elect(n(3));
    assert_eq!(c.node(n(3)).digest(), digest);
    assert_eq!(c.violation, None);
    // What compaction has made superfluous is gone from the disk.
    assert!(c.hands[0].records().count() < 30, "{} records", c.hands[0].records().count());
}

#[test]
fn a_retry_is_executed_once_and_answered_by_the_next_leader() {
    let mut c = three();
    c.elect(n(1));
    let append = KvCommand::Append { key: 1, value: Value::new("x") };
    c.request(n(1), ticket(1, 0, 0), append.clone());
    c.stabilize();
    c.answers.clear();
    c.crash(n(1), OnCrash::LoseUnsynced);
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
        let newest = c.wire.len() - 1;
        c.deliver(newest);
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
    c.sync_once(n(1), false);
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
    c.crash(n(1), OnCrash::LoseUnsynced);
    let due = |c: &Cluster| c.hands[n(2).index()].due(crate::support::ELECTION);
    let before = due(&c);
    assert!(before.is_some());
    c.pass(n(2), Duration::millis(20));
    c.fire(n(3), crate::support::ELECTION);
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
        let records = c.hands[1].records().count();
        assert!(records >= 3, "{records} records");
        c.hands[1].rot(record);
        c.crash(n(2), OnCrash::Keep);
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

#[test]
fn a_leaders_entries_and_heartbeats_wait_for_its_disk_or_not() {
    for (leader_disk, entries, heartbeats) in
        [(LeaderDisk::Parallel, 2, 2), (LeaderDisk::BeforeSending, 0, 2), (LeaderDisk::Blocking, 2, 0)]
    {
        let mut c = Cluster::new(Config { leader_disk, snapshot_every: 0, ..Config::new(3) }, 1);
        c.elect(n(1));
        c.request(n(1), ticket(1, 0, 0), put(1, "a"));
        let sent =
            |c: &Cluster, which: fn(&RaftMessage<Kv>) -> bool| c.wire.iter().filter(|f| which(&f.message)).count();
        let is_append = |message: &RaftMessage<Kv>| matches!(message, RaftMessage::Append(_));
        let is_heartbeat = |message: &RaftMessage<Kv>| matches!(message, RaftMessage::Heartbeat { .. });
        assert_eq!(sent(&c, is_append), entries, "{leader_disk:?}");
        c.fire(n(1), HEARTBEAT);
        assert_eq!(sent(&c, is_heartbeat), heartbeats, "{leader_disk:?}");
        c.request(n(1), ticket(1, 1, 0), put(2, "b"));
        let standing_still = leader_disk != LeaderDisk::Parallel;
        assert_eq!(c.node(n(1)).log().last(), if standing_still { 2 } else { 3 }, "{leader_disk:?}");
        // A read waits for the loop like everything else, or is confirmed by a round of heartbeats.
        c.request(n(1), ticket(2, 0, 0), get(1));
        assert_eq!(sent(&c, is_heartbeat), heartbeats + if standing_still { 0 } else { 2 }, "{leader_disk:?}");
        // The disk is done: everything goes out, and what has waited for the loop.
        c.sync_once(n(1), true);
        let entries_in = |flight: &Flight<crate::support::Raft>| match &flight.message {
            RaftMessage::Append(append) => append.entries.len(),
            _ => 0,
        };
        // Two entries for two followers, unless the second waits for the disk in its turn.
        let entries = if leader_disk == LeaderDisk::BeforeSending { 2 } else { 4 };
        assert_eq!(c.wire.iter().map(entries_in).sum::<usize>(), entries, "{leader_disk:?}");
        c.stabilize();
        assert_eq!((c.answers.len(), c.node(n(1)).commit()), (3, 3), "{leader_disk:?}");
        assert_eq!(c.violation, None);
    }
}

#[test]
fn a_leader_whose_disk_hangs_steps_down_and_does_not_stand_again_meanwhile() {
    for leader_disk in [LeaderDisk::Parallel, LeaderDisk::BeforeSending, LeaderDisk::Blocking] {
        let disk_timeout = Some(Duration::millis(100));
        let mut c = Cluster::new(Config { leader_disk, disk_timeout, snapshot_every: 0, ..Config::new(3) }, 1);
        c.elect(n(1));
        c.fire(n(1), HEARTBEAT);
        c.request(n(1), ticket(1, 0, 0), put(1, "a"));
        c.fire(n(1), HEARTBEAT);
        assert_eq!(c.leader(), Some(n(1)), "{leader_disk:?}: half the time");
        c.fire(n(1), HEARTBEAT);
        assert_eq!(c.leader(), None, "{leader_disk:?}");
        assert!(c.facts.contains(&(n(1), RaftFact::DiskTimedOut { term: 1 })), "{leader_disk:?}: {:?}", c.facts);
        c.campaign(n(1));
        assert_eq!(c.node(n(1)).role().name, "follower", "{leader_disk:?}");
        c.stabilize();
        c.elect(n(1));
        c.request(n(1), ticket(1, 0, 1), put(1, "a"));
        c.stabilize();
        assert!(c.answers.iter().any(|(_, _, told)| matches!(told, Told::Done(_))), "{leader_disk:?}");
        assert_eq!(c.violation, None);
    }
}

#[test]
fn under_leases_a_voter_is_loyal_whatever_it_forgot_in_a_restart() {
    let lease = Config { leases: true, pre_vote: false, snapshot_every: 0, ..Config::new(3) };
    for (waits, votes) in [(0, false), (149, false), (150, true)] {
        let mut c = Cluster::new(lease, 1);
        c.elect(n(1));
        c.fire(n(1), HEARTBEAT);
        c.stabilize();
        // The leader counts on n2's answer; n2 has it from nobody any more that it gave one.
        c.crash(n(2), OnCrash::LoseUnsynced);
        c.restart(n(2));
        c.sync(n(2));
        c.pass(n(2), Duration::millis(waits));
        let term = c.node(n(1)).term() + 1;
        let (last_index, last_term) = (c.node(n(3)).log().last(), c.node(n(3)).log().last_term());
        let message = RaftMessage::RequestVote { term, last_index, last_term, pre: false, transfer: false };
        c.wire.push(Flight { from: n(3), to: n(2), message });
        c.stabilize_but(|flight| flight.to == n(1) || flight.to == n(3));
        assert_eq!(c.node(n(2)).vote() == Some(n(3)), votes, "{waits} ms after it was back");
    }
}

#[test]
fn with_ticks_a_voter_counts_those_since_it_heard_its_leader() {
    let tick = Duration::millis(10);
    let config = Config { tick: Some(tick), snapshot_every: 0, pre_vote: false, ..Config::new(3) };
    // One that has counted fourteen ticks takes its leader for alive, whatever the clock says; after the fifteenth it
    // votes.
    for (ticks, votes) in [(14, false), (15, true)] {
        let mut c = Cluster::new(config, 1);
        let elect = |c: &mut Cluster| {
            for _ in 0..30 {
                c.fire(n(1), ELECTION);
            }
            c.stabilize();
        };
        elect(&mut c);
        assert_eq!(c.leader(), Some(n(1)));
        for _ in 0..5 {
            c.fire(n(1), ELECTION);
        }
        c.stabilize();
        c.pass(n(2), Duration::secs(1));
        for _ in 0..ticks {
            c.fire(n(2), ELECTION);
        }
        let term = c.node(n(1)).term() + 1;
        let (last_index, last_term) = (c.node(n(2)).log().last(), c.node(n(2)).log().last_term());
        let message = RaftMessage::RequestVote { term, last_index, last_term, pre: false, transfer: false };
        c.wire.push(Flight { from: n(3), to: n(2), message });
        c.stabilize_but(|flight| flight.to == n(1) || flight.to == n(3));
        assert_eq!(c.node(n(2)).vote() == Some(n(3)), votes, "{ticks} ticks");
    }
}
