//! The values of a text one after the other, one a line or all in one list, each with its place.

use super::reader::{Notation, Reader};
use super::{Datum, Lines};

/// Problems after which a text is not read on: it is something else.
const ENOUGH: usize = 100;

/// One value of a text.
pub(super) struct Form {
    pub value: Datum,
    /// Where it begins, in bytes.
    pub start: usize,
    /// The line of that, counted from 1.
    pub line: u32,
}

/// Reads all of them. What can not be read is told of, and the next line that looks like a beginning is gone on with.
pub(super) fn forms(lines: &Lines<'_>, notation: Notation) -> Vec<Form> {
    let text = lines.text;
    let mut reader = Reader::new(text, 0, notation);
    let mut numbers = LineNumbers { text, at: 0, line: 1 };
    let mut found = Vec::new();
    let mut list = None;
    let mut is_first = true;
    while lines.problems.count() < ENOUGH {
        let begun = reader.at;
        let bad = match reader.skip() {
            Err(bad) => bad,
            Ok(()) => match reader.peek() {
                None => break,
                Some(open @ (b'[' | b'(')) if is_first && is_list(text, reader.at, notation) => {
                    list = Some((reader.at, if open == b'[' { b']' } else { b')' }));
                    reader.at += 1;
                    is_first = false;
                    continue;
                }
                Some(byte) if list.is_some_and(|(_, close)| close == byte) => {
                    reader.at += 1;
                    list = None;
                    continue;
                }
                Some(_) => {
                    let start = reader.at;
                    is_first = false;
                    match reader.value(0) {
                        Ok(value) => {
                            found.push(Form { value, start, line: numbers.of(start) });
                            continue;
                        }
                        Err(bad) => bad,
                    }
                }
            },
        };
        lines.wrong_line(bad.at, &bad.what, super::maps::HELP);
        let from = begun.max(reader.at.min(bad.at));
        reader = Reader::new(text, next_beginning(text, from), notation);
    }
    if let Some((opened, _)) = list
        && lines.problems.count() == 0
    {
        lines.wrong_line(opened, "the list that begins here is never closed", "the file may be cut off");
    }
    found
}

/// Whether what opens here is a list of operations, not an operation that is itself a list.
fn is_list(text: &str, at: usize, notation: Notation) -> bool {
    let mut reader = Reader::new(text, at + 1, notation);
    reader.skip().is_ok() && reader.peek().is_none_or(|byte| matches!(byte, b'{' | b'[' | b'(' | b'#' | b']' | b')'))
}

/// Where the next line begins that looks like a value's beginning.
fn next_beginning(text: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(end) = text[at..].find('\n') {
        at += end + 1;
        if text[at..].trim_start_matches([' ', '\t']).starts_with(['{', '[', '(', '#']) {
            return at;
        }
    }
    text.len()
}

/// Numbers of lines, asked for in the order of the text.
struct LineNumbers<'t> {
    text: &'t str,
    at: usize,
    line: u32,
}

impl LineNumbers<'_> {
    fn of(&mut self, at: usize) -> u32 {
        self.line += self.text.as_bytes()[self.at..at].iter().filter(|byte| **byte == b'\n').count() as u32;
        self.at = at;
        self.line
    }
}
