//! Registration: the [`System`] itself.

use super::checks::{self, ConsulChecks, METRICS};
use super::client::{ConsulClient, client};
use super::message::ConsulRequest;
use super::node::{Machine, ORDERS, TIMERS};
use super::options::{Config, ConsulOptions};
use sim_core::measures::Measures;
use sim_core::metric::MetricKind;
use sim_core::workload::{Load, OperationKind};
use sim_core::{Finished, Operation, OrderKind, Phase, Profile, RoleKind, Rule, System, Verdict};
use std::rc::Rc;

/// A pool of members: servers, and agents beside applications and services.
#[derive(Debug)]
pub struct ConsulSystem;

impl System for ConsulSystem {
    const NAME: &'static str = "consul";
    const ABOUT: &'static str =
        "Serf's gossip with Lifeguard, and Consul's catalog, sessions and key-value store on Raft";
    const TIMERS: u16 = TIMERS;
    const METRICS: &'static [MetricKind] = METRICS;
    const PHASES: &'static [Phase] = &[
        Phase { name: "undetected", ends_with: Some("elected") },
        Phase { name: "barrier", ends_with: Some("leads") },
        Phase { name: "agents find the leader", ends_with: None },
    ];
    const ROLES: &'static [RoleKind] = &[
        RoleKind {
            asked: false,
            ..RoleKind::member("server", "keeps the catalog, and may lead").at_least(0).at_most(64)
        },
        RoleKind::member("agent", "is a member beside applications and services").at_least(0).at_most(100_000),
        RoleKind::other("store", "is written to under locks").at_most(1),
    ];
    const OPERATIONS: &'static [OperationKind] = ConsulRequest::OPERATIONS;
    const OWN_ORDERS: &'static [OrderKind] = ORDERS;
    const RULES: &'static [&'static [Rule]] = checks::ALL_RULES;
    type Node = Machine;
    type Client = ConsulClient;
    type Checks = ConsulChecks;
    type Options = ConsulOptions;

    fn default_groups(nodes: u32) -> Vec<(&'static str, u32)> {
        let servers = nodes.min(3);
        vec![("server", servers), ("agent", nodes - servers)]
    }

    fn client(config: &Rc<Config>, load: Load) -> ConsulClient {
        client(config, load)
    }

    fn checks(config: &Rc<Config>) -> ConsulChecks {
        ConsulChecks::new(config)
    }

    fn profile(config: &Rc<Config>) -> Profile {
        Profile { recovery: (config.servers > 0).then_some(config.election.0), ..Profile::default() }
    }

    fn operation(request: &ConsulRequest) -> Operation {
        request.operation()
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        run.checks.measures(run.span.end)
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = run.checks.verdicts(run.nodes);
        if run.linearizable {
            verdicts.push(run.checks.linearizable());
        }
        verdicts
    }
}
