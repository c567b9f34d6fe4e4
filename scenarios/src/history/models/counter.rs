//! A counter: numbers are added, the sum is read.

use super::super::{Answer, Datum, Event, Reading};
use super::{Model, ModelName, Object, Wrong, unknown};
use core::fmt;
use sim_core::linearize::{Growth, Spec};

/// A counter, or one for each key: initially 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counter;

/// What is asked of a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    object: Object,
    /// What to add; `None` reads.
    add: Option<i64>,
}

/// What a counter answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// It is added.
    Done,
    /// The sum.
    Sum(i64),
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.add {
            Some(n) => write!(f, "add {n}"),
            None => f.write_str("read"),
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Sum(sum) => write!(f, "{sum}"),
        }
    }
}

/// Numbers within which sums of any history's length stay.
const LARGEST: i64 = 1 << 40;

fn number(value: &Datum) -> Option<i64> {
    match value {
        Datum::Text(text) => text.parse().ok().filter(|n: &i64| n.abs() <= LARGEST),
        _ => None,
    }
}

impl Spec for Counter {
    type Request = Ask;
    type Response = Told;
    type State = i64;
    type Part = Object;

    fn part(request: &Ask) -> Object {
        request.object.clone()
    }
    fn start(object: &Object) -> i64 {
        object.initial.as_deref().and_then(number).unwrap_or(0)
    }
    fn apply(sum: &mut i64, request: &Ask) -> Told {
        match request.add {
            Some(n) => {
                *sum = sum.saturating_add(n);
                Told::Done
            }
            None => Told::Sum(*sum),
        }
    }
    fn is_read(request: &Ask) -> bool {
        request.add.is_none_or(|n| n == 0)
    }
    fn needs(request: &Ask, told: &Told) -> Option<i64> {
        match (request.add, told) {
            (None, Told::Sum(sum)) => Some(*sum),
            _ => None,
        }
    }
    fn growth(request: &Ask) -> Option<Growth> {
        // Which of several numbers came first makes a difference: 2 leads to 3 where another 1 is to come.
        request.add.is_none_or(|n| n >= 0).then_some(Growth::Ordered)
    }
    fn can_grow_into(sum: &i64, larger: &i64) -> bool {
        sum <= larger
    }
}

impl Model for Counter {
    const NAME: ModelName = ModelName::Counter;
    const FORMS: &'static str = "a counter knows add, increment, decrement and read";

    fn request(event: &Event, how: &Reading) -> Result<Ask, String> {
        let by = |sign: i64| match (&event.value, number(&event.value)) {
            (Datum::Nil, _) => Ok(sign),
            (_, Some(n)) => Ok(sign * n),
            (value, None) => Err(format!("{} takes a whole number, not {value}", event.f)),
        };
        let add = match &*event.f {
            "add" if event.value == Datum::Nil => return Err("add takes a whole number".to_owned()),
            "add" | "inc" | "incr" | "increment" => Some(by(1)?),
            "dec" | "decr" | "decrement" => Some(by(-1)?),
            "read" | "get" => None,
            f => return unknown(f),
        };
        Ok(Ask { object: Object::of(event, how), add })
    }

    fn answer(request: &mut Ask, event: &Event, _: &Reading) -> Result<Answer<Told>, String> {
        if request.add.is_some() {
            return Ok(Answer::Seen(Told::Done));
        }
        match (&event.value, number(&event.value)) {
            (Datum::Nil, _) => Ok(Answer::Unknown),
            (_, Some(sum)) => Ok(Answer::Seen(Told::Sum(sum))),
            (value, None) => Err(format!("a counter reads a whole number, not {value}")),
        }
    }

    fn initial(value: &Datum) -> Result<(), Wrong> {
        let wrong = || (format!("a counter begins with a whole number, not with {value}"), "--initial 0");
        number(value).map(|_| ()).ok_or_else(wrong)
    }
}
