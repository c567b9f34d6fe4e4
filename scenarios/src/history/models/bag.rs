//! A queue without an order: what came in comes out once, in any order.

use super::super::{Answer, Datum, Event, Operation, Piece, Reading, Stage};
use super::elements::{Elements, Pair, contradiction};
use super::queue::taken;
use super::{Model, ModelName, Object, unknown};
use core::fmt;
use sim_core::linearize::{Passage, Spec};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An unordered queue, or one for each key: initially empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bag;

/// What is asked of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    object: Object,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Enqueue(Arc<str>),
    /// What came out; `None` inside if it was empty, outside if nobody knows.
    Dequeue(Option<Option<Arc<str>>>),
    /// Dequeues until somebody has had enough, each of which is an operation of its own if it is known.
    Drain,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is in.
    Done,
    /// What came out; `None` if it was empty.
    Out(Option<Arc<str>>),
    /// There is no such element, or something is still in: not what was told.
    Otherwise,
}

/// What is in, and how many may have been taken out by those who were not told.
///
/// A dequeue that nobody knows the outcome of may have taken anything that was there. That shows only when the queue is
/// seen empty, so it is decided then: what is still in must be no more than such dequeues before it can have taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Contents {
    elements: BTreeMap<Arc<str>, u32>,
    count: u32,
    /// Dequeues of unknown outcomes that have come and have taken nothing yet; `u32::MAX` after a drain: any number.
    takers: u32,
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Enqueue(value) => write!(f, "enqueue {value}"),
            What::Dequeue(_) => f.write_str("dequeue"),
            What::Drain => f.write_str("drain"),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Out(Some(value)) => f.write_str(value),
            Self::Out(None) => f.write_str("empty"),
            Self::Otherwise => f.write_str("something else"),
        }
    }
}

impl Contents {
    fn take(&mut self, value: &Arc<str>) -> bool {
        let Some(left) = self.elements.get_mut(value) else { return false };
        *left -= 1;
        if *left == 0 {
            self.elements.remove(value);
        }
        self.count -= 1;
        true
    }

    /// Whether it can be empty now; then it is, and those who took what was in have done so.
    fn empty(&mut self) -> bool {
        if self.count > self.takers {
            return false;
        }
        if self.takers != u32::MAX {
            self.takers -= self.count;
        }
        self.elements.clear();
        self.count = 0;
        true
    }
}

impl Spec for Bag {
    type Request = Ask;
    type Response = Told;
    type State = Contents;
    type Part = Object;

    fn part(request: &Ask) -> Object {
        request.object.clone()
    }
    fn start(_: &Object) -> Contents {
        Contents::default()
    }
    fn apply(state: &mut Contents, request: &Ask) -> Told {
        match &request.what {
            What::Enqueue(value) => {
                *state.elements.entry(Arc::clone(value)).or_default() += 1;
                state.count += 1;
            }
            What::Dequeue(Some(out)) => {
                let fits = match out {
                    Some(value) => state.take(value),
                    None => state.empty(),
                };
                return if fits { Told::Out(out.clone()) } else { Told::Otherwise };
            }
            What::Dequeue(None) => state.takers = state.takers.saturating_add(1),
            What::Drain => state.takers = u32::MAX,
        }
        Told::Done
    }
    fn is_read(_: &Ask) -> bool {
        false
    }
    fn passage<'r>(request: &'r Ask, _: Option<&'r Told>) -> Option<Passage<'r>> {
        Some(match &request.what {
            What::Enqueue(value) => Passage::Enters(value),
            What::Dequeue(Some(Some(value))) => Passage::Leaves(value),
            What::Dequeue(Some(None)) => Passage::FindsNone,
            What::Dequeue(None) => Passage::Unknown,
            What::Drain => Passage::Drains,
        })
    }
    fn overtakes() -> bool {
        true
    }
    fn only_constrains(request: &Ask, _: &Told) -> bool {
        request.what == What::Dequeue(Some(None))
    }
    fn could_matter(request: &Ask, all: &[(&Ask, Option<&Told>)]) -> bool {
        // What nobody took out makes a difference to nobody but who found it empty, and would rather it never came.
        // That something is out makes a difference only to them.
        all.iter().any(|(other, told)| match (&request.what, &other.what, told) {
            (What::Enqueue(value), What::Dequeue(Some(Some(out))), Some(_)) => value == out,
            (What::Dequeue(Some(Some(_)) | None) | What::Drain, What::Dequeue(Some(None)), Some(_)) => true,
            _ => false,
        })
    }
}

impl Model for Bag {
    const NAME: ModelName = ModelName::UnorderedQueue;
    const FORMS: &'static str = "an unordered queue knows enqueue, dequeue and drain";

    fn request(event: &Event, how: &Reading) -> Result<Ask, String> {
        let what = match (&*event.f, &event.value) {
            ("enqueue", Datum::Nil) => return Err("enqueue takes a value".to_owned()),
            ("enqueue", value) => What::Enqueue(value.to_string().into()),
            ("dequeue", _) => What::Dequeue(None),
            ("drain", _) => What::Drain,
            (f, _) => return unknown(f),
        };
        Ok(Ask { object: Object::of(event, how), what })
    }

    fn answer(request: &mut Ask, event: &Event, _: &Reading) -> Result<Answer<Told>, String> {
        Ok(match &mut request.what {
            What::Enqueue(_) => Answer::Seen(Told::Done),
            What::Dequeue(out) => {
                let came_out = taken(&event.value);
                *out = Some(came_out.clone());
                Answer::Seen(Told::Out(came_out))
            }
            // What it took out are operations of their own.
            What::Drain => match event.value.members() {
                Some(_) => Answer::Never,
                None => return Err(format!("a drain answers with what it took out, a list, not with {}", event.value)),
            },
        })
    }

    fn pieces(request: &Ask, event: &Event) -> Vec<Piece<Self>> {
        let out = match (&request.what, event.stage) {
            (What::Drain, Stage::Ok | Stage::Info) => event.value.members().unwrap_or_default(),
            _ => return Vec::new(),
        };
        let piece = |value: &Datum| {
            let out = Some(Arc::from(value.to_string()));
            let ask = Ask { object: request.object.clone(), what: What::Dequeue(Some(out.clone())) };
            (ask, Told::Out(out))
        };
        out.iter().map(piece).collect()
    }

    fn narrow(operations: &[&Operation<Self>]) -> Option<Vec<usize>> {
        contradiction(operations)
    }
}

impl Elements for Bag {
    fn element(operation: &Operation<Self>) -> Option<&Arc<str>> {
        match &operation.request.what {
            What::Enqueue(element) | What::Dequeue(Some(Some(element))) => Some(element),
            What::Dequeue(_) | What::Drain => None,
        }
    }
    fn pairs<'o>(_: &[&'o Arc<str>], _: &[&'o Operation<Self>]) -> Vec<Pair<'o>> {
        // Elements overtake each other: they have nothing to do with each other.
        Vec::new()
    }
}
