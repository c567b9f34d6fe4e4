//! Finds outages: runs of windows in which most operations failed, sharpened to the operations at their ends.
//!
//! The measured window is cut into windows of `window_ns`, the first beginning at `measure_from_ns`, the last perhaps
//! shorter. An operation belongs to the window it was *invoked* in. Precisely:
//!
//! * A window is **down** when fewer than half of its operations were served (succeeded within the timeout). A window
//!   without operations continues the state of the one before it, and is up when there is none.
//! * An **outage** is a maximal run of down windows.
//! * It **starts** at the first failed invocation: if the window before the run ends in failures (failures invoked
//!   after its last success), at the first of those, otherwise at the first failure in the run's first window.
//! * It **ends** when the first success after it *returns*: the earliest return among the served operations invoked
//!   after the last failure of the run's last window that has operations, or else among those of the first later
//!   window that has a success, there again only those after its leading failures. Returns, not invocations, because
//!   a client that waited through an outage and was answered at its end shows when service came back.
//! * An outage without such a return before the end of the measured window ends there and is **open**.
//! * Outages that overlap after this are one: nothing was served between them.

use crate::availability::{measured, served};
use crate::causes;
use crate::phases;
use crate::report::Outage;
use sim_core::record::{OpRecord, RunRecord};

/// More windows than this would cost more memory than the answer is worth: 28 hours at 100 ms. Longer runs get longer
/// windows.
const MOST_WINDOWS: u64 = 1 << 20;
/// When a record does not say.
const DEFAULT_WINDOW_NS: u64 = 100_000_000;

/// What [`find`] found.
pub(crate) struct Found {
    pub window_ns: u64,
    pub windows: u64,
    pub windows_down: u64,
    pub windows_empty: u64,
    pub outages: Vec<Outage>,
}

/// The window length in use and how many there are.
pub(crate) fn grid(record: &RunRecord) -> (u64, u64) {
    let time = record.measure_to_ns.saturating_sub(record.measure_from_ns);
    let wished = if record.window_ns == 0 { DEFAULT_WINDOW_NS } else { record.window_ns };
    let window_ns = wished.max(time.div_ceil(MOST_WINDOWS)).max(1);
    (window_ns, time.div_ceil(window_ns))
}

/// What happened in one window. The times are of invocation except where they say return.
#[derive(Clone, Copy)]
struct Window {
    operations: u32,
    served: u32,
    first_fail: u64,
    last_fail: u64,
    first_ok: u64,
    last_ok: u64,
    /// First failure after the last success.
    tail_fail: u64,
    /// Earliest return of those served after the last failure.
    tail_ok_return: u64,
    /// First success after the leading failures, that is the first success; its earliest return.
    head_ok_return: u64,
}

const NEVER: u64 = u64::MAX;

impl Window {
    const EMPTY: Self = Self {
        operations: 0,
        served: 0,
        first_fail: NEVER,
        last_fail: 0,
        first_ok: NEVER,
        last_ok: 0,
        tail_fail: NEVER,
        tail_ok_return: NEVER,
        head_ok_return: NEVER,
    };

    fn down(&self) -> bool {
        u64::from(self.served) * 2 < u64::from(self.operations)
    }
}

/// Finds the outages of a run.
pub(crate) fn find(record: &RunRecord) -> Found {
    let (window_ns, count) = grid(record);
    let windows = fill(record, window_ns, count as usize);
    let state = states(&windows);
    let mut outages: Vec<Outage> = Vec::new();
    let mut at = 0;
    while at < state.len() {
        if !state[at] {
            at += 1;
            continue;
        }
        let first = at;
        while at < state.len() && state[at] {
            at += 1;
        }
        let found = sharpen(record, &windows, first, at);
        match outages.last_mut() {
            Some(last) if found.start_ns <= last.end_ns => {
                last.end_ns = last.end_ns.max(found.end_ns);
                last.open = found.open;
            }
            _ => outages.push(found),
        }
    }
    for outage in &mut outages {
        outage.duration_ns = outage.end_ns - outage.start_ns;
        outage.phases = phases::split(record, outage.start_ns, outage.end_ns);
        (outage.cause, outage.cause_faults) = causes::attribute(record, outage.start_ns, outage.end_ns, window_ns);
    }
    count_lost(record, &mut outages);
    Found {
        window_ns,
        windows: count,
        windows_down: state.iter().filter(|down| **down).count() as u64,
        windows_empty: windows.iter().filter(|w| w.operations == 0).count() as u64,
        outages,
    }
}

fn fill(record: &RunRecord, window_ns: u64, count: usize) -> Vec<Window> {
    let mut windows = vec![Window::EMPTY; count];
    let index = |op: &OpRecord| ((op.invoke_ns - record.measure_from_ns) / window_ns) as usize;
    for op in record.ops.iter().filter(|op| measured(record, op)) {
        let w = &mut windows[index(op)];
        w.operations += 1;
        if served(record, op) {
            w.served += 1;
            w.first_ok = w.first_ok.min(op.invoke_ns);
            w.last_ok = w.last_ok.max(op.invoke_ns);
            w.head_ok_return = w.head_ok_return.min(op.return_ns);
        } else {
            w.first_fail = w.first_fail.min(op.invoke_ns);
            w.last_fail = w.last_fail.max(op.invoke_ns);
        }
    }
    if windows.iter().all(|w| !w.down()) {
        return windows;
    }
    for op in record.ops.iter().filter(|op| measured(record, op)) {
        let w = &mut windows[index(op)];
        if served(record, op) {
            if w.first_fail == NEVER || op.invoke_ns > w.last_fail {
                w.tail_ok_return = w.tail_ok_return.min(op.return_ns);
            }
        } else if w.first_ok != NEVER && op.invoke_ns > w.last_ok {
            w.tail_fail = w.tail_fail.min(op.invoke_ns);
        }
    }
    windows
}

/// Down or not, empty windows continuing what was before them.
fn states(windows: &[Window]) -> Vec<bool> {
    let mut down = false;
    windows
        .iter()
        .map(|w| {
            down = if w.operations == 0 { down } else { w.down() };
            down
        })
        .collect()
}

/// The ends of the outage made of the windows `first..past`.
fn sharpen(record: &RunRecord, windows: &[Window], first: usize, past: usize) -> Outage {
    let before = first.checked_sub(1).map_or(NEVER, |i| windows[i].tail_fail);
    // A run begins with a window that has operations, most of them failures.
    let start_ns = before.min(windows[first].first_fail);
    let last = (first..past).rev().find(|i| windows[*i].operations > 0).unwrap_or(first);
    let returned = match windows[last].tail_ok_return {
        NEVER => windows[past..].iter().map(|w| w.head_ok_return).find(|at| *at != NEVER),
        at => Some(at),
    };
    let open = returned.is_none_or(|at| at >= record.measure_to_ns);
    let end_ns = returned.map_or(record.measure_to_ns, |at| at.min(record.measure_to_ns));
    Outage { start_ns, end_ns: end_ns.max(start_ns), open, ..Outage::default() }
}

/// Counts the operations invoked in each outage that were not served.
fn count_lost(record: &RunRecord, outages: &mut [Outage]) {
    if outages.is_empty() {
        return;
    }
    for op in record.ops.iter().filter(|op| measured(record, op)) {
        if served(record, op) {
            continue;
        }
        let after = outages.partition_point(|o| o.start_ns <= op.invoke_ns);
        if let Some(outage) = after.checked_sub(1).map(|i| &mut outages[i])
            && (op.invoke_ns < outage.end_ns || outage.open)
        {
            outage.operations_lost += 1;
        }
    }
}
