//! Finds outages, scope by scope: runs of windows in which most operations failed, sharpened to the operations at their
//! ends.
//!
//! The measured window is cut into windows of `window_ns`, the first beginning at `measure_from_ns`, the last perhaps
//! shorter. An operation belongs to the window it was *invoked* in. Of each scope (see [`super::scopes`]):
//!
//! * A window is **down** when fewer than half of the probes of the scope begun in it were served in time. One without
//!   probes continues the state of the one before it, and is up when there is none.
//! * Without probes the workload's operations decide. Windows are taken together until they hold [`FEWEST`] of them;
//!   what takes longer than [`PATIENCE`] windows (or two timeouts) is **unknown**, or goes on to be down if nothing was
//!   served.
//! * An **outage** is a maximal run of down windows in which at least two operations were not served: one lost message
//!   between two rare probes is none.
//! * It **starts** at the first of the unserved invocations that lead into the run without a success between them.
//! * It **ends** when the first success *returns* that was invoked after the last unserved operation of the run and of
//!   what fails on without a success between. Returns, not invocations, because a client that waited through an outage
//!   and was answered at its end shows when service came back.
//! * An outage without such a return before the end of the measured window ends there and is **open**.
//! * Outages of one scope that overlap after this are one: nothing was served between them.
//! * Where a share of the requests fails for a time, there are down windows by luck. Together they are one outage of
//!   that share: see [`super::partial`].

use super::counts::measured;
use super::partial::{self, Stretch};
use super::scopes::{Said, Scopes, scope_timeout};
use super::windows::{Cell, Run};
use sim_core::record::{OpRecord, RunRecord};

/// More cells (windows of scopes) than this would cost more memory than the answer is worth: four hours at 100 ms of 48
/// scopes. Longer runs get longer windows.
const MOST_CELLS: u64 = 1 << 23;
/// When a record does not say.
const DEFAULT_WINDOW_NS: u64 = 100_000_000;
/// Without probes, fewer operations than this say nothing.
pub(crate) const FEWEST: u32 = 5;
/// Windows that are taken together at most to come to as many.
const PATIENCE: usize = 10;

/// A time in which one scope was down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The number of the scope.
    pub scope: usize,
    pub start_ns: u64,
    pub end_ns: u64,
    /// It had not ended when the measured window did.
    pub open: bool,
    /// Of an outage of a share of the requests: how many failed, and how many there were.
    pub share: Option<(u32, u32)>,
}

/// What [`find`] found.
pub(crate) struct Found {
    pub window_ns: u64,
    pub windows: u64,
    /// Windows in which some scope was down, and those in which nobody asked anything that decides.
    pub windows_down: u64,
    pub windows_empty: u64,
    /// By scope: operations that decided, and how many of them were served.
    pub asked: Vec<(u64, u64)>,
    /// By scope: time of which nothing is known.
    pub unknown_ns: Vec<u64>,
    /// In order of scope, then of time.
    pub parts: Vec<Part>,
}

/// The window length in use and how many there are, for `scopes` scopes.
pub(crate) fn grid(record: &RunRecord, scopes: usize) -> (u64, u64) {
    let time = record.measure_to_ns.saturating_sub(record.measure_from_ns);
    let wished = if record.window_ns == 0 { DEFAULT_WINDOW_NS } else { record.window_ns };
    let window_ns = wished.max(time.div_ceil(MOST_CELLS / scopes.max(1) as u64)).max(1);
    (window_ns, time.div_ceil(window_ns))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Up,
    Down,
    Unknown,
}

/// An operation near an outage.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Near {
    invoke_ns: u64,
    return_ns: u64,
    served: bool,
}

/// Finds the outages of every scope of a run.
pub(crate) fn find(record: &RunRecord, scopes: &Scopes<'_>) -> Found {
    let (window_ns, count) = grid(record, scopes.count());
    let count = count as usize;
    let mut cells = vec![Cell::default(); scopes.count() * count];
    let window = |op: &OpRecord| ((op.invoke_ns - record.measure_from_ns) / window_ns) as usize;
    for op in record.ops.iter().filter(|op| scopes.decides(op) && measured(record, op)) {
        let cell = &mut cells[scopes.index(op) * count + window(op)];
        let said = scopes.said(op);
        cell.operations += u32::from(said != Said::Nothing);
        cell.served += u32::from(said == Said::Served);
    }
    let rows = || cells.chunks(count.max(1));
    let most = PATIENCE.max((2 * scope_timeout(record)).div_ceil(window_ns) as usize);
    let mut down_somewhere = vec![false; count];
    let mut runs: Vec<Run> = Vec::new();
    let mut unknown_ns = vec![0; scopes.count()];
    for (scope, row) in rows().enumerate() {
        let states = if scopes.by_probes { by_probes(row) } else { by_operations(row, most) };
        let unknown = states.iter().filter(|s| **s == State::Unknown).count() as u64;
        unknown_ns[scope] = unknown.saturating_mul(window_ns);
        let mut of_scope = runs_of(scope, row, &states);
        let stretches = partial::find(row, &mut of_scope, window_ns);
        of_scope.extend(stretches.into_iter().map(|stretch| run_of(scope, row, stretch)));
        of_scope.sort_unstable_by_key(|run| run.first);
        runs.extend(of_scope);
    }
    let near = collect(record, scopes, &runs, window);
    let mut parts: Vec<Part> = Vec::new();
    for (run, mut near) in runs.into_iter().zip(near) {
        near.sort_unstable();
        let at = |window: usize| record.measure_from_ns.saturating_add(window as u64 * window_ns);
        let Some(found) = sharpen(record, &near, &run, (at(run.first), at(run.past))) else { continue };
        down_somewhere[run.first..run.past].fill(true);
        match parts.last_mut() {
            // An outage of a share begins where one of everything ends.
            Some(last) if last.scope == found.scope && last.share.is_some() != found.share.is_some() => {
                let start_ns = found.start_ns.max(last.end_ns);
                parts.extend((start_ns < found.end_ns).then_some(Part { start_ns, ..found }));
            }
            Some(last) if last.scope == found.scope && found.start_ns <= last.end_ns => {
                last.end_ns = last.end_ns.max(found.end_ns);
                last.open = found.open;
            }
            _ => parts.push(found),
        }
    }
    let asked: Vec<(u64, u64)> = rows()
        .map(|row| row.iter().fold((0, 0), |a, c| (a.0 + u64::from(c.operations), a.1 + u64::from(c.served))))
        .collect();
    let empty = |w: usize| (0..scopes.count()).all(|scope| cells[scope * count + w].operations == 0);
    Found {
        window_ns,
        windows: count as u64,
        windows_down: down_somewhere.iter().filter(|down| **down).count() as u64,
        windows_empty: (0..count).filter(|w| empty(*w)).count() as u64,
        asked: if count == 0 { vec![(0, 0); scopes.count()] } else { asked },
        unknown_ns,
        parts,
    }
}

/// Empty windows continue what was before them.
fn by_probes(row: &[Cell]) -> Vec<State> {
    let mut state = State::Up;
    row.iter()
        .map(|cell| {
            if cell.operations > 0 {
                state = if cell.down() { State::Down } else { State::Up };
            }
            state
        })
        .collect()
}

/// Windows are taken together until they hold enough.
fn by_operations(row: &[Cell], most: usize) -> Vec<State> {
    let mut states = Vec::with_capacity(row.len());
    let mut before = State::Unknown;
    let mut together = Cell::default();
    for (at, cell) in row.iter().enumerate() {
        together.operations += cell.operations;
        together.served += cell.served;
        let length = at + 1 - states.len();
        if together.operations < FEWEST && length < most && at + 1 < row.len() {
            continue;
        }
        before = match (together.operations >= FEWEST, together.down()) {
            (true, true) => State::Down,
            (true, false) => State::Up,
            (false, _) if before == State::Down && together.served == 0 => State::Down,
            (false, _) => State::Unknown,
        };
        states.resize(at + 1, before);
        together = Cell::default();
    }
    states
}

fn runs_of(scope: usize, row: &[Cell], states: &[State]) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut at = 0;
    while at < states.len() {
        if states[at] != State::Down {
            at += 1;
            continue;
        }
        let first = at;
        while at < states.len() && states[at] == State::Down {
            at += 1;
        }
        let (from, to) = around(row, first, at);
        runs.push(Run { scope, first, past: at, from, to, share: None });
    }
    runs
}

/// The windows around some in which others were served.
fn around(row: &[Cell], first: usize, past: usize) -> (usize, usize) {
    let from = (0..first).rev().find(|w| row[*w].served > 0).unwrap_or(0);
    let to = (past..row.len()).find(|w| row[*w].served > 0).map_or(row.len(), |w| w + 1);
    (from, to)
}

fn run_of(scope: usize, row: &[Cell], stretch: Stretch) -> Run {
    let Stretch { first, past, failed, asked } = stretch;
    let (from, to) = around(row, first, past);
    Run { scope, first, past, from, to, share: Some((failed, asked)) }
}

/// The operations near each run; one may be near two.
fn collect(
    record: &RunRecord,
    scopes: &Scopes<'_>,
    runs: &[Run],
    window: impl Fn(&OpRecord) -> usize,
) -> Vec<Vec<Near>> {
    let mut near = vec![Vec::new(); runs.len()];
    if runs.is_empty() {
        return near;
    }
    // Runs are in order of scope and time: those of a scope lie side by side.
    let first = |scope: usize| runs.partition_point(|run| run.scope < scope);
    let of: Vec<(usize, usize)> = (0..scopes.count()).map(|scope| (first(scope), first(scope + 1))).collect();
    for op in record.ops.iter().filter(|op| scopes.decides(op)) {
        let (from, to) = of[scopes.index(op)];
        if from == to || !measured(record, op) {
            continue;
        }
        let at = window(op);
        let mut which = from + runs[from..to].partition_point(|run| run.to <= at);
        while which < to && runs[which].from <= at {
            let said = scopes.said(op);
            if said != Said::Nothing {
                let (invoke_ns, return_ns) = (op.invoke_ns, op.return_ns);
                near[which].push(Near { invoke_ns, return_ns, served: said == Said::Served });
            }
            which += 1;
        }
    }
    near
}

/// The ends of the outage whose down windows span `[from, past)`; `near` are in order of invocation.
fn sharpen(record: &RunRecord, near: &[Near], run: &Run, (from, past): (u64, u64)) -> Option<Part> {
    let entered = near.partition_point(|op| op.invoke_ns < from);
    let left = near.partition_point(|op| op.invoke_ns < past);
    let mut start = entered + near[entered..left].iter().position(|op| !op.served)?;
    if start == entered {
        start = near[..start].iter().rposition(|op| op.served).map_or(0, |served| served + 1);
    }
    let last = entered + near[entered..left].iter().rposition(|op| !op.served)?;
    // What fails on after the last window is part of it.
    let after = near[last..].iter().position(|op| op.served).map_or(near.len(), |served| last + served);
    if near[start..after].iter().filter(|op| !op.served).count() < 2 {
        return None;
    }
    let returned = near[after..].iter().take_while(|op| op.served).map(|op| op.return_ns).min();
    let open = returned.is_none_or(|at| at >= record.measure_to_ns);
    let start_ns = near[start].invoke_ns;
    let end_ns = returned.map_or(record.measure_to_ns, |at| at.min(record.measure_to_ns)).max(start_ns);
    Some(Part { scope: run.scope, start_ns, end_ns, open, share: run.share })
}
