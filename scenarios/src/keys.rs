//! Every key a scenario may hold: the one list that the reader, the suggestions, the JSON schema and the docs share.

mod fault;
mod plans;
mod tables;
mod transport;

pub use fault::{AFTER, BURST, CHANGES, DIRECTIONS, ENDS, FAULT, HEALS, KINDS, LAWS, ON_CRASH, SCOPES, SHAPES};
pub use plans::{LIMITS, SWARM, VARY};
pub use tables::{
    CLIENT, CLUSTER, DISK, DISTRIBUTIONS, EXPECT, GROUP, HAZARD, KEYS, LATENCY, LEVEL, LINK, NETWORK, POPULARITIES,
    PROBE, REPORT, RESEED, ROOT, SCENARIO, STAGE, TIME_UNITS, WORKLOAD,
};
pub use transport::{CONGESTION, MTU, TCP, TRANSPORTS, UDP};

/// One table of the file.
#[derive(Debug)]
pub struct Section {
    /// What it is called in messages, e.g. `[network]`.
    pub name: &'static str,
    /// Its keys.
    pub keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value may be.
    pub takes: Takes,
    /// What holds without it, for people; empty if it must be there or nothing holds.
    pub default: &'static str,
    /// What it means, in one sentence.
    pub about: &'static str,
    /// The fault kinds it belongs to; empty for all, and everywhere else.
    pub kinds: &'static [&'static str],
}

impl Key {
    const fn new(name: &'static str, takes: Takes, default: &'static str, about: &'static str) -> Self {
        Self { name, takes, default, about, kinds: &[] }
    }

    const fn only(mut self, kinds: &'static [&'static str]) -> Self {
        self.kinds = kinds;
        self
    }
}

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub enum Takes {
    /// Any string.
    Text,
    /// A string of letters, digits, `-`, `_` and `.`.
    Name,
    /// `true` or `false`.
    Flag,
    /// A whole number between these.
    Count(u64, u64),
    /// A whole number, in quotes if it is beyond what TOML's integers hold.
    Seed,
    /// A number of tries, or `"unlimited"`.
    Attempts,
    /// `"50ms"`.
    Duration,
    /// `"50ms"`, or `"50ms..80ms"` for a moment in between.
    Moment,
    /// `"-50ms"`.
    SignedDuration,
    /// `"-5ms..5ms"`.
    Offsets,
    /// `"500ppm"`.
    Drift,
    /// `"-50ppm..50ppm"`.
    Drifts,
    /// `"1ms"`, `"1ms..2ms"` or a table.
    Latency,
    /// `"0.1%"` or a number from 0 to 1.
    Probability,
    /// A number between these.
    Number(f64, f64),
    /// `"400/s"`.
    Rate,
    /// `"64 KiB"` or a number of bytes.
    Size,
    /// `"100 Mbit"`.
    Bandwidth,
    /// Whom a fault aims at.
    Target,
    /// Groups of targets.
    Groups,
    /// A path relative to the scenario file.
    Path,
    /// `"sticky"`, `"random"` or a node.
    Routing,
    /// One of these.
    Word(&'static [&'static str]),
    /// How many machines, or the machine of each node.
    Machines,
    /// Strings.
    Texts,
    /// Durations.
    Durations,
    /// One end of a link.
    End,
    /// Both ends of a link.
    Ends,
    /// A bound such as `">= 99.5%"`.
    Bound(Unit),
    /// A number of keys or a table.
    KeySpace,
    /// A table of numbers, by names that the system knows.
    Weights,
    /// A table.
    Table(&'static Section),
    /// A list of tables.
    Tables(&'static Section),
    /// The chosen system's own options.
    Options,
    /// A range of factors such as `"0.2..5"`.
    Scale,
    /// A table of lists: for each key some of what that key takes.
    Alternatives(&'static Section),
}

/// What a metric is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// From 0 to 1, or percent.
    Fraction,
    /// A plain number.
    Number,
    /// How many.
    Count,
    /// A length of time.
    Time,
}

impl Section {
    /// The key called `name`; one whose name ends in `*` stands for all that begin like it.
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|k| match k.name.strip_suffix('*') {
            Some(prefix) => name.len() > prefix.len() && name.starts_with(prefix),
            None => k.name == name,
        })
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.keys.iter().map(|k| k.name)
    }
}
