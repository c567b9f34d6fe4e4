//! Maps and sets in the order of their keys, as `std`'s `BTreeMap` and `BTreeSet` are, that compile in a tenth of the time.
//!
//! Every pair of key and value of a tree compiles the whole tree anew, some 9,000 lines of intermediate code, and systems keep
//! four hundred such pairs: half of what the compiler had to do for them was trees. A list of short sorted lists does the
//! same with a twentieth of the code. Finding is two binary searches; putting in and taking out moves at most
//! one short list and the list of lists, which for a million entries is 15,000 long. It is meant for what a node, a client
//! or a rule keeps, and is named like its model so that who knows one knows the other.

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
