//! Linearizability (Herlihy and Wing 1990): is there one order of all operations, consistent with real time, that a
//! sequential object could have answered like this?
//!
//! The search is Wing and Gong's (1993) with Lowe's (2017) memory of states seen, part by part (P-compositionality:
//! operations on different keys do not concern each other). An operation with an unknown outcome may take effect at any
//! time after it began, or never. A search that runs out of budget says so; it never says pass.

use crate::{Instant, Outcome};
use std::collections::{BTreeMap, BTreeSet};

/// A sequential object: what one copy of the service would do, one operation after the other.
pub trait Spec {
    /// What is asked.
    type Request;
    /// What is answered.
    type Response: PartialEq;
    /// The state of one part.
    type State: Clone + Ord;
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
    /// The budget ran out in this part.
    OutOfBudget {
        /// The part.
        part: String,
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

/// Searches for a linearization of `history`, visiting at most `budget` states. Indices in the answer are positions in
/// `history`.
pub fn check<'a, S: Spec + 'a>(history: impl IntoIterator<Item = Observed<'a, S>>, budget: u64) -> Linearizable {
    let mut parts: BTreeMap<S::Part, Vec<Op<'_, S>>> = BTreeMap::new();
    let mut operations = 0;
    for (index, (request, invoked, returned, outcome)) in history.into_iter().enumerate() {
        let answered = match outcome {
            Outcome::Ok(response) => Some((returned, response)),
            Outcome::Failed => continue,
            // Whether an unanswered read happened makes no difference to anyone.
            Outcome::Unknown if S::is_read(request) => continue,
            Outcome::Unknown => None,
        };
        operations += 1;
        parts.entry(S::part(request)).or_default().push(Op { index, request, invoked, answered });
    }
    let count = parts.len();
    let mut states = 0;
    for (part, mut ops) in parts {
        ops.sort_by_key(|op| (op.invoked, op.index));
        match search::<S>(&part, &ops, budget, &mut states) {
            Found::Order => {}
            Found::Stuck { stuck, prefix } => return Linearizable::No { part: part.to_string(), stuck, prefix },
            Found::OutOfBudget => return Linearizable::OutOfBudget { part: part.to_string(), states },
        }
    }
    Linearizable::Yes { operations, parts: count }
}

enum Found {
    Order,
    Stuck { stuck: usize, prefix: Vec<usize> },
    OutOfBudget,
}

/// A set of operations of which, in the order of their numbers, nearly all of the first and none of the last are in:
/// everything below `base`, and some of the words above it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Window {
    base: usize,
    words: Vec<u64>,
}

impl Window {
    fn set(&mut self, i: usize, on: bool) {
        if i < self.base {
            // Only ever to take back what closed the window's first words: open them again.
            let back = (self.base - i).div_ceil(64);
            self.words.splice(0..0, core::iter::repeat_n(u64::MAX, back));
            self.base -= back * 64;
        }
        let (word, bit) = ((i - self.base) / 64, (i - self.base) % 64);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        if on {
            self.words[word] |= 1 << bit;
        } else {
            self.words[word] &= !(1 << bit);
        }
        let full = self.words.iter().take_while(|w| **w == u64::MAX).count();
        self.words.drain(..full);
        self.base += full * 64;
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }
}

const END: usize = usize::MAX;

/// The calls and returns of a part in order of time, as a list from which operations can be lifted and put back.
struct Timeline {
    /// `(operation, is the return)` of each place.
    events: Vec<(usize, bool)>,
    next: Vec<usize>,
    previous: Vec<usize>,
    call_at: Vec<usize>,
    return_at: Vec<Option<usize>>,
}

impl Timeline {
    fn new<S: Spec>(ops: &[Op<'_, S>]) -> Self {
        // A return at the same instant as a call does not come before it: the two may have overlapped.
        let mut order: Vec<(Instant, bool, usize)> = Vec::new();
        for (i, op) in ops.iter().enumerate() {
            order.push((op.invoked, false, i));
            if let Some((at, _)) = op.answered {
                order.push((at, true, i));
            }
        }
        order.sort_unstable();
        let n = order.len();
        let mut this = Self {
            events: vec![(0, false)],
            // Place 0 is the head.
            next: (1..=n + 1).map(|i| if i > n { END } else { i }).collect(),
            previous: (0..=n).map(|i| i.saturating_sub(1)).collect(),
            call_at: vec![0; ops.len()],
            return_at: vec![None; ops.len()],
        };
        for (place, (_, is_return, i)) in order.into_iter().enumerate() {
            this.events.push((i, is_return));
            if is_return {
                this.return_at[i] = Some(place + 1);
            } else {
                this.call_at[i] = place + 1;
            }
        }
        this
    }

    fn unlink(&mut self, place: usize) {
        let (before, after) = (self.previous[place], self.next[place]);
        self.next[before] = after;
        if after != END {
            self.previous[after] = before;
        }
    }

    fn relink(&mut self, place: usize) {
        let (before, after) = (self.previous[place], self.next[place]);
        self.next[before] = place;
        if after != END {
            self.previous[after] = place;
        }
    }

    fn lift(&mut self, op: usize) {
        self.unlink(self.call_at[op]);
        if let Some(place) = self.return_at[op] {
            self.unlink(place);
        }
    }

    fn put_back(&mut self, op: usize) {
        if let Some(place) = self.return_at[op] {
            self.relink(place);
        }
        self.relink(self.call_at[op]);
    }
}

fn search<S: Spec>(part: &S::Part, ops: &[Op<'_, S>], budget: u64, states: &mut u64) -> Found {
    let mut line = Timeline::new(ops);
    // Answered operations and doubtful ones are numbered apart: a doubtful one may stay out for ever, and would keep the
    // window open behind it.
    let mut number = vec![0; ops.len()];
    let (mut answered, mut doubtful) = (0, 0);
    for (i, op) in ops.iter().enumerate() {
        let counter = if op.answered.is_some() { &mut answered } else { &mut doubtful };
        number[i] = *counter;
        *counter += 1;
    }
    let mut state = S::start(part);
    let (mut done, mut maybe) = (Window::default(), Window::default());
    let mut seen: BTreeSet<(Window, Window, S::State)> = BTreeSet::new();
    let mut stack: Vec<(usize, S::State)> = Vec::new();
    let mut ordered = 0;
    let mut longest: (usize, Vec<usize>, usize) = (0, Vec::new(), 0);
    let mut place = line.next[0];
    while ordered < answered {
        debug_assert_ne!(place, END, "an answered operation is left, so is its return");
        let (op, is_return) = line.events[place];
        if !is_return {
            *states += 1;
            if *states > budget {
                return Found::OutOfBudget;
            }
            let mut after = state.clone();
            let response = S::apply(&mut after, ops[op].request);
            let fits = ops[op].answered.is_none_or(|(_, answer)| *answer == response);
            // A doubtful operation that would change nothing now is as good as one that never happens.
            let useful = ops[op].answered.is_some() || after != state;
            if fits && useful {
                let set = if ops[op].answered.is_some() { &mut done } else { &mut maybe };
                set.set(number[op], true);
                if seen.insert((done.clone(), maybe.clone(), after.clone())) {
                    stack.push((op, core::mem::replace(&mut state, after)));
                    line.lift(op);
                    ordered += usize::from(ops[op].answered.is_some());
                    place = line.next[0];
                    continue;
                }
                let set = if ops[op].answered.is_some() { &mut done } else { &mut maybe };
                set.set(number[op], false);
            }
            place = line.next[place];
            continue;
        }
        // An answered operation had to take effect by now and can not: go back and try another order.
        if ordered >= longest.0 && is_return {
            longest = (ordered, stack.iter().map(|(i, _)| ops[*i].index).collect(), ops[op].index);
        }
        let Some((last, before)) = stack.pop() else {
            return Found::Stuck { stuck: longest.2, prefix: longest.1 };
        };
        state = before;
        let is_answered = ops[last].answered.is_some();
        let set = if is_answered { &mut done } else { &mut maybe };
        set.set(number[last], false);
        ordered -= usize::from(is_answered);
        line.put_back(last);
        place = line.next[line.call_at[last]];
    }
    Found::Order
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A register: `None` reads, `Some(v)` writes.
    struct Register;
    impl Spec for Register {
        type Request = Option<u64>;
        type Response = u64;
        type State = u64;
        type Part = u8;
        fn part(_: &Option<u64>) -> u8 {
            0
        }
        fn start(_: &u8) -> u64 {
            0
        }
        fn apply(state: &mut u64, request: &Option<u64>) -> u64 {
            if let Some(v) = request {
                *state = *v;
            }
            *state
        }
        fn is_read(request: &Option<u64>) -> bool {
            request.is_none()
        }
    }

    type Row = (Option<u64>, u64, u64, Outcome<u64>);

    fn judge(rows: &[Row], budget: u64) -> Linearizable {
        check::<Register>(rows.iter().map(|(q, from, to, o)| (q, Instant(*from), Instant(*to), o)), budget)
    }

    fn write(v: u64, from: u64, to: u64) -> Row {
        (Some(v), from, to, Outcome::Ok(v))
    }
    fn read(v: u64, from: u64, to: u64) -> Row {
        (None, from, to, Outcome::Ok(v))
    }

    #[test]
    fn right_histories_pass() {
        for rows in [
            vec![],
            vec![write(1, 0, 10), read(0, 5, 6), read(1, 7, 8)],
            vec![write(1, 0, 10), write(2, 0, 10), read(1, 11, 12)],
            // An unknown write may take effect much later, or never.
            vec![(Some(3), 0, 5, Outcome::Unknown), read(0, 6, 7), read(3, 20, 21)],
            vec![(Some(3), 0, 5, Outcome::Unknown), read(0, 6, 7), read(0, 20, 21)],
            // A failed write did not happen.
            vec![(Some(3), 0, 5, Outcome::Failed), read(0, 6, 7)],
        ] {
            assert!(matches!(judge(&rows, 1000), Linearizable::Yes { .. }), "{rows:?}");
        }
    }

    #[test]
    fn wrong_histories_fail_and_name_what_does_not_fit() {
        for (rows, what) in [
            (vec![write(1, 0, 1), read(0, 2, 3)], 1),
            // The value goes back.
            (vec![write(1, 0, 10), read(1, 2, 3), read(0, 4, 5)], 2),
            (vec![(Some(3), 0, 5, Outcome::Failed), read(3, 6, 7)], 1),
            (vec![(Some(3), 4, 5, Outcome::Unknown), read(3, 1, 2)], 1),
            // An unknown write takes effect once, not twice.
            (vec![(Some(3), 0, 1, Outcome::Unknown), read(3, 2, 3), write(4, 4, 5), read(3, 6, 7)], 3),
        ] {
            match judge(&rows, 1000) {
                Linearizable::No { stuck, .. } => assert_eq!(stuck, what, "{rows:?}"),
                other => panic!("{other:?} for {rows:?}"),
            }
        }
    }

    #[test]
    fn out_of_budget_is_no_verdict() {
        let rows: Vec<Row> = (0..30).map(|i| write(i, 0, 100)).chain([read(99, 200, 201)]).collect();
        assert!(matches!(judge(&rows, 10_000), Linearizable::OutOfBudget { .. }));
    }

    /// Every order of a few operations, by hand: the search must agree.
    fn brute_force(rows: &[Row]) -> bool {
        fn go(rows: &[Row], left: &[usize], state: u64) -> bool {
            if left.iter().all(|i| !matches!(rows[*i].3, Outcome::Ok(_))) {
                return true;
            }
            left.iter().any(|i| {
                let (request, from, _, outcome) = &rows[*i];
                let late = left.iter().any(|j| matches!(rows[*j].3, Outcome::Ok(_)) && rows[*j].2 < *from);
                let mut after = state;
                let response = Register::apply(&mut after, request);
                let fits = !matches!(outcome, Outcome::Ok(r) if *r != response) && *outcome != Outcome::Failed;
                let rest: Vec<usize> = left.iter().copied().filter(|j| j != i).collect();
                !late && fits && go(rows, &rest, after)
            })
        }
        let all: Vec<usize> = (0..rows.len()).collect();
        go(rows, &all, 0)
    }

    proptest::proptest! {
        #[test]
        fn agrees_with_brute_force(raw in proptest::collection::vec((0_u64..4, 0_u64..12, 1_u64..6, 0_u8..4), 0..7)) {
            let rows: Vec<Row> = raw
                .into_iter()
                .map(|(v, from, length, sort)| match sort {
                    0 => write(v, from, from + length),
                    1 | 2 => read(v, from, from + length),
                    _ => (Some(v), from, from + length, Outcome::Unknown),
                })
                .collect();
            let yes = matches!(judge(&rows, 1_000_000), Linearizable::Yes { .. });
            proptest::prop_assert_eq!(yes, brute_force(&rows));
        }
    }
}
