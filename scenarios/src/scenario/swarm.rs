//! A swarm: what each seed draws for itself.

use super::LinkChange;
use sim_core::Probability;
use sim_core::network::Latency;

/// What each seed draws for itself, so that many seeds together try many mixtures of faults.
#[derive(Clone, Debug, PartialEq)]
pub struct Swarm {
    /// Each kind of fault is switched off with this chance.
    pub off: Probability,
    /// How often the others come.
    pub weight: Scale,
    /// How long they last.
    pub length: Scale,
    /// Lists of which one is drawn.
    pub choices: Vec<Choice>,
}

/// A range of factors, in thousandths. Every order of magnitude in it is equally likely.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// The smallest; never 0.
    pub lo: u32,
    /// The largest; never below `lo`.
    pub hi: u32,
}

/// A key and the values among which a seed draws.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Its dotted path, for example `system.max_batch`.
    pub key: String,
    /// The values; at least one.
    pub among: Vec<Setting>,
}

/// One value a key may have.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// As written.
    pub text: String,
    /// What it changes.
    pub change: Change,
}

/// What a drawn value changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// An option of the system.
    Option(String, toml::Value),
    /// The network's base policy.
    Link(LinkChange),
    /// How long a sync takes.
    Sync(Latency),
    /// How often a sync fails.
    SyncFail(Probability),
    /// How many syncs may be under way at the same time.
    SyncsAtOnce(u32),
}
