//! Maps and sets in the order of their keys, like `BTreeMap` and `BTreeSet`, that cost the compiler little.
//!
//! Every pair of a key and a value compiles the whole tree of `std` anew, some 8,000 lines of intermediate code. Here
//! systems keep four hundred such pairs: 3.3 of the 7.0 million lines that they gave the compiler were trees. A list
//! of short sorted lists does the same with little code, and storms run 5 to 14 % faster on it (`raft/chaos`,
//! `queue/chaos`). Finding is two binary searches; putting in and taking out moves at most one short list and the list
//! of lists, which for a million entries is some 30,000 long. Names are those of `std`: who knows one knows the other.

mod entry;
mod iter;
mod map;
mod set;
#[cfg(test)]
mod tests;

pub use entry::{Entry, OccupiedEntry, VacantEntry};
pub use iter::{IntoIter, Iter, IterMut, Keys, Range, RangeMut, Values, ValuesMut};
pub use map::SortedMap;
pub use set::{Elements, SortedSet};
