//! A scenario as meant: every default filled in, every name resolved, every unit converted.

mod cluster;
mod expect;
mod fault;
mod hazard;
mod load;
mod network;
mod swarm;
mod window;

pub use cluster::{Cluster, Group};
pub use expect::{Expect, ReportOptions};
pub use fault::{Flap, Heal, Law, Plan, Process, Recording, Rolling};
pub use hazard::{Hazard, HazardLaw, HazardOf};
pub use load::{KeySpace, Pace, Probe, Rate, Stage, Weight, Workload};
pub use network::{Disk, DiskOverride, End, LinkChange, LinkRule, Network};
pub use swarm::{Change, Choice, Scale, Setting, Swarm};
pub(crate) use window::WEEK;
pub use window::{Window, Wrong};

use sim_core::fault::Limits;
use sim_core::{Duration, Instant, NodeId, Profile};

/// Everything one run is made of, except the seed a caller may choose instead of [`Scenario::seed`].
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// A short name, fit for a folder: `raft-leader-crash`.
    pub name: String,
    /// One sentence for people.
    pub title: String,
    /// More than a sentence, if there is more to say.
    pub description: String,
    /// The name of the system under test.
    pub system: String,
    /// How long load is applied, warm-up included; then everything is healed.
    pub duration: Duration,
    /// How much of the start is not measured.
    pub warmup: Duration,
    /// How long the healed cluster has before it is judged.
    pub settle: Duration,
    /// The seed of a run that names no other.
    pub seed: u64,
    /// Whether events at the same instant happen in seeded order rather than first come, first served.
    pub shuffle_ties: bool,
    /// How many events the run may make.
    pub max_events: u64,
    /// Where the run gets fresh luck, in order of time.
    pub reseed: Vec<Reseed>,
    /// The machines.
    pub cluster: Cluster,
    /// The system's own options, complete: defaults included.
    pub options: toml::Table,
    /// The network.
    pub network: Network,
    /// The disks.
    pub disk: Disk,
    /// The load, in the order of the file.
    pub workloads: Vec<Workload>,
    /// What the system is like, as far as whoever asks it has to know.
    pub profile: Profile,
    /// The availability probe.
    pub probe: Probe,
    /// The faults as planned; `expand` makes the concrete schedule.
    pub faults: Vec<Plan>,
    /// What goes wrong in real life, for forecasts; it changes no run.
    pub hazards: Vec<Hazard>,
    /// What the faults may not do, all together.
    pub limits: Limits,
    /// How each seed draws its own mixture of the faults; `None` if all of them come as planned.
    pub swarm: Option<Swarm>,
    /// What decides the exit code, beyond safety, which always does.
    pub expect: Expect,
    /// How the report looks. Never changes the run.
    pub report: ReportOptions,
}

/// From here on a run has the luck of another seed, as a fork of it would.
///
/// What was made of the first seed before the run stays: what it drew of a swarm, the schedule of the faults, the
/// clocks. So a run that was forked is an ordinary run, of an ordinary file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reseed {
    /// When: what is due at this moment or before has happened.
    pub at: Instant,
    /// The seed of all that is drawn from then on.
    pub seed: u64,
}

impl Scenario {
    /// When faults are healed and load ends.
    #[must_use]
    pub const fn heal_at(&self) -> Instant {
        Instant(self.duration.0)
    }

    /// When measuring begins.
    #[must_use]
    pub const fn measure_from(&self) -> Instant {
        Instant(self.warmup.0)
    }

    /// When the run ends and is judged.
    #[must_use]
    pub fn end(&self) -> Instant {
        self.heal_at() + self.settle
    }

    /// The zones from which probes ask: those in which clients sit, or all where there is no workload.
    #[must_use]
    pub fn probe_zones(&self) -> Vec<u16> {
        let all = 0..self.cluster.zones.len() as u16;
        let sits = |zone: &u16| self.workloads.iter().any(|w| (0..w.clients).any(|i| w.zone_of(i) == *zone));
        all.filter(|zone| self.workloads.is_empty() || sits(zone)).collect()
    }

    /// The node at which the probe of a zone sits, if every workload's clients sit at nodes: the first of those in the
    /// zone.
    #[must_use]
    pub fn probe_seat(&self, zone: u16) -> Option<NodeId> {
        let roles = self.workloads.iter().map(|workload| workload.at.as_deref()).collect::<Option<Vec<_>>>()?;
        let nodes: Vec<NodeId> = roles.into_iter().flat_map(|role| self.cluster.nodes_of(role)).collect();
        let there = nodes.iter().find(|node| self.cluster.zone_of(**node) == zone);
        there.or(nodes.first()).copied()
    }

    /// All workload clients; probe clients come in addition.
    #[must_use]
    pub fn clients(&self) -> u32 {
        self.workloads.iter().map(|w| w.clients).sum()
    }
}
