//! Lookups per second of our placements and of other crates', on one core, with build time and memory.
//!
//! Every crate that takes a hasher gets the one we use ourselves (xxh3), so that what is compared is the placement. The
//! figures to read are the ratios: the rounds of ours and of theirs alternate within one run.

mod others;
mod ours;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;
use std::hint::black_box;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Points of every node of a ring, for all rings alike: what ketama has.
const POINTS: u32 = 160;
/// Entries of Maglev's table for every node.
const TABLE: u32 = 100;
/// How often each is timed; the fastest counts.
const ROUNDS: usize = 7;
/// How long a round should take.
const ROUND: Duration = Duration::from_millis(40);

/// Whoever takes longer than this to build is not asked for ten times as many nodes.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whoever allocates more than this to build is not either: some tables need a permutation for every node, so their memory grows
/// with the square, and at 10,000 nodes would be 80 GB.
const MEMORY: usize = 128 << 20;

/// Finds the nodes of keys `from..from + n` and mixes them into one number.
type Lookups = Box<dyn Fn(u64, u64) -> u64>;

/// A placement to time.
struct Candidate {
    family: &'static str,
    name: &'static str,
    build: fn(u32) -> Lookups,
}

/// What one came to.
struct Figure {
    family: &'static str,
    name: &'static str,
    nodes: u32,
    build: Duration,
    /// Kept once it is built.
    bytes: usize,
    /// Allocated on the way there.
    allocated: usize,
    lookup_ns: f64,
}

/// The `i`-th key: not in order, as those of clients.
#[inline]
fn key(i: u64) -> u64 {
    i.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// All lookups of a family at one size.
fn time(candidates: &[&Candidate], nodes: u32) -> Vec<Figure> {
    let mut built = Vec::new();
    for candidate in candidates {
        let region = Region::new(ALLOCATOR);
        let start = Instant::now();
        let lookups = (candidate.build)(nodes);
        let build = start.elapsed();
        let change = region.change();
        let bytes = change.bytes_allocated.saturating_sub(change.bytes_deallocated);
        built.push((candidate, lookups, build, (bytes, change.bytes_allocated), f64::INFINITY, 64_u64));
    }
    for round in 0..ROUNDS + 1 {
        for (_, lookups, _, _, best, n) in &mut built {
            loop {
                let start = Instant::now();
                black_box(lookups(black_box(round as u64 * 1_000_003), *n));
                let took = start.elapsed();
                // The first round only finds out how many fill it.
                if round == 0 && took < ROUND {
                    *n *= 2;
                    continue;
                }
                if round > 0 {
                    *best = best.min(took.as_nanos() as f64 / *n as f64);
                }
                break;
            }
        }
    }
    built
        .into_iter()
        .map(|(candidate, _, build, (bytes, allocated), lookup_ns, _)| Figure {
            family: candidate.family,
            name: candidate.name,
            nodes,
            build,
            bytes,
            allocated,
            lookup_ns,
        })
        .collect()
}

fn main() {
    let candidates: Vec<Candidate> = ours::all().into_iter().chain(others::all()).collect();
    let families = ["ring", "jump", "maglev", "rendezvous", "anchor", "multi-probe", "modulo", "bounded"];
    println!(
        "{:12} {:24} {:>6} {:>10} {:>10} {:>9} {:>12} {:>10}",
        "placement", "crate", "nodes", "lookup ns", "Mlookup/s", "build ms", "bytes/node", "ours, times"
    );
    let mut all = Vec::new();
    for family in families {
        let mut members: Vec<&Candidate> = candidates.iter().filter(|candidate| candidate.family == family).collect();
        for nodes in [10, 100, 1_000, 10_000] {
            let figures = time(&members, nodes);
            let dear = |figure: &Figure| figure.build > PATIENCE || figure.allocated > MEMORY;
            let slow = |name| figures.iter().any(|figure| figure.name == name && dear(figure));
            members.retain(|member| !slow(member.name));
            let ours = figures[0].lookup_ns;
            for figure in figures {
                println!(
                    "{:12} {:24} {:>6} {:>10.2} {:>10.2} {:>9.3} {:>12.1} {:>10.2}",
                    figure.family,
                    figure.name,
                    nodes,
                    figure.lookup_ns,
                    1e3 / figure.lookup_ns,
                    figure.build.as_secs_f64() * 1e3,
                    figure.bytes as f64 / f64::from(nodes),
                    figure.lookup_ns / ours,
                );
                all.push(serde_json::json!({
                    "placement": figure.family,
                    "crate": figure.name,
                    "nodes": figure.nodes,
                    "lookup_ns": figure.lookup_ns,
                    "build_ns": figure.build.as_nanos() as u64,
                    "bytes_per_node": figure.bytes as f64 / f64::from(nodes),
                    "times_ours": figure.lookup_ns / ours,
                }));
            }
        }
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../target/lookups.json");
    let json = serde_json::to_vec_pretty(&all).expect("figures are JSON");
    if let Err(error) =
        std::fs::create_dir_all(path.parent().expect("a folder")).and_then(|()| std::fs::write(&path, json))
    {
        eprintln!("{}: {error}", path.display());
    }
}
