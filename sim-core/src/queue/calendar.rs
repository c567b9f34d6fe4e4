//! The calendar queue: a ring of buckets whose width and number follow the load.

use super::front::Front;
use super::quaternary::MinHeap;
use super::ring::Ring;
use super::scale::{Geometry, Scale};
use super::{Key, Queue, assert_monotone};

/// Up to this many pending keys are one sorted run and nothing else.
const FEW: usize = 32;
/// A ring with fewer pending keys than this is given up for the sorted run.
const TOO_FEW: usize = 12;

/// The engine's event queue. Push and pop take constant time at any time scale it had a chance to see.
///
/// Keys lie in one of three places, by the bucket number `at >> shift`: those up to the current bucket in
/// the `front`, sorted; those up to one turn of the ring ahead in the `ring`, unsorted; the others in the `far` heap.
/// When the front is used up, the next occupied bucket is sorted into it, together with what the far heap has
/// for that bucket. With few pending keys the current bucket is the last one there is, so all of them are in the front.
#[derive(Clone, Debug)]
pub struct CalendarQueue {
    front: Front,
    ring: Ring,
    far: MinHeap,
    scale: Scale,
    /// Number of the current bucket; `u64::MAX` when the front is everything.
    current: u64,
    shift: u32,
    /// Number of buckets less one.
    mask: u64,
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
            far: MinHeap::default(),
            scale: Scale::new(),
            current: u64::MAX,
            shift: 63,
            mask: 0,
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

    #[inline(never)]
    fn push_far(&mut self, key: Key) {
        self.far.push(key);
        self.lose_patience(8);
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
        if self.current == u64::MAX {
            return;
        }
        self.patience -= 1;
        if self.patience < 0 || self.ring.len() + self.far.len() < self.floor {
            self.adapt();
            if !self.front.is_empty() || self.current == u64::MAX {
                return;
            }
        }
        let mut next = u64::MAX;
        if self.ring.len() > 0 {
            let from = self.current + 1;
            let bucket = self.ring.next((from & self.mask) as usize) as u64;
            next = from + (bucket.wrapping_sub(from) & self.mask);
        }
        let ring_next = next;
        if let Some(far) = self.far.peek() {
            next = next.min(far.at >> self.shift);
        }
        // Going no further than asked keeps the front short: what is pushed before the current bucket ends up there.
        if next == u64::MAX || next << self.shift > limit_at {
            return;
        }
        self.current = next;
        let keys = self.front.fill();
        if ring_next == next {
            self.ring.take_into((next & self.mask) as usize, keys);
        }
        while let Some(key) = self.far.peek().filter(|key| key.at >> self.shift == next) {
            keys.push(key);
            self.far.pop();
        }
        self.front.sort();
    }

    /// Looks at the load and changes the geometry if another one would serve it clearly better.
    #[cold]
    #[inline(never)]
    fn adapt(&mut self) {
        let len = self.len();
        let was = if self.current == u64::MAX { None } else { Some(self.geometry()) };
        let want = self.want(len);
        let change = match (was, want) {
            (None, None) => false,
            (Some(was), Some(want)) => {
                was.shift.abs_diff(want.shift) > 1
                    || want.buckets > 2 * was.buckets
                    || 8 * want.buckets <= was.buckets
                    // A ring that turns too early sends everything to the heap.
                    || (want.buckets as u128) << want.shift > (was.buckets as u128) << was.shift
            }
            _ => true,
        };
        if change {
            self.rebuild(want);
        }
        self.scale.age();
        self.patience = 1024 + 2 * len as i64;
        self.ceiling = FEW.max(2 * self.front.len());
        self.floor = TOO_FEW.max(len / 8);
    }

    fn geometry(&self) -> Geometry {
        Geometry { shift: self.shift, buckets: self.ring.buckets() }
    }

    /// The geometry that would serve `len` pending keys; none when a sorted run does.
    fn want(&self, len: usize) -> Option<Geometry> {
        if len < TOO_FEW {
            return None;
        }
        let horizon = self.scale.horizon()?;
        let end = self.last_at.saturating_add(horizon);
        let beyond = self.far.as_slice().iter().filter(|key| key.at > end).count();
        Some(self.scale.geometry(horizon, len - beyond))
    }

    fn rebuild(&mut self, want: Option<Geometry>) {
        let mut keys = Vec::with_capacity(self.len());
        self.front.drain_into(&mut keys);
        self.ring.drain_into(&mut keys);
        keys.extend_from_slice(self.far.as_slice());
        self.far.clear();
        let buckets = want.map_or(0, |want| want.buckets);
        if buckets != self.ring.buckets() {
            self.ring = Ring::new(buckets);
        }
        match want {
            None => (self.shift, self.mask, self.current) = (63, 0, u64::MAX),
            Some(Geometry { shift, buckets }) => {
                (self.shift, self.mask, self.current) = (shift, buckets as u64 - 1, self.last_at >> shift);
            }
        }
        let front = self.front.fill();
        for key in keys {
            let bucket = key.at >> self.shift;
            if bucket <= self.current {
                front.push(key);
            } else if bucket - self.current <= self.mask {
                self.ring.put((bucket & self.mask) as usize, key);
            } else {
                self.far.push(key);
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
            self.push_far(key);
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
        self.front.len() + self.ring.len() + self.far.len()
    }
}
