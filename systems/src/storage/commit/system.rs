//! Registration: the [`System`] itself.

use super::checks::{self, CommitChecks};
use super::client::CommitClient;
use super::measure::METRICS;
use super::message::CommitRequest;
use super::node::{Machine, TIMERS};
use super::options::{CommitOptions, Config};
use sim_core::measures::Measures;
use sim_core::metric::MetricKind;
use sim_core::workload::{Generated, Load, OperationKind};
use sim_core::{Duration, Finished, Operation, Phase, Profile, RoleKind, Rule, System, Verdict};
use std::rc::Rc;

/// Coordinators, and shards that commit together or not at all.
#[derive(Debug)]
pub struct CommitSystem;

impl System for CommitSystem {
    const NAME: &'static str = "commit";
    const ABOUT: &'static str =
        "transactions over shards: two-phase and three-phase commit, Paxos Commit, locks or snapshots";
    const TIMERS: u16 = TIMERS;
    const METRICS: &'static [MetricKind] = METRICS;
    const PHASES: &'static [Phase] = &[Phase { name: "transactions do not end", ends_with: None }];
    const ROLES: &'static [RoleKind] = &[
        RoleKind::member("coordinator", "takes clients' transactions to their end").at_most(64),
        RoleKind { asked: false, ..RoleKind::member("shard", "holds a part of the data, or a copy of one") },
    ];
    const OPERATIONS: &'static [OperationKind] = CommitRequest::OPERATIONS;
    const RULES: &'static [&'static [Rule]] = &[checks::RULES];
    type Node = Machine;
    type Client = CommitClient;
    type Checks = CommitChecks;
    type Options = CommitOptions;

    fn default_groups(nodes: u32) -> Vec<(&'static str, u32)> {
        let coordinators = if nodes > 3 { 2 } else { 1 };
        vec![("coordinator", coordinators), ("shard", nodes.saturating_sub(coordinators))]
    }

    /// One list: a probe is to see whether a shard can be used, not to wait for another probe.
    fn probes() -> (u16, u16) {
        (8, 9)
    }

    fn client(_: &Rc<Config>, load: Load) -> CommitClient {
        Generated::new(load, CommitRequest::of)
    }

    fn checks(config: &Rc<Config>) -> CommitChecks {
        CommitChecks::new(config)
    }

    fn profile(config: &Rc<Config>) -> Profile {
        let recovery = Some(config.vote_timeout + config.inquire_after);
        Profile { shards: config.shards() as u16, recovery, ..Profile::default() }
    }

    fn shard(config: &Rc<Config>, key: u64) -> u16 {
        (key % config.keys % u64::from(config.shards())) as u16
    }

    fn operation(request: &CommitRequest) -> Operation {
        request.operation()
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        run.checks.measures(run.span)
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        run.checks.verdicts(run.nodes, run.span.end)
    }
}

/// How long anybody is in doubt, or holds locks, at most, once everything is up and connected.
#[must_use]
pub fn patience(config: &Config) -> Duration {
    let ask = config.inquire_after.times(8) + config.idle_timeout.times(7) + config.retry.times(20);
    ask + config.vote_timeout.times(6) + config.lock_timeout.times(2)
}
