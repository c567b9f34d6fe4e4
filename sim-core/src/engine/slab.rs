//! Where events wait while only their keys are in the queue.

/// A slab: values by small reusable numbers.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    /// More would not fit the 23 bits a queue key has for the slot.
    const LIMIT: usize = 1 << 23;

    pub const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    #[inline]
    pub fn insert(&mut self, value: T) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.slots[slot as usize] = Some(value);
            return slot;
        }
        let slot = self.slots.len();
        assert!(slot < Self::LIMIT, "more than {} events are pending at once", Self::LIMIT);
        self.slots.push(Some(value));
        slot as u32
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten()
    }

    #[inline]
    pub fn take(&mut self, slot: u32) -> T {
        let value = self.slots[slot as usize].take().expect("a queue key points at an empty slot");
        self.free.push(slot);
        value
    }
}
