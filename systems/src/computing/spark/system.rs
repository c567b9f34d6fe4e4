//! Registration: the [`System`] itself.

use super::checks::{self, METRICS, SparkChecks};
use super::client::SparkClient;
use super::message::SparkRequest;
use super::node::{Machine, TIMERS};
use super::options::{Config, SparkOptions};
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::workload::{Generated, Load, OperationKind};
use sim_core::{Finished, LoadUnit, Operation, Profile, RoleKind, Rule, System, Verdict};
use std::rc::Rc;

/// A driver, executors, and a storage for checkpoints.
#[derive(Debug)]
pub struct SparkSystem;

const BUSY: MetricKind = MetricKind::new("executions", "executions", Unit::Number, "tasks that an executor executes");
const KEPT: MetricKind = MetricKind::new("kept_bytes", "kept in memory", Unit::Number, "bytes that an executor keeps");

impl System for SparkSystem {
    const NAME: &'static str = "spark";
    const ABOUT: &'static str =
        "Spark: datasets with lineage, kept in memory and made again, after Zaharia et al. 2012";
    const TIMERS: u16 = TIMERS;
    const LOAD: LoadUnit = LoadUnit::Work("executions");
    const GAUGES: &'static [MetricKind] = &[BUSY, KEPT];
    const METRICS: &'static [MetricKind] = METRICS;
    const ROLES: &'static [RoleKind] = &[
        RoleKind::other("driver", "cuts applications into tasks, and gives those out").asked().at_least(1).at_most(1),
        RoleKind::other("storage", "keeps checkpoints").at_least(1),
        RoleKind { asked: false, ..RoleKind::member("executor", "executes tasks, and keeps rows").at_most(u32::MAX) },
    ];
    const OPERATIONS: &'static [OperationKind] = SparkRequest::OPERATIONS;
    const RULES: &'static [&'static [Rule]] = &[checks::RULES];
    type Node = Machine;
    type Client = SparkClient;
    type Checks = SparkChecks;
    type Options = SparkOptions;

    fn default_groups(nodes: u32) -> Vec<(&'static str, u32)> {
        vec![("driver", 1), ("storage", 1), ("executor", nodes.saturating_sub(2).max(2))]
    }

    /// A probe that ran applications would be the load: it asks how far they are, and hands in one of no tasks.
    fn probes() -> (u16, u16) {
        (0, 1)
    }

    fn first_story() -> Option<&'static str> {
        Some("spark/executor-lost")
    }

    fn client(_: &Rc<Config>, load: Load) -> SparkClient {
        Generated::new(load, SparkRequest::of)
    }

    fn checks(config: &Rc<Config>) -> SparkChecks {
        SparkChecks::new(config)
    }

    /// Nobody takes over from a driver: when it is back, it takes applications at once.
    fn profile(config: &Rc<Config>) -> Profile {
        Profile { recovery: Some(config.heartbeat), ..Profile::default() }
    }

    fn operation(request: &SparkRequest) -> Operation {
        request.operation()
    }

    fn keys(node: &Machine) -> u64 {
        node.storage().map_or(0, super::Storage::blocks)
    }

    fn gauge(node: &Machine, which: usize) -> u64 {
        let of = |executor: &super::Executor| if which == 0 { executor.busy() as u64 } else { executor.kept() };
        node.executor().map_or(0, of)
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        run.checks.measures(run.span.end)
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        run.checks.verdicts(run.nodes, run.span.end)
    }
}
