//! Registers that are read and written together: transactions of `[:r key value]` and `[:w key value]`.

use super::super::{Answer, Datum, Event, Reading};
use super::store::{Held, held};
use super::{Model, ModelName, Object, Wrong, unknown};
use core::fmt;
use sim_core::linearize::Spec;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Several registers, each initially nil, that are one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MultiRegister;

/// A transaction: its reads and writes, in order, as if nobody came between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    object: Object,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Reads; what it saw is known or not.
    Read {
        key: Arc<str>,
        known: bool,
    },
    Write {
        key: Arc<str>,
        value: Held,
    },
}

/// What its reads saw, those of which it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told(Vec<Held>);

fn text(value: &Held) -> &str {
    value.as_deref().unwrap_or("nil")
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.steps.iter().enumerate() {
            f.write_str(if i > 0 { ", " } else { "" })?;
            match step {
                Step::Read { key, .. } => write!(f, "read {key}")?,
                Step::Write { key, value } => write!(f, "write {key} {}", text(value))?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            [] => f.write_str("done"),
            values => f.write_str(&values.iter().map(text).collect::<Vec<_>>().join(", ")),
        }
    }
}

impl Spec for MultiRegister {
    type Request = Ask;
    type Response = Told;
    /// Registers that have been written to, or began with something.
    type State = BTreeMap<Arc<str>, Held>;
    type Part = Object;

    fn part(request: &Ask) -> Object {
        request.object.clone()
    }
    fn start(object: &Object) -> Self::State {
        match object.initial.as_deref() {
            Some(Datum::Map(entries)) => entries.iter().map(|(key, value)| (name(key), held(value, false))).collect(),
            _ => BTreeMap::new(),
        }
    }
    fn apply(state: &mut Self::State, request: &Ask) -> Told {
        let mut seen = Vec::new();
        for step in &request.steps {
            match step {
                Step::Read { key, known: true } => seen.push(match state.get(key) {
                    Some(value) => value.clone(),
                    None => request.object.every_register(),
                }),
                Step::Read { known: false, .. } => {}
                Step::Write { key, value } => {
                    state.insert(Arc::clone(key), value.clone());
                }
            }
        }
        Told(seen)
    }
    fn is_read(request: &Ask) -> bool {
        request.steps.iter().all(|step| matches!(step, Step::Read { .. }))
    }
}

impl Object {
    /// What each register begins with, if all begin with the same.
    fn every_register(&self) -> Held {
        match self.initial.as_deref() {
            None | Some(Datum::Map(_)) => None,
            Some(value) => held(value, false),
        }
    }
}

fn name(key: &Datum) -> Arc<str> {
    match key {
        Datum::Word(word) => Arc::clone(word),
        other => other.to_string().into(),
    }
}

const STEPS: &str = "a transaction is a list of [:r key nil] and [:w key value]";

/// The steps of a transaction, with what was read.
fn steps(value: &Datum) -> Result<Vec<(Step, Held)>, String> {
    let Datum::List(steps) = value else { return Err(format!("{STEPS}, not {value}")) };
    let step = |step: &Datum| match step {
        Datum::List(parts) if parts.len() == 3 => match parts[0].name() {
            Some("r" | "read") => Ok((Step::Read { key: name(&parts[1]), known: false }, held(&parts[2], false))),
            Some("w" | "write") => Ok((Step::Write { key: name(&parts[1]), value: held(&parts[2], false) }, None)),
            _ => Err(format!("{STEPS}, and {step} is neither")),
        },
        _ => Err(format!("{STEPS}, and {step} is neither")),
    };
    steps.iter().map(step).collect()
}

impl Model for MultiRegister {
    const NAME: ModelName = ModelName::MultiRegister;
    const FORMS: &'static str = "a multi-register knows txn, with [:r key nil] and [:w key value]";

    fn request(event: &Event, how: &Reading) -> Result<Ask, String> {
        if !matches!(&*event.f, "txn" | "transaction") {
            return unknown(&event.f);
        }
        let steps = steps(&event.value)?.into_iter().map(|(step, _)| step).collect();
        Ok(Ask { object: Object::of(event, how), steps })
    }

    fn answer(request: &mut Ask, event: &Event, how: &Reading) -> Result<Answer<Told>, String> {
        let answered = steps(&event.value)?;
        if answered.len() != request.steps.len() {
            let (asked, answered) = (request.steps.len(), answered.len());
            return Err(format!("the transaction asked for {asked} steps and was answered {answered}"));
        }
        let mut seen = Vec::new();
        for (asked, (answered, value)) in request.steps.iter_mut().zip(answered) {
            match (asked, answered) {
                (Step::Read { key, known }, Step::Read { key: of, .. }) if *key == of => {
                    *known = value.is_some() || how.nil_is_absent;
                    if *known {
                        seen.push(value);
                    }
                }
                (Step::Write { .. }, Step::Write { .. }) => {}
                _ => return Err("the transaction was answered other steps than it asked for".to_owned()),
            }
        }
        Ok(Answer::Seen(Told(seen)))
    }

    fn initial(_: &Datum) -> Result<(), Wrong> {
        Ok(())
    }
}
