//! Histories that somebody recorded, ours or not: read from a file, judged against a model, explained if they are wrong.
//!
//! [`read`] turns a file into [`Event`]s whatever its format: our `history.jsonl`, the log lines of Jepsen, or EDN maps as
//! Jepsen and Knossos keep them. A [`Model`] turns what was asked and answered into requests and responses of a
//! sequential object; [`judge`] searches for an order (`sim_core::linearize`) and, if there is none, for the smallest
//! contradiction.
//!
//! An operation without an end, or one that ended with `:info`, may take effect at any later time or never. One that
//! ended with `:fail` did not happen, unless its end tells what was seen: a compare-and-set that found another value.

mod edn;
mod event;
mod jepsen_log;
mod judge;
pub mod models;
mod ours;
mod pair;

pub use event::{Datum, Event, Stage};
pub use judge::{Judged, Ruling, Shown, judge};
pub use models::{Model, ModelName};
pub use pair::{Answer, Operation};

use crate::diagnostics::{Diagnostics, Problems};

/// Reads the events of a history. The format is told from the text.
///
/// # Errors
/// Every line that can not be read, or that contradicts one before it.
pub fn read(name: &str, text: &str) -> Result<Vec<Event>, Diagnostics> {
    let problems = Problems::default();
    let source = problems.source(name, text);
    let lines = Lines { problems: &problems, source, text };
    let events = match text.trim_start().chars().next() {
        None => {
            problems.with_file(name, "the history is empty", "one operation a line");
            Vec::new()
        }
        Some(_) if ours::is_ours(text) => ours::events(&lines),
        Some('{' | '[' | '(') => edn::events(&lines),
        Some(_) => jepsen_log::events(&lines),
    };
    if !text.trim().is_empty() && events.is_empty() && problems.count() == 0 {
        let help = "history.jsonl of a run, EDN maps with :process :type :f :value, or the log lines of Jepsen";
        problems.with_file(name, "there is no operation in it", help);
    }
    problems.finish(Some(events))
}

/// The text of a history, and where its problems go.
pub(crate) struct Lines<'a> {
    problems: &'a Problems,
    source: u32,
    text: &'a str,
}

impl<'a> Lines<'a> {
    /// The lines that are not empty, with their numbers and where they start.
    fn iter(&self) -> impl Iterator<Item = (u32, usize, &'a str)> {
        let base = self.text.as_ptr() as usize;
        let lines = self.text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        lines.map(move |(i, line)| (i as u32 + 1, line.as_ptr() as usize - base, line))
    }

    fn wrong(&self, start: usize, length: usize, what: impl Into<String>, help: impl Into<String>) {
        self.problems.at(crate::diagnostics::Span::new(self.source, start..start + length), what, help);
    }
}
