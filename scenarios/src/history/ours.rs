//! Our own `history.jsonl`: one line for each operation of a key-value run, as it ended.

use super::{Datum, Event, Lines, Stage};
use serde_json::Value;
use std::sync::Arc;

/// Whether the text looks like one: JSON objects.
pub(super) fn is_ours(text: &str) -> bool {
    text.trim_start().strip_prefix('{').is_some_and(|rest| rest.trim_start().starts_with('"'))
}

/// Reads them: each line is an invocation and, unless nobody knows how it ended, a return.
///
/// A client may have several operations under way; each operation is therefore a process of its own.
pub(super) fn events(lines: &Lines<'_>) -> Vec<Event> {
    let mut all = Vec::new();
    for (number, start, line) in lines.iter() {
        match serde_json::from_str::<Value>(line).map_err(|e| e.to_string()).and_then(|v| operation(&v, number)) {
            Ok(events) => all.extend(events),
            Err(what) => {
                lines.wrong(
                    start,
                    line.len(),
                    what,
                    "a line of history.jsonl, as a run of a key-value system writes it",
                );
            }
        }
    }
    // What returns at the instant at which another begins may have overlapped with it.
    all.sort_by_key(|event: &Event| (event.at, event.stage != Stage::Invoke));
    all
}

fn operation(line: &Value, number: u32) -> Result<Vec<Event>, String> {
    let field = |name: &str| line.get(name).ok_or_else(|| format!("the line has no {name:?}"));
    let whole = |name: &str| field(name)?.as_u64().ok_or_else(|| format!("{name:?} is no whole number"));
    let text = |name: &str| field(name)?.as_str().ok_or_else(|| format!("{name:?} is no text"));
    let process = format!("c{} op {}", whole("client")?, whole("op")?);
    let (f, outcome) = (text("f")?, text("outcome")?);
    let (begun, ended) = (whole("invoke_ns")?, whole("return_ns")?);
    if ended < begun {
        return Err(format!("it ends at {ended} ns, before it begins at {begun} ns"));
    }
    let key: Option<Arc<str>> =
        line.get("key").filter(|key| !key.is_null()).map(|key| key.to_string().trim_matches('"').into());
    // `{"put": {"key": 1, "value": "x"}}`: what is asked is inside.
    let asked = field("request")?;
    let asked = asked.as_object().and_then(|o| o.values().next()).unwrap_or(asked);
    let part = |name: &str| asked.get(name).map_or(Datum::Nil, datum);
    let value = match f {
        "cas" => Datum::List(vec![part("expect"), part("value")]),
        _ => part("value"),
    };
    let process: Arc<str> = process.into();
    let event = |stage, value, at| Event {
        process: process.clone(),
        stage,
        f: f.into(),
        key: key.clone(),
        value,
        at,
        line: number,
    };
    let invoke = event(Stage::Invoke, value.clone(), begun);
    let end = match outcome {
        "ok" => {
            let response = field("response")?;
            let answered = match (response.get("value"), response.get("swapped")) {
                (Some(value), _) => datum(value),
                (None, Some(swapped)) => Datum::Bool(swapped.as_bool().ok_or("\"swapped\" is neither true nor false")?),
                (None, None) => datum(response),
            };
            event(Stage::Ok, answered, ended)
        }
        "failed" => event(Stage::Fail, Datum::Nil, ended),
        "unknown" => event(Stage::Info, Datum::Nil, ended),
        other => return Err(format!("the outcome {other:?} is none of ok, failed, unknown")),
    };
    Ok(vec![invoke, end])
}

fn datum(value: &Value) -> Datum {
    match value {
        Value::Null => Datum::Nil,
        Value::Bool(yes) => Datum::Bool(*yes),
        Value::Number(number) => Datum::text(number.to_string()),
        Value::String(text) => Datum::text(text),
        Value::Array(list) => Datum::List(list.iter().map(datum).collect()),
        Value::Object(_) => Datum::text(value.to_string()),
    }
}
