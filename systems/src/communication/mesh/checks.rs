//! What must hold of sidecars, replicas, the control plane and edges, watched on every run.
//!
//! A rule about a mechanism is judged where the mechanism came into play; the others always.

use super::edge_checks::EdgeWrites;
use super::graph::ServiceId;
use super::image::Image;
use super::message::{MeshFact, MeshMessage, MeshRecord, Span, Version};
use super::node::Machine;
use super::open::{Awaited, Opens};
use super::options::{Config, Duty};
use super::outliers::Outliers;
use super::story::Story;
use crate::communication::balancing::Reason;
use crate::shared::in_the_end;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, Instant, NodeId, Observed, Observer, Verdict, Violation};
use std::rc::Rc;

sim_core::rules! {
    /// No sidecar sends more tries beyond the first of each call than its budget allows, hedges included.
    pub const RETRY_BUDGET_KEPT: &str = "retry_budget_kept";
    /// No call is given more time than the request that it is made for has left.
    pub const DEADLINE_PROPAGATED: &str = "deadline_propagated";
    /// A replica that a sidecar has ejected gets nothing from it, except in panic; one whose circuit is open nothing,
    /// and while that is half open one call at a time.
    pub const OUT_GET_NOTHING: &str = "out_get_nothing";
    /// No more of a service's replicas are ejected by a sidecar at a time than it may eject; one may always.
    pub const EJECTION_CAP_KEPT: &str = "ejection_cap_kept";
    /// A sidecar that has not said so asks no replica of another zone, and says so only if too few near ones are in.
    pub const ZONE_KEPT: &str = "zone_kept";
    /// A new version of a service gets no more of its calls than it is configured to get, beyond luck.
    pub const CANARY_SHARE_KEPT: &str = "canary_share_kept";
    /// A replica answers a request only when every call that it needs was answered by the service that was called: not
    /// by one that got a copy.
    pub const ANSWERS_ARE_WORK: &str = "answers_are_work";
    /// No replica admits more requests than its rate and its burst allow.
    pub const RATE_LIMIT_KEPT: &str = "rate_limit_kept";
    /// No slot is idle while a request waits, and no more wait than may.
    pub const SLOTS_ARE_USED: &str = "slots_are_used";
    /// No cache uses an answer that is older than it says.
    pub const CACHE_WITHIN_TTL: &str = "cache_within_ttl";
    /// A sidecar's configuration never goes back to an older version.
    pub const VERSION_NEVER_BACK: &str = "version_never_back";
    /// What is pushed under one version is always the same.
    pub const ONE_CONTENT_A_VERSION: &str = "one_content_a_version";
    /// A replica that has been up and within reach is not taken out of the configuration.
    pub const LIVE_STAY_IN: &str = "live_stay_in";
    /// In the end every sidecar has the newest configuration.
    pub const CONFIGURED_IN_THE_END: &str = "configured_in_the_end";
    /// The hub takes each edge's writes in order, each once.
    pub const EDGE_EXACTLY_ONCE: &str = "edge_exactly_once";
    /// A write that an edge has accepted is at the hub, or still at the edge.
    pub const EDGE_WRITES_KEPT: &str = "edge_writes_kept";
    /// In the end edges have uploaded what they had queued.
    pub const EDGES_CATCH_UP: &str = "edges_catch_up";
}

/// A bucket as it must be.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    /// In billionths of a request.
    tokens: i128,
    since: Instant,
    /// Whether one came in that may yet be turned away.
    came: bool,
}

/// How often each rule was looked at.
#[derive(Clone, Debug, Default)]
struct Looks {
    retries: u64,
    deadlines: u64,
    answers: u64,
    limited: u64,
    slots: u64,
    hits: u64,
    configured: u64,
    pushes: u64,
    taken_out: u64,
    ejections: u64,
}

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct MeshChecks {
    config: Rc<Config>,
    pub(super) opens: Opens,
    outliers: Outliers,
    /// By machine and cluster: calls begun, and tries beyond the first.
    budgets: Vec<Vec<(u64, u64)>>,
    /// By service: calls of which version was chosen, those that the new one got, and what it should get with the
    /// variance of that.
    canaries: Vec<(u64, u64, f64, f64)>,
    buckets: Vec<Option<Bucket>>,
    /// When each answer was made that may be kept.
    births: SortedMap<Span, Instant>,
    images: SortedMap<Version, Rc<Image>>,
    configured: Vec<Version>,
    /// Since when each machine has been up.
    up: Vec<Instant>,
    /// Faults other than crashes that are on, when the last one ended, and whether a clock was ever bent.
    trouble: (u32, Instant),
    bent: bool,
    /// Clusters whose sidecar has just ejected somebody.
    ejecting: Option<(NodeId, u16)>,
    pub(super) edges: EdgeWrites,
    pub(super) story: Story,
    looks: Looks,
    now: Instant,
    violation: Option<Violation>,
}

/// How long a message may take in quiet times.
const SLACK: Duration = Duration::millis(500);

impl MeshChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Rc<Config>) -> Self {
        let nodes = config.zones.len();
        let of_limit = |node: u32| match config.duty(NodeId(node)) {
            Duty::Replica(service) => config.service(service).limit.map(|(_, burst)| Bucket {
                tokens: i128::from(burst) * 1_000_000_000,
                since: Instant::ZERO,
                came: false,
            }),
            _ => None,
        };
        Self {
            opens: Opens::new(nodes, config.services.len()),
            outliers: Outliers::new(config),
            budgets: (0..nodes as u32).map(|node| vec![(0, 0); config.routes(NodeId(node)).len()]).collect(),
            canaries: vec![(0, 0, 0.0, 0.0); config.services.len()],
            buckets: (0..nodes as u32).map(of_limit).collect(),
            births: SortedMap::new(),
            images: [(Version(0), Rc::new(config.first_image()))].into(),
            configured: vec![Version(0); nodes],
            up: vec![Instant::ZERO; nodes],
            trouble: (0, Instant::ZERO),
            bent: false,
            ejecting: None,
            edges: EdgeWrites::default(),
            story: Story::new(config),
            looks: Looks::default(),
            now: Instant::ZERO,
            violation: None,
            config: Rc::clone(config),
        }
    }

    #[cold]
    fn fail(&mut self, rule: &str, node: NodeId, detail: String) {
        let at = self.now;
        self.violation.get_or_insert_with(|| Violation { rule: rule.to_owned(), at, node: Some(node), detail });
    }

    fn service(&self, node: NodeId) -> Option<ServiceId> {
        match self.config.duty(node) {
            Duty::Replica(service) => Some(service),
            _ => None,
        }
    }

    /// A sidecar has chosen a version of a service for a call.
    fn chose(&mut self, node: NodeId, route: u16, sent: bool) {
        let config = Rc::clone(&self.config);
        let Some(this) = config.routes(node).get(usize::from(route)) else { return };
        if config.service(this.to).canary == 0 {
            return;
        }
        let at = usize::from(this.to.0);
        let Some(image) = self.images.get(&self.configured[node.index()]) else { return };
        let share = f64::from(image.weights[at]) / 1e6;
        let (all, new, expected, variance) = &mut self.canaries[at];
        *all += 1;
        *new += u64::from(this.canary && sent);
        *expected += share;
        *variance += share * (1.0 - share);
    }

    fn on_call_sent(&mut self, from: NodeId, to: NodeId, message: &MeshMessage) {
        let MeshMessage::Call { route, request, attempt, within, header, .. } = message else { return };
        let (route, at) = (*route, self.now);
        let config = Rc::clone(&self.config);
        let Some(this) = config.routes(from).get(usize::from(route)) else { return };
        self.story.sent(at, from, route, *attempt, config.zones[from.index()] != config.zones[to.index()]);
        let budget = &mut self.budgets[from.index()][usize::from(route)];
        if *attempt == 1 {
            budget.0 += 1;
        } else {
            budget.1 += 1;
            let (asked, again) = *budget;
            self.looks.retries += 1;
            let most = asked * u64::from(config.retry_budget_ppm) / 1_000_000;
            if config.retry_budgeted && again > most {
                let detail = format!("{again} tries beyond the first of {asked} calls, the budget is {most}");
                return self.fail(RETRY_BUDGET_KEPT, from, detail);
            }
        }
        if *attempt == 1 {
            self.chose(from, route, true);
        }
        if let Some((rule, detail)) = self.outliers.sent(&config, from, route, to) {
            return self.fail(rule, from, detail);
        }
        let Some(open) = self.opens.get(from, header.parent) else { return };
        if config.deadlines
            && !self.bent
            && let Some(expires) = open.expires
        {
            self.looks.deadlines += 1;
            let slack = expires.since(open.came).0 / 1_000_000 * u64::from(config.max_drift_ppm) + 1_000;
            let until = within.map_or(Instant::FAR, |within| at + within);
            if until.since(expires).0 > slack {
                let more = until.since(expires);
                let detail = format!("calls {to} for {more} longer than its own caller will wait");
                return self.fail(DEADLINE_PROPAGATED, from, detail);
            }
        }
        if *attempt == 1
            && let Some(service) = self.service(from)
            && let Some(needed) = self.story.is_needed(service, route)
        {
            let call = Awaited { route, request: request.0, to: this.to, needed };
            self.opens.awaits(at, from, header.parent, call);
        }
    }

    fn on_sent(&mut self, from: NodeId, to: NodeId, message: &MeshMessage) {
        match message {
            MeshMessage::Call { .. } => self.on_call_sent(from, to, message),
            MeshMessage::Done { span, made, .. } => {
                if made.by == *span && self.config.caches() {
                    self.births.insert(*span, self.now);
                }
                let Some(service) = self.service(from) else { return };
                if let Some(open) = self.opens.end(self.now, from, service, *span) {
                    self.looks.answers += 1;
                    self.story.answered(self.now, service, open.came, true);
                    if let Some(call) = open.calls.iter().find(|call| call.needed && !open.twice) {
                        let name = &self.config.service(call.to).name;
                        let detail = format!("answers a request for which it waits for {name}");
                        self.fail(ANSWERS_ARE_WORK, from, detail);
                    }
                }
            }
            MeshMessage::Failed { span, cause, .. } | MeshMessage::Full { span, cause, .. } => {
                let Some(service) = self.service(from) else { return };
                if cause.at == service && !cause.slow {
                    self.story.erred(self.now, service);
                }
                if let Some(open) = self.opens.end(self.now, from, service, *span) {
                    self.story.answered(self.now, service, open.came, false);
                }
            }
            MeshMessage::Push { version, image } => {
                self.looks.pushes += 1;
                match self.images.get(version) {
                    Some(before) if **before != **image => {
                        let detail = format!("version {version} is pushed with another content than before");
                        self.fail(ONE_CONTENT_A_VERSION, from, detail);
                    }
                    Some(_) => {}
                    None => drop(self.images.insert(*version, Rc::clone(image))),
                }
            }
            MeshMessage::Uploaded { upto } => self.edges.told(to, *upto),
            _ => {}
        }
    }

    fn on_delivered(&mut self, to: NodeId, message: &MeshMessage) {
        match message {
            MeshMessage::Call { span, within, .. } => {
                if let Some(service) = self.service(to) {
                    self.opens.begin(self.now, to, *span, *within);
                    self.story.came(self.now, service);
                    self.admits(to, service);
                }
            }
            MeshMessage::Done { route, request, .. } => {
                if let Some(service) = self.service(to) {
                    self.opens.answered(self.now, to, service, *route, request.0);
                }
            }
            _ => {}
        }
    }

    /// A request comes to a replica that may limit their rate.
    fn admits(&mut self, node: NodeId, service: ServiceId) {
        let Some((rate, burst)) = self.config.service(service).limit else { return };
        let (at, drift) = (self.now, self.config.max_drift_ppm);
        let Some(bucket) = &mut self.buckets[node.index()] else { return };
        if core::mem::take(&mut bucket.came) {
            bucket.tokens -= 1_000_000_000;
            self.looks.limited += 1;
        }
        let passed = at.since(bucket.since).0;
        let more = i128::from(passed) * i128::from(rate) * i128::from(1_000_000 + drift) / 1_000_000;
        bucket.tokens = (bucket.tokens + more).min(i128::from(burst) * 1_000_000_000);
        (bucket.since, bucket.came) = (at, true);
        if bucket.tokens < -1_000_000_000 && !self.bent {
            let detail = format!("more come in than {burst} at once and {rate} a second");
            self.fail(RATE_LIMIT_KEPT, node, detail);
        }
    }

    fn on_fact(&mut self, node: NodeId, fact: MeshFact) {
        use MeshFact as F;
        let at = self.now;
        self.story.on_fact(&self.config, at, node, fact);
        if let Some(detail) = self.outliers.on_fact(&self.config, node, fact) {
            let (rule, detail) = detail;
            return self.fail(rule, node, detail);
        }
        match fact {
            F::Ejected { route, checked: false, .. } => {
                self.looks.ejections += 1;
                self.ejecting = Some((node, route));
            }
            F::LetGo { span, .. } => {
                if let Some(service) = self.service(node) {
                    self.opens.end(at, node, service, span);
                }
            }
            F::Worked { span, took } => {
                if let Some(service) = self.service(node)
                    && self.opens.get(node, span).is_some()
                {
                    self.opens.spent[usize::from(service.0)].own += took.0;
                }
            }
            F::RateLimited => {
                if let Some(bucket) = &mut self.buckets[node.index()] {
                    bucket.came = false;
                }
            }
            F::CallFailed { route, why: Reason::NoServer | Reason::CircuitOpen | Reason::Overflow, .. } => {
                if let Some(budget) = self.budgets[node.index()].get_mut(usize::from(route)) {
                    budget.0 += 1;
                }
                self.chose(node, route, false);
            }
            F::CacheHit { by } => self.on_hit(node, by),
            F::Configured { version } => {
                let before = core::mem::replace(&mut self.configured[node.index()], version);
                self.looks.configured += 1;
                if version < before {
                    self.fail(VERSION_NEVER_BACK, node, format!("version {version} after version {before}"));
                }
                if let Some(image) = self.images.get(&version) {
                    self.outliers.configured(&self.config, node, image);
                }
            }
            F::Discovered { node: replica, is_in: false } => {
                self.looks.taken_out += 1;
                let config = &self.config;
                let quiet = if self.trouble.0 > 0 { at } else { self.trouble.1 };
                let since = self.up[replica.index()].max(quiet);
                let patience = config.forget_after + config.subscribe_interval.times(2) + SLACK;
                if at.since(since) > patience {
                    let up = at.since(since);
                    self.fail(LIVE_STAY_IN, node, format!("{replica} is taken out, and has been up for {up}"));
                }
            }
            F::Accepted(write) => self.edges.accepted(node, write),
            F::Took { edge, write } => {
                if let Some(detail) = self.edges.took(edge, write) {
                    self.fail(EDGE_EXACTLY_ONCE, node, detail);
                }
            }
            F::HubHas { edge, upto } => {
                if let Some(detail) = self.edges.found(edge, upto) {
                    self.fail(EDGE_WRITES_KEPT, node, detail);
                }
            }
            F::Online { online } => self.edges.online(at, node, online),
            _ => {}
        }
    }

    fn on_hit(&mut self, node: NodeId, by: Span) {
        self.looks.hits += 1;
        let ttl = match self.config.duty(node) {
            Duty::Replica(service) => self.config.service(service).cache_ttl.unwrap_or_default(),
            _ => self.config.edge_ttl,
        };
        let Some(age) = self.births.get(&by).map(|birth| self.now.since(*birth)) else { return };
        let slack = ttl.0 / 1_000_000 * 2 * u64::from(self.config.max_drift_ppm) + 1_000;
        if age.0 > ttl.0 + slack && !self.bent {
            self.fail(CACHE_WITHIN_TTL, node, format!("an answer that is {age} old is used, {ttl} it may be"));
        }
    }

    fn fault(&mut self, kind: &str, begins: bool) {
        self.bent |= kind == "clock";
        if kind != "crash" {
            let (on, ended) = self.trouble;
            self.trouble = if begins { (on + 1, ended) } else { (on.saturating_sub(1), self.now) };
        }
    }

    /// What can be said at the end.
    pub(super) fn verdicts(&self, nodes: &[Option<Machine>]) -> Vec<Verdict> {
        let mut all = Vec::new();
        let broken = self.violation.as_ref();
        let mut rule = |rule: &'static str, seen: u64, always: bool, what: &str| {
            all.extend(match broken.filter(|violation| violation.rule == rule) {
                Some(violation) => Some(Verdict::Fail(violation.clone())),
                None if seen > 0 => Some(Verdict::Pass { rule, detail: format!("{seen} {what}") }),
                None => always.then(|| Verdict::Inconclusive { rule, why: "there was nothing to look at".to_owned() }),
            });
        };
        let (looks, [out, far]) = (&self.looks, self.outliers.looks());
        rule(RETRY_BUDGET_KEPT, looks.retries, false, "tries beyond the first");
        rule(DEADLINE_PROPAGATED, looks.deadlines, false, "calls with a deadline");
        rule(OUT_GET_NOTHING, out, false, "calls while a replica was out");
        rule(EJECTION_CAP_KEPT, looks.ejections, false, "ejections");
        rule(ZONE_KEPT, far, false, "calls that prefer a zone");
        rule(ANSWERS_ARE_WORK, looks.answers, true, "answers");
        rule(RATE_LIMIT_KEPT, looks.limited, false, "requests admitted at a limit");
        rule(SLOTS_ARE_USED, looks.slots, true, "steps of replicas");
        rule(CACHE_WITHIN_TTL, looks.hits, false, "answers from caches");
        rule(VERSION_NEVER_BACK, looks.configured, false, "configurations taken");
        rule(ONE_CONTENT_A_VERSION, looks.pushes, false, "pushes");
        rule(LIVE_STAY_IN, looks.taken_out, false, "replicas taken out");
        let (accepted, taken) = self.edges.counts();
        rule(EDGE_EXACTLY_ONCE, taken, false, "writes taken by the hub");
        if self.canaries.iter().any(|(all, ..)| *all > 0) {
            all.push(self.canary_verdict());
        }
        let control = self.config.control().and_then(|control| nodes[control.index()].as_ref()?.control());
        if let Some(control) = control {
            let newest = control.version();
            let sidecars = in_the_end::each(nodes).filter_map(|(node, machine)| Some((node, machine.sidecar()?)));
            let mut old = sidecars.filter(|(_, sidecar)| sidecar.version() != newest);
            let old = old.next();
            let wrong = old.map(|(node, has)| (node, format!("has version {}, the newest is {newest}", has.version())));
            all.push(in_the_end::verdict(CONFIGURED_IN_THE_END, self.now, wrong));
        }
        if accepted > 0 {
            all.push(match broken.filter(|violation| violation.rule == EDGE_WRITES_KEPT) {
                Some(violation) => Verdict::Fail(violation.clone()),
                None => in_the_end::verdict(EDGE_WRITES_KEPT, self.now, self.edges.lost(&self.config, nodes)),
            });
            let left = self.edges.left(&self.config, nodes);
            all.push(in_the_end::verdict(EDGES_CATCH_UP, self.now, left));
        }
        all
    }

    /// Whether new versions got more than their share: six standard deviations, and what few calls may come to.
    fn canary_verdict(&self) -> Verdict {
        let too_many = |(_, new, expected, variance): &&(u64, u64, f64, f64)| {
            *new as f64 > expected + 6.0 * libm::sqrt(*variance) + 6.0
        };
        let mut services = self.config.services.iter().zip(&self.canaries);
        if let Some((service, (all, new, expected, _))) = services.find(|(_, canary)| too_many(canary)) {
            let detail = format!("{new} of {all} calls of {} went to its new version, not {expected:.1}", service.name);
            let (rule, at) = (CANARY_SHARE_KEPT.to_owned(), self.now);
            return Verdict::Fail(Violation { rule, at, node: None, detail });
        }
        let (all, new) = self.canaries.iter().fold((0, 0), |sum, canary| (sum.0 + canary.0, sum.1 + canary.1));
        Verdict::Pass { rule: CANARY_SHARE_KEPT, detail: format!("{new} of {all} calls went to new versions") }
    }

    /// Of each service with a new version: its calls, and those that the new one got.
    pub(super) fn canaries(&self) -> (u64, u64) {
        self.canaries.iter().fold((0, 0), |sum, (all, new, ..)| (sum.0 + all, sum.1 + new))
    }
}

impl Observer<Machine> for MeshChecks {
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        self.now = at;
        match what {
            Observed::Sent { from, to, message, .. } => self.on_sent(*from, *to, message),
            Observed::Delivered { to, message, .. } => self.on_delivered(*to, message),
            Observed::Noted { node, fact } => self.on_fact(*node, *fact),
            Observed::Appended { record: MeshRecord::Configured { version, releases, .. }, .. } => {
                self.story.versioned(&self.config, at, *version, *releases);
            }
            Observed::Crashed { node, .. } => {
                self.up[node.index()] = Instant::FAR;
                self.opens.crash(*node);
                self.story.crashed(&self.config, at, *node);
            }
            Observed::Booted { node, .. } => {
                self.up[node.index()] = at;
                self.configured[node.index()] = Version(0);
                self.budgets[node.index()].fill((0, 0));
                self.outliers.booted(*node);
                if let Some((_, burst)) = self.service(*node).and_then(|it| self.config.service(it).limit) {
                    let tokens = i128::from(burst) * 1_000_000_000;
                    self.buckets[node.index()] = Some(Bucket { tokens, since: at, came: false });
                }
            }
            Observed::Requested { node, .. } if self.service(*node).is_none() => self.story.asked(at),
            Observed::Answered { redirect: false, .. } => self.story.replied(at),
            Observed::FaultStarted { injection, .. } => self.fault(injection.fault.kind(), true),
            Observed::FaultEnded { injection, .. } => self.fault(injection.fault.kind(), false),
            _ => {}
        }
    }

    fn after_step(&mut self, _: Instant, stepped: NodeId, nodes: &[Option<Machine>]) -> Result<(), Violation> {
        if let Some(replica) = nodes[stepped.index()].as_ref().and_then(Machine::replica) {
            self.looks.slots += 1;
            let service = self.config.service(replica.service());
            let waiting = replica.waiting();
            if waiting > 0 && replica.is_lazy() {
                self.fail(SLOTS_ARE_USED, stepped, format!("{waiting} requests wait beside an idle slot"));
            } else if waiting > service.queue {
                self.fail(SLOTS_ARE_USED, stepped, format!("{waiting} requests wait, {} may", service.queue));
            }
        }
        if let Some((node, route)) = self.ejecting.take()
            && let Some(sidecar) = nodes[node.index()].as_ref().and_then(Machine::sidecar)
            && let Some((out, members)) = sidecar.ejected(route)
        {
            let most = (u64::from(self.config.eject_most_ppm) * members as u64 / 1_000_000).max(1);
            if out as u64 > most {
                let detail = format!("{out} of {members} replicas are ejected at a time, at most {most} may be");
                self.fail(EJECTION_CAP_KEPT, node, detail);
            }
        }
        self.violation.clone().map_or(Ok(()), Err)
    }
}
