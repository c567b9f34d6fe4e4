//! Whether transactions were isolated from each other as a level promises: the dependencies between them are inferred
//! from what they have read and written, and cycles among those are the anomalies that have names.
//!
//! Adya: Weak Consistency, MIT 1999 (the dependencies, G0 to G2); Kingsbury and Alvaro: Elle, VLDB 2020 (inferring them
//! from histories of appends, and of registers); Cerone and Gotsman: Analysing Snapshot Isolation, PODC 2016 (it
//! forbids just the cycles in which no two anti-dependencies are adjacent).
//!
//! * Appends to lists leave no doubt: what a read returns shows every version before it. Elements that nobody has read
//!   come after all that somebody has, in an order that is free.
//! * Registers show less: a transaction that reads a version and writes one puts the two in an order, and everything
//!   comes after the initial state. Where a level needs to know more than that, an order is tried, which is a proof if
//!   it fits; where it does not, nobody knows, and the answer is [`Ruling::Inconclusive`].
//!
//! There are no predicates here: repeatable read and serializable forbid the same. A transaction that may have happened
//! counts as one that has if anybody has seen what it wrote, and not at all otherwise.

mod anomaly;
mod cycles;
mod frontier;
mod graph;
mod history;
mod infer;
mod level;
mod lists;
mod registers;
mod scan;

#[cfg(test)]
mod brute_force;

pub use anomaly::{Anomaly, Kind, Link, Order};
pub use graph::Dependency;
pub use history::{Builder, Doing, Fate, History, Key, Step, Transaction, Version};
pub use level::Level;

/// What is known of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// There are orders of versions and transactions under which the level forbids nothing of it.
    Holds,
    /// There are none.
    Broken,
    /// Nobody knows: versions of some keys could have been in several orders, and the one that was tried does not fit.
    Inconclusive,
}

/// A judged history.
#[derive(Clone, Debug)]
pub struct Checked {
    /// Whether the level held.
    pub ruling: Ruling,
    /// All that was found, what the level forbids first; also what it permits.
    pub anomalies: Vec<Anomaly>,
    /// How many of the anomalies the level forbids.
    pub forbidden: usize,
    /// How many keys have versions whose order nobody knows.
    pub unordered: usize,
    /// How many dependencies were inferred.
    pub dependencies: usize,
    /// How many values were written to a key more than once: nothing is said of reads of them.
    pub ambiguous: usize,
}

/// Orders of the versions that are tried, where they are not known, in histories of fewer than so many transactions.
const ATTEMPTS: u64 = 32;
const FEW: usize = 1_000;

/// Judges a history by a level.
#[must_use]
pub fn check(history: &History, level: Level) -> Checked {
    let known = infer::Inferred::of(history, level == Level::StrictSerializable);
    let mut anomalies = scan::anomalies(history, &known);
    let graph = known.graph(history);
    anomalies.extend(cycles::anomalies(&graph));
    anomalies.iter_mut().flat_map(|anomaly| &mut anomaly.links).for_each(|link| known.explain(link));
    let forbids = |anomaly: &Anomaly| level.forbids(anomaly.kind);
    anomalies.sort_by_key(|anomaly| (!forbids(anomaly), anomaly.kind, anomaly.links.len()));
    let forbidden = anomalies.iter().filter(|anomaly| forbids(anomaly)).count();
    let (unordered, dependencies) = (known.unordered(), graph.len());
    let ambiguous = known.writers.iter().filter(|writer| **writer == infer::Writer::Several).count();
    let ruling = if forbidden > 0 {
        Ruling::Broken
    } else if ambiguous > 0 {
        Ruling::Inconclusive
    } else if unordered == 0 {
        Ruling::Holds
    } else {
        // Any order that fits is a proof. The one in which the transactions ended is the likeliest.
        let fits = |attempt| {
            known.completed(history, &graph, level, attempt).is_some_and(|known| {
                let graph = known.graph(history);
                let scanned = scan::anomalies(history, &known);
                !scanned.iter().chain(&cycles::anomalies(&graph)).any(forbids)
            })
        };
        // Large histories take long, and luck does not help them.
        let attempts = if history.transactions.len() < FEW { ATTEMPTS } else { 2 };
        if (0..attempts).any(fits) { Ruling::Holds } else { Ruling::Inconclusive }
    };
    Checked { ruling, anomalies, forbidden, unordered, dependencies, ambiguous }
}
