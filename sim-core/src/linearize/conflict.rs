//! Why there is no order: the few operations of a part that already contradict each other.

use super::search::{Effort, Found, search};
use super::stale::stale;
use super::{Observed, Op, Spec, ahead::Ahead};
use crate::{Instant, Outcome};
use core::cell::Cell;

/// The smallest set of operations found that has no order, as indices into `history`, the one whose answer is
/// the last straw at the end. Only the operations of one part may be given.
///
/// Everything left out is left out soundly: what began after the last straw, an answer that came after it (the
/// operation may then have happened or not), and whatever changed nothing, or nothing that anybody saw. So if the rest
/// has no order, neither has the whole. Each attempt visits at most `budget` states; one that runs out counts as having
/// an order, which only makes the set larger.
///
/// Gives nothing if `go_on`, asked now and then, says no before it is known which operation is the last straw, and a
/// larger set if it says so later.
pub fn conflict<'a, S: Spec + 'a>(
    history: impl IntoIterator<Item = Observed<'a, S>>,
    budget: u64,
    go_on: &mut dyn FnMut() -> bool,
) -> Vec<usize> {
    let mut ops: Vec<Op<'_, S>> = history.into_iter().enumerate().filter_map(|(i, row)| Op::of(i, row)).collect();
    ops.sort_by_key(|op| (op.invoked, op.index));
    let Some(part) = ops.first().map(|op| S::part(op.request)) else { return Vec::new() };
    // A crowd leaves no smaller set that is complete: all who could make the state that was seen belong to it. The last
    // of them stands for the others, which had ended before it.
    if let Some(stale) = stale(&part, &ops) {
        return stale.before().chain([stale.saw]).map(|position| ops[position].index).collect();
    }
    let stopped = Cell::new(false);
    let mut fails = |ops: &[Op<'_, S>]| {
        let mut effort = Effort::new(budget, go_on);
        effort.stopped = stopped.get();
        let found = search::<S>(&part, ops, Ahead::of(ops), &mut effort);
        stopped.set(effort.stopped);
        matches!(found, Found::Stuck { .. })
    };
    let mut returns: Vec<Instant> = ops.iter().filter_map(|op| op.answered.map(|(at, _)| at)).collect();
    returns.sort_unstable();
    returns.dedup();
    // A history whose beginning has no order has none itself: the first return with which there is none can be
    // bisected.
    let last = returns.partition_point(|at| !fails(&until(&ops, *at)));
    let Some(last_straw) = returns.get(last).copied() else { return Vec::new() };
    if stopped.get() {
        return Vec::new();
    }
    let mut left = until(&ops, last_straw);
    let mut stride = left.len().div_ceil(2);
    while stride > 0 {
        let before = left.len();
        let mut from = 0;
        while from < left.len() {
            let to = (from + stride).min(left.len());
            let fewer = without(&left, from, to);
            if fewer.len() < left.len() && fails(&fewer) {
                from = to - (left.len() - fewer.len()).min(to - from);
                left = fewer;
            } else {
                from = to;
            }
        }
        // What is gone may have been all that noticed another.
        if stride > 1 || left.len() == before {
            stride /= 2;
        }
    }
    // The last straw at the end, the others in the order in which they began.
    left.sort_by_key(|op| (op.answered.is_some_and(|(at, _)| at == last_straw), op.invoked, op.index));
    left.iter().map(|op| op.index).collect()
}

/// What was known at `at`: answers that came later had not come.
fn until<'a, S: Spec>(ops: &[Op<'a, S>], at: Instant) -> Vec<Op<'a, S>> {
    let known = |op: &Op<'a, S>| Op {
        index: op.index,
        request: op.request,
        invoked: op.invoked,
        answered: op.answered.filter(|(returned, _)| *returned <= at),
    };
    let begun = ops.iter().filter(|op| op.invoked <= at).map(known);
    // Whether an unanswered read happened makes no difference to anyone.
    begun.filter(|op| op.answered.is_some() || !S::is_read(op.request)).collect()
}

/// `ops` without those of `from..to` that nobody else can have noticed.
fn without<'a, S: Spec>(ops: &[Op<'a, S>], from: usize, to: usize) -> Vec<Op<'a, S>> {
    let mut gone: Vec<bool> = (0..ops.len()).map(|i| (from..to).contains(&i)).collect();
    for i in from..to {
        let op = &ops[i];
        if op.answered.is_some_and(|(_, answer)| S::only_constrains(op.request, answer)) {
            continue;
        }
        let others: Vec<_> = ops
            .iter()
            .enumerate()
            .filter(|(j, _)| *j != i && !(gone[*j] && *j < i))
            .map(|(_, op)| (op.request, op.answered.map(|(_, answer)| answer)))
            .collect();
        gone[i] = !S::could_matter(op.request, &others);
    }
    ops.iter().zip(&gone).filter(|(_, gone)| !**gone).map(|(op, _)| op.clone()).collect()
}

impl<'a, S: Spec> Op<'a, S> {
    /// An operation worth ordering; `None` for one that did not happen, or that nobody can have noticed.
    pub(super) fn of(index: usize, (request, invoked, returned, outcome): Observed<'a, S>) -> Option<Self> {
        let answered = match outcome {
            Outcome::Ok(response) => Some((returned, response)),
            Outcome::Failed => return None,
            // Whether an unanswered read happened makes no difference to anyone.
            Outcome::Unknown if S::is_read(request) => return None,
            Outcome::Unknown => None,
        };
        Some(Self { index, request, invoked, answered })
    }
}

impl<S: Spec> Clone for Op<'_, S> {
    fn clone(&self) -> Self {
        Self { index: self.index, request: self.request, invoked: self.invoked, answered: self.answered }
    }
}
