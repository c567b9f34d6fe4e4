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
    /// Whether the request can only have changed nothing, given what it was answered: a read, a failed compare-and-set.
    fn observed_only(request: &Self::Request, response: &Self::Response) -> bool {
        let _ = response;
        Self::is_read(request)
    }
    /// The one state in which the request can be answered like this, if there is only one: what a read saw. Lets the
    /// search see early that an order leads nowhere; `None` is always right.
    fn needs(request: &Self::Request, response: &Self::Response) -> Option<Self::State> {
        let _ = (request, response);
        None
    }
    /// What state the request can lead to, whatever the state before; `None` if that depends on it.
    fn makes(request: &Self::Request) -> Option<Makes<Self::State>> {
        let _ = request;
        None
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
        let all: Vec<_> = ops.iter().map(|op| (op.request, op.answered.map(|(_, answer)| answer))).collect();
        ops.retain(|op| op.answered.is_some() || S::could_matter(op.request, &all));
        ops.sort_by_key(|op| (op.invoked, op.index));
        match search::<S>(&part, &ops, Supply::of(&ops), budget, &mut states) {
            Found::Order => {}
            Found::Stuck { stuck, prefix } => {
                // Looking ahead finds out sooner, but then the order found is shorter than a person would make it: look
                // for a better witness without, for a while.
                let (stuck, prefix) = match search::<S>(&part, &ops, None, WITNESS_STATES, &mut 0) {
                    Found::Stuck { stuck, prefix } => (stuck, prefix),
                    Found::Order | Found::OutOfBudget => (stuck, prefix),
                };
                return Linearizable::No { part: part.to_string(), stuck, prefix };
            }
            Found::OutOfBudget => return Linearizable::OutOfBudget { part: part.to_string(), states },
        }
    }
    Linearizable::Yes { operations, parts: count }
}

/// States visited for a better witness, at most.
const WITNESS_STATES: u64 = 1_000_000;

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

/// Who still needs a state and who can still make it: a state that somebody needs and nobody can make again must not be
/// left. Only for parts in which it is known of every operation what it makes.
struct Supply<T> {
    /// Number of each state that somebody needs or makes.
    states: BTreeMap<T, usize>,
    /// For each operation, the number of the state it needs.
    needs: Vec<Option<usize>>,
    /// For each operation, the number of the state it makes.
    makes: Vec<Option<usize>>,
    /// For each state, how many operations left need it, and how many can make it.
    left: Vec<(u32, u32)>,
}

impl<T: Clone + Ord> Supply<T> {
    fn of<S: Spec<State = T>>(ops: &[Op<'_, S>]) -> Option<Self> {
        let mut this = Self { states: BTreeMap::new(), needs: Vec::new(), makes: Vec::new(), left: Vec::new() };
        for op in ops {
            let makes = match S::makes(op.request)? {
                Makes::Nothing => None,
                Makes::State(state) => Some(this.number(state)),
            };
            let needs = op.answered.and_then(|(_, answer)| S::needs(op.request, answer));
            let needs = needs.map(|state| this.number(state));
            this.makes.push(makes);
            this.needs.push(needs);
        }
        for op in 0..ops.len() {
            this.count(op, true);
        }
        Some(this)
    }

    fn number(&mut self, state: T) -> usize {
        let next = self.left.len();
        let number = *self.states.entry(state).or_insert(next);
        if number == next {
            self.left.push((0, 0));
        }
        number
    }

    /// The operation is left to be ordered (again), or has been.
    fn count(&mut self, op: usize, left: bool) {
        let step = |n: &mut u32| *n = if left { *n + 1 } else { *n - 1 };
        if let Some(state) = self.needs[op] {
            step(&mut self.left[state].0);
        }
        if let Some(state) = self.makes[op] {
            step(&mut self.left[state].1);
        }
    }

    /// Whether `op` may take the object out of `state`.
    fn may_leave(&self, state: &T, op: usize) -> bool {
        let Some(number) = self.states.get(state).copied() else { return true };
        let (mut needed, mut makers) = self.left[number];
        // The operation itself needs it no more once it has come, and can not make it again.
        needed -= u32::from(self.needs[op] == Some(number));
        makers -= u32::from(self.makes[op] == Some(number));
        needed == 0 || makers > 0
    }
}

/// One step of the search: where its candidates begin among the untried, and how it got here.
struct Frame<T> {
    /// Its candidates are those from here on, in the order in which they are tried, the next one at the end.
    untried_from: usize,
    /// The operation that was taken to get here, the state before it, and whether it changed that; `None` at the root.
    taken: Option<(usize, T, bool)>,
}

/// All that decides what can still follow: the answered and the doubtful operations that have been ordered, and the
/// state they led to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place<T> {
    done: Window,
    maybe: Window,
    state: T,
}

/// The state of a search.
struct Search<'s, 'a, S: Spec> {
    ops: &'s [Op<'a, S>],
    line: Timeline,
    /// The operation's number among the answered or the doubtful ones. They are numbered apart: a doubtful one may stay
    /// out for ever, and would keep the window open behind it.
    number: Vec<usize>,
    place: Place<S::State>,
    supply: Option<Supply<S::State>>,
    /// Answered operations in the order so far.
    ordered: usize,
    states: &'s mut u64,
}

impl<S: Spec> Search<'_, '_, S> {
    fn mark(&mut self, op: usize, on: bool) {
        let set = if self.ops[op].answered.is_some() { &mut self.place.done } else { &mut self.place.maybe };
        set.set(self.number[op], on);
    }

    /// What `op` would do now: the state after it, if its answer fits.
    fn try_now(&mut self, op: usize) -> Option<S::State> {
        *self.states += 1;
        let mut after = self.place.state.clone();
        let response = S::apply(&mut after, self.ops[op].request);
        self.ops[op].answered.is_none_or(|(_, answer)| *answer == response).then_some(after)
    }

    /// Adds the operations that could come next: those that began before any that is left has ended.
    fn candidates(&mut self, untried: &mut Vec<usize>) {
        let from = untried.len();
        let mut place = self.line.next[0];
        while place != END {
            let (op, is_return) = self.line.events[place];
            if is_return {
                break;
            }
            // One that fits and never changes anything loses nothing by coming now, and leaves more room for the others: there
            // is no need to try anything else.
            if let Some((_, answer)) = self.ops[op].answered
                && S::observed_only(self.ops[op].request, answer)
                && self.try_now(op).is_some()
            {
                untried.truncate(from);
                untried.push(op);
                return;
            }
            untried.push(op);
            place = self.line.next[place];
        }
        // Answers mostly come in the order of the effects: try the one that ended first, first; doubtful ones last.
        untried[from..].sort_by_key(|op| core::cmp::Reverse(self.line.return_at[*op].unwrap_or(END)));
    }

    fn take(&mut self, op: usize, after: S::State) -> S::State {
        self.mark(op, true);
        if let Some(supply) = &mut self.supply {
            supply.count(op, false);
        }
        self.line.lift(op);
        self.ordered += usize::from(self.ops[op].answered.is_some());
        core::mem::replace(&mut self.place.state, after)
    }

    fn take_back(&mut self, op: usize, before: S::State) {
        self.place.state = before;
        self.mark(op, false);
        if let Some(supply) = &mut self.supply {
            supply.count(op, true);
        }
        self.line.put_back(op);
        self.ordered -= usize::from(self.ops[op].answered.is_some());
    }
}

fn search<S: Spec>(
    part: &S::Part,
    ops: &[Op<'_, S>],
    supply: Option<Supply<S::State>>,
    budget: u64,
    states: &mut u64,
) -> Found {
    let mut number = vec![0; ops.len()];
    let (mut answered, mut doubtful) = (0, 0);
    for (i, op) in ops.iter().enumerate() {
        let counter = if op.answered.is_some() { &mut answered } else { &mut doubtful };
        number[i] = *counter;
        *counter += 1;
    }
    let line = Timeline::new(ops);
    let place = Place { done: Window::default(), maybe: Window::default(), state: S::start(part) };
    let mut search = Search { ops, line, number, place, supply, ordered: 0, states };
    // Places from which every way on has been tried. A place is noted when it is left: until then nothing can come to it
    // again, because all that is tried from it has ordered more. So an order that is found without going back costs
    // nothing here.
    let mut hopeless: BTreeSet<Place<S::State>> = BTreeSet::new();
    let mut longest: (usize, Vec<usize>, usize) = (0, Vec::new(), 0);
    let mut untried = Vec::new();
    search.candidates(&mut untried);
    let mut stack = vec![Frame { untried_from: 0, taken: None }];
    while search.ordered < answered {
        if *search.states > budget {
            return Found::OutOfBudget;
        }
        let frame = stack.last().expect("the root frame is taken off last, and ends the search");
        let Some(op) = (untried.len() > frame.untried_from).then(|| untried.pop()).flatten() else {
            // Nothing fits here: note how far this order came, and go back.
            if search.ordered >= longest.0 {
                let order = stack.iter().filter_map(|f| f.taken.as_ref()).map(|(op, ..)| ops[*op].index).collect();
                longest = (search.ordered, order, ops[first_to_end(&search.line)].index);
            }
            match stack.pop().and_then(|frame| frame.taken) {
                Some((op, before, changed)) => {
                    if changed {
                        hopeless.insert(search.place.clone());
                    }
                    search.take_back(op, before);
                }
                None => return Found::Stuck { stuck: longest.2, prefix: longest.1 },
            }
            continue;
        };
        let Some(after) = search.try_now(op) else { continue };
        let changes = after != search.place.state;
        if ops[op].answered.is_none() && !changes {
            // A doubtful operation that would change nothing now is as good as one that never happens.
            continue;
        }
        if changes && search.supply.as_ref().is_some_and(|supply| !supply.may_leave(&search.place.state, op)) {
            continue;
        }
        let before = search.take(op, after);
        if changes && hopeless.contains(&search.place) {
            search.take_back(op, before);
            continue;
        }
        let untried_from = untried.len();
        search.candidates(&mut untried);
        stack.push(Frame { untried_from, taken: Some((op, before, changes)) });
    }
    Found::Order
}

/// Of the operations left, the answered one that ended first: it had to come by now.
fn first_to_end(line: &Timeline) -> usize {
    let mut place = line.next[0];
    while place != END && !line.events[place].1 {
        place = line.next[place];
    }
    assert_ne!(place, END, "an answered operation is left, and so is its return");
    line.events[place].0
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
        fn needs(request: &Option<u64>, response: &u64) -> Option<u64> {
            request.is_none().then_some(*response)
        }
        fn makes(request: &Option<u64>) -> Option<Makes<u64>> {
            Some(request.map_or(Makes::Nothing, Makes::State))
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
