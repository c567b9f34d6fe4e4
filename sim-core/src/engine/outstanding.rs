//! A client's operations that have not ended. There may be a million of them, so whoever wants one names it: each look
//! is counted, that a test can tell whether an event costs more where more of them wait.

use std::collections::VecDeque;

/// Operations by number.
#[derive(Clone, Debug)]
pub(super) struct Outstanding<T> {
    /// Operations from number `base` on; `None` where one has ended before an older one.
    slots: VecDeque<Option<T>>,
    base: u64,
    looks: u64,
}

impl<T> Default for Outstanding<T> {
    fn default() -> Self {
        Self { slots: VecDeque::new(), base: 0, looks: 0 }
    }
}

impl<T> Outstanding<T> {
    /// The number of the oldest, or of the next to begin if there is none.
    pub const fn base(&self) -> u64 {
        self.base
    }

    /// The number of the next to begin.
    pub fn next(&self) -> u64 {
        self.base + self.slots.len() as u64
    }

    /// The next begins.
    pub fn begin(&mut self, operation: T) {
        self.slots.push_back(Some(operation));
    }

    /// The one with this number, unless it has ended.
    #[inline]
    pub fn get(&mut self, op: u64) -> Option<&mut T> {
        self.looks += 1;
        let at = usize::try_from(op.checked_sub(self.base)?).ok()?;
        self.slots.get_mut(at)?.as_mut()
    }

    /// It ends.
    pub fn end(&mut self, op: u64) -> Option<T> {
        let at = usize::try_from(op.checked_sub(self.base)?).ok()?;
        let ended = self.slots.get_mut(at)?.take();
        while matches!(self.slots.front(), Some(None)) {
            self.slots.pop_front();
            self.base += 1;
        }
        ended
    }

    /// The numbers of all, each of which is looked at.
    pub fn numbers(&mut self) -> Vec<u64> {
        self.looks += self.slots.len() as u64;
        (self.base..).zip(&self.slots).filter(|(_, slot)| slot.is_some()).map(|(op, _)| op).collect()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// How often one of them was looked at.
    pub const fn looks(&self) -> u64 {
        self.looks
    }
}
