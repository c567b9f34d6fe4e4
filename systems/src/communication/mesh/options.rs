//! What may be written in `[system]`, and the configuration of a machine that is made of it.

use super::bugs::MeshBug;
use super::graph::{self, Route, Service, ServiceId};
use super::image::Image;
use super::service::{ReleaseOptions, ServiceOptions, TroubleOptions};
use crate::communication::balancing::{BalancingBug, Near, Policy, Spell};
use sim_core::units::{DurationText, ProbabilityText};
use sim_core::{Clock, Duration, Instant, Invalid, LocalInstant, NodeId, Shape};
use std::ops::Range;
use std::rc::Rc;

sim_core::options! {
    /// The `[system]` options of `system = "mesh"`. Mechanisms are off at 0 unless the option says otherwise.
    pub struct MeshOptions;

    /// The configuration that all machines share.
    #[derive(Clone, Debug)]
    pub struct Config of shape {
        /// The machines that run services.
        pub replicas: Range<u32> = replicas(shape);
        /// Those where clients' requests come in.
        pub gateways: Range<u32> = shape.role("gateway");
        /// The control plane, if there is one.
        pub controls: Range<u32> = shape.role("control");
        /// The edges.
        pub edges: Range<u32> = shape.role("edge");
        /// The hub, if there is one.
        pub hubs: Range<u32> = shape.role("hub"),
            wrong if edges.is_empty() != hubs.is_empty() =>
                ("{} edges and {} hubs", edges.len(), hubs.len()), "edges upload to one hub: both, or neither";
        /// The services ([`configure`] makes them).
        pub services: Rc<[Service]> = Rc::from([]);
        /// The clusters of whoever calls the first of them.
        pub entry_routes: Rc<[Route]> = Rc::from([]);
        /// When which replicas turn gray.
        pub troubles: Rc<[Spell]> = Rc::from([]);
        /// The zone of each machine.
        pub zones: Rc<[u16]> = shape.node_zones.clone().into();
        /// No honest clock drifts more than this, in parts per million.
        pub max_drift_ppm: u32 = shape.max_drift_ppm;
    }

    options {
        /// The services: who calls whom.
        service: Vec<ServiceOptions> = Vec::new() => {};
        /// The service that clients' requests go to; the first one if empty.
        entry: String = String::new() => {};
        /// Replicas that turn gray.
        trouble: Vec<TroubleOptions> = Vec::new() => {};
        /// What the control plane is told to change.
        release: Vec<ReleaseOptions> = Vec::new() => {
            releases: Rc<[(LocalInstant, ServiceId, u32)]> = releases(release, service)
        };

        /// How long a call may take in all.
        timeout: DurationText = DurationText::millis(1000),
            wrong if timeout.0 == Duration::ZERO => ("calls that take no time"), "for example \"1s\"";
        /// Whether calls say how long they are waited for, so that nobody works for nobody, or waits longer than that.
        deadlines: bool = true;
        /// How a sidecar chooses a replica: a policy of `balancing`.
        policy: Policy = Policy::PowerOfChoices => {},
            wrong if matches!(policy, Policy::ShortestQueue | Policy::CentralQueue) =>
                ("a policy that a sidecar can not follow"), "for example \"power_of_choices\"";
        /// How many replicas are drawn for a call, where the policy draws several.
        choices: u32 = 2 => {};
        /// How long a sidecar waits for a replica before it tries another.
        attempt_timeout: DurationText = DurationText::millis(500);
        /// How often a call is tried at most.
        attempts: u32 = 2 => {};
        /// How many tries may follow failed ones, as a share of the calls.
        retry_budget: ProbabilityText = ProbabilityText::per_billion(200_000_000) => {
            retry_budget_ppm: u32 = (retry_budget.probability().as_f64() * 1e6) as u32
        };
        /// Whether that budget is kept to.
        retry_budgeted: bool = true;
        /// The wait before the first retry, doubled for each further one; half of it is random.
        retry_backoff: DurationText = DurationText::millis(10) => {};
        /// The longest such wait.
        retry_backoff_max: DurationText = DurationText::millis(1000) => {};
        /// A second replica is asked after this long; the first answer counts. Within the budget of retries. Gateways
        /// and edges do not hedge: that would be the whole tree of calls once more.
        hedge_after: DurationText = DurationText::default() => {};
        /// The same, after what this share of the answers take.
        hedge_percentile: ProbabilityText = ProbabilityText::per_billion(0) => {};
        /// How many calls a sidecar may have under way in one of its clusters; it refuses more.
        most_requests: u32 = 0 => {};
        /// Between two health checks of a replica by a sidecar.
        health_interval: DurationText = DurationText::default() => {};
        /// How long the answer to one may take.
        health_timeout: DurationText = DurationText::millis(200) => {};
        /// So many failed calls in a row eject a replica.
        eject_after: u32 = 0 => { eject_after: u32 = *eject_after };
        /// For so long the first time, twice as long the second, and so on.
        eject_for: DurationText = DurationText::millis(5000) => {};
        /// But never longer than this.
        eject_longest: DurationText = DurationText::millis(300_000) => {};
        /// The largest share of a service's replicas that may be ejected at a time; one may always.
        eject_most: ProbabilityText = ProbabilityText::per_billion(500_000_000) => {
            eject_most_ppm: u32 = (eject_most.probability().as_f64() * 1e6) as u32
        };
        /// If a smaller share of a service's replicas is in, all are asked, good or bad.
        panic_below: ProbabilityText = ProbabilityText::per_billion(500_000_000) => {};
        /// So many failed calls in a row open a replica's circuit.
        breaker_failures: u32 = 0 => { breaker_failures: u32 = *breaker_failures };
        /// After so long one call may try it.
        breaker_open: DurationText = DurationText::millis(2000);
        /// How long a replica that comes (back) is spared: its weight grows from a tenth to all of it.
        slow_start: DurationText = DurationText::default() => {};
        /// Whether replicas of the caller's own zone are preferred.
        locality: bool = false;
        /// As long as this share of them is in.
        locality_enough: ProbabilityText = ProbabilityText::per_billion(700_000_000) => {
            locality_enough_ppm: u32 = (locality_enough.probability().as_f64() * 1e6) as u32
        };

        /// How often the control plane looks whether there is something to push, and pushes it.
        push_interval: DurationText = DurationText::millis(100),
            wrong if push_interval.0 == Duration::ZERO => ("pushing without pause"), "\"100ms\" is usual";
        /// How often a sidecar says which configuration it has.
        subscribe_interval: DurationText = DurationText::millis(1000),
            wrong if subscribe_interval.0 == Duration::ZERO => ("subscribing without pause"), "for example \"1s\"";
        /// After how long the control plane takes a silent replica out.
        forget_after: DurationText = DurationText::millis(5000),
            wrong if forget_after.0 < subscribe_interval.0.times(2) =>
                ("replicas that are forgotten after {forget_after}, and heard from every {subscribe_interval}"),
                "several times subscribe_interval";

        /// How long an edge may use an answer again; 0 for not at all.
        edge_ttl: DurationText = DurationText::millis(30_000);
        /// How many answers it keeps.
        edge_keys: u32 = 1000;
        /// How often an edge that has something to upload, and hears nothing, tries again.
        upload_retry: DurationText = DurationText::millis(1000),
            wrong if upload_retry.0 == Duration::ZERO => ("uploads without pause"), "for example \"1s\"";
        /// How many writes an edge uploads at a time.
        upload_most: u32 = 100, wrong if *upload_most == 0 => ("uploads of nothing"), "at least 1";

        /// Which share of a service's requests shall be served: what its error budget is counted against.
        objective: ProbabilityText = ProbabilityText::per_billion(999_000_000) => {
            objective: f64 = objective.probability().as_f64()
        },
            wrong if objective.probability().as_f64() >= 1.0 =>
                ("an objective without errors"), "for example \"99.9%\"";
        /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
        bug: MeshBug = MeshBug::default();
    }

}

/// The configuration for a cluster of this shape.
///
/// # Errors
/// Everything that makes no sense in the options, and in the graph of services.
pub fn configure(options: &MeshOptions, shape: &Shape) -> Result<Config, Vec<Invalid>> {
    let (services, entry_routes) = graph::meant(options, shape);
    let troubles = graph::troubles(options, shape, &services, &mut Vec::new()).into();
    let config =
        Config { services: services.into(), entry_routes: entry_routes.into(), troubles, ..options.meant(shape) };
    let mut wrong = options.validate(shape).err().unwrap_or_default();
    wrong.extend(graph::problems(options, &config, shape));
    if wrong.is_empty() { Ok(config) } else { Err(wrong) }
}

/// The machines that run services.
fn replicas(shape: &Shape) -> Range<u32> {
    if shape.groups.is_empty() { 0..shape.nodes() as u32 } else { shape.role("replica") }
}

fn releases(releases: &[ReleaseOptions], services: &[ServiceOptions]) -> Rc<[(LocalInstant, ServiceId, u32)]> {
    let of = |release: &ReleaseOptions| {
        let service = services.iter().position(|service| service.name == release.service)?;
        let weight = (release.weight.probability().as_f64() * 1e6) as u32;
        Some((Clock::honest(Instant::ZERO + release.at.0), ServiceId(service as u16), weight))
    };
    let mut all: Vec<_> = releases.iter().filter_map(of).collect();
    all.sort_by_key(|(at, ..)| *at);
    all.into()
}

/// What a machine is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It runs this service.
    Replica(ServiceId),
    /// It takes clients' requests.
    Gateway,
    /// It configures sidecars.
    Control,
    /// It serves clients far from the core.
    Edge,
    /// It keeps what edges upload.
    Hub,
}

impl MeshBug {
    /// The same, where the decision is made by `balancing`'s code.
    pub(super) const fn of_balancing(self) -> BalancingBug {
        match self {
            Self::UnboundedRetries => BalancingBug::UnboundedRetries,
            _ => BalancingBug::None,
        }
    }
}

impl Config {
    /// What a machine is there for.
    #[must_use]
    pub fn duty(&self, node: NodeId) -> Duty {
        if self.gateways.contains(&node.0) {
            Duty::Gateway
        } else if self.controls.contains(&node.0) {
            Duty::Control
        } else if self.edges.contains(&node.0) {
            Duty::Edge
        } else if self.hubs.contains(&node.0) {
            Duty::Hub
        } else {
            // In order of their first replicas.
            let at = self.services.partition_point(|service| service.first <= node);
            Duty::Replica(ServiceId(at.saturating_sub(1) as u16))
        }
    }

    /// A service.
    #[must_use]
    pub fn service(&self, id: ServiceId) -> &Service {
        &self.services[usize::from(id.0)]
    }

    /// The clusters of a machine's sidecar; none for one that has no sidecar.
    #[must_use]
    pub fn routes(&self, node: NodeId) -> &[Route] {
        match self.duty(node) {
            Duty::Replica(service) => &self.service(service).routes,
            Duty::Gateway | Duty::Edge => &self.entry_routes,
            Duty::Control | Duty::Hub => &[],
        }
    }

    /// The service that clients' requests go to.
    #[must_use]
    pub fn entry(&self) -> ServiceId {
        self.entry_routes[0].to
    }

    /// The control plane.
    #[must_use]
    pub fn control(&self) -> Option<NodeId> {
        self.controls.clone().next().map(NodeId)
    }

    /// The hub.
    #[must_use]
    pub fn hub(&self) -> Option<NodeId> {
        self.hubs.clone().next().map(NodeId)
    }

    /// Which replicas of a route are near a machine.
    #[must_use]
    pub fn near(&self, node: NodeId, route: &Route) -> Option<Near> {
        let zone = self.zones[node.index()];
        let is_near = |server| self.zones[route.balancing.server(server).index()] == zone;
        self.locality.then(|| Near {
            is_near: (0..route.balancing.servers()).map(is_near).collect(),
            enough_ppm: self.locality_enough_ppm,
        })
    }

    /// The configuration that everything starts with.
    #[must_use]
    pub fn first_image(&self) -> Image {
        Image { weights: self.services.iter().map(|service| service.canary_weight).collect(), ..Image::default() }
    }

    /// Whether anybody keeps answers.
    #[must_use]
    pub fn caches(&self) -> bool {
        self.services.iter().any(|service| service.cache_ttl.is_some())
            || (!self.edges.is_empty() && self.edge_ttl != Duration::ZERO)
    }
}
