//! Reads `[probe]`: how often the probes ask, and how long they wait, where the file does not say.

use super::measure;
use super::section::Reader;
use crate::scenario::{Cluster, Disk, Network, Probe, Workload};
use sim_core::network::Latency;
use sim_core::{Duration, Profile};

/// Between two questions of a probe, usually.
const EVERY: Duration = Duration::millis(20);
/// More shards than this are not all asked about within a window.
const SHARDS_A_WINDOW: u64 = 16;
/// A probe waits no shorter.
const SHORTEST: Duration = Duration::millis(100);
/// When nobody says how patient clients are.
const PATIENT: Duration = Duration::secs(1);

/// What else decides how a probe asks.
pub struct Around<'a> {
    /// The machines.
    pub cluster: &'a Cluster,
    /// The network.
    pub network: &'a Network,
    /// The disks.
    pub disk: &'a Disk,
    /// The load.
    pub workloads: &'a [Workload],
    /// What the system is like.
    pub profile: Profile,
    /// Length of an availability window.
    pub window: Duration,
}

/// `[probe]` as written.
pub struct Written {
    /// Whether there are probes.
    pub enabled: bool,
    every: Option<Duration>,
    /// How long they wait, if the file says so.
    pub timeout: Option<Duration>,
}

/// Reads `[probe]`.
pub fn read(reader: &Reader<'_>) -> Written {
    let every = reader.get("every", measure::positive);
    if every.is_some_and(|every| every < Duration::micros(100)) {
        reader.wrong("every", "the probe must stay light", "\"100us\" or more");
    }
    Written {
        enabled: reader.get("enabled", measure::flag).unwrap_or(true),
        every,
        timeout: reader.get("timeout", measure::positive),
    }
}

impl Written {
    /// The probe as meant.
    pub fn complete(self, around: &Around<'_>) -> Probe {
        Probe {
            enabled: self.enabled,
            every: self.every.unwrap_or_else(|| around.every()),
            timeout: self.timeout.unwrap_or_else(|| around.timeout()),
        }
    }
}

/// How patient the least patient client is.
pub fn patience(workloads: &[Workload]) -> Duration {
    workloads.iter().map(|w| w.patience.timeout).min().unwrap_or(PATIENT)
}

impl Around<'_> {
    /// Each shard comes to its turn within a window; and probes take no more than a tenth of what is known to be the
    /// capacity.
    fn every(&self) -> Duration {
        let shards = u64::from(self.profile.shards).clamp(1, SHARDS_A_WINDOW);
        let in_turn = Duration((self.window.0 / shards).max(1_000_000));
        let capacity = capacity(self.cluster, self.profile).unwrap_or(u64::MAX).max(1);
        let zones = self.cluster.zones.len() as u64;
        let light = Duration(zones.saturating_mul(20_000_000_000) / capacity);
        EVERY.min(in_turn).max(light)
    }

    /// Long enough for an operation on the slowest links, or else an outage would be seen where there is none; no
    /// longer, because whoever waits through an outage does not see it. Where nobody takes over from anybody, as
    /// patient as clients are.
    fn timeout(&self) -> Duration {
        let patience = patience(self.workloads);
        match self.profile.recovery {
            Some(_) => self.operation().times(2).max(SHORTEST).min(patience),
            None => patience,
        }
    }

    /// How long an operation takes when all goes well, but slowly: sent on by whoever was asked first, a round trip
    /// between nodes, a wait for a sync that is under way and one of its own.
    fn operation(&self) -> Duration {
        let slow = |latency: &Latency| latency.sample(u32::MAX / 100 * 99);
        let rules = self.network.rules.iter().filter_map(|rule| rule.change.latency.as_ref());
        let between = rules.map(slow).max().unwrap_or(Duration::ZERO).max(slow(&self.network.base.latency));
        let client = self.network.client.latency.as_ref().map_or(between, slow);
        client.times(4) + between.times(2) + slow(&self.disk.sync).times(2)
    }
}

/// Operations a second that the cluster can serve, where that is known: from the system's options or from what its CPUs
/// need for an input, of which every operation makes one of each node at the one that serves.
pub fn capacity(cluster: &Cluster, profile: Profile) -> Option<u64> {
    let inputs = 1_000_000_000_u64.checked_div(cluster.cpu_cost.0);
    let served = inputs.map(|inputs| inputs / (cluster.members() as u64 + 1));
    [profile.capacity, served].into_iter().flatten().min()
}
