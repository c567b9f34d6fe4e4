//! The trace: a log of everything that happened, one JSON object a line.
//!
//! The first line, event `trace`, says what the trace is of and what it holds; the last one, event `end`, how the run
//! ended. Every line has `at_ns` and `event`. Sender (`from`) and `id` name a message between nodes, so that a delivery
//! or a drop finds its sending; client and `op` name an operation.

use super::line::{self, Line};
use crate::Scenario;
use sim_core::record::SCHEMA_VERSION;
use sim_core::{Instant, Node, NodeId, Observed, Observer, Role, System, Violation};
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
    /// What each node was last seen as; empty until the first look.
    roles: Vec<Role>,
    system: PhantomData<S>,
}

impl<'a, S: System> Trace<'a, S> {
    pub fn new(sink: &'a mut (dyn Write + 'static), mode: TraceMode, scenario: &Scenario, seed: u64) -> Self {
        let (on, limit) = match mode {
            TraceMode::FromFirstFault => (false, LIMIT),
            TraceMode::All => (true, u64::MAX),
        };
        let mut buffer = Vec::with_capacity(2 * CHUNK);
        let mut head = Line::begin(&mut buffer, Instant::ZERO, "trace");
        head.number("schema_version", u64::from(SCHEMA_VERSION));
        head.word("version", env!("CARGO_PKG_VERSION"));
        head.text("scenario", |out| out.write_str(&scenario.name));
        head.word("system", S::NAME);
        head.number("seed", seed);
        head.number("nodes", scenario.cluster.nodes() as u64);
        head.word("holds", if on { "all" } else { "from_first_fault" });
        head.end();
        Self { sink, buffer, error: None, on, limit, lines: 0, left_out: 0, roles: Vec::new(), system: PhantomData }
    }

    #[cold]
    fn flush(&mut self) {
        if self.error.is_none()
            && let Err(error) = self.sink.write_all(&self.buffer)
        {
            self.error = Some(error);
        }
        self.buffer.clear();
    }

    /// Room for another line?
    #[inline]
    fn room(&mut self) -> bool {
        if self.lines >= self.limit {
            self.left_out += 1;
            return false;
        }
        self.lines += 1;
        if self.buffer.len() >= CHUNK {
            self.flush();
        }
        true
    }

    #[inline(never)]
    fn write(&mut self, at: Instant, what: &Observed<'_, S::Node>) {
        if self.room() {
            line::observed(&mut self.buffer, at, what);
        }
    }

    #[inline(never)]
    fn look(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<S::Node>]) {
        let first = self.roles.is_empty();
        self.roles.resize(nodes.len(), Role::NONE);
        let looked_at = if first { 0..nodes.len() } else { stepped.index()..stepped.index() + 1 };
        for i in looked_at {
            let role = nodes[i].as_ref().map_or(Role::NONE, Node::role);
            if role != self.roles[i] {
                self.roles[i] = role;
                // That a node is down is said elsewhere.
                if nodes[i].is_some() && self.room() {
                    line::role(&mut self.buffer, at, NodeId(i as u32), role);
                }
            }
        }
    }

    /// Writes the last line and hands everything on.
    pub fn finish(mut self, at: Instant, events: u64, digest: u64) -> io::Result<()> {
        let mut end = Line::begin(&mut self.buffer, at, "end");
        end.number("events", events);
        end.text("digest", |out| write!(out, "{digest:016x}"));
        if self.left_out > 0 {
            end.number("left_out", self.left_out);
        }
        end.end();
        self.flush();
        self.error.map_or(Ok(()), Err)
    }
}

impl<S: System> Observer<S::Node> for Trace<'_, S> {
    #[inline(always)]
    fn observe(&mut self, at: Instant, what: &Observed<'_, S::Node>) {
        if !self.on {
            if !matches!(what, Observed::FaultStarted { .. }) {
                return;
            }
            self.on = true;
        }
        self.write(at, what);
    }

    #[inline(always)]
    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<S::Node>]) -> Result<(), Violation> {
        if self.on {
            self.look(at, stepped, nodes);
        }
        Ok(())
    }
}
