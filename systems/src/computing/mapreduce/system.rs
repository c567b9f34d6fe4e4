//! Registration: the [`System`] itself.

use super::checks::{self, METRICS, MapReduceChecks};
use super::client::MapReduceClient;
use super::message::MapReduceRequest;
use super::node::{Machine, TIMERS};
use super::options::{Config, MapReduceOptions};
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::workload::{Generated, Load, OperationKind};
use sim_core::{Finished, LoadUnit, Operation, Profile, RoleKind, Rule, System, Verdict};
use std::rc::Rc;

/// A master, workers, and a file system for what they write.
#[derive(Debug)]
pub struct MapReduceSystem;

const BUSY: MetricKind = MetricKind::new("executions", "executions", Unit::Number, "tasks that a worker executes");

impl System for MapReduceSystem {
    const NAME: &'static str = "mapreduce";
    const ABOUT: &'static str = "MapReduce: jobs of maps and reduces on workers that die, after Dean and Ghemawat 2004";
    const TIMERS: u16 = TIMERS;
    const LOAD: LoadUnit = LoadUnit::Work("executions");
    const GAUGES: &'static [MetricKind] = &[BUSY];
    const METRICS: &'static [MetricKind] = METRICS;
    const ROLES: &'static [RoleKind] = &[
        RoleKind::other("master", "gives out tasks, and answers when all are done").asked().at_least(1).at_most(1),
        RoleKind::other("files", "the global file system that outputs are written to").at_least(1),
        RoleKind { asked: false, ..RoleKind::member("worker", "executes maps and reduces").at_most(u32::MAX) },
    ];
    const OPERATIONS: &'static [OperationKind] = MapReduceRequest::OPERATIONS;
    const RULES: &'static [&'static [Rule]] = &[checks::RULES];
    type Node = Machine;
    type Client = MapReduceClient;
    type Checks = MapReduceChecks;
    type Options = MapReduceOptions;

    fn default_groups(nodes: u32) -> Vec<(&'static str, u32)> {
        vec![("master", 1), ("files", 1), ("worker", nodes.saturating_sub(2).max(3))]
    }

    /// A probe that ran jobs would be the load: it asks how far they are, and hands
    /// in one of no tasks.
    fn probes() -> (u16, u16) {
        (0, 1)
    }

    fn first_story() -> Option<&'static str> {
        Some("mapreduce/worker-lost")
    }

    fn client(_: &Rc<Config>, load: Load) -> MapReduceClient {
        Generated::new(load, MapReduceRequest::of)
    }

    fn checks(config: &Rc<Config>) -> MapReduceChecks {
        MapReduceChecks::new(config)
    }

    /// Nobody takes over from a master: when it is back, it serves as soon as its life is on its disk.
    fn profile(config: &Rc<Config>) -> Profile {
        Profile { recovery: Some(config.heartbeat), ..Profile::default() }
    }

    fn operation(request: &MapReduceRequest) -> Operation {
        request.operation()
    }

    fn keys(node: &Machine) -> u64 {
        node.files().map_or(0, super::Files::parts)
    }

    fn gauge(node: &Machine, _: usize) -> u64 {
        node.worker().map_or(0, |worker| worker.busy() as u64)
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        run.checks.measures(run.span.end)
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        run.checks.verdicts(run.nodes, run.span.end)
    }
}
