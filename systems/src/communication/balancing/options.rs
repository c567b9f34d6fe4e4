//! What may be written in `[system]`, and the configuration of a node that is made of it.

use super::bugs::BalancingBug;
use super::config::{Breaker, Ejection, HealthChecks, Hedge, MOST_WORKERS, Service};
use super::gray::Spell;
use super::gray_options::GrayOptions;
use super::picker::MOST_CHOICES;
use super::policy::Policy;
use super::queue::{Discipline, QueueOrder};
use crate::storage::hashing::placement::{Member, Members, Ring, RingShape};
use sim_core::network::Latency;
use sim_core::units::{DurationText, ProbabilityText};
use sim_core::{Duration, Invalid, NodeId, RoleKind, Shape};
use std::rc::Rc;

/// Points of the ring for each unit of a server's weight.
const POINTS: u32 = 100;

const BALANCER: &str = "balancer";

/// The kinds of nodes. Clients ask any: a server says who balances.
pub(super) const ROLES: &[RoleKind] = &[
    RoleKind::other(BALANCER, "takes requests, and chooses a server for each").asked().at_least(1),
    RoleKind::member("server", "has a queue, and works on what is in it").at_most(u32::MAX),
];

sim_core::choices! {
    /// The law of service times.
    pub enum ServiceLaw {
        /// Always `service`.
        Fixed,
        /// Exponential with mean `service`: what queueing theory is written for.
        #[default]
        Exponential,
        /// Lognormal with median `service` and 99th percentile `service_p99`: what most services look like.
        Lognormal,
        /// Exponential with mean `service`, but with mean `service_long` for a share `long_share` of the requests.
        Bimodal,
        /// As recorded: `service_samples`, each as likely, with straight lines between neighbours.
        Recorded,
    }

    /// What a health check does.
    pub enum Probe {
        /// It opens a connection. A server whose application hangs passes.
        Connect,
        /// It asks the application.
        #[default]
        Request,
    }
}

sim_core::options! {
    /// The `[system]` options of `system = "balancing"`. Mechanisms are off at 0 unless the option says otherwise.
    pub struct BalancingOptions;

    /// One cluster: the first nodes are balancers, the others servers.
    #[derive(Clone, Debug)]
    pub struct Config of shape {
        /// How many nodes there are.
        pub nodes: u32 = shape.nodes() as u32;
        /// How many of the servers, the last ones, are no members at first.
        pub spares: u32 = shape.spares;
        /// The number of the first server's node.
        pub first: u32 = shape.number_of(BALANCER, *balancers);
    }

    options {
        /// How many of the nodes balance: the first ones. The others serve. Groups of machines say so, too, by their
        /// roles.
        balancers: u32 = 1 => { balancers: u32 = shape.number_of(BALANCER, *balancers) },
            wrong if *balancers == 0 => ("nobody balances"), "at least 1",
            wrong if *balancers > 0 && shape.groups.is_empty() && nodes.saturating_sub(*balancers) <= spares =>
                ("{balancers} of {nodes} nodes balance, and {}", nobody(spares)), "fewer than cluster.nodes",
            wrong if shape.role(BALANCER).start > 0 =>
                ("the balancers begin with n{}", shape.role(BALANCER).start + 1),
                "put the group of role `balancer` before that of role `server`",
            wrong if *balancers > 1 && shape.number_of(BALANCER, *balancers) != *balancers =>
                ("{balancers} balancers, but {} in the group", shape.role(BALANCER).len()),
                "leave the option out: the groups say it";
        /// How a balancer chooses a server.
        policy: Policy = Policy::default() => {
            policy: Policy = *policy,
            ring: Option<Rc<Ring>> = ring(*policy, &equal_unless(weights, servers(*balancers, shape))),
        };
        /// How many servers are drawn for a request, where the policy draws several.
        choices: u32 = 2,
            wrong if !(1..=MOST_CHOICES).contains(&(*choices as usize)) =>
                ("{choices} servers drawn for a request"), "from 1 to 16; 2 is usual";
        /// How many servers each balancer knows, dealt so that each is known to as many; 0 for all.
        subset: u32 = 0;
        /// How long a request takes: the mean, or the median of a lognormal law.
        service: DurationText = DurationText::millis(10) => {
            service: Service = match service_law {
                ServiceLaw::Fixed => Service::One(Latency::Fixed(service.0)),
                ServiceLaw::Exponential => Service::One(Latency::exponential(service.0)),
                ServiceLaw::Lognormal => Service::One(Latency::lognormal(service.0, service_p99.0)),
                ServiceLaw::Bimodal => Service::Two(
                    Latency::exponential(service.0),
                    Latency::exponential(service_long.0),
                    long_share.probability(),
                ),
                ServiceLaw::Recorded => {
                    let samples: Vec<Duration> = service_samples.iter().map(|sample| sample.0).collect();
                    Service::One(Latency::recorded(&samples))
                }
            }
        },
            wrong if is_zero(*service) => ("work that takes no time"), "for example \"10ms\"";
        /// How it varies.
        service_law: ServiceLaw = ServiceLaw::default() => {};
        /// What 99 % of the requests take at most, under a lognormal law.
        service_p99: DurationText = DurationText::millis(50) => {},
            wrong if *service_law == ServiceLaw::Lognormal && service_p99 < service =>
                ("99 % take {service_p99} at most, but half take {service} or more"), "at least the median, `service`";
        /// The mean of the long requests, under a bimodal law.
        service_long: DurationText = DurationText::millis(100) => {};
        /// The share of the long requests, under a bimodal law.
        long_share: ProbabilityText = percent(5) => {};
        /// Recorded service times: quantiles, or any sample.
        service_samples: Vec<DurationText> = Vec::new() => {},
            wrong if *service_law == ServiceLaw::Recorded && service_samples.is_empty() =>
                ("a recorded law without a record"), "for example [\"1ms\", \"2ms\", \"40ms\"]";
        /// How many requests a server works on at a time.
        workers: u32 = 1,
            wrong if !(1..=MOST_WORKERS).contains(workers) => ("{workers} workers a server"), "from 1 to 64";
        /// How many requests may wait at a server; it refuses more.
        queue_limit: u32 = 1000;
        /// In which order they are taken from the queue.
        queue_order: QueueOrder = QueueOrder::default() => {
            discipline: Discipline =
                Discipline { order: *queue_order, target: queue_target.0, interval: queue_interval.0 }
        };
        /// Under controlled delay: what a request may wait while the queue does not get empty.
        queue_target: DurationText = DurationText::millis(5) => {};
        /// How long a queue must not have been empty to be a standing one.
        queue_interval: DurationText = DurationText::millis(100) => {};
        /// The weights of the servers, in order; equal weights if empty.
        weights: Vec<u32> = Vec::new() => {
            weights: Rc<[u32]> = equal_unless(weights, servers(*balancers, shape))
        },
            wrong if !weights.is_empty() && weights.len() != servers(*balancers, shape) as usize =>
                ("{} weights for {} servers", weights.len(), servers(*balancers, shape)),
                "one for each server, or none",
            wrong if weights.contains(&0) => ("a server of no weight"), "at least 1 each",
            wrong if weights.iter().any(|weight| *weight > 1_000_000) =>
                ("a weight beyond reason"), "at most 1000000 each";
        /// How long a balancer waits for a server before it tries another.
        attempt_timeout: DurationText = DurationText::millis(500),
            wrong if is_zero(*attempt_timeout) => ("no time to answer"), "for example \"500ms\"";
        /// How often a balancer tries a request at most.
        attempts: u32 = 2,
            wrong if *attempts == 0 => ("no try at all"), "1 for no retry";
        /// How many tries may follow failed ones, as a share of the requests. Up to 100 may be saved up.
        retry_budget: ProbabilityText = percent(20) => {
            retry_budget_ppm: Option<u32> = retry_budgeted.then(|| ppm(*retry_budget))
        };
        /// Whether that budget is kept to.
        retry_budgeted: bool = true => {};
        /// The wait before the first retry, doubled for each further one; half of it is random.
        retry_backoff: DurationText = DurationText::default() => {
            backoff: (Duration, Duration) = (retry_backoff.0, retry_backoff_max.0)
        };
        /// The longest such wait.
        retry_backoff_max: DurationText = DurationText::millis(1000) => {};
        /// A second server is asked after this long; the first answer counts. Within the budget of retries.
        hedge_after: DurationText = DurationText::default() => {
            hedge: Option<Hedge> = match unless_zero(*hedge_after) {
                Some(after) => Some(Hedge::After(after)),
                None => unless_none(ppm(*hedge_percentile)).map(Hedge::Percentile),
            }
        };
        /// The same, after what this share of the answers take.
        hedge_percentile: ProbabilityText = percent(0) => {},
            wrong if !is_zero(*hedge_after) && ppm(*hedge_percentile) > 0 =>
                ("two times to hedge at"), "only one of the two",
            wrong if ppm(*hedge_percentile) >= 1_000_000 => ("no answer takes longer than all"), "for example \"95%\"";
        /// How long a request may take in all. Servers are told, and drop what nobody waits for.
        deadline: DurationText = DurationText::default() => { deadline: Option<Duration> = unless_zero(*deadline) };
        /// How many requests a balancer may have under way; it refuses more.
        most_requests: u32 = 0 => { most_requests: Option<u32> = unless_none(*most_requests) };
        /// Between two health checks of a server.
        health_interval: DurationText = DurationText::default() => {
            health: Option<HealthChecks> = unless_zero(*health_interval).map(|interval| HealthChecks {
                interval,
                timeout: health_timeout.0,
                unhealthy: *unhealthy_after,
                healthy: *healthy_after,
                connect: *probe == Probe::Connect,
            })
        };
        /// How long the answer to one may take.
        health_timeout: DurationText = DurationText::millis(200) => {},
            wrong if !is_zero(*health_interval) && (is_zero(*health_timeout) || health_timeout > health_interval) =>
                ("a check must be over before the next one"), "more than 0, and at most health_interval";
        /// So many bad ones in a row take a server out.
        unhealthy_after: u32 = 3 => {},
            wrong if !is_zero(*health_interval) && *unhealthy_after == 0 => ("out without a bad check"), "at least 1";
        /// So many good ones in a row bring it back.
        healthy_after: u32 = 2 => {},
            wrong if !is_zero(*health_interval) && *healthy_after == 0 => ("back without a good check"), "at least 1";
        /// What a health check does.
        probe: Probe = Probe::default() => {};
        /// So many failed requests in a row eject a server.
        eject_after: u32 = 0 => {
            ejection: Option<Ejection> = unless_none(*eject_after).map(|after| Ejection {
                after,
                lasts: eject_for.0,
                longest: eject_longest.0,
                most_ppm: ppm(*eject_most),
            })
        };
        /// For so long the first time, twice as long the second, and so on.
        eject_for: DurationText = DurationText::millis(5000) => {},
            wrong if *eject_after > 0 && is_zero(*eject_for) => ("an ejection of no time"), "for example \"5s\"";
        /// But never longer than this.
        eject_longest: DurationText = DurationText::millis(300_000) => {},
            wrong if *eject_after > 0 && eject_longest < eject_for =>
                ("shorter than the first ejection"), "at least eject_for";
        /// The largest share of the servers that may be ejected at a time; one may always.
        eject_most: ProbabilityText = percent(50) => {};
        /// If a smaller share of the servers is in, all are asked, good or bad.
        panic_below: ProbabilityText = percent(50) => { panic_below_ppm: u32 = ppm(*panic_below) };
        /// So many failed requests in a row open a server's circuit.
        breaker_failures: u32 = 0 => {
            breaker: Option<Breaker> =
                unless_none(*breaker_failures).map(|failures| Breaker { failures, open: breaker_open.0 })
        };
        /// After so long one request may try it.
        breaker_open: DurationText = DurationText::millis(2000) => {},
            wrong if *breaker_failures > 0 && is_zero(*breaker_open) =>
                ("a circuit that is not open when it opens"), "for example \"2s\"";
        /// How long a server that comes (back) is spared: its weight grows from a tenth to all of it.
        slow_start: DurationText = DurationText::default();
        /// How much more than its share a server may hold under bounded hashing.
        slack: ProbabilityText = percent(25) => { slack_ppm: u32 = ppm(*slack) };
        /// How fast a peak EWMA forgets a slow answer: the time in which it halves.
        half_life: DurationText = DurationText::millis(1000),
            wrong if is_zero(*half_life) => ("an average of nothing"), "for example \"1s\"";
        /// Servers that turn gray.
        gray: Vec<GrayOptions> = Vec::new() => {
            gray: Rc<[Spell]> = {
                let balancers = shape.number_of(BALANCER, *balancers);
                gray.iter().filter_map(|gray| gray.spell(balancers, nodes, &mut Vec::new())).collect()
            }
        };
        /// A known bug to switch on; `splitbrain list bugs` shows all.
        bug: BalancingBug = BalancingBug::default();
    }

    also gray_problems(gray, shape.number_of(BALANCER, *balancers), nodes);
}

/// How many nodes serve.
fn servers(balancers: u32, shape: &Shape) -> u32 {
    (shape.nodes() as u32).saturating_sub(shape.number_of(BALANCER, balancers))
}

/// A share of a hundred.
fn percent(percent: u32) -> ProbabilityText {
    ProbabilityText::per_billion(percent * 10_000_000)
}

const fn is_zero(time: DurationText) -> bool {
    time.0.0 == 0
}

/// The time, unless it is 0: off.
fn unless_zero(time: DurationText) -> Option<Duration> {
    (!is_zero(time)).then_some(time.0)
}

/// The number, unless it is 0: off.
fn unless_none(number: u32) -> Option<u32> {
    (number > 0).then_some(number)
}

fn ppm(share: ProbabilityText) -> u32 {
    (share.probability().as_f64() * 1e6) as u32
}

fn nobody(spares: u32) -> String {
    if spares == 0 { "nobody serves".to_owned() } else { format!("the {spares} spares leave nobody to serve") }
}

/// These weights, or equal ones for so many servers.
fn equal_unless(weights: &[u32], servers: u32) -> Rc<[u32]> {
    if weights.is_empty() { vec![1; servers as usize].into() } else { weights.into() }
}

/// The ring of the servers, for bounded hashing: by their numbers, so that it does not depend on how many balance.
fn ring(policy: Policy, weights: &[u32]) -> Option<Rc<Ring>> {
    let member = |(weight, server): (&u32, u32)| Member { weight: *weight, ..Member::plain(NodeId(server)) };
    (policy == Policy::BoundedHashing).then(|| {
        let members = Members::new(weights.iter().zip(0..).map(member)).expect("there are servers, with weights");
        Rc::new(Ring::new(members, RingShape::with_points(POINTS)))
    })
}

fn gray_problems(gray: &[GrayOptions], balancers: u32, nodes: u32) -> Vec<Invalid> {
    let mut invalid = Vec::new();
    for gray in gray {
        let _ = gray.spell(balancers, nodes, &mut invalid);
    }
    invalid
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Shape;

    fn wrong(options: &BalancingOptions, nodes: usize) -> Vec<&'static str> {
        options.validate(&Shape::plain(nodes)).unwrap_err().iter().map(|i| i.key).collect()
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = BalancingOptions {
            balancers: 4,
            workers: 65,
            choices: 0,
            weights: vec![1, 0],
            attempts: 0,
            service: DurationText(Duration::ZERO),
            gray: vec![GrayOptions { server: "n2".into(), ..GrayOptions::default() }],
            ..BalancingOptions::default()
        };
        let expected = ["balancers", "choices", "service", "workers", "weights", "weights", "attempts", "gray"];
        assert_eq!(wrong(&options, 4), expected);
        let config = BalancingOptions { policy: Policy::BoundedHashing, ..BalancingOptions::default() }
            .validate(&Shape { spares: 1, ..Shape::plain(5) });
        let config = config.unwrap();
        assert_eq!((config.servers(), config.server(0), config.retry_budget_ppm), (4, NodeId(1), Some(200_000)));
        assert!(config.ring.is_some());
        assert_eq!((config.spares, config.health.is_none(), config.ejection.is_none()), (1, true, true));
    }

    #[test]
    fn mechanisms_are_looked_at_when_they_are_on() {
        let on = BalancingOptions {
            health_interval: DurationText::millis(100),
            unhealthy_after: 0,
            healthy_after: 0,
            eject_after: 1,
            eject_for: DurationText(Duration::ZERO),
            breaker_failures: 1,
            breaker_open: DurationText(Duration::ZERO),
            service_law: ServiceLaw::Recorded,
            ..BalancingOptions::default()
        };
        let expected =
            ["service_samples", "health_timeout", "unhealthy_after", "healthy_after", "eject_for", "breaker_open"];
        assert_eq!(wrong(&on, 3), expected);
        let times = |from, until, mtbf, mttr| GrayOptions {
            from: DurationText(Duration::millis(from)),
            until: DurationText(Duration::millis(until)),
            mtbf: DurationText(Duration::millis(mtbf)),
            mttr: DurationText(Duration::millis(mttr)),
            ..GrayOptions::default()
        };
        let gray =
            |gray| BalancingOptions { gray: vec![gray], ..BalancingOptions::default() }.validate(&Shape::plain(3));
        assert_eq!(gray(times(20, 10, 0, 0)).unwrap_err().len(), 1);
        assert_eq!(gray(times(20, 30, 10, 10)).unwrap_err().len(), 1);
        assert_eq!(gray(times(0, 0, 10, 0)).unwrap_err().len(), 1);
        assert_eq!(gray(times(20, 0, 0, 0)).unwrap().gray.len(), 1);
        assert_eq!(gray(times(0, 30, 10, 10)).unwrap().gray.len(), 1);
    }
}
