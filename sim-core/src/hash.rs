//! Fast deterministic mixing, for digests, log hashes and fingerprints. Not for adversaries, and not for `HashMap`.

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

#[cfg(test)]
mod tests {
    use super::*;

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
