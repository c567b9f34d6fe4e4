//! A register, and a store of many: read, write, append, compare-and-set, delete.

use super::super::{Answer, Datum, Event};
use super::{Model, ModelName, Object};
use core::fmt;
use sim_core::linearize::{Makes, Spec};
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

fn held(value: &Datum, empty_is_nil: bool) -> Held {
    match value {
        Datum::Nil => None,
        Datum::Text(text) if empty_is_nil && text.is_empty() => None,
        Datum::Text(text) => Some(Arc::clone(text)),
        other => Some(other.to_string().into()),
    }
}

fn request(event: &Event, many: bool) -> Result<Ask, String> {
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
        (f, _) => return Err(format!("{f:?} is nothing that this model knows")),
    };
    Ok(Ask { object: Object(event.key.clone()), what })
}

fn answer(request: &Ask, event: &Event, many: bool) -> Result<Answer<Told>, String> {
    use super::super::Stage;
    let refused = matches!(event.stage, Stage::Fail);
    Ok(match (&request.what, &event.value, refused) {
        // A compare-and-set that failed has looked, unless what it says is why it could not.
        (What::Cas { .. }, Datum::List(_), true) => Answer::Seen(Told::Swapped(false)),
        (_, _, true) => Answer::Never,
        (What::Read, value, _) => Answer::Seen(Told::Value(held(value, many))),
        (What::Cas { .. }, Datum::Bool(yes), _) => Answer::Seen(Told::Swapped(*yes)),
        (What::Cas { .. }, _, _) => Answer::Seen(Told::Swapped(true)),
        (What::Write(_) | What::Append(_), _, _) => Answer::Seen(Told::Done),
    })
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
            fn start(_: &Object) -> Held {
                None
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
            fn could_matter(request: &Ask, all: &[(&Ask, Option<&Told>)]) -> bool {
                could_matter(request, all)
            }
        }

        impl Model for $name {
            const NAME: ModelName = $model;
            const FORMS: &'static str = $forms;
            fn request(event: &Event) -> Result<Ask, String> {
                request(event, $many)
            }
            fn answer(request: &Ask, event: &Event) -> Result<Answer<Told>, String> {
                answer(request, event, $many)
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
