//! A bank: transfers move money between accounts, reads show all of them. Under snapshots, and above, every read shows
//! the same total; a balance below zero is told of, too.

use super::super::pair::Pair;
use super::super::{Datum, Lines};
use super::words::{Finding, ShownTransaction};
use super::{JudgedTransactions, TransactionModel};
use sim_core::transactions::{Fate, Level, Ruling};

const FORMS: &str = "{:f :read, :value {0 10, 1 90}} and {:f :transfer, :value {:from 0, :to 1, :amount 5}}";

pub(super) fn judge(pairs: &[Pair<'_>], level: Level, total: Option<i64>, lines: &Lines<'_>) -> JudgedTransactions {
    let mut accounts = 0;
    let mut reads: Vec<Seen> = Vec::new();
    for (index, pair) in pairs.iter().enumerate() {
        match &*pair.begun.f {
            "transfer" => {
                if ["from", "to", "amount"].iter().any(|name| pair.begun.value.get(name).is_none()) {
                    lines.wrong_event(pair.begun, format!("{} is no transfer", pair.begun.value), FORMS);
                }
            }
            "read" if pair.fate() == Fate::Committed => match balances(&pair.told().value) {
                Ok(found) => {
                    accounts = accounts.max(found.len());
                    reads.push((index, found.iter().map(|(_, amount)| amount).sum(), found));
                }
                Err(what) => lines.wrong_event(pair.told(), what, FORMS),
            },
            "read" => {}
            other => lines.wrong_event(pair.begun, format!("{other:?} is nothing that a bank does"), FORMS),
        }
    }
    let expected = total.or_else(|| reads.first().map(|(_, total, _)| *total));
    let shown = |index: usize, balances: &[(String, i64)]| {
        let all: Vec<String> = balances.iter().map(|(account, amount)| format!("{account}: {amount}")).collect();
        ShownTransaction {
            name: format!("T{}", index + 1),
            process: pairs[index].begun.process.to_string(),
            steps: format!("read {}", all.join(", ")),
            fate: "committed",
            lines: pairs[index].lines(),
        }
    };
    let forbidden = level >= Level::SnapshotIsolation;
    let mut anomalies = Vec::new();
    for (name, about, wrong) in [
        ("wrong-total", "a reader found another total", (|sum, _, expected| Some(sum) != expected) as Wrong),
        ("negative-value", "an account was overdrawn", |_, least, _| least < 0),
    ] {
        let found: Vec<_> = reads
            .iter()
            .filter(|(_, sum, found)| wrong(*sum, found.iter().map(|(_, a)| *a).min().unwrap_or(0), expected))
            .collect();
        if let Some((index, sum, balances)) = found.first() {
            anomalies.push(Finding {
                name: name.to_owned(),
                about: about.to_owned(),
                forbidden: forbidden && name == "wrong-total",
                text: format!(
                    "{} of {} reads; the first found {sum} in all, where there were {}",
                    found.len(),
                    reads.len(),
                    expected.unwrap_or(0)
                ),
                transactions: vec![shown(*index, balances)],
                cycle: Vec::new(),
            });
        }
    }
    let (ruling, why) = if reads.is_empty() {
        (Ruling::Inconclusive, "nobody has read the accounts".to_owned())
    } else if let Some(first) = anomalies.iter().find(|finding| finding.forbidden) {
        (Ruling::Broken, format!("{} ({})", first.name, first.about))
    } else if forbidden {
        (Ruling::Holds, format!("every one of {} reads found {} in all", reads.len(), expected.unwrap_or(0)))
    } else {
        (Ruling::Inconclusive, format!("{level} lets totals differ: a bank shows nothing of it"))
    };
    let count = |fate: Fate| pairs.iter().filter(|pair| pair.fate() == fate).count();
    JudgedTransactions {
        ruling,
        model: TransactionModel::Bank.name(),
        level: level.name(),
        transactions: pairs.len(),
        aborted: count(Fate::Aborted),
        unknown: count(Fate::Unknown),
        keys: accounts,
        dependencies: 0,
        why,
        anomalies,
    }
}

/// A read: of which transaction, what it found in all, and in each account.
type Seen = (usize, i64, Vec<(String, i64)>);

/// Whether a read is wrong: its total, its least balance, and what there was.
type Wrong = fn(i64, i64, Option<i64>) -> bool;

fn balances(value: &Datum) -> Result<Vec<(String, i64)>, String> {
    let Datum::Map(entries) = value else { return Err(format!("{value} is no map of accounts and what is in them")) };
    let amount = |(account, amount): &(Datum, Datum)| {
        let number = amount.to_string().parse().map_err(|_| format!("account {account} holds {amount}, no number"))?;
        Ok((account.to_string(), number))
    };
    entries.iter().map(amount).collect()
}
