//! A lock: held by at most one process, or at most once.

use super::super::{Answer, Datum, Event, Reading};
use super::{Model, ModelName, Object, unknown};
use core::fmt;
use sim_core::linearize::{Makes, Spec};
use std::sync::Arc;

/// A lock, or one for each key: initially free. Only who holds it can give it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock;

/// A lock without an owner, or one for each key: initially free. Anybody can give it back, if it is held.
///
/// A client whose process got a new number after `:info` gives back what the old one took: no mistake here, where
/// [`Lock`] would see one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mutex;

/// What is asked of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    object: Object,
    process: Arc<str>,
    acquire: bool,
}

/// What a lock answers: whether the process got it, or gave it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told(bool);

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.acquire { "acquire" } else { "release" })
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "done" } else { "refused" })
    }
}

impl Spec for Lock {
    type Request = Ask;
    type Response = Told;
    type State = Option<Arc<str>>;
    type Part = Object;

    fn part(request: &Ask) -> Object {
        request.object.clone()
    }
    fn start(_: &Object) -> Option<Arc<str>> {
        None
    }
    fn apply(holder: &mut Option<Arc<str>>, request: &Ask) -> Told {
        let granted = if request.acquire { holder.is_none() } else { holder.as_ref() == Some(&request.process) };
        if granted {
            *holder = request.acquire.then(|| Arc::clone(&request.process));
        }
        Told(granted)
    }
    fn is_read(_: &Ask) -> bool {
        false
    }
    fn observed_only(_: &Ask, told: &Told) -> bool {
        !told.0
    }
}

fn request(event: &Event, how: &Reading) -> Result<Ask, String> {
    let acquire = match &*event.f {
        "acquire" | "lock" => true,
        "release" | "unlock" => false,
        f => return unknown(f),
    };
    Ok(Ask { object: Object::of(event, how), process: Arc::clone(&event.process), acquire })
}

fn answer(event: &Event) -> Answer<Told> {
    let refused = match &event.value {
        Datum::Bool(yes) => !yes,
        Datum::Word(word) => matches!(&**word, "held" | "refused"),
        _ => false,
    };
    Answer::Seen(Told(!refused))
}

impl Spec for Mutex {
    type Request = Ask;
    type Response = Told;
    type State = bool;
    type Part = Object;

    fn part(request: &Ask) -> Object {
        request.object.clone()
    }
    fn start(_: &Object) -> bool {
        false
    }
    fn apply(is_held: &mut bool, request: &Ask) -> Told {
        let granted = *is_held != request.acquire;
        *is_held = request.acquire;
        Told(granted)
    }
    fn is_read(_: &Ask) -> bool {
        false
    }
    fn observed_only(_: &Ask, told: &Told) -> bool {
        !told.0
    }
    fn needs(request: &Ask, told: &Told) -> Option<bool> {
        Some(request.acquire != told.0)
    }
    fn only_from(request: &Ask) -> Option<bool> {
        Some(!request.acquire)
    }
    fn makes(request: &Ask) -> Option<Makes<bool>> {
        Some(Makes::State(request.acquire))
    }
}

macro_rules! locks {
    ($name:ident, $forms:literal) => {
        impl Model for $name {
            const NAME: ModelName = ModelName::$name;
            const FORMS: &'static str = $forms;
            fn request(event: &Event, how: &Reading) -> Result<Ask, String> {
                request(event, how)
            }
            fn answer(_: &mut Ask, event: &Event, _: &Reading) -> Result<Answer<Told>, String> {
                Ok(answer(event))
            }
        }
    };
}

locks!(Lock, "a lock knows acquire and release");
locks!(Mutex, "a mutex knows acquire and release");
