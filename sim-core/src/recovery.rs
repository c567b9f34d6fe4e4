//! Recoveries: what a system does in steps while clients wait, as the replacement of a primary. A system names the
//! steps and says when each was done; a report sets beside them what clients saw.

use crate::metric::MetricKind;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// What kind of recovery a system has, and what it is called.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryKind {
    /// The part of `report.json` about it: `failover`.
    pub field: Cow<'static, str>,
    /// The list of them in it: `failovers`.
    pub list: Cow<'static, str>,
    /// What people call one: `fail-over`.
    pub one: Cow<'static, str>,
    /// Who is replaced by another: `primary`.
    pub who: Cow<'static, str>,
    /// What it is spent on, in order. With the last but one the new order is in force, and with the last clients are
    /// served.
    pub steps: Cow<'static, [Step]>,
    /// The longest that nobody planned: the figure, and its field beside the list.
    pub longest: (MetricKind, Cow<'static, str>),
    /// How many were for nothing, likewise.
    pub needless: (MetricKind, Cow<'static, str>),
}

/// One step of a recovery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What people call it: `detect`.
    pub name: Cow<'static, str>,
    /// The field that has how long it took: `detect_ns`.
    pub field: Cow<'static, str>,
}

impl Step {
    /// A step.
    #[must_use]
    pub const fn new(name: &'static str, field: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), field: Cow::Borrowed(field) }
    }
}

/// All recoveries of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recoveries {
    /// Which.
    pub kind: RecoveryKind,
    /// Each, in order of time.
    pub all: Vec<Recovery>,
}

/// One recovery, as the system saw it. Times are simulated nanoseconds since the start of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Recovery {
    /// Which part of the data; 0 where there is one.
    pub shard: u32,
    /// When the old one stopped serving, or, for one that still could, when it was given up.
    pub began_ns: u64,
    /// When each of [`RecoveryKind::steps`] was done.
    pub steps: Vec<Option<u64>>,
    /// The old one.
    pub old: Option<u32>,
    /// The new one.
    pub new: Option<u32>,
    /// Whether the old one was in order: nobody had to be replaced.
    pub needless: bool,
    /// Whether somebody asked for it.
    pub planned: bool,
}
