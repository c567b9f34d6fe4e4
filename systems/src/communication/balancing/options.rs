//! The `[system]` options of `system = "balancing"`, as written, and their validation.

use super::bugs::BalancingBug;
use super::config::{Breaker, Config, Ejection, HealthChecks, Hedge, MOST_WORKERS, Service};
use super::gray::{Gray, Spell, When};
use super::picker::MOST_CHOICES;
use super::policy::Policy;
use super::queue::{Discipline, QueueOrder};
use crate::storage::hashing::placement::{Member, Members, Ring, RingShape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::network::Latency;
use sim_core::units::{DurationText, ProbabilityText};
use sim_core::{Duration, Instant, Invalid, NodeId};
use std::rc::Rc;

/// Points of the ring for each unit of a server's weight.
const POINTS: u32 = 100;

/// The law of service times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// It opens a connection. A server whose application hangs passes.
    Connect,
    /// It asks the application.
    #[default]
    Request,
}

/// What is wrong with a gray server, as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrayKind {
    /// Work takes `factor` times as long.
    #[default]
    Slow,
    /// A `share` of the work fails, after `takes`.
    Failing,
    /// It accepts connections and work, and answers nothing.
    Hung,
}

/// A server that turns gray: up for everybody who looks from afar, and yet of no use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GrayOptions {
    /// Which server, by the name of its node, e.g. `n3`; every server on its own if empty.
    pub server: String,
    /// How.
    pub kind: GrayKind,
    /// From when, counted from the start of the run.
    pub from: DurationText,
    /// Until when; to the end if 0.
    pub until: DurationText,
    /// Instead of `from`: at random, with this mean time between.
    pub mtbf: DurationText,
    /// And for so long, in the mean.
    pub mttr: DurationText,
    /// Slow: so many times.
    pub factor: u32,
    /// Failing: which share of the work.
    pub share: ProbabilityText,
    /// Failing: how fast.
    pub takes: DurationText,
}

impl Default for GrayOptions {
    fn default() -> Self {
        Self {
            server: String::new(),
            kind: GrayKind::default(),
            from: DurationText::default(),
            until: DurationText::default(),
            mtbf: DurationText::default(),
            mttr: DurationText::default(),
            factor: 10,
            share: ProbabilityText::per_billion(1_000_000_000),
            takes: DurationText(Duration::millis(1)),
        }
    }
}

/// The `[system]` options of `system = "balancing"`. Mechanisms are off at 0 unless the option says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BalancingOptions {
    /// How many of the nodes balance: the first ones. The others serve.
    pub balancers: u32,
    /// How a balancer chooses a server.
    pub policy: Policy,
    /// How many servers are drawn for a request, where the policy draws several.
    pub choices: u32,
    /// How many servers each balancer knows, dealt so that each is known to as many; 0 for all.
    pub subset: u32,
    /// How long a request takes: the mean, or the median of a lognormal law.
    pub service: DurationText,
    /// How it varies.
    pub service_law: ServiceLaw,
    /// What 99 % of the requests take at most, under a lognormal law.
    pub service_p99: DurationText,
    /// The mean of the long requests, under a bimodal law.
    pub service_long: DurationText,
    /// The share of the long requests, under a bimodal law.
    pub long_share: ProbabilityText,
    /// Recorded service times: quantiles, or any sample.
    pub service_samples: Vec<DurationText>,
    /// How many requests a server works on at a time.
    pub workers: u32,
    /// How many requests may wait at a server; it refuses more.
    pub queue_limit: u32,
    /// In which order they are taken from the queue.
    pub queue_order: QueueOrder,
    /// Under controlled delay: what a request may wait while the queue does not get empty.
    pub queue_target: DurationText,
    /// How long a queue must not have been empty to be a standing one.
    pub queue_interval: DurationText,
    /// The weights of the servers, in order; equal weights if empty.
    pub weights: Vec<u32>,
    /// How long a balancer waits for a server before it tries another.
    pub attempt_timeout: DurationText,
    /// How often a balancer tries a request at most.
    pub attempts: u32,
    /// How many tries may follow failed ones, as a share of the requests. Up to 100 may be saved up.
    pub retry_budget: ProbabilityText,
    /// Whether that budget is kept to.
    pub retry_budgeted: bool,
    /// The wait before the first retry, doubled for each further one; half of it is random.
    pub retry_backoff: DurationText,
    /// The longest such wait.
    pub retry_backoff_max: DurationText,
    /// A second server is asked after this long; the first answer counts. Within the budget of retries.
    pub hedge_after: DurationText,
    /// The same, after what this share of the answers take.
    pub hedge_percentile: ProbabilityText,
    /// How long a request may take in all. Servers are told, and drop what nobody waits for.
    pub deadline: DurationText,
    /// How many requests a balancer may have under way; it refuses more.
    pub most_requests: u32,
    /// Between two health checks of a server.
    pub health_interval: DurationText,
    /// How long the answer to one may take.
    pub health_timeout: DurationText,
    /// So many bad ones in a row take a server out.
    pub unhealthy_after: u32,
    /// So many good ones in a row bring it back.
    pub healthy_after: u32,
    /// What a health check does.
    pub probe: Probe,
    /// So many failed requests in a row eject a server.
    pub eject_after: u32,
    /// For so long the first time, twice as long the second, and so on.
    pub eject_for: DurationText,
    /// But never longer than this.
    pub eject_longest: DurationText,
    /// The largest share of the servers that may be ejected at a time; one may always.
    pub eject_most: ProbabilityText,
    /// If a smaller share of the servers is in, all are asked, good or bad.
    pub panic_below: ProbabilityText,
    /// So many failed requests in a row open a server's circuit.
    pub breaker_failures: u32,
    /// After so long one request may try it.
    pub breaker_open: DurationText,
    /// How long a server that comes (back) is spared: its weight grows from a tenth to all of it.
    pub slow_start: DurationText,
    /// How much more than its share a server may hold under bounded hashing.
    pub slack: ProbabilityText,
    /// How fast a peak EWMA forgets a slow answer: the time in which it halves.
    pub half_life: DurationText,
    /// Servers that turn gray.
    pub gray: Vec<GrayOptions>,
    /// A known bug to switch on; `splitbrain list bugs` shows all.
    pub bug: BalancingBug,
}

impl Default for BalancingOptions {
    fn default() -> Self {
        let percent = |percent: u32| ProbabilityText::per_billion(percent * 10_000_000);
        let ms = |ms| DurationText(Duration::millis(ms));
        Self {
            balancers: 1,
            policy: Policy::default(),
            choices: 2,
            subset: 0,
            service: ms(10),
            service_law: ServiceLaw::default(),
            service_p99: ms(50),
            service_long: ms(100),
            long_share: percent(5),
            service_samples: Vec::new(),
            workers: 1,
            queue_limit: 1000,
            queue_order: QueueOrder::default(),
            queue_target: ms(5),
            queue_interval: ms(100),
            weights: Vec::new(),
            attempt_timeout: ms(500),
            attempts: 2,
            retry_budget: percent(20),
            retry_budgeted: true,
            retry_backoff: ms(0),
            retry_backoff_max: ms(1000),
            hedge_after: ms(0),
            hedge_percentile: percent(0),
            deadline: ms(0),
            most_requests: 0,
            health_interval: ms(0),
            health_timeout: ms(200),
            unhealthy_after: 3,
            healthy_after: 2,
            probe: Probe::default(),
            eject_after: 0,
            eject_for: ms(5000),
            eject_longest: ms(300_000),
            eject_most: percent(50),
            panic_below: percent(50),
            breaker_failures: 0,
            breaker_open: ms(2000),
            slow_start: ms(0),
            slack: percent(25),
            half_life: ms(1000),
            gray: Vec::new(),
            bug: BalancingBug::default(),
        }
    }
}

/// What is wrong, as it is found.
struct Complaints(Vec<Invalid>);

impl Complaints {
    fn of(&mut self, wrong: bool, key: &'static str, what: impl FnOnce() -> String, help: &str) {
        if wrong {
            self.0.push(Invalid { key, what: what(), help: help.to_owned() });
        }
    }
}

const fn is_zero(time: DurationText) -> bool {
    time.0.0 == 0
}

/// The time, unless it is 0: off.
fn unless_zero(time: DurationText) -> Option<Duration> {
    (!is_zero(time)).then_some(time.0)
}

fn ppm(share: ProbabilityText) -> u32 {
    (share.probability().as_f64() * 1e6) as u32
}

impl BalancingOptions {
    /// The configuration of a cluster of `nodes`, the last `spares` of which are no members at first.
    ///
    /// # Errors
    /// Every option that makes no sense, alone or with another.
    pub fn validate(&self, nodes: u32, spares: u32) -> Result<Config, Vec<Invalid>> {
        let mut complaints = Complaints(Vec::new());
        let servers = nodes.saturating_sub(self.balancers);
        self.complain(&mut complaints, nodes, servers, spares);
        self.complain_of_mechanisms(&mut complaints);
        let gray: Vec<Spell> = self.gray.iter().filter_map(|gray| self.spell(gray, nodes, &mut complaints)).collect();
        if !complaints.0.is_empty() {
            return Err(complaints.0);
        }
        let weights: Rc<[u32]> =
            if self.weights.is_empty() { vec![1; servers as usize].into() } else { self.weights.clone().into() };
        let ring = (self.policy == Policy::BoundedHashing).then(|| {
            // By the number of the server, so that the ring does not depend on how many balance.
            let members = weights
                .iter()
                .zip(0..)
                .map(|(weight, server)| Member { weight: *weight, ..Member::plain(NodeId(server)) });
            let members = Members::new(members).expect("there are servers, with weights");
            Rc::new(Ring::new(members, RingShape::with_points(POINTS)))
        });
        let percentile = ppm(self.hedge_percentile);
        Ok(Config {
            balancers: self.balancers,
            spares,
            weights,
            policy: self.policy,
            choices: self.choices,
            subset: self.subset,
            service: self.service(),
            workers: self.workers,
            queue_limit: self.queue_limit,
            discipline: Discipline {
                order: self.queue_order,
                target: self.queue_target.0,
                interval: self.queue_interval.0,
            },
            attempt_timeout: self.attempt_timeout.0,
            attempts: self.attempts,
            retry_budget_ppm: self.retry_budgeted.then(|| ppm(self.retry_budget)),
            backoff: (self.retry_backoff.0, self.retry_backoff_max.0),
            hedge: match unless_zero(self.hedge_after) {
                Some(after) => Some(Hedge::After(after)),
                None => (percentile > 0).then_some(Hedge::Percentile(percentile)),
            },
            deadline: unless_zero(self.deadline),
            most_requests: (self.most_requests > 0).then_some(self.most_requests),
            health: unless_zero(self.health_interval).map(|interval| HealthChecks {
                interval,
                timeout: self.health_timeout.0,
                unhealthy: self.unhealthy_after,
                healthy: self.healthy_after,
                connect: self.probe == Probe::Connect,
            }),
            ejection: (self.eject_after > 0).then_some(Ejection {
                after: self.eject_after,
                lasts: self.eject_for.0,
                longest: self.eject_longest.0,
                most_ppm: ppm(self.eject_most),
            }),
            panic_below_ppm: ppm(self.panic_below),
            breaker: (self.breaker_failures > 0)
                .then_some(Breaker { failures: self.breaker_failures, open: self.breaker_open.0 }),
            slow_start: self.slow_start.0,
            slack_ppm: ppm(self.slack),
            half_life: self.half_life.0,
            ring,
            gray: gray.into(),
            bug: self.bug,
        })
    }

    fn complain(&self, complaints: &mut Complaints, nodes: u32, servers: u32, spares: u32) {
        complaints.of(self.balancers == 0, "balancers", || "nobody balances".into(), "at least 1");
        complaints.of(
            self.balancers > 0 && servers <= spares,
            "balancers",
            || match spares {
                0 => format!("{} of {nodes} nodes balance, and nobody serves", self.balancers),
                _ => format!(
                    "{} of {nodes} nodes balance, and the {spares} spares leave nobody to serve",
                    self.balancers
                ),
            },
            "fewer than cluster.nodes",
        );
        complaints.of(is_zero(self.service), "service", || "work that takes no time".into(), "for example \"10ms\"");
        complaints.of(
            self.service_law == ServiceLaw::Lognormal && self.service_p99 < self.service,
            "service_p99",
            || format!("99 % take {} at most, but half take {} or more", self.service_p99, self.service),
            "at least the median, `service`",
        );
        complaints.of(
            self.service_law == ServiceLaw::Recorded && self.service_samples.is_empty(),
            "service_samples",
            || "a recorded law without a record".into(),
            "for example [\"1ms\", \"2ms\", \"40ms\"]",
        );
        complaints.of(
            self.workers == 0 || self.workers > MOST_WORKERS,
            "workers",
            || format!("{} workers a server", self.workers),
            "from 1 to 64",
        );
        complaints.of(
            self.choices == 0 || self.choices as usize > MOST_CHOICES,
            "choices",
            || format!("{} servers drawn for a request", self.choices),
            "from 1 to 16; 2 is usual",
        );
        complaints.of(
            !self.weights.is_empty() && self.weights.len() != servers as usize,
            "weights",
            || format!("{} weights for {servers} servers", self.weights.len()),
            "one for each server, or none",
        );
        complaints.of(self.weights.contains(&0), "weights", || "a server of no weight".into(), "at least 1 each");
        complaints.of(
            self.weights.iter().any(|weight| *weight > 1_000_000),
            "weights",
            || "a weight beyond reason".into(),
            "at most 1000000 each",
        );
    }

    fn complain_of_mechanisms(&self, complaints: &mut Complaints) {
        let mut none = |wrong: bool, key, what: &str, help| complaints.of(wrong, key, || what.to_owned(), help);
        none(is_zero(self.attempt_timeout), "attempt_timeout", "no time to answer", "for example \"500ms\"");
        none(self.attempts == 0, "attempts", "no try at all", "1 for no retry");
        none(is_zero(self.half_life), "half_life", "an average of nothing", "for example \"1s\"");
        let (hedged, percentile) = (!is_zero(self.hedge_after), ppm(self.hedge_percentile));
        none(hedged && percentile > 0, "hedge_percentile", "two times to hedge at", "only one of the two");
        none(percentile >= 1_000_000, "hedge_percentile", "no answer takes longer than all", "for example \"95%\"");
        let checked = !is_zero(self.health_interval);
        none(
            checked && (is_zero(self.health_timeout) || self.health_timeout > self.health_interval),
            "health_timeout",
            "a check must be over before the next one",
            "more than 0, and at most health_interval",
        );
        none(checked && self.unhealthy_after == 0, "unhealthy_after", "out without a bad check", "at least 1");
        none(checked && self.healthy_after == 0, "healthy_after", "back without a good check", "at least 1");
        let ejects = self.eject_after > 0;
        none(ejects && is_zero(self.eject_for), "eject_for", "an ejection of no time", "for example \"5s\"");
        none(
            ejects && self.eject_longest < self.eject_for,
            "eject_longest",
            "shorter than the first ejection",
            "at least eject_for",
        );
        none(
            self.breaker_failures > 0 && is_zero(self.breaker_open),
            "breaker_open",
            "a circuit that is not open when it opens",
            "for example \"2s\"",
        );
    }

    fn service(&self) -> Service {
        let mean = self.service.0;
        match self.service_law {
            ServiceLaw::Fixed => Service::One(Latency::Fixed(mean)),
            ServiceLaw::Exponential => Service::One(Latency::exponential(mean)),
            ServiceLaw::Lognormal => Service::One(Latency::lognormal(mean, self.service_p99.0)),
            ServiceLaw::Bimodal => {
                let long = Latency::exponential(self.service_long.0);
                Service::Two(Latency::exponential(mean), long, self.long_share.probability())
            }
            ServiceLaw::Recorded => {
                let samples: Vec<Duration> = self.service_samples.iter().map(|sample| sample.0).collect();
                Service::One(Latency::recorded(&samples))
            }
        }
    }

    /// A gray server as meant, unless it makes no sense.
    fn spell(&self, gray: &GrayOptions, nodes: u32, complaints: &mut Complaints) -> Option<Spell> {
        let before = complaints.0.len();
        let number = gray.server.strip_prefix('n').and_then(|number| number.parse::<u32>().ok());
        let server = number.filter(|number| (self.balancers + 1..=nodes).contains(number)).map(|n| NodeId(n - 1));
        let help = format!("a server: from \"n{}\" to \"n{nodes}\", or none for all", self.balancers + 1);
        complaints.of(
            server.is_none() && !gray.server.is_empty(),
            "gray",
            || format!("no server is called {:?}", gray.server),
            &help,
        );
        let process = !is_zero(gray.mtbf) || !is_zero(gray.mttr);
        complaints.of(
            process && (is_zero(gray.mtbf) || is_zero(gray.mttr)),
            "gray",
            || "a random process needs both `mtbf` and `mttr`".to_owned(),
            "for example mtbf = \"10s\", mttr = \"2s\"",
        );
        complaints.of(
            process && !is_zero(gray.from),
            "gray",
            || "either at a fixed time or at random".to_owned(),
            "`from`, or `mtbf` and `mttr`; `until` with either",
        );
        complaints.of(
            !is_zero(gray.until) && gray.until <= gray.from,
            "gray",
            || format!("well again at {}, before it turns gray at {}", gray.until, gray.from),
            "`until` after `from`",
        );
        complaints.of(gray.factor == 0, "gray", || "slow by a factor of 0".to_owned(), "at least 2");
        let until = if is_zero(gray.until) { Instant::FAR } else { Instant::ZERO + gray.until.0 };
        (complaints.0.len() == before).then(|| Spell {
            server,
            gray: match gray.kind {
                GrayKind::Slow => Gray::Slow { factor: gray.factor },
                GrayKind::Failing => Gray::Failing { share: gray.share.probability(), takes: gray.takes.0 },
                GrayKind::Hung => Gray::Hung,
            },
            when: if process {
                When::Process(gray.mtbf.0, gray.mttr.0, until)
            } else {
                When::Once(Instant::ZERO + gray.from.0, until)
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(options: &BalancingOptions, nodes: u32) -> Vec<&'static str> {
        options.validate(nodes, 0).unwrap_err().iter().map(|i| i.key).collect()
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
        let expected = ["balancers", "service", "workers", "choices", "weights", "weights", "attempts", "gray"];
        assert_eq!(wrong(&options, 4), expected);
        let config = BalancingOptions { policy: Policy::BoundedHashing, ..BalancingOptions::default() }.validate(5, 1);
        let config = config.unwrap();
        assert_eq!((config.servers(), config.server(0), config.retry_budget_ppm), (4, NodeId(1), Some(200_000)));
        assert!(config.ring.is_some());
        assert_eq!((config.spares, config.health.is_none(), config.ejection.is_none()), (1, true, true));
    }

    #[test]
    fn mechanisms_are_looked_at_when_they_are_on() {
        let on = BalancingOptions {
            health_interval: DurationText(Duration::millis(100)),
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
        let gray = |gray| BalancingOptions { gray: vec![gray], ..BalancingOptions::default() }.validate(3, 0);
        assert_eq!(gray(times(20, 10, 0, 0)).unwrap_err().len(), 1);
        assert_eq!(gray(times(20, 30, 10, 10)).unwrap_err().len(), 1);
        assert_eq!(gray(times(0, 0, 10, 0)).unwrap_err().len(), 1);
        assert_eq!(gray(times(20, 0, 0, 0)).unwrap().gray.len(), 1);
        assert_eq!(gray(times(0, 30, 10, 10)).unwrap().gray.len(), 1);
    }
}
