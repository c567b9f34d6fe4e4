//! What a history shows of the order of a register's versions: the initial state is first, what a transaction wrote
//! follows what it had read, and, where time counts, what was written after another write had ended follows that.

use super::frontier::Frontier;
use super::graph::INITIAL;
use super::infer::{Follows, Order, Writer};

use super::{Doing, Fate, History, Version};

/// Finds what is known of the orders of all keys that are no lists.
pub(super) fn of(history: &History, writers: &[Writer], counts: &[bool], by_time: bool, orders: &mut [Order]) {
    let known = |version: Version| matches!(writers[version as usize], Writer::One { .. });
    for (transaction, _) in history.transactions.iter().zip(counts).filter(|(_, counts)| **counts) {
        for (place, step) in transaction.steps.iter().enumerate() {
            let Doing::Write(after) = step.doing else { continue };
            let before = transaction.steps[..place].iter().rev().find(|other| other.key == step.key);
            let before = before.and_then(|other| match other.doing {
                Doing::Write(version) => Some(version),
                Doing::ReadRegister(version) => version,
                _ => None,
            });
            if let Some(before) = before
                && before != after
                && known(before)
                && known(after)
            {
                orders[step.key as usize].follows.push(Follows { before, after, by_time: false });
            }
        }
    }
    if by_time {
        follow_time(history, writers, orders);
    }
    for order in orders.iter_mut().filter(|order| !order.is_list) {
        order.follows.sort_unstable();
        order.follows.dedup_by_key(|follows| (follows.before, follows.after));
        let mut has_before: Vec<Version> = order.follows.iter().map(|follows| follows.after).collect();
        has_before.sort_unstable();
        let first = |version: &&Version| has_before.binary_search(version).is_err();
        let firsts: Vec<Version> = order.versions.iter().filter(first).copied().collect();
        order.follows.extend(firsts.iter().map(|after| Follows { before: INITIAL, after: *after, by_time: false }));
        order.total = is_total(order);
    }
}

/// Whether every version but the first directly follows all that came before it.
fn is_total(order: &Order) -> bool {
    let mut afters: Vec<(Version, Version)> =
        order.follows.iter().map(|follows| (follows.before, follows.after)).collect();
    afters.sort_unstable();
    let mut missing: Vec<(Version, u32)> = order.versions.iter().map(|version| (*version, 0)).collect();
    missing.sort_unstable();
    let place = |missing: &[(Version, u32)], version| missing.binary_search_by_key(&version, |(v, _)| *v).ok();
    for (_, after) in &afters {
        if let Some(at) = place(&missing, *after) {
            missing[at].1 += 1;
        }
    }
    let (mut at, mut placed) = (INITIAL, 0);
    loop {
        let from = afters.partition_point(|(before, _)| *before < at);
        let mut next = None;
        for (_, after) in afters[from..].iter().take_while(|(before, _)| *before == at) {
            let Some(place) = place(&missing, *after) else { return false };
            missing[place].1 -= 1;
            if missing[place].1 == 0 {
                if next.is_some() {
                    return false;
                }
                next = Some(*after);
            }
        }
        let Some(found) = next else { break };
        (at, placed) = (found, placed + 1);
    }
    placed == order.versions.len()
}

fn follow_time(history: &History, writers: &[Writer], orders: &mut [Order]) {
    // For each key, when each of its writes may have begun and had ended.
    for order in orders.iter_mut().filter(|order| !order.is_list) {
        let mut moments: Vec<(u64, bool, Version)> = Vec::new();
        for version in &order.versions {
            let Writer::One { transaction, last } = writers[*version as usize] else { continue };
            let transaction = &history.transactions[transaction as usize];
            if !last {
                continue;
            }
            moments.push((transaction.invoked, false, *version));
            if transaction.fate == Fate::Committed {
                moments.push((transaction.completed, true, *version));
            }
        }
        moments.sort_unstable();
        let mut ended = Frontier::default();
        for (_, ends, version) in moments {
            if ends {
                ended.end(version);
            } else {
                let after = version;
                let follows =
                    ended.begin(version).iter().map(|before| Follows { before: *before, after, by_time: true });
                order.follows.extend(follows);
            }
        }
    }
}
