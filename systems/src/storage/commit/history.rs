//! What clients saw, as transactions for the checker of isolation levels, and what it found in words.

use super::message::{CommitRequest, CommitResponse, told};
use super::options::Config;
use super::plan;
use super::txn::{Act, Found, Key, Mark, TxnId};
use sim_core::sorted::SortedMap;
use sim_core::transactions::{self, Anomaly, Builder, Dependency, Doing, Fate, Level, Ruling, Step, Transaction};
use sim_core::{Instant, Outcome};

/// What became of one try, as the nodes know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Try {
    /// Nobody has decided it.
    Open,
    /// It has committed.
    Committed,
    /// It was aborted.
    Aborted,
}

/// An operation of a client.
#[derive(Clone, Debug)]
pub struct Operation {
    pub request: CommitRequest,
    pub invoked: Instant,
    pub returned: Option<(Instant, Outcome<CommitResponse>)>,
    /// Its tries.
    pub tries: SortedMap<TxnId, Try>,
}

impl Operation {
    /// The try that it was told has committed, and what that has found.
    pub fn committed(&self) -> Option<(TxnId, &[Found], Instant)> {
        match &self.returned {
            Some((at, Outcome::Ok(CommitResponse::Committed { txn, found }))) => Some((*txn, found, *at)),
            _ => None,
        }
    }
}

/// All operations, by client and number.
pub type Operations = SortedMap<(u32, u64), Operation>;

/// What the checker says.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Whether the level held.
    pub ruling: Ruling,
    /// How many transactions committed, as clients were told.
    pub committed: usize,
    /// The first that it forbids, in words.
    pub first: Option<(String, Instant)>,
}

/// Judges what clients saw of lists and registers, and one who reads all of them in the end, if somebody could.
pub fn judge(config: &Config, operations: &Operations, level: Level, last: &[(Key, Found)]) -> Judged {
    let mut builder: Builder<Key, Mark> = Builder::new();
    let mut names: Vec<(u32, u64)> = Vec::new();
    let mut committed = 0;
    let mut order: Vec<(&(u32, u64), &Operation)> = operations.iter().collect();
    order.sort_by_key(|(name, operation)| (operation.invoked, **name));
    for (name, operation) in order {
        let told = operation.committed();
        for (txn, tried) in &operation.tries {
            let found = told.filter(|(of, ..)| of == txn).map(|(_, found, at)| (found, at));
            let fate = match (found, tried) {
                (Some(_), _) => Fate::Committed,
                (None, Try::Aborted) => Fate::Aborted,
                (None, Try::Open | Try::Committed) => Fate::Unknown,
            };
            let acts = plan::acts(config, &operation.request, *txn);
            let steps = steps(&acts, found.map(|(found, _)| found), &mut builder);
            if steps.is_empty() {
                continue;
            }
            committed += usize::from(fate == Fate::Committed);
            // Clients may have several at a time: each is a process of its own.
            let process = names.len() as u32;
            let completed = found.map_or(u64::MAX, |(_, at)| at.0);
            let invoked = operation.invoked.0;
            builder.history.transactions.push(Transaction { process, fate, invoked, completed, steps });
            names.push(*name);
        }
    }
    if !last.is_empty() {
        let acts: Vec<Act> = last.iter().map(|(key, _)| Act::Read(*key, false)).collect();
        let found: Vec<Found> = last.iter().map(|(_, found)| found.clone()).collect();
        let steps = steps(&acts, Some(&found), &mut builder);
        let (process, invoked, completed) = (names.len() as u32, u64::MAX - 1, u64::MAX);
        let fate = Fate::Committed;
        builder.history.transactions.push(Transaction { process, fate, invoked, completed, steps });
        names.push((u32::MAX, 0));
    }
    let checked = transactions::check(&builder.history, level);
    let (keys, values) = builder.names();
    let words = Words { config, operations, names: &names, keys: &keys, values: &values };
    let first = checked.anomalies.first().filter(|_| checked.forbidden > 0);
    let ended = |index: &usize| operations.get(&names[*index]).and_then(|of| of.returned.as_ref()).map(|(at, _)| *at);
    let first = first.map(|anomaly| {
        let at = anomaly.transactions.iter().filter_map(ended).max().unwrap_or(Instant::ZERO);
        (words.tell(anomaly, level), at)
    });
    Judged { ruling: checked.ruling, committed, first }
}

fn steps(acts: &[Act], found: Option<&[Found]>, builder: &mut Builder<Key, Mark>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (k, act) in acts.iter().enumerate() {
        let doing = match (*act, found.and_then(|found| found.get(k))) {
            (Act::Append(key, mark), _) => {
                let key = builder.key(&key);
                (key, Doing::Append(builder.version(key, mark)))
            }
            (Act::Write(key, mark), _) => {
                let key = builder.key(&key);
                (key, Doing::Write(builder.version(key, mark)))
            }
            (Act::Read(key, _), Some(Found::List(marks))) => {
                let key = builder.key(&key);
                (key, Doing::ReadList(marks.iter().map(|mark| builder.version(key, *mark)).collect()))
            }
            (Act::Read(key, _), Some(Found::Register(mark))) => {
                let key = builder.key(&key);
                (key, Doing::ReadRegister(mark.map(|mark| builder.version(key, mark))))
            }
            _ => continue,
        };
        steps.push(Step { key: doing.0, doing: doing.1 });
    }
    steps
}

struct Words<'a> {
    config: &'a Config,
    operations: &'a Operations,
    names: &'a [(u32, u64)],
    keys: &'a [Key],
    values: &'a [Mark],
}

impl Words<'_> {
    fn name(&self, index: usize) -> String {
        let (client, op) = self.names[index];
        if client == u32::MAX {
            return "who reads all in the end".to_owned();
        }
        format!("c{} op {op}", client + 1)
    }

    /// An anomaly: which, who did what, and why each must come before the next.
    fn tell(&self, anomaly: &Anomaly, level: Level) -> String {
        let mut text = format!("{}, which {level} forbids", anomaly.kind);
        for index in anomaly.transactions.iter().take(4) {
            text += &format!("; {} {}", self.name(*index), self.did(*index));
        }
        for link in anomaly.links.iter().take(6) {
            let why = match link.why {
                Dependency::Ww { key } => format!("overwrote {}", self.keys[key as usize]),
                Dependency::Wr { key } => format!("read {} from it", self.keys[key as usize]),
                Dependency::Rw { key } | Dependency::Stale { key } => {
                    format!("replaced what it read of {}", self.keys[key as usize])
                }
                Dependency::Process => "came later at the same client".to_owned(),
                Dependency::RealTime => "began after its end".to_owned(),
            };
            text += &format!("; {} -> {}: the second {why}", self.name(link.from), self.name(link.to));
        }
        if let Some((key, versions)) = &anomaly.about {
            let marks: Vec<Mark> = versions.iter().map(|version| self.values[*version as usize]).collect();
            text += &format!("; on {} {}", self.keys[*key as usize], told(&marks));
        }
        text
    }

    fn did(&self, index: usize) -> String {
        let Some(operation) = self.operations.get(&self.names[index]) else { return String::new() };
        let Some((txn, found, _)) = operation.committed() else { return "(its client was not told)".to_owned() };
        let acts = plan::acts(self.config, &operation.request, txn);
        let one = |(act, found): (&Act, &Found)| match (act, found) {
            (Act::Append(key, _), _) => format!("appends {key}"),
            (Act::Write(key, _), _) => format!("writes {key}"),
            (_, Found::List(marks)) => format!("reads {} elements of {}", marks.len(), act.key()),
            _ => format!("reads {}", act.key()),
        };
        let all: Vec<String> = acts.iter().zip(found).map(one).collect();
        format!("({})", all.join(", "))
    }
}
