//! What tasks work on: text and numbers that are a function of a seed, so that whoever has to read a block can make it,
//! and whoever checks a result can work it out directly.

/// A word of up to eight letters, packed so that words are in the order of the alphabet.
pub type Word = u64;

/// 64 bits that depend on all bits of `a` and `b` (splitmix64).
#[must_use]
pub const fn mix(a: u64, b: u64) -> u64 {
    let mut z = a ^ b.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The letters of a word.
#[must_use]
pub fn pack(text: &str) -> Word {
    let mut bytes = [0; 8];
    bytes.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
    u64::from_be_bytes(bytes)
}

/// The word of a pack.
#[must_use]
pub fn unpack(word: Word) -> String {
    word.to_be_bytes().iter().take_while(|byte| **byte != 0).map(|byte| char::from(*byte)).collect()
}

/// The word of a rank in the vocabulary: a syllable for each digit.
fn spell(rank: u64, out: &mut String) {
    const FIRST: &[u8] = b"bdfghklmnprstvwz";
    const SECOND: &[u8] = b"aeiou";
    let mut rest = rank;
    loop {
        let syllable = (rest % 80) as usize;
        out.push(char::from(FIRST[syllable / 5]));
        out.push(char::from(SECOND[syllable % 5]));
        rest /= 80;
        if rest == 0 {
            return;
        }
    }
}

/// Blocks of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Dataset {
    /// What everything is drawn from.
    pub seed: u64,
    /// Lines of a block; each is a record.
    pub records: u32,
    /// Different words, at most 80^4.
    pub vocabulary: u64,
}

/// Words of a line.
pub const WORDS: u64 = 10;

impl Dataset {
    /// A rank: of a vocabulary, each octave is as popular as any other, which is Zipf's law.
    fn rank(&self, draw: u64) -> u64 {
        let octaves = u64::from(u64::BITS - self.vocabulary.leading_zeros());
        let octave = (draw & 0xffff) % octaves;
        let first = 1_u64 << octave;
        let rank = first + (draw >> 16) % first;
        (rank - 1) % self.vocabulary
    }

    /// A line of a block.
    #[must_use]
    pub fn line(&self, block: u32, record: u32) -> String {
        let mut line = String::with_capacity(40);
        let of = mix(self.seed, u64::from(block) << 32 | u64::from(record));
        for word in 0..WORDS {
            if word > 0 {
                line.push(' ');
            }
            spell(self.rank(mix(of, word)), &mut line);
        }
        line
    }

    /// The number that the sort sorts a record by.
    #[must_use]
    pub const fn key(&self, block: u32, record: u32) -> u64 {
        mix(self.seed ^ 0x5047, (block as u64) << 32 | record as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_the_same_every_time_and_words_are_in_order() {
        let data = Dataset { seed: 1, records: 10, vocabulary: 1000 };
        let line = data.line(3, 4);
        assert_eq!(line, data.line(3, 4));
        assert_ne!(line, data.line(3, 5));
        assert_eq!(line.split(' ').count(), 10);
        assert!(line.split(' ').all(|word| unpack(pack(word)) == word && word.len() <= 8), "{line}");
        assert!(pack("ba") < pack("bab") && pack("bab") < pack("be"));
    }

    #[test]
    fn few_words_are_frequent() {
        let data = Dataset { seed: 1, records: 100, vocabulary: 1024 };
        let mut ranks = vec![0_u32; 1024];
        (0..10_000).for_each(|i| ranks[data.rank(mix(7, i)) as usize] += 1);
        assert!(ranks[0] > 700 && ranks[0] > 3 * ranks[5], "{:?}", &ranks[..6]);
        assert!(ranks.iter().filter(|n| **n > 0).count() > 500);
    }
}
