//! What a node holds: keys by slot, and where in which stream of writes it stands.

use super::slots::slot_of;
use core::fmt;
use serde::Serialize;
use sim_core::sorted::SortedMap;

crate::shared::number::numbers! {
    /// Names a stream of writes, drawn at random; 0 is none.
    StreamId;
}

/// A place in a stream of writes. Every primary begins a stream of its own, at the place where it left the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Hash)]
pub struct Position {
    /// Which stream; 0 for none.
    pub stream: StreamId,
    /// How many writes were made, in it and in those it continues.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {:04x}", self.offset, self.stream.0 & 0xffff)
    }
}

/// A key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cell {
    /// The number that was written.
    pub number: u64,
    /// Its size, in bytes.
    pub size: u32,
    /// Where it was written.
    pub at: Position,
}

/// One write in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The key.
    pub key: u64,
    /// Its new value.
    pub cell: Cell,
}

/// Keys and values, by slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Data {
    cells: SortedMap<(u16, u64), Cell>,
}

impl Data {
    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: u64) -> Option<&Cell> {
        self.cells.get(&(slot_of(key), key))
    }

    /// Carries out a write.
    pub fn set(&mut self, entry: &Entry) {
        self.cells.insert((slot_of(entry.key), entry.key), entry.cell);
    }

    /// Drops the keys of `slot`.
    pub fn clear(&mut self, slot: u16) {
        while let Some(key) = self.cells.range((slot, 0)..=(slot, u64::MAX)).next().map(|(key, _)| *key) {
            self.cells.remove(&key);
        }
    }

    /// All keys with their values, by slot.
    pub fn iter(&self) -> impl Iterator<Item = (u16, u64, &Cell)> {
        self.cells.iter().map(|((slot, key), cell)| (*slot, *key, cell))
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Size of keys and values, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.cells.values().map(|cell| 24 + u64::from(cell.size)).sum()
    }
}
