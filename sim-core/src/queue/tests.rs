//! Every queue pops exactly what a `BTreeSet` would, whatever is done to it.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{BinaryQueue, CalendarQueue, Key, Queue};

/// What a queue means, in the plainest words.
#[derive(Clone, Default)]
struct Model {
    keys: BTreeSet<Key>,
    last_at: u64,
}

impl Queue for Model {
    fn push(&mut self, key: Key) {
        assert!(key.at >= self.last_at, "{} < {}", key.at, self.last_at);
        assert!(self.keys.insert(key), "{key:?} twice");
    }
    fn pop_until(&mut self, limit_at: u64) -> Option<Key> {
        let key = *self.keys.first().filter(|key| key.at <= limit_at)?;
        self.keys.remove(&key);
        self.last_at = key.at;
        Some(key)
    }
    fn peek(&mut self) -> Option<Key> {
        self.keys.first().copied()
    }
    fn len(&self) -> usize {
        self.keys.len()
    }
}

/// One thing to do; delays are relative to the last key popped.
#[derive(Clone, Copy, Debug)]
enum Step {
    Push {
        count: usize,
        least: u64,
        spread: u64,
    },
    /// Pop one, push one: what a simulation does most of the time.
    Hold {
        count: usize,
        least: u64,
        spread: u64,
    },
    Pop {
        count: usize,
    },
    PopUntil {
        count: usize,
        ahead: u64,
    },
    Peek,
    Clone,
}

fn scale() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(50_000),
        Just(1_000_000),
        Just(3_600_000_000_000),
        (0u32..50).prop_map(|bits| 1 << bits),
        (0u32..44, any::<u64>()).prop_map(|(bits, noise)| noise >> (63 - bits)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1usize..20, scale(), scale()).prop_map(|(count, least, spread)| Step::Push { count, least, spread }),
        1 => (1usize..2000, scale(), scale()).prop_map(|(count, least, spread)| Step::Push { count, least, spread }),
        4 => (1usize..3000, scale(), scale()).prop_map(|(count, least, spread)| Step::Hold { count, least, spread }),
        3 => (1usize..30).prop_map(|count| Step::Pop { count }),
        1 => (1usize..3000).prop_map(|count| Step::Pop { count }),
        4 => (1usize..300, scale()).prop_map(|(count, ahead)| Step::PopUntil { count, ahead }),
        2 => Just(Step::Peek),
        1 => Just(Step::Clone),
    ]
}

/// Draws that need not be shrunk one by one (splitmix64).
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

struct Pair<Q> {
    queue: Q,
    model: Model,
    noise: Noise,
    pushed: u64,
    shuffle: bool,
}

impl<Q: Queue> Pair<Q> {
    fn push(&mut self, least: u64, spread: u64) {
        let delay = least + self.noise.next() % (spread + 1);
        self.pushed += 1;
        let order = if self.shuffle { self.noise.next() & 0xffff } else { 0 };
        let key = Key { at: self.model.last_at + delay, rest: order << 48 | self.pushed };
        self.queue.push(key);
        self.model.push(key);
        assert_eq!(self.queue.len(), self.model.len());
    }

    fn pop_until(&mut self, limit_at: u64) -> Option<Key> {
        let expected = self.model.pop_until(limit_at);
        let got = if limit_at == u64::MAX { self.queue.pop() } else { self.queue.pop_until(limit_at) };
        assert_eq!(got, expected);
        assert_eq!(self.queue.len(), self.model.len());
        assert_eq!(self.queue.is_empty(), self.model.is_empty());
        got
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Push { count, least, spread } => (0..count).for_each(|_| self.push(least, spread)),
            Step::Hold { count, least, spread } => {
                for _ in 0..count {
                    self.pop_until(u64::MAX);
                    self.push(least, spread);
                }
            }
            Step::Pop { count } => {
                for _ in 0..count {
                    self.pop_until(u64::MAX);
                }
            }
            Step::PopUntil { count, ahead } => {
                let limit = self.model.last_at + ahead;
                for _ in 0..count {
                    if self.pop_until(limit).is_none() {
                        break;
                    }
                }
            }
            Step::Peek => assert_eq!(self.queue.peek(), self.model.peek()),
            Step::Clone => {
                // The original is run dry and dropped; the fork goes on.
                let mut original = std::mem::take(&mut self.queue);
                self.queue = original.clone();
                let mut model = self.model.clone();
                while let Some(key) = model.pop() {
                    assert_eq!(original.pop(), Some(key));
                }
                assert_eq!(original.pop(), None);
            }
        }
    }
}

fn equals_the_model<Q: Queue>(steps: &[Step], seed: u64, shuffle: bool) {
    let mut pair = Pair { queue: Q::default(), model: Model::default(), noise: Noise(seed), pushed: 0, shuffle };
    for &step in steps {
        pair.step(step);
    }
    while pair.pop_until(u64::MAX).is_some() {}
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn calendar(steps in prop::collection::vec(step(), 1..60), seed: u64, shuffle: bool) {
        equals_the_model::<CalendarQueue>(&steps, seed, shuffle);
    }

    #[test]
    fn binary(steps in prop::collection::vec(step(), 1..30), seed: u64, shuffle: bool) {
        equals_the_model::<BinaryQueue>(&steps, seed, shuffle);
    }
}

#[test]
#[should_panic(expected = "a key due at 9 ns was pushed after one due at 10 ns was popped")]
fn refuses_the_past() {
    let mut queue = CalendarQueue::default();
    queue.push(Key { at: 10, rest: 0 });
    queue.pop();
    queue.push(Key { at: 9, rest: 1 });
}

#[test]
fn a_smaller_tie_than_the_last_popped_comes_next() {
    let mut queue = CalendarQueue::default();
    queue.push(Key { at: 10, rest: 5 });
    queue.push(Key { at: 10, rest: 7 });
    assert_eq!(queue.pop(), Some(Key { at: 10, rest: 5 }));
    queue.push(Key { at: 10, rest: 3 });
    assert_eq!(queue.pop(), Some(Key { at: 10, rest: 3 }));
    assert_eq!(queue.pop(), Some(Key { at: 10, rest: 7 }));
}

#[test]
fn three_hundred_thousand_pending_and_back_to_none() {
    // Enough for the ring to be dealt turn by turn, then to be given up again.
    let steps = [
        Step::Push { count: 300_000, least: 1_000_000, spread: 9_000_000 },
        Step::Hold { count: 700_000, least: 1_000_000, spread: 9_000_000 },
        Step::Push { count: 1000, least: 0, spread: 3_600_000_000_000 },
        Step::Clone,
        Step::Pop { count: 299_990 },
        Step::Hold { count: 5_000, least: 1_000_000, spread: 0 },
    ];
    equals_the_model::<CalendarQueue>(&steps, 1, false);
}

#[test]
fn a_hundred_thousand_ties_in_random_order() {
    let steps = [
        Step::Push { count: 50_000, least: 1_000_000, spread: 0 },
        Step::Hold { count: 50_000, least: 0, spread: 0 },
        Step::Push { count: 50_000, least: 0, spread: 0 },
    ];
    equals_the_model::<CalendarQueue>(&steps, 1, true);
    equals_the_model::<CalendarQueue>(&steps, 1, false);
}

#[test]
fn the_end_of_time_is_a_time() {
    let mut queue = CalendarQueue::default();
    for rest in 0..100 {
        queue.push(Key { at: rest % 7, rest });
        queue.push(Key { at: u64::MAX - rest % 2, rest });
    }
    let mut popped = Vec::new();
    while let Some(key) = queue.pop() {
        popped.push(key);
    }
    assert_eq!(popped.len(), 200);
    assert!(popped.is_sorted());
}
