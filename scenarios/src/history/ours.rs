//! Our own `history.jsonl`: one line for each operation of a key-value run, as it ended.

use super::forms::{Form, forms};
use super::reader::Notation;
use super::{Datum, Event, Lines, Stage};
use std::sync::Arc;

/// Reads them: each line is an invocation and, unless nobody knows how it ended, a return.
///
/// A client may have several operations under way; each operation is therefore a process of its own.
pub(super) fn events(lines: &Lines<'_>) -> Vec<Event> {
    let mut all = Vec::new();
    for form in forms(lines, Notation::Json) {
        match operation(&form) {
            Ok(events) => all.extend(events),
            Err(what) => {
                lines.wrong_line(form.start, what, "a line of history.jsonl, as a run of a key-value system writes it");
            }
        }
    }
    // What returns at the instant at which another begins may have overlapped with it.
    all.sort_by_key(|event: &Event| (event.at, event.stage != Stage::Invoke));
    all
}

fn operation(form: &Form) -> Result<[Event; 2], String> {
    let line = &form.value;
    let field = |name: &str| line.get(name).ok_or_else(|| format!("the line has no {name:?}"));
    let text = |name: &str| match field(name)? {
        Datum::Text(text) => Ok(text),
        _ => Err(format!("{name:?} is no text")),
    };
    let whole = |name: &str| match field(name)? {
        Datum::Text(text) => text.parse::<u64>().map_err(|_| format!("{name:?} is no whole number")),
        _ => Err(format!("{name:?} is no whole number")),
    };
    let process = format!("c{} op {}", whole("client")?, whole("op")?);
    let (f, outcome) = (text("f")?, text("outcome")?);
    let (begun, ended) = (whole("invoke_ns")?, whole("return_ns")?);
    if ended < begun {
        return Err(format!("it ends at {ended} ns, before it begins at {begun} ns"));
    }
    let key = line.get("key").filter(|key| **key != Datum::Nil).map(|key| Arc::from(key.to_string()));
    // `{"put": {"key": 1, "value": "x"}}`: what is asked is inside.
    let asked = match field("request")? {
        Datum::Map(entries) if !entries.is_empty() => &entries[0].1,
        other => other,
    };
    let part = |name: &str| asked.get(name).cloned().unwrap_or(Datum::Nil);
    let value = match &**f {
        "cas" => Datum::List(vec![part("expect"), part("value")]),
        _ => part("value"),
    };
    let process: Arc<str> = process.into();
    let event = |stage, value, at| Event {
        process: Arc::clone(&process),
        stage,
        f: Arc::clone(f),
        key: key.clone(),
        value,
        error: Datum::Nil,
        at,
        line: form.line,
    };
    let invoke = event(Stage::Invoke, value, begun);
    let end = match &**outcome {
        "ok" => {
            let response = field("response")?;
            let answered = match (response.get("value"), response.get("swapped")) {
                (Some(value), _) => value,
                (None, Some(swapped @ Datum::Bool(_))) => swapped,
                (None, Some(_)) => return Err("\"swapped\" is neither true nor false".to_owned()),
                (None, None) => response,
            };
            event(Stage::Ok, answered.clone(), ended)
        }
        "failed" => event(Stage::Fail, Datum::Nil, ended),
        "unknown" => event(Stage::Info, Datum::Nil, ended),
        other => return Err(format!("the outcome {other:?} is none of ok, failed, unknown")),
    };
    Ok([invoke, end])
}
