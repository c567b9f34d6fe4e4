//! Operations of a queue that nobody could tell apart: of those that could come now, the one that has to come first
//! does.

use super::{Op, Passage, Spec};
use crate::Instant;
use crate::sorted::SortedMap;

/// Which operations ask the same and were answered the same, in a part that is a queue.
///
/// If an order takes one of them now, and later another one that could have come now and must come no later, then the
/// two can change places: nothing else notices. So only one of them need be tried.
pub(super) struct Alike {
    /// For each operation, the number of its kind.
    kinds: Vec<u32>,
    /// For each operation, between which others it lies.
    spans: Vec<Span>,
    /// For each kind that is among the candidates, at which place; empty between two questions.
    places: SortedMap<u32, usize>,
}

impl Alike {
    /// `None` if there are no two of a kind, or if it is no queue.
    pub fn of<S: Spec>(ops: &[Op<'_, S>]) -> Option<Self> {
        let mut numbers: SortedMap<(Passage<'_>, bool), u32> = SortedMap::new();
        let mut kinds = Vec::with_capacity(ops.len());
        for op in ops {
            let passage = S::passage(op.request, op.answered.map(|(_, answer)| answer))?;
            let next = numbers.len() as u32;
            kinds.push(*numbers.entry((passage, op.answered.is_some())).or_insert(next));
        }
        (numbers.len() < ops.len()).then(|| Self { kinds, spans: spans(ops), places: SortedMap::new() })
    }

    /// Leaves one of each kind among the `candidates` from that place on: the one that has to come first.
    pub fn thin(&mut self, candidates: &mut Vec<usize>, from: usize) {
        let mut kept = from;
        for i in from..candidates.len() {
            let op = candidates[i];
            match self.places.get(&self.kinds[op]).copied() {
                Some(place) if self.spans[op].comes_before(self.spans[candidates[place]]) => candidates[place] = op,
                Some(_) => {}
                None => {
                    self.places.insert(self.kinds[op], kept);
                    candidates[kept] = op;
                    kept += 1;
                }
            }
        }
        candidates.truncate(kept);
        self.places.clear();
    }
}

/// Between which other operations one lies: all that an order has to respect of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    /// How many had ended when it began.
    pub after: usize,
    /// How many had begun when it ended; `usize::MAX` if it never did.
    pub before: usize,
    op: usize,
}

impl Span {
    /// Of two that could both come now, whether this one comes first.
    fn comes_before(self, other: Self) -> bool {
        (self.before, self.after, self.op) < (other.before, other.after, other.op)
    }
}

/// The spans of all operations.
pub(super) fn spans<S: Spec>(ops: &[Op<'_, S>]) -> Vec<Span> {
    let mut begun: Vec<Instant> = ops.iter().map(|op| op.invoked).collect();
    let mut ended: Vec<Instant> = ops.iter().filter_map(|op| op.answered.map(|(at, _)| at)).collect();
    begun.sort_unstable();
    ended.sort_unstable();
    let span = |(i, op): (usize, &Op<'_, S>)| Span {
        after: ended.partition_point(|at| *at < op.invoked),
        before: op.answered.map_or(usize::MAX, |(end, _)| begun.partition_point(|at| *at <= end)),
        op: i,
    };
    ops.iter().enumerate().map(span).collect()
}

/// Puts operations that are alike into the order in which they can be taken to come; `None` if one lies within another,
/// so that either may have to come first.
pub(super) fn in_turn(spans: &[Span], alike: &[usize]) -> Option<Vec<usize>> {
    let mut turns: Vec<Span> = alike.iter().map(|op| spans[*op]).collect();
    turns.sort_unstable();
    turns.is_sorted_by_key(|span| span.before).then(|| turns.iter().map(|span| span.op).collect())
}
