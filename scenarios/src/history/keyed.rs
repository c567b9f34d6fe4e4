//! Tuples of a key and a value: whether a history's values are such, and each key an object of its own.
//!
//! `jepsen.independent` records `[key value]` where a plain test records the value; nothing else tells the two apart. A
//! write of `[7 1]` is a write of 1 to the register 7, or a write of a list. A verdict on the wrong reading is worth
//! nothing, so a history that can be read both ways is refused until somebody says which it is.

use super::{Datum, Event, Lines, Model, Reading, Stage};
use std::sync::Arc;

/// The functions that ask without saying anything: a value in their invocation can only be a key's.
const ASKS: [&str; 8] = ["read", "get", "dequeue", "drain", "acquire", "release", "lock", "unlock"];

const FLAGS: &str =
    "--keyed if they are tuples of a key and a value, each key an object of its own; --not-keyed if not";

/// The events as `how` reads them, with their keys.
pub(super) fn keyed<M: Model>(events: Vec<Event>, how: &Reading, lines: &Lines<'_>) -> Vec<Event> {
    let is_keyed = how.keyed.unwrap_or_else(|| decide::<M>(&events, how, lines));
    if !is_keyed {
        return events;
    }
    let split = |event: &Event| {
        let with = with_key(event);
        // What failed, or is not known to have happened, often says something else.
        if with.is_none() && matches!(event.stage, Stage::Invoke | Stage::Ok) {
            let what = format!("the value {} is no tuple of a key and a value", event.value);
            lines.wrong_event(event, what, "[key value], or --not-keyed");
        }
        with
    };
    events.into_iter().map(|event| split(&event).unwrap_or(event)).collect()
}

/// The event with its key, if its value is a tuple.
fn with_key(event: &Event) -> Option<Event> {
    let (key, value) = event.value.pair()?;
    Some(Event { key: Some(Arc::from(key.to_string())), value: value.clone(), ..event.clone() })
}

/// Whether values are tuples: told of, and false, if that can not be told.
fn decide<M: Model>(events: &[Event], how: &Reading, lines: &Lines<'_>) -> bool {
    if events.iter().any(|event| event.key.is_some()) {
        return false;
    }
    let says = |event: &&Event| matches!(event.stage, Stage::Invoke | Stage::Ok);
    let plain = events.iter().filter(says).find(|event| event.value.pair().is_none());
    let asks = |event: &&Event| event.stage == Stage::Invoke && ASKS.contains(&&*event.f);
    let asked = |event: &&Event| event.value.pair().is_some_and(|(_, value)| *value == Datum::Nil);
    let certain = events.iter().filter(asks).find(asked);
    match (plain, certain) {
        (Some(_), None) => false,
        (None, Some(_)) => true,
        (Some(plain), Some(keyed)) => {
            let what = format!(
                "line {} asks with a tuple of a key and nil, but the value {} of line {} is no tuple",
                keyed.line, plain.value, plain.line
            );
            lines.wrong_event(plain, what, FLAGS);
            false
        }
        (None, None) => {
            let fits = |with_keys: bool| {
                events.iter().filter(|event| event.stage == Stage::Invoke).all(|event| match with_keys {
                    true => with_key(event).is_some_and(|event| M::request(&event, how).is_ok()),
                    false => M::request(event, how).is_ok(),
                })
            };
            match (fits(true), fits(false)) {
                (true, true) if !events.is_empty() => {
                    let first = &events[0];
                    let what = format!(
                        "values such as {} can be read both ways: with a key in front, or as they are",
                        first.value
                    );
                    lines.wrong_event(first, what, FLAGS);
                    false
                }
                (with_keys, without) => with_keys && !without,
            }
        }
    }
}
