//! The plainest contradiction, found without a search: somebody saw a state that had certainly been left for good.
//!
//! A crowd on one key makes the search exhaust every order before it can say no. A stale read needs none of that: all
//! who could make the state it saw had ended, then somebody left another one, and only then it began.

use super::{Makes, Op, Spec};
use crate::Instant;
use crate::sorted::SortedMap;

/// Three operations that explain a contradiction, as positions in the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stale {
    /// The last of those that could make the state that was seen; `None` if only the beginning had it.
    pub maker: Option<usize>,
    /// Left another state after all of them had ended; `None` if nobody ever could make it.
    pub over: Option<usize>,
    /// Saw it all the same.
    pub saw: usize,
}

impl Stale {
    /// What came before it, in the order of time.
    pub fn before(self) -> impl Iterator<Item = usize> {
        [self.maker, self.over].into_iter().flatten()
    }
}

/// All that could make a state.
struct Makers {
    /// State, position, and of those of the same state up to here the position of the one that ends last; by state, and
    /// then in the order in which they began.
    made: Vec<(u32, u32, u32)>,
}

/// When an operation ends; `None` for one that may take effect at any time.
fn end<S: Spec>(ops: &[Op<'_, S>], position: u32) -> Option<Instant> {
    ops[position as usize].answered.map(|(at, _)| at)
}

impl Makers {
    /// `made` are states and positions.
    fn new<S: Spec>(ops: &[Op<'_, S>], mut made: Vec<(u32, u32, u32)>) -> Self {
        made.sort_unstable();
        for i in 1..made.len() {
            let ((of, _, last), (state, position, _)) = (made[i - 1], made[i]);
            let is_later = match (end(ops, last), end(ops, position)) {
                (None, _) => false,
                (_, None) => true,
                (Some(before), Some(end)) => before < end,
            };
            if of == state && !is_later {
                made[i].2 = last;
            }
        }
        Self { made }
    }

    /// Of those of a state that began before `at`, the one that ends last.
    fn last_before<S: Spec>(&self, ops: &[Op<'_, S>], state: u32, at: Instant) -> Option<u32> {
        let after = |(of, position, _): &(u32, u32, u32)| (*of, ops[*position as usize].invoked) <= (state, at);
        let before = self.made.partition_point(after).checked_sub(1)?;
        let (of, _, last) = self.made[before];
        (of == state).then_some(last)
    }
}

/// Operations that certainly left a state.
struct Certain {
    /// Positions and states, in the order in which they began.
    left: Vec<(u32, u32)>,
    /// For each, of those that began no earlier the two with the earliest ends that left different states: places in
    /// `left`, or `NONE`.
    earliest: Vec<[u32; 2]>,
}

const NONE: u32 = u32::MAX;

impl Certain {
    fn new<S: Spec>(ops: &[Op<'_, S>], left: Vec<(u32, u32)>) -> Self {
        let mut best = [NONE; 2];
        let mut earliest = vec![best; left.len()];
        let returned = |i: u32| end(ops, left[i as usize].0);
        for (i, (_, state)) in left.iter().enumerate().rev() {
            let this = i as u32;
            let is_earlier = |than: u32| than == NONE || returned(this) < returned(than);
            if best[0] != NONE && left[best[0] as usize].1 == *state {
                if is_earlier(best[0]) {
                    best[0] = this;
                }
            } else if is_earlier(best[0]) {
                best = [this, best[0]];
            } else if is_earlier(best[1]) {
                best[1] = this;
            }
            earliest[i] = best;
        }
        Self { left, earliest }
    }

    /// One that began after `after` (at any time, if `None`), ended before `before`, and left another state than
    /// `state`.
    fn between<S: Spec>(&self, ops: &[Op<'_, S>], after: Option<Instant>, before: Instant, state: u32) -> Option<u32> {
        let began =
            |after: Instant| self.left.partition_point(|(position, _)| ops[*position as usize].invoked <= after);
        let earliest = self.earliest.get(after.map_or(0, began))?;
        let mut others = earliest.iter().filter(|i| **i != NONE).map(|i| self.left[*i as usize]);
        let (position, _) = others.find(|(_, left)| *left != state)?;
        end(ops, position).is_some_and(|at| at < before).then_some(position)
    }
}

/// The stale observation that was answered first; `None` if there is none, or if it is not known of every operation
/// what it makes. `ops` are sorted by invocation.
pub(super) fn stale<S: Spec>(part: &S::Part, ops: &[Op<'_, S>]) -> Option<Stale> {
    let mut numbers: SortedMap<S::State, u32> = SortedMap::new();
    let mut number = |state: S::State| {
        let next = numbers.len() as u32;
        *numbers.entry(state).or_insert(next)
    };
    let start = number(S::start(part));
    let (mut made, mut saw, mut left) = (Vec::new(), Vec::new(), Vec::new());
    for (position, op) in (0..).zip(ops) {
        let needs = op.answered.and_then(|(_, answer)| S::needs(op.request, answer)).map(&mut number);
        let makes = match S::makes(op.request)? {
            Makes::Nothing => None,
            Makes::State(_) if op.answered.is_some_and(|(_, answer)| S::observed_only(op.request, answer)) => None,
            Makes::State(state) => Some(number(state)),
        };
        made.extend(makes.map(|state| (state, position, position)));
        if let Some((returned, _)) = op.answered {
            left.extend(makes.or(needs).map(|state| (position, state)));
            // What it makes itself comes too late for it, but that is of no interest if it changes nothing.
            saw.extend(needs.map(|state| (returned, position, state)));
        }
    }
    drop(numbers);
    let (makers, certain) = (Makers::new(ops, made), Certain::new(ops, left));
    saw.sort_unstable();
    let stale = |(returned, position, state): (Instant, u32, u32)| {
        let invoked = ops[position as usize].invoked;
        let saw = position as usize;
        let maker = makers.last_before(ops, state, returned);
        let after = match maker {
            // Somebody may have made it just now.
            Some(maker) => Some(end(ops, maker).filter(|ended| *ended < invoked)?),
            None if state != start => return Some(Stale { maker: None, over: None, saw }),
            None => None,
        };
        let over = certain.between(ops, after, invoked, state)?;
        Some(Stale { maker: maker.map(|maker| maker as usize), over: Some(over as usize), saw })
    };
    saw.into_iter().find_map(stale)
}
