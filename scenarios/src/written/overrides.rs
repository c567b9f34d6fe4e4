//! `--set fault.0.at=3s`: changes the tree before it is validated, so that an override is checked like the file.

use super::{Entry, Kind, Table, Value};
use crate::diagnostics::{Problems, Span};
use toml::de::DeValue;

/// One `--set path=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// As given, e.g. `fault.0.at=3s`.
    pub text: String,
    /// The flag it was given with, for messages.
    flag: &'static str,
}

impl Override {
    /// From a command line.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self::from_flag("--set", text)
    }

    /// From a flag other than `--set`.
    #[must_use]
    pub fn from_flag(flag: &'static str, text: impl Into<String>) -> Self {
        Self { text: text.into(), flag }
    }
}

/// Makes all `overrides` in `document`, in order. Problems name the `--set` they come from.
pub fn apply(document: &mut Value, overrides: &[Override], problems: &Problems) {
    for set in overrides {
        let source = problems.source(set.flag, &set.text);
        let Some((path, text)) = set.text.split_once('=') else {
            let whole = Span::new(source, 0..set.text.len());
            problems.at(whole, "an override needs a path and a value", "for example `--set scenario.duration=1h`");
            continue;
        };
        let value = value(source, path.len() + 1, text);
        let mut segments = Vec::new();
        let mut at = 0;
        for segment in path.split('.') {
            segments.push((segment.trim(), Span::new(source, at..at + segment.len())));
            at += segment.len() + 1;
        }
        if segments.iter().any(|(segment, _)| segment.is_empty()) {
            let span = Span::new(source, 0..path.len());
            problems.at(span, format!("`{path}` is not a path"), "keys joined by dots, such as `fault.0.at`");
            continue;
        }
        put(document, "", &segments, value, problems);
        let names: Vec<&str> = segments.iter().map(|(segment, _)| *segment).collect();
        let drawn: Vec<&str> = ["swarm", "vary"].into_iter().chain(names).collect();
        remove(document, &drawn);
    }
}

/// Takes a key out, if it is there: what somebody has set, a swarm no longer draws.
fn remove(here: &mut Value, path: &[&str]) {
    let (Some((first, rest)), Kind::Table(table)) = (path.split_first(), &mut here.kind) else { return };
    match table.entries.iter_mut().find(|entry| entry.key == *first) {
        Some(entry) if !rest.is_empty() => remove(&mut entry.value, rest),
        _ => table.entries.retain(|entry| entry.key != *first),
    }
}

/// TOML if it is TOML, else the text itself: nobody wants to quote `1h` twice on a command line.
fn value(source: u32, offset: usize, text: &str) -> Value {
    let whole = Span::new(source, offset..offset + text.len());
    let kind = match DeValue::parse(text.trim()) {
        Err(_) => Kind::Text(text.trim().to_owned()),
        Ok(parsed) => super::toml_text::value_of(source, parsed).kind,
    };
    let mut value = Value { span: whole, kind };
    place(&mut value, whole);
    value
}

/// Inner places refer to the value's text, not to the whole override: one span for all of it is right and enough.
fn place(value: &mut Value, span: Span) {
    value.span = span;
    match &mut value.kind {
        Kind::List(items) => items.iter_mut().for_each(|item| place(item, span)),
        Kind::Table(table) => table.entries.iter_mut().for_each(|entry| {
            entry.key_span = span;
            place(&mut entry.value, span);
        }),
        _ => {}
    }
}

fn put(here: &mut Value, path: &str, segments: &[(&str, Span)], value: Value, problems: &Problems) {
    let Some(((segment, span), rest)) = segments.split_first() else {
        *here = value;
        return;
    };
    let inner = if path.is_empty() { (*segment).to_owned() } else { format!("{path}.{segment}") };
    match &mut here.kind {
        Kind::Table(table) => {
            let place = table.entries.iter().position(|e| e.key == *segment);
            let place = place.unwrap_or_else(|| {
                let empty = Value { span: *span, kind: Kind::Table(Table::default()) };
                table.entries.push(Entry { key: (*segment).to_owned(), key_span: *span, value: empty });
                table.entries.len() - 1
            });
            put(&mut table.entries[place].value, &inner, rest, value, problems);
        }
        Kind::List(items) => {
            let index = segment.parse::<usize>().ok().filter(|i| *i < items.len());
            match index {
                Some(index) => put(&mut items[index], &inner, rest, value, problems),
                None => {
                    let help = match items.len() {
                        0 => format!("`{path}` is empty"),
                        n => format!("`{path}` holds {n}: `{path}.0` to `{path}.{}`", n - 1),
                    };
                    problems.at(*span, format!("there is no `{inner}`"), help);
                }
            }
        }
        other => {
            let what = format!("`{path}` is {}, so there is no `{inner}`", other.name());
            problems.at(*span, what, "");
        }
    }
}
