//! The verdict on a history, and what it rests on.

use super::keyed::keyed;
use super::models::{Bag, Counter, Kv, Lock, Members, Model, ModelName, MultiRegister, Mutex, Queue, Register};
use super::pair::{Operation, operations};
use super::{Datum, Event, Format, Lines, Reading, SHOWN};
use crate::diagnostics::{Diagnostics, Problems};
use serde::Serialize;
use sim_core::Outcome;
use sim_core::linearize::{self, Linearizable};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// There is an order of all operations that the model could have answered like this.
    Linearizable,
    /// There is none.
    NotLinearizable,
    /// The budget ran out, or nothing happened: nobody knows.
    Inconclusive,
}

/// One operation, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Who asked.
    pub process: String,
    /// What.
    pub request: String,
    /// The answer; `None` if nobody knows whether it happened.
    pub answer: Option<String>,
    /// When it began: nanoseconds of the run, or its place among the events.
    pub invoked: u64,
    /// When it ended.
    pub returned: u64,
    /// The lines of its beginning and end.
    pub lines: (u32, Option<u32>),
}

impl Shown {
    /// Who asked, in a sentence: a client of ours, or a process of somebody else's.
    #[must_use]
    pub fn who(&self) -> String {
        let is_ours = self.process.starts_with('c') && self.process.contains(" op ");
        if is_ours { self.process.clone() } else { format!("process {}", self.process) }
    }
}

/// A judged history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// What was found.
    pub ruling: Ruling,
    /// Against which model.
    pub model: &'static str,
    /// How many operations there are.
    pub operations: usize,
    /// How many of them nobody knows the outcome of.
    pub unknown: usize,
    /// How many objects; 0 if the search did not end.
    pub objects: usize,
    /// Why, in a sentence.
    pub why: String,
    /// The object that has no order.
    pub object: Option<String>,
    /// The smallest set of operations found that contradict each other, the last straw at the end.
    pub conflict: Vec<Shown>,
    /// How many operations the longest order found has.
    pub longest_order: usize,
    /// The last operations of that order.
    pub before: Vec<Shown>,
    /// The lines of its operations, in their order.
    #[serde(skip)]
    pub order: Vec<(u32, Option<u32>)>,
    /// Whether times are nanoseconds; otherwise they are places among the events.
    pub timed: bool,
}

/// States visited by each attempt to make a contradiction smaller.
const ATTEMPT: u64 = 200_000;
/// Operations shown of the longest order.
const BEFORE: usize = 5;

/// Judges a history as `how` reads it, visiting at most `budget` states, as long as `go_on` says so.
///
/// # Errors
/// Every line that can not be read or that the model does not know, and a history that can be read in two ways.
pub fn judge(
    name: &str,
    text: &str,
    model: ModelName,
    how: &Reading,
    budget: u64,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Judged, Diagnostics> {
    let text = super::without_mark(text);
    let events = super::read(name, text)?;
    let judge_as = match model {
        ModelName::Register => judge_as::<Register>,
        ModelName::MultiRegister => judge_as::<MultiRegister>,
        ModelName::Kv => judge_as::<Kv>,
        ModelName::Set => judge_as::<Members>,
        ModelName::Counter => judge_as::<Counter>,
        ModelName::Queue => judge_as::<Queue>,
        ModelName::UnorderedQueue => judge_as::<Bag>,
        ModelName::Lock => judge_as::<Lock>,
        ModelName::Mutex => judge_as::<Mutex>,
    };
    judge_as((name, text), events, how, budget, go_on)
}

fn judge_as<M: Model>(
    (name, text): (&str, &str),
    events: Vec<Event>,
    how: &Reading,
    budget: u64,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Judged, Diagnostics> {
    if let Some(initial) = &how.initial {
        M::initial(initial).map_err(|(what, help)| Diagnostics::of_file("--initial", what, help))?;
    }
    let problems = Problems::default();
    let lines = Lines::new(&problems, name, text);
    let timed = Format::of(&lines) == Format::Ours;
    let events = keyed::<M>(events, how, &lines);
    // What a history is about must be clear before anything is said of its operations.
    let operations = if problems.count() == 0 { operations::<M>(&events, how, &lines) } else { Vec::new() };
    drop(events);
    problems.finish(Some(())).map_err(|problems| problems.first(SHOWN))?;
    let row = |i: usize| operations[i].observed();
    let mut judged = Judged {
        ruling: Ruling::Inconclusive,
        model: M::NAME.name(),
        operations: operations.len(),
        unknown: operations.iter().filter(|o| o.outcome == Outcome::Unknown).count(),
        objects: 0,
        why: String::new(),
        object: None,
        conflict: Vec::new(),
        longest_order: 0,
        before: Vec::new(),
        order: Vec::new(),
        timed,
    };
    match linearize::check_while::<M>(operations.len(), row, budget, go_on) {
        Linearizable::Yes { operations: 0, .. } => "no operation succeeded".clone_into(&mut judged.why),
        Linearizable::Yes { operations, parts } => {
            judged.ruling = Ruling::Linearizable;
            judged.objects = parts;
            judged.why = format!("there is an order of {operations} operations that fits every answer");
        }
        Linearizable::OutOfBudget { part, others, states } => {
            let more = if others > 0 { format!(" and {others} others") } else { String::new() };
            judged.why = format!("gave up on {part}{more} after {states} states");
            judged.object = Some(part);
        }
        Linearizable::No { part, stuck, prefix } => {
            judged.ruling = Ruling::NotLinearizable;
            let of_part: Vec<usize> =
                (0..operations.len()).filter(|i| M::part(&operations[*i].request).to_string() == part).collect();
            let narrow = M::narrow(&of_part.iter().map(|i| &operations[*i]).collect::<Vec<_>>());
            let conflict =
                narrow.unwrap_or_else(|| linearize::conflict::<M>(of_part.iter().map(|i| row(*i)), ATTEMPT, go_on));
            let conflict: Vec<usize> = conflict.into_iter().map(|i| of_part[i]).collect();
            let last = conflict.last().copied().unwrap_or(stuck);
            judged.why = format!("{} fits no order", sentence(&operations[last]));
            if conflict.len() == 1 && how.initial.is_none() && M::initial(&Datum::text("0")).is_ok() {
                judged.why.push_str("; nobody wrote that: if it was there at the beginning, --initial says so");
            }
            judged.conflict = conflict.iter().map(|i| shown(&operations[*i])).collect();
            judged.order = prefix.iter().map(|i| operations[*i].lines).collect();
            judged.longest_order = prefix.len();
            let from = prefix.len().saturating_sub(BEFORE);
            judged.before = prefix[from..].iter().map(|i| shown(&operations[*i])).collect();
            judged.object = Some(part);
        }
    }
    Ok(judged)
}

fn sentence<M: Model>(operation: &Operation<M>) -> String {
    let shown = shown(operation);
    let who = shown.who();
    let Shown { request, answer, lines, .. } = shown;
    let answer = answer.unwrap_or_else(|| "?".to_owned());
    let line = lines.1.unwrap_or(lines.0);
    format!("{who}: {request}, answered {answer} (line {line}),")
}

fn shown<M: Model>(operation: &Operation<M>) -> Shown {
    Shown {
        process: operation.process.to_string(),
        request: operation.request.to_string(),
        answer: match &operation.outcome {
            Outcome::Ok(response) => Some(response.to_string()),
            Outcome::Failed | Outcome::Unknown => None,
        },
        invoked: operation.invoked.0,
        returned: operation.returned.0,
        lines: operation.lines,
    }
}
