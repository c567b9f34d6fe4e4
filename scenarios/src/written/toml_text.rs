//! Reads TOML, with every syntax error, into a tree with places.

use super::{Entry, Kind, Table, Value};
use crate::diagnostics::{Problems, Span};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The document, or `None` after syntax errors, which go to `problems`.
pub fn read_toml(source: u32, text: &str, problems: &Problems) -> Option<Value> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut last = None;
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let span = if span.is_empty() { widen(text, span.start) } else { span };
        // One slip makes the rest of its line look wrong as well: the first complaint is the one that helps.
        let line = text.get(..span.start).map(|before| before.matches('\n').count());
        if line != last {
            problems.at(Span::new(source, span), format!("this is not TOML: {}", error.message()), "");
        }
        last = line;
    }
    let document = Value { span: Span::new(source, 0..0), kind: Kind::Table(table(source, document.into_inner())) };
    errors.is_empty().then_some(document)
}

/// The character at an empty span, so that there is something to point at.
fn widen(text: &str, at: usize) -> core::ops::Range<usize> {
    let length = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    at..at + length
}

fn table(source: u32, table: DeTable<'_>) -> Table {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(key, item)| Entry {
            key_span: Span::new(source, key.span()),
            key: key.into_inner().into_owned(),
            value: value_of(source, item),
        })
        .collect();
    // The map sorts by key; a person reads from top to bottom.
    entries.sort_by_key(|e| e.key_span);
    Table { entries }
}

/// One value.
pub(super) fn value_of(source: u32, item: Spanned<DeValue<'_>>) -> Value {
    let span = Span::new(source, item.span());
    let kind = match item.into_inner() {
        DeValue::String(text) => Kind::Text(text.into_owned()),
        DeValue::Integer(number) => Kind::Int(integer(number.as_str(), number.radix())),
        DeValue::Float(number) => Kind::Float(number.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Boolean(flag) => Kind::Flag(flag),
        DeValue::Datetime(date) => Kind::Date(date.to_string()),
        DeValue::Array(items) => Kind::List(items.into_iter().map(|item| value_of(source, item)).collect()),
        DeValue::Table(inner) => Kind::Table(table(source, inner)),
    };
    Value { span, kind }
}

/// A whole number; one that 128 bits can not hold becomes the nearest they can.
fn integer(digits: &str, radix: u32) -> i128 {
    let end = if digits.starts_with('-') { i128::MIN } else { i128::MAX };
    i128::from_str_radix(digits, radix).unwrap_or(end)
}
