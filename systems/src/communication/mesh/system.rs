//! Registration: the [`System`] itself.

use super::checks::{self, MeshChecks};
use super::client::MeshClient;
use super::measure::{self, METRICS};
use super::message::MeshRequest;
use super::node::{Machine, Part, TIMERS};
use super::options::{Config, MeshOptions, configure};
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::workload::{Generated, Load, OperationKind};
use sim_core::{Finished, Invalid, LoadUnit, Operation, Profile, RoleKind, Rule, Shape, System, Verdict};
use std::rc::Rc;

/// Services, sidecars, a control plane, edges.
#[derive(Debug)]
pub struct MeshSystem;

static GAUGES: &[MetricKind] = &[
    MetricKind::new("queue", "requests in the queue", Unit::Number, "what waits for a slot at each replica"),
    MetricKind::new("slots", "slots taken", Unit::Number, "what each replica works on, or waits for calls with"),
    MetricKind::new("in_flight", "calls in flight", Unit::Number, "what each sidecar has sent and has no answer to"),
    MetricKind::new("edge_queue", "writes at the edge", Unit::Number, "what each edge has that the hub has not"),
];

impl System for MeshSystem {
    const NAME: &'static str = "mesh";
    const ABOUT: &'static str = "services that call services through sidecars, a control plane, and an edge";
    const TIMERS: u16 = TIMERS;
    const LOAD: LoadUnit = LoadUnit::Work("requests worked on");
    const GAUGES: &'static [MetricKind] = GAUGES;
    const METRICS: &'static [MetricKind] = METRICS;
    const ROLES: &'static [RoleKind] = &[
        RoleKind { asked: false, ..RoleKind::member("replica", "runs a service, with its sidecar").at_most(u32::MAX) },
        RoleKind::other("gateway", "takes clients' requests to the first service").asked().at_least(1),
        RoleKind::other("control", "tells sidecars who there is, and who gets which share").at_most(1),
        RoleKind::other("edge", "serves clients far from the core, also without it"),
        RoleKind::other("hub", "takes what edges have queued").at_most(1),
    ];
    const OPERATIONS: &'static [OperationKind] = MeshRequest::OPERATIONS;
    const RULES: &'static [&'static [Rule]] = &[checks::RULES];
    type Node = Machine;
    type Client = MeshClient;
    type Checks = MeshChecks;
    type Options = MeshOptions;

    fn configure(options: MeshOptions, shape: &Shape) -> Result<Rc<Config>, Vec<Invalid>> {
        configure(&options, shape).map(Rc::new)
    }

    fn default_groups(nodes: u32) -> Vec<(&'static str, u32)> {
        if nodes < 3 {
            return vec![("replica", nodes.saturating_sub(1).max(1)), ("gateway", 1)];
        }
        vec![("replica", nodes - 2), ("gateway", 1), ("control", 1)]
    }

    fn client(_: &Rc<Config>, load: Load) -> MeshClient {
        Generated::new(load, MeshRequest::of)
    }

    fn checks(config: &Rc<Config>) -> MeshChecks {
        MeshChecks::new(config)
    }

    fn profile(_: &Rc<Config>) -> Profile {
        Profile::default()
    }

    fn operation(request: &MeshRequest) -> Operation {
        request.operation()
    }

    fn keys(node: &Machine) -> u64 {
        match node.part() {
            Part::Replica(replica) => replica.cached() as u64,
            Part::Edge(edge) => edge.cached() as u64,
            _ => 0,
        }
    }

    fn gauge(node: &Machine, which: usize) -> u64 {
        match (node.part(), which) {
            (Part::Replica(replica), 0) => replica.waiting() as u64,
            (Part::Replica(replica), 1) => replica.busy() as u64,
            (_, 2) => node.sidecar().map_or(0, |sidecar| sidecar.under_way() as u64),
            (Part::Edge(edge), 3) => edge.queued() as u64,
            _ => 0,
        }
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        measure::measure(run.config, run.checks, run.span)
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        run.checks.verdicts(run.nodes)
    }
}
