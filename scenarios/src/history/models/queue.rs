//! A queue: first in, first out.

use super::super::{Answer, Datum, Event, Operation, Reading};
use super::elements::{Elements, Pair, all_pairs, contradiction};
use super::{Model, ModelName, Object, unknown};
use core::fmt;
use sim_core::Outcome;
use sim_core::linearize::{Passage, Spec};
use std::collections::VecDeque;
use std::sync::Arc;

/// A queue, or one for each key: initially empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue;

/// What is asked of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    object: Object,
    /// What to put in; `None` takes out.
    put: Option<Arc<str>>,
}

/// What a queue answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is in.
    Done,
    /// What came out; `None` if the queue was empty.
    Out(Option<Arc<str>>),
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.put {
            Some(value) => write!(f, "enqueue {value}"),
            None => f.write_str("dequeue"),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Out(Some(value)) => f.write_str(value),
            Self::Out(None) => f.write_str("empty"),
        }
    }
}

impl Spec for Queue {
    type Request = Ask;
    type Response = Told;
    type State = VecDeque<Arc<str>>;
    type Part = Object;

    fn part(request: &Ask) -> Object {
        request.object.clone()
    }
    fn start(_: &Object) -> VecDeque<Arc<str>> {
        VecDeque::new()
    }
    fn apply(state: &mut VecDeque<Arc<str>>, request: &Ask) -> Told {
        match &request.put {
            Some(value) => {
                state.push_back(Arc::clone(value));
                Told::Done
            }
            None => Told::Out(state.pop_front()),
        }
    }
    fn is_read(_: &Ask) -> bool {
        false
    }
    fn observed_only(_: &Ask, told: &Told) -> bool {
        *told == Told::Out(None)
    }
    fn passage<'r>(request: &'r Ask, told: Option<&'r Told>) -> Option<Passage<'r>> {
        Some(match (&request.put, told) {
            (Some(value), _) => Passage::Enters(value),
            (None, Some(Told::Out(Some(value)))) => Passage::Leaves(value),
            (None, Some(_)) => Passage::FindsNone,
            (None, None) => Passage::Unknown,
        })
    }
    fn could_matter(request: &Ask, all: &[(&Ask, Option<&Told>)]) -> bool {
        // What nobody took out may as well never have come in, and who took it out without being told, never have come.
        let Some(value) = &request.put else { return true };
        all.iter().any(|(_, told)| matches!(told, Some(Told::Out(Some(out))) if out == value))
    }
}

impl Model for Queue {
    const NAME: ModelName = ModelName::Queue;
    const FORMS: &'static str = "a queue knows enqueue and dequeue";

    fn request(event: &Event, how: &Reading) -> Result<Ask, String> {
        let put = match (&*event.f, &event.value) {
            ("enqueue", Datum::Nil) => return Err("enqueue takes a value".to_owned()),
            ("enqueue", value) => Some(value.to_string().into()),
            ("dequeue", _) => None,
            (f, _) => return unknown(f),
        };
        Ok(Ask { object: Object::of(event, how), put })
    }

    fn answer(request: &mut Ask, event: &Event, _: &Reading) -> Result<Answer<Told>, String> {
        Ok(Answer::Seen(match &request.put {
            None => Told::Out(taken(&event.value)),
            Some(_) => Told::Done,
        }))
    }

    fn narrow(operations: &[&Operation<Self>]) -> Option<Vec<usize>> {
        contradiction(operations)
    }
}

impl Elements for Queue {
    fn element(operation: &Operation<Self>) -> Option<&Arc<str>> {
        match (&operation.request.put, &operation.outcome) {
            (Some(element), _) | (None, Outcome::Ok(Told::Out(Some(element)))) => Some(element),
            (None, _) => None,
        }
    }
    fn pairs<'o>(elements: &[&'o Arc<str>], _: &[&'o Operation<Self>]) -> Vec<Pair<'o>> {
        all_pairs(elements)
    }
}

/// What came out; `None` if there was nothing.
pub(super) fn taken(value: &Datum) -> Option<Arc<str>> {
    match value {
        Datum::Nil => None,
        Datum::Word(word) if matches!(&**word, "empty" | "exhausted") => None,
        value => Some(value.to_string().into()),
    }
}
