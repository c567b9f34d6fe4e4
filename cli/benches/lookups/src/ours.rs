//! Our placements.

use super::{Candidate, Lookups, POINTS, TABLE, key};
use systems::storage::hashing::key as hash;
use systems::storage::hashing::placement::{
    Anchor, Bounded, Jump, Maglev, Members, Modulo, MultiProbe, Placement, Rendezvous, Ring, RingShape, jump,
};

fn lookups<P: Placement + 'static>(placement: P) -> Lookups {
    Box::new(move |from, n| {
        (from..from + n).fold(0, |sum, i| sum ^ u64::from(placement.owner(hash::of_number(key(i))).0))
    })
}

/// The first prime at or above a number.
pub fn prime(at_least: u32) -> u32 {
    (at_least..).find(|n| (2..).take_while(|d| d * d <= *n).all(|d| n % d != 0)).expect("there are more primes")
}

pub fn all() -> Vec<Candidate> {
    let ours = |family, build| Candidate { family, name: "splitbrain", build };
    vec![
        ours("ring", |n| lookups(Ring::new(Members::alike(n), RingShape::with_points(POINTS)))),
        // Those it is compared with take numbers and do not hash them.
        ours("jump", |n| {
            let n = black_box(n);
            Box::new(move |from, count| (from..from + count).fold(0, |sum, i| sum ^ u64::from(jump(key(i), n))))
        }),
        Candidate { family: "jump", name: "splitbrain, with hash", build: |n| lookups(Jump::new(Members::alike(n))) },
        ours("maglev", |n| lookups(Maglev::new(Members::alike(n), Some(prime(TABLE * n))))),
        ours("rendezvous", |n| lookups(Rendezvous::new(Members::alike(n)))),
        ours("anchor", |n| lookups(Anchor::new(Members::alike(n), n + n / 10))),
        ours("multi-probe", |n| lookups(MultiProbe::new(Members::alike(n), 21))),
        ours("modulo", |n| lookups(Modulo::new(Members::alike(n), None))),
        ours("bounded", |n| lookups(Bounded::new(Members::alike(n), RingShape::with_points(POINTS), 250_000))),
    ]
}

use std::hint::black_box;
