//! Registration: the [`System`] itself.

use super::bugs::CATALOGUE;
use super::checks::{self, PaxosChecks};
use super::client::{PaxosClient, client};
use super::message::{FACT_KINDS, MESSAGE_KINDS};
use super::node::{Paxos, TIMERS};
use super::options::{Config, PaxosOptions};
use crate::shared::kv::{self, Kv, KvCommand};
use crate::shared::replication::{audit, held_reads, kept_snapshots, measures};
use sim_core::measures::Measures;
use sim_core::workload::Load;
use sim_core::{Bug, Finished, Invalid, Operation, Order, Phase, Profile, Rule, Shape, System, Verdict};

/// A key-value store replicated by Multi-Paxos.
#[derive(Debug)]
pub struct PaxosSystem;

impl System for PaxosSystem {
    const NAME: &'static str = "paxos";
    const MODEL: Option<&'static str> = Some("kv");
    const ABOUT: &'static str =
        "a key-value store replicated by Multi-Paxos, with a stable leader and flexible quorums";
    const TIMERS: u16 = TIMERS;
    const PHASES: &'static [Phase] = &[
        Phase { name: "undetected", ends_with: Some("campaign") },
        Phase { name: "prepare", ends_with: Some("elected") },
        Phase { name: "open slots", ends_with: Some("first_commit") },
        Phase { name: "clients find the leader", ends_with: None },
    ];
    const MESSAGE_KINDS: &'static [&'static str] = MESSAGE_KINDS;
    const FACT_KINDS: &'static [&'static str] = FACT_KINDS;
    const ORDERS: &'static [&'static str] = Order::KINDS;
    const BUGS: &'static [Bug] = CATALOGUE;
    const RULES: &'static [&'static [Rule]] =
        &[checks::RULES, audit::RULES, audit::OF_SESSIONS, held_reads::RULES, kept_snapshots::RULES];
    type Node = Paxos<Kv>;
    type Client = PaxosClient;
    type Checks = PaxosChecks;
    type Options = PaxosOptions;

    fn configure(options: PaxosOptions, shape: &Shape) -> Result<Config, Vec<Invalid>> {
        options.validate(shape)
    }

    fn client(_: &Config, load: Load) -> PaxosClient {
        client(load)
    }

    fn checks(config: &Config) -> PaxosChecks {
        PaxosChecks::new(config)
    }

    fn profile(config: &Config) -> Profile {
        Profile { recovery: Some(config.election_min), ..Profile::default() }
    }

    fn operation(request: &KvCommand) -> Operation {
        kv::operation(request)
    }

    fn keys(node: &Paxos<Kv>) -> u64 {
        node.machine().keys()
    }

    fn measure(run: &Finished<'_, Self>) -> Measures {
        measures(run.checks.audit(), run.history, run.nodes, run.span.end)
    }

    fn judge(run: &Finished<'_, Self>) -> Vec<Verdict> {
        let mut verdicts = run.checks.verdicts(run.nodes);
        if run.linearizable {
            verdicts.push(kv::judge_linearizable(run.history, run.budget));
        }
        verdicts
    }
}
