//! A time in which something was wrong that is no fault, as a part of the report.

use crate::report::Fault;
use serde::Serialize;

/// What is shorter is no trouble.
pub(crate) const SHORTEST: u64 = 1_000_000_000;

/// What clients may have outstanding is all under way.
pub(crate) const CLIENT_LIMIT: &str = "client_limit";

/// A time in which something was wrong that is no fault.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Condition {
    /// `gray`, `overload`, `slow_link`, ...
    pub kind: String,
    /// One line for people.
    pub label: String,
    /// The nodes it is about.
    pub nodes: Vec<String>,
    /// Since when.
    pub start_ns: u64,
    /// Until when.
    pub end_ns: u64,
}

impl Condition {
    /// Whether it is so all the time.
    pub(crate) const fn is_standing(&self, from: u64, to: u64) -> bool {
        self.start_ns <= from && self.end_ns >= to
    }

    /// Whether it explains an outage only where nothing else does: what is so all the time, between these two, and
    /// clients that wait, which is what they do in any outage; they had to before it.
    pub(crate) fn is_last_resort(&self, from: u64, to: u64) -> bool {
        self.kind == CLIENT_LIMIT || self.is_standing(from, to)
    }

    /// Whether it may be behind an outage that begins at `start`.
    pub(crate) fn may_cause(&self, start: u64) -> bool {
        self.kind != CLIENT_LIMIT || self.start_ns.saturating_add(SHORTEST) <= start
    }

    /// As charts show it: like a fault that bit.
    pub(crate) fn as_fault(&self) -> Fault {
        Fault {
            kind: self.kind.clone(),
            label: self.label.clone(),
            resolved: self.nodes.clone(),
            start_ns: self.start_ns,
            end_ns: self.end_ns,
            bit: true,
            ..Fault::default()
        }
    }
}
