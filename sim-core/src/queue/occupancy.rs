//! Which buckets of a ring hold something: a bitmap with a summary above it, so that empty stretches cost nothing.

/// A bit per bucket, and a summary bit per 64 of them. The number of buckets is a power of two, at least 64.
#[derive(Clone, Debug)]
pub(super) struct Occupancy {
    words: Vec<u64>,
    summary: Vec<u64>,
}

impl Occupancy {
    pub(super) fn new(buckets: usize) -> Self {
        let words = buckets / 64;
        Self { words: vec![0; words], summary: vec![0; words.div_ceil(64)] }
    }

    #[inline(always)]
    pub(super) fn set(&mut self, bucket: usize) {
        let word = bucket / 64;
        let bits = &mut self.words[word];
        if *bits == 0 {
            self.summary[word / 64] |= 1 << (word % 64);
        }
        *bits |= 1 << (bucket % 64);
    }

    #[inline(always)]
    pub(super) fn unset(&mut self, bucket: usize) {
        let word = bucket / 64;
        self.words[word] &= !(1 << (bucket % 64));
        if self.words[word] == 0 {
            self.summary[word / 64] &= !(1 << (word % 64));
        }
    }

    /// The first occupied bucket at or after `from`, going round. Something must be occupied.
    #[inline(always)]
    pub(super) fn next(&self, from: usize) -> usize {
        let word = from / 64;
        let here = self.words[word] & (u64::MAX << (from % 64));
        if here != 0 {
            return word * 64 + here.trailing_zeros() as usize;
        }
        self.next_word(word)
    }

    /// The first occupied bucket in the words after `word`, going round to `word` itself.
    #[inline(never)]
    fn next_word(&self, word: usize) -> usize {
        let block = word / 64;
        // Two shifts, because one by 64 would be none at all.
        let mut here = self.summary[block] & (u64::MAX << (word % 64) << 1);
        let mut at = block;
        let mut turns = 0;
        while here == 0 {
            assert!(turns <= self.summary.len(), "searched all {} words of an empty ring", self.words.len());
            at = if at + 1 == self.summary.len() { 0 } else { at + 1 };
            here = self.summary[at];
            turns += 1;
        }
        let word = at * 64 + here.trailing_zeros() as usize;
        word * 64 + self.words[word].trailing_zeros() as usize
    }
}
