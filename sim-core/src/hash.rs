//! Fast deterministic mixing, for digests, log hashes and fingerprints. Not for adversaries, and not for `HashMap`.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::ops::Deref;

/// Mixes 64-bit words into a running 64-bit value by folded multiplication (the step of wyhash).
///
/// Every word changes the value, order matters, and the result is the same on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixer(u64);

impl Default for Mixer {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl Mixer {
    /// Continues from an earlier [`Mixer::finish`].
    #[must_use]
    pub const fn resume(value: u64) -> Self {
        Self(value)
    }

    /// Mixes in one word.
    #[inline]
    pub const fn word(&mut self, word: u64) {
        let product = (self.0 ^ word ^ 0xe703_7ed1_a0b4_28db) as u128 * 0xa076_1d64_78bd_642f_u128;
        // The rotation keeps a zero product from absorbing everything that came before.
        self.0 = (product as u64) ^ ((product >> 64) as u64) ^ self.0.rotate_left(29) ^ word.rotate_left(47);
    }

    /// Mixes in bytes, their number included.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.word(chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
        let tail = chunks.remainder();
        if !tail.is_empty() {
            self.word(tail.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    /// The value so far.
    #[inline]
    #[must_use]
    pub const fn finish(self) -> u64 {
        self.0
    }
}

/// The hash of a few words.
#[must_use]
pub fn of(words: &[u64]) -> u64 {
    let mut mixer = Mixer::default();
    for word in words {
        mixer.word(*word);
    }
    mixer.finish()
}

/// The hash of all that a value holds, by its own [`Hash`]: derived, so that a field more is a field more in it. The
/// same on every machine, for types without `usize`. (Of a slice of integers std gives a hasher the bytes as they lie
/// in memory: those are the same on all little-endian machines.)
#[inline]
#[must_use]
pub fn content<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = Content::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What [`content`] feeds a value to: a rotation and a multiplication for each field. Each step can be undone, so two
/// values that differ in one field of up to 64 bits never have the same hash.
struct Content {
    value: u64,
}

impl Content {
    const fn new() -> Self {
        Self { value: 0x9e37_79b9_7f4a_7c15 }
    }

    #[inline(always)]
    fn word(&mut self, word: u64) {
        self.value = (self.value.rotate_left(5) ^ word).wrapping_mul(0xf135_7aea_2e62_a9c5);
    }
}

impl Hasher for Content {
    #[inline]
    fn finish(&self) -> u64 {
        self.value ^ self.value >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        self.word(bytes.len() as u64);
        let (chunks, tail) = bytes.as_chunks();
        chunks.iter().for_each(|chunk| self.word(u64::from_le_bytes(*chunk)));
        if !tail.is_empty() {
            self.word(tail.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)));
        }
    }

    #[inline(always)]
    fn write_u8(&mut self, i: u8) {
        self.word(u64::from(i));
    }

    #[inline(always)]
    fn write_u16(&mut self, i: u16) {
        self.word(u64::from(i));
    }

    #[inline(always)]
    fn write_u32(&mut self, i: u32) {
        self.word(u64::from(i));
    }

    #[inline(always)]
    fn write_u64(&mut self, i: u64) {
        self.word(i);
    }

    #[inline(always)]
    fn write_u128(&mut self, i: u128) {
        self.word(i as u64);
        self.word((i >> 64) as u64);
    }

    /// Lengths.
    #[inline(always)]
    fn write_usize(&mut self, i: usize) {
        self.word(i as u64);
    }

    #[inline(always)]
    fn write_i8(&mut self, i: i8) {
        self.word(i64::from(i) as u64);
    }

    #[inline(always)]
    fn write_i16(&mut self, i: i16) {
        self.word(i64::from(i) as u64);
    }

    #[inline(always)]
    fn write_i32(&mut self, i: i32) {
        self.word(i64::from(i) as u64);
    }

    #[inline(always)]
    fn write_i64(&mut self, i: i64) {
        self.word(i as u64);
    }

    #[inline(always)]
    fn write_i128(&mut self, i: i128) {
        self.write_u128(i as u128);
    }

    /// Which variant of an enumeration it is.
    #[inline(always)]
    fn write_isize(&mut self, i: isize) {
        self.word(i as i64 as u64);
    }
}

/// A value that can not change any more, with its [`content`], worked out once: for what is shared by many messages and
/// disks. Its own [`Hash`] is one word.
#[derive(Clone, Copy)]
pub struct Hashed<T> {
    hash: u64,
    value: T,
}

impl<T: Hash> Hashed<T> {
    /// This value.
    #[inline]
    #[must_use]
    pub fn new(value: T) -> Self {
        Self { hash: content(&value), value }
    }
}

impl<T> Hashed<T> {
    /// The hash of all it holds.
    #[inline]
    #[must_use]
    pub const fn content(&self) -> u64 {
        self.hash
    }
}

impl<T> Deref for Hashed<T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Hash for Hashed<T> {
    #[inline]
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.hash);
    }
}

impl<T: PartialEq> PartialEq for Hashed<T> {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.value == other.value
    }
}

impl<T: Eq> Eq for Hashed<T> {}

impl<T: fmt::Debug> fmt::Debug for Hashed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_told_apart_by_every_part() {
        let all = [
            content(&(1_u64, 2_u64)),
            content(&(2_u64, 1_u64)),
            content(&(1_u64, 2_u64, false)),
            content(&(1_u64, Some(2_u64))),
            content(&(1_u64, None::<u64>)),
            content(&(-1_i32, 2_u64)),
            content("ab"),
            content("ab\0"),
            content(&("a", "b")),
            content(&("", "ab")),
            content(&[1_u8, 2]),
            content(&3_u128),
            content(&(3_u128 << 64)),
            content(&Hashed::new((1_u64, 2_u64))),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b), "the {i}th is like a later one");
        }
    }

    /// These numbers are in recorded digests: they may not depend on the machine.
    #[test]
    fn contents_are_the_same_on_every_machine() {
        let value = (7_u8, -7_i32, "text longer than a word", Some(1_u64 << 40), vec![(1_u16, true); 3]);
        assert_eq!(content(&value), 0xfec3_e161_d743_a217);
    }

    #[test]
    fn order_and_every_word_matter() {
        assert_ne!(of(&[1, 2]), of(&[2, 1]));
        assert_ne!(of(&[0]), of(&[0, 0]));
        let mut a = Mixer::default();
        a.bytes(b"abcdefgh\0");
        let mut b = Mixer::default();
        b.bytes(b"abcdefgh");
        assert_ne!(a.finish(), b.finish());
    }
}
