//! Registration: the [`System`] itself.

use super::checks::{self, METRICS, RedlockChecks};
use super::client::RedlockClient;
use super::message::RedlockRequest;
use super::node::{Machine, TIMERS};
use super::options::{Config, RedlockOptions};
use sim_core::measures::Measures;
use sim_core::metric::MetricKind;
use sim_core::workload::{Generated, Load, OperationKind};
use sim_core::{Finished, Operation, Phase, Profile, RoleKind, Rule, System, Verdict};
use std::rc::Rc;

/// Independent instances, a store, and applications.
#[derive(Debug)]
pub struct RedlockSystem;

impl System for RedlockSystem {
    const NAME: &'static str = "redlock";
    const ABOUT: &'static str = "a lock over five Redis that know nothing of each other, as the warning";
    const TIMERS: u16 = TIMERS;
    const METRICS: &'static [MetricKind] = METRICS;
    const PHASES: &'static [Phase] = &[Phase { name: "no majority of instances", ends_with: None }];
    const ROLES: &'static [RoleKind] = &[
        RoleKind::member("instance", "keeps keys that go by its clock").at_most(64),
        RoleKind::other("store", "is written to under locks").at_most(1),
        RoleKind::other("app", "runs a program that takes locks").at_least(1).seats(),
    ];
    const OPERATIONS: &'static [OperationKind] = RedlockRequest::OPERATIONS;
    const RULES: &'static [&'static [Rule]] = &[checks::RULES];
    type Node = Machine;
    type Client = RedlockClient;
    type Checks = RedlockChecks;
    type Options = RedlockOptions;

    fn client(_: &Rc<Config>, load: Load) -> RedlockClient {
        Generated::new(load, RedlockRequest::of)
    }

    fn checks(config: &Rc<Config>) -> RedlockChecks {
        RedlockChecks::new(config)
    }

    fn profile(config: &Rc<Config>) -> Profile {
        Profile { recovery: Some(config.ttl), ..Profile::default() }
    }

    fn operation(request: &RedlockRequest) -> Operation {
        request.operation()
    }

    fn keys(node: &Machine) -> u64 {
        node.instance().map_or(0, super::Instance::keys)
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        run.checks.measures(run.span.end)
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        run.checks.verdicts(run.nodes)
    }
}
