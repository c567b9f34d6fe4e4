//! Every placement is total, the same wherever it is built, moves no more than it says, and respects weights.

use proptest::prelude::*;
use sim_core::NodeId;
use systems::storage::hashing::key;
use systems::storage::hashing::placement::{
    Anchor, Bounded, Collisions, Jump, Maglev, Member, Members, Modulo, MultiProbe, Placement, Refused, Rendezvous,
    Ring, RingShape, Spread, Ties, jump, replicas,
};

const KEYS: u64 = 20_000;

fn hashes() -> impl Iterator<Item = u64> {
    (0..KEYS).map(key::of_number)
}

fn counts<P: Placement>(placement: &P) -> Vec<u64> {
    let mut counts = vec![0; placement.members().iter().map(|m| m.node.index()).max().expect("never empty") + 1];
    hashes().for_each(|hash| counts[placement.owner(hash).index()] += 1);
    counts
}

/// Keys whose owner is another one, and how many of these went from one of `stayed` to another of them.
fn moved<P: Placement>(before: &P, after: &P) -> (u64, u64) {
    let stays = |node: NodeId| before.members().get(node).is_some() && after.members().get(node).is_some();
    hashes().fold((0, 0), |(moved, among), hash| {
        let (from, to) = (before.owner(hash), after.owner(hash));
        (moved + u64::from(from != to), among + u64::from(from != to && stays(from) && stays(to)))
    })
}

/// Whether `count` of `n` tries is within five standard deviations of probability `p`.
fn is_plausible(count: u64, n: u64, p: f64) -> bool {
    let (n, count) = (n as f64, count as f64);
    (count - n * p).abs() <= 5.0 * (n * p * (1.0 - p)).sqrt() + 1.0
}

fn ring(members: Members) -> Ring {
    Ring::new(members, RingShape::with_points(100))
}

/// That members are the owners, that refusals change nothing, and that building it again makes the same.
fn holds<P: Placement>(build: impl Fn(Members) -> P, nodes: u32) {
    let members = Members::alike(nodes);
    let placement = build(members.clone());
    let backwards = build(Members::new((0..nodes).rev().map(|n| Member::plain(NodeId(n)))).expect("members"));
    for hash in hashes().take(2000) {
        let owner = placement.owner(hash);
        assert!(members.get(owner).is_some(), "{owner} is no member");
        assert_eq!(owner, backwards.owner(hash), "another order of the members, another owner");
        let three = replicas(&placement, hash, 3, Spread::Zones);
        assert_eq!(three.len(), 3.min(nodes as usize));
        assert_eq!(three[0], owner, "the owner comes first");
        assert!(three.iter().enumerate().all(|(i, node)| !three[..i].contains(node)), "{three:?}");
    }
    let mut same = placement.clone();
    assert_eq!(same.join(Member::plain(NodeId(0))), Err(Refused::AlreadyIn(NodeId(0))));
    assert_eq!(same.leave(NodeId(nodes)), Err(Refused::NotIn(NodeId(nodes))));
    assert_eq!(same.join(Member { weight: 0, ..Member::plain(NodeId(nodes)) }).is_err(), nodes > 0);
    assert_eq!(moved(&placement, &same), (0, 0));
    assert!(placement.bytes() > 0);
}

#[test]
fn every_key_has_one_owner_wherever_it_is_asked() {
    for nodes in [1, 2, 7, 40] {
        holds(|m| Modulo::new(m, None), nodes);
        holds(|m| Modulo::new(m, Some(1024)), nodes);
        holds(ring, nodes);
        holds(Rendezvous::new, nodes);
        holds(|m| Maglev::new(m, None), nodes);
        holds(|m| MultiProbe::new(m, 21), nodes);
        holds(Jump::new, nodes);
        holds(|m| Anchor::new(m, 64), nodes);
        holds(|m| Bounded::new(m, RingShape::with_points(50), 250_000), nodes);
    }
}

/// A node comes and the same one goes: what moves, and that all is as before. `among`: keys that may move between nodes
/// that were there before and after.
fn comes_and_goes<P: Placement>(mut placement: P, nodes: u32, share: f64, tolerance: f64, among: f64) {
    let before = placement.clone();
    placement.join(Member { weight: 1, ..Member::plain(NodeId(nodes)) }).expect("there is room");
    let (count, between) = moved(&before, &placement);
    let expected = KEYS as f64 * share;
    assert!((count as f64 - expected).abs() <= expected * tolerance, "{count} moved, {expected} expected");
    assert!(between as f64 <= among * KEYS as f64, "{between} keys moved between nodes that stay");
    placement.leave(NodeId(nodes)).expect("it is a member");
    assert_eq!(moved(&before, &placement), (0, 0), "who comes and goes leaves no trace");
}

#[test]
fn a_change_moves_what_it_must() {
    for nodes in [3_u32, 10, 30] {
        let ideal = 1.0 / f64::from(nodes + 1);
        let (luck, none) = (5.0 / (KEYS as f64 * ideal).sqrt(), 0.0);
        comes_and_goes(Modulo::new(Members::alike(nodes), None), nodes, 1.0 - ideal, 0.02, 1.0);
        // The share of one node of a ring is itself a matter of luck.
        comes_and_goes(Ring::new(Members::alike(nodes), RingShape::with_points(400)), nodes, ideal, luck + 0.2, none);
        comes_and_goes(Rendezvous::new(Members::alike(nodes)), nodes, ideal, luck, none);
        comes_and_goes(Jump::new(Members::alike(nodes)), nodes, ideal, luck, none);
        comes_and_goes(MultiProbe::new(Members::alike(nodes), 21), nodes, ideal, luck + 0.35, none);
        comes_and_goes(Maglev::new(Members::alike(nodes), None), nodes, ideal, luck + 0.25, 0.05);
        comes_and_goes(Anchor::new(Members::alike(nodes), 64), nodes, ideal, luck, none);
    }
}

#[test]
fn whoever_leaves_gives_its_keys_to_the_others_alone() {
    fn leaves<P: Placement>(mut placement: P, gone: u32, among: f64) {
        let before = placement.clone();
        placement.leave(NodeId(gone)).expect("it is a member");
        let held = counts(&before)[gone as usize];
        let (count, between) = moved(&before, &placement);
        assert!(between as f64 <= among * KEYS as f64, "{between} keys moved between nodes that stay");
        assert_eq!(count - between, held, "all of its keys moved");
        // They are spread, not heaped on one neighbour.
        let gains = counts(&before).into_iter().zip(counts(&placement)).map(|(b, a)| a.saturating_sub(b));
        assert!(gains.max().expect("some") <= held * 7 / 10, "one node got nearly all of it");
    }
    for gone in [0, 4, 9] {
        leaves(ring(Members::alike(10)), gone, 0.0);
        leaves(Rendezvous::new(Members::alike(10)), gone, 0.0);
        leaves(Anchor::new(Members::alike(10), 20), gone, 0.0);
        leaves(Maglev::new(Members::alike(10), None), gone, 0.05);
        // The last one takes the number of the one that leaves, so its own keys move too: Jump says so.
        leaves(Jump::new(Members::alike(10)), gone, if gone == 9 { 0.0 } else { 0.12 });
    }
    let mut renumbered = Jump::renumbering(Members::alike(10));
    let before = renumbered.clone();
    renumbered.leave(NodeId(0)).expect("it is a member");
    assert!(moved(&before, &renumbered).1 > KEYS / 2, "renumbering moves most keys between nodes that stay");
}

#[test]
fn anchors_wander_back() {
    // Whatever leaves in whatever order: as many keys each, and in the reverse order all is as it was.
    let start = Anchor::new(Members::alike(12), 40);
    let mut anchor = start.clone();
    for gone in [3, 11, 0, 7, 5] {
        anchor.leave(NodeId(gone)).expect("it is a member");
        for count in counts(&anchor).into_iter().filter(|count| *count > 0) {
            assert!(is_plausible(count, KEYS, 1.0 / anchor.members().len() as f64), "{count}");
        }
    }
    for back in [5, 7, 0, 11, 3] {
        anchor.join(Member::plain(NodeId(back))).expect("there is room");
    }
    assert_eq!(moved(&start, &anchor), (0, 0));
    let mut full = Anchor::new(Members::alike(4), 4);
    assert_eq!(full.join(Member::plain(NodeId(9))), Err(Refused::Full(4)));
}

#[test]
fn weights_are_respected() {
    let weights = [1, 2, 3, 4];
    let members = || {
        Members::new(weights.iter().zip(0..).map(|(weight, n)| Member { weight: *weight, ..Member::plain(NodeId(n)) }))
            .expect("members")
    };
    let exact = |counts: Vec<u64>, slack: f64| {
        for (count, weight) in counts.into_iter().zip(weights) {
            let share = f64::from(weight) / 10.0;
            let luck = 5.0 * (KEYS as f64 * share).sqrt();
            assert!(
                (count as f64 - KEYS as f64 * share).abs() <= luck + slack * KEYS as f64 * share,
                "{weight}: {count}"
            );
        }
    };
    exact(counts(&Rendezvous::new(members())), 0.0);
    exact(counts(&Maglev::new(members(), None)), 0.01);
    exact(counts(&Ring::new(members(), RingShape::with_points(1000))), 0.12);
    let mut bounded = Bounded::new(members(), RingShape::with_points(10), 100_000);
    let held: Vec<NodeId> = hashes().map(|hash| bounded.assign(hash)).collect();
    for (node, load) in bounded.loads() {
        let most = (KEYS * u64::from(weights[node.index()]) * 11).div_ceil(100);
        assert!(load <= most, "{node} holds {load}, more than {most}");
    }
    for node in held {
        bounded.release(node);
    }
    assert!(bounded.loads().all(|(_, load)| load == 0));
}

#[test]
fn replicas_are_spread_over_zones() {
    let members = Members::new((0..12).map(|n| Member { zone: (n % 3) as u16, ..Member::plain(NodeId(n)) }));
    let ring = ring(members.expect("members"));
    let mut doubled = 0;
    for hash in hashes().take(2000) {
        let zones = |nodes: &[NodeId]| {
            let mut zones: Vec<u32> = nodes.iter().map(|node| node.0 % 3).collect();
            zones.sort_unstable();
            zones.dedup();
            zones.len()
        };
        assert_eq!(zones(&replicas(&ring, hash, 3, Spread::Zones)), 3);
        assert_eq!(zones(&replicas(&ring, hash, 5, Spread::Zones)), 3);
        assert_eq!(replicas(&ring, hash, 5, Spread::Zones).len(), 5);
        assert_eq!(replicas(&ring, hash, 99, Spread::Nodes).len(), 12);
        let points = replicas(&ring, hash, 3, Spread::Points);
        doubled += u32::from(points[0] == points[1] || points[1] == points[2] || points[0] == points[2]);
    }
    // What goes wrong without a spread: two copies on one node, for some keys.
    assert!(doubled > 100, "{doubled}");
}

#[test]
fn points_that_collide_lose_nobody_and_nothing() {
    let tight = |collisions, ties| RingShape { points: 40, bits: 8, collisions, ties };
    let build = |shape| Ring::new(Members::alike(12), shape);
    // 480 points on 256 places: with both kept, who leaves takes only its own.
    let mut kept = build(tight(Collisions::Kept, Ties::ByNode));
    for gone in 0..11 {
        let before = kept.clone();
        kept.leave(NodeId(gone)).expect("it is a member");
        assert_eq!(moved(&before, &kept).1, 0);
    }
    assert_eq!(kept.points(), 40);
    // A map from hash to node removes points of others.
    let mut overwritten = build(tight(Collisions::Overwritten, Ties::ByNode));
    let before = overwritten.clone();
    overwritten.leave(NodeId(3)).expect("it is a member");
    assert!(moved(&before, &overwritten).1 > 0, "keys of others moved");
    // Ties by arrival: another order of joining, another owner.
    let order = |ties, order: [u32; 3]| {
        let mut ring = Ring::new(Members::alike(1), tight(Collisions::Kept, ties));
        order.into_iter().for_each(|n| ring.join(Member::plain(NodeId(n))).expect("it is new"));
        hashes().map(|hash| ring.owner(hash)).collect::<Vec<_>>()
    };
    assert_eq!(order(Ties::ByNode, [1, 2, 3]), order(Ties::ByNode, [3, 1, 2]));
    assert_ne!(order(Ties::ByArrival, [1, 2, 3]), order(Ties::ByArrival, [3, 1, 2]));
}

#[test]
fn jump_is_the_papers() {
    // As other implementations of the paper's figure 1 have it: the numbering is part of the interface.
    for (key, buckets, bucket) in
        [(0, 1, 0), (0xdead_10cc, 1, 0), (0xdead_10cc, 666, 361), (256, 1024, 520), (1, 1, 0), (u64::MAX, 1, 0)]
    {
        assert_eq!(jump(key, buckets), bucket, "{key} of {buckets}");
    }
}

proptest! {
    #[test]
    fn points_are_found_as_a_plain_search_finds_them(
        nodes in 1_u32..30, points in 1_u32..40, bits in 4_u32..=64, key: u64,
    ) {
        let shape = RingShape { bits, ..RingShape::with_points(points) };
        let ring = Ring::new(Members::alike(nodes), shape);
        // The owner of a key is the first that a walk offers, and the walk is in the order of the circle.
        let mut walk = Vec::new();
        ring.prefer(key, |node| { walk.push(node); true });
        prop_assert_eq!(walk.len(), (nodes * points) as usize);
        prop_assert_eq!(walk[0], ring.owner(key));
        // Asked for a key just behind, the circle has turned by whole points only.
        let mut next = Vec::new();
        ring.prefer(key.wrapping_add(1), |node| { next.push(node); true });
        let turned = (0..walk.len()).any(|by| (0..walk.len()).all(|i| next[i] == walk[(i + by) % walk.len()]));
        prop_assert!(turned);
    }

    #[test]
    fn nobody_is_over_the_bound(nodes in 1_u32..20, slack in 1_u32..500_000, seed: u64, keys in 1_u64..500) {
        let mut ring = Bounded::new(Members::alike(nodes), RingShape::with_points(3), slack);
        for i in 0..keys {
            ring.assign(key::again(seed, i));
            let most = ring.capacity(Member::plain(NodeId(0)), i + 1);
            // A node may have taken its keys when there were fewer: never more than the bound of now.
            prop_assert!(ring.loads().all(|(_, load)| load <= most));
        }
        prop_assert_eq!(ring.loads().map(|(_, load)| load).sum::<u64>(), keys);
    }
}
