//! A few elements of a set or of a queue. What happened to them has to have an order by itself: the others can be left
//! out with all that is known of them. So a contradiction is looked for in one element, then in two, and only then in
//! all.

use super::super::Operation;
use super::Model;
use sim_core::Outcome;
use sim_core::linearize::{Linearizable, check, conflict};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Two elements.
pub(super) type Pair<'o> = [&'o Arc<str>; 2];

/// An object made of elements.
pub(super) trait Elements: Model + Sized {
    /// The element that an operation is about; `None` if it is about all of them.
    fn element(operation: &Operation<Self>) -> Option<&Arc<str>>;

    /// The elements that an operation about all of them saw.
    fn seen(operation: &Operation<Self>) -> Vec<&Arc<str>> {
        let _ = operation;
        Vec::new()
    }

    /// How the operation would have ended if there were only these elements.
    fn among(operation: &Operation<Self>, elements: &[&Arc<str>]) -> Outcome<Self::Response> {
        let _ = elements;
        operation.outcome.clone()
    }

    /// The pairs that may contradict each other though neither contradicts itself, the likeliest first.
    fn pairs<'o>(elements: &[&'o Arc<str>], operations: &[&'o Operation<Self>]) -> Vec<Pair<'o>>;
}

/// Looks at elements, at most: a history with more is not taken apart.
const LARGEST: usize = 20_000_000;
/// States visited for one element.
const ALONE: u64 = 100_000;
/// Pairs of elements that are held against each other.
pub(super) const PAIRS: usize = 50_000;
/// States visited for each of them.
const PAIRED: u64 = 1_000;

/// The operations on one element, or on two, that contradict each other, if there are such: as indices, the last straw
/// at the end.
pub(super) fn contradiction<M: Elements>(operations: &[&Operation<M>]) -> Option<Vec<usize>> {
    let mut about: BTreeMap<&Arc<str>, Vec<usize>> = BTreeMap::new();
    let mut about_all = Vec::new();
    for (i, operation) in operations.iter().enumerate() {
        match M::element(operation) {
            Some(element) => about.entry(element).or_default().push(i),
            None => {
                about_all.push(i);
                for element in M::seen(operation) {
                    about.entry(element).or_default();
                }
            }
        }
    }
    if about.len().saturating_mul(about_all.len()) > LARGEST {
        return None;
    }
    let among = |elements: &[&Arc<str>], budget: u64| {
        let mut few: Vec<usize> = elements.iter().flat_map(|element| &about[element]).copied().collect();
        few.extend(&about_all);
        few.sort_unstable();
        let ended: Vec<_> = few.iter().map(|i| M::among(operations[*i], elements)).collect();
        let row = |i: usize| {
            let operation = operations[few[i]];
            (&operation.request, operation.invoked, operation.returned, &ended[i])
        };
        let Linearizable::No { .. } = check::<M>(few.len(), row, budget) else { return None };
        let found = conflict::<M>((0..few.len()).map(row), budget, &mut || true);
        Some(found.into_iter().map(|i| few[i]).collect()).filter(|found: &Vec<usize>| !found.is_empty())
    };
    let elements: Vec<&Arc<str>> = about.keys().copied().collect();
    let alone = || elements.iter().find_map(|element| among(&[element], ALONE));
    let paired = || M::pairs(&elements, operations).iter().take(PAIRS).find_map(|pair| among(pair, PAIRED));
    alone().or_else(paired)
}

/// All pairs.
pub(super) fn all_pairs<'o>(elements: &[&'o Arc<str>]) -> Vec<Pair<'o>> {
    let later = (0..elements.len()).flat_map(|i| (0..i).map(move |j| [i, j]));
    later.take(PAIRS).map(|pair| pair.map(|i| elements[i])).collect()
}
