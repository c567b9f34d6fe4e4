//! The load: who asks for what, how often, how patiently; and the probe that measures availability.

use sim_core::workload::{self, Arrival, Keys, Mix, OperationKind};
use sim_core::{Duration, Instant, Patience, Probability, ReadsFrom, Routing};

/// Operations per second, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(pub u64);

impl Rate {
    /// The mean gap between operations when `sharers` share the rate; zero if there are none.
    #[must_use]
    pub fn gap(self, sharers: u32) -> Duration {
        match self.0 {
            0 => Duration::ZERO,
            micros => {
                let gap = 1_000_000_000_000_000_u128 * u128::from(sharers) / u128::from(micros);
                Duration(u64::try_from(gap).unwrap_or(u64::MAX).max(1))
            }
        }
    }
}

/// From a time on, this rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// From when, counted from the start of the run.
    pub at: Instant,
    /// All clients of the workload together.
    pub rate: Rate,
    /// The rate that it has evenly grown or fallen to when the next stage begins, or the workload stops.
    pub ramp_to: Option<Rate>,
}

impl Stage {
    /// The highest rate in it.
    #[must_use]
    pub fn most(&self) -> Rate {
        self.rate.max(self.ramp_to.unwrap_or_default())
    }
}

/// When operations arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Whatever the answers: stages in order of time, the first at 0 for a plain `rate`.
    Open(Vec<Stage>),
    /// After the answers.
    Closed {
        /// From an answer to the next operation.
        think: Duration,
        /// How many operations each client has in flight.
        outstanding: u32,
    },
}

/// Which keys are touched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum KeySpace {
    /// All of them equally.
    Uniform {
        /// How many there are.
        count: u64,
    },
    /// The k-th most popular with weight 1 / k^s.
    Zipf {
        /// How many there are.
        count: u64,
        /// How skewed: 0 is uniform, 0.99 is what YCSB uses.
        s: f64,
    },
    /// A few keys take most of the operations (YCSB's hotspot distribution); both parts are uniform.
    Hotspot {
        /// How many there are, hot ones included.
        count: u64,
        /// How many are hot: the first ones.
        hot: u64,
        /// Share of the operations that go to the hot ones.
        share: Probability,
    },
}

impl KeySpace {
    /// How many keys there are.
    #[must_use]
    pub const fn count(&self) -> u64 {
        match *self {
            Self::Uniform { count } | Self::Zipf { count, .. } | Self::Hotspot { count, .. } => count,
        }
    }

    /// The engine's form. Builds a table for [`KeySpace::Zipf`]: do it once and clone it.
    #[must_use]
    pub fn keys(&self) -> Keys {
        match *self {
            Self::Uniform { count } => Keys::Uniform { count },
            Self::Zipf { count, s } => Keys::zipf(count, s),
            Self::Hotspot { count, hot, share } => Keys::Hotspot { count, hot, share },
        }
    }
}

/// How often an operation comes beside the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Its number among those of the system.
    pub kind: u16,
    /// Its name.
    pub name: &'static str,
    /// How often it comes, beside the weights of the others.
    pub weight: u32,
}

/// One group of clients.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// The role of the nodes at which the clients sit, in turn; `None` for clients that sit at no node.
    pub at: Option<String>,
    /// How many clients.
    pub clients: u32,
    /// When operations arrive.
    pub pace: Pace,
    /// How often which operation comes; if empty, the shares of reads and writes say it.
    pub mix: Vec<Weight>,
    /// Share of operations that are reads.
    pub reads: Probability,
    /// Share of the writes that are appends.
    pub appends: Probability,
    /// Share of the remaining writes that are compare-and-set.
    pub cas: Probability,
    /// Share of the writes that are left that are deletes.
    pub deletes: Probability,
    /// Which keys.
    pub keys: KeySpace,
    /// Size of written values, in bytes.
    pub value_size: u32,
    /// Timeouts and retries.
    pub patience: Patience,
    /// Whom to ask.
    pub routing: Routing,
    /// Whom to ask when only reading.
    pub reads_from: ReadsFrom,
    /// No operation starts before this.
    pub start: Instant,
    /// No operation starts at or after this.
    pub stop: Instant,
    /// The zones the clients are dealt to, round-robin: of clients that sit at nodes, the zone of each node.
    pub zones: Vec<u16>,
}

impl Workload {
    /// The engine's form of the pace, for one client.
    #[must_use]
    pub fn arrival(&self) -> Arrival {
        match &self.pace {
            Pace::Open(stages) => {
                let ends = stages.iter().skip(1).map(|next| next.at).chain([self.stop]);
                let stage = |(stage, end): (&Stage, Instant)| workload::Stage {
                    from: stage.at,
                    gap: stage.rate.gap(self.clients),
                    ramp: stage.ramp_to.map(|rate| (end, rate.gap(self.clients))),
                };
                Arrival::Open(stages.iter().zip(ends).map(stage).collect())
            }
            Pace::Closed { think, outstanding } => Arrival::Closed { think: *think, outstanding: *outstanding },
        }
    }

    /// The engine's form of the operations, of a system that has these of its own.
    #[must_use]
    pub fn mix(&self, operations: &'static [OperationKind]) -> Mix {
        if self.mix.is_empty() {
            return Mix::Verbs { reads: self.reads, appends: self.appends, cas: self.cas, deletes: self.deletes };
        }
        let weights: Vec<(u16, u32)> = self.mix.iter().map(|weight| (weight.kind, weight.weight)).collect();
        Mix::weighted(operations, &weights)
    }

    /// The zone of the workload's client number `index`.
    #[must_use]
    pub fn zone_of(&self, index: u32) -> u16 {
        self.zones[index as usize % self.zones.len()]
    }
}

/// The availability probe: one light client per zone that issues one read and one write on a fixed grid, of each shard
/// in turn. It is not part of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Whether it runs.
    pub enabled: bool,
    /// The grid.
    pub every: Duration,
    /// When it gives up on an operation; one that takes longer does not count as served where outages are found.
    pub timeout: Duration,
}
