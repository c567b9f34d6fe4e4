//! Consistent hashing: how even placements are, what a join moves, and the most that dice put into one bin.
//!
//! Arithmetic over the placements themselves, without a run: no network or fault has a part in it.

use super::lab::Lab;
use super::row::{Findings, Place, Row};
use super::stats;
use sim_core::{NodeId, Purpose, Rng};
use systems::storage::hashing::key;
use systems::storage::hashing::placement::{
    Bounded, Jump, Maglev, Member, Members, Modulo, Placement, Rendezvous, Ring, RingShape,
};

const SECTION: u32 = 4;
/// All but one of a thousand samples stray less than this many standard errors.
const SIGMAS: f64 = 3.29;

/// The rows of the section.
///
/// # Errors
/// None so far: nothing is read.
pub fn rows(lab: &Lab) -> Result<Findings, String> {
    let mut rows = Vec::new();
    rows.extend(evenness(lab));
    rows.push(jump(lab));
    rows.extend(peaks(lab));
    rows.extend(joins(lab));
    rows.extend(maglev());
    rows.extend(bounded());
    rows.extend(bins(lab));
    Ok(rows.into())
}

/// A row; `band` says in words what `inside` has decided.
fn row(figure: String, published: String, ours: String, band: String, inside: bool, runs: u64) -> Row {
    let file = "systems::storage::hashing::placement, no run".to_owned();
    Row { section: SECTION, figure, published, ours, band, place: Place::inside(inside), runs, file }
}

/// A ring of `nodes` nodes that no other number has: other ids, other points.
fn ring(number: u64, nodes: u32, points: u32) -> Ring {
    let members = (0..nodes).map(|n| Member::plain(NodeId(number as u32 * nodes + n)));
    Ring::new(Members::new(members).expect("members"), RingShape::with_points(points))
}

/// Each node's share of the circle over the mean share.
fn relative(ring: &Ring) -> Vec<f64> {
    let nodes = ring.members().len() as f64;
    ring.shares().map(|(_, share)| share * nodes).collect()
}

/// The standard deviation of loads whose mean is 1.
fn deviation(relative: &[f64]) -> f64 {
    (relative.iter().map(|share| (share - 1.0) * (share - 1.0)).sum::<f64>() / relative.len() as f64).sqrt()
}

fn peak(relative: &[f64]) -> f64 {
    relative.iter().copied().fold(0.0, f64::max)
}

/// Lamping and Veach 2014, table 1: buckets of rings of 1,000 nodes; the deviation is exactly sqrt((n - 1) / (n v + 1)).
fn evenness(lab: &Lab) -> Vec<Row> {
    let published = [
        (1, 0.998, 0.005, 5.25, 2000),
        (10, 0.315, 0.37, 1.98, 1000),
        (100, 0.0997, 0.76, 1.28, 200),
        (1000, 0.0316, 0.92, 1.09, 40),
    ];
    let mut rows = Vec::new();
    for (points, spread, low, high, rings) in published {
        let all = lab.each(rings, |number| relative(&ring(number, 1000, points)));
        let deviations: Vec<f64> = all.iter().map(|ring| deviation(ring)).collect();
        let (mean, n) = (stats::mean(&deviations), all.len() as u64);
        let exact = (999.0 / (1000.0 * f64::from(points) + 1.0)).sqrt();
        // One ring's deviation strays by 1 / sqrt(2 n), and more for single arcs, whose law has a long tail.
        let tail: f64 = if points == 1 { 2.0 } else { 0.5 + 1.5 / f64::from(points) };
        let room = 0.03 + lab.room(SIGMAS * (tail / (1000 * n) as f64).sqrt());
        rows.push(row(
            format!("ring of 1,000 nodes, points each {points}: deviation of bucket size"),
            format!("{spread} (exact {exact:.4})"),
            format!("{mean:.4}"),
            format!("within {:.1} %", room * 100.0),
            (mean / spread - 1.0).abs() <= room && (mean / exact - 1.0).abs() <= room,
            n,
        ));
        let mut sorted = all.concat();
        sorted.sort_by(f64::total_cmp);
        for (name, share, published) in [("from", 0.005, low), ("to", 0.995, high)] {
            let ours = stats::quantile(&sorted, share);
            // The density at the quantile, from the quantiles beside it.
            let near = |shift: f64| stats::quantile(&sorted, share + shift);
            let density = 0.004 / (near(0.002) - near(-0.002));
            let stray = SIGMAS * (share * (1.0 - share) / sorted.len() as f64).sqrt() / density;
            let room = 0.03 + lab.room(stray);
            let mut one = row(
                format!("ring of 1,000 nodes, points each {points}: 99 % of the buckets over the mean, {name}"),
                published.to_string(),
                format!("{ours:.3}"),
                format!("within {room:.3}"),
                (ours - published).abs() <= room,
                n,
            );
            if points == 1 && name == "to" {
                rows.push(exact_end(&mut one, ours, room));
            }
            rows.push(one);
        }
    }
    rows
}

/// Where 99.5 % of single arcs end can be worked out, and is not what was published. Gives the row that holds to what is
/// worked out, and adds to the other why it lies outside.
fn exact_end(published: &mut Row, ours: f64, room: f64) -> Row {
    // An arc is longer than x of the mean with probability (1 - x / n)^(n - 1).
    let (mut low, mut high) = (0.0_f64, 1000.0);
    while high - low > 1e-9 {
        let middle = f64::midpoint(low, high);
        if (1.0 - middle / 1000.0).powi(999) > 0.005 { low = middle } else { high = middle }
    }
    let exact = low;
    if published.place == Place::Outside {
        published.place = Place::Explained;
        published.band =
            format!("{}; one arc's law gives {exact:.3}, the paper's figure is of a sample", published.band);
    }
    Row {
        published: format!("{exact:.3} (exact)"),
        figure: format!("{}, worked out", published.figure),
        band: format!("within {room:.3}"),
        place: Place::inside((ours - exact).abs() <= room),
        ..published.clone()
    }
}

/// Jump hash is as even as dice: of the key space it splits all but nothing, so K keys are multinomial.
fn jump(lab: &Lab) -> Row {
    const BUCKETS: u32 = 1000;
    const KEYS: u64 = 1_000_000;
    let sets = lab.each(20, |set| {
        let jump = Jump::new(Members::alike(BUCKETS));
        let mut counts = vec![0.0; BUCKETS as usize];
        let unit = f64::from(BUCKETS) / KEYS as f64;
        (0..KEYS).for_each(|n| counts[jump.owner(key::of_number(set * KEYS + n)).index()] += unit);
        deviation(&counts)
    });
    let (ours, exact) = (stats::mean(&sets), (f64::from(BUCKETS) / KEYS as f64).sqrt());
    let room = 0.05 + lab.room(SIGMAS / (2.0 * f64::from(BUCKETS) * sets.len() as f64).sqrt());
    row(
        "jump hash, 1,000 buckets: deviation of bucket size with 1,000,000 keys".into(),
        format!("{exact:.5}: sqrt(n / K), as dice (7.64e-9 of the key space)"),
        format!("{ours:.5}"),
        format!("within {:.1} %", room * 100.0),
        (ours / exact - 1.0).abs() <= room,
        sets.len() as u64,
    )
}

/// The fullest node of a ring.
fn peaks(lab: &Lab) -> Vec<Row> {
    let published = [
        (100, [(1, 5.19), (10, 2.00), (100, 1.27), (200, 1.18), (1000, 1.08)]),
        (10, [(1, 2.92), (10, 1.53), (100, 1.16), (200, 1.11), (1000, 1.05)]),
    ];
    let mut rows = Vec::new();
    for (nodes, (points, published)) in published.into_iter().flat_map(|(n, all)| all.map(|one| (n, one))) {
        // A hundred are asked for; single points stray so much that more are needed to know their mean.
        let rings = if points <= 10 { 2000 } else { 200 };
        let all = lab.each(rings, |number| peak(&relative(&ring(number, nodes, points))));
        let (mean, error) = (stats::mean(&all), stats::error_of_mean(&all));
        let room = 0.05 + lab.room(SIGMAS * error / mean);
        rows.push(row(
            format!("ring of {nodes} nodes, points each {points}: fullest over the mean"),
            published.to_string(),
            format!("{mean:.3}"),
            format!("within {:.1} %", room * 100.0),
            (mean / published - 1.0).abs() <= room,
            all.len() as u64,
        ));
    }
    rows
}

/// Keys whose owner changes when node `nodes` joins, as a share, and how many of them moved between nodes that stayed.
fn moved<P: Placement>(mut placement: P, joins: NodeId, keys: u64) -> (f64, u64) {
    let before = placement.clone();
    placement.join(Member::plain(joins)).expect("it is new");
    let (mut moved, mut astray) = (0_u64, 0);
    for hash in (0..keys).map(key::of_number) {
        let (from, to) = (before.owner(hash), placement.owner(hash));
        moved += u64::from(from != to);
        astray += u64::from(from != to && to != joins);
    }
    (moved as f64 / keys as f64, astray)
}

/// Who joins takes its share from all, and nothing else moves; modulo moves all but one of n + 1.
fn joins(lab: &Lab) -> Vec<Row> {
    let keys = lab.runs(1_000_000);
    let mut rows = Vec::new();
    for nodes in [4_u32, 10, 100] {
        let share = 1.0 / f64::from(nodes + 1);
        let (members, joins) = (|| Members::alike(nodes), NodeId(nodes));
        let room = 3.0 * (share * (1.0 - share) / keys as f64).sqrt();
        let exact = [
            ("modulo", 1.0 - share, moved(Modulo::new(members(), None), joins, keys), true),
            ("jump", share, moved(Jump::new(members()), joins, keys), false),
            ("rendezvous", share, moved(Rendezvous::new(members()), joins, keys), false),
        ];
        for (name, published, (ours, astray), may_stray) in exact {
            let between = if may_stray { String::new() } else { format!(", {astray} between the others") };
            rows.push(row(
                format!("{name}, a node joins {nodes}: keys moved"),
                format!("{published:.5}{}", if may_stray { "" } else { ", 0 between the others" }),
                format!("{ours:.5}{between}"),
                format!("3 sigma: within {room:.5}"),
                (ours - published).abs() <= room && (may_stray || astray == 0),
                keys,
            ));
        }
        let rings = lab.each(50, |number| {
            let ring = ring(number, nodes, 400);
            moved(ring, NodeId(u32::MAX - number as u32), 20_000)
        });
        let shares: Vec<f64> = rings.iter().map(|(share, _)| *share).collect();
        let (mean, astray): (f64, u64) = (stats::mean(&shares), rings.iter().map(|(_, astray)| astray).sum());
        // A node's arcs stray by 1 / sqrt(points).
        let room = 0.03 + lab.room(SIGMAS / (400.0 * shares.len() as f64).sqrt());
        rows.push(row(
            format!("ring, a node joins {nodes}: keys moved, mean of {} rings", shares.len()),
            format!("{share:.5}, 0 between the others"),
            format!("{mean:.5}, {astray} between the others"),
            format!("within {:.1} %", room * 100.0),
            (mean / share - 1.0).abs() <= room && astray == 0,
            shares.len() as u64,
        ));
    }
    rows
}

/// Eisenbud et al. 2016: with a table of more than a hundred entries a backend, nobody is a percent above the mean.
fn maglev() -> Vec<Row> {
    let one = |(size, published): (u32, f64)| {
        let maglev = Maglev::new(Members::alike(1000), Some(size));
        let mut counts = vec![0.0; 1000];
        maglev.entries().for_each(|node| counts[node.index()] += 1000.0 / f64::from(size));
        let ours = peak(&counts);
        row(
            format!("Maglev, 1,000 backends, table of {size}: fullest over the mean"),
            format!("{published:.4}"),
            format!("{ours:.4}"),
            "at most 1.01".into(),
            ours <= 1.01,
            1,
        )
    };
    [(65_537, 1.0071), (655_373, 1.0010)].map(one).into()
}

/// Mirrokni, Thorup and Zadimoghaddam 2016: nobody holds more than ceil((1 + e) m / n), ever.
fn bounded() -> Vec<Row> {
    let one = |slack_ppm: u32| {
        let mut ring = Bounded::new(Members::alike(100), RingShape::with_points(10), slack_ppm);
        let mut above = 0;
        for n in 0..10_000_u64 {
            let node = ring.assign(key::of_number(n));
            let bound = ((1_000_000 + u64::from(slack_ppm)) * (n + 1)).div_ceil(100 * 1_000_000);
            let (_, load) = ring.loads().find(|(of, _)| *of == node).expect("a member");
            above += u64::from(load > bound);
        }
        row(
            format!("bounded loads, 100 servers, 10,000 keys, slack {}: above the bound", f64::from(slack_ppm) / 1e6),
            "never".into(),
            format!("{above} of 10,000"),
            "exact".into(),
            above == 0,
            1,
        )
    };
    [10_000, 100_000, 250_000, 1_000_000].map(one).into()
}

/// Azar, Broder, Karlin and Upfal 1994: as many balls as bins, each into the emptiest of d.
fn bins(lab: &Lab) -> Vec<Row> {
    let published: [(usize, [f64; 3]); 4] = [
        (1_000, [5.48, 3.00, 2.42]),
        (10_000, [6.71, 3.07, 2.99]),
        (100_000, [7.89, 3.44, 3.00]),
        (1_000_000, [8.80, 4.00, 3.00]),
    ];
    let fullest = |n: usize, choices: usize, run: u64| {
        let mut rng = Rng::stream(run, Purpose::Report, (n * 8 + choices) as u64);
        let mut bins = vec![0_u8; n];
        for _ in 0..n {
            let least = (0..choices).map(|_| rng.below(n as u64) as usize).min_by_key(|bin| bins[*bin]);
            bins[least.expect("a choice")] += 1;
        }
        f64::from(bins.into_iter().max().unwrap_or(0))
    };
    let mut rows = Vec::new();
    for (n, published) in published {
        for (choices, published) in (1..).zip(published) {
            let all = lab.each(500, |run| fullest(n, choices, run));
            let mean = stats::mean(&all);
            // So few runs may all come to the same: what one of them strays is known, about three quarters at most.
            let room = 0.1 + lab.room(SIGMAS * 0.75 / (all.len() as f64).sqrt());
            let mut one = row(
                format!("{n} balls into as many bins, the emptiest of {choices}: mean of the fullest"),
                format!("{published:.2}"),
                format!("{mean:.3}"),
                format!("within {room:.2}"),
                (mean - published).abs() <= room,
                all.len() as u64,
            );
            let exact = fullest_of_one(n);
            if choices == 1 && one.place == Place::Outside && (mean - exact).abs() <= room {
                one.place = Place::Explained;
                one.band = format!("{}; the law of single bins gives {exact:.3}", one.band);
            }
            rows.push(one);
        }
    }
    rows
}

/// The mean of the fullest of `n` bins, each of `n` balls in any: sum over k of the probability that some bin has k or more.
/// Bins are taken as independent and Poisson, which is right to the third digit here.
fn fullest_of_one(n: usize) -> f64 {
    let (mut term, mut below) = (1.0 / std::f64::consts::E, 0.0);
    let mut mean = 0.0;
    for k in 1..40 {
        below += term;
        term /= f64::from(k);
        mean += 1.0 - below.min(1.0).powi(n as i32);
    }
    mean
}
