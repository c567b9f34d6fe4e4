//! A figure of a run: its name, what it counts in and which way it is better, said once, so that reports, sweeps,
//! comparisons and expectations know what to do with it without knowing what it means.

use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What a figure counts in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A share of one.
    #[default]
    Fraction,
    /// Nanoseconds.
    Time,
    /// A plain number.
    Number,
}

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Better {
    /// The less of it, the better.
    #[default]
    Less,
    /// The more.
    More,
}

/// A kind of figure.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricKind {
    /// What files call it: `lost_writes`. What counts in [`Unit::Time`] is in nanoseconds.
    pub name: Cow<'static, str>,
    /// What people call it: `lost writes`.
    pub title: Cow<'static, str>,
    /// One sentence: what it is.
    pub about: Cow<'static, str>,
    /// What it counts in.
    pub unit: Unit,
    /// Which way it is better.
    pub better: Better,
    /// Whether any of it is harm: a promise to clients that was not kept. A run with harm is never shown as a plain
    /// success, even where its design allows it.
    pub harm: bool,
}

impl MetricKind {
    /// A figure of which less is better.
    #[must_use]
    pub const fn new(name: &'static str, title: &'static str, unit: Unit, about: &'static str) -> Self {
        let (name, title, about) = (Cow::Borrowed(name), Cow::Borrowed(title), Cow::Borrowed(about));
        Self { name, title, about, unit, better: Better::Less, harm: false }
    }

    /// The same, of which more is better.
    #[must_use]
    pub const fn more_is_better(mut self) -> Self {
        self.better = Better::More;
        self
    }

    /// The same, any of which is harm.
    #[must_use]
    pub const fn harm(mut self) -> Self {
        self.harm = true;
        self
    }

    /// The figure itself.
    #[must_use]
    pub const fn with(self, value: f64) -> Metric {
        Metric { kind: self, value }
    }
}

/// A figure of one run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Which.
    #[serde(flatten)]
    pub kind: MetricKind,
    /// How much.
    pub value: f64,
}
