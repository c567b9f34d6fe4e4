//! Consecutive entries of a log, shared by the log, the messages, the other replicas' logs and every disk.

use core::hash::{Hash, Hasher};
use sim_core::hash;
use std::rc::Rc;

/// Some consecutive entries. Cloning copies a pointer.
#[derive(Debug)]
pub struct Slice<E> {
    batch: Option<Rc<[E]>>,
    start: u16,
    len: u16,
    bytes: u32,
    /// Of the entries, worked out once for all messages and disks.
    hash: u64,
}

// Not derived: a pointer can be copied whether or not the entries can.
impl<E> Clone for Slice<E> {
    fn clone(&self) -> Self {
        Self { batch: self.batch.clone(), ..*self }
    }
}

impl<E> Hash for Slice<E> {
    #[inline]
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.hash);
    }
}

impl<E: Hash> Slice<E> {
    /// These entries, which take `bytes` bytes.
    ///
    /// # Panics
    /// With more than [`Self::LONGEST`] entries.
    #[must_use]
    pub fn new(batch: Rc<[E]>, bytes: u32) -> Self {
        assert!(batch.len() <= Self::LONGEST, "{} entries in one batch, at most {}", batch.len(), Self::LONGEST);
        let len = batch.len() as u16;
        let hash = hash::content(&(&batch, bytes));
        Self { batch: Some(batch), start: 0, len, bytes, hash }
    }

    /// Entries `from..to` of these; `bytes` is the size of one.
    #[must_use]
    pub fn part(&self, from: usize, to: usize, bytes: impl Fn(&E) -> u32) -> Self {
        if from == 0 && to == self.len() {
            return self.clone();
        }
        let part = &self.entries()[from..to];
        let bytes = part.iter().map(bytes).sum();
        let hash = hash::content(&(part, bytes));
        Self { batch: self.batch.clone(), start: self.start + from as u16, len: (to - from) as u16, bytes, hash }
    }
}

impl<E> Slice<E> {
    /// No entries.
    pub const EMPTY: Self = Self { batch: None, start: 0, len: 0, bytes: 0, hash: 0 };
    /// Entries in one batch at most.
    pub const LONGEST: usize = u16::MAX as usize;

    /// The entries.
    #[must_use]
    pub fn entries(&self) -> &[E] {
        self.batch.as_ref().map_or(&[], |batch| &batch[usize::from(self.start)..usize::from(self.start + self.len)])
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Size on the wire and on disk, in bytes.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::contents::Told;

    #[test]
    fn slices_are_told_apart_by_all_that_they_hold() {
        let slice = |entries: &[u64], bytes| Slice::new(entries.into(), bytes);
        let three = slice(&[1, 2, 3], 24);
        let mut told = Told::new();
        told.add("nothing", &Slice::EMPTY);
        told.add("three entries", &three);
        told.add("another order", &slice(&[1, 3, 2], 24));
        told.add("another size", &slice(&[1, 2, 3], 25));
        told.add("the first two", &three.part(0, 2, |_| 8));
        told.add("the last two", &three.part(1, 3, |_| 8));
        assert_eq!(hash::content(&three.part(1, 2, |_| 8)), hash::content(&slice(&[2], 8)), "however it was made");
    }
}
