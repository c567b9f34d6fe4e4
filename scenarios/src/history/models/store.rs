//! A register, and a store of many: read, write, append, compare-and-set, delete.

use super::super::reading::has_looked;
use super::super::{Answer, Datum, Event, FailedCas, Reading};
use super::{Model, ModelName, Object, Wrong, unknown};
use core::fmt;
use sim_core::linearize::{Growth, Makes, Spec};
use std::sync::Arc;

/// What a register holds; `None` is nothing.
pub type Held = Option<Arc<str>>;

/// What is asked of a register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    object: Object,
    what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum What {
    Read,
    Write(Held),
    Append(Arc<str>),
    Cas { expect: Held, value: Held },
}

/// What a register answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// It was done.
    Done,
    /// What it holds.
    Value(Held),
    /// Whether the comparison found what it expected.
    Swapped(bool),
}

struct Shown<'a>(&'a Held);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("nil"))
    }
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Read => f.write_str("read"),
            What::Write(value) => write!(f, "write {}", Shown(value)),
            What::Append(value) => write!(f, "append {value}"),
            What::Cas { expect, value } => write!(f, "cas {} to {}", Shown(expect), Shown(value)),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Value(value) => write!(f, "{}", Shown(value)),
            Self::Swapped(true) => f.write_str("swapped"),
            Self::Swapped(false) => f.write_str("found another value"),
        }
    }
}

pub(super) fn held(value: &Datum, empty_is_nil: bool) -> Held {
    match value {
        Datum::Nil => None,
        Datum::Text(text) if empty_is_nil && text.is_empty() => None,
        Datum::Text(text) => Some(Arc::clone(text)),
        other => Some(other.to_string().into()),
    }
}

fn request(event: &Event, how: &Reading, many: bool) -> Result<Ask, String> {
    let what = match (&*event.f, &event.value) {
        ("read" | "get", _) => What::Read,
        ("write" | "put", value) => What::Write(held(value, many)),
        ("delete", _) if many => What::Write(None),
        ("append", Datum::Text(text)) if many => What::Append(Arc::clone(text)),
        ("append", value) if many => return Err(format!("append takes a text, not {value}")),
        ("cas", Datum::List(pair)) if pair.len() == 2 => {
            What::Cas { expect: held(&pair[0], many), value: held(&pair[1], many) }
        }
        ("cas", value) => {
            return Err(format!("cas takes two values, what is expected and what is written, not {value}"));
        }
        (f, _) => return unknown(f),
    };
    Ok(Ask { object: Object::of(event, how), what })
}

fn answer(request: &Ask, event: &Event, nil_is_unknown: bool, many: bool) -> Answer<Told> {
    Answer::Seen(match (&request.what, &event.value) {
        (What::Read, Datum::Nil) if nil_is_unknown => return Answer::Unknown,
        (What::Read, value) => Told::Value(held(value, many)),
        (What::Cas { .. }, Datum::Bool(yes)) => Told::Swapped(*yes),
        (What::Cas { .. }, _) => Told::Swapped(true),
        (What::Write(_) | What::Append(_), _) => Told::Done,
    })
}

/// A compare-and-set that failed has looked, if that is how a history is read, unless what it says is why it could not.
fn refused(request: &Ask, event: &Event, how: &Reading) -> Option<Told> {
    let looked = matches!((&request.what, &event.value), (What::Cas { .. }, Datum::List(_)))
        && how.failed_cas == FailedCas::Looked
        && has_looked(&event.error);
    looked.then_some(Told::Swapped(false))
}

fn apply(state: &mut Held, request: &Ask) -> Told {
    match &request.what {
        What::Read => return Told::Value(state.clone()),
        What::Write(value) => state.clone_from(value),
        What::Append(more) => {
            *state = Some(match state {
                Some(text) => [&**text, more].concat().into(),
                None => Arc::clone(more),
            });
        }
        What::Cas { expect, value } => {
            let found = state == expect;
            if found {
                state.clone_from(value);
            }
            return Told::Swapped(found);
        }
    }
    Told::Done
}

fn could_matter(request: &Ask, all: &[(&Ask, Option<&Told>)]) -> bool {
    let (What::Write(value) | What::Cas { value, .. }) = &request.what else { return true };
    // A value that nobody saw was overwritten unseen, or never written: no difference, unless an append grew it or a
    // compare-and-set met it, found or not.
    all.iter().any(|(other, told)| match (&other.what, told) {
        (What::Read, Some(Told::Value(seen))) => seen == value,
        (What::Cas { expect, .. }, Some(Told::Swapped(false))) => expect != value,
        (What::Cas { expect, .. }, _) => expect == value,
        (What::Append(_), _) => true,
        _ => false,
    })
}

macro_rules! store {
    ($name:ident, $model:expr, $many:literal, $forms:literal, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name;

        impl Spec for $name {
            type Request = Ask;
            type Response = Told;
            type State = Held;
            type Part = Object;

            fn part(request: &Ask) -> Object {
                request.object.clone()
            }
            fn start(object: &Object) -> Held {
                object.initial.as_ref().and_then(|value| held(value, $many))
            }
            fn apply(state: &mut Held, request: &Ask) -> Told {
                apply(state, request)
            }
            fn is_read(request: &Ask) -> bool {
                request.what == What::Read
            }
            fn observed_only(request: &Ask, told: &Told) -> bool {
                Self::is_read(request) || *told == Told::Swapped(false)
            }
            fn needs(request: &Ask, told: &Told) -> Option<Held> {
                match (&request.what, told) {
                    (What::Read, Told::Value(value)) => Some(value.clone()),
                    (What::Cas { expect, .. }, Told::Swapped(true)) => Some(expect.clone()),
                    _ => None,
                }
            }
            fn only_from(request: &Ask) -> Option<Held> {
                match &request.what {
                    What::Cas { expect, .. } => Some(expect.clone()),
                    _ => None,
                }
            }
            fn makes(request: &Ask) -> Option<Makes<Held>> {
                match &request.what {
                    What::Read => Some(Makes::Nothing),
                    What::Write(value) | What::Cas { value, .. } => Some(Makes::State(value.clone())),
                    What::Append(_) => None,
                }
            }
            fn growth(request: &Ask) -> Option<Growth> {
                matches!(request.what, What::Read | What::Append(_)).then_some(Growth::Ordered)
            }
            fn can_grow_into(held: &Held, longer: &Held) -> bool {
                match (held, longer) {
                    (None, _) => true,
                    (Some(_), None) => false,
                    (Some(held), Some(longer)) => longer.starts_with(&**held),
                }
            }
            fn could_matter(request: &Ask, all: &[(&Ask, Option<&Told>)]) -> bool {
                could_matter(request, all)
            }
        }

        impl Model for $name {
            const NAME: ModelName = $model;
            const FORMS: &'static str = $forms;
            fn request(event: &Event, how: &Reading) -> Result<Ask, String> {
                request(event, how, $many)
            }
            fn answer(request: &mut Ask, event: &Event, how: &Reading) -> Result<Answer<Told>, String> {
                // A store says nil of a key that it does not have; a register's test often of what it did not read.
                Ok(answer(request, event, !$many && !how.nil_is_absent, $many))
            }
            fn refused(request: &Ask, event: &Event, how: &Reading) -> Option<Told> {
                refused(request, event, how)
            }
            fn initial(_: &Datum) -> Result<(), Wrong> {
                Ok(())
            }
        }
    };
}

store!(
    Register,
    ModelName::Register,
    false,
    "a register knows read, write and cas",
    "A register, or one for each key: initially nil."
);
store!(
    Kv,
    ModelName::Kv,
    true,
    "a store knows get, put, append, cas and delete",
    "A store of texts by key: initially empty, which is as good as nil."
);
