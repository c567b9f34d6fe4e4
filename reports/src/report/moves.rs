//! Keys that moved as a part of the report.

use serde::Serialize;

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
