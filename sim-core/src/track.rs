//! A track: who held, ran or led what from when to when. A system names it and fills it; a report draws all alike.

use crate::Instant;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Rows of spans over the time of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Track {
    /// What files call it: `leaders`.
    pub name: Cow<'static, str>,
    /// What people call it: `Who led`.
    pub title: Cow<'static, str>,
    /// One sentence: what a span of it is.
    pub about: Cow<'static, str>,
    /// What a span may be, the usual first.
    pub kinds: Vec<SpanKind>,
    /// Whether one span at a time is meant: then the time without any, and with more than one, is worth telling.
    pub exclusive: bool,
    /// The spans in the order in which they began.
    pub spans: Vec<Span>,
    /// The span of each row that has not ended.
    #[serde(skip)]
    open: BTreeMap<String, usize>,
}

/// What a span may be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanKind {
    /// For a legend: `leads`.
    pub name: Cow<'static, str>,
    /// Whether it is bad that there is one.
    #[serde(default)]
    pub harm: bool,
}

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Whose it is: a node, a worker, a lock.
    pub row: String,
    /// What it is, in a word: `term 3`.
    pub label: String,
    /// Its place in [`Track::kinds`].
    #[serde(default)]
    pub kind: usize,
    /// When it began, in nanoseconds of simulated time.
    pub start_ns: u64,
    /// When it ended.
    pub end_ns: u64,
}

impl Track {
    /// An empty one, whose spans are all of one kind.
    #[must_use]
    pub fn new(name: &'static str, title: &'static str, about: &'static str, kind: &'static str) -> Self {
        let (name, title, about) = (Cow::Borrowed(name), Cow::Borrowed(title), Cow::Borrowed(about));
        Self { name, title, about, ..Self::default() }.or(kind, false)
    }

    /// The same, with a kind of span more.
    #[must_use]
    pub fn or(mut self, kind: &'static str, harm: bool) -> Self {
        self.kinds.push(SpanKind { name: Cow::Borrowed(kind), harm });
        self
    }

    /// The same, where one span at a time is meant.
    #[must_use]
    pub const fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }

    /// A span of a row begins, and that which the row was in ends.
    pub fn begin(&mut self, at: Instant, row: impl ToString, label: impl Into<String>) {
        self.begin_as(0, at, row, label);
    }

    /// The same for a span of another kind than the first: its place in [`Track::kinds`].
    pub fn begin_as(&mut self, kind: usize, at: Instant, row: impl ToString, label: impl Into<String>) {
        let row = row.to_string();
        self.end(at, &row);
        self.open.insert(row.clone(), self.spans.len());
        self.spans.push(Span { row, label: label.into(), kind, start_ns: at.0, end_ns: u64::MAX });
    }

    /// The span that a row is in ends; nothing happens if it is in none.
    pub fn end(&mut self, at: Instant, row: impl ToString) {
        if let Some(open) = self.open.remove(&row.to_string()) {
            self.spans[open].end_ns = at.0;
        }
    }

    /// All of it; what has not ended ends with the run.
    #[must_use]
    pub fn finish(&self, end: Instant) -> Self {
        let mut all = self.clone();
        for (_, open) in std::mem::take(&mut all.open) {
            all.spans[open].end_ns = end.0;
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_in_one_span_at_a_time() {
        let mut track = Track::new("leaders", "Who led", "", "leads");
        track.begin(Instant(10), "n1", "term 1");
        track.begin(Instant(20), "n2", "term 2");
        track.begin(Instant(30), "n1", "term 3");
        track.end(Instant(40), "n2");
        track.end(Instant(50), "n3");
        track.begin_as(1, Instant(55), "n3", "beside");
        let spans = track.finish(Instant(60)).spans;
        let told: Vec<_> = spans.iter().map(|s| (s.label.as_str(), s.start_ns, s.end_ns)).collect();
        assert_eq!(told, [("term 1", 10, 30), ("term 2", 20, 40), ("term 3", 30, 60), ("beside", 55, 60)]);
        assert_eq!(spans.iter().map(|s| s.kind).collect::<Vec<_>>(), [0, 0, 0, 1]);
    }
}
