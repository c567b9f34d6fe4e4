//! Cumulative distributions, ours over somebody else's, as data for a chart.

/// One curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it is called in the legend.
    pub name: String,
    /// Ours in nanoseconds, sorted; infinite for what never ended.
    pub ours: Vec<f64>,
    /// What it is compared with, likewise; empty if there is nothing.
    pub theirs: Vec<f64>,
}

/// The curves of one plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// What the curves differ in.
    pub name: String,
    /// At most six.
    pub curves: Vec<Curve>,
}

/// Two panels of cumulative distributions.
#[derive(Clone, Debug, PartialEq)]
pub struct Distributions {
    /// What the chart says above everything.
    pub finding: String,
    /// What it is about.
    pub about: String,
    /// The name of the axis of time.
    pub axis: String,
    /// The plots.
    pub panels: [Panel; 2],
}
