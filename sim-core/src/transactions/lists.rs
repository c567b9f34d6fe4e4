//! The order of a list's elements: the longest read shows it, and what nobody has read comes after.

use super::graph::INITIAL;
use super::infer::{Follows, Order};
use super::{Doing, Fate, History, Version};

/// Finds the orders of all keys that are lists, and marks those.
pub(super) fn of(history: &History, versions: usize, orders: &mut [Order]) {
    let mut longest: Vec<&[Version]> = vec![&[]; orders.len()];
    for transaction in &history.transactions {
        for step in &transaction.steps {
            match &step.doing {
                Doing::Append(_) => orders[step.key as usize].is_list = true,
                Doing::ReadList(all) => {
                    orders[step.key as usize].is_list = true;
                    let known = &mut longest[step.key as usize];
                    if transaction.fate == Fate::Committed && all.len() > known.len() {
                        *known = all;
                    }
                }
                Doing::Write(_) | Doing::ReadRegister(_) => {}
            }
        }
    }
    let mut seen = vec![false; versions];
    for (key, order) in orders.iter_mut().enumerate().filter(|(_, order)| order.is_list) {
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
        order.follows.extend(loose.into_iter().map(|after| Follows { before, after, by_time: false }));
    }
}
