//! The streams of writes as seen from outside: which one continues which, and from where.

use super::data::{Position, StreamId};
use sim_core::sorted::SortedMap;

/// All streams of a run.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    /// Where each stream began: a place in another one, or nowhere.
    begins: SortedMap<StreamId, Position>,
}

impl Streams {
    /// `stream` begins after `after`.
    pub fn begin(&mut self, stream: StreamId, after: Position) {
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
                Some(before) if before.stream != StreamId(0) => {
                    at = Position { stream: before.stream, offset: before.offset.min(at.offset) };
                }
                _ => return false,
            }
        }
    }

    /// The stream that everything in `stream` goes back to: one for each shard.
    #[must_use]
    pub fn root(&self, mut stream: StreamId) -> StreamId {
        while let Some(before) = self.begins.get(&stream).filter(|before| before.stream != StreamId(0)) {
            stream = before.stream;
        }
        stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(stream: u64, offset: u64) -> Position {
        Position { stream: StreamId(stream), offset }
    }

    #[test]
    fn what_is_behind_the_fork_is_not_held() {
        let mut streams = Streams::default();
        streams.begin(StreamId(1), at(0, 0));
        streams.begin(StreamId(2), at(1, 10));
        streams.begin(StreamId(3), at(2, 15));
        assert!(streams.holds(at(3, 20), at(1, 10)) && !streams.holds(at(3, 20), at(1, 11)));
        assert!(streams.holds(at(3, 20), at(2, 15)) && !streams.holds(at(3, 20), at(2, 16)));
        assert!(streams.holds(at(3, 20), at(3, 20)) && !streams.holds(at(3, 20), at(3, 21)));
        assert!(!streams.holds(at(3, 20), at(7, 1)));
        let root = |stream| streams.root(StreamId(stream)).0;
        assert_eq!((root(3), root(9)), (1, 9));
    }
}
