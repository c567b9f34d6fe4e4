//! Reads JSON (RFC 8259) into a tree with places; `serde_json` would keep the places to itself.

use super::{Entry, Kind, Table, Value};
use crate::diagnostics::{Problems, Span};
use std::collections::BTreeSet;

/// Deeper nesting than this is refused, as `toml` does: the reader is recursive.
const DEPTH: usize = 64;

/// The document, or `None` after a syntax error, which goes to `problems`.
pub fn read_json(source: u32, text: &str, problems: &Problems) -> Option<Value> {
    let mut reader = Reader { text, at: 0, source, problems };
    let read = reader.document();
    match read {
        Ok(value) => Some(value),
        Err(Stop { at, what }) => {
            let length = text[at..].chars().next().map_or(0, char::len_utf8);
            problems.at(Span::new(source, at..at + length), format!("this is not JSON: {what}"), "");
            None
        }
    }
}

struct Stop {
    at: usize,
    what: String,
}

struct Reader<'a> {
    text: &'a str,
    /// Always between characters.
    at: usize,
    source: u32,
    problems: &'a Problems,
}

impl Reader<'_> {
    fn document(&mut self) -> Result<Value, Stop> {
        let value = self.value(0)?;
        self.space();
        if self.at < self.text.len() {
            return Err(self.stop("nothing may follow the value"));
        }
        Ok(value)
    }

    fn stop(&self, what: &str) -> Stop {
        Stop { at: self.at, what: what.to_owned() }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Steps over `byte` if it is next.
    fn eat(&mut self, byte: u8) -> bool {
        let next = self.peek() == Some(byte);
        self.at += usize::from(next);
        next
    }

    fn value(&mut self, depth: usize) -> Result<Value, Stop> {
        self.space();
        if depth > DEPTH {
            return Err(self.stop("nested too deeply"));
        }
        let start = self.at;
        let kind = match self.peek() {
            None => return Err(self.stop("the text ends where a value should be")),
            Some(b'{') => Kind::Table(self.table(depth)?),
            Some(b'[') => Kind::List(self.list(depth)?),
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(_) => self.word()?,
        };
        Ok(Value { span: Span::new(self.source, start..self.at), kind })
    }

    fn word(&mut self) -> Result<Kind, Stop> {
        for (word, kind) in [("true", Kind::Flag(true)), ("false", Kind::Flag(false)), ("null", Kind::Null)] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(kind);
            }
        }
        Err(self.stop("expected a value"))
    }

    fn number(&mut self) -> Result<Kind, Stop> {
        let start = self.at;
        while matches!(self.peek(), Some(b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')) {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        let wrong = Stop { at: start, what: format!("`{text}` is not a number") };
        // serde_json knows the grammar; it also refuses numbers that no 64-bit float can hold.
        let Ok(number) = serde_json::from_str::<serde_json::Number>(text) else { return Err(wrong) };
        if text.bytes().any(|b| matches!(b, b'.' | b'e' | b'E')) {
            return Ok(Kind::Float(number.as_f64().unwrap_or(f64::NAN)));
        }
        let end = if text.starts_with('-') { i128::MIN } else { i128::MAX };
        Ok(Kind::Int(text.parse().unwrap_or(end)))
    }

    fn string(&mut self) -> Result<String, Stop> {
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek() {
                None => return Err(Stop { at: start, what: "this string does not end".to_owned() }),
                Some(b'"') => break,
                Some(b'\\') => {
                    self.at += 1;
                    // What is escaped may be a character of several bytes; the check below refuses it.
                    let length = self.text[self.at..].chars().next().map_or(0, char::len_utf8);
                    self.at += length;
                }
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        serde_json::from_str(&self.text[start..self.at])
            .map_err(|_| Stop { at: start, what: "this string holds a bad escape or a control character".to_owned() })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value>, Stop> {
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.eat(b']') {
            return Ok(items);
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.eat(b']') {
                return Ok(items);
            }
            if !self.eat(b',') {
                return Err(self.stop("expected `,` or `]`"));
            }
        }
    }

    fn table(&mut self, depth: usize) -> Result<Table, Stop> {
        self.at += 1;
        let mut table = Table::default();
        let mut seen = BTreeSet::new();
        self.space();
        if self.eat(b'}') {
            return Ok(table);
        }
        loop {
            self.space();
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.stop("expected a key in quotes"));
            }
            let key = self.string()?;
            let key_span = Span::new(self.source, start..self.at);
            self.space();
            if !self.eat(b':') {
                return Err(self.stop("expected `:` after the key"));
            }
            let value = self.value(depth + 1)?;
            if !seen.insert(key.clone()) {
                self.problems.at(key_span, format!("`{key}` is written twice"), "keep one of them");
            } else {
                table.entries.push(Entry { key, key_span, value });
            }
            self.space();
            if self.eat(b'}') {
                return Ok(table);
            }
            if !self.eat(b',') {
                return Err(self.stop("expected `,` or `}`"));
            }
        }
    }
}
