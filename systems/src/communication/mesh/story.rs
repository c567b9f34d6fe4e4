//! What happened in a run, counted second by second so that its measured part can be told from the rest.

use super::blame;
use super::checks::MeshChecks;
use super::graph::ServiceId;
use super::histogram::Histogram;
use super::message::{Cause, MeshFact, Version};
use super::node::who;
use super::options::{Config, Duty};
use crate::communication::balancing::Reason;
use sim_core::measures::{Condition, Conditions};
use sim_core::sorted::SortedMap;
use sim_core::track::Track;
use sim_core::{Clock, Instant, NodeId, Span};

/// Calls over one edge of the graph that were made in one second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OnEdge {
    pub calls: u64,
    pub tries: u64,
    pub failed: u64,
    /// Tries that went to another zone.
    pub far: u64,
}

/// What came to one service in one second.
#[derive(Clone, Debug, Default)]
pub(super) struct AtService {
    pub came: u64,
    pub ok: u64,
    pub failed: u64,
    /// Errors of its own, not for want of time or room, nor because of a call.
    pub erred: u64,
    /// What was answered well took together, in nanoseconds.
    pub took: u128,
    pub hits: u64,
    pub misses: u64,
    pub time: Histogram,
}

/// What one second saw of everything else.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Second {
    pub requests: u64,
    pub served: u64,
    pub retried: u64,
    pub hedged: u64,
    pub out_of_budget: u64,
    pub refused: u64,
    pub shed: u64,
    pub limited: u64,
    /// Tries that were dropped because their time was up.
    pub expired: u64,
    /// Sidecars that had not the newest configuration when it was over.
    pub behind: u64,
}

/// Seconds of something.
pub(super) type Seconds<T> = Vec<T>;

fn at<T: Clone + Default>(seconds: &mut Seconds<T>, now: Instant) -> &mut T {
    let second = (now.0 / 1_000_000_000) as usize;
    if second >= seconds.len() {
        seconds.resize_with(second + 1, T::default);
    }
    &mut seconds[second]
}

/// Those of the measured part of a run.
pub(super) fn within<T>(seconds: &[T], span: Span) -> impl Iterator<Item = &T> {
    let (from, to) = (span.from.0 / 1_000_000_000, span.to.0.div_ceil(1_000_000_000));
    seconds.iter().take(to as usize).skip(from as usize)
}

/// Everything that is told of a run.
#[derive(Clone, Debug)]
pub(super) struct Story {
    /// Of each caller (services, then gateways, then edges) and cluster.
    pub edges: Vec<Vec<Seconds<OnEdge>>>,
    pub services: Vec<Seconds<AtService>>,
    pub seconds: Seconds<Second>,
    /// Of each service and cluster, whether its answers wait for it, and whether they need it.
    needed: Vec<Vec<Option<bool>>>,
    /// Requests that gateways gave up, by the second, and by what they knew of it: where it failed, and whether there
    /// was no answer in time.
    pub failed: SortedMap<(u64, Cause, bool), u64>,
    /// When each version came about, and which one each sidecar has.
    versions: SortedMap<Version, Instant>,
    has: SortedMap<NodeId, Version>,
    pub lag: Histogram,
    /// The longest from when a release was due until it had a version, and how many have one.
    pub release_late: u64,
    releases: usize,
    pub ejections: u64,
    pub opened: u64,
    callers: Vec<usize>,
    pub outliers: Track,
    pub online: Track,
    pub conditions: Conditions,
}

impl Story {
    pub fn new(config: &Config) -> Self {
        let services = config.services.len();
        let of_entry = || vec![Vec::new(); config.entry_routes.len()];
        let edges = config.services.iter().map(|service| vec![Vec::new(); service.routes.len()]);
        let needed = config.services.iter().map(|service| {
            let calls: Vec<_> = service.steps.iter().flatten().collect();
            let is_needed = |route: u16| {
                let over = || calls.iter().filter(|call| call.route == route || call.canary == Some(route));
                let waits = over().all(|call| !call.mirror);
                waits.then(|| over().all(|call| !call.optional))
            };
            (0..service.routes.len() as u16).map(is_needed).collect()
        });
        let caller = |node: u32| match config.duty(NodeId(node)) {
            Duty::Replica(service) => usize::from(service.0),
            Duty::Edge => services + 1,
            _ => services,
        };
        let about = "Replicas that a sidecar has ejected, whose circuit is open, or whose zone it has left.";
        let online = "When each edge could not reach the hub.";
        Self {
            edges: edges.chain([of_entry(), of_entry()]).collect(),
            services: vec![Vec::new(); services],
            seconds: Vec::new(),
            needed: needed.collect(),
            failed: SortedMap::new(),
            versions: SortedMap::new(),
            has: SortedMap::new(),
            lag: Histogram::default(),
            release_late: 0,
            releases: 0,
            ejections: 0,
            opened: 0,
            callers: (0..config.zones.len() as u32).map(caller).collect(),
            outliers: Track::new("outliers", "Who was out", about, "ejected")
                .or("circuit open", false)
                .or("far zones", false),
            online: Track::new("offline", "Edges without the core", online, "offline"),
            conditions: Conditions::default(),
        }
    }

    /// Whether an answer of this service needs the calls of this cluster; `None` if it does not even wait for them.
    pub fn is_needed(&self, service: ServiceId, route: u16) -> Option<bool> {
        self.needed[usize::from(service.0)].get(usize::from(route)).copied().flatten()
    }

    fn edge(&mut self, now: Instant, node: NodeId, route: u16) -> Option<&mut OnEdge> {
        let caller = self.callers[node.index()];
        Some(at(self.edges[caller].get_mut(usize::from(route))?, now))
    }

    /// A try of a call is sent.
    pub fn sent(&mut self, now: Instant, from: NodeId, route: u16, attempt: u32, far: bool) {
        if let Some(edge) = self.edge(now, from, route) {
            edge.calls += u64::from(attempt == 1);
            edge.tries += 1;
            edge.far += u64::from(far);
        }
    }

    /// It comes to a replica of this service.
    pub fn came(&mut self, now: Instant, service: ServiceId) {
        at(&mut self.services[usize::from(service.0)], now).came += 1;
    }

    /// It is answered.
    pub fn answered(&mut self, now: Instant, service: ServiceId, came: Instant, well: bool) {
        let this = at(&mut self.services[usize::from(service.0)], now);
        if well {
            this.ok += 1;
            this.took += u128::from(now.since(came).0);
        } else {
            this.failed += 1;
        }
        this.time.add(now.since(came));
    }

    /// A replica answers that it has failed itself.
    pub fn erred(&mut self, now: Instant, service: ServiceId) {
        at(&mut self.services[usize::from(service.0)], now).erred += 1;
    }

    /// A client's request comes to a gateway or an edge.
    pub fn asked(&mut self, now: Instant) {
        at(&mut self.seconds, now).requests += 1;
    }

    /// It was served.
    pub fn replied(&mut self, now: Instant) {
        at(&mut self.seconds, now).served += 1;
    }

    /// The control plane has a new version.
    pub fn versioned(&mut self, config: &Config, now: Instant, version: Version, releases: u32) {
        for (due, ..) in config.releases.iter().take(releases as usize).skip(self.releases) {
            self.release_late = self.release_late.max(Clock::honest(now).since(*due).0);
        }
        self.releases = self.releases.max(releases as usize);
        self.versions.insert(version, now);
        self.note_behind(now);
    }

    fn note_behind(&mut self, now: Instant) {
        let Some((newest, _)) = self.versions.last_key_value() else { return };
        let behind = self.has.values().filter(|has| *has < newest).count() as u64;
        at(&mut self.seconds, now).behind = behind;
    }

    /// A machine is gone.
    pub fn crashed(&mut self, config: &Config, now: Instant, node: NodeId) {
        self.has.remove(&node);
        let name = who(config, node);
        for how in HOW {
            self.conditions.end(now, &gray_label(node, &format!("{name}, {how}")));
        }
    }

    pub fn on_fact(&mut self, config: &Config, now: Instant, node: NodeId, fact: MeshFact) {
        use MeshFact as F;
        let service = match config.duty(node) {
            Duty::Replica(service) => Some(service),
            _ => None,
        };
        match fact {
            F::CacheHit { .. } | F::CacheMissed => {
                // Those of edges count with the service that they stand before.
                let service = service.unwrap_or(config.entry());
                let this = at(&mut self.services[usize::from(service.0)], now);
                *(if fact == F::CacheMissed { &mut this.misses } else { &mut this.hits }) += 1;
            }
            F::LetGo { expired, .. } => at(&mut self.seconds, now).expired += u64::from(expired),
            F::RateLimited => at(&mut self.seconds, now).limited += 1,
            F::Refused | F::Shed => {
                let second = at(&mut self.seconds, now);
                *(if fact == F::Shed { &mut second.shed } else { &mut second.refused }) += 1;
                let label = format!("overload of {}, which takes no more", who(config, node));
                let overload = || Condition { kind: "overload".to_owned(), ..Condition::default() };
                self.conditions.seen(now, &label, overload);
            }
            F::TurnedGray { how } => self.turned_gray(config, now, node, how),
            F::CallFailed { route, why, cause, copy } if !copy => {
                if let Some(edge) = self.edge(now, node, route) {
                    edge.failed += 1;
                }
                if config.duty(node) == Duty::Gateway {
                    let late = matches!(why, Reason::Timeout | Reason::Deadline);
                    *self.failed.entry((now.0 / 1_000_000_000, cause, late)).or_default() += 1;
                }
            }
            F::Retried { .. } => at(&mut self.seconds, now).retried += 1,
            F::Hedged { .. } => at(&mut self.seconds, now).hedged += 1,
            F::OutOfBudget { .. } => at(&mut self.seconds, now).out_of_budget += 1,
            F::Ejected { node: server, .. } => {
                self.ejections += 1;
                self.begin(config, 0, now, node, server);
            }
            F::Opened { node: server, .. } => {
                self.opened += 1;
                self.begin(config, 1, now, node, server);
            }
            F::Returned { node: server, .. } | F::Closed { node: server, .. } => {
                self.outliers.end(now, row(config, node, server));
            }
            F::Spills { route, far } => {
                let to = config.routes(node)[usize::from(route)].to;
                let row = format!("{node} ({}) to {}", who(config, node), config.service(to).name);
                if !far {
                    self.outliers.end(now, row);
                } else if self.outliers.spans.len() < MOST_SPANS {
                    self.outliers.begin_as(2, now, row, "");
                }
            }
            F::Configured { version } => {
                if let Some(since) = self.versions.get(&version) {
                    self.lag.add(now.since(*since));
                }
                self.has.insert(node, version);
                self.note_behind(now);
            }
            F::Online { online: false } => self.online.begin(now, node, ""),
            F::Online { online: true } => self.online.end(now, node),
            _ => {}
        }
    }

    fn begin(&mut self, config: &Config, kind: usize, now: Instant, node: NodeId, server: NodeId) {
        if self.outliers.spans.len() < MOST_SPANS {
            self.outliers.begin_as(kind, now, row(config, node, server), "");
        }
    }

    fn turned_gray(&mut self, config: &Config, now: Instant, node: NodeId, how: Option<u8>) {
        let name = who(config, node);
        for other in HOW {
            self.conditions.end(now, &gray_label(node, &format!("{name}, {other}")));
        }
        if let Some(how) = how.and_then(|how| HOW.get(usize::from(how))) {
            let label = gray_label(node, &format!("{name}, {how}"));
            let nodes = vec![node.0];
            self.conditions.begin(now, Condition { kind: "gray".to_owned(), label, nodes, ..Condition::default() });
        }
    }
}

/// What gray replicas are, by the numbers in facts.
const HOW: [&str; 3] = ["slow", "failing", "hung"];
/// Spans of the track at most: more can not be told apart.
const MOST_SPANS: usize = 400;

fn row(config: &Config, node: NodeId, server: NodeId) -> String {
    format!("{} {server}, for {} {node}", who(config, server), who(config, node))
}

fn gray_label(node: NodeId, how: &str) -> String {
    format!("{node} is gray: {how}")
}

/// Of each service, which share of the requests that failed was its fault.
pub(super) fn blamed(checks: &MeshChecks, config: &Config, span: Span) -> Vec<f64> {
    let mut blame = vec![0.0; config.services.len()];
    let measured = span.from.0 / 1_000_000_000..span.to.0.div_ceil(1_000_000_000);
    for ((_, cause, late), count) in checks.story.failed.iter().filter(|((second, ..), _)| measured.contains(second)) {
        if cause.slow || *late {
            blame::spread(&checks.opens.spent, cause.at, *count as f64, &mut blame);
        } else {
            blame[usize::from(cause.at.0)] += *count as f64;
        }
    }
    let all: f64 = blame.iter().sum();
    blame.iter().map(|share| if all > 0.0 { share / all } else { 0.0 }).collect()
}
