//! A lock: held by at most one process.

use super::super::{Answer, Datum, Event, Stage};
use super::{Model, ModelName, Object};
use core::fmt;
use sim_core::linearize::Spec;
use std::sync::Arc;

/// A lock, or one for each key: initially free. Only who holds it can give it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock;

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

impl Model for Lock {
    const NAME: ModelName = ModelName::Lock;
    const FORMS: &'static str = "a lock knows acquire and release";

    fn request(event: &Event) -> Result<Ask, String> {
        let acquire = match &*event.f {
            "acquire" | "lock" => true,
            "release" | "unlock" => false,
            f => return Err(format!("{f:?} is nothing that this model knows")),
        };
        Ok(Ask { object: Object(event.key.clone()), process: Arc::clone(&event.process), acquire })
    }

    fn answer(_: &Ask, event: &Event) -> Result<Answer<Told>, String> {
        let refused = match &event.value {
            Datum::Bool(yes) => !yes,
            Datum::Word(word) => matches!(&**word, "held" | "refused"),
            _ => false,
        };
        Ok(match event.stage {
            _ if refused => Answer::Seen(Told(false)),
            Stage::Fail => Answer::Never,
            _ => Answer::Seen(Told(true)),
        })
    }
}
