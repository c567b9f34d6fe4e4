//! What each change of membership moved, and which keys are asked for most.

use crate::units::round;
use serde::Serialize;
use sim_core::record::RunRecord;

/// What one change of membership moved.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Moved {
    /// When.
    pub at_ns: u64,
    /// What happened, e.g. `n7 joined`.
    pub event: String,
    /// Keys that changed owner (copies of keys, where a key has several).
    pub moved: u64,
    /// Keys there were (copies, likewise).
    pub total: u64,
    /// The fewest that had to.
    pub ideal: u64,
    /// `moved / ideal`; 1 is as few as can be. `null` when nothing had to move and something did.
    pub over_ideal: Option<f64>,
    /// When the last of them was durable at its destination; `null` if that was not seen.
    pub done_ns: Option<u64>,
    /// Keys of each node before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<u64>,
    /// Keys of each node after.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<u64>,
}

/// A key that is asked for often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HotKey {
    /// The key.
    pub key: u64,
    /// How often it was asked for.
    pub requests: u64,
    /// The nodes that hold it, the first owner first.
    pub nodes: Vec<String>,
}

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

/// The keys asked for most often, most often first.
pub(crate) fn hot(record: &RunRecord) -> Vec<HotKey> {
    let row = |k: &sim_core::measures::HotKey| HotKey {
        key: k.key,
        requests: k.requests,
        nodes: k.nodes.iter().map(|n| record.node_name(*n)).collect(),
    };
    record.measures.hot_keys.iter().map(row).collect()
}

/// The worst change's `moved / ideal`; infinite if something moved where nothing had to.
pub(crate) fn worst(moves: &[Moved]) -> Option<f64> {
    moves.iter().map(|m| m.over_ideal.unwrap_or(f64::INFINITY)).reduce(f64::max)
}
