//! Registration: the [`System`] itself.

use super::checks::{self, KubeChecks, METRICS};
use super::client::KubeClient;
use super::manifests;
use super::message::KubeRequest;
use super::node::{Machine, TIMERS};
use super::operator::ORDERS;
use super::options::{Config, KubeOptions};
use sim_core::measures::Measures;
use sim_core::metric::MetricKind;
use sim_core::workload::{Generated, Load, OperationKind};
use sim_core::{
    FileReading, FileText, Finished, LoadUnit, Operation, OrderKind, Phase, Profile, RoleKind, Rule, System, Verdict,
};
use std::rc::Rc;

/// A control plane and workers that run pods.
#[derive(Debug)]
pub struct KubernetesSystem;

impl System for KubernetesSystem {
    const NAME: &'static str = "kubernetes";
    const ABOUT: &'static str =
        "an API server over Raft, scheduler, controllers, kubelets and services, as Kubernetes 1.32";
    const TIMERS: u16 = TIMERS;
    const LOAD: LoadUnit = LoadUnit::Requests;
    const METRICS: &'static [MetricKind] = METRICS;
    const PHASES: &'static [Phase] = &[
        Phase { name: "undetected", ends_with: Some("node_lost") },
        Phase { name: "its pods leave services", ends_with: None },
    ];
    const ROLES: &'static [RoleKind] = &[
        // Callers have no business there.
        RoleKind {
            asked: false,
            ..RoleKind::member("control", "API server, store, scheduler and controller manager").at_most(64)
        },
        RoleKind::other("node", "kubelet and proxy: runs pods, and takes callers to services").at_least(1).asked(),
    ];
    const SHARDS: &'static str = "services";
    const OPERATIONS: &'static [OperationKind] = KubeRequest::OPERATIONS;
    const OWN_ORDERS: &'static [OrderKind] = ORDERS;
    const RULES: &'static [&'static [Rule]] = &[checks::RULES];
    type Node = Machine;
    type Client = KubeClient;
    type Checks = KubeChecks;
    type Options = KubeOptions;

    fn read_files(option: &str, files: &[FileText]) -> FileReading {
        if option == "manifests" { manifests::reading(files) } else { FileReading::default() }
    }

    /// A control plane of three beside so many workers.
    fn default_groups(nodes: u32) -> Vec<(&'static str, u32)> {
        vec![("control", 3), ("node", nodes)]
    }

    fn client(_: &Rc<Config>, load: Load) -> KubeClient {
        Generated::new(load, KubeRequest::of)
    }

    fn checks(config: &Rc<Config>) -> KubeChecks {
        KubeChecks::new(config)
    }

    fn profile(config: &Rc<Config>) -> Profile {
        let shards = config.services().filter(|services| *services > 1).unwrap_or(0);
        Profile { shards, recovery: Some(config.monitor_grace), ..Profile::default() }
    }

    /// As the proxies choose: callers number the services that there are.
    fn shard(config: &Rc<Config>, service: u64) -> u16 {
        (service % u64::from(config.services().unwrap_or(1).max(1))) as u16
    }

    fn operation(request: &KubeRequest) -> Operation {
        request.operation()
    }

    fn keys(node: &Machine) -> u64 {
        node.worker().map_or(0, |worker| worker.running().count() as u64)
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        run.checks.measures(run.span.end)
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = run.checks.verdicts(run.nodes);
        if run.linearizable {
            let why = "services have no state".to_owned();
            verdicts.push(Verdict::Inconclusive { rule: "linearizable", why });
        }
        verdicts
    }
}
