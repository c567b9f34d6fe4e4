//! What `history` takes.

use super::Format;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use sim_core::transactions::Level;
use std::path::PathBuf;

/// Flags of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// history.jsonl of a run, maps of EDN or JSON, or the log lines of Jepsen; - reads standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What the history is judged against
    #[arg(long, value_enum)]
    pub model: ModelArg,
    /// What transactions were promised; of those models only [default: strict-serializable]
    #[arg(long, value_parser = levels())]
    pub level: Option<Level>,
    /// What all accounts of a bank hold together [default: what the first reader found]
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    pub total: Option<i64>,
    /// Values are tuples of a key and a value, and each key is an object of its own
    #[arg(long, conflicts_with = "not_keyed")]
    pub keyed: bool,
    /// Values are what they are, even if they look like tuples of a key and a value
    #[arg(long)]
    pub not_keyed: bool,
    /// What each object holds at the beginning, in EDN: 0, or {:x 0, :y 0} for a multi-register
    #[arg(long, value_name = "VALUE", allow_hyphen_values = true)]
    pub initial: Option<String>,
    /// What a compare-and-set that failed says
    #[arg(long, value_enum, default_value_t = FailedCasArg::Never)]
    pub failed_cas: FailedCasArg,
    /// A read that succeeded with nil saw that there is nothing; otherwise it is unknown what it saw
    #[arg(long)]
    pub nil_is_absent: bool,
    /// States the search may visit, beyond a walk through the operations, before it gives up
    #[arg(long, value_name = "N", default_value_t = 50_000_000)]
    pub budget: u64,
    /// Draw the contradiction, if there is one, into this file (.svg or .png)
    #[arg(long, value_name = "FILE")]
    pub chart: Option<PathBuf>,
    /// Seconds of wall time after which it gives up
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub time_limit: u64,
    /// What is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// The models by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ModelArg {
    /// Read, write, cas; initially nil
    Register,
    /// Transactions of reads and writes of registers that are one object
    MultiRegister,
    /// Get, put, append, cas by key; initially empty
    Kv,
    /// Add, remove, read; initially empty
    Set,
    /// Add, read; initially 0
    Counter,
    /// Enqueue, dequeue: first in, first out
    Queue,
    /// Enqueue, dequeue, drain: in any order
    UnorderedQueue,
    /// Acquire, release: at most one holder, who alone releases
    Lock,
    /// Acquire, release: held at most once, released by anybody
    Mutex,
    /// Transactions that append to lists and read them, by --level
    ListAppend,
    /// Transactions that write registers and read them, by --level
    RwRegister,
    /// Registers that are each written once, and readers of several, by --level
    LongFork,
    /// Transfers between accounts, and reads of all of them, by --level
    Bank,
}

/// Isolation levels, as the checker names and explains them.
fn levels() -> impl TypedValueParser<Value = Level> {
    let values = Level::ALL.map(|level| PossibleValue::new(level.name()).help(level.about()));
    let named = |name: String| Level::ALL.into_iter().find(|level| level.name() == name).expect("one of those");
    PossibleValuesParser::new(values).map(named)
}

/// What a compare-and-set that failed says.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum FailedCasArg {
    /// Nothing: it never happened
    Never,
    /// It found another value, unless its error gives another reason
    Looked,
}
