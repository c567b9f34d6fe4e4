//! Linearizability (Herlihy and Wing 1990): is there one order of all operations, consistent with real time, that a
//! sequential object could have answered like this?
//!
//! The search is Wing and Gong's (1993) with Lowe's (2017) memory of states seen, part by part (P-compositionality:
//! operations on different keys do not concern each other). An operation with an unknown outcome may take effect at any
//! time after it began, or never. A search that runs out of budget says so; it never says pass. The budget counts what
//! a part costs beyond a walk through its operations: a history is not hard because it is long. A walk is free up to a
//! number of states for each operation, so a search ends after a number of states that is linear in the length of its
//! history.

mod ahead;
mod alike;
mod conflict;
mod growth;
mod lane;
mod memory;
mod search;
mod stale;
mod supply;
mod timeline;
mod window;

use crate::sorted::SortedMap;
use crate::{Instant, Outcome};
use ahead::Ahead;
pub use conflict::conflict;
use core::hash::Hash;
use search::{Effort, Found, search};
use stale::stale;

/// A sequential object: what one copy of the service would do, one operation after the other.
pub trait Spec {
    /// What is asked.
    type Request;
    /// What is answered.
    type Response: PartialEq;
    /// The state of one part.
    type State: Clone + Ord + Hash;
    /// The parts that do not concern each other, such as keys.
    type Part: Ord + core::fmt::Display;

    /// Which part a request concerns.
    fn part(request: &Self::Request) -> Self::Part;
    /// The state of a part before the first operation.
    fn start(part: &Self::Part) -> Self::State;
    /// What the request does to the state, and what it answers.
    fn apply(state: &mut Self::State, request: &Self::Request) -> Self::Response;
    /// Whether the request changes nothing, whatever the state.
    fn is_read(request: &Self::Request) -> bool;
    /// Whether the request can only have changed nothing, given what it was answered: a read, a failed compare-and-set.
    fn observed_only(request: &Self::Request, response: &Self::Response) -> bool {
        let _ = response;
        Self::is_read(request)
    }
    /// Whether a history that has an order has one without the request, too, given what it was answered, so that a
    /// contradiction can do without it.
    fn only_constrains(request: &Self::Request, response: &Self::Response) -> bool {
        Self::observed_only(request, response)
    }
    /// The one state in which the request can be answered like this, if there is only one: what a read saw. Lets the
    /// search see early that an order leads nowhere; `None` is always right.
    fn needs(request: &Self::Request, response: &Self::Response) -> Option<Self::State> {
        let _ = (request, response);
        None
    }
    /// The one state in which the request changes anything, if there is only one: what a compare-and-set expects.
    fn only_from(request: &Self::Request) -> Option<Self::State> {
        let _ = request;
        None
    }
    /// What state the request can lead to, whatever the state before; `None` if that depends on it. One that was
    /// answered, and is not [`Spec::observed_only`], did lead there.
    fn makes(request: &Self::Request) -> Option<Makes<Self::State>> {
        let _ = request;
        None
    }
    /// How the request adds to what is there, if it takes nothing away, whatever the state; reads do neither. Of a part
    /// of nothing else it is known early that an order leads nowhere. `None` is always right.
    fn growth(request: &Self::Request) -> Option<Growth> {
        let _ = request;
        None
    }
    /// Whether requests of [`Spec::growth`] alone could lead from one state to another, or both are the same.
    fn can_grow_into(state: &Self::State, larger: &Self::State) -> bool {
        let _ = (state, larger);
        true
    }
    /// What the request does in a queue; `None`, which is always right, if it does anything else. Where it is the same,
    /// and known of both or of neither that they happened, the requests do and were answered the same.
    fn passage<'r>(request: &'r Self::Request, response: Option<&'r Self::Response>) -> Option<Passage<'r>> {
        let _ = (request, response);
        None
    }
    /// Whether what came into a queue comes out in any order, not first in, first out.
    fn overtakes() -> bool {
        false
    }
    /// Whether a request with an unknown outcome could explain anything in a part made of `all` (requests and the
    /// answers that are known). If not, it is as good as one that never happened, and is left out of the search.
    fn could_matter(request: &Self::Request, all: &[(&Self::Request, Option<&Self::Response>)]) -> bool {
        let _ = (request, all);
        true
    }
}

/// What a request can make of any state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Makes<T> {
    /// It changes nothing.
    Nothing,
    /// If it changes anything, this is the state after it.
    State(T),
}

/// What a request does in a queue. Two of which this is the same can not be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Passage<'r> {
    /// This comes in.
    Enters(&'r str),
    /// This comes out.
    Leaves(&'r str),
    /// Nothing was in.
    FindsNone,
    /// Nobody knows what comes out, if anything does.
    Unknown,
    /// Nobody knows how much comes out.
    Drains,
}

/// How requests that only add to what is there depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Their order makes a difference, or which of them came: texts that are appended, numbers that are added.
    Ordered,
    /// Each adds something of its own, which is there or not, whatever else came: elements of a set.
    Unordered,
}

/// The answer of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Linearizable {
    /// There is such an order for every part.
    Yes {
        /// How many operations it orders.
        operations: usize,
        /// How many parts there are.
        parts: usize,
    },
    /// There is none for this part.
    No {
        /// The part.
        part: String,
        /// Index into the history of the operation that does not fit into the longest order found.
        stuck: usize,
        /// The longest order found, as indices into the history, up to where it got stuck.
        prefix: Vec<usize>,
    },
    /// The budget ran out.
    OutOfBudget {
        /// The first part that is not decided.
        part: String,
        /// How many others are not decided.
        others: usize,
        /// How many states were visited.
        states: u64,
    },
}

/// One operation of one part.
struct Op<'a, S: Spec> {
    index: usize,
    request: &'a S::Request,
    invoked: Instant,
    /// When it was answered, and what; `None` if nobody knows whether it happened.
    answered: Option<(Instant, &'a S::Response)>,
}

/// One operation of a history: what was asked, when it began, when its client stopped waiting, and how it ended.
pub type Observed<'a, S> = (&'a <S as Spec>::Request, Instant, Instant, &'a Outcome<<S as Spec>::Response>);

/// Searches for a linearization of the history of so many `operations`, of which `row` gives each, visiting at most
/// `budget` states beyond a walk through them. Indices in the answer are those that `row` takes.
pub fn check<'a, S: Spec + 'a>(operations: usize, row: impl Fn(usize) -> Observed<'a, S>, budget: u64) -> Linearizable {
    check_while::<S>(operations, row, budget, &mut || true)
}

/// As [`check`], but gives up as soon as `go_on`, asked now and then, says no: for callers with a clock.
pub fn check_while<'a, S: Spec + 'a>(
    operations: usize,
    row: impl Fn(usize) -> Observed<'a, S>,
    budget: u64,
    go_on: &mut dyn FnMut() -> bool,
) -> Linearizable {
    let at = |index: u32| Op::<'_, S>::of(index as usize, row(index as usize));
    // Which operations belong to a part is kept as numbers: only the part that is looked at is there as operations.
    let mut parts: SortedMap<S::Part, Vec<u32>> = SortedMap::new();
    let mut ordered = 0;
    for index in 0..u32::try_from(operations).expect("a history has fewer than 2^32 operations") {
        let Some(op) = at(index) else { continue };
        ordered += 1;
        parts.entry(S::part(op.request)).or_default().push(index);
    }
    let count = parts.len();
    let mut turns = Turns { budget, states: 0, slice: FIRST_SLICE, stopped: false, go_on };
    let mut undecided: Vec<(S::Part, Vec<u32>)> = Vec::new();
    let mut stuck = None;
    for (part, indices) in parts {
        let ops = worth_ordering(indices.into_iter().filter_map(at).collect());
        // What needs no search is looked for in all parts, whatever a search of others says: it is told in three lines.
        if let Some(stale) = stale(&part, &ops) {
            let before = stale.before().map(|position| ops[position].index);
            return refuted(&part, &ops, ops[stale.saw].index, before.collect(), turns.go_on);
        }
        if stuck.is_some() {
            continue;
        }
        let indices = || ops.iter().map(|op| op.index as u32).collect();
        match turns.search(&part, &ops) {
            Found::Order => {}
            Found::Stuck { stuck: last, prefix } => stuck = Some((part, indices(), last, prefix)),
            Found::OutOfBudget => undecided.push((part, indices())),
        }
    }
    // In turn, with growing slices of the budget: a part that is hard must not hide another that is refuted at once.
    while stuck.is_none() && !undecided.is_empty() {
        if turns.is_over() {
            let part = undecided[0].0.to_string();
            return Linearizable::OutOfBudget { part, others: undecided.len() - 1, states: turns.states };
        }
        turns.slice = turns.slice.saturating_mul(GROWTH);
        for (part, indices) in core::mem::take(&mut undecided) {
            if stuck.is_some() {
                break;
            }
            let ops: Vec<_> = indices.iter().copied().filter_map(at).collect();
            match turns.search(&part, &ops) {
                Found::Order => {}
                Found::Stuck { stuck: last, prefix } => stuck = Some((part, indices, last, prefix)),
                Found::OutOfBudget => undecided.push((part, indices)),
            }
        }
    }
    match stuck {
        None => Linearizable::Yes { operations: ordered, parts: count },
        Some((part, indices, stuck, prefix)) => {
            let ops: Vec<_> = indices.into_iter().filter_map(at).collect();
            refuted(&part, &ops, stuck, prefix, turns.go_on)
        }
    }
}

/// The operations of a part that could explain anything, sorted by invocation.
fn worth_ordering<S: Spec>(mut ops: Vec<Op<'_, S>>) -> Vec<Op<'_, S>> {
    // What nobody noticed may have mattered to something that nobody noticed either.
    for _ in 0..3 {
        if ops.iter().all(|op| op.answered.is_some()) {
            break;
        }
        let all: Vec<_> = ops.iter().map(|op| (op.request, op.answered.map(|(_, answer)| answer))).collect();
        let before = ops.len();
        ops.retain(|op| op.answered.is_some() || S::could_matter(op.request, &all));
        if ops.len() == before {
            break;
        }
    }
    ops.sort_by_key(|op| (op.invoked, op.index));
    ops
}

/// The budget, and the slice of it that each part gets in its turn.
struct Turns<'g> {
    budget: u64,
    /// States visited so far, beyond walks through the operations.
    states: u64,
    slice: u64,
    /// Whether the caller wants no more.
    stopped: bool,
    go_on: &'g mut dyn FnMut() -> bool,
}

impl Turns<'_> {
    fn search<S: Spec>(&mut self, part: &S::Part, ops: &[Op<'_, S>]) -> Found {
        if self.stopped {
            return Found::OutOfBudget;
        }
        let mut effort = Effort::new(self.slice.min(self.budget.saturating_sub(self.states)), self.go_on);
        let found = search::<S>(part, ops, Ahead::of(ops), &mut effort);
        self.states += effort.states;
        self.stopped = effort.stopped;
        found
    }

    const fn is_over(&self) -> bool {
        self.stopped || self.states >= self.budget
    }
}

/// A part that has no order. Looking ahead finds out sooner, but then the order found is shorter than a person would
/// make it: this looks for a better witness without, for a while.
fn refuted<S: Spec>(
    part: &S::Part,
    ops: &[Op<'_, S>],
    stuck: usize,
    prefix: Vec<usize>,
    go_on: &mut dyn FnMut() -> bool,
) -> Linearizable {
    let (stuck, prefix) = match search::<S>(part, ops, Ahead::nothing(), &mut Effort::new(WITNESS_STATES, go_on)) {
        Found::Stuck { stuck, prefix } => (stuck, prefix),
        Found::Order | Found::OutOfBudget => (stuck, prefix),
    };
    Linearizable::No { part: part.to_string(), stuck, prefix }
}

/// States of the first slice that a part gets.
const FIRST_SLICE: u64 = 1 << 14;
/// How much larger the next one is: what was done before is at most a third of it.
const GROWTH: u64 = 4;
/// States visited for a better witness, at most.
const WITNESS_STATES: u64 = 100_000;

#[cfg(test)]
mod tests;
