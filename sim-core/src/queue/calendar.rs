//! The calendar queue: a ring of buckets whose width and number follow the load.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::coarse::{Coarse, TURNS};
use super::front::Front;
use super::ring::Ring;
use super::scale::{Geometry, Scale};
use super::{Key, Queue, assert_monotone};

/// Up to this many pending keys are one sorted run and nothing else.
const FEW: usize = 32;
/// A ring with fewer pending keys than this is given up for the sorted run.
const TOO_FEW: usize = 12;

/// The engine's event queue. Push and pop take constant time at any time scale it had a chance to see.
///
/// Where a key lies depends on its bucket number, `at >> shift`:
///
/// * up to the current bucket: in the `front`, sorted;
/// * less than one turn of the ring ahead: in the `ring`, unsorted, bucket by bucket;
/// * less than 1024 turns ahead: in `coarse`, unsorted, turn by turn;
/// * later: in `far`, a heap.
///
/// When the front is used up, the next occupied bucket becomes the current one and is sorted into it, together with
/// what `far` has for that bucket; before that, a turn in `coarse` that has come is dealt to the ring. With few keys
/// pending the current bucket is the last there is, so all of them are in the front and nothing is dealt.
///
/// Slow steps (a refill, a push that did not find its place at once) use up patience. When it is gone, the geometry is
/// compared with the one the latest delays ask for, and everything is filed anew if they differ by more than a factor
/// of two. Patience grows with the number of keys, so that this costs each of them little.
#[derive(Clone, Debug)]
pub struct CalendarQueue {
    front: Front,
    ring: Ring,
    coarse: Coarse,
    /// Number of the first bucket of the first turn in `coarse`; `u64::MAX` when that is empty.
    coarse_next: u64,
    far: BinaryHeap<Reverse<Key>>,
    /// Number of the first bucket that `coarse` or `far` may have something for, or an earlier one.
    beyond_next: u64,
    scale: Scale,
    /// Number of the current bucket; `u64::MAX` when the front is everything.
    current: u64,
    shift: u32,
    /// Number of buckets less one.
    mask: u64,
    /// A turn of the ring is `1 << turn_shift` buckets.
    turn_shift: u32,
    last_at: u64,
    /// Slow steps left until the geometry is looked at again.
    patience: i64,
    /// Keys in the front above which the geometry is looked at.
    ceiling: usize,
    /// Keys pending below which the geometry is looked at.
    floor: usize,
}

impl Default for CalendarQueue {
    fn default() -> Self {
        Self {
            front: Front::default(),
            ring: Ring::new(0),
            coarse: Coarse::default(),
            coarse_next: u64::MAX,
            far: BinaryHeap::new(),
            beyond_next: u64::MAX,
            scale: Scale::new(),
            current: u64::MAX,
            shift: 63,
            mask: 0,
            turn_shift: 0,
            last_at: 0,
            patience: 0,
            ceiling: FEW,
            floor: 0,
        }
    }
}

impl CalendarQueue {
    #[inline]
    fn push_front(&mut self, key: Key) {
        if self.front.insert(key) {
            self.lose_patience(4);
        }
        if self.front.len() > self.ceiling {
            self.adapt();
        }
    }

    /// Files a key due after the ring's turn. Returns what that costs in patience.
    #[inline]
    fn push_beyond(&mut self, key: Key) -> i64 {
        let turn = key.at >> self.shift >> self.turn_shift;
        if turn - (self.current >> self.turn_shift) < TURNS {
            self.coarse.put(turn, key);
            self.coarse_next = self.coarse_next.min(turn << self.turn_shift);
            self.beyond_next = self.beyond_next.min(self.coarse_next);
            1
        } else {
            self.far.push(Reverse(key));
            self.beyond_next = self.beyond_next.min(key.at >> self.shift);
            8
        }
    }

    #[inline(never)]
    fn push_later(&mut self, key: Key) {
        self.patience -= self.push_beyond(key);
        if self.patience < 0 {
            self.adapt();
        }
    }

    #[cold]
    #[inline(never)]
    fn lose_patience(&mut self, cost: i64) {
        self.patience -= cost;
        if self.patience < 0 {
            self.adapt();
        }
    }

    /// Brings the next keys to the front, if any is due by `limit_at`. The front must be empty.
    #[inline(never)]
    fn refill(&mut self, limit_at: u64) {
        self.patience -= 1;
        if self.ring.len() > 0 && self.patience >= 0 {
            let next = self.ring_next();
            if next < self.beyond_next {
                if next << self.shift <= limit_at {
                    self.current = next;
                    self.ring.take_into((next & self.mask) as usize, self.front.fill());
                    self.front.sort();
                }
                return;
            }
        }
        self.refill_slowly(limit_at);
    }

    /// Number of the first bucket that holds something in the ring, which must not be empty.
    #[inline(always)]
    fn ring_next(&self) -> u64 {
        let from = self.current + 1;
        let bucket = self.ring.next((from & self.mask) as usize) as u64;
        from + (bucket.wrapping_sub(from) & self.mask)
    }

    /// [`CalendarQueue::refill`] with all that can happen besides a next bucket in the ring.
    #[inline(never)]
    fn refill_slowly(&mut self, limit_at: u64) {
        if self.patience < 0 || self.len() < self.floor {
            self.adapt();
        }
        if !self.front.is_empty() {
            return;
        }
        let next = loop {
            let far_next = self.far_next();
            let mut next = far_next;
            if self.ring.len() > 0 {
                next = next.min(self.ring_next());
            }
            // Going no further than asked keeps the front short: what is pushed before the current bucket ends there.
            let first = next.min(self.coarse_next);
            if first == u64::MAX || first << self.shift > limit_at {
                return;
            }
            if self.coarse_next > next {
                break next;
            }
            self.deal();
        };
        self.current = next;
        let keys = self.front.fill();
        self.ring.take_into((next & self.mask) as usize, keys);
        while let Some(far) = self.far.peek_mut() {
            if far.0.at >> self.shift != next {
                break;
            }
            keys.push(PeekMut::pop(far).0);
        }
        self.front.sort();
        self.look_beyond();
    }

    /// Number of the bucket of the first key in `far`, `u64::MAX` if there is none.
    fn far_next(&self) -> u64 {
        self.far.peek().map_or(u64::MAX, |far| far.0.at >> self.shift)
    }

    /// Brings `beyond_next` up to date after something was taken from `coarse` or `far`.
    fn look_beyond(&mut self) {
        let far_next = self.far_next();
        self.beyond_next = far_next.min(self.coarse_next);
    }

    /// Deals the first turn in `coarse` to the ring. Nothing may be due before that turn.
    #[inline(never)]
    fn deal(&mut self) {
        let (shift, mask, ring) = (self.shift, self.mask, &mut self.ring);
        let turn = self.coarse_next >> self.turn_shift;
        // The bucket before the first that can be occupied, so that the whole turn fits.
        self.current = self.current.max(self.coarse_next - 1);
        let mut spilled = 0;
        self.coarse.take(turn, |key| spilled += i64::from(ring.put(((key.at >> shift) & mask) as usize, key)));
        self.coarse_next = self.coarse.next(turn + 1).map_or(u64::MAX, |turn| turn << self.turn_shift);
        self.patience -= spilled;
    }

    /// Looks at the load and changes the geometry if another one would serve it clearly better.
    #[cold]
    #[inline(never)]
    fn adapt(&mut self) {
        let len = self.len();
        let want = self.want(len);
        let (width, buckets) = ((1u64 << self.shift) as f64, self.ring.buckets());
        let change = match want {
            None => self.current != u64::MAX,
            Some(want) => {
                self.current == u64::MAX
                    || want.width < 0.5 * width
                    || want.width > 2.0 * width
                    || want.buckets > 2 * buckets
                    || 8 * want.buckets <= buckets
            }
        };
        if change {
            self.rebuild(want);
        }
        self.patience = 1024 + 2 * len as i64;
        self.scale.age(self.patience as u64);
        self.ceiling = FEW.max(2 * self.front.len());
        self.floor = TOO_FEW.max(len / 8);
    }

    /// The geometry that would serve `len` pending keys; none when a sorted run does.
    fn want(&self, len: usize) -> Option<Geometry> {
        if len < TOO_FEW {
            return None;
        }
        let horizon = self.scale.horizon()?;
        let end = self.last_at.saturating_add(horizon);
        let far = self.far.iter().filter(|far| far.0.at > end).count();
        Some(self.scale.geometry(horizon, len - far - self.coarse.count_after(end)))
    }

    fn rebuild(&mut self, want: Option<Geometry>) {
        let mut keys = Vec::with_capacity(self.len());
        self.front.drain_into(&mut keys);
        self.ring.drain_into(&mut keys);
        self.coarse.drain_into(&mut keys);
        self.coarse_next = u64::MAX;
        self.beyond_next = u64::MAX;
        keys.extend(self.far.drain().map(|Reverse(key)| key));
        let buckets = want.map_or(0, |want| want.buckets);
        if buckets != self.ring.buckets() {
            self.ring = Ring::new(buckets);
        }
        match want {
            None => (self.shift, self.mask, self.current) = (63, 0, u64::MAX),
            Some(Geometry { shift, buckets, .. }) => {
                (self.shift, self.mask, self.current) = (shift, buckets as u64 - 1, self.last_at >> shift);
            }
        }
        self.turn_shift = self.mask.count_ones();
        self.front.fill();
        for key in keys {
            let bucket = key.at >> self.shift;
            if bucket <= self.current {
                self.front.append(key);
            } else if bucket - self.current <= self.mask {
                self.ring.put((bucket & self.mask) as usize, key);
            } else {
                self.push_beyond(key);
            }
        }
        self.front.sort();
    }
}

impl Queue for CalendarQueue {
    #[inline]
    fn push(&mut self, key: Key) {
        assert_monotone(key.at, self.last_at);
        self.scale.note(key.at - self.last_at);
        let bucket = key.at >> self.shift;
        if bucket <= self.current {
            self.push_front(key);
        } else if bucket - self.current <= self.mask {
            if self.ring.put((bucket & self.mask) as usize, key) {
                self.lose_patience(1);
            }
        } else {
            self.push_later(key);
        }
    }

    #[inline]
    fn pop_until(&mut self, limit_at: u64) -> Option<Key> {
        if self.front.is_empty() {
            self.refill(limit_at);
        }
        let key = self.front.pop_until(limit_at)?;
        self.last_at = key.at;
        Some(key)
    }

    fn peek(&mut self) -> Option<Key> {
        if self.front.is_empty() {
            self.refill(u64::MAX);
        }
        self.front.peek()
    }

    #[inline]
    fn len(&self) -> usize {
        self.front.len() + self.ring.len() + self.coarse.len() + self.far.len()
    }
}
