//! From lines to operations: each invocation with its end.

use super::{Event, Lines, Model, Reading, Stage};
use sim_core::linearize::Observed;
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

/// Pairs the events of each process.
pub(super) fn operations<M: Model>(events: &[Event], how: &Reading, lines: &Lines<'_>) -> Vec<Operation<M>> {
    let wrong = |event: &Event, what: String, help: &str| lines.wrong_event(event, what, help);
    let end = Instant(events.last().map_or(0, |e| e.at) + 1);
    let mut all: Vec<Operation<M>> = Vec::new();
    // What is under way, and `None` for an invocation that was wrong, and has been told of.
    let mut open: BTreeMap<&str, Option<(usize, &Event)>> = BTreeMap::new();
    for event in events {
        let process: &str = &event.process;
        if event.stage == Stage::Invoke {
            if let Some(Some((_, before))) = open.get(process) {
                let what = format!(
                    "process {process} begins another operation before its last, of line {}, ended",
                    before.line
                );
                wrong(event, what, "a process has one operation at a time; after :info it gets a new number");
                continue;
            }
            match M::request(event, how) {
                Ok(request) => {
                    open.insert(process, Some((all.len(), event)));
                    all.push(Operation {
                        process: Arc::clone(&event.process),
                        request,
                        invoked: Instant(event.at),
                        returned: end,
                        outcome: Outcome::Unknown,
                        lines: (event.line, None),
                    });
                }
                Err(what) => {
                    open.insert(process, None);
                    wrong(event, what, M::FORMS);
                }
            }
            continue;
        }
        let (index, begun) = match open.remove(process) {
            Some(Some(begun)) => begun,
            Some(None) => continue,
            None => {
                let what = format!("process {process} ends an operation that it never began");
                wrong(event, what, "an :invoke comes first");
                continue;
            }
        };
        if begun.f != event.f {
            let what = format!("process {process} began {} on line {}, and here ends {}", begun.f, begun.line, event.f);
            wrong(event, what, "the :f of both is the same");
            continue;
        }
        let operation = &mut all[index];
        operation.lines.1 = Some(event.line);
        operation.returned = Instant(event.at);
        let answer = match event.stage {
            Stage::Fail => Ok(M::refused(&operation.request, event, how).map_or(Answer::Never, Answer::Seen)),
            Stage::Ok => M::answer(&mut operation.request, event, how),
            Stage::Invoke | Stage::Info => Ok(Answer::Unknown),
        };
        let pieces = match event.stage {
            Stage::Fail => Vec::new(),
            _ => M::pieces(&operation.request, event),
        };
        match answer {
            Ok(answer) => {
                operation.outcome = match answer {
                    Answer::Seen(response) => Outcome::Ok(response),
                    Answer::Never => Outcome::Failed,
                    Answer::Unknown => Outcome::Unknown,
                };
            }
            Err(what) => wrong(event, what, M::FORMS),
        }
        for (request, response) in pieces {
            let Operation { process, invoked, returned, lines, .. } = &all[index];
            let (process, invoked, returned, lines) = (Arc::clone(process), *invoked, *returned, *lines);
            all.push(Operation { process, request, invoked, returned, outcome: Outcome::Ok(response), lines });
        }
    }
    all
}
