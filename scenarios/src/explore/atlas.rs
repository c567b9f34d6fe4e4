//! What a search has seen: how many features after how many runs, and which fault met what.

use crate::runner::{Coverage, Meeting};
use std::collections::{BTreeMap, BTreeSet};

/// What all runs of a search went through.
#[derive(Clone, Debug, Default)]
pub struct Atlas {
    /// How many features each run was the first to have.
    fresh: Vec<u64>,
    /// In how many runs each meeting came about.
    met: BTreeMap<Meeting, u64>,
}

/// A row of the table: a kind of fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The kind of fault; empty for none.
    pub fault: &'static str,
    /// For each role, how many different messages and facts it met there.
    pub met: Vec<usize>,
}

impl Atlas {
    pub(super) fn add(&mut self, coverage: &Coverage, fresh: u64) {
        self.fresh.push(fresh);
        for meeting in coverage.meetings() {
            *self.met.entry(meeting).or_default() += 1;
        }
    }

    /// How many features were known after each hundred runs, and after all.
    #[must_use]
    pub fn growth(&self) -> Vec<(u64, u64)> {
        let mut all = Vec::new();
        let mut features = 0;
        for (run, fresh) in (1..).zip(&self.fresh) {
            features += fresh;
            if run % 100 == 0 || run == self.fresh.len() as u64 {
                all.push((run, features));
            }
        }
        all
    }

    /// Every role that a node was in.
    #[must_use]
    pub fn roles(&self) -> Vec<&'static str> {
        let all: BTreeSet<&'static str> = self.met.keys().map(|meeting| meeting.role).collect();
        all.into_iter().collect()
    }

    /// What nodes of this role handled or announced in some run, whatever had hit them.
    #[must_use]
    pub fn of_role(&self, role: &str) -> BTreeSet<(bool, &'static str)> {
        self.met.keys().filter(|meeting| meeting.role == role).map(|meeting| (meeting.fact, meeting.what)).collect()
    }

    /// For each of these kinds of faults, what it met.
    #[must_use]
    pub fn rows(&self, faults: &BTreeSet<&'static str>) -> Vec<Row> {
        let roles = self.roles();
        let count = |fault, role| self.met.keys().filter(|m| m.fault == fault && m.role == role).count();
        let row = |fault: &'static str| Row { fault, met: roles.iter().map(|role| count(fault, *role)).collect() };
        faults.iter().copied().map(row).collect()
    }

    /// What a fault never met, of all that nodes of each role did at all.
    #[must_use]
    pub fn never(&self, fault: &'static str) -> Vec<Meeting> {
        let all = self.roles().into_iter().flat_map(|role| {
            self.of_role(role).into_iter().map(move |(fact, what)| Meeting { fault, role, fact, what })
        });
        all.filter(|meeting| !self.met.contains_key(meeting)).collect()
    }
}
