//! What a history shows: who wrote what, what each read saw from outside, and in which order the versions of each key
//! came.

use super::anomaly::Link;
use super::frontier::Frontier;
use super::graph::{Dependency, Graph, INITIAL};
use super::{Doing, Fate, History, Key, Level, Version, lists, registers};
use std::collections::BinaryHeap;

/// Who wrote a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writer {
    /// Nobody whom the history knows.
    Nobody,
    /// One transaction, and whether it is the last that it wrote to the key.
    One { transaction: u32, last: bool },
    /// Several wrote the same: nobody can tell which of them is read.
    Several,
}

/// A read of what somebody else wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outside {
    pub transaction: u32,
    pub key: Key,
    /// The version, or [`INITIAL`].
    pub version: Version,
}

/// One version follows another, directly as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Follows {
    /// What was there before, or [`INITIAL`].
    pub before: Version,
    pub after: Version,
    /// Only because of when they were written.
    pub by_time: bool,
}

/// The versions of one key.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    /// Those that were written by transactions that count, in no order.
    pub versions: Vec<Version>,
    /// What follows what.
    pub follows: Vec<Follows>,
    /// Whether that is the whole order.
    pub total: bool,
    /// Whether the key is a list: then everything but what nobody has read stands in its order in `follows`.
    pub is_list: bool,
}

/// All that a history shows.
#[derive(Clone, Debug)]
pub(super) struct Inferred {
    pub writers: Vec<Writer>,
    /// Whether a transaction took effect, as far as anybody knows.
    pub counts: Vec<bool>,
    pub outside: Vec<Outside>,
    pub orders: Vec<Order>,
}

impl Inferred {
    /// Reads a history; `by_time` takes the order in which writers ran for the order of their versions, where they did
    /// not overlap.
    pub fn of(history: &History, by_time: bool) -> Self {
        let writers = writers(history);
        let counts = counts(history, &writers);
        let outside = outside(history);
        let mut orders = vec![Order::default(); history.keys as usize];
        for (version, writer) in writers.iter().enumerate() {
            if let Writer::One { transaction, .. } = writer
                && counts[*transaction as usize]
            {
                orders[history.key_of[version] as usize].versions.push(version as Version);
            }
        }
        lists::of(history, writers.len(), &mut orders);
        registers::of(history, &writers, &counts, by_time, &mut orders);
        Self { writers, counts, outside, orders }
    }

    /// The transaction of a version, if it is one that counts.
    pub fn writer(&self, version: Version) -> Option<u32> {
        match self.writers.get(version as usize) {
            Some(Writer::One { transaction, .. }) if self.counts[*transaction as usize] => Some(*transaction),
            _ => None,
        }
    }

    /// How many keys have versions whose order is not known.
    pub fn unordered(&self) -> usize {
        self.orders.iter().filter(|order| !order.total).count()
    }

    /// The dependencies.
    pub fn graph(&self, history: &History) -> Graph {
        let mut edges = Vec::new();
        let mut add = |from: Option<u32>, to: Option<u32>, why: Dependency| {
            if let (Some(from), Some(to)) = (from, to)
                && from != to
            {
                edges.push((from, to, why));
            }
        };
        // The readers of each version, and of the initial state of each key.
        let mut readers: Vec<(Version, Key, u32)> =
            self.outside.iter().map(|read| (read.version, read.key, read.transaction)).collect();
        readers.sort_unstable();
        readers.dedup();
        for read in &self.outside {
            if read.version != INITIAL {
                add(self.writer(read.version), Some(read.transaction), Dependency::Wr { key: read.key });
            }
        }
        for (key, order) in self.orders.iter().enumerate() {
            let key = key as Key;
            for Follows { before, after, by_time } in &order.follows {
                let to = self.writer(*after);
                let from = if *before == INITIAL { None } else { self.writer(*before) };
                add(from, to, if *by_time { Dependency::RealTime } else { Dependency::Ww { key } });
                let first = readers.partition_point(|(version, of, _)| (*version, *of) < (*before, key));
                for (version, of, reader) in &readers[first..] {
                    if (*version, *of) != (*before, key) {
                        break;
                    }
                    add(Some(*reader), to, if *by_time { Dependency::Stale { key } } else { Dependency::Rw { key } });
                }
            }
        }
        orders_of_clients(history, &self.counts, &mut edges);
        Graph::new(history.transactions.len(), edges)
    }

    /// Finds the versions that a link is about.
    pub fn explain(&self, link: &mut Link) {
        let (from, to) = (Some(link.from as u32), Some(link.to as u32));
        let (key, by_time) = match link.why {
            Dependency::Ww { key } | Dependency::Rw { key } => (key, false),
            Dependency::Stale { key } => (key, true),
            Dependency::Wr { key } => {
                let read = self.outside.iter().find(|read| {
                    (read.key, Some(read.transaction)) == (key, to)
                        && read.version != INITIAL
                        && self.writer(read.version) == from
                });
                link.before = read.map(|read| read.version);
                return;
            }
            Dependency::Process | Dependency::RealTime => return,
        };
        let read = |version: Version| {
            self.outside.iter().any(|read| (read.key, Some(read.transaction), read.version) == (key, from, version))
        };
        let is_about = |follows: &&Follows| {
            let starts = if link.why.is_rw() {
                read(follows.before)
            } else {
                follows.before != INITIAL && self.writer(follows.before) == from
            };
            starts && follows.by_time == by_time && self.writer(follows.after) == to
        };
        if let Some(follows) = self.orders[key as usize].follows.iter().find(is_about) {
            link.before = (follows.before != INITIAL).then_some(follows.before);
            link.after = Some(follows.after);
        }
    }

    /// The same with every key's versions in one order: that of some order of the transactions which everything known
    /// permits. The first that is tried is as near as possible to the one in which they ended. `None` if there is none.
    pub fn completed(&self, history: &History, graph: &Graph, level: Level, attempt: u64) -> Option<Self> {
        let places = self.places(history, graph, level, attempt)?;
        let mut completed = self.clone();
        for order in completed.orders.iter_mut().filter(|order| !order.total) {
            let mut versions = order.versions.clone();
            // What one transaction wrote stays in the order in which it did; versions were numbered as they came.
            versions.sort_by_key(|version| (self.writer(*version).map(|writer| places[writer as usize]), *version));
            let before = core::iter::once(INITIAL).chain(versions.iter().copied());
            order.follows = before
                .zip(&versions)
                .map(|(before, after)| Follows { before, after: *after, by_time: false })
                .collect();
            order.total = true;
        }
        Some(completed)
    }

    /// The place of each transaction in an order.
    fn places(&self, history: &History, graph: &Graph, level: Level, attempt: u64) -> Option<Vec<u32>> {
        let binds = |why: Dependency| match why {
            Dependency::Ww { .. } => true,
            Dependency::Wr { .. } => level != Level::ReadUncommitted,
            Dependency::Rw { .. } => level >= Level::RepeatableRead,
            Dependency::Process | Dependency::RealTime | Dependency::Stale { .. } => level == Level::StrictSerializable,
        };
        let nodes = graph.nodes();
        let mut before = vec![0_u32; nodes];
        for node in 0..nodes as u32 {
            graph.out(node).filter(|(_, why)| binds(*why)).for_each(|(to, _)| before[to as usize] += 1);
        }
        let rank = |node: u32| {
            let transaction = &history.transactions[node as usize];
            match attempt {
                0 if transaction.fate == Fate::Committed => transaction.completed,
                0 => u64::MAX,
                1 => transaction.invoked,
                _ => crate::hash::of(&[attempt, u64::from(node)]),
            }
        };
        let ready = |node: u32| core::cmp::Reverse((rank(node), node));
        let mut heap: BinaryHeap<_> = (0..nodes as u32).filter(|node| before[*node as usize] == 0).map(ready).collect();
        let (mut places, mut placed) = (vec![0; nodes], 0);
        while let Some(core::cmp::Reverse((_, node))) = heap.pop() {
            places[node as usize] = placed;
            placed += 1;
            for (to, _) in graph.out(node).filter(|(_, why)| binds(*why)) {
                before[to as usize] -= 1;
                if before[to as usize] == 0 {
                    heap.push(ready(to));
                }
            }
        }
        (placed as usize == nodes).then_some(places)
    }
}

fn writers(history: &History) -> Vec<Writer> {
    let mut writers = vec![Writer::Nobody; history.key_of.len()];
    for (index, transaction) in history.transactions.iter().enumerate() {
        for (place, step) in transaction.steps.iter().enumerate() {
            let (Doing::Append(version) | Doing::Write(version)) = &step.doing else { continue };
            let again = |later: &super::Step| {
                later.key == step.key && matches!(later.doing, Doing::Append(_) | Doing::Write(_))
            };
            let last = !transaction.steps[place + 1..].iter().any(again);
            let writer = &mut writers[*version as usize];
            *writer = match writer {
                Writer::Nobody => Writer::One { transaction: index as u32, last },
                Writer::One { .. } | Writer::Several => Writer::Several,
            };
        }
    }
    writers
}

/// What was committed counts, and what nobody knows of if somebody has seen it.
fn counts(history: &History, writers: &[Writer]) -> Vec<bool> {
    let mut counts: Vec<bool> =
        history.transactions.iter().map(|transaction| transaction.fate == Fate::Committed).collect();
    let mut see = |version: Version| {
        if let Writer::One { transaction, .. } = writers[version as usize]
            && history.transactions[transaction as usize].fate == Fate::Unknown
        {
            counts[transaction as usize] = true;
        }
    };
    for transaction in history.transactions.iter().filter(|transaction| transaction.fate == Fate::Committed) {
        for step in &transaction.steps {
            match &step.doing {
                Doing::ReadList(all) => all.iter().for_each(|version| see(*version)),
                Doing::ReadRegister(Some(version)) => see(*version),
                _ => {}
            }
        }
    }
    counts
}

fn outside(history: &History) -> Vec<Outside> {
    let mut outside = Vec::new();
    for (index, transaction) in history.transactions.iter().enumerate() {
        if transaction.fate != Fate::Committed {
            continue;
        }
        for (place, step) in transaction.steps.iter().enumerate() {
            let own = |version: Version| {
                let wrote = |step: &super::Step| match step.doing {
                    Doing::Append(own) | Doing::Write(own) => own == version,
                    _ => false,
                };
                transaction.steps[..place].iter().any(wrote)
            };
            let version = match &step.doing {
                Doing::ReadList(all) => all.iter().rev().copied().find(|version| !own(*version)).unwrap_or(INITIAL),
                Doing::ReadRegister(Some(version)) if own(*version) => continue,
                Doing::ReadRegister(version) => version.unwrap_or(INITIAL),
                _ => continue,
            };
            outside.push(Outside { transaction: index as u32, key: step.key, version });
        }
    }
    outside
}

/// The orders that clients see: of each process, and of time. Of the latter only what others do not imply.
fn orders_of_clients(history: &History, counts: &[bool], edges: &mut Vec<(u32, u32, Dependency)>) {
    let all = &history.transactions;
    let mut newest: Vec<Option<u32>> = Vec::new();
    // Each beginning and end, in their order; what ends when another begins ends after that.
    let mut moments: Vec<(u64, bool, u32)> = Vec::new();
    for (index, transaction) in all.iter().enumerate().filter(|(index, _)| counts[*index]) {
        let process = transaction.process as usize;
        if newest.len() <= process {
            newest.resize(process + 1, None);
        }
        if let Some(before) = newest[process].replace(index as u32) {
            edges.push((before, index as u32, Dependency::Process));
        }
        moments.push((transaction.invoked, false, index as u32));
        if transaction.fate == Fate::Committed {
            moments.push((transaction.completed, true, index as u32));
        }
    }
    moments.sort_unstable();
    let mut ended = Frontier::default();
    for (_, ends, index) in moments {
        if ends {
            ended.end(index);
        } else {
            ended.begin(index).iter().for_each(|before| edges.push((*before, index, Dependency::RealTime)));
        }
    }
}
