//! The parts of Multi-Paxos one at a time, on a cluster driven by hand, and the laws that count messages and crashes.

use crate::support::{n, ticket};
use sim_core::fault::OnCrash;
use sim_core::hand::Told;
use sim_core::{Duration, Effect, Effects, LocalInstant, Node, NodeId, NodeSet, Order, Purpose, Replay, Rng, Writes};
use systems::consensus::paxos::{Ballot, Config, HEARTBEAT, Paxos, PaxosFact, PaxosMessage, Record};
use systems::shared::kv::{Kv, KvCommand, KvResponse, Value};
use systems::shared::replication::LeaderDisk;

type Cluster = crate::support::Cluster<crate::support::Paxos>;

fn put(key: u64, text: &str) -> KvCommand {
    KvCommand::Put { key, value: Value::new(text) }
}

fn get(key: u64) -> KvCommand {
    KvCommand::Get { key }
}

fn of(nodes: u32) -> Cluster {
    Cluster::new(Config { snapshot_every: 0, ..Config::new(nodes) }, 1)
}

fn value_at(cluster: &Cluster, node: u32, key: u64) -> Option<String> {
    cluster.node(n(node)).machine().get(key).map(|v| v.text().to_owned())
}

/// Lets a heartbeat pass on node `id` and everything settle.
fn beat(cluster: &mut Cluster, id: NodeId) {
    cluster.pass(id, Duration::millis(50));
    cluster.fire(id, HEARTBEAT);
    cluster.stabilize();
}

#[test]
fn a_leader_is_elected_and_replicates() {
    let mut c = of(3);
    c.elect(n(1));
    c.request(n(1), ticket(1, 0, 0), put(1, "a"));
    c.stabilize();
    assert!(matches!(&c.answers[..], [(_, _, Told::Done(KvResponse::Done))]), "{:?}", c.answers);
    beat(&mut c, n(1));
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
fn one_command_costs_two_messages_an_acceptor_and_one_round_trip() {
    for nodes in [1, 3, 4, 5, 7] {
        let mut c = of(nodes);
        c.elect(n(1));
        let before = c.sent;
        for op in 0..10 {
            c.request(n(1), ticket(1, op, 0), put(op, "x"));
            // One way, with the leader's own write beside it, and back.
            for _ in 0..2 {
                for id in c.ids() {
                    c.sync(id);
                }
                for _ in 0..c.wire.len() {
                    c.deliver(0);
                }
                for id in c.ids().skip(1) {
                    c.sync(id);
                }
            }
            assert_eq!(c.answers.len(), op as usize + 1, "{nodes} nodes");
            assert!(c.wire.is_empty());
        }
        // What is chosen rides on the next accept: it costs no message of its own.
        assert_eq!(c.sent - before, 10 * 2 * u64::from(nodes - 1), "{nodes} nodes");
    }
}

/// Whether the cluster still chooses values, under its leader n1 or another one.
fn serves(c: &mut Cluster, leader: NodeId, op: u64) -> bool {
    let before = c.answers.len();
    c.request(leader, ticket(1, op, 0), put(1, "x"));
    c.stabilize();
    c.answers.len() > before && matches!(c.answers[before], (_, _, Told::Done(_)))
}

#[test]
fn flexible_quorums_survive_what_their_sizes_say() {
    // Five nodes; commands need two acceptors, leaders need four: replication survives three crashes, electing one.
    for crashed in 0..=4 {
        let mut c = Cluster::new(Config { q1: 4, q2: 2, snapshot_every: 0, ..Config::new(5) }, 1);
        c.elect(n(1));
        for id in (5 - crashed + 1..=5).map(n) {
            c.crash(id, OnCrash::LoseUnsynced);
        }
        assert_eq!(serves(&mut c, n(1), 0), crashed <= 3, "{crashed} crashed");

        let mut c = Cluster::new(Config { q1: 4, q2: 2, snapshot_every: 0, ..Config::new(5) }, 1);
        for id in (5 - crashed + 1..=5).map(n) {
            c.crash(id, OnCrash::LoseUnsynced);
        }
        c.campaign(n(1));
        c.stabilize();
        assert_eq!(c.leader().is_some(), crashed <= 1, "{crashed} crashed");
    }
}

#[test]
fn everything_survives_a_power_loss() {
    let mut c = of(3);
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
        assert_eq!(c.node(n(node)).log().last(), 5);
        assert_eq!(c.node(n(node)).promised().round, 1);
    }
    c.elect(n(2));
    assert_eq!(c.node(n(2)).applied(), 5);
    assert_eq!(value_at(&c, 2, 4).as_deref(), Some("x"));
    assert_eq!(c.violation, None);
}

#[test]
fn a_new_leader_fills_the_gaps_that_the_old_one_left() {
    let mut c = Cluster::new(Config { snapshot_every: 0, max_batch: 40, ..Config::new(3) }, 1);
    c.elect(n(1));
    for op in 0..3 {
        c.request(n(1), ticket(1, op, 0), put(op, "x"));
    }
    // Of three slots only the last one reaches anybody.
    c.wire.retain(|f| matches!(&f.message, PaxosMessage::Accept { run, .. } if run.first == 3));
    c.crash(n(1), OnCrash::LoseUnsynced);
    c.stabilize();
    c.elect(n(2));
    beat(&mut c, n(2));
    for node in [2, 3] {
        assert_eq!(c.node(n(node)).applied(), 3);
        assert_eq!((value_at(&c, node, 0), value_at(&c, node, 2).as_deref()), (None, Some("x")));
    }
    assert_eq!(c.violation, None);
}

#[test]
fn a_lagging_replica_gets_a_snapshot_in_pieces_and_may_even_lead() {
    let config = Config { snapshot_every: 10, snapshot_keep: 2, snapshot_chunk: 100, ..Config::new(3) };
    let mut c = Cluster::new(config, 1);
    c.elect(n(1));
    for op in 0..50 {
        c.request(n(1), ticket(1, op, 0), put(op, "some value"));
        c.stabilize_but(|flight| flight.to == n(3));
    }
    assert!(c.node(n(1)).log().base() > 30);
    // It leads before it knows anything, and learns the rest from those who promised.
    for id in c.ids() {
        c.pass(id, Duration::millis(300));
    }
    c.campaign(n(3));
    let mut pieces = 0;
    c.stabilize_but(|flight| {
        pieces += u32::from(matches!(flight.message, PaxosMessage::Piece { .. }));
        false
    });
    assert!(pieces >= 10, "{pieces} pieces");
    beat(&mut c, n(3));
    assert_eq!((c.leader(), c.node(n(3)).applied()), (Some(n(3)), 50));
    assert!(serves(&mut c, n(3), 50));
    let digest = c.node(n(3)).digest();
    c.crash(n(3), OnCrash::LoseUnsynced);
    c.restart(n(3));
    c.elect(n(3));
    assert_eq!(c.node(n(3)).digest(), digest);
    assert_eq!(c.violation, None);
    // What compaction has made superfluous is gone from the disk.
    assert!(c.hands[0].records().count() < 30, "{} records", c.hands[0].records().count());
}

#[test]
fn a_replica_without_its_disk_takes_part_only_when_it_knows_what_it_had_promised() {
    for rotten in [false, true] {
        let mut c = of(3);
        c.elect(n(1));
        for op in 0..3 {
            c.request(n(1), ticket(1, op, 0), put(op, "x"));
            c.stabilize_but(|f| f.to == n(3));
        }
        c.crash(n(2), OnCrash::Keep);
        if rotten {
            c.hands[1].rot(1);
        } else {
            c.wipe(n(2));
        }
        c.restart(n(2));
        assert_eq!(c.node(n(2)).role().name, "rejoining");
        // n3 alone can not choose anything with it, and gets no promise from it.
        c.crash(n(1), OnCrash::LoseUnsynced);
        for id in c.ids() {
            c.pass(id, Duration::millis(300));
        }
        c.campaign(n(3));
        c.stabilize();
        assert_eq!(c.leader(), None);
        c.restart(n(1));
        c.campaign(n(2));
        c.stabilize();
        assert_ne!(c.node(n(2)).role().name, "rejoining");
        assert!(c.node(n(2)).promised() > Ballot::ZERO);
        c.elect(n(2));
        assert_eq!(c.node(n(2)).applied(), 3);
        assert_eq!(c.violation, None);
    }
}

#[test]
fn a_replica_without_its_disk_learns_what_is_chosen_from_the_answers_alone() {
    let mut c = of(3);
    c.elect(n(1));
    for op in 0..3 {
        c.request(n(1), ticket(1, op, 0), put(op, "x"));
    }
    c.stabilize();
    c.crash(n(3), OnCrash::LoseUnsynced);
    c.wipe(n(3));
    c.restart(n(3));
    // Nobody answers another question: whoever knew most may have restarted, and know it no more.
    c.stabilize_but(|f| matches!(f.message, PaxosMessage::Learn { .. } | PaxosMessage::Heartbeat { .. }));
    assert_ne!(c.node(n(3)).role().name, "rejoining");
    assert_eq!(c.node(n(3)).applied(), 3);
    assert_eq!(c.violation, None);
}

#[test]
fn a_candidate_asks_again_for_promises_that_it_lacks() {
    let mut c = of(3);
    c.campaign(n(2));
    c.stabilize_but(|f| matches!(f.message, PaxosMessage::Prepare { .. }) || f.to == n(2));
    assert_eq!(c.leader(), None);
    let ballot = c.node(n(2)).promised();
    c.fire(n(2), HEARTBEAT);
    c.stabilize();
    assert_eq!((c.leader(), c.node(n(2)).promised()), (Some(n(2)), ballot));
}

#[test]
fn a_promise_of_an_earlier_life_does_not_count() {
    let mut c = of(3);
    c.elect(n(1));
    for id in c.ids() {
        c.pass(id, Duration::millis(300));
    }
    // n2's promise to n3 is on its way when n2's disk is lost.
    c.campaign(n(3));
    c.stabilize_but(|f| f.to == n(1) || (f.from == n(2) && f.to == n(3)));
    c.campaign(n(3));
    c.sync(n(3));
    let at = c.wire.iter().position(|f| f.to == n(2)).expect("n3 prepares");
    c.deliver(at);
    c.sync(n(2));
    let at = c.wire.iter().position(|f| f.from == n(2)).expect("n2 promises");
    let late = c.wire.remove(at);
    c.wire.clear();
    c.crash(n(2), OnCrash::LoseUnsynced);
    c.wipe(n(2));
    c.restart(n(2));
    c.stabilize();
    assert_eq!(c.node(n(2)).role().name, "follower");
    // n1 has heard of the new life, and so the promise it gives now unmasks the old one: three are there, two count.
    c.facts.clear();
    c.wire.push(late);
    c.stabilize();
    assert!(!c.facts.iter().any(|(_, f)| matches!(f, PaxosFact::Elected { .. })), "{:?}", c.facts);
}

#[test]
fn an_acceptance_of_an_earlier_life_does_not_count() {
    let mut c = of(5);
    c.elect(n(1));
    let first = |c: &Cluster, from: u32, to: u32| {
        c.wire.iter().position(|f| (f.from, f.to) == (n(from), n(to))).unwrap_or_else(|| panic!("{from} to {to}"))
    };
    c.request(n(1), ticket(1, 0, 0), put(1, "a"));
    c.sync(n(1));
    // n2's acceptance is on its way when its disk is lost, and n3 gets the proposal after it has told n2 that it knows
    // of nothing.
    let at = first(&c, 1, 2);
    c.deliver(at);
    c.sync(n(2));
    let at = first(&c, 2, 1);
    let late = c.wire.remove(at);
    let at = first(&c, 1, 3);
    let proposal = c.wire.remove(at);
    c.wire.clear();
    c.crash(n(2), OnCrash::LoseUnsynced);
    c.wipe(n(2));
    c.restart(n(2));
    c.stabilize_but(|f| f.from == n(1) || f.to == n(1));
    assert_ne!(c.node(n(2)).role().name, "rejoining", "three others are enough");
    c.wire.push(proposal);
    c.stabilize_but(|f| f.to != n(3) && f.to != n(1));
    c.wire.push(late);
    c.stabilize_but(|f| f.to != n(1));
    assert_eq!(c.node(n(1)).applied(), 0, "only n1 and n3 have it");
    assert_eq!(c.violation, None);
}

#[test]
fn a_lease_of_other_acceptors_is_none() {
    let config = Config { leases: true, snapshot_every: 0, alpha: 10, ..Config::new(5) };
    let mut c = Cluster::new(config, 1);
    c.elect(n(1));
    c.request(n(1), ticket(1, 0, 0), put(1, "a"));
    beat(&mut c, n(1));
    // All have granted a lease. Then n4 and n5, who are to be the majority, promise to help their leader, and hear of
    // nothing more.
    let new: NodeSet = [n(1), n(4), n(5)].into_iter().collect();
    c.order(n(1), Order::Members(new));
    let promises = |message: &_| matches!(message, PaxosMessage::Prepare { .. } | PaxosMessage::Promise { .. });
    c.stabilize_but(|f| (f.to.0 > 2 || f.from.0 > 2) && !promises(&f.message));
    assert_eq!(c.node(n(1)).members(), Some(new));
    let (before, answers) = (c.sent, c.answers.len());
    c.request(n(1), ticket(2, 0, 0), get(1));
    assert_eq!(c.answers.len(), answers, "two others may have elected one of them");
    assert!(c.sent > before, "it asks");
}

#[test]
fn a_lease_serves_reads_without_messages_and_keeps_others_from_leading() {
    let mut c = Cluster::new(Config { leases: true, snapshot_every: 0, ..Config::new(3) }, 1);
    c.elect(n(1));
    c.request(n(1), ticket(1, 0, 0), put(1, "a"));
    c.stabilize();
    beat(&mut c, n(1));
    let before = c.sent;
    c.request(n(1), ticket(1, 1, 0), get(1));
    assert_eq!((c.sent, c.answers.len()), (before, 2));
    // Nobody helps another candidate while it may hold.
    c.campaign(n(2));
    c.stabilize_but(|f| f.to == n(1) || f.from == n(1));
    assert_eq!(c.leader(), Some(n(1)));
    // When it has run out the leader asks again.
    c.pass(n(1), Duration::millis(150));
    let before = c.sent;
    c.request(n(1), ticket(1, 2, 0), get(1));
    assert!(c.sent > before && c.answers.len() == 2);
}

#[test]
fn a_failed_sync_stops_the_node() {
    let mut c = of(3);
    c.elect(n(1));
    c.request(n(1), ticket(1, 0, 0), put(1, "a"));
    c.sync_once(n(1), false);
    assert!(!c.is_up(n(1)));
}

#[test]
fn a_leaders_proposals_and_heartbeats_wait_for_its_disk_or_not() {
    for (leader_disk, proposals, heartbeats) in
        [(LeaderDisk::Parallel, 2, 2), (LeaderDisk::BeforeSending, 0, 2), (LeaderDisk::Blocking, 2, 0)]
    {
        let mut c = Cluster::new(Config { leader_disk, snapshot_every: 0, ..Config::new(3) }, 1);
        c.elect(n(1));
        c.request(n(1), ticket(1, 0, 0), put(1, "a"));
        let sent =
            |c: &Cluster, which: fn(&PaxosMessage<Kv>) -> bool| c.wire.iter().filter(|f| which(&f.message)).count();
        let is_accept = |message: &PaxosMessage<Kv>| matches!(message, PaxosMessage::Accept { .. });
        let is_heartbeat = |message: &PaxosMessage<Kv>| matches!(message, PaxosMessage::Heartbeat { .. });
        assert_eq!(sent(&c, is_accept), proposals, "{leader_disk:?}");
        c.fire(n(1), HEARTBEAT);
        assert_eq!(sent(&c, is_heartbeat), heartbeats, "{leader_disk:?}");
        // The disk is done: the proposals are out, and a heartbeat that was due.
        c.sync(n(1));
        assert!(sent(&c, is_accept) >= 2, "{leader_disk:?}");
        assert_eq!(sent(&c, is_heartbeat), 2, "{leader_disk:?}");
        c.stabilize();
        assert_eq!(c.answers.len(), 1, "{leader_disk:?}");
        assert_eq!(c.violation, None);
    }
}

#[test]
fn a_leader_whose_disk_hangs_steps_down_and_prepares_no_ballot_meanwhile() {
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
        assert!(c.facts.iter().any(|(_, fact)| matches!(fact, PaxosFact::DiskTimedOut { .. })), "{leader_disk:?}");
        let promised = c.node(n(1)).promised();
        c.campaign(n(1));
        assert_eq!(c.node(n(1)).promised(), promised, "{leader_disk:?}");
        c.stabilize();
        c.elect(n(1));
        c.request(n(1), ticket(1, 0, 1), put(1, "a"));
        c.stabilize();
        assert!(c.answers.iter().any(|(_, _, told)| matches!(told, Told::Done(_))), "{leader_disk:?}");
        assert_eq!(c.violation, None);
    }
}

/// Another log on the same disk says nothing about this one.
#[test]
fn an_embedded_replica_is_new_until_its_own_log_was_written() {
    let config = Config::new(3);
    let (mut rng, mut writes) = (Rng::stream(1, Purpose::Node, 0), Writes::default());
    let mut boots = Vec::new();
    for _ in 0..2 {
        let (mut outer, mut inner) = (Vec::new(), Vec::new());
        let mut fx: Effects<'_, Paxos<Kv>> =
            Effects::new(NodeId(0), LocalInstant(1 << 60), &mut rng, &mut writes, &mut outer);
        fx.append(Record::Blank);
        Paxos::<Kv>::boot(&config, NodeId(0), Replay::empty().lane(1), &mut fx.embedded(&mut inner, 4, 1));
        let wiped = |effect: &Effect<Paxos<Kv>>| matches!(effect, Effect::Note { fact: PaxosFact::Wiped { .. } });
        boots.push(inner.iter().any(wiped));
    }
    assert_eq!(boots, [false, true], "the second time its log was written before, and is empty");
}
