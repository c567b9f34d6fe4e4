//! Registration: the [`System`] itself.

use super::checks::{self, QueueChecks};
use super::client::QueueClient;
use super::duties;
use super::message::QueueRequest;
use super::node::{Machine, TIMERS};
use super::options::{Config, QueueOptions};
use super::story::METRICS;
use sim_core::measures::Measures;
use sim_core::metric::MetricKind;
use sim_core::workload::{Generated, Load, OperationKind};
use sim_core::{Finished, LoadUnit, Operation, Phase, Profile, RoleKind, Rule, System, Verdict};
use std::rc::Rc;

/// Brokers, controllers, producers and consumers.
#[derive(Debug)]
pub struct QueueSystem;

impl System for QueueSystem {
    const NAME: &'static str = "queue";
    const ABOUT: &'static str = "a replicated log as Kafka: partitions in sync, idempotent producers, consumer groups";
    const TIMERS: u16 = TIMERS;
    const LOAD: LoadUnit = LoadUnit::Work("batches taken and fetches answered");
    const METRICS: &'static [MetricKind] = METRICS;
    const PHASES: &'static [Phase] = &[
        Phase { name: "undetected", ends_with: Some("fenced") },
        Phase { name: "another leads", ends_with: Some("leads") },
        Phase { name: "producers find it", ends_with: None },
    ];
    const ROLES: &'static [RoleKind] = &[
        RoleKind { asked: false, ..RoleKind::member("broker", "keeps partitions") },
        RoleKind::other("controller", "keeps the metadata, with the others").at_least(1).at_most(9),
        RoleKind::other("producer", "runs programs that send messages").seats(),
        RoleKind::other("consumer", "works on messages, as a member of a group"),
    ];
    const SHARDS: &'static str = "partitions";
    const OPERATIONS: &'static [OperationKind] = QueueRequest::OPERATIONS;
    const RULES: &'static [&'static [Rule]] = &[checks::RULES, duties::RULES];
    type Node = Machine;
    type Client = QueueClient;
    type Checks = QueueChecks;
    type Options = QueueOptions;

    fn default_groups(nodes: u32) -> Vec<(&'static str, u32)> {
        let brokers = nodes.saturating_sub(3).clamp(1, 3);
        let rest = nodes.saturating_sub(brokers + 2);
        vec![("broker", brokers), ("controller", 1), ("producer", 1), ("consumer", rest)]
    }

    fn client(_: &Rc<Config>, load: Load) -> QueueClient {
        Generated::new(load, QueueRequest::of)
    }

    fn checks(config: &Rc<Config>) -> QueueChecks {
        QueueChecks::new(config)
    }

    fn profile(config: &Rc<Config>) -> Profile {
        let shards = config.data_partitions() as u16;
        Profile { shards, recovery: Some(config.broker_session), ..Profile::default() }
    }

    fn shard(config: &Rc<Config>, key: u64) -> u16 {
        config.partition_of(key).0 as u16
    }

    fn operation(request: &QueueRequest) -> Operation {
        request.operation()
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        run.checks.story.measures(run.checks, run.span.end)
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        run.checks.verdicts(run.nodes)
    }
}
