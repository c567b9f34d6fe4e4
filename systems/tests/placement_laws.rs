//! What is known of placements in figures: the spread of rings, of jump hash and of Maglev's table, and the keys that
//! move.

use sim_core::NodeId;
use systems::storage::hashing::key;
use systems::storage::hashing::placement::{
    Bounded, Jump, Maglev, Member, Members, Modulo, Placement, Rendezvous, Ring, RingShape,
};

/// A ring of `nodes` nodes that no other ring has: other ids, other points.
fn ring_number(number: u32, nodes: u32, points: u32) -> Ring {
    let members = (0..nodes).map(|n| Member::plain(NodeId(number * nodes + n)));
    Ring::new(Members::new(members).expect("members"), RingShape::with_points(points))
}

fn relative(ring: &Ring) -> Vec<f64> {
    let nodes = ring.members().len() as f64;
    ring.shares().map(|(_, share)| share * nodes).collect()
}

fn deviation(relative: &[f64]) -> f64 {
    (relative.iter().map(|share| (share - 1.0).powi(2)).sum::<f64>() / relative.len() as f64).sqrt()
}

fn peak(relative: &[f64]) -> f64 {
    relative.iter().copied().fold(0.0, f64::max)
}

fn hold(what: &str, ours: f64, published: f64, band: f64) {
    assert!((ours - published).abs() <= published * band, "{what}: {ours:.4}, published {published}, band {band}");
}

/// Lamping and Veach 2014, table 1: buckets of a ring of 1,000 nodes, and exactly sqrt((n - 1) / (n v + 1)).
#[test]
fn points_make_a_ring_even() {
    let published = [
        (1, 0.998, 0.005, 5.25, 40),
        (10, 0.315, 0.37, 1.98, 20),
        (100, 0.0997, 0.76, 1.28, 5),
        (1000, 0.0316, 0.92, 1.09, 2),
    ];
    for (points, spread, low, high, rings) in published {
        let rings: Vec<Vec<f64>> = (0..rings).map(|number| relative(&ring_number(number, 1000, points))).collect();
        let mean = rings.iter().map(|ring| deviation(ring)).sum::<f64>() / rings.len() as f64;
        hold(&format!("deviation, {points} points"), mean, spread, 0.03);
        hold(
            &format!("deviation, {points} points, exact"),
            mean,
            (999.0 / (1000.0 * f64::from(points) + 1.0)).sqrt(),
            0.03,
        );
        let mut all = rings.concat();
        all.sort_by(f64::total_cmp);
        let at = |part: usize| all[all.len() * part / 200];
        assert!((at(1) - low).abs() <= 0.03, "{points} points: {}", at(1));
        // The far end of single arcs is a matter of luck: 5 of 1,000 are beyond.
        assert!((at(199) - high).abs() <= if points == 1 { 0.15 } else { 0.03 }, "{points} points: {}", at(199));
    }
}

#[test]
fn the_fullest_of_a_ring() {
    for (nodes, points, published) in
        [(100, 1, 5.19), (100, 10, 2.0), (100, 100, 1.27), (10, 10, 1.53), (10, 100, 1.16), (10, 200, 1.11)]
    {
        let mean = (0..100).map(|number| peak(&relative(&ring_number(number, nodes, points)))).sum::<f64>() / 100.0;
        hold(&format!("peak of {nodes} nodes, {points} points"), mean, published, 0.05);
    }
}

#[test]
fn jump_is_as_even_as_dice() {
    let (keys, buckets) = (1_000_000_u32, 100);
    let jump = Jump::new(Members::alike(buckets));
    let mut counts = vec![0.0; buckets as usize];
    (0..u64::from(keys))
        .for_each(|n| counts[jump.owner(key::of_number(n)).index()] += f64::from(buckets) / f64::from(keys));
    // Multinomial: sqrt(n / K), itself known to within 1 / sqrt(2 n) of it.
    let expected = (f64::from(buckets) / f64::from(keys)).sqrt();
    hold("deviation of jump hash", deviation(&counts), expected, 3.0 / (2.0 * f64::from(buckets)).sqrt());
}

#[test]
fn maglevs_table_is_even() {
    for (size, published) in [(65_537, 1.0071), (655_373, 1.0010)] {
        let maglev = Maglev::new(Members::alike(1000), Some(size));
        let mut counts = vec![0.0; 1000];
        maglev.entries().for_each(|node| counts[node.index()] += 1000.0 / f64::from(size));
        hold(&format!("fullest of a table of {size}"), peak(&counts), published, 0.001);
    }
}

/// Who joins takes its share from all, and nothing else moves; modulo moves all but one in n + 1.
#[test]
fn keys_moved_by_a_join() {
    const KEYS: u64 = 40_000;
    fn moved<P: Placement>(mut placement: P, nodes: u32) -> f64 {
        let before = placement.clone();
        placement.join(Member::plain(NodeId(nodes))).expect("it is new");
        let moves = (0..KEYS).map(key::of_number).filter(|hash| {
            let (from, to) = (before.owner(*hash), placement.owner(*hash));
            from != to
        });
        moves.count() as f64 / KEYS as f64
    }
    for nodes in [4_u32, 19] {
        let (share, members) = (1.0 / f64::from(nodes + 1), || Members::alike(nodes));
        let three_sigma = 3.0 * (share * (1.0 - share) / KEYS as f64).sqrt();
        for (name, ours, published) in [
            ("modulo", moved(Modulo::new(members(), None), nodes), 1.0 - share),
            ("jump", moved(Jump::new(members()), nodes), share),
            ("rendezvous", moved(Rendezvous::new(members()), nodes), share),
        ] {
            assert!(
                (ours - published).abs() <= three_sigma,
                "{name}, {nodes} nodes: {ours:.4}, published {published:.4}"
            );
        }
    }
}

/// Mirrokni, Thorup and Zadimoghaddam 2016: nobody holds more than ceil((1 + e) m / n), ever.
#[test]
fn bounded_loads_are_bounded() {
    for slack_ppm in [10_000, 100_000, 1_000_000] {
        let mut ring = Bounded::new(Members::alike(100), RingShape::with_points(10), slack_ppm);
        for n in 0..10_000_u64 {
            let node = ring.assign(key::of_number(n));
            let bound = ((1_000_000 + u64::from(slack_ppm)) * (n + 1)).div_ceil(100 * 1_000_000);
            let (_, load) = ring.loads().find(|(of, _)| *of == node).expect("a member");
            assert!(load <= bound, "{node} holds {load} of {}, at most {bound}", n + 1);
        }
    }
}

/// The same paper's simulation, 100 servers with a point each and 10,000 keys: how many keys move when a server goes.
/// Its own are a hundred; the others overflow from server to server.
#[test]
fn bounded_loads_move_what_overflows_and_no_more() {
    let hashes: Vec<u64> = (0..10_000).map(key::of_number).collect();
    let place = |members: Members, slack_ppm: u32| -> Vec<NodeId> {
        let mut ring = Bounded::new(members, RingShape::with_points(1), slack_ppm).expecting(hashes.len() as u64);
        hashes.iter().map(|hash| ring.assign(*hash)).collect()
    };
    for (slack_ppm, published) in [(100_000, 1302.0), (250_000, 957.0), (500_000, 491.0), (1_000_000, 254.0)] {
        let before = place(Members::alike(100), slack_ppm);
        let departures = 0..100_u32;
        let moved: usize = departures
            .clone()
            .map(|gone| {
                let rest = (0..100).filter(|node| *node != gone).map(|node| Member::plain(NodeId(node)));
                let after = place(Members::new(rest).expect("members"), slack_ppm);
                before.iter().zip(&after).filter(|(was, is)| was != is).count()
            })
            .sum();
        let mean = moved as f64 / departures.len() as f64;
        hold(&format!("keys moved with a slack of {slack_ppm} ppm"), mean, published, 0.25);
    }
}
