//! The graph of services: what the file's tables mean for machines, and everything that is wrong with them.

use super::options::{Config, MeshOptions};
use super::service::{CallOptions, ServiceOptions};
use crate::communication::balancing::{
    self, BalancingOptions, Discipline, GrayOptions, MOST_WORKERS, Service as Law, ServiceLaw, Spell,
};
use sim_core::network::Latency;
use sim_core::sorted::SortedMap;
use sim_core::units::{DurationText, ProbabilityText};
use sim_core::{Duration, Invalid, NodeId, Probability, Shape};
use std::rc::Rc;

/// The most clusters a sidecar may have: each has timers.
pub const MOST_ROUTES: usize = 24;
/// The most calls that may come of one request.
const MOST_CALLS: f64 = 1e6;

/// A service, by its place in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId(pub u16);

/// What a sidecar knows of those that it calls: a version of a service.
#[derive(Clone, Debug)]
pub struct Route {
    /// Which service.
    pub to: ServiceId,
    /// Whether it is its new version.
    pub canary: bool,
    /// How its replicas are chosen, and watched.
    pub balancing: Rc<balancing::Config>,
    /// How long a call may take in all.
    pub timeout: Duration,
}

/// A call that a service makes for each request.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Which service it calls.
    pub to: ServiceId,
    /// The caller's cluster for it, and that of its new version.
    pub route: u16,
    /// That of its new version, if it has one.
    pub canary: Option<u16>,
    /// For which share of the requests.
    pub probability: Probability,
    /// Whether it may fail.
    pub optional: bool,
    /// Whether it is a copy.
    pub mirror: bool,
}

/// A service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Its first replica.
    pub first: NodeId,
    /// How many there are.
    pub replicas: u32,
    /// How many of them, the last ones, run the new version.
    pub canary: u32,
    /// The share of calls that those get at first, in parts per million.
    pub canary_weight: u32,
    /// How long one works on a request.
    pub law: Law,
    /// How many it has in work.
    pub capacity: u16,
    /// How many wait.
    pub queue: usize,
    /// In which order.
    pub discipline: Discipline,
    /// A replica's rate and burst.
    pub limit: Option<(u32, u32)>,
    /// How long answers may be used again.
    pub cache_ttl: Option<Duration>,
    /// How many answers are kept.
    pub cache_keys: usize,
    /// Whether misses of a key wait for one call.
    pub coalesce: bool,
    /// Its calls: those of one step are made together.
    pub steps: Vec<Vec<Call>>,
    /// Its sidecars' clusters.
    pub routes: Vec<Route>,
}

impl Service {
    /// Its replicas.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> + use<> {
        (self.first.0..self.first.0 + self.replicas).map(NodeId)
    }

    /// The replicas that run one version, by their numbers within the service.
    #[must_use]
    pub const fn version(&self, canary: bool) -> (u32, u32) {
        let stable = self.replicas - self.canary;
        if canary { (stable, self.canary) } else { (0, stable) }
    }
}

/// The services as written; one of everybody where none is.
#[must_use]
pub fn written(options: &MeshOptions, replicas: u32) -> Vec<ServiceOptions> {
    if options.service.is_empty() {
        vec![ServiceOptions { name: "app".to_owned(), replicas, ..ServiceOptions::default() }]
    } else {
        options.service.clone()
    }
}

fn place(services: &[ServiceOptions], name: &str) -> Option<usize> {
    services.iter().position(|service| service.name == name)
}

/// The law of a service's own work.
fn law(service: &ServiceOptions) -> Law {
    let mean = service.service_time.0;
    Law::One(match service.service_law {
        ServiceLaw::Fixed => Latency::Fixed(mean),
        ServiceLaw::Lognormal if service.service_p99 >= service.service_time => {
            Latency::lognormal(mean, service.service_p99.0)
        }
        _ => Latency::exponential(mean),
    })
}

/// Balancing as `[system]` has it, for so many servers.
fn policy(options: &MeshOptions, attempts: u32) -> BalancingOptions {
    BalancingOptions {
        balancers: 0,
        policy: options.policy,
        choices: options.choices,
        attempt_timeout: options.attempt_timeout,
        attempts: if attempts == 0 { options.attempts } else { attempts },
        retry_budget: options.retry_budget,
        retry_budgeted: options.retry_budgeted,
        retry_backoff: options.retry_backoff,
        retry_backoff_max: options.retry_backoff_max,
        hedge_after: options.hedge_after,
        hedge_percentile: options.hedge_percentile,
        most_requests: options.most_requests,
        health_interval: options.health_interval,
        health_timeout: options.health_timeout,
        eject_after: options.eject_after,
        eject_for: options.eject_for,
        eject_longest: options.eject_longest,
        eject_most: options.eject_most,
        panic_below: options.panic_below,
        breaker_failures: options.breaker_failures,
        breaker_open: options.breaker_open,
        slow_start: options.slow_start,
        bug: options.bug.of_balancing(),
        ..BalancingOptions::default()
    }
}

/// What is wrong with the options that are `balancing`'s: said by `balancing`, about options of the same names.
fn policy_problems(options: &MeshOptions) -> Vec<Invalid> {
    let policy = BalancingOptions { balancers: 1, ..policy(options, 0) };
    policy.validate(&Shape::plain(3)).err().unwrap_or_default()
}

/// Makes the clusters of one caller.
struct Routes<'a> {
    options: &'a MeshOptions,
    services: &'a [ServiceOptions],
    firsts: &'a [NodeId],
    made: Vec<Route>,
    known: SortedMap<(usize, u32, Duration), (u16, Option<u16>)>,
}

impl Routes<'_> {
    fn to(&mut self, to: usize, attempts: u32, timeout: Duration) -> (u16, Option<u16>) {
        let timeout = if timeout == Duration::ZERO { self.options.timeout.0 } else { timeout };
        if let Some(known) = self.known.get(&(to, attempts, timeout)) {
            return *known;
        }
        let service = &self.services[to];
        let canary = service.canary.min(service.replicas);
        let stable = self.add(to, false, (0, service.replicas - canary), attempts, timeout);
        let new = (canary > 0).then(|| self.add(to, true, (service.replicas - canary, canary), attempts, timeout));
        self.known.insert((to, attempts, timeout), (stable, new));
        (stable, new)
    }

    fn add(&mut self, to: usize, canary: bool, (first, count): (u32, u32), attempts: u32, timeout: Duration) -> u16 {
        let mut balancing = policy(self.options, attempts).meant(&Shape::plain(count as usize));
        balancing.first = self.firsts[to].0 + first;
        if self.options.bug == super::MeshBug::EjectionUncapped
            && let Some(ejection) = &mut balancing.ejection
        {
            ejection.most_ppm = 1_000_000;
        }
        self.made.push(Route { to: ServiceId(to as u16), canary, balancing: Rc::new(balancing), timeout });
        (self.made.len() - 1) as u16
    }
}

/// The services as machines run them, and the clusters of whoever calls the first.
#[must_use]
pub fn meant(options: &MeshOptions, shape: &Shape) -> (Vec<Service>, Vec<Route>) {
    let nodes = shape.number_of("replica", shape.nodes() as u32);
    let services = written(options, nodes);
    let mut next = shape.role("replica").start;
    let firsts: Vec<NodeId> = services
        .iter()
        .map(|service| {
            let first = NodeId(next);
            next = next.saturating_add(service.replicas);
            first
        })
        .collect();
    let routes = || Routes { options, services: &services, firsts: &firsts, made: Vec::new(), known: SortedMap::new() };
    let entry = place(&services, &options.entry).unwrap_or(0);
    // A hedge here would be the whole tree of calls once more.
    let unhedged = MeshOptions {
        hedge_after: DurationText::default(),
        hedge_percentile: ProbabilityText::default(),
        ..options.clone()
    };
    let mut of_entry = Routes { options: &unhedged, ..routes() };
    of_entry.to(entry, 0, Duration::ZERO);
    let ppm = |share: sim_core::units::ProbabilityText| (share.probability().as_f64() * 1e6) as u32;
    let meant = services.iter().zip(&firsts).map(|(service, first)| {
        let mut routes = routes();
        let mut steps: Vec<Vec<Call>> = Vec::new();
        let mut joins = false;
        for call in &service.calls {
            let Some(to) = place(&services, &call.to) else { continue };
            let (route, canary) = routes.to(to, call.attempts, call.timeout.0);
            let this = Call {
                to: ServiceId(to as u16),
                route,
                canary,
                probability: call.probability.probability(),
                optional: call.optional,
                mirror: call.mirror,
            };
            let together = call.mirror || call.parallel && joins;
            match steps.last_mut().filter(|_| together) {
                Some(step) => step.push(this),
                None => steps.push(vec![this]),
            }
            joins |= call.parallel;
            joins &= call.parallel || call.mirror;
        }
        let ttl = service.cache_ttl.0;
        Service {
            name: service.name.clone(),
            first: *first,
            replicas: service.replicas,
            canary: service.canary.min(service.replicas),
            canary_weight: ppm(service.canary_weight),
            law: law(service),
            capacity: service.capacity.clamp(1, MOST_WORKERS) as u16,
            queue: service.queue as usize,
            discipline: Discipline {
                order: service.queue_order,
                target: service.queue_target.0,
                interval: service.queue_interval.0,
            },
            limit: (service.rate_limit > 0).then_some((service.rate_limit, service.burst.max(1))),
            cache_ttl: (ttl != Duration::ZERO).then_some(ttl),
            cache_keys: service.cache_keys as usize,
            coalesce: service.coalesce,
            steps,
            routes: routes.made,
        }
    });
    (meant.collect(), of_entry.made)
}

/// When which replicas turn gray.
#[must_use]
pub fn troubles(options: &MeshOptions, shape: &Shape, services: &[Service], wrong: &mut Vec<Invalid>) -> Vec<Spell> {
    let mut spells = Vec::new();
    for trouble in &options.trouble {
        let gray = GrayOptions {
            kind: trouble.kind,
            from: trouble.from,
            until: trouble.until,
            mtbf: trouble.mtbf,
            mttr: trouble.mttr,
            factor: trouble.factor,
            share: trouble.share,
            takes: trouble.takes,
            ..GrayOptions::default()
        };
        let mut of_gray = Vec::new();
        let spell = gray.spell(0, u32::MAX, &mut of_gray);
        wrong.extend(of_gray.into_iter().map(|invalid| Invalid { key: "trouble", ..invalid }));
        let zone = shape.zones.iter().position(|zone| *zone == trouble.zone);
        if zone.is_none() && !trouble.zone.is_empty() {
            let what = format!("there is no zone {:?}", trouble.zone);
            wrong.push(Invalid { key: "trouble", what, help: format!("one of {}", shape.zones.join(", ")) });
        }
        let Some(service) = services.iter().find(|service| service.name == trouble.service) else {
            wrong.push(unknown("trouble", "a trouble", &trouble.service, services.iter().map(|s| s.name.as_str())));
            continue;
        };
        let (first, count) = service.version(trouble.canary);
        let all = (first..first + count).map(|at| NodeId(service.first.0 + at));
        let here = |node: &NodeId| zone.is_none_or(|zone| shape.node_zones.get(node.index()) == Some(&(zone as u16)));
        let many = if trouble.replicas == 0 { usize::MAX } else { trouble.replicas as usize };
        let of = |node| spell.map(|spell| Spell { server: Some(node), ..spell });
        spells.extend(all.filter(here).take(many).filter_map(of));
    }
    spells
}

fn unknown<'a>(key: &'static str, who: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Invalid {
    let known: Vec<&str> = known.filter(|known| !known.is_empty()).take(12).collect();
    let what = format!("{who} names a service {name:?}, and nobody defines it");
    Invalid { key, what, help: format!("one of {}", known.join(", ")) }
}

/// All that is wrong with the graph.
#[must_use]
pub fn problems(options: &MeshOptions, config: &Config, shape: &Shape) -> Vec<Invalid> {
    let services = written(options, config.replicas.end - config.replicas.start);
    let mut wrong = policy_problems(options);
    let mut says = |what: String, help: String| wrong.push(Invalid { key: "service", what, help });
    let names = || services.iter().map(|service| service.name.as_str());
    for (at, service) in services.iter().enumerate() {
        let name = &service.name;
        if name.is_empty() {
            says(format!("the {}. service has no name", at + 1), "name = \"...\"".to_owned());
        } else if names().position(|other| other == name) != Some(at) {
            says(format!("there are two services {name:?}"), "one table for each".to_owned());
        }
        if service.replicas == 0 {
            says(format!("service {name:?} has no replicas"), "at least 1".to_owned());
        }
        if service.canary >= service.replicas.max(1) {
            let what = format!("{} of {} replicas of {name:?} run the new version", service.canary, service.replicas);
            says(what, "fewer than replicas".to_owned());
        }
        if !(1..=MOST_WORKERS).contains(&service.capacity) {
            says(format!("{name:?} has {} requests in work", service.capacity), "capacity from 1 to 64".to_owned());
        }
        if service.service_time.0 == Duration::ZERO {
            says(format!("{name:?} works for no time"), "service_time = \"5ms\"".to_owned());
        }
        if matches!(service.service_law, ServiceLaw::Bimodal | ServiceLaw::Recorded) {
            says(format!("{name:?} has a law that only `balancing` has"), "fixed, exponential, lognormal".to_owned());
        }
        if service.rate_limit > 0 && service.burst == 0 {
            says(format!("{name:?} admits nothing"), "burst at least 1".to_owned());
        }
        if service.cache_ttl.0 != Duration::ZERO && service.cache_keys == 0 {
            says(format!("{name:?} has a cache of nothing"), "cache_keys at least 1".to_owned());
        }
        for call in &service.calls {
            if place(&services, &call.to).is_none() {
                let Invalid { what, help, .. } = unknown("service", &format!("{name:?}"), &call.to, names());
                says(what, help);
            }
        }
    }
    let nodes = config.replicas.len() as u64;
    let all: u64 = services.iter().map(|service| u64::from(service.replicas)).sum();
    if all != nodes {
        says(format!("the services have {all} replicas, and {nodes} machines run them"), "as many".to_owned());
    }
    if !options.entry.is_empty() && place(&services, &options.entry).is_none() {
        wrong.push(unknown("entry", "`entry`", &options.entry, names()));
    }
    for release in &options.release {
        match place(&services, &release.service) {
            None => wrong.push(unknown("release", "a release", &release.service, names())),
            Some(at) if services[at].canary == 0 => {
                let what = format!("service {:?} has no new version to release", release.service);
                wrong.push(Invalid { key: "release", what, help: "canary = 1, or more".to_owned() });
            }
            Some(_) => {}
        }
    }
    if !options.release.is_empty() && config.controls.is_empty() {
        let what = "releases, and no control plane to tell".to_owned();
        wrong.push(Invalid { key: "release", what, help: "a group with role = \"control\"".to_owned() });
    }
    for (who, routes) in config.services.iter().map(|s| (s.name.as_str(), s.routes.len())) {
        if routes > MOST_ROUTES {
            let what = format!("{who:?} calls {routes} versions of services");
            wrong.push(Invalid { key: "service", what, help: format!("at most {MOST_ROUTES}") });
        }
    }
    let endless = cycle(&services);
    if let Some(path) = &endless {
        let what = format!("a request never ends: {} calls itself for every request", path.join(" -> "));
        let help = "a probability below 100% for one of these calls".to_owned();
        wrong.push(Invalid { key: "service", what, help });
    }
    if endless.is_none() {
        let most = multiplies(options, &services);
        if most > MOST_CALLS {
            let much = if most < 1e15 { format!("{most:.0}") } else { "endlessly many".to_owned() };
            let what = format!("one request may become {much} calls, retries of retries included");
            let help = "at most 1000000: fewer attempts, or retry_budgeted = true".to_owned();
            wrong.push(Invalid { key: "service", what, help });
        }
    }
    let _ = troubles(options, shape, &config.services, &mut wrong);
    wrong
}

/// A cycle of calls that are made for every request.
fn cycle(services: &[ServiceOptions]) -> Option<Vec<String>> {
    let always = |call: &&CallOptions| call.probability.probability().as_f64() >= 1.0;
    // 0 not seen, 1 on the path, 2 done.
    let mut state = vec![0_u8; services.len()];
    for start in 0..services.len() {
        let mut path: Vec<(usize, usize)> = Vec::new();
        if state[start] == 0 {
            state[start] = 1;
            path.push((start, 0));
        }
        while let Some((at, next)) = path.last_mut() {
            let at = *at;
            let call = services[at].calls.iter().filter(always).nth(*next);
            *next += 1;
            match call.map(|call| place(services, &call.to)) {
                None => {
                    state[at] = 2;
                    path.pop();
                }
                Some(Some(to)) if state[to] == 1 => {
                    let from = path.iter().position(|(on, _)| *on == to).unwrap_or(0);
                    let on_it = path[from..].iter().map(|(on, _)| *on).chain([to]);
                    return Some(on_it.map(|on| services[on].name.clone()).collect());
                }
                Some(Some(to)) if state[to] == 0 => {
                    state[to] = 1;
                    path.push((to, 0));
                }
                Some(_) => {}
            }
        }
    }
    None
}

/// How many calls one request becomes at most, on average over the probabilities, if every try fails.
fn multiplies(options: &MeshOptions, services: &[ServiceOptions]) -> f64 {
    let tries = |call: &CallOptions| {
        let attempts = f64::from(if call.attempts == 0 { options.attempts } else { call.attempts });
        let budget = 1.0 + options.retry_budget.probability().as_f64();
        if options.retry_budgeted { attempts.min(budget) } else { attempts }
    };
    let mut below = vec![1.0_f64; services.len()];
    // As deep as a graph without cycles can be; what then grows faster and faster is on a cycle that does not end.
    let rounds = services.len().max(64) * 2;
    let mut grown = vec![0.0; rounds];
    for grown in &mut grown {
        let next: Vec<f64> = services
            .iter()
            .map(|service| {
                let calls = service.calls.iter().filter_map(|call| Some((call, place(services, &call.to)?)));
                let sum: f64 =
                    calls.map(|(call, to)| call.probability.probability().as_f64() * tries(call) * below[to]).sum();
                (1.0 + sum).min(1e18)
            })
            .collect();
        *grown = next.iter().zip(&below).map(|(next, below)| next - below).sum();
        if *grown == 0.0 {
            break;
        }
        below = next;
    }
    if grown[rounds - 1] > grown[rounds / 2] {
        return f64::INFINITY;
    }
    below.iter().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::super::options::configure;
    use super::*;
    use sim_core::RoleKind;

    fn shape(replicas: u32) -> Shape {
        let role = |name| RoleKind::member(name, "");
        Shape::of_roles(&[(role("replica"), replicas), (role("gateway"), 1), (role("control"), 1)])
    }

    fn service(name: &str, calls: &[&str]) -> ServiceOptions {
        let calls = calls.iter().map(|to| CallOptions { to: (*to).to_owned(), ..CallOptions::default() });
        ServiceOptions { name: name.to_owned(), calls: calls.collect(), ..ServiceOptions::default() }
    }

    fn wrong(options: &MeshOptions, replicas: u32) -> Vec<String> {
        configure(options, &shape(replicas)).unwrap_err().into_iter().map(|invalid| invalid.what).collect()
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let none = ServiceOptions { replicas: 0, ..service("c", &["nobody"]) };
        let options = MeshOptions {
            service: vec![service("a", &["b"]), service("b", &["c", "a"]), none],
            attempts: 0,
            timeout: DurationText::millis(0),
            ..MeshOptions::default()
        };
        let expected = [
            "calls that take no time",
            "no try at all",
            "service \"c\" has no replicas",
            "\"c\" names a service \"nobody\", and nobody defines it",
            "a request never ends: a -> b -> a calls itself for every request",
        ];
        assert_eq!(wrong(&options, 2), expected);
    }

    #[test]
    fn retries_of_retries_are_counted_before_they_are_made() {
        let layers: Vec<String> = (0..12).map(|layer| format!("s{layer}")).collect();
        let chain = |at: usize| layers.get(at + 1).map(String::as_str).into_iter().collect::<Vec<_>>();
        let service = layers.iter().enumerate().map(|(at, name)| service(name, &chain(at))).collect();
        let options = MeshOptions { service, attempts: 4, retry_budgeted: false, ..MeshOptions::default() };
        assert_eq!(wrong(&options, 12).len(), 1, "4^11 and all before it");
        assert!(configure(&MeshOptions { attempts: 2, ..options.clone() }, &shape(12)).is_ok());
        assert!(configure(&MeshOptions { retry_budgeted: true, ..options }, &shape(12)).is_ok());
    }

    #[test]
    fn a_cycle_may_be_there_if_it_ends() {
        let mut options = MeshOptions {
            service: vec![service("a", &["b"]), service("b", &["a"])],
            attempts: 1,
            ..MeshOptions::default()
        };
        options.service[1].calls[0].probability = ProbabilityText::per_billion(500_000_000);
        assert!(configure(&options, &shape(2)).is_ok());
        options.service[0].calls.push(CallOptions { to: "b".to_owned(), ..CallOptions::default() });
        options.service[1].calls[0].probability = ProbabilityText::per_billion(600_000_000);
        assert_eq!(wrong(&options, 2), ["one request may become endlessly many calls, retries of retries included"]);
    }

    #[test]
    fn parallel_calls_are_one_step_and_replicas_lie_in_order() {
        let mut a = service("a", &["b", "c", "b", "c"]);
        (a.calls[1].parallel, a.calls[2].parallel, a.calls[3].mirror) = (true, true, true);
        let options = MeshOptions { service: vec![a, service("b", &[]), service("c", &[])], ..MeshOptions::default() };
        let config = configure(&options, &shape(3)).unwrap();
        let steps: Vec<usize> = config.services[0].steps.iter().map(Vec::len).collect();
        assert_eq!(steps, [1, 3]);
        assert_eq!(config.services[2].first, NodeId(2));
        assert_eq!(config.services[0].routes.len(), 2, "one cluster for each service");
    }
}
