//! Where events wait while only their keys are in the queue.

/// A slab: values by small reusable numbers.
#[derive(Clone, Debug)]
pub(crate) struct Slab<T> {
    slots: Vec<Slot<T>>,
    /// The slot that was freed last; `NONE` if all are full.
    free: u32,
}

/// The free ones are a list through the slab itself: one that is taken and filled again is touched nowhere else.
#[derive(Clone, Debug)]
enum Slot<T> {
    Full(T),
    Free(u32),
}

const NONE: u32 = u32::MAX;

impl<T> Slab<T> {
    /// More would not fit the 23 bits a queue key has for the slot.
    const LIMIT: usize = 1 << 23;

    pub const fn new() -> Self {
        Self { slots: Vec::new(), free: NONE }
    }

    #[inline(always)]
    pub fn insert(&mut self, value: T) -> u32 {
        // Nothing but the slot takes the value: it is put together there, and not on the stack first.
        if self.free == NONE {
            self.grow();
        }
        let slot = self.free;
        let place = &mut self.slots[slot as usize];
        let Slot::Free(next) = *place else { unreachable!("the list of free slots leads to a full one") };
        self.free = next;
        *place = Slot::Full(value);
        slot
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let slot = self.slots.len();
        assert!(slot < Self::LIMIT, "more than {} events are pending at once", Self::LIMIT);
        self.slots.push(Slot::Free(NONE));
        self.free = slot as u32;
    }

    #[inline(always)]
    pub fn take(&mut self, slot: u32) -> T {
        let taken = core::mem::replace(&mut self.slots[slot as usize], Slot::Free(self.free));
        self.free = slot;
        match taken {
            Slot::Full(value) => value,
            Slot::Free(_) => unreachable!("a queue key points at an empty slot"),
        }
    }

    /// What is in a full slot.
    pub fn get(&self, slot: u32) -> &T {
        match &self.slots[slot as usize] {
            Slot::Full(value) => value,
            Slot::Free(_) => unreachable!("slot {slot} is empty"),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Full(value) => Some(value),
            Slot::Free(_) => None,
        })
    }
}
