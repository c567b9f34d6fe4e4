//! A compact set of operations: the memory of where a search has been is made of these.

/// A set of operations of which, in the order of their numbers, nearly all of the first and none of the last are in:
/// everything below `base`, and some of the words above it.
#[derive(Debug, Default, Hash)]
pub(super) struct Window {
    base: usize,
    words: Vec<u64>,
}

impl Window {
    pub fn set(&mut self, i: usize, on: bool) {
        if i < self.base {
            // Only ever to take back what closed the window's first words: open them again.
            let back = (self.base - i).div_ceil(64);
            self.words.splice(0..0, core::iter::repeat_n(u64::MAX, back));
            self.base -= back * 64;
        }
        let (word, bit) = ((i - self.base) / 64, (i - self.base) % 64);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if on {
            self.words[word] |= 1 << bit;
        } else {
            self.words[word] &= !(1 << bit);
        }
        let full = self.words.iter().take_while(|w| **w == u64::MAX).count();
        self.words.drain(..full);
        self.base += full * 64;
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }
}
