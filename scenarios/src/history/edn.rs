//! EDN maps, as Jepsen and Knossos keep histories: `{:process 0, :type :ok, :f :get, :key "7", :value nil}`, one a line or
//! in one vector.

use super::{Datum, Event, Lines, Stage};
use clojure_reader::edn::{self, Edn};
use std::sync::Arc;

/// Reads them.
pub(super) fn events(lines: &Lines<'_>) -> Vec<Event> {
    let mut events = Vec::new();
    if !lines.text.trim_start().starts_with('{') {
        let trimmed = lines.text.trim_start();
        let start = lines.text.len() - trimmed.len();
        let read = edn::read_string(trimmed);
        match &read {
            Ok(Edn::Vector(maps) | Edn::List(maps)) => {
                for (i, map) in maps.iter().enumerate() {
                    push(lines, (i as u32 + 1, start, trimmed.len().min(1)), map, &mut events);
                }
            }
            Ok(_) => lines.wrong(start, 1, "this is no history", "a vector of maps, or one map a line"),
            Err(error) => lines.wrong(
                start,
                1,
                format!("this is no EDN: {:?}", error.code),
                "a vector of maps, or one map a line",
            ),
        }
        return events;
    }
    for (number, start, line) in lines.iter() {
        match edn::read_string(line) {
            Ok(map) => push(lines, (number, start, line.len()), &map, &mut events),
            Err(error) => {
                let help = "one map a line: {:process 0, :type :invoke, :f :read, :value nil}";
                lines.wrong(start, line.len(), format!("this is no EDN map: {:?}", error.code), help);
            }
        }
    }
    events
}

fn push(lines: &Lines<'_>, (number, start, length): (u32, usize, usize), map: &Edn<'_>, events: &mut Vec<Event>) {
    let wrong = |what: &str, help: &str| lines.wrong(start, length, what, help);
    let Edn::Map(map) = map else {
        return wrong("this is no map", "{:process 0, :type :invoke, :f :read, :value nil}");
    };
    let get = |name: &'static str| map.get(&Edn::Key(name.into()));
    let process = match get("process") {
        Some(Edn::Key(word)) if word == "nemesis" => return,
        Some(process) => Arc::from(datum(process).to_string()),
        None => return wrong("the operation has no :process", ":process says who asked: a number"),
    };
    let stage = match get("type") {
        Some(Edn::Key(word)) => Stage::named(word),
        _ => None,
    };
    let Some(stage) = stage else {
        return wrong("the operation has no :type", ":type is :invoke, :ok, :fail or :info");
    };
    let Some(Edn::Key(f) | Edn::Symbol(f) | Edn::Str(f)) = get("f") else {
        return wrong("the operation has no :f", ":f says what was asked: :read, :write, :cas, :get, :put, ...");
    };
    let value = get("value").map_or(Datum::Nil, datum);
    let key = get("key").map(|key| Arc::from(datum(key).to_string()));
    // The order of the lines is the order of the events; Jepsen's :time says the same.
    let at = u64::from(number);
    events.push(Event { process, stage, f: f.as_ref().into(), key, value, at, line: number });
}

/// A value without what EDN knows beyond texts, numbers and lists.
pub(super) fn datum(edn: &Edn<'_>) -> Datum {
    match edn {
        Edn::Nil => Datum::Nil,
        Edn::Bool(yes) => Datum::Bool(*yes),
        Edn::Key(word) => Datum::Word(word.as_ref().into()),
        Edn::Str(text) | Edn::Symbol(text) => Datum::text(text),
        Edn::Vector(list) | Edn::List(list) => Datum::List(list.iter().map(datum).collect()),
        Edn::Tagged(_, inner) => datum(inner),
        other => Datum::text(other.to_string()),
    }
}
