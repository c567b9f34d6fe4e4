//! The floor: the same three workloads as bare loops over the same queue and a slab, with no simulator around them.
//!
//! What a workload draws, its floor draws too, but from one stream: no node has luck of its own. No nodes, links, faults,
//! counters or digest. How low that is depends on the workload. Ping-pong has one event pending at any time, so its queue
//! is a single key, nothing is drawn (latency is fixed and nothing is lost), nothing misses a cache and no branch is
//! mispredicted: what remains is copying the payload in and out, 170 instructions. An engine that looks up both machines
//! and the link, draws, counts, checks for cuts and folds a digest can not be within twice of that. Gossip and timers,
//! where the queue has work to do, are the floors that say something.

use sim_core::queue::{EventQueue, Key, Queue};
use sim_core::{Purpose, Rng};

/// The least a loop needs: a queue of keys and a slab of payloads.
struct Bare {
    queue: EventQueue,
    slab: Vec<[u64; 9]>,
    free: Vec<u32>,
    sequence: u64,
}

impl Bare {
    fn new() -> Self {
        Self { queue: EventQueue::default(), slab: Vec::new(), free: Vec::new(), sequence: 0 }
    }

    #[inline]
    fn push(&mut self, at: u64, payload: [u64; 9]) {
        let slot = if let Some(slot) = self.free.pop() {
            self.slab[slot as usize] = payload;
            slot
        } else {
            self.slab.push(payload);
            self.slab.len() as u32 - 1
        };
        self.sequence += 1;
        self.queue.push(Key { at, rest: self.sequence << 24 | u64::from(slot) });
    }

    #[inline]
    fn pop(&mut self) -> (u64, [u64; 9]) {
        let key = self.queue.pop().expect("the workload never ends");
        let slot = key.rest as u32 & 0xff_ffff;
        self.free.push(slot);
        (key.at, self.slab[slot as usize])
    }
}

pub fn ping_pong(events: u64) -> u64 {
    let mut bare = Bare::new();
    bare.push(1_000_000, [0; 9]);
    for _ in 0..events {
        let (at, mut payload) = bare.pop();
        payload[0] = 1 - payload[0];
        payload[1] += 1;
        bare.push(at + 1_000_000, payload);
    }
    events
}

pub fn gossip(nodes: u64, events: u64) -> u64 {
    let mut bare = Bare::new();
    let mut rng = Rng::stream(1, Purpose::Node, 0);
    for node in 0..nodes {
        bare.push(rng.below(10_000_000), [node | 1 << 63, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    let mut handled = 0_u64;
    let mut received = vec![0_u64; nodes as usize];
    while handled < events {
        let (at, payload) = bare.pop();
        handled += 1;
        if payload[0] >> 63 == 0 {
            received[payload[0] as usize] += payload[1];
            continue;
        }
        let me = payload[0] & !(1 << 63);
        for _ in 0..10 {
            let bits = rng.next_u64();
            let to = (me + 1 + bits % (nodes - 1)) % nodes;
            let draw = rng.next_u64();
            if (draw as u32) >= 42_949_673 {
                let latency = 1_000_000 + (((draw >> 32) * 9_000_000) >> 32);
                bare.push(at + latency, [to; 9]);
            }
        }
        bare.push(at + 10_000_000, payload);
    }
    std::hint::black_box(received);
    handled
}

/// `streams` is how many streams of random numbers there are: one, or one for each node, as independent luck needs.
pub fn timers(nodes: u64, streams: u64, events: u64) -> u64 {
    let mut bare = Bare::new();
    let mut rngs: Vec<Rng> = (0..streams).map(|stream| Rng::stream(1, Purpose::Node, stream)).collect();
    for node in 0..nodes {
        bare.push(rngs[0].below(100_000_000), [node; 9]);
    }
    for _ in 0..events {
        let (at, payload) = bare.pop();
        let rng = &mut rngs[if streams == 1 { 0 } else { payload[0] as usize }];
        bare.push(at + 95_000_000 + rng.below(10_000_000), payload);
    }
    events
}
