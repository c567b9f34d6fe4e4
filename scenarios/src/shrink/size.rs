//! How large a scenario is: the figures that shrinking makes smaller.

use crate::Scenario;
use crate::scenario::Pace;
use serde::Serialize;

/// The figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Concrete faults.
    pub faults: u64,
    /// Nodes.
    pub nodes: u64,
    /// Zones.
    pub zones: u64,
    /// Workload clients.
    pub clients: u64,
    /// Operations a second that arrive whatever the answers, at most; 0 for load that waits for answers.
    pub rate: u64,
    /// Keys of the workloads.
    pub keys: u64,
    /// Whether the probes run.
    pub probes: bool,
    /// What the links do besides delaying: `loss`, `duplicate`, ...
    pub noise: Vec<&'static str>,
    /// How long load is applied.
    pub duration_ns: u64,
    /// How long it goes on after that.
    pub settle_ns: u64,
}

impl Size {
    /// The size of a resolved scenario.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let base = &scenario.network.base;
        let noise = [
            ("loss", !base.loss.is_never()),
            ("duplicate", !base.duplicate.is_never()),
            ("reorder", !base.reorder.is_never()),
            ("corrupt", !base.corrupt.is_never()),
            ("failing disks", !scenario.disk.fail.is_never()),
            ("drifting clocks", scenario.cluster.clock_drift != (0, 0)),
        ];
        Self {
            faults: scenario.faults.len() as u64,
            nodes: scenario.cluster.nodes() as u64,
            zones: scenario.cluster.zones.len() as u64,
            clients: scenario.clients().into(),
            rate: scenario
                .workloads
                .iter()
                .map(|w| match &w.pace {
                    Pace::Open(stages) => stages.iter().map(|s| s.most().0).max().unwrap_or(0).div_ceil(1_000_000),
                    Pace::Closed { .. } => 0,
                })
                .sum(),
            keys: scenario.workloads.iter().map(|w| w.keys.count()).max().unwrap_or(0),
            probes: scenario.probe.enabled,
            noise: noise.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect(),
            duration_ns: scenario.duration.0,
            settle_ns: scenario.settle.0,
        }
    }
}
