//! Looking ahead in a queue: what comes out came in, and, if it is first in, first out, in the same order.

use super::alike::{in_turn, spans};
use super::{Op, Passage, Spec};
use crate::Instant;
use crate::sorted::SortedMap;

/// What is still to come into a queue, and when that comes out, in a part in which it is known of equal elements which
/// comes in first, as far as that makes a difference.
pub(super) struct Lane {
    /// What each operation does.
    steps: Vec<Step>,
    /// When elements that come out are out, in that order, and whether they are still to come in.
    out: Vec<(Instant, bool)>,
    /// The first of them that is still to come in.
    next: usize,
    /// Whether elements that nobody took out stay in, and nobody looks whether there are any.
    are_forgotten: bool,
    /// Whether elements come out in any order.
    overtakes: bool,
    /// Whether something came out that never came in, or twice, or nothing was found where something must have been.
    is_broken: bool,
}

#[derive(Clone, Copy)]
enum Step {
    /// An element comes in that comes out: its place in `out`, and when it begins to come out.
    Passes(usize, Instant),
    /// An element comes in that nobody is known to have taken out.
    Stays,
    /// A known element comes out.
    Leaves,
    /// Something comes out, or nothing.
    Other,
}

impl Lane {
    pub fn of<S: Spec>(ops: &[Op<'_, S>]) -> Option<Self> {
        let (mut enters, mut leaves) = (SortedMap::<_, Vec<usize>>::new(), SortedMap::<_, Vec<usize>>::new());
        let (mut found_none, mut some_unknown) = (Vec::new(), false);
        let mut this = Self {
            steps: Vec::new(),
            out: Vec::new(),
            next: 0,
            are_forgotten: true,
            overtakes: S::overtakes(),
            is_broken: false,
        };
        for (i, op) in ops.iter().enumerate() {
            match S::passage(op.request, op.answered.map(|(_, answer)| answer))? {
                Passage::Enters(element) => {
                    enters.entry(element).or_default().push(i);
                    this.steps.push(Step::Stays);
                }
                Passage::Leaves(element) => {
                    leaves.entry(element).or_default().push(i);
                    this.steps.push(Step::Leaves);
                }
                other @ (Passage::FindsNone | Passage::Unknown | Passage::Drains) => {
                    this.are_forgotten = false;
                    this.steps.push(Step::Other);
                    match other {
                        Passage::FindsNone => found_none.push(i),
                        _ => some_unknown = true,
                    }
                }
            }
        }
        // Of equal elements, the first to come in is the first to come out: any that come out are equal, too. But
        // nobody knows which of them is gone that somebody took out without being told.
        if some_unknown && enters.values().any(|enter| enter.len() > 1) {
            return None;
        }
        let spans = spans(ops);
        let mut pairs: Vec<(usize, Option<usize>)> = Vec::new();
        for (element, enter) in &enters {
            let leave = leaves.remove(element).unwrap_or_default();
            this.is_broken |= leave.len() > enter.len();
            let leave = in_turn(&spans, &leave)?.into_iter().map(Some).chain(core::iter::repeat(None));
            pairs.extend(in_turn(&spans, enter)?.into_iter().zip(leave));
        }
        this.is_broken |= !leaves.is_empty();
        let ends = |i: usize| ops[i].answered.map(|(at, _)| at);
        // In before somebody looked, and out, if ever, only after: then it was in. Of those that came in before, the
        // one that stays longest counts.
        let stays = |out: Option<usize>| out.map_or(Instant(u64::MAX), |out| ops[out].invoked);
        let mut in_until: Vec<(Instant, Instant)> =
            pairs.iter().filter_map(|(i, out)| Some((ends(*i)?, stays(*out)))).collect();
        in_until.sort_unstable();
        let mut longest = Instant(0);
        for (_, until) in &mut in_until {
            longest = longest.max(*until);
            *until = longest;
        }
        let was_in = |looks: usize| {
            let before = in_until.partition_point(|(came, _)| *came < ops[looks].invoked);
            before > 0 && ends(looks).is_some_and(|looked| in_until[before - 1].1 > looked)
        };
        this.is_broken |= !some_unknown && found_none.into_iter().any(was_in);
        let mut passing: Vec<(Option<Instant>, usize, usize)> =
            pairs.into_iter().filter_map(|(i, out)| out.map(|out| (ends(out), i, out))).collect();
        passing.sort_unstable();
        for (place, (ends, i, out)) in passing.into_iter().enumerate() {
            this.steps[i] = Step::Passes(place, ops[out].invoked);
            this.out.push((ends?, true));
        }
        Some(this)
    }

    /// The operation is left to be ordered (again), or has been.
    pub fn count(&mut self, op: usize, left: bool) {
        let Step::Passes(place, _) = self.steps[op] else { return };
        self.out[place].1 = left;
        if left {
            self.next = self.next.min(place);
        } else {
            while self.out.get(self.next).is_some_and(|(_, left)| !*left) {
                self.next += 1;
            }
        }
    }

    /// Whether the operation may come now: nothing may come in before what was out before it began to come out.
    pub fn allows(&self, op: usize) -> bool {
        let first = self.out.get(self.next).map(|(ends, _)| *ends);
        match (self.is_broken, self.steps[op], first) {
            (true, ..) => false,
            _ if self.overtakes => true,
            (_, Step::Passes(_, begins), Some(first)) => first >= begins,
            (_, Step::Stays, Some(_)) => !self.are_forgotten,
            _ => true,
        }
    }

    /// Whether the operation, if it fits now, loses nothing by coming now: what is first in a queue comes out before
    /// anything else does, and what stays at its end is in nobody's way, and nothing is where elements overtake.
    pub fn welcomes(&self, op: usize) -> bool {
        match self.steps[op] {
            Step::Leaves => true,
            Step::Stays => self.are_forgotten && self.allows(op),
            Step::Passes(..) => self.overtakes && self.are_forgotten,
            Step::Other => false,
        }
    }
}
