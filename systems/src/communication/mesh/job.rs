//! What a replica has taken and not answered.

use super::message::{Header, Made, Span};
use crate::communication::balancing::{RequestNumber, TryNumber};
use sim_core::{LocalInstant, NodeId};

crate::shared::number::numbers! {
    /// A machine's own number for something it has taken: the place in the lower half, a count in the upper half.
    JobNumber;
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits for a slot.
    Waits,
    /// A slot works on it.
    Works(u16),
    /// It waits for calls of this step, and holds a slot.
    Calls {
        slot: u16,
        step: u16,
        /// So many that must be answered.
        open: u16,
    },
}

/// A try of a call that a replica has taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Job {
    pub from: NodeId,
    pub route: u16,
    pub id: TryNumber,
    pub request: RequestNumber,
    pub span: Span,
    pub header: Header,
    /// When nobody waits for it any more.
    pub expires: Option<LocalInstant>,
    pub stage: Stage,
    /// The oldest answer that it goes back to, and when that was made at the latest, as far as one can tell.
    pub made: Option<(Span, LocalInstant)>,
}

impl Job {
    /// It rests on this answer, too, which was asked for at `began`: it is older than that by its age at least.
    pub fn rests_on(&mut self, made: Made, began: LocalInstant) {
        let at = LocalInstant(began.0.saturating_sub(made.age.0));
        if self.made.is_none_or(|(_, before)| at < before) {
            self.made = Some((made.by, at));
        }
    }
}

/// Values that are found by numbers.
#[derive(Clone, Debug)]
pub(super) struct Slab<T> {
    all: Vec<Option<(JobNumber, T)>>,
    free: Vec<u32>,
    newest: u32,
}

impl<T> Slab<T> {
    pub const fn new() -> Self {
        Self { all: Vec::new(), free: Vec::new(), newest: 0 }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.all.len() - self.free.len()
    }

    pub fn add(&mut self, value: T) -> JobNumber {
        self.newest = self.newest.wrapping_add(1);
        let place = self.free.pop().unwrap_or(self.all.len() as u32);
        let number = JobNumber(u64::from(self.newest) << 32 | u64::from(place));
        match self.all.get_mut(place as usize) {
            Some(free) => *free = Some((number, value)),
            None => self.all.push(Some((number, value))),
        }
        number
    }

    pub fn get_mut(&mut self, number: JobNumber) -> Option<&mut T> {
        let found = self.all.get_mut(number.0 as u32 as usize)?.as_mut();
        found.filter(|(known, _)| *known == number).map(|(_, value)| value)
    }

    pub fn take(&mut self, number: JobNumber) -> Option<T> {
        let found = self.all.get_mut(number.0 as u32 as usize)?.take_if(|(known, _)| *known == number)?;
        self.free.push(number.0 as u32);
        Some(found.1)
    }

    pub fn iter(&self) -> impl Iterator<Item = (JobNumber, &T)> {
        self.all.iter().flatten().map(|(number, value)| (*number, value))
    }
}
