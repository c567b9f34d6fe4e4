//! Registration: the [`System`] itself.

use super::checks::{self, METRICS, ZkChecks};
use super::client::ZkClient;
use super::message::ZkRequest;
use super::node::{Machine, TIMERS};
use super::options::{Config, ZkOptions};
use sim_core::measures::Measures;
use sim_core::metric::MetricKind;
use sim_core::workload::{Generated, Load, OperationKind};
use sim_core::{Finished, Operation, Phase, Profile, RoleKind, Rule, System, Verdict};
use std::rc::Rc;

/// An ensemble of servers, a store, and applications with sessions.
#[derive(Debug)]
pub struct ZooKeeperSystem;

impl System for ZooKeeperSystem {
    const NAME: &'static str = "zookeeper";
    const ABOUT: &'static str = "sessions, znodes, watches and the lock recipe over Zab, as ZooKeeper 3.8";
    const TIMERS: u16 = TIMERS;
    const METRICS: &'static [MetricKind] = METRICS;
    const PHASES: &'static [Phase] = &[
        Phase { name: "undetected", ends_with: Some("looking") },
        Phase { name: "election", ends_with: Some("elected") },
        Phase { name: "discovery and synchronisation", ends_with: Some("established") },
        Phase { name: "sessions find a server", ends_with: None },
    ];
    const ROLES: &'static [RoleKind] = &[
        RoleKind::member("server", "votes and serves").at_most(64),
        RoleKind::member("observer", "serves and has no vote").at_least(0).at_most(64),
        RoleKind::other("store", "is written to under locks").at_most(1),
        RoleKind::other("app", "runs a program that has a session").at_least(1).seats(),
    ];
    const OPERATIONS: &'static [OperationKind] = ZkRequest::OPERATIONS;
    const RULES: &'static [&'static [Rule]] = &[checks::RULES];
    type Node = Machine;
    type Client = ZkClient;
    type Checks = ZkChecks;
    type Options = ZkOptions;

    fn client(_: &Rc<Config>, load: Load) -> ZkClient {
        Generated::new(load, ZkRequest::of)
    }

    fn checks(config: &Rc<Config>) -> ZkChecks {
        ZkChecks::new(config)
    }

    fn profile(config: &Rc<Config>) -> Profile {
        Profile { recovery: Some(config.finalize_wait), ..Profile::default() }
    }

    fn operation(request: &ZkRequest) -> Operation {
        request.operation()
    }

    fn keys(node: &Machine) -> u64 {
        node.server().map_or(0, |server| server.tree().nodes())
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        run.checks.measures(run.span.end)
    }

    /// The order of transactions is known, and so is as of which each answer is: that writes, and reads after a `sync`
    /// by a quorum, are linearizable, is seen without a search, by the rules that look at each answer.
    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = run.checks.verdicts(run.nodes);
        if run.linearizable {
            verdicts.push(run.checks.linearizable());
        }
        verdicts
    }
}
