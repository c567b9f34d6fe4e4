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

/// Turns and faults of a run that are told beside its moments, at most.
const TURNS: u64 = 20_000;

/// How much of a run is traced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TraceMode<'a> {
    /// From the first fault on, at most fifty thousand lines.
    #[default]
    FromFirstFault,
    /// Everything.
    All,
    /// What is said and done in some moments, in order of time, each from when until when and with so many lines at
    /// most; of all other times, who took on which role and what became of whom.
    Moments(&'a [Moment]),
}

/// A moment of a run of which every message is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// From when on.
    pub from: Instant,
    /// Until when.
    pub to: Instant,
    /// How many lines it may take; where it has more, a line `cut` says from when on they are missing.
    pub lines: u64,
}

/// Whether something is told of a run of which moments are.
enum Told {
    Always,
    InMoments,
    Never,
}

const fn told<N: Node>(what: &Observed<'_, N>) -> Told {
    match what {
        Observed::Crashed { .. }
        | Observed::Booted { .. }
        | Observed::Paused { .. }
        | Observed::Ordered { .. }
        | Observed::FaultStarted { .. }
        | Observed::FaultEnded { .. } => Told::Always,
        Observed::Fired { .. }
        | Observed::Appended { .. }
        | Observed::SyncStarted { .. }
        | Observed::Synced { .. }
        | Observed::ReadDone { .. }
        // A moment tells of messages: what a stream cuts them into would be most of its lines.
        | Observed::Segment { .. } => Told::Never,
        _ => Told::InMoments,
    }
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
    /// The moments that are told, and those that are not over.
    moments: Option<&'a [Moment]>,
    /// Lines of the first of those.
    told: u64,
    /// What each node was last seen as; empty until the first look.
    roles: Vec<Role>,
    system: PhantomData<S>,
}

impl<'a, S: System> Trace<'a, S> {
    pub fn new(sink: &'a mut (dyn Write + 'static), mode: TraceMode<'a>, scenario: &Scenario, seed: u64) -> Self {
        let (on, limit) = match mode {
            TraceMode::FromFirstFault => (false, LIMIT),
            TraceMode::All => (true, u64::MAX),
            TraceMode::Moments(_) => (true, TURNS),
        };
        let (moments, holds) = match mode {
            TraceMode::FromFirstFault => (None, "from_first_fault"),
            TraceMode::All => (None, "all"),
            TraceMode::Moments(moments) => (Some(moments), "moments"),
        };
        let mut buffer = Vec::with_capacity(2 * CHUNK);
        let mut head = Line::begin(&mut buffer, Instant::ZERO, "trace");
        head.number("schema_version", u64::from(SCHEMA_VERSION));
        head.word("version", env!("CARGO_PKG_VERSION"));
        head.text("scenario", |out| out.write_str(&scenario.name));
        head.word("system", S::NAME);
        head.number("seed", seed);
        head.number("nodes", scenario.cluster.nodes() as u64);
        head.word("holds", holds);
        head.end();
        let (lines, left_out, told) = (0, 0, 0);
        let (error, roles) = (None, Vec::new());
        Self { sink, buffer, error, on, limit, lines, left_out, moments, told, roles, system: PhantomData }
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

    /// What is told of the moments, of what happened now.
    #[inline]
    fn of_moments(&mut self, at: Instant, what: &Observed<'_, S::Node>) {
        while let Some([first, rest @ ..]) = self.moments
            && first.to < at
        {
            (self.moments, self.told) = (Some(rest), 0);
        }
        let now = self.moments.and_then(<[Moment]>::first).filter(|moment| moment.from <= at).copied();
        match told(what) {
            Told::Always => self.write(at, what),
            Told::InMoments => {
                if let Some(moment) = now {
                    self.tell(at, what, moment.lines);
                }
            }
            Told::Never => {}
        }
    }

    #[inline(never)]
    fn tell(&mut self, at: Instant, what: &Observed<'_, S::Node>, most: u64) {
        self.told += 1;
        if self.told == most + 1 {
            Line::begin(&mut self.buffer, at, "cut").end();
        }
        if self.told > most {
            return;
        }
        if self.buffer.len() >= CHUNK {
            self.flush();
        }
        line::observed(&mut self.buffer, at, what);
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
        if self.moments.is_some() { self.of_moments(at, what) } else { self.write(at, what) }
    }

    #[inline(always)]
    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<S::Node>]) -> Result<(), Violation> {
        if self.on {
            self.look(at, stepped, nodes);
        }
        Ok(())
    }
}
