//! A queue: first in, first out.

use super::super::{Answer, Datum, Event, Stage};
use super::{Model, ModelName, Object};
use core::fmt;
use sim_core::linearize::Spec;
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
}

impl Model for Queue {
    const NAME: ModelName = ModelName::Queue;
    const FORMS: &'static str = "a queue knows enqueue and dequeue";

    fn request(event: &Event) -> Result<Ask, String> {
        let put = match (&*event.f, &event.value) {
            ("enqueue", Datum::Nil) => return Err("enqueue takes a value".to_owned()),
            ("enqueue", value) => Some(value.to_string().into()),
            ("dequeue", _) => None,
            (f, _) => return Err(format!("{f:?} is nothing that this model knows")),
        };
        Ok(Ask { object: Object(event.key.clone()), put })
    }

    fn answer(request: &Ask, event: &Event) -> Result<Answer<Told>, String> {
        let empty = match &event.value {
            Datum::Nil => event.stage == Stage::Ok,
            Datum::Word(word) => &**word == "empty",
            _ => false,
        };
        Ok(match (&request.put, event.stage) {
            (None, _) if empty => Answer::Seen(Told::Out(None)),
            (_, Stage::Fail) => Answer::Never,
            (None, _) => Answer::Seen(Told::Out(Some(event.value.to_string().into()))),
            (Some(_), _) => Answer::Seen(Told::Done),
        })
    }
}
