//! Registration: the [`System`] itself.

use super::checks::{self, FailoverChecks};
use super::client::FailoverClient;
use super::node::{Failover, TIMERS};
use super::options::{Config, FailoverOptions, Suspicion};
use super::promises;
use super::sentinel;
use crate::shared::fail_over;
use crate::shared::kv::{self, KvCommand};
use crate::shared::replication::audit;
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::workload::Load;
use sim_core::{Finished, NodeId, Operation, Phase, Profile, Rule, System, Verdict};

/// A key-value store on a primary and its backups.
#[derive(Debug)]
pub struct FailoverSystem;

static GAUGES: &[MetricKind] = &[
    MetricKind::new("log_end", "log end", Unit::Number, "the newest entry that each node has in its log")
        .more_is_better(),
    MetricKind::new("epoch", "epoch", Unit::Number, "the newest epoch that each node knows of"),
];

impl System for FailoverSystem {
    const NAME: &'static str = "failover";
    const MODEL: Option<&'static str> = Some("kv");
    const ABOUT: &'static str =
        "a key-value store on a primary and its backups, with arbiters, fencing and redirection";
    const TIMERS: u16 = TIMERS;
    const METRICS: &'static [MetricKind] = fail_over::METRICS;
    const PHASES: &'static [Phase] = &[
        Phase { name: "detect", ends_with: Some("suspected") },
        Phase { name: "decide", ends_with: Some("decided") },
        Phase { name: "promote", ends_with: Some("promoted") },
        Phase { name: "clients back", ends_with: None },
    ];
    const ORDERS: &'static [&'static str] = &["lead"];
    const GAUGES: &'static [MetricKind] = GAUGES;
    const RULES: &'static [&'static [Rule]] =
        &[checks::RULES, promises::RULES, sentinel::RULES, audit::RULES, audit::OF_SESSIONS];
    type Node = Failover;
    type Client = FailoverClient;
    type Checks = FailoverChecks;
    type Options = FailoverOptions;

    fn client(_: &Config, load: Load) -> FailoverClient {
        FailoverClient::new(load)
    }

    fn checks(config: &Config) -> FailoverChecks {
        FailoverChecks::new(config)
    }

    fn profile(config: &Config) -> Profile {
        let recovery = match config.detector {
            Suspicion::Timeout => config.failure_timeout,
            _ => config.heartbeat,
        };
        Profile { recovery: Some(recovery), ..Profile::default() }
    }

    fn operation(request: &KvCommand) -> Operation {
        kv::operation(request)
    }

    fn asked(config: &Config, node: NodeId) -> bool {
        // Clients of sentinels ask those, and go where they are sent.
        !config.has_sentinels() || !config.holds_data(node)
    }

    fn carries(config: &Config, node: NodeId) -> bool {
        config.holds_data(node) || config.storage_node() == Some(node)
    }

    fn keys(node: &Failover) -> u64 {
        node.store().keys()
    }

    fn gauge(node: &Failover, which: usize) -> u64 {
        if which == 0 { node.log().last() } else { node.epoch() }
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        run.checks.measured(run.nodes, run.span)
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = run.checks.verdicts(run.nodes);
        if run.linearizable {
            verdicts.push(kv::judge_linearizable(run.history, run.budget));
        }
        verdicts
    }
}
