//! Registration: the [`System`] itself.

use super::checks::{self, BalancingChecks};
use super::client::BalancingClient;
use super::measure::measure;
use super::mechanisms;
use super::message::Work;
use super::node::{Machine, Part, TIMERS};
use super::options::{BalancingOptions, Config, ROLES};
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::workload::{Generated, Load, Verb};
use sim_core::{Class, Finished, LoadUnit, NodeId, Operation, Profile, RoleKind, Rule, System, Verdict};
use std::rc::Rc;

/// Balancers before servers with queues.
#[derive(Debug)]
pub struct BalancingSystem;

static GAUGES: &[MetricKind] = &[
    MetricKind::new("queue", "requests in the queue", Unit::Number, "what waits and is worked on at each server"),
    MetricKind::new(
        "in_flight",
        "requests in flight",
        Unit::Number,
        "what each balancer has sent and has no answer to",
    ),
];

impl System for BalancingSystem {
    const NAME: &'static str = "balancing";
    const ABOUT: &'static str = "balancers before servers with queues: policies, retries and what waiting costs";
    const TIMERS: u16 = TIMERS;
    const ROLES: &'static [RoleKind] = ROLES;
    const ORDERS: &'static [&'static str] = &["members"];
    const GAUGES: &'static [MetricKind] = GAUGES;
    const LOAD: LoadUnit = LoadUnit::Work("requests worked on");
    const RULES: &'static [&'static [Rule]] = &[checks::RULES, mechanisms::RULES];
    type Node = Machine;
    type Client = BalancingClient;
    type Checks = BalancingChecks;
    type Options = BalancingOptions;

    fn default_groups(_: u32) -> Vec<(&'static str, u32)> {
        // The option `balancers` says it.
        Vec::new()
    }

    fn profile(config: &Rc<Config>) -> Profile {
        let workers = u64::from(config.servers() - config.spares) * u64::from(config.workers);
        let capacity = workers * 1_000_000_000 / config.service.mean().0.max(1);
        Profile { capacity: Some(capacity), ..Profile::default() }
    }

    fn client(_: &Rc<Config>, load: Load) -> BalancingClient {
        Generated::new(load, |op| Work { key: op.key, write: op.verb != Verb::Get })
    }

    fn checks(config: &Rc<Config>) -> BalancingChecks {
        BalancingChecks::new(config)
    }

    fn operation(request: &Work) -> Operation {
        let class = if request.write { Class::Write } else { Class::Read };
        Operation { class, name: "work", key: Some(request.key) }
    }

    fn carries(config: &Rc<Config>, node: NodeId) -> bool {
        !config.is_balancer(node)
    }

    /// What waits and is worked on at a server; what a balancer has sent and has no answer to.
    fn gauge(node: &Machine, which: usize) -> u64 {
        match (node.part(), which) {
            (Part::Server(server), 0) => server.length() as u64,
            (Part::Balancer(balancer), 1) => balancer.in_flight().1,
            _ => 0,
        }
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        measure(run.config, run.checks, run.span)
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = run.checks.verdicts(run.nodes);
        if run.linearizable {
            let why = "work has no state that could be read".to_owned();
            verdicts.push(Verdict::Inconclusive { rule: "linearizable", why });
        }
        verdicts
    }
}
