//! The verdict on a history, and what it rests on.

use super::models::{Kv, Lock, Model, ModelName, Queue, Register};
use super::pair::{Operation, operations};
use super::{Event, Lines};
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
    /// When it began: nanoseconds of the run, or the line.
    pub invoked: u64,
    /// When it ended.
    pub returned: u64,
    /// The lines of its beginning and end.
    pub lines: (u32, Option<u32>),
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
    /// Whether times are nanoseconds; otherwise they are lines.
    pub timed: bool,
}

/// States visited by each attempt to make a contradiction smaller.
const ATTEMPT: u64 = 200_000;
/// Operations shown of the longest order.
const BEFORE: usize = 5;

/// Judges the events of a history, visiting at most `budget` states, as long as `go_on` says so.
///
/// # Errors
/// Every line that the model does not know.
pub fn judge(
    name: &str,
    text: &str,
    model: ModelName,
    budget: u64,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Judged, Diagnostics> {
    let events = super::read(name, text)?;
    match model {
        ModelName::Register => judge_as::<Register>(name, text, &events, budget, go_on),
        ModelName::Kv => judge_as::<Kv>(name, text, &events, budget, go_on),
        ModelName::Queue => judge_as::<Queue>(name, text, &events, budget, go_on),
        ModelName::Lock => judge_as::<Lock>(name, text, &events, budget, go_on),
    }
}

fn judge_as<M: Model>(
    name: &str,
    text: &str,
    events: &[Event],
    budget: u64,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Judged, Diagnostics> {
    let problems = Problems::default();
    let source = problems.source(name, text);
    let operations = operations::<M>(events, &Lines { problems: &problems, source, text });
    problems.finish(Some(()))?;
    let rows = |of: &[usize]| -> Vec<_> {
        of.iter().map(|i| &operations[*i]).map(|o| (&o.request, o.invoked, o.returned, &o.outcome)).collect()
    };
    let all: Vec<usize> = (0..operations.len()).collect();
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
        timed: super::ours::is_ours(text),
    };
    match linearize::check_while::<M>(rows(&all), budget, go_on) {
        Linearizable::Yes { operations: 0, .. } => "no operation succeeded".clone_into(&mut judged.why),
        Linearizable::Yes { operations, parts } => {
            judged.ruling = Ruling::Linearizable;
            judged.objects = parts;
            judged.why = format!("there is an order of {operations} operations that fits every answer");
        }
        Linearizable::OutOfBudget { part, states } => {
            judged.why = format!("gave up on {part} after {states} states");
            judged.object = Some(part);
        }
        Linearizable::No { part, stuck, prefix } => {
            judged.ruling = Ruling::NotLinearizable;
            let of_part: Vec<usize> =
                all.into_iter().filter(|i| M::part(&operations[*i].request).to_string() == part).collect();
            let conflict = linearize::conflict::<M>(rows(&of_part), ATTEMPT);
            let conflict: Vec<usize> = conflict.into_iter().map(|i| of_part[i]).collect();
            let last = conflict.last().copied().unwrap_or(stuck);
            judged.why = format!("{} fits no order", sentence(&operations[last]));
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
    let Shown { process, request, answer, lines, .. } = shown(operation);
    let answer = answer.unwrap_or_else(|| "?".to_owned());
    let line = lines.1.unwrap_or(lines.0);
    format!("process {process}: {request}, answered {answer} (line {line}),")
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
