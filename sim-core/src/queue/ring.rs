//! The buckets of a calendar: a power-of-two ring of cache lines, four keys each, with a list for what does not fit.

use super::Key;
use super::occupancy::Occupancy;

/// Keys in a bucket's own line.
const LINE: usize = 4;
/// No node.
const NONE: u32 = u32::MAX;

/// A bucket's own keys. Aligned, so that a push touches one cache line, and working through the ring is
/// a sequential read that the hardware prefetches.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(64))]
struct Line([Key; LINE]);

/// One key that did not fit its bucket's line.
#[derive(Clone, Copy, Debug)]
struct Node {
    key: Key,
    next: u32,
}

/// The ring. The caller maps times to bucket indices.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    lines: Vec<Line>,
    /// Keys in each line, or `LINE + 1` when a list hangs off the bucket.
    counts: Vec<u8>,
    /// First node of each bucket's list; meaningful only where `counts` says so.
    heads: Vec<u32>,
    nodes: Vec<Node>,
    free: u32,
    occupancy: Occupancy,
    len: usize,
}

impl Ring {
    /// An empty ring of `buckets` buckets, a power of two and at least 64, or none.
    pub(super) fn new(buckets: usize) -> Self {
        Self {
            lines: vec![Line::default(); buckets],
            counts: vec![0; buckets],
            heads: vec![NONE; buckets],
            nodes: Vec::new(),
            free: NONE,
            occupancy: Occupancy::new(buckets),
            len: 0,
        }
    }

    pub(super) fn buckets(&self) -> usize {
        self.lines.len()
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a key to a bucket. Returns whether it had to go to the list, which is the slow way.
    #[inline(always)]
    pub(super) fn put(&mut self, bucket: usize, key: Key) -> bool {
        self.len += 1;
        let count = usize::from(self.counts[bucket]);
        if let Some(place) = self.lines[bucket].0.get_mut(count) {
            *place = key;
            self.counts[bucket] = count as u8 + 1;
            self.occupancy.set(bucket);
            return false;
        }
        self.spill(bucket, key);
        true
    }

    #[inline(never)]
    fn spill(&mut self, bucket: usize, key: Key) {
        let next = if usize::from(self.counts[bucket]) > LINE { self.heads[bucket] } else { NONE };
        self.counts[bucket] = LINE as u8 + 1;
        let node = Node { key, next };
        if self.free == NONE {
            self.heads[bucket] = self.nodes.len() as u32;
            self.nodes.push(node);
        } else {
            self.heads[bucket] = self.free;
            let place = &mut self.nodes[self.free as usize];
            self.free = place.next;
            *place = node;
        }
    }

    /// The first bucket that holds something, from `from` on, going round. The ring must not be empty.
    #[inline(always)]
    pub(super) fn next(&self, from: usize) -> usize {
        self.occupancy.next(from)
    }

    /// Moves a bucket's keys to the end of `keys`, in no useful order.
    #[inline(always)]
    pub(super) fn take_into(&mut self, bucket: usize, keys: &mut Vec<Key>) {
        let count = usize::from(self.counts[bucket]);
        self.counts[bucket] = 0;
        self.occupancy.unset(bucket);
        let before = keys.len();
        // All four, then forget the surplus: a copy of fixed size, where one of `count` would be a call.
        keys.extend_from_slice(&self.lines[bucket].0);
        if count <= LINE {
            keys.truncate(before + count);
        } else {
            self.take_list(bucket, keys);
        }
        self.len -= keys.len() - before;
    }

    #[inline(never)]
    fn take_list(&mut self, bucket: usize, keys: &mut Vec<Key>) {
        let mut at = self.heads[bucket];
        while at != NONE {
            let node = &mut self.nodes[at as usize];
            keys.push(node.key);
            let next = node.next;
            node.next = self.free;
            self.free = at;
            at = next;
        }
    }

    /// Moves every key to the end of `keys`, in no useful order.
    pub(super) fn drain_into(&mut self, keys: &mut Vec<Key>) {
        let mut bucket = 0;
        while self.len > 0 {
            bucket = self.next(bucket);
            self.take_into(bucket, keys);
        }
    }
}
