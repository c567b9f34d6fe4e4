//! The placements of other crates.

use super::ours::prime;
use super::{Candidate, Lookups, POINTS, TABLE, key};
use maglev::ConsistentHasher as _;
use rendezvous_hash::Node as _;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::hint::black_box;

/// The fast way through xxh3 for a number, which is what is hashed here.
#[derive(Clone, Default)]
pub struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0);
    }
    fn finish(&self) -> u64 {
        self.0
    }
}

type Xxh3 = BuildHasherDefault<Quick>;

struct QuickNodes;

impl rendezvous_hash::NodeHasher<u32> for QuickNodes {
    fn hash<T: Hash>(&self, node: &u32, item: &T) -> u64 {
        let mut hasher = Quick::default();
        item.hash(&mut hasher);
        node.hash(&mut hasher);
        hasher.finish()
    }
}

#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
struct Id(u32);
impl hrw_hash::HrwNode for Id {}

/// One point of a node, for crates whose nodes have one each.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq)]
struct Point {
    node: u32,
    point: u32,
}

fn sum(find: impl Fn(u64) -> u64 + 'static) -> Lookups {
    Box::new(move |from, n| (from..from + n).fold(0, |sum, i| sum ^ find(key(i))))
}

/// Nodes that are borrowed as long as the program runs.
fn leaked(n: u32) -> &'static [u32] {
    (0..n).collect::<Vec<u32>>().leak()
}

fn rings() -> Vec<Candidate> {
    vec![
        Candidate {
            family: "ring",
            name: "hashring 0.3",
            build: |n| {
                let mut ring = hashring::HashRing::with_hasher(Xxh3::default());
                ring.batch_add((0..n).flat_map(|node| (0..POINTS).map(move |point| Point { node, point })).collect());
                sum(move |key| u64::from(ring.get(&key).expect("nodes").node))
            },
        },
        Candidate {
            family: "ring",
            name: "consistent_hash_ring 0.8",
            build: |n| {
                let ring = consistent_hash_ring::RingBuilder::new(Xxh3::default());
                let ring = ring.vnodes(POINTS as usize).nodes_iter(0..n).build();
                sum(move |key| u64::from(*ring.get(key)))
            },
        },
        Candidate {
            family: "ring",
            name: "pingora-ketama 0.9",
            build: |n| {
                let address = |n: u32| std::net::SocketAddr::from(([10, (n >> 16) as u8, (n >> 8) as u8, n as u8], 80));
                let buckets: Vec<_> = (0..n).map(|n| pingora_ketama::Bucket::new(address(n), 1)).collect();
                let ring = pingora_ketama::Continuum::new(&buckets);
                sum(move |key| ring.node_idx(&key.to_le_bytes()) as u64)
            },
        },
        Candidate {
            family: "ring",
            name: "hash-rings 1.1",
            build: |n| {
                let mut ring = hash_rings::consistent::Ring::with_hasher(Xxh3::default());
                leaked(n).iter().for_each(|node| ring.insert_node(node, POINTS as usize));
                sum(move |key| u64::from(*ring.get_node(&key)))
            },
        },
    ]
}

fn tables() -> Vec<Candidate> {
    vec![
        Candidate {
            family: "maglev",
            name: "maglev 0.2",
            build: |n| {
                let capacity = prime(TABLE * n) as usize;
                let table = maglev::Maglev::with_capacity_and_hasher(0..n, capacity, Xxh3::default());
                sum(move |key| u64::from(*table.get(&key).expect("nodes")))
            },
        },
        Candidate {
            family: "maglev",
            name: "maglev-hash 0.1",
            build: |n| {
                let table = maglev_hash::MaglevTable::with_capacity((0..n).collect(), (TABLE * n) as usize);
                sum(move |key| u64::from(*table.get(&key).expect("nodes")))
            },
        },
    ]
}

fn bidders() -> Vec<Candidate> {
    vec![
        Candidate {
            family: "rendezvous",
            name: "hrw-hash 2.0",
            build: |n| {
                let nodes = hrw_hash::HrwNodes::with_build_hasher(Xxh3::default(), (0..n).map(Id));
                sum(move |key| u64::from(nodes.sorted(&key).next().expect("nodes").0))
            },
        },
        Candidate {
            family: "rendezvous",
            name: "rendezvous_hash 0.3",
            build: |n| {
                let mut nodes = rendezvous_hash::RendezvousNodes::new(QuickNodes);
                (0..n).for_each(|node| drop(nodes.insert(rendezvous_hash::KeyValueNode::new(node, ()))));
                sum(move |key| u64::from(*nodes.calc_candidates(&key).next().expect("nodes").node_id()))
            },
        },
        Candidate {
            family: "rendezvous",
            name: "hash-rings 1.1",
            build: |n| {
                let mut ring = hash_rings::rendezvous::Ring::with_hasher(Xxh3::default());
                leaked(n).iter().for_each(|node| ring.insert_node(node, 1));
                sum(move |key| u64::from(*ring.get_node(&key)))
            },
        },
    ]
}

pub fn all() -> Vec<Candidate> {
    let mut all = rings();
    all.extend(tables());
    all.extend(bidders());
    all.extend([
        Candidate {
            family: "jump",
            name: "jch 1.0",
            build: |n| {
                let n = black_box(n as i32);
                sum(move |key| jch::hash(key, n) as u64)
            },
        },
        Candidate {
            family: "jump",
            name: "jump-consistent-hash 0.1",
            build: |n| {
                let n = black_box(n as usize);
                sum(move |key| u64::from(jump_consistent_hash::hash(key, n)))
            },
        },
        Candidate {
            family: "jump",
            name: "jumphash 0.1, with hash",
            build: |n| {
                let (n, jump) = (black_box(n), jumphash::CustomJumpHasher::new(Quick::default()));
                sum(move |key| u64::from(jump.slot(&key, n)))
            },
        },
        Candidate {
            family: "anchor",
            name: "anchorhash 0.2",
            build: |n| {
                let builder = anchorhash::Builder::with_hasher(Xxh3::default());
                let anchor = builder.with_resources(0..n).build((n + n / 10) as u16);
                sum(move |key| u64::from(*anchor.get_resource(key).expect("nodes")))
            },
        },
        Candidate {
            family: "multi-probe",
            name: "mpchash 2.0",
            build: |n| {
                let ring = mpchash::HashRing::new();
                (0..n).for_each(|node| ring.add(Id(node)));
                sum(move |key| u64::from(ring.node(&key).expect("nodes").node().0))
            },
        },
    ]);
    all
}
