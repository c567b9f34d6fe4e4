//! Nodes of the cluster moved by hand: votes and promotions over crashes, minorities, and how replicas catch up.

use sim_core::{ClientId, Duration, Effect, LocalInstant, NodeId, Ticket};
use std::rc::Rc;
use systems::control::cluster::{
    Cell, Cluster, ClusterBug, ClusterMessage, ClusterOptions, ClusterRequest, ClusterResponse, Config, Data, Entry,
    Gossip, Header, HeaderNumber, Nonce, Position, SlotMap, Start, StreamId, TICK, slot_of,
};

type Hand = sim_core::hand::Hand<Cluster>;
type Out = Vec<Effect<Cluster>>;

/// Node `me` of nine, whose disk catches up after every step.
fn hand(me: u32, bug: ClusterBug) -> Hand {
    let options = ClusterOptions { bug, backlog: 4, ..ClusterOptions::default() };
    let config = Rc::new(options.validate(&sim_core::Shape::plain(9)).unwrap());
    let mut hand = Hand::down(&config, NodeId(me), 1);
    (hand.now, hand.syncs) = (LocalInstant(1_000_000_000), true);
    hand.boot();
    hand
}

fn ask(hand: &mut Hand, op: u64, request: ClusterRequest) -> Out {
    hand.ask(Ticket { client: ClientId(0), op, floor: 0, attempt: 0 }, request)
}

/// What a node of the first configuration says, in its `n`-th header.
fn header(config: &Config, node: u32, n: u64, epoch: u64) -> Header {
    let primary = config.primary_of(NodeId(node));
    let owner = primary.unwrap_or(NodeId(node));
    Header {
        stamp: (Start(1), HeaderNumber(n)),
        epoch,
        config_epoch: u64::from(owner.0) + 1,
        primary,
        slots: SlotMap::even(3, 9).runs(owner),
        offset: 0,
        gossip: Vec::new(),
    }
}

fn votes(out: &[Effect<Cluster>]) -> Vec<NodeId> {
    let vote = |effect: &Effect<Cluster>| match effect {
        Effect::Send { to, message: ClusterMessage::Vote { .. } } => Some(*to),
        _ => None,
    };
    out.iter().filter_map(vote).collect()
}

/// The replicas of n2: n4 and n9.
const REPLICAS: [u32; 2] = [3, 8];

#[test]
fn a_primary_votes_once_in_an_epoch_even_over_a_restart() {
    for (bug, again) in [(ClusterBug::None, vec![]), (ClusterBug::VoteNotPersisted, vec![NodeId(8)])] {
        let mut n1 = hand(0, bug);
        let config = Rc::clone(n1.config());
        assert_eq!(REPLICAS.map(|node| config.primary_of(NodeId(node))), [Some(NodeId(1)); 2]);
        let request = |node: u32| ClusterMessage::VoteRequest(Rc::new(header(&config, node, 9, 4)));
        assert_eq!(votes(&n1.tell(NodeId(3), request(3))), [], "its primary has not failed");
        n1.tell(NodeId(2), ClusterMessage::Fail(NodeId(1)));
        n1.syncs = false;
        let second = ClusterMessage::VoteRequest(Rc::new(header(&config, 3, 10, 4)));
        assert_eq!(votes(&n1.tell(NodeId(3), second)), [], "the vote is not durable");
        assert_eq!(votes(&n1.sync()), [NodeId(3)]);
        n1.syncs = true;
        assert_eq!(votes(&n1.tell(NodeId(8), request(8))), [], "it has voted");
        n1.restart();
        n1.tell(NodeId(2), ClusterMessage::Fail(NodeId(1)));
        let third = ClusterMessage::VoteRequest(Rc::new(header(&config, 8, 11, 4)));
        assert_eq!(votes(&n1.tell(NodeId(8), third)), again, "{bug:?}");
    }
}

/// Brings a replica of n2 to where it has asked for votes.
fn candidate() -> Hand {
    let mut n4 = hand(3, ClusterBug::None);
    let writes = ClusterMessage::Writes { after: Position::default(), stream: StreamId(77), entries: [].into() };
    n4.tell(NodeId(1), writes);
    n4.tell(NodeId(0), ClusterMessage::Fail(NodeId(1)));
    for _ in 0..200 {
        n4.now = n4.now + n4.config().tick;
        let out = n4.ring(TICK);
        let asks = |e: &Effect<Cluster>| matches!(e, Effect::Send { message: ClusterMessage::VoteRequest(_), .. });
        if out.iter().any(asks) {
            return n4;
        }
    }
    panic!("it never asked for votes");
}

#[test]
fn a_promotion_is_durable_before_anybody_is_told() {
    for crash in [false, true] {
        let mut n4 = candidate();
        n4.syncs = false;
        n4.tell(NodeId(0), ClusterMessage::Vote { epoch: 4 });
        assert!(n4.node().primary().is_some(), "one vote of three primaries");
        n4.tell(NodeId(2), ClusterMessage::Vote { epoch: 4 });
        let config = Rc::clone(n4.config());
        let out = n4.tell(NodeId(2), ClusterMessage::Ping(Rc::new(header(&config, 2, 50, 4))));
        let claims = |effect: &Effect<Cluster>| match effect {
            Effect::Send { message: ClusterMessage::Pong(header) | ClusterMessage::News(header), .. } => {
                header.primary.is_none()
            }
            _ => false,
        };
        assert!(!out.iter().any(claims), "it says so before it is on the disk");
        if crash {
            n4.restart();
            assert_eq!(n4.node().primary(), Some(NodeId(1)));
        } else {
            assert!(n4.sync().iter().any(claims));
            n4.restart();
            assert_eq!((n4.node().primary(), n4.node().config_epoch(NodeId(3))), (None, 4));
            assert_eq!(n4.node().slots().count(NodeId(1)), 0);
        }
    }
}

#[test]
fn a_vote_that_comes_too_late_does_not_promote() {
    // The last primary stood still from the request on. What the replica has is older by then than it may be.
    for (late, promoted) in [(Duration::ZERO, true), (Duration::secs(2), false)] {
        let mut n4 = candidate();
        n4.tell(NodeId(0), ClusterMessage::Vote { epoch: 4 });
        n4.now = n4.now + n4.config().node_timeout + late;
        n4.tell(NodeId(2), ClusterMessage::Vote { epoch: 4 });
        assert_eq!(n4.node().primary().is_none(), promoted, "{late} later");
    }
}

#[test]
fn a_primary_whose_pings_a_majority_leaves_unanswered_for_the_node_timeout_serves_no_more() {
    let mut n1 = hand(0, ClusterBug::None);
    let key = (0..).find(|key| n1.node().slots().owner(slot_of(*key)) == Some(NodeId(0))).unwrap();
    let set = |number| ClusterRequest::Set { key, number, size: 8 };
    let done = |out: &Out| out.iter().any(|e| matches!(e, Effect::Reply { response: ClusterResponse::Done(_), .. }));
    let timeout = n1.config().node_timeout;
    // Both others answer the first ping, and are silent from then on.
    let asks =
        |out: &Out| out.iter().filter(|e| matches!(e, Effect::Send { message: ClusterMessage::Ping(_), .. })).count();
    assert_eq!(asks(&n1.ring(TICK)), 8, "nobody has ever answered");
    let config = Rc::clone(n1.config());
    for other in 1..9 {
        n1.tell(NodeId(other), ClusterMessage::Pong(Rc::new(header(&config, other, 5, 3))));
    }
    let begun = n1.now;
    // A silence alone is none: it asks when the answers are half the node timeout old.
    n1.now = begun + Duration(timeout.0 / 2);
    n1.ring(TICK);
    n1.now = n1.now + Duration(1);
    n1.ring(TICK);
    let asked = n1.now;
    n1.now = asked + timeout;
    n1.ring(TICK);
    assert!(done(&ask(&mut n1, 0, set(1))), "not longer than the node timeout");
    n1.now = asked + timeout + Duration(1);
    n1.ring(TICK);
    let out = ask(&mut n1, 1, set(2));
    assert!(!done(&out) && out.iter().any(|e| matches!(e, Effect::Redirect { hint: None, .. })));
    // One of the other two answers again: a majority, but it may have been replaced, and waits. News are no answer.
    n1.tell(NodeId(1), ClusterMessage::News(Rc::new(header(&config, 1, 6, 3))));
    n1.now = n1.now + config.rejoin_delay;
    assert!(!done(&ask(&mut n1, 2, set(3))));
    n1.tell(NodeId(1), ClusterMessage::Pong(Rc::new(header(&config, 1, 7, 3))));
    assert!(!done(&ask(&mut n1, 3, set(4))));
    n1.now = n1.now + config.rejoin_delay;
    assert!(done(&ask(&mut n1, 4, set(5))));
}

#[test]
fn two_primaries_hold_a_third_for_failed_when_word_passes_between_them() {
    let word = |suspected| Gossip { node: NodeId(1), suspected, failed: false, answered: 0 };
    let fails =
        |out: &Out| out.iter().filter(|e| matches!(e, Effect::Send { message: ClusterMessage::Fail(_), .. })).count();
    let mut n1 = hand(0, ClusterBug::None);
    let config = Rc::clone(n1.config());
    let mut number = 10;
    let mut say = |n1: &mut Hand, from: u32, suspected: bool| {
        number += 1;
        let gossip = vec![word(suspected)];
        n1.tell(NodeId(from), ClusterMessage::Ping(Rc::new(Header { gossip, ..header(&config, from, number, 3) })))
    };
    n1.ring(TICK);
    // n3 suspects n2 before n1 does.
    assert_eq!(fails(&say(&mut n1, 2, true)), 0);
    n1.now = n1.now + config.node_timeout + Duration(1);
    let out = n1.ring(TICK);
    assert_eq!(fails(&out), 0, "it has what it needs to know, but looks only when somebody says so");
    // What a replica says does not count.
    assert_eq!(fails(&say(&mut n1, 5, true)), 0);
    let mut taken_back = n1.clone();
    assert_eq!(fails(&say(&mut n1, 2, true)), 8);
    assert_eq!(fails(&say(&mut taken_back, 2, false)), 0);
    assert_eq!(fails(&say(&mut taken_back, 5, true)), 0, "n3 has taken its word back");
}

#[test]
fn a_replica_gets_what_it_lacks_or_everything() {
    let mut n1 = hand(0, ClusterBug::None);
    let key = (0..).find(|key| n1.node().slots().owner(slot_of(*key)) == Some(NodeId(0))).unwrap();
    for number in 0..10 {
        ask(&mut n1, number, ClusterRequest::Set { key, number, size: 8 });
    }
    let at = n1.node().at();
    assert_eq!(at.offset, 10);
    let psync = |offset, stream| ClusterMessage::Psync { at: Position { stream, offset }, nonce: Nonce(5) };
    let sent = |out: &Out| {
        let of = |effect: &Effect<Cluster>| match effect {
            Effect::Send { message: ClusterMessage::Writes { entries, .. }, .. } => Some(Some(entries.len())),
            Effect::Send { message: ClusterMessage::Full { .. }, .. } => Some(None),
            _ => None,
        };
        out.iter().find_map(of)
    };
    // Four writes are kept.
    assert_eq!(sent(&n1.tell(NodeId(5), psync(10, at.stream))), Some(Some(0)));
    assert_eq!(sent(&n1.tell(NodeId(5), psync(6, at.stream))), Some(Some(4)));
    assert_eq!(sent(&n1.tell(NodeId(5), psync(5, at.stream))), Some(None));
    assert_eq!(sent(&n1.tell(NodeId(5), psync(9, StreamId(12345)))), Some(None), "another stream");
}

#[test]
fn all_data_that_writes_have_overtaken_takes_no_replica_back() {
    let mut n4 = hand(3, ClusterBug::None);
    let at = |offset| Position { stream: StreamId(77), offset };
    let entry = |offset| Entry { key: 1, cell: Cell { number: offset, size: 8, at: at(offset) } };
    let writes =
        |after, entries: &[Entry]| ClusterMessage::Writes { after, stream: StreamId(77), entries: entries.into() };
    n4.tell(NodeId(1), writes(Position::default(), &[]));
    n4.now = n4.now + Duration::secs(1);
    // Something is missing: it asks.
    let out = n4.tell(NodeId(1), writes(at(5), &[]));
    let asks = |effect: &Effect<Cluster>| match effect {
        Effect::Send { message: ClusterMessage::Psync { nonce, .. }, .. } => Some(*nonce),
        _ => None,
    };
    let nonce = out.iter().find_map(asks).expect("it asks");
    n4.tell(NodeId(1), writes(at(0), &[entry(1), entry(2), entry(3)]));
    assert_eq!(n4.node().at(), at(3));
    let out = n4.tell(NodeId(1), ClusterMessage::Full { at: at(2), data: Rc::new(Data::default()), nonce });
    assert_eq!((n4.node().at(), n4.node().data().len()), (at(3), 1), "its primary may have counted on it");
    let says = |effect: &Effect<Cluster>| {
        let Effect::Send { message: ClusterMessage::Replicated(upto), .. } = effect else { return false };
        *upto == at(3)
    };
    assert!(out.iter().any(says));
}
