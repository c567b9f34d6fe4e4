//! From lines to operations: each invocation with its end.

use super::{Event, Lines, Model, Stage};
use sim_core::{Instant, Outcome};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the end of an operation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer<R> {
    /// It happened, or was refused, and this was the answer: whatever came of it, the object was looked at.
    Seen(R),
    /// It did not happen.
    Never,
    /// Nobody knows.
    Unknown,
}

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

/// Pairs the events of each process.
pub(super) fn operations<M: Model>(events: &[Event], lines: &Lines<'_>) -> Vec<Operation<M>> {
    let starts: BTreeMap<u32, (usize, usize)> = lines.iter().map(|(n, start, line)| (n, (start, line.len()))).collect();
    let wrong = |event: &Event, what: String, help: &str| {
        let (start, length) = starts.get(&event.line).copied().unwrap_or((0, 1));
        lines.wrong(start, length, what, help);
    };
    let end = Instant(events.last().map_or(0, |e| e.at) + 1);
    let mut all: Vec<Operation<M>> = Vec::new();
    let mut open: BTreeMap<&str, (usize, &Event)> = BTreeMap::new();
    for event in events {
        let process: &str = &event.process;
        if event.stage == Stage::Invoke {
            if let Some((_, before)) = open.get(process) {
                let what = format!(
                    "process {process} begins another operation before its last, of line {}, ended",
                    before.line
                );
                wrong(event, what, "a process has one operation at a time; after :info it gets a new number");
                continue;
            }
            match M::request(event) {
                Ok(request) => {
                    open.insert(process, (all.len(), event));
                    all.push(Operation {
                        process: Arc::clone(&event.process),
                        request,
                        invoked: Instant(event.at),
                        returned: end,
                        outcome: Outcome::Unknown,
                        lines: (event.line, None),
                    });
                }
                Err(what) => wrong(event, what, M::FORMS),
            }
            continue;
        }
        let Some((index, begun)) = open.remove(process) else {
            // Its invocation was wrong, and has been told of; or there is none.
            if !events.iter().any(|e| e.stage == Stage::Invoke && e.process == event.process && e.line < event.line) {
                wrong(
                    event,
                    format!("process {process} ends an operation that it never began"),
                    "an :invoke comes first",
                );
            }
            continue;
        };
        if begun.f != event.f {
            let what = format!("process {process} began {} on line {}, and here ends {}", begun.f, begun.line, event.f);
            wrong(event, what, "the :f of both is the same");
            continue;
        }
        let operation = &mut all[index];
        let answer = match event.stage {
            Stage::Info => Ok(Answer::Unknown),
            _ => M::answer(&operation.request, event),
        };
        operation.lines.1 = Some(event.line);
        operation.returned = Instant(event.at);
        match answer {
            Ok(Answer::Seen(response)) => operation.outcome = Outcome::Ok(response),
            Ok(Answer::Never) => operation.outcome = Outcome::Failed,
            Ok(Answer::Unknown) => operation.outcome = Outcome::Unknown,
            Err(what) => wrong(event, what, M::FORMS),
        }
    }
    all
}
