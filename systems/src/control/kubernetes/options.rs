//! What may be written in `[system]`, and the configuration of a machine that is made of it.

use super::bugs::KubeBug;

use super::seed;
use sim_core::units::{DurationText, RangeText};
use sim_core::{Duration, FileText, NodeId};
use std::rc::Rc;

sim_core::choices! {
    /// What the readiness probe of the deployment that options describe says.
    pub enum Readiness {
        /// There is none: who runs is ready.
        #[default]
        None,
        /// Whether the pod can serve.
        Honest,
        /// That it can, as soon as it runs.
        Lies,
    }

    /// Over what pods of the deployment that options describe must be spread.
    pub enum SpreadOver {
        /// They need not be.
        #[default]
        None,
        /// Over zones.
        Zones,
        /// Over nodes.
        Nodes,
    }
}

const fn seconds(n: u64) -> DurationText {
    DurationText(Duration::secs(n))
}

sim_core::options! {
    /// The `[system]` options of `system = "kubernetes"`.
    pub struct KubeOptions;

    /// The configuration that all machines share: the control plane, then the workers.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Config of shape {
        /// How many machines of the control plane there are.
        pub control: u32 = shape.number_of("control", 3.min(shape.nodes() as u32));
        /// All machines.
        pub nodes: u32 = shape.nodes() as u32;
        /// The zone of each machine.
        pub zones: Vec<u16> = shape.node_zones.clone();
        /// The names of zones.
        pub zone_names: Vec<String> = shape.zones.clone();
    }

    options {
        /// Manifests (YAML) beside the scenario, which are applied instead of what the options below describe.
        manifests: Vec<FileText> = Vec::new() => {
            applied: Option<Rc<seed::Applied>> = seed::read(manifests),
        };
        /// How many pods the deployment `app` has, behind the service of the same name; 0 for none of both.
        replicas: u32 = 3;
        /// How many more pods than that there may be during a rollout.
        max_surge: u32 = 1,
            wrong if *max_surge == 0 && *max_unavailable == 0 =>
                ("a rollout with neither a pod more nor a pod less"), "max_surge or max_unavailable at least 1";
        /// How many fewer may be available during a rollout.
        max_unavailable: u32 = 0;
        /// What the readiness probe of `app` says: `none`, there is none; `honest`; `lies`, that a pod can serve as
        /// soon as it runs.
        readiness: Readiness = Readiness::default();
        /// How often it asks.
        probe_period: u32 = 10, wrong if *probe_period == 0 => ("probes without pause"), "seconds, 10 is usual";
        /// How long a pod of `app` is ready before it is available, in seconds.
        min_ready: u32 = 0;
        /// What a pod of `app` requests, in thousandths of a core; 0 for nothing.
        cpu_request: u32 = 100;
        /// What a pod of `app` may use at most, in thousandths of a core; 0 for no limit.
        cpu_limit: u32 = 0;
        /// Over what pods of `app` must be spread, one more or less: `none`, `zones` or `nodes`.
        spread: SpreadOver = SpreadOver::default();
        /// Whether each worker has a taint of its own that evicts, which only pods of `app` tolerate, for ever.
        dedicated: bool = false;
        /// How many pods of `app` its disruption budget lets go at a time; 0 for no budget.
        budget: u32 = 0;
        /// Up to how many pods the autoscaler of `app` goes; 0 for no autoscaler.
        autoscale_to: u32 = 0,
            wrong if *autoscale_to > 0 && *autoscale_to < *replicas =>
                ("an autoscaler up to {autoscale_to} of {replicas} replicas"), "at least replicas, or 0";
        /// The use of what pods request that it aims at, in percent.
        autoscale_at: u32 = 60, wrong if *autoscale_at == 0 => ("no use at all as a target"), "percent, 60 is usual";
        /// For how long it remembers a higher wish before it scales down.
        stabilisation: DurationText = seconds(300);
        /// How many pods beside `app` use all the processor time that they get, and request none.
        neighbours: u32 = 0;

        /// How long it takes until a container runs: its image, its start.
        start: RangeText = RangeText { lo: Duration::millis(1000), hi: Duration::millis(3000) } => {
            start: (Duration, Duration) = (start.lo, start.hi),
        };
        /// How long a container runs until it can serve.
        warm_up: DurationText = DurationText::millis(0);
        /// The same for pods of a later template, which a rollout brings.
        new_warm_up: DurationText = DurationText::millis(0);
        /// How long such a container runs until it fails; 0 for never.
        new_crashes_after as new_crashes: DurationText = DurationText::millis(0);
        /// How long a container goes on serving that was told to end.
        stop: DurationText = DurationText::millis(1000);
        /// How much processor time a request takes, on a core of its own.
        work: DurationText = DurationText::millis(2);
        /// How long a pod of a job runs.
        job_time: DurationText = seconds(10);
        /// What a worker has for pods, in thousandths of a core.
        node_cpu: u32 = 4000, wrong if *node_cpu == 0 => ("workers without a processor"), "4000 are four cores";
        /// And in MiB of memory.
        node_memory: u32 = 16384;
        /// And how many pods it takes.
        node_pods: u32 = 110;

        /// How often a kubelet renews the lease of its node.
        lease_renew: DurationText = seconds(10),
            wrong if lease_renew.0 == Duration::ZERO => ("renewals without pause"), "\"10s\" is usual";
        /// How often the node controller looks.
        monitor_period: DurationText = seconds(5),
            wrong if monitor_period.0 == Duration::ZERO => ("looks without pause"), "\"5s\" is usual";
        /// How long a node may say nothing: 50s since Kubernetes 1.32, 40s before.
        monitor_grace: DurationText = seconds(50),
            wrong if monitor_grace.0 <= lease_renew.0 =>
                ("nodes are given up after {monitor_grace} and renew every {lease_renew}"), "several renewals";
        /// One node of a zone is evicted in so long.
        eviction_every: DurationText = seconds(10);
        /// The same where much of a large zone is not well.
        secondary_eviction_every as secondary_every: DurationText = seconds(100);
        /// A zone is large with more nodes than this: in a smaller one nobody is evicted when much is not well.
        large_zone: u32 = 50;
        /// How much of a zone must not be well for that, in percent.
        unhealthy_zone: u32 = 55;
        /// How long pods tolerate that their node is not ready, or not reachable, where they do not say so.
        toleration: DurationText = seconds(300);

        /// How long a lease of a scheduler or controller manager lasts for others.
        lease_duration: DurationText = seconds(15);
        /// How long its holder acts without having renewed it.
        renew_deadline: DurationText = seconds(10),
            wrong if renew_deadline.0 >= lease_duration.0 =>
                ("leaders act for {renew_deadline} and others wait for {lease_duration}"), "less than lease_duration";
        /// How often they try.
        retry_period: DurationText = seconds(2),
            wrong if retry_period.0 == Duration::ZERO || retry_period.0 >= renew_deadline.0 =>
                ("tries every {retry_period} within {renew_deadline}"), "\"2s\" is usual";
        /// How long the scheduler waits before it tries a pod again that fits nowhere, at first and at most.
        backoff: RangeText = RangeText { lo: Duration::secs(1), hi: Duration::secs(10) } => {
            backoff: (Duration, Duration) = (backoff.lo, backoff.hi),
        };

        /// How long the scheduler thinks about a pod.
        think: DurationText = DurationText::millis(2);

        /// How long an API server waits for its store.
        store_timeout: DurationText = seconds(7),
            wrong if store_timeout.0 == Duration::ZERO => ("no time for the store"), "\"7s\" is usual";
        /// How long a component waits for the API server; a connection that is silent for three times as long is
        /// tested.
        call_timeout: DurationText = seconds(10),
            wrong if call_timeout.0 == Duration::ZERO => ("no time for the API server"), "\"10s\" is usual";
        /// How many changes an API server remembers.
        watch_window: u32 = 1000 => { watch_window: usize = *watch_window as usize },
            wrong if *watch_window == 0 => ("API servers that remember nothing"), "1000, for example";
        /// How long a member of the store waits for its leader; drawn anew from this range every time.
        election_timeout: RangeText = RangeText { lo: Duration::millis(1000), hi: Duration::millis(2000) } => {
            election: (Duration, Duration) = (election_timeout.lo, election_timeout.hi),
        },
            wrong if election_timeout.lo <= heartbeat_interval.0 =>
                ("members may wait {} for a leader that is heard from every {heartbeat_interval}", election_timeout.lo),
                "ten times as long is usual";
        /// How often the leader of the store is heard from.
        heartbeat_interval as heartbeat: DurationText = DurationText::millis(100),
            wrong if heartbeat_interval.0 == Duration::ZERO => ("a heartbeat without pause"), "\"100ms\" is usual";
        /// Commands carried out between two snapshots; 0 never takes one.
        snapshot_every: u64 = 10_000;
        /// Entries kept in the log behind a snapshot.
        snapshot_keep: u64 = 5000;
        /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
        bug: KubeBug = KubeBug::default();
    }
}

impl Config {
    /// How many services manifests say that there are.
    pub(super) fn services(&self) -> Option<u16> {
        self.applied.as_ref().map(|applied| applied.services)
    }

    /// Whether a machine is one of the control plane.
    #[must_use]
    pub const fn controls(&self, node: NodeId) -> bool {
        node.0 < self.control
    }

    /// The workers.
    pub fn workers(&self) -> impl Iterator<Item = NodeId> + use<> {
        (self.control..self.nodes).map(NodeId)
    }

    /// The name of the zone of a machine.
    #[must_use]
    pub fn zone(&self, node: NodeId) -> &str {
        let zone = self.zones.get(node.index()).copied().unwrap_or(0);
        self.zone_names.get(usize::from(zone)).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Shape;

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = KubeOptions {
            max_surge: 0,
            monitor_grace: seconds(5),
            retry_period: seconds(20),
            ..KubeOptions::default()
        };
        let keys: Vec<_> = options.validate(&Shape::plain(6)).unwrap_err().iter().map(|i| i.key).collect();
        assert_eq!(keys, ["max_surge", "monitor_grace", "retry_period"]);
        assert!(KubeOptions::default().validate(&Shape::plain(6)).is_ok());
    }
}
