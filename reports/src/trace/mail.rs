//! Messages under way: what a delivery needs to know of its sending.

use super::Line;
use std::collections::{BTreeMap, VecDeque};

/// Messages remembered for each sender; one that is delivered after so many later ones has been forgotten.
const KEPT: usize = 20_000;

/// A message that was sent.
#[derive(Clone, Debug)]
pub(super) struct Letter<T> {
    pub sent_ns: u64,
    pub detail: String,
    pub more: T,
}

/// What was sent, by sender and number.
#[derive(Clone, Debug)]
pub(super) struct Mail<T>(BTreeMap<String, VecDeque<(u64, Letter<T>)>>);

impl<T> Mail<T> {
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Takes in a `sent` line.
    pub fn send(&mut self, line: &Line, more: T) {
        let (Some(from), Some(id)) = (&line.from, line.id) else { return };
        if !self.0.contains_key(from) {
            self.0.insert(from.clone(), VecDeque::new());
        }
        let Some(of) = self.0.get_mut(from) else { return };
        if of.len() == KEPT {
            of.pop_front();
        }
        let detail = line.detail.clone().unwrap_or_default();
        of.push_back((id, Letter { sent_ns: line.at_ns, detail, more }));
    }

    /// The sending of what this line delivers or drops. It stays: a link may deliver a message twice.
    pub fn of(&self, line: &Line) -> Option<&Letter<T>> {
        let (from, id) = (line.from.as_ref()?, line.id?);
        let of = self.0.get(from)?;
        // A sender's numbers are consecutive.
        let place = usize::try_from(id.checked_sub(of.front()?.0)?).ok()?;
        of.get(place).filter(|(number, _)| *number == id).map(|(_, letter)| letter)
    }
}
