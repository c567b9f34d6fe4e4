//! Maps of process, type, function and value, in EDN as Jepsen and Knossos keep histories
//! (`{:process 0, :type :ok, :f :get, :key "7", :value nil}`) or in JSON; and tuples of the same (`[0 :ok :read 3]`).

use super::forms::{Form, forms};
use super::reader::Notation;
use super::{Datum, Event, Lines, Stage};
use std::sync::Arc;

const EXAMPLE: &str = "{:process 0, :type :invoke, :f :read, :value nil}";
/// What would be right where something else is.
pub(super) const HELP: &str =
    "maps, one a line or all of them in one list: {:process 0, :type :invoke, :f :read, :value nil}";

/// Reads them. The order of the maps is the order of the events; Jepsen's :index says the same.
pub(super) fn events(lines: &Lines<'_>, notation: Notation) -> Vec<Event> {
    let forms = forms(lines, notation);
    let events = forms.iter().enumerate().filter_map(|(i, form)| match event(form, i as u64) {
        Ok(event) => {
            lines.has_nemesis.set(lines.has_nemesis.get() | event.is_none());
            event
        }
        Err((what, help)) => {
            lines.wrong_line(form.start, what, help);
            None
        }
    });
    events.collect()
}

type Wrong = (String, &'static str);

/// The event of a form; `None` for one of the nemesis.
fn event(form: &Form, at: u64) -> Result<Option<Event>, Wrong> {
    let wrong = |what: &str, help| Err((what.to_owned(), help));
    let field = |name: &str, place: usize| match &form.value {
        Datum::List(tuple) => tuple.get(place),
        map => map.get(name),
    };
    match &form.value {
        Datum::Map(_) => {}
        Datum::List(tuple) if matches!(tuple.len(), 3..=5) => {}
        _ => return wrong("this is no map", EXAMPLE),
    }
    let process = match field("process", 0) {
        Some(process) if process.name() == Some("nemesis") => return Ok(None),
        Some(process) => Arc::from(process.to_string()),
        None => return wrong("the operation has no :process", ":process says who asked: a number"),
    };
    let Some(stage) = field("type", 1).and_then(Datum::name).and_then(Stage::named) else {
        return wrong("the operation has no :type", ":type is :invoke, :ok, :fail or :info");
    };
    let Some(f) = field("f", 2).and_then(Datum::name) else {
        return wrong("the operation has no :f", ":f says what was asked: :read, :write, :cas, :get, :put, ...");
    };
    let value = |name, place| field(name, place).cloned().unwrap_or(Datum::Nil);
    let key = form.value.get("key").filter(|key| **key != Datum::Nil).map(|key| Arc::from(key.to_string()));
    let (value, error) = (value("value", 3), value("error", 4));
    Ok(Some(Event { process, stage, f: f.into(), key, value, error, at, line: form.line }))
}
