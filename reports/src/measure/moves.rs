//! What each change of membership moved.

use crate::report::Moved;
use crate::units::round;
use sim_core::record::RunRecord;

/// What each change of membership moved, in order of time.
pub(crate) fn moved(record: &RunRecord) -> Vec<Moved> {
    let row = |m: &sim_core::measures::KeysMoved| Moved {
        at_ns: m.at_ns,
        event: m.event.clone(),
        moved: m.moved,
        total: m.total,
        ideal: m.ideal,
        over_ideal: match (m.moved, m.ideal) {
            (0, 0) => Some(1.0),
            (_, 0) => None,
            (moved, ideal) => Some(round(moved as f64 / ideal as f64, 6)),
        },
        done_ns: m.done_ns,
        before: m.before.clone(),
        after: m.after.clone(),
    };
    record.measures.keys_moved.iter().map(row).collect()
}

/// The worst change's `moved / ideal`; infinite if something moved where nothing had to.
pub(crate) fn worst(moves: &[Moved]) -> Option<f64> {
    moves.iter().map(|m| m.over_ideal.unwrap_or(f64::INFINITY)).reduce(f64::max)
}
