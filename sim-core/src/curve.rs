//! A curve: a figure over the time of a run, a line for each of those that have one. A system fills it, or names a
//! gauge that is sampled for every node; a report draws all of them alike.

use crate::metric::MetricKind;
use serde::{Deserialize, Serialize};

/// A figure over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// What it is.
    #[serde(flatten)]
    pub kind: MetricKind,
    /// The moments, in nanoseconds of simulated time.
    pub at_ns: Vec<u64>,
    /// The lines.
    pub lines: Vec<Line>,
}

/// One line of a curve.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Whose it is: a node, a topic.
    pub name: String,
    /// The figure at each of the moments.
    pub values: Vec<f64>,
}
