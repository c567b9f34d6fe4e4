//! From lines to operations: each invocation with its end.

use super::{Event, Lines, Model, Reading, Stage};
use sim_core::linearize::Observed;
use sim_core::transactions::Fate;
use sim_core::{Instant, Outcome};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the end of an operation says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<R> {
    /// It happened, or was refused, and this was the answer: whatever came of it, the object was looked at.
    Seen(R),
    /// It did not happen.
    Never,
    /// Nobody knows.
    Unknown,
}

/// A part of an operation that was several, one after the other in any order: what was asked and answered.
pub type Piece<M> = (<M as sim_core::linearize::Spec>::Request, <M as sim_core::linearize::Spec>::Response);

/// One operation of a history.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation<M: Model> {
    /// Who asked.
    pub process: Arc<str>,
    /// What.
    pub request: M::Request,
    /// When it began.
    pub invoked: Instant,
    /// When it ended; the end of the history if it did not.
    pub returned: Instant,
    /// How.
    pub outcome: Outcome<M::Response>,
    /// The lines of its beginning and its end.
    pub lines: (u32, Option<u32>),
}

impl<M: Model> Operation<M> {
    /// It as a search for an order takes it.
    #[must_use]
    pub fn observed(&self) -> Observed<'_, M> {
        (&self.request, self.invoked, self.returned, &self.outcome)
    }
}

/// An invocation with its end, if it has one.
pub(super) struct Pair<'a> {
    pub begun: &'a Event,
    pub ended: Option<&'a Event>,
}

impl Pair<'_> {
    /// What came of it.
    pub fn fate(&self) -> Fate {
        match self.ended.map(|ended| ended.stage) {
            Some(Stage::Ok) => Fate::Committed,
            Some(Stage::Fail) => Fate::Aborted,
            _ => Fate::Unknown,
        }
    }

    /// Where to read what it did: its end tells more, if it came to that.
    pub fn told(&self) -> &Event {
        match self.ended {
            Some(ended) if ended.stage == Stage::Ok => ended,
            _ => self.begun,
        }
    }

    /// The lines of its beginning and its end.
    pub fn lines(&self) -> (u32, Option<u32>) {
        (self.begun.line, self.ended.map(|ended| ended.line))
    }
}

/// Pairs the events of each process, in the order in which they began.
pub(super) fn pairs<'a>(events: &'a [Event], lines: &Lines<'_>) -> Vec<Pair<'a>> {
    let mut open: BTreeMap<&str, usize> = BTreeMap::new();
    let mut pairs: Vec<Pair<'a>> = Vec::new();
    for event in events {
        let process: &str = &event.process;
        if event.stage == Stage::Invoke {
            if let Some(before) = open.get(process) {
                let line = pairs[*before].begun.line;
                let what = format!("process {process} begins another operation before its last, of line {line}, ended");
                lines.wrong_event(
                    event,
                    what,
                    "a process has one operation at a time; after :info it gets a new number",
                );
                continue;
            }
            open.insert(process, pairs.len());
            pairs.push(Pair { begun: event, ended: None });
        } else if let Some(index) = open.remove(process) {
            let begun = pairs[index].begun;
            if begun.f == event.f {
                pairs[index].ended = Some(event);
            } else {
                let what =
                    format!("process {process} began {} on line {}, and here ends {}", begun.f, begun.line, event.f);
                lines.wrong_event(event, what, "the :f of both is the same");
            }
        } else {
            let what = format!("process {process} ends an operation that it never began");
            lines.wrong_event(event, what, "an :invoke comes first");
        }
    }
    pairs
}

/// What was asked and answered, as a model understands it.
pub(super) fn operations<M: Model>(events: &[Event], how: &Reading, lines: &Lines<'_>) -> Vec<Operation<M>> {
    let end = Instant(events.last().map_or(0, |e| e.at) + 1);
    let mut all: Vec<Operation<M>> = Vec::new();
    for pair in pairs(events, lines) {
        let mut request = match M::request(pair.begun, how) {
            Ok(request) => request,
            Err(what) => {
                lines.wrong_event(pair.begun, what, M::FORMS);
                continue;
            }
        };
        let answer = match pair.ended {
            Some(ended) if ended.stage == Stage::Fail => {
                Ok(M::refused(&request, ended, how).map_or(Answer::Never, Answer::Seen))
            }
            Some(ended) if ended.stage == Stage::Ok => M::answer(&mut request, ended, how),
            _ => Ok(Answer::Unknown),
        };
        let pieces = match pair.ended {
            Some(ended) if ended.stage != Stage::Fail => M::pieces(&request, ended),
            _ => Vec::new(),
        };
        let outcome = match answer {
            Ok(Answer::Seen(response)) => Outcome::Ok(response),
            Ok(Answer::Never) => Outcome::Failed,
            Ok(Answer::Unknown) => Outcome::Unknown,
            Err(what) => {
                lines.wrong_event(pair.told(), what, M::FORMS);
                Outcome::Unknown
            }
        };
        let process = &pair.begun.process;
        let (invoked, returned) = (Instant(pair.begun.at), pair.ended.map_or(end, |ended| Instant(ended.at)));
        let mut push = |request, outcome| {
            let process = Arc::clone(process);
            all.push(Operation { process, request, invoked, returned, outcome, lines: pair.lines() });
        };
        push(request, outcome);
        pieces.into_iter().for_each(|(request, response)| push(request, Outcome::Ok(response)));
    }
    all
}
