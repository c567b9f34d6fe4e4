//! The trace: a readable log of everything that happened, one JSON object a line.

use serde::Serialize;
use sim_core::{Fact, Instant, Message, Observed, Observer, Outcome, System};
use std::io::{self, Write};
use std::marker::PhantomData;

/// Lines a trace holds when nobody asked for all of it.
const LIMIT: u64 = 50_000;
const CHUNK: usize = 1 << 16;

/// How much of a run is traced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceMode {
    /// From the first fault on, at most fifty thousand lines.
    #[default]
    FromFirstFault,
    /// Everything.
    All,
}

/// An [`Observer`] that writes what it sees.
pub(super) struct Trace<'a, S> {
    sink: &'a mut (dyn Write + 'static),
    buffer: Vec<u8>,
    error: Option<io::Error>,
    on: bool,
    limit: u64,
    lines: u64,
    left_out: u64,
    system: PhantomData<fn() -> S>,
}

/// One line. Fields that say nothing are left out.
#[derive(Default, Serialize)]
struct Line<'a> {
    at_ns: u64,
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

impl<'a, S> Trace<'a, S> {
    pub fn new(sink: &'a mut (dyn Write + 'static), mode: TraceMode) -> Self {
        let (on, limit) = match mode {
            TraceMode::FromFirstFault => (false, LIMIT),
            TraceMode::All => (true, u64::MAX),
        };
        Self { sink, buffer: Vec::new(), error: None, on, limit, lines: 0, left_out: 0, system: PhantomData }
    }

    fn flush(&mut self) {
        if self.error.is_none()
            && let Err(error) = self.sink.write_all(&self.buffer)
        {
            self.error = Some(error);
        }
        self.buffer.clear();
    }

    fn write(&mut self, line: &Line<'_>) {
        serde_json::to_writer(&mut self.buffer, line).expect("a line of plain data becomes JSON");
        self.buffer.push(b'\n');
        self.lines += 1;
        if self.buffer.len() >= CHUNK {
            self.flush();
        }
    }

    pub fn finish(mut self) -> io::Result<()> {
        if self.left_out > 0 {
            let detail = format!("{} more events; --trace keeps them all", self.left_out);
            self.write(&Line { event: "left_out", detail: Some(detail), ..Line::default() });
        }
        self.flush();
        self.error.map_or(Ok(()), Err)
    }
}

impl<S: System> Observer<S::Node> for Trace<'_, S> {
    #[inline]
    fn observe(&mut self, at: Instant, what: &Observed<'_, S::Node>) {
        if matches!(what, Observed::FaultStarted { .. }) {
            self.on = true;
        }
        if !self.on {
            return;
        }
        if self.lines >= self.limit {
            self.left_out += 1;
            return;
        }
        self.describe(at, what);
    }
}

impl<S: System> Trace<'_, S> {
    fn describe(&mut self, at: Instant, what: &Observed<'_, S::Node>) {
        let at_ns = at.0;
        let base = Line { at_ns, ..Line::default() };
        let text = |t: &dyn std::fmt::Display| Some(t.to_string());
        let line = match what {
            Observed::Sent { from, to, message, arrives } => Line {
                event: "sent",
                from: text(from),
                to: text(to),
                kind: Some(message.kind().name),
                detail: Some(format!("{message:?}, due {arrives}")),
                ..base
            },
            Observed::Delivered { from, to, message } => Line {
                event: "delivered",
                from: text(from),
                to: text(to),
                kind: Some(message.kind().name),
                detail: Some(format!("{message:?}")),
                ..base
            },
            Observed::Dropped { from, to, kind, why } => Line {
                event: "dropped",
                from: text(from),
                to: text(to),
                kind: kind.map(|k| k.name),
                detail: Some(why.name().to_owned()),
                ..base
            },
            Observed::Fired { node, timer } => {
                Line { event: "timer", node: text(node), detail: Some(format!("slot {}", timer.0)), ..base }
            }
            Observed::Synced { node, ok } => {
                Line { event: "synced", node: text(node), detail: (!ok).then(|| "failed".to_owned()), ..base }
            }
            Observed::Noted { node, fact } => Line {
                event: "fact",
                node: text(node),
                kind: Some(fact.kind().name),
                detail: Some(format!("{fact:?}")),
                ..base
            },
            Observed::Crashed { node, halted, lost_records } => {
                let why = halted.map_or_else(String::new, |why| format!("halted: {why}, "));
                let detail = Some(format!("{why}{lost_records} unsynced records lost"));
                Line { event: "crashed", node: text(node), detail, ..base }
            }
            Observed::Booted { node, records } => {
                Line { event: "booted", node: text(node), detail: Some(format!("{records} records on disk")), ..base }
            }
            Observed::Paused { node, paused } => {
                Line { event: if *paused { "paused" } else { "resumed" }, node: text(node), ..base }
            }
            Observed::FaultStarted { injection, resolved, .. } => {
                let hit: Vec<String> = resolved.iter().map(ToString::to_string).collect();
                let detail = Some(format!("{injection}: {}", hit.join(", ")));
                Line { event: "fault_started", kind: Some(injection.fault.kind()), detail, ..base }
            }
            Observed::FaultEnded { injection, touched, .. } => {
                let detail = Some(format!("{injection}: changed {touched}"));
                Line { event: "fault_ended", kind: Some(injection.fault.kind()), detail, ..base }
            }
            Observed::Invoked { ticket, request } => Line {
                event: "invoked",
                from: text(&ticket.client),
                detail: Some(format!("op {}: {request:?}", ticket.op)),
                ..base
            },
            Observed::Asked { ticket, to } => Line {
                event: "asked",
                from: text(&ticket.client),
                to: text(to),
                detail: Some(format!("op {} try {}", ticket.op, ticket.attempt + 1)),
                ..base
            },
            Observed::Requested { ticket, node } => Line {
                event: "requested",
                from: text(&ticket.client),
                to: text(node),
                detail: Some(format!("op {} try {}", ticket.op, ticket.attempt + 1)),
                ..base
            },
            Observed::Answered { ticket, node, redirect } => Line {
                event: if *redirect { "redirected" } else { "answered" },
                from: text(node),
                to: text(&ticket.client),
                detail: Some(format!("op {} try {}", ticket.op, ticket.attempt + 1)),
                ..base
            },
            Observed::Returned { ticket, outcome, .. } => {
                let result = match outcome {
                    Outcome::Ok(response) => format!("ok {response:?}"),
                    Outcome::Failed => "failed".to_owned(),
                    Outcome::Unknown => "unknown".to_owned(),
                };
                let detail = Some(format!("op {}: {result}", ticket.op));
                Line { event: "returned", to: text(&ticket.client), detail, ..base }
            }
        };
        self.write(&line);
    }
}
