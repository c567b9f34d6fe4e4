//! The order of a list's elements: the longest read shows it, and what nobody has read comes after.

use super::graph::INITIAL;
use super::infer::{Follows, Order, Writer};
use super::{Doing, Fate, History, Version};
use std::collections::BTreeMap;

/// Finds the orders of all keys that are lists: which are.
pub(super) fn of(history: &History, writers: &[Writer], orders: &mut [Order]) -> Vec<bool> {
    let mut is_list = vec![false; orders.len()];
    let mut longest: Vec<&[Version]> = vec![&[]; orders.len()];
    for transaction in &history.transactions {
        for step in &transaction.steps {
            match &step.doing {
                Doing::Append(_) => is_list[step.key as usize] = true,
                Doing::ReadList(all) => {
                    is_list[step.key as usize] = true;
                    let known = &mut longest[step.key as usize];
                    if transaction.fate == Fate::Committed && all.len() > known.len() {
                        *known = all;
                    }
                }
                Doing::Write(_) | Doing::ReadRegister(_) => {}
            }
        }
    }
    let mut seen = vec![false; writers.len()];
    for (key, order) in orders.iter_mut().enumerate().filter(|(key, _)| is_list[*key]) {
        order.is_list = true;
        let mut before = INITIAL;
        for version in longest[key] {
            // One that is there twice is told of elsewhere.
            if !core::mem::replace(&mut seen[*version as usize], true) {
                order.follows.push(Follows { before, after: *version, by_time: false });
                before = *version;
            }
        }
        let loose: Vec<Version> = order.versions.iter().copied().filter(|version| !seen[*version as usize]).collect();
        order.total = loose.len() < 2;
        for version in loose {
            // Of one transaction's, what it appended first is first.
            let own = |other: &Follows| match (writers[other.after as usize], writers[version as usize]) {
                (Writer::One { transaction: a, .. }, Writer::One { transaction: b, .. }) => {
                    a == b && !seen[other.after as usize]
                }
                _ => false,
            };
            let after = order.follows.iter().rev().take(8).find(|other| own(other)).map_or(before, |own| own.after);
            order.follows.push(Follows { before: after, after: version, by_time: false });
        }
    }
    is_list
}

/// What has ended, less what is implied: whatever had ended before another began that has ended since.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    ended: Vec<u32>,
    /// What had ended when each began that has not ended yet.
    at_beginning: BTreeMap<u32, Vec<u32>>,
}

impl Frontier {
    /// One begins: what comes before it.
    pub fn begin(&mut self, index: u32) -> &[u32] {
        self.at_beginning.insert(index, self.ended.clone());
        &self.ended
    }

    /// One ends.
    pub fn end(&mut self, index: u32) {
        let implied = self.at_beginning.remove(&index).unwrap_or_default();
        self.ended.retain(|other| !implied.contains(other));
        self.ended.push(index);
    }
}
