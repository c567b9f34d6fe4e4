//! Histories that somebody recorded, ours or not: read from a file, judged against a model, explained if they are
//! wrong.
//!
//! [`read`] turns a file into [`Event`]s whatever its format: our `history.jsonl`, the log lines of Jepsen, or maps as
//! Jepsen and Knossos keep them, in EDN or JSON. A [`Model`] turns what was asked and answered into requests and
//! responses of a sequential object; [`judge`] searches for an order (`sim_core::linearize`) and, if there is none, for
//! the smallest contradiction.
//!
//! [`judge_transactions`] does the same for operations that are transactions, by isolation level
//! (`sim_core::transactions`).
//!
//! An operation without an end, or one that ended with `:info`, may take effect at any later time or never. One that
//! ended with `:fail` did not happen. Where a file can be read in two ways that matter, a [`Reading`] says which.

mod event;
mod forms;
mod jepsen_log;
mod judge;
mod keyed;
mod maps;
pub mod models;
mod ours;
mod pair;
mod reader;
mod reading;
mod transactional;

pub use event::{Datum, Event, Stage};
pub use judge::{Judged, Ruling, Shown, judge};
pub use models::{Model, ModelName};
pub use pair::{Answer, Operation, Piece};
pub use reading::{FailedCas, Reading};
pub use transactional::{Finding, JudgedTransactions, ShownTransaction, TransactionModel, Wait, judge_transactions};

use crate::diagnostics::{Diagnostics, Problems, Span};
use core::cell::{Cell, OnceCell};
use reader::{Notation, Reader};

/// Problems that are shown of one history: a file of another kind has one on every line.
const SHOWN: usize = 8;

/// Reads the events of a history. The format is told from the text.
///
/// # Errors
/// Every line that can not be read, or that contradicts one before it.
pub fn read(name: &str, text: &str) -> Result<Vec<Event>, Diagnostics> {
    let text = without_mark(text);
    let problems = Problems::default();
    let lines = Lines::new(&problems, name, text);
    let events = match Format::of(&lines) {
        Format::Empty => {
            problems.with_file(name, "the history is empty", "one operation a line");
            return problems.finish(None);
        }
        Format::Ours => ours::events(&lines),
        Format::Maps(notation) => maps::events(&lines, notation),
        Format::Log => jepsen_log::events(&lines),
    };
    if events.is_empty() && !lines.has_nemesis.get() && problems.count() == 0 {
        let help =
            "history.jsonl of a run, maps with process, type, f and value (EDN or JSON), or the log lines of Jepsen";
        problems.with_file(name, "there is no operation in it", help);
    }
    problems.finish(Some(events)).map_err(|problems| problems.first(SHOWN))
}

/// The text without a byte-order mark.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// How a history is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Empty,
    /// `history.jsonl` of a run.
    Ours,
    /// Maps, or tuples, of process, type, function and value.
    Maps(Notation),
    /// Lines of a log.
    Log,
}

impl Format {
    fn of(lines: &Lines<'_>) -> Self {
        let text = lines.text;
        let mut reader = Reader::new(text, 0, Notation::Edn);
        if reader.skip().is_err() {
            return Self::Maps(Notation::Edn);
        }
        let inside = |at: usize| text[at..].trim_start_matches(['[', '(']).trim_start();
        match reader.peek() {
            None => Self::Empty,
            Some(b'{' | b'[' | b'(') if inside(reader.at).starts_with('{') => {
                let first = inside(reader.at).trim_start_matches('{').trim_start();
                if !first.starts_with('"') {
                    return Self::Maps(Notation::Edn);
                }
                // Who asks is a client in our histories, and a process in all others.
                let mut first = Reader::new(text, text.len() - inside(reader.at).len(), Notation::Json);
                let is_ours = match first.value(0) {
                    Ok(map) => map.get("client").is_some() && map.get("process").is_none(),
                    Err(_) => text.contains("\"invoke_ns\""),
                };
                if is_ours { Self::Ours } else { Self::Maps(Notation::Json) }
            }
            Some(b'[' | b'(') if jepsen_log::has_any(lines) => Self::Log,
            Some(b'{' | b'[' | b'(' | b'#') => Self::Maps(Notation::Edn),
            Some(_) => Self::Log,
        }
    }
}

/// The text of a history, and where its problems go.
pub(crate) struct Lines<'a> {
    problems: &'a Problems,
    source: u32,
    text: &'a str,
    /// Where lines begin, once somebody asks.
    starts: OnceCell<Vec<usize>>,
    /// Whether the nemesis did anything: a history of nothing else is one, and proves nothing.
    has_nemesis: Cell<bool>,
}

impl<'a> Lines<'a> {
    fn new(problems: &'a Problems, name: &str, text: &'a str) -> Self {
        Self {
            problems,
            source: problems.source(name, text),
            text,
            starts: OnceCell::new(),
            has_nemesis: Cell::new(false),
        }
    }

    /// The lines that are not empty, with their numbers and where they start.
    fn iter(&self) -> impl Iterator<Item = (u32, usize, &'a str)> {
        let base = self.text.as_ptr() as usize;
        let lines = self.text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines.map(move |(i, line)| (i as u32 + 1, line.as_ptr() as usize - base, line))
    }

    fn wrong(&self, start: usize, length: usize, what: impl Into<String>, help: impl Into<String>) {
        self.problems.at(Span::new(self.source, start..start + length), what, help);
    }

    /// A problem with a line from `start` on.
    fn wrong_line(&self, start: usize, what: impl Into<String>, help: impl Into<String>) {
        let length = self.text[start..].find('\n').unwrap_or(self.text.len() - start);
        self.wrong(start, length, what, help);
    }

    /// A problem with the line of an event.
    fn wrong_event(&self, event: &Event, what: impl Into<String>, help: impl Into<String>) {
        let starts = self
            .starts
            .get_or_init(|| core::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect());
        let start = starts.get((event.line as usize).saturating_sub(1));
        self.wrong_line(start.copied().unwrap_or(0), what, help);
    }
}
