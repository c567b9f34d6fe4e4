//! What is due after the ring's turn: whole turns of the ring, each an unsorted list of chunks.

use super::Key;
use super::occupancy::Occupancy;

/// Turns of the ring that are told apart, a power of two.
pub(super) const TURNS: u64 = 1024;
/// Keys in a chunk: long enough that following the list is cheap, short enough that 1024 of them half full are no
/// memory to speak of.
const CHUNK: usize = 16;
/// No chunk.
const NONE: u32 = u32::MAX;

/// Some keys of one turn.
#[derive(Clone, Copy, Debug)]
struct Chunk {
    keys: [Key; CHUNK],
    /// The chunk filled before this one, or the next free one.
    next: u32,
}

/// The chunk a turn is being written to, and how full that is.
#[derive(Clone, Copy, Debug)]
struct Tail {
    chunk: u32,
    fill: u32,
}

/// An empty turn: like a full chunk, so that the first key fetches one.
const EMPTY: Tail = Tail { chunk: NONE, fill: CHUNK as u32 };

/// The turns to come. A million keys thrown all over a ring of a million buckets miss the cache each time; appended to
/// a thousand lists, and dealt to a small ring when their turn comes, they hardly do.
#[derive(Clone, Debug)]
pub(super) struct Coarse {
    tails: Vec<Tail>,
    chunks: Vec<Chunk>,
    free: u32,
    occupancy: Occupancy,
    len: usize,
}

impl Default for Coarse {
    fn default() -> Self {
        Self { tails: Vec::new(), chunks: Vec::new(), free: NONE, occupancy: Occupancy::new(TURNS as usize), len: 0 }
    }
}

impl Coarse {
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds a key to a turn. The caller sees to it that only [`TURNS`] different turns are in here at once.
    #[inline(always)]
    pub(super) fn put(&mut self, turn: u64, key: Key) {
        if self.tails.is_empty() {
            // Most queues never need it.
            self.tails = vec![EMPTY; TURNS as usize];
        }
        let slot = (turn % TURNS) as usize;
        let mut tail = self.tails[slot];
        if tail.fill as usize == CHUNK {
            tail = Tail { chunk: self.fetch(tail.chunk), fill: 0 };
            self.occupancy.set(slot);
        }
        self.chunks[tail.chunk as usize].keys[tail.fill as usize] = key;
        tail.fill += 1;
        self.tails[slot] = tail;
        self.len += 1;
    }

    /// A free chunk, linked to `next`.
    #[inline(never)]
    fn fetch(&mut self, next: u32) -> u32 {
        if self.free == NONE {
            self.chunks.push(Chunk { keys: [Key::default(); CHUNK], next });
            return self.chunks.len() as u32 - 1;
        }
        let chunk = self.free;
        let place = &mut self.chunks[chunk as usize];
        self.free = place.next;
        place.next = next;
        chunk
    }

    /// The first turn that holds something, `from` or later; none when all is empty.
    pub(super) fn next(&self, from: u64) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        let slot = self.occupancy.next((from % TURNS) as usize) as u64;
        Some(from + slot.wrapping_sub(from) % TURNS)
    }

    /// Removes a turn's keys and hands each to `deal`.
    pub(super) fn take(&mut self, turn: u64, mut deal: impl FnMut(Key)) {
        let slot = (turn % TURNS) as usize;
        let mut tail = std::mem::replace(&mut self.tails[slot], EMPTY);
        self.occupancy.unset(slot);
        while tail.chunk != NONE {
            let chunk = &mut self.chunks[tail.chunk as usize];
            for &key in &chunk.keys[..tail.fill as usize] {
                deal(key);
            }
            self.len -= tail.fill as usize;
            let next = std::mem::replace(&mut chunk.next, self.free);
            self.free = tail.chunk;
            tail = Tail { chunk: next, fill: CHUNK as u32 };
        }
    }

    /// Moves every key to the end of `keys`, in no useful order.
    pub(super) fn drain_into(&mut self, keys: &mut Vec<Key>) {
        let mut turn = 0;
        while let Some(next) = self.next(turn) {
            turn = next;
            self.take(turn, |key| keys.push(key));
        }
    }

    /// Keys due after `end`, nanoseconds.
    pub(super) fn count_after(&self, end: u64) -> usize {
        let mut count = 0;
        for &tail in &self.tails {
            let mut tail = tail;
            while tail.chunk != NONE {
                let chunk = &self.chunks[tail.chunk as usize];
                count += chunk.keys[..tail.fill as usize].iter().filter(|key| key.at > end).count();
                tail = Tail { chunk: chunk.next, fill: CHUNK as u32 };
            }
        }
        count
    }
}
