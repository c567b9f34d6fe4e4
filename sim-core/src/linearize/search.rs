//! The search through the orders of one part.

use super::ahead::Ahead;
use super::memory::{Memory, fingerprint};
use super::timeline::{END, Timeline};
use super::window::Window;
use super::{Op, Spec};

/// How much a search may still do.
pub(super) struct Effort<'e> {
    /// States visited so far, beyond those of a walk that never went back: what is hard, however much there is of it.
    pub states: u64,
    /// How many may be.
    budget: u64,
    /// States visited in all.
    visited: u64,
    /// When to ask again whether to go on.
    ask_at: u64,
    /// Whether it was told not to go on.
    pub stopped: bool,
    /// Asked now and then whether to go on.
    go_on: &'e mut dyn FnMut() -> bool,
}

/// States between two questions.
const ASK_EVERY: u64 = 1 << 12;
/// States for each operation that a walk without going back may visit at no cost.
const FREE: u64 = 64;
/// Candidates that cost as much to look at as a state to visit.
const LOOKS: u64 = 8;

impl<'e> Effort<'e> {
    pub fn new(budget: u64, go_on: &'e mut dyn FnMut() -> bool) -> Self {
        Self { states: 0, budget, visited: 0, ask_at: 0, stopped: false, go_on }
    }

    fn is_spent(&mut self) -> bool {
        if self.visited >= self.ask_at {
            self.ask_at = self.visited + ASK_EVERY;
            self.stopped |= !(self.go_on)();
        }
        self.stopped || self.states > self.budget
    }
}

/// How a search ended.
pub(super) enum Found {
    Order,
    Stuck { stuck: usize, prefix: Vec<usize> },
    OutOfBudget,
}

/// One step of the search: where its candidates begin among the untried, and how it got here.
struct Frame<T> {
    /// Its candidates are those from here on, in the order in which they are tried, the next one at the end.
    untried_from: usize,
    /// The operation that was taken to get here; `None` at the root.
    taken: Option<Taken<T>>,
}

struct Taken<T> {
    op: usize,
    /// The state before it.
    before: T,
    /// The fingerprint of the place it led to; `None` if it changed nothing.
    print: Option<u128>,
}

/// All that decides what can still follow: the answered and the doubtful operations that have been ordered, and the
/// state they led to.
#[derive(Hash)]
struct Place<T> {
    done: Window,
    maybe: Window,
    state: T,
}

/// The state of a search.
struct Search<'s, 'a, 'e, S: Spec> {
    ops: &'s [Op<'a, S>],
    line: Timeline,
    /// The operation's number among the answered or the doubtful ones. They are numbered apart: a doubtful one may stay
    /// out for ever, and would keep the window open behind it.
    number: Vec<u32>,
    place: Place<S::State>,
    ahead: Ahead<S::State>,
    /// Answered operations in the order so far.
    ordered: usize,
    /// The most there ever were.
    record: usize,
    /// Whether it has gone back since.
    went_back: bool,
    /// States visited since, without having gone back: they cost nothing if this leads further.
    straight: u64,
    /// How many states may still be visited at no cost.
    free: u64,
    /// Candidates looked at that have not been charged yet.
    looked_at: u64,
    effort: &'s mut Effort<'e>,
}

impl<S: Spec> Search<'_, '_, '_, S> {
    fn mark(&mut self, op: usize, on: bool) {
        let set = if self.ops[op].answered.is_some() { &mut self.place.done } else { &mut self.place.maybe };
        set.set(self.number[op] as usize, on);
    }

    /// So many states are visited.
    fn visit(&mut self, states: u64) {
        self.effort.visited += states;
        let is_free = !self.went_back && self.straight + states <= self.free;
        *if is_free { &mut self.straight } else { &mut self.effort.states } += states;
    }

    /// What `op` would do now: the state after it, if its answer fits.
    fn try_now(&mut self, op: usize) -> Option<S::State> {
        self.visit(1);
        let mut after = self.place.state.clone();
        let response = S::apply(&mut after, self.ops[op].request);
        self.ops[op].answered.is_none_or(|(_, answer)| *answer == response).then_some(after)
    }

    /// Adds the operations that could come next: those that began before any that is left has ended.
    fn candidates(&mut self, untried: &mut Vec<usize>) {
        let from = untried.len();
        let mut place = self.line.first();
        while place != END {
            let (op, is_return) = self.line.event(place);
            if is_return {
                break;
            }
            self.looked_at += 1;
            if self.looked_at == LOOKS {
                self.looked_at = 0;
                self.visit(1);
            }
            untried.push(op);
            if !self.ahead.may_thin() && self.is_welcome(op) {
                return leave_only(untried, from, op);
            }
            place = self.line.after(place);
        }
        if self.ahead.may_thin() {
            self.ahead.thin(untried, from);
            let welcome = (from..untried.len()).map(|i| untried[i]).find(|op| self.is_welcome(*op));
            if let Some(op) = welcome {
                return leave_only(untried, from, op);
            }
        }
        // Answers mostly come in the order of the effects: try the one that ended first, first; doubtful ones last.
        untried[from..].sort_by_key(|op| core::cmp::Reverse(self.line.return_of(*op)));
    }

    /// Whether it fits and loses nothing by coming now: there is no need to try anything else.
    fn is_welcome(&mut self, op: usize) -> bool {
        let this = &self.ops[op];
        if this.answered.is_some_and(|(_, answer)| S::observed_only(this.request, answer)) {
            // It never changes anything, and leaves more room for the others.
            return self.try_now(op).is_some();
        }
        self.ahead.may_welcome()
            && self.try_now(op).is_some_and(|after| self.ahead.welcomes(op, &self.ops[op], &self.place.state, &after))
    }

    fn take(&mut self, op: usize, after: S::State) -> S::State {
        self.mark(op, true);
        self.ahead.count(op, false);
        self.line.lift(op);
        self.ordered += usize::from(self.ops[op].answered.is_some());
        if self.ordered > self.record {
            // A walk that comes further without going back costs nothing, within reason: where many wait at once, each
            // of its steps looks at all of them.
            self.record = self.ordered;
            self.free -= self.straight;
            (self.went_back, self.straight) = (false, 0);
        }
        core::mem::replace(&mut self.place.state, after)
    }

    fn take_back(&mut self, op: usize, before: S::State) {
        self.went_back = true;
        self.effort.states += core::mem::take(&mut self.straight);
        self.place.state = before;
        self.mark(op, false);
        self.ahead.count(op, true);
        self.line.put_back(op);
        self.ordered -= usize::from(self.ops[op].answered.is_some());
    }
}

/// Searches for an order of `ops`, which are sorted by invocation.
pub(super) fn search<S: Spec>(
    part: &S::Part,
    ops: &[Op<'_, S>],
    ahead: Ahead<S::State>,
    effort: &mut Effort<'_>,
) -> Found {
    let mut number = vec![0_u32; ops.len()];
    let (mut answered, mut doubtful) = (0, 0);
    for (i, op) in ops.iter().enumerate() {
        let counter = if op.answered.is_some() { &mut answered } else { &mut doubtful };
        number[i] = *counter;
        *counter += 1;
    }
    let line = Timeline::new(ops);
    let place = Place { done: Window::default(), maybe: Window::default(), state: S::start(part) };
    let mut search = Search {
        ops,
        line,
        number,
        place,
        ahead,
        ordered: 0,
        record: 0,
        went_back: false,
        straight: 0,
        free: ops.len() as u64 * FREE,
        looked_at: 0,
        effort,
    };
    // Places from which every way on has been tried. A place is noted when it is left: until then nothing can come to
    // it again, because all that is tried from it has ordered more. So an order that is found without going back costs
    // nothing here.
    let mut hopeless = Memory::new();
    let mut longest: (usize, Vec<usize>, usize) = (0, Vec::new(), 0);
    let mut untried = Vec::new();
    search.candidates(&mut untried);
    let mut stack = vec![Frame { untried_from: 0, taken: None }];
    while search.ordered < answered as usize {
        if search.effort.is_spent() {
            return Found::OutOfBudget;
        }
        let frame = stack.last().expect("the root frame is taken off last, and ends the search");
        let Some(op) = (untried.len() > frame.untried_from).then(|| untried.pop()).flatten() else {
            // Nothing fits here: note how far this order came, and go back.
            if search.ordered >= longest.0 {
                let order = stack.iter().filter_map(|f| f.taken.as_ref()).map(|taken| ops[taken.op].index).collect();
                longest = (search.ordered, order, ops[first_to_end(&search.line)].index);
            }
            match stack.pop().and_then(|frame| frame.taken) {
                Some(Taken { op, before, print }) => {
                    if let Some(print) = print {
                        hopeless.insert(print);
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
        if changes && !search.ahead.allows::<S>(op, &search.place.state, &after) {
            continue;
        }
        let before = search.take(op, after);
        let print = changes.then(|| fingerprint(&search.place));
        if print.is_some_and(|print| hopeless.contains(print)) {
            search.take_back(op, before);
            continue;
        }
        let untried_from = untried.len();
        search.candidates(&mut untried);
        stack.push(Frame { untried_from, taken: Some(Taken { op, before, print }) });
    }
    Found::Order
}

/// Leaves one candidate of those from that place on.
fn leave_only(untried: &mut Vec<usize>, from: usize, op: usize) {
    untried.truncate(from);
    untried.push(op);
}

/// Of the operations left, the answered one that ended first: it had to come by now.
fn first_to_end(line: &Timeline) -> usize {
    let mut place = line.first();
    while place != END && !line.event(place).1 {
        place = line.after(place);
    }
    assert_ne!(place, END, "an answered operation is left, and so is its return");
    line.event(place).0
}
