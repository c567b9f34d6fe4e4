//! Where a search has been: fingerprints of places, in bounded memory.
//!
//! A place is kept as 128 bits, not whole: two of fifty million meet with a probability of 4e-24. When the memory is
//! full, a new fingerprint takes the place of another. The search may then come to a place twice, which costs time and
//! decides nothing.

use crate::hash::Mixer;
use core::hash::{Hash, Hasher};

/// Fingerprints at first.
const FEWEST: usize = 1 << 10;
/// Fingerprints at most: 128 MiB.
const MOST: usize = 1 << 23;
/// Slots looked at for one fingerprint.
const WINDOW: usize = 16;

/// A set of fingerprints that forgets some when it is full.
pub(super) struct Memory {
    /// 0 is an empty slot.
    slots: Vec<u128>,
    most: usize,
}

impl Memory {
    pub fn new() -> Self {
        Self::with(FEWEST, MOST)
    }

    fn with(fewest: usize, most: usize) -> Self {
        Self { slots: vec![0; fewest], most }
    }

    fn window(&self, print: u128) -> impl Iterator<Item = usize> + use<> {
        let (from, mask) = (print as usize, self.slots.len() - 1);
        (0..WINDOW).map(move |i| from.wrapping_add(i) & mask)
    }

    /// Whether it is known; one that was forgotten is not.
    pub fn contains(&self, print: u128) -> bool {
        self.window(print).map(|i| self.slots[i]).take_while(|slot| *slot != 0).any(|slot| slot == print)
    }

    /// Keeps it.
    pub fn insert(&mut self, print: u128) {
        loop {
            if let Some(i) = self.window(print).find(|i| self.slots[*i] == 0 || self.slots[*i] == print) {
                self.slots[i] = print;
                return;
            }
            if self.slots.len() >= self.most {
                let any = self.window(print).nth((print >> 64) as usize % WINDOW);
                self.slots[any.expect("the window has so many")] = print;
                return;
            }
            let larger = vec![0; self.slots.len() * 2];
            let kept = core::mem::replace(&mut self.slots, larger);
            for print in kept.into_iter().filter(|slot| *slot != 0) {
                self.keep(print);
            }
        }
    }

    /// Keeps it where there is room: a window that is full already loses one, which is sound.
    fn keep(&mut self, print: u128) {
        let free = self.window(print).find(|i| self.slots[*i] == 0);
        let at = free.unwrap_or(print as usize & (self.slots.len() - 1));
        self.slots[at] = print;
    }
}

/// The fingerprint of a value: 128 bits of all that it hashes, never 0.
pub(super) fn fingerprint(value: &impl Hash) -> u128 {
    let mut both = Both(Mixer::default(), Mixer::resume(0x243f_6a88_85a3_08d3));
    value.hash(&mut both);
    let print = u128::from(both.0.finish()) << 64 | u128::from(both.1.finish());
    print.max(1)
}

/// Two hashes of the same words, from different beginnings.
struct Both(Mixer, Mixer);

impl Hasher for Both {
    fn write(&mut self, bytes: &[u8]) {
        self.0.bytes(bytes);
        self.1.bytes(bytes);
    }

    fn write_u64(&mut self, word: u64) {
        self.0.word(word);
        self.1.word(word.rotate_left(32) ^ 0x1319_8a2e_0370_7344);
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(u64::from(word));
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_knows_what_fits_and_never_what_it_was_not_told() {
        let mut memory = Memory::with(16, 1 << 12);
        for i in 0..2_000_u64 {
            memory.insert(fingerprint(&i));
        }
        let known = (0..2_000_u64).filter(|i| memory.contains(fingerprint(i))).count();
        assert!(known >= 1_900, "{known} of 2000 are known, and there is room for 4096");
        assert!((2_000..50_000_u64).all(|i| !memory.contains(fingerprint(&i))));
    }

    #[test]
    fn it_never_grows_beyond_its_bound() {
        let mut memory = Memory::with(16, 64);
        for i in 0..10_000_u64 {
            memory.insert(fingerprint(&i));
            assert!(memory.contains(fingerprint(&i)), "what came last is known");
        }
        assert_eq!(memory.slots.len(), 64);
    }
}
