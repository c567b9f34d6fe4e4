//! Registration: the options as written in `[system]`, their validation, and the [`System`] itself.

use super::checks::BalancingChecks;
use super::client::{BalancingClient, client};
use super::config::{Config, MOST_WORKERS};
use super::message::{FACT_KINDS, MESSAGE_KINDS, Work};
use super::node::{Machine, TIMERS};
use super::picker::MOST_CHOICES;
use super::policy::Policy;
use crate::hashing::placement::{Member, Members, Ring, RingShape};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::network::Latency;
use sim_core::units::{DurationText, ProbabilityText};
use sim_core::workload::Load;
use sim_core::{Budget, Class, Duration, History, Invalid, NodeId, Operation, Shape, System, Verdict};
use std::rc::Rc;

/// Points of the ring for each unit of a server's weight.
const POINTS: u32 = 100;

/// The law of service times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServiceLaw {
    /// Always the mean.
    Fixed,
    /// Exponential: what queueing theory is written for.
    #[default]
    Exponential,
    /// Lognormal with the given median and 99th percentile: what most services look like.
    Lognormal,
}

/// The `[system]` options of `system = "balancing"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BalancingOptions {
    /// How many of the nodes balance: the first ones. The others serve.
    pub balancers: u32,
    /// How a balancer chooses a server.
    pub policy: Policy,
    /// How many servers are drawn for a request, where the policy draws several.
    pub choices: u32,
    /// How long a request takes: the mean, or the median of a lognormal law.
    pub service: DurationText,
    /// How it varies.
    pub service_law: ServiceLaw,
    /// What 99 % of the requests take at most, under a lognormal law.
    pub service_p99: DurationText,
    /// How many requests a server works on at a time.
    pub workers: u32,
    /// How many requests may wait at a server; it refuses more.
    pub queue_limit: u32,
    /// The weights of the servers, in order; equal weights if empty.
    pub weights: Vec<u32>,
    /// How long a balancer waits for a server before it tries another.
    pub attempt_timeout: DurationText,
    /// How often a balancer tries a request at most.
    pub attempts: u32,
    /// How many tries may follow failed ones, as a share of the requests.
    pub retry_budget: ProbabilityText,
    /// How much more than its share a server may hold under bounded hashing.
    pub slack: ProbabilityText,
    /// How fast a peak EWMA forgets a slow answer: the time in which it halves.
    pub half_life: DurationText,
}

impl Default for BalancingOptions {
    fn default() -> Self {
        Self {
            balancers: 1,
            policy: Policy::default(),
            choices: 2,
            service: DurationText(Duration::millis(10)),
            service_law: ServiceLaw::default(),
            service_p99: DurationText(Duration::millis(50)),
            workers: 1,
            queue_limit: 1000,
            weights: Vec::new(),
            attempt_timeout: DurationText(Duration::millis(500)),
            attempts: 2,
            retry_budget: ProbabilityText::per_billion(200_000_000),
            slack: ProbabilityText::per_billion(250_000_000),
            half_life: DurationText(Duration::secs(1)),
        }
    }
}

impl BalancingOptions {
    /// The configuration of a cluster of `nodes`.
    ///
    /// # Errors
    /// Every option that makes no sense, alone or with another.
    pub fn validate(&self, nodes: u32) -> Result<Config, Vec<Invalid>> {
        let mut invalid = Vec::new();
        let mut complain = |wrong: bool, key, what: String, help: &str| {
            if wrong {
                invalid.push(Invalid { key, what, help: help.to_owned() });
            }
        };
        let servers = nodes.saturating_sub(self.balancers);
        complain(self.balancers == 0, "balancers", "nobody balances".into(), "at least 1");
        complain(
            self.balancers > 0 && servers == 0,
            "balancers",
            format!("{} of {nodes} nodes balance, and nobody serves", self.balancers),
            "fewer than cluster.nodes",
        );
        let zero = |time: DurationText| time.0 == Duration::ZERO;
        complain(zero(self.service), "service", "work that takes no time".into(), "for example \"10ms\"");
        complain(
            self.service_law == ServiceLaw::Lognormal && self.service_p99 < self.service,
            "service_p99",
            format!("99 % take {} at most, but half take {} or more", self.service_p99, self.service),
            "at least the median, `service`",
        );
        complain(
            self.workers == 0 || self.workers > MOST_WORKERS,
            "workers",
            format!("{} workers a server", self.workers),
            "from 1 to 64",
        );
        complain(
            self.choices == 0 || self.choices as usize > MOST_CHOICES,
            "choices",
            format!("{} servers drawn for a request", self.choices),
            "from 1 to 16; 2 is usual",
        );
        complain(
            !self.weights.is_empty() && self.weights.len() != servers as usize,
            "weights",
            format!("{} weights for {servers} servers", self.weights.len()),
            "one for each server, or none",
        );
        complain(self.weights.contains(&0), "weights", "a server of no weight".into(), "at least 1 each");
        complain(zero(self.attempt_timeout), "attempt_timeout", "no time to answer".into(), "for example \"500ms\"");
        complain(self.attempts == 0, "attempts", "no try at all".into(), "1 for no retry");
        complain(zero(self.half_life), "half_life", "an average of nothing".into(), "for example \"1s\"");
        if !invalid.is_empty() {
            return Err(invalid);
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
        let ppm = |share: ProbabilityText| (share.probability().as_f64() * 1e6) as u32;
        Ok(Config {
            balancers: self.balancers,
            weights,
            policy: self.policy,
            choices: self.choices,
            service: match self.service_law {
                ServiceLaw::Fixed => Latency::Fixed(self.service.0),
                ServiceLaw::Exponential => Latency::exponential(self.service.0),
                ServiceLaw::Lognormal => Latency::lognormal(self.service.0, self.service_p99.0),
            },
            workers: self.workers,
            queue_limit: self.queue_limit,
            attempt_timeout: self.attempt_timeout.0,
            attempts: self.attempts,
            retry_budget_ppm: Some(ppm(self.retry_budget)),
            slack_ppm: ppm(self.slack),
            half_life: self.half_life.0,
            ring,
        })
    }
}

/// Balancers before servers with queues.
#[derive(Debug)]
pub struct BalancingSystem;

impl System for BalancingSystem {
    const NAME: &'static str = "balancing";
    const ABOUT: &'static str = "balancers before servers with queues: policies, retries and what waiting costs";
    const TIMERS: u16 = TIMERS;
    type Node = Machine;
    type Client = BalancingClient;
    type Checks = BalancingChecks;
    type Options = BalancingOptions;

    fn configure(options: BalancingOptions, shape: &Shape) -> Result<Config, Vec<Invalid>> {
        options.validate(shape.nodes() as u32)
    }

    fn client(_: &Config, load: Load) -> BalancingClient {
        client(load)
    }

    fn checks(config: &Config) -> BalancingChecks {
        BalancingChecks::new(config)
    }

    fn operation(request: &Work) -> Operation {
        Operation { class: Class::Read, name: "work", key: Some(request.key) }
    }

    fn carries(config: &Config, node: NodeId) -> bool {
        !config.is_balancer(node)
    }

    fn message_kinds() -> &'static [&'static str] {
        MESSAGE_KINDS
    }

    fn fact_kinds() -> &'static [&'static str] {
        FACT_KINDS
    }

    fn judge(
        _: &History<Machine>,
        checks: &BalancingChecks,
        _: &[Option<Machine>],
        _: Budget,
        linearizable: bool,
    ) -> Vec<Verdict> {
        let mut verdicts = checks.verdicts();
        if linearizable {
            let why = "work has no state that could be read".to_owned();
            verdicts.push(Verdict::Inconclusive { rule: "linearizable", why });
        }
        verdicts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = BalancingOptions {
            balancers: 4,
            workers: 65,
            choices: 0,
            weights: vec![1, 0],
            attempts: 0,
            service: DurationText(Duration::ZERO),
            ..BalancingOptions::default()
        };
        let invalid = options.validate(4).unwrap_err();
        let keys: Vec<_> = invalid.iter().map(|i| i.key).collect();
        assert_eq!(keys, ["balancers", "service", "workers", "choices", "weights", "weights", "attempts"]);
        let config = BalancingOptions { policy: Policy::BoundedHashing, ..BalancingOptions::default() }.validate(5);
        let config = config.unwrap();
        assert_eq!((config.servers(), config.server(0), config.retry_budget_ppm), (4, NodeId(1), Some(200_000)));
        assert!(config.ring.is_some());
    }
}
