//! Histories of transactions, as Jepsen records them: read, judged by an isolation level, and told in words.
//!
//! `{:type :ok, :f :txn, :value [[:append x 1] [:r y [2 3]]]}`; of registers `[:w x 1]` and `[:r y 2]`. A bank is
//! judged by its totals: under snapshots and above, whoever reads all accounts finds as much as there was.

mod bank;
mod steps;
mod words;

pub use words::{Finding, ShownTransaction, Wait};

use super::{Diagnostics, Format, Lines, Problems, SHOWN};
use serde::Serialize;
use sim_core::transactions::{self, Level, Ruling};

/// What the transactions of a history work on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionModel {
    /// Lists, to which elements are appended.
    ListAppend,
    /// Registers, which are written and read.
    RwRegister,
    /// Registers again, each written once: readers must not see two writes in two orders.
    LongFork,
    /// Accounts, between which money is moved.
    Bank,
}

impl TransactionModel {
    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ListAppend => "list-append",
            Self::RwRegister => "rw-register",
            Self::LongFork => "long-fork",
            Self::Bank => "bank",
        }
    }
}

/// A judged history of transactions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct JudgedTransactions {
    /// What was found: `holds`, `broken` or `inconclusive`.
    #[serde(serialize_with = "ruling")]
    pub ruling: Ruling,
    /// On what they worked.
    pub model: &'static str,
    /// By which level they were judged.
    pub level: &'static str,
    /// How many transactions there are.
    pub transactions: usize,
    /// How many of them were aborted.
    pub aborted: usize,
    /// How many of them nobody knows the outcome of.
    pub unknown: usize,
    /// How many keys.
    pub keys: usize,
    /// How many dependencies between transactions were inferred.
    pub dependencies: usize,
    /// Why, in a sentence.
    pub why: String,
    /// What was found, what the level forbids first.
    pub anomalies: Vec<Finding>,
}

fn ruling<S: serde::Serializer>(ruling: &Ruling, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(match ruling {
        Ruling::Holds => "holds",
        Ruling::Broken => "broken",
        Ruling::Inconclusive => "inconclusive",
    })
}

/// Judges a history of transactions by a level. A bank's total is what the first reader found, unless `total` says.
///
/// # Errors
/// Every line that can not be read or that the model does not know.
pub fn judge_transactions(
    name: &str,
    text: &str,
    model: TransactionModel,
    level: Level,
    total: Option<i64>,
) -> Result<JudgedTransactions, Diagnostics> {
    let text = super::without_mark(text);
    let events = super::read(name, text)?;
    let problems = Problems::default();
    let lines = Lines::new(&problems, name, text);
    if Format::of(&lines) == Format::Ours {
        problems.with_file(
            name,
            "operations of a run are no transactions",
            "maps with :f :txn, as Jepsen records them",
        );
    }
    let pairs = super::pair::pairs(&events, &lines);
    if model == TransactionModel::Bank {
        let judged = bank::judge(&pairs, level, total, &lines);
        return problems.finish(Some(judged)).map_err(|problems| problems.first(SHOWN));
    }
    let read = steps::transactions(&pairs, model, &lines);
    problems.finish(Some(())).map_err(|problems| problems.first(SHOWN))?;
    let checked = transactions::check(&read.history, level);
    Ok(words::judged(&read, &checked, model, level))
}
