//! What was found, in words: who waits for whom, and because of what.

use super::steps::Read;
use super::{JudgedTransactions, TransactionModel};
use serde::Serialize;
use sim_core::transactions::{
    Anomaly, Checked, Dependency, Doing, Fate, Kind, Level, Link, Ruling, Transaction, Version,
};

/// One anomaly.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Its published name.
    pub name: String,
    /// What that means.
    pub about: String,
    /// Whether the level forbids it.
    pub forbidden: bool,
    /// What happened, in a sentence; of a cycle, how many transactions it has.
    pub text: String,
    /// The transactions.
    pub transactions: Vec<ShownTransaction>,
    /// The cycle, if it is one.
    pub cycle: Vec<Wait>,
}

/// A transaction, for people.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ShownTransaction {
    /// `T1`, `T2`, ... in the order in which they began.
    pub name: String,
    /// Whose.
    pub process: String,
    /// What it did.
    pub steps: String,
    /// What came of it.
    pub fate: &'static str,
    /// The lines of its beginning and end.
    pub lines: (u32, Option<u32>),
}

/// One link of a cycle: one transaction must come before another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Wait {
    /// Which comes first.
    pub from: String,
    /// Which comes after it.
    pub to: String,
    /// `ww`, `wr`, `rw`, `process` or `realtime`.
    pub kind: &'static str,
    /// The key, if it is about one.
    pub key: Option<String>,
    /// Why, in a sentence.
    pub text: String,
}

/// Anomalies that are shown of each kind.
const OF_EACH: usize = 3;
/// Elements of a list that are shown.
const ELEMENTS: usize = 12;

pub(super) fn judged(read: &Read, checked: &Checked, model: TransactionModel, level: Level) -> JudgedTransactions {
    let mut anomalies: Vec<Finding> = Vec::new();
    for anomaly in &checked.anomalies {
        let name = anomaly.kind.to_string();
        if anomalies.iter().filter(|other| other.name == name).count() < OF_EACH {
            anomalies.push(finding(read, anomaly, level));
        }
    }
    let count = |fate: Fate| read.history.transactions.iter().filter(|one| one.fate == fate).count();
    let committed = count(Fate::Committed);
    let why = match checked.ruling {
        _ if committed == 0 => "no transaction was committed".to_owned(),
        Ruling::Broken => {
            let mut kinds: Vec<String> = Vec::new();
            for anomaly in checked.anomalies.iter().filter(|anomaly| level.forbids(anomaly.kind)) {
                let name = anomaly.kind.to_string();
                if !kinds.contains(&name) {
                    kinds.push(name);
                }
            }
            format!("{}, which {level} forbids", kinds.join(", "))
        }
        Ruling::Holds => format!("there is an order of {committed} transactions that {level} permits"),
        Ruling::Inconclusive if checked.ambiguous > 0 => {
            format!("{} values were written more than once: nobody can tell whose was read", checked.ambiguous)
        }
        Ruling::Inconclusive => {
            format!(
                "the order of the versions of {} keys is not known, and the likely ones do not fit",
                checked.unordered
            )
        }
    };
    JudgedTransactions {
        ruling: if committed == 0 { Ruling::Inconclusive } else { checked.ruling },
        model: model.name(),
        level: level.name(),
        transactions: read.history.transactions.len(),
        aborted: count(Fate::Aborted),
        unknown: count(Fate::Unknown),
        keys: read.keys.len(),
        dependencies: checked.dependencies,
        why,
        anomalies,
    }
}

const fn about(kind: Kind) -> &'static str {
    match kind {
        Kind::GarbageRead => "a read of what nobody has written",
        Kind::DuplicateElements => "an element that is there twice",
        Kind::IncompatibleOrder => "reads of which neither begins with the other",
        Kind::CyclicVersions => "versions that follow each other in a circle",
        Kind::G1a => "aborted read",
        Kind::G1b => "intermediate read",
        Kind::DirtyUpdate => "a committed write over an aborted one",
        Kind::Internal => "a transaction that does not see its own doings",
        Kind::LostUpdate => "two that read one version, and both replaced it",
        Kind::G0(_) => "dirty write",
        Kind::G1c(_) => "circular information flow",
        Kind::GSingle(_) => "read skew",
        Kind::GNonadjacent(_) => "long fork, or the like",
        Kind::G2Item(_) => "write skew",
    }
}

fn finding(read: &Read, anomaly: &Anomaly, level: Level) -> Finding {
    let name = |index: usize| format!("T{}", index + 1);
    let mut order: Vec<usize> = Vec::new();
    for index in &anomaly.transactions {
        if !order.contains(index) {
            order.push(*index);
        }
    }
    let cycle: Vec<Wait> = anomaly.links.iter().map(|link| wait(read, link)).collect();
    let text = match &anomaly.about {
        _ if !cycle.is_empty() => {
            let circle = if anomaly.links.len() == 2 { "the other" } else { "the next, in a circle" };
            format!("{} transactions, each of which must come before {circle}", cycle.len())
        }
        Some((key, versions)) => of_key(read, anomaly.kind, &order, *key, versions),
        None => String::new(),
    };
    Finding {
        name: anomaly.kind.to_string(),
        about: about(anomaly.kind).to_owned(),
        forbidden: level.forbids(anomaly.kind),
        text,
        transactions: order.iter().map(|index| shown(read, *index, &name(*index))).collect(),
        cycle,
    }
}

fn of_key(read: &Read, kind: Kind, of: &[usize], key: u32, versions: &[Version]) -> String {
    let key = &read.keys[key as usize];
    let name = |place: usize| of.get(place).map_or_else(|| "?".to_owned(), |index| format!("T{}", index + 1));
    let value = |place: usize| versions.get(place).map_or("nothing", |version| &*read.values[*version as usize]);
    match kind {
        Kind::GarbageRead => format!("{} read {} of {key}, which nobody has written", name(0), value(0)),
        Kind::DuplicateElements => format!("{} found {} in {key} twice", name(0), value(0)),
        Kind::IncompatibleOrder => format!("{} and {} read {key} in two orders", name(0), name(1)),
        Kind::CyclicVersions => format!("versions of {key}: {}", list(read, versions)),
        Kind::G1a => format!("{} read {} of {key}, which {} wrote and aborted", name(1), value(0), name(0)),
        Kind::G1b => format!("{} read {} of {key}, which {} replaced itself", name(1), value(0), name(0)),
        Kind::DirtyUpdate => {
            format!("{} of {key}, which {} aborted, is followed by {} of {}", value(0), name(0), value(1), name(1))
        }
        Kind::Internal if versions.is_empty() => format!("{} read nothing of {key}, against what it knew", name(0)),
        Kind::Internal => format!("{} and {key}: {} is not what it had done and seen", name(0), list(read, versions)),
        Kind::LostUpdate => format!("{} and {} both read {} of {key} and wrote to it", name(0), name(1), value(0)),
        _ => String::new(),
    }
}

fn list(read: &Read, versions: &[Version]) -> String {
    let some: Vec<&str> =
        versions.iter().rev().take(ELEMENTS).rev().map(|version| &*read.values[*version as usize]).collect();
    let more = if versions.len() > ELEMENTS { ".. " } else { "" };
    format!("[{more}{}]", some.join(" "))
}

fn shown(read: &Read, index: usize, name: &str) -> ShownTransaction {
    let transaction: &Transaction = &read.history.transactions[index];
    let step = |step: &sim_core::transactions::Step| {
        let key = &read.keys[step.key as usize];
        let value = |version: &Version| &*read.values[*version as usize];
        match &step.doing {
            Doing::Append(version) => format!("append {key} {}", value(version)),
            Doing::Write(version) => format!("write {key} {}", value(version)),
            Doing::ReadList(all) => format!("read {key} {}", list(read, all)),
            Doing::ReadRegister(version) => format!("read {key} {}", version.as_ref().map_or("nothing", value)),
        }
    };
    let steps: Vec<String> = transaction.steps.iter().map(step).collect();
    let (process, lines) = read.shown[index].clone();
    ShownTransaction {
        name: name.to_owned(),
        process,
        steps: steps.join(", "),
        fate: match transaction.fate {
            Fate::Committed => "committed",
            Fate::Aborted => "aborted",
            Fate::Unknown => "unknown",
        },
        lines,
    }
}

fn wait(read: &Read, link: &Link) -> Wait {
    let (from, to) = (format!("T{}", link.from + 1), format!("T{}", link.to + 1));
    let value = |version: Option<Version>| version.map_or("nothing", |version| &*read.values[version as usize]);
    let (before, after) = (value(link.before), value(link.after));
    let name = |key: u32| read.keys[key as usize].clone();
    let (kind, key, text) = match link.why {
        Dependency::Ww { key } => {
            let key = name(key);
            let text = format!("{to} put {after} into {key} after {before} of {from}");
            ("ww", Some(key), text)
        }
        Dependency::Wr { key } => {
            let key = name(key);
            let text = format!("{to} read {before} of {key}, which {from} wrote");
            ("wr", Some(key), text)
        }
        Dependency::Rw { key } => {
            let key = name(key);
            let text = format!("{from} read {before} of {key}, which {to} followed with {after}");
            ("rw", Some(key), text)
        }
        Dependency::Stale { key } => {
            let key = name(key);
            let text = format!("{from} read {before} of {key}; {to} began after that was written, and wrote {after}");
            ("rw", Some(key), text)
        }
        Dependency::Process => ("process", None, format!("process {} ran {from} before {to}", read.shown[link.from].0)),
        Dependency::RealTime => {
            let line = |index: usize, ends: bool| {
                let (begun, ended) = read.shown[index].1;
                if ends { ended.unwrap_or(begun) } else { begun }
            };
            let text = format!(
                "{from} had ended (line {}) before {to} began (line {})",
                line(link.from, true),
                line(link.to, false)
            );
            ("realtime", None, text)
        }
    };
    Wait { from, to, kind, key, text }
}
