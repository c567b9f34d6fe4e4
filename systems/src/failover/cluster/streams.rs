//! The streams of writes as seen from outside: which one continues which, and from where.

use super::data::Position;
use std::collections::BTreeMap;

/// All streams of a run.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    /// Where each stream began: a place in another one, or nowhere.
    begins: BTreeMap<u64, Position>,
}

impl Streams {
    /// `stream` begins after `after`.
    pub fn begin(&mut self, stream: u64, after: Position) {
        self.begins.insert(stream, after);
    }

    /// Whether what was written at `write` is part of what a node has that stands at `at`.
    #[must_use]
    pub fn holds(&self, mut at: Position, write: Position) -> bool {
        loop {
            if at.stream == write.stream {
                return write.offset <= at.offset;
            }
            // A stream that begins nowhere ends the search.
            match self.begins.get(&at.stream) {
                Some(before) if before.stream != 0 => {
                    at = Position { stream: before.stream, offset: before.offset.min(at.offset) };
                }
                _ => return false,
            }
        }
    }

    /// The stream that everything in `stream` goes back to: one for each shard.
    #[must_use]
    pub fn root(&self, mut stream: u64) -> u64 {
        while let Some(before) = self.begins.get(&stream).filter(|before| before.stream != 0) {
            stream = before.stream;
        }
        stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(stream: u64, offset: u64) -> Position {
        Position { stream, offset }
    }

    #[test]
    fn what_is_behind_the_fork_is_not_held() {
        let mut streams = Streams::default();
        streams.begin(1, at(0, 0));
        streams.begin(2, at(1, 10));
        streams.begin(3, at(2, 15));
        assert!(streams.holds(at(3, 20), at(1, 10)) && !streams.holds(at(3, 20), at(1, 11)));
        assert!(streams.holds(at(3, 20), at(2, 15)) && !streams.holds(at(3, 20), at(2, 16)));
        assert!(streams.holds(at(3, 20), at(3, 20)) && !streams.holds(at(3, 20), at(3, 21)));
        assert!(!streams.holds(at(3, 20), at(7, 1)));
        assert_eq!((streams.root(3), streams.root(9)), (1, 9));
    }
}
