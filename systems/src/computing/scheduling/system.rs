//! Registration: the [`System`] itself.

use super::checks::{self, SchedulingChecks};
use super::client::{SchedulingClient, client};
use super::measure::METRICS;
use super::message::SchedulingRequest;
use super::node::{Machine, TIMERS};
use super::options::{Config, SchedulingOptions};
use super::trace;
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::workload::{Load, OperationKind};
use sim_core::{FileReading, FileText, Finished, Operation, Phase, Profile, RoleKind, Rule, System, Verdict};
use std::rc::Rc;

/// Schedulers, workers and a collector.
#[derive(Debug)]
pub struct SchedulingSystem;

impl System for SchedulingSystem {
    const NAME: &'static str = "scheduling";
    const ABOUT: &'static str =
        "a task queue on Raft with workers and a collector: leases, retries, ten policies, graphs, a distributed cron";
    const TIMERS: u16 = TIMERS;
    const GAUGES: &'static [MetricKind] = &[
        MetricKind::new("running", "tasks that run", Unit::Number, "in the slots of each worker"),
        MetricKind::new("queued", "tasks in queues of workers", Unit::Number, "and places that are kept for tasks"),
    ];
    const METRICS: &'static [MetricKind] = METRICS;
    const PHASES: &'static [Phase] = &[
        Phase { name: "nobody leads", ends_with: Some("elected") },
        Phase { name: "reads the log", ends_with: Some("leads") },
        Phase { name: "clients find the leader", ends_with: None },
    ];
    const ROLES: &'static [RoleKind] = &[
        RoleKind::member("scheduler", "decides which task goes where; takes submissions").at_most(64),
        RoleKind::other("worker", "runs tasks: the essays' handler"),
        RoleKind::other("collector", "keeps results, and makes them public").at_most(1),
    ];
    const OPERATIONS: &'static [OperationKind] = SchedulingRequest::OPERATIONS;
    const RULES: &'static [&'static [Rule]] = &[checks::RULES];
    type Node = Machine;
    type Client = SchedulingClient;
    type Checks = SchedulingChecks;
    type Options = SchedulingOptions;

    fn read_files(option: &str, files: &[FileText]) -> FileReading {
        if option == "trace" { trace::reading(files) } else { FileReading::default() }
    }

    /// Three schedulers and a collector beside so many workers.
    fn default_groups(nodes: u32) -> Vec<(&'static str, u32)> {
        let schedulers = if nodes > 5 { 3 } else { 1 };
        vec![("scheduler", schedulers), ("worker", nodes.saturating_sub(schedulers + 1)), ("collector", 1)]
    }

    /// A probe writes by going through the log: it submits no work.
    fn probes() -> (u16, u16) {
        (0, 2)
    }

    fn first_story() -> Option<&'static str> {
        Some("scheduling/handler-crash")
    }

    fn client(config: &Rc<Config>, load: Load) -> SchedulingClient {
        client(config, load)
    }

    fn checks(config: &Rc<Config>) -> SchedulingChecks {
        SchedulingChecks::new(config)
    }

    fn profile(config: &Rc<Config>) -> Profile {
        Profile { recovery: Some(config.election.0), ..Profile::default() }
    }

    fn operation(request: &SchedulingRequest) -> Operation {
        request.operation()
    }

    fn gauge(node: &Machine, which: usize) -> u64 {
        node.worker().map_or(0, |worker| if which == 0 { worker.running() } else { worker.queued() })
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        run.checks.measures(run.nodes, run.span.to, run.span.end)
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = run.checks.verdicts(run.nodes, run.span.to);
        if run.linearizable {
            let why = "a queue of tasks has no registers".to_owned();
            verdicts.push(Verdict::Inconclusive { rule: "linearizable", why });
        }
        verdicts
    }
}
