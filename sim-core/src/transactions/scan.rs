//! Anomalies that need no cycle: a look at each read, and at each key, shows them.

use super::anomaly::{Anomaly, Kind};
use super::graph::INITIAL;
use super::infer::{Inferred, Writer};
use super::{Doing, Fate, History, Key, Version};

fn found(kind: Kind, transactions: Vec<usize>, key: Key, versions: Vec<Version>) -> Anomaly {
    Anomaly { kind, transactions, about: Some((key, versions)), links: Vec::new() }
}

/// All of them.
pub(super) fn anomalies(history: &History, known: &Inferred) -> Vec<Anomaly> {
    let mut all = Vec::new();
    for (index, transaction) in history.transactions.iter().enumerate() {
        if transaction.fate != Fate::Committed {
            continue;
        }
        own_doings(history, index, &mut all);
        for step in &transaction.steps {
            match &step.doing {
                Doing::ReadList(list) => {
                    sources(history, known, index, step.key, list, &mut all);
                    twice(index, step.key, list, &mut all);
                }
                Doing::ReadRegister(Some(version)) => {
                    sources(history, known, index, step.key, &[*version], &mut all);
                }
                _ => {}
            }
        }
    }
    intermediate(known, &mut all);
    lost_updates(history, known, &mut all);
    incompatible(history, &mut all);
    dirty_updates(history, known, &mut all);
    own_order(known, &mut all);
    cyclic_versions(known, &mut all);
    all
}

/// Where what was read comes from: nobody, or somebody who never committed it.
fn sources(history: &History, known: &Inferred, reader: usize, key: Key, read: &[Version], all: &mut Vec<Anomaly>) {
    for version in read {
        match known.writers[*version as usize] {
            Writer::Nobody => all.push(found(Kind::GarbageRead, vec![reader], key, vec![*version])),
            Writer::One { transaction, .. } if history.transactions[transaction as usize].fate == Fate::Aborted => {
                all.push(found(Kind::G1a, vec![transaction as usize, reader], key, vec![*version]));
            }
            _ => {}
        }
    }
}

fn twice(reader: usize, key: Key, list: &[Version], all: &mut Vec<Anomaly>) {
    let mut sorted = list.to_vec();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        all.push(found(Kind::DuplicateElements, vec![reader], key, vec![pair[0]]));
    }
}

/// Whether a transaction sees what it did itself, and the rest as it was when it looked before.
fn own_doings(history: &History, index: usize, all: &mut Vec<Anomaly>) {
    /// What it knows of a key.
    enum Known {
        /// All of the list.
        List(Vec<Version>),
        /// How the list ends.
        End(Vec<Version>),
        Register(Option<Version>),
    }
    let mut keys: Vec<(Key, Known)> = Vec::new();
    for step in &history.transactions[index].steps {
        let at = keys.iter().position(|(key, _)| *key == step.key);
        match (&step.doing, at.map(|at| &mut keys[at].1)) {
            (Doing::Append(version), Some(Known::List(list) | Known::End(list))) => list.push(*version),
            (Doing::Append(version), _) => keys.push((step.key, Known::End(vec![*version]))),
            (Doing::Write(version), Some(known)) => *known = Known::Register(Some(*version)),
            (Doing::Write(version), None) => keys.push((step.key, Known::Register(Some(*version)))),
            (Doing::ReadList(read), known) => {
                let fits = match &known {
                    Some(Known::List(list)) => list == read,
                    Some(Known::End(end)) => read.ends_with(end),
                    _ => true,
                };
                if !fits {
                    all.push(found(Kind::Internal, vec![index], step.key, read.clone()));
                }
                match known {
                    Some(known) => *known = Known::List(read.clone()),
                    None => keys.push((step.key, Known::List(read.clone()))),
                }
            }
            (Doing::ReadRegister(read), known) => {
                if matches!(&known, Some(Known::Register(expected)) if expected != read) {
                    all.push(found(Kind::Internal, vec![index], step.key, read.iter().copied().collect()));
                }
                match known {
                    Some(known) => *known = Known::Register(*read),
                    None => keys.push((step.key, Known::Register(*read))),
                }
            }
        }
    }
}

fn intermediate(known: &Inferred, all: &mut Vec<Anomaly>) {
    for read in &known.outside {
        if read.version != INITIAL
            && let Writer::One { transaction, last: false } = known.writers[read.version as usize]
            && transaction != read.transaction
        {
            let of = vec![transaction as usize, read.transaction as usize];
            all.push(found(Kind::G1b, of, read.key, vec![read.version]));
        }
    }
}

/// Of those that read a version of a key, two wrote to it.
fn lost_updates(history: &History, known: &Inferred, all: &mut Vec<Anomaly>) {
    let writes = |transaction: u32, key: Key| {
        let wrote = |step: &super::Step| step.key == key && matches!(step.doing, Doing::Append(_) | Doing::Write(_));
        history.transactions[transaction as usize].steps.iter().any(wrote)
    };
    let mut updates: Vec<(Key, Version, u32)> = known
        .outside
        .iter()
        .filter(|read| writes(read.transaction, read.key) && reads_first(history, read.transaction, read.key))
        .map(|read| (read.key, read.version, read.transaction))
        .collect();
    updates.sort_unstable();
    updates.dedup();
    for pair in updates.windows(2) {
        let [(key, version, first), (other_key, other_version, second)] = pair else { continue };
        if (key, version) == (other_key, other_version) && first != second {
            let versions = if *version == INITIAL { Vec::new() } else { vec![*version] };
            all.push(found(Kind::LostUpdate, vec![*first as usize, *second as usize], *key, versions));
        }
    }
}

/// Whether a transaction looked at a key before it wrote to it.
fn reads_first(history: &History, transaction: u32, key: Key) -> bool {
    let steps = &history.transactions[transaction as usize].steps;
    let first = steps.iter().find(|step| step.key == key);
    first.is_some_and(|step| matches!(step.doing, Doing::ReadList(_) | Doing::ReadRegister(_)))
}

/// Reads of lists of which neither begins with the other.
fn incompatible(history: &History, all: &mut Vec<Anomaly>) {
    let mut longest: Vec<Option<(usize, &[Version])>> = vec![None; history.keys as usize];
    let reads = || {
        let committed = history.transactions.iter().enumerate().filter(|(_, one)| one.fate == Fate::Committed);
        committed.flat_map(|(index, one)| {
            one.steps.iter().filter_map(move |step| match &step.doing {
                Doing::ReadList(list) => Some((index, step.key, &list[..])),
                _ => None,
            })
        })
    };
    for (index, key, list) in reads() {
        let known = &mut longest[key as usize];
        if known.is_none_or(|(_, known)| list.len() > known.len()) {
            *known = Some((index, list));
        }
    }
    let mut told = vec![false; history.keys as usize];
    for (index, key, list) in reads() {
        if let Some((other, known)) = longest[key as usize]
            && !known.starts_with(list)
            && !core::mem::replace(&mut told[key as usize], true)
        {
            all.push(found(Kind::IncompatibleOrder, vec![index, other], key, list.to_vec()));
        }
    }
}

/// Something committed follows something aborted.
fn dirty_updates(history: &History, known: &Inferred, all: &mut Vec<Anomaly>) {
    for (key, order) in known.orders.iter().enumerate() {
        for follows in order.follows.iter().filter(|follows| follows.before != INITIAL) {
            let Writer::One { transaction, .. } = known.writers[follows.before as usize] else { continue };
            if history.transactions[transaction as usize].fate == Fate::Aborted
                && let Some(after) = known.writer(follows.after)
            {
                let of = vec![transaction as usize, after as usize];
                all.push(found(Kind::DirtyUpdate, of, key as Key, vec![follows.before, follows.after]));
            }
        }
    }
}

/// What a transaction appended is in another order than the one in which it did.
fn own_order(known: &Inferred, all: &mut Vec<Anomaly>) {
    let mut newest: Vec<(u32, Version)> = Vec::new();
    for (key, order) in known.orders.iter().enumerate().filter(|(_, order)| order.is_list) {
        newest.clear();
        for follows in &order.follows {
            let Some(writer) = known.writer(follows.after) else { continue };
            // Versions are numbered as they were written.
            match newest.iter_mut().find(|(other, _)| *other == writer) {
                Some((_, before)) if *before > follows.after => {
                    let versions = vec![*before, follows.after];
                    all.push(found(Kind::Internal, vec![writer as usize], key as Key, versions));
                    break;
                }
                Some((_, before)) => *before = follows.after,
                None => newest.push((writer, follows.after)),
            }
        }
    }
}

/// Versions of a register that follow each other in a circle.
fn cyclic_versions(known: &Inferred, all: &mut Vec<Anomaly>) {
    for (key, order) in known.orders.iter().enumerate() {
        let data: Vec<(Version, Version)> =
            order.follows.iter().filter(|f| f.before != INITIAL && !f.by_time).map(|f| (f.before, f.after)).collect();
        if data.len() < 2 {
            continue;
        }
        // What can be taken away from the beginning is in no circle.
        let mut left = data;
        loop {
            let mut afters: Vec<Version> = left.iter().map(|(_, after)| *after).collect();
            afters.sort_unstable();
            let before = left.len();
            left.retain(|(before, _)| afters.binary_search(before).is_ok());
            if left.len() == before {
                break;
            }
        }
        loop {
            let mut befores: Vec<Version> = left.iter().map(|(before, _)| *before).collect();
            befores.sort_unstable();
            let count = left.len();
            left.retain(|(_, after)| befores.binary_search(after).is_ok());
            if left.len() == count {
                break;
            }
        }
        if !left.is_empty() {
            let mut versions: Vec<Version> = left.iter().map(|(before, _)| *before).collect();
            versions.sort_unstable();
            versions.dedup();
            let writers = versions.iter().filter_map(|version| known.writer(*version)).map(|writer| writer as usize);
            all.push(found(Kind::CyclicVersions, writers.collect(), key as Key, versions.clone()));
        }
    }
}
