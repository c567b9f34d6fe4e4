//! The plainest contradiction, found without a search: somebody saw a state that had certainly been left for good.
//!
//! A crowd on one key makes the search exhaust every order before it can say no. A stale read needs none of that: all who
//! could make the state it saw had ended, then somebody left another one, and only then it began.

use super::{Makes, Op, Spec};
use crate::Instant;
use std::collections::BTreeMap;

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

/// All that could make one state, in the order in which they began.
#[derive(Default)]
struct Makers {
    /// When it began, and the one among it and those before it that ends last; `None` for the end of one that may take
    /// effect at any time.
    begun: Vec<(Instant, Ending)>,
}

/// When an operation ends, `None` for never, and its position.
type Ending = (Option<Instant>, usize);

fn later(a: Ending, b: Ending) -> Ending {
    match (a.0, b.0) {
        (None, _) => a,
        (_, None) => b,
        (Some(x), Some(y)) => {
            if x >= y {
                a
            } else {
                b
            }
        }
    }
}

impl Makers {
    /// Of those that began before `at`, the one that ends last.
    fn last_before(&self, at: Instant) -> Option<Ending> {
        let count = self.begun.partition_point(|(begun, _)| *begun <= at);
        count.checked_sub(1).map(|last| self.begun[last].1)
    }
}

/// Operations that certainly left a state: when they began, and the earliest end among those that began no earlier, of
/// two that left different states.
struct Certain {
    invoked: Vec<Instant>,
    /// For each, the two earliest ends from it on, of different states: `(end, position, state)`.
    earliest: Vec<[Option<(Instant, usize, usize)>; 2]>,
}

impl Certain {
    /// `left` are `(invoked, returned, position, state)`, in the order in which they began.
    fn new(left: &[(Instant, Instant, usize, usize)]) -> Self {
        let mut best: [Option<(Instant, usize, usize)>; 2] = [None, None];
        let mut earliest = vec![best; left.len()];
        for (i, (_, returned, position, state)) in left.iter().enumerate().rev() {
            let this = Some((*returned, *position, *state));
            let ends = |entry: Option<(Instant, usize, usize)>| entry.map(|(at, _, _)| at);
            let is_earlier = |than| ends(than).is_none_or(|at| *returned < at);
            if best[0].is_some_and(|(_, _, of)| of == *state) {
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
        Self { invoked: left.iter().map(|(invoked, ..)| *invoked).collect(), earliest }
    }

    /// One that began after `after` (at any time, if `None`), ended before `before`, and left another state than `state`.
    fn between(&self, after: Option<Instant>, before: Instant, state: usize) -> Option<usize> {
        let from = after.map_or(0, |after| self.invoked.partition_point(|invoked| *invoked <= after));
        let found = self.earliest.get(from)?.iter().flatten().find(|(_, _, left)| *left != state);
        found.filter(|(returned, ..)| *returned < before).map(|(_, position, _)| *position)
    }
}

/// The stale observation that was answered first; `None` if there is none, or if it is not known of every operation what
/// it makes. `ops` are sorted by invocation.
pub(super) fn stale<S: Spec>(part: &S::Part, ops: &[Op<'_, S>]) -> Option<Stale> {
    let mut numbers: BTreeMap<S::State, usize> = BTreeMap::new();
    let mut makers: Vec<Makers> = Vec::new();
    let mut number = |state: S::State, makers: &mut Vec<Makers>| {
        let next = numbers.len();
        let number = *numbers.entry(state).or_insert(next);
        if number == next {
            makers.push(Makers::default());
        }
        number
    };
    let start = number(S::start(part), &mut makers);
    let (mut saw, mut left) = (Vec::new(), Vec::new());
    for (position, op) in ops.iter().enumerate() {
        let needs = op.answered.and_then(|(_, answer)| S::needs(op.request, answer));
        let needs = needs.map(|state| number(state, &mut makers));
        let made = match S::makes(op.request)? {
            Makes::Nothing => None,
            Makes::State(_) if op.answered.is_some_and(|(_, answer)| S::observed_only(op.request, answer)) => None,
            Makes::State(state) => Some(number(state, &mut makers)),
        };
        let returned = op.answered.map(|(at, _)| at);
        if let Some(state) = made {
            let begun = &mut makers[state].begun;
            let last = begun.last().map_or((returned, position), |(_, last)| later(*last, (returned, position)));
            begun.push((op.invoked, last));
        }
        if let (Some(returned), Some(state)) = (returned, made.or(needs)) {
            left.push((op.invoked, returned, position, state));
        }
        if let (Some(returned), Some(state)) = (returned, needs) {
            // What it makes itself comes too late for it, but that is of no interest if it changes nothing.
            saw.push((returned, position, state));
        }
    }
    let certain = Certain::new(&left);
    saw.sort_unstable();
    saw.into_iter().find_map(|(returned, position, state)| {
        let invoked = ops[position].invoked;
        let (after, maker) = match makers[state].last_before(returned) {
            // Somebody may have made it just now.
            Some((None, _)) => return None,
            Some((Some(ended), _)) if ended >= invoked => return None,
            Some((Some(ended), maker)) => (Some(ended), Some(maker)),
            None if state != start => return Some(Stale { maker: None, over: None, saw: position }),
            None => (None, None),
        };
        let over = certain.between(after, invoked, state)?;
        Some(Stale { maker, over: Some(over), saw: position })
    })
}
