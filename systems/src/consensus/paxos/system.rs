//! Registration: Paxos as a protocol that replicates any state machine, and the system that replicates a store by it.

use super::checks::{self, PaxosChecks};
use super::node::Paxos;
use super::options::{Config, PaxosOptions};
use crate::shared::kv::Kv;
use crate::shared::replication::{Group, Protocol, Replicated};
use sim_core::{Phase, Profile, Rule, StateMachine};

/// A key-value store replicated by Paxos.
pub type PaxosSystem = Replicated<PaxosProtocol, Kv>;

/// Paxos, whatever it replicates.
#[derive(Clone, Copy, Debug)]
pub struct PaxosProtocol;

impl Protocol for PaxosProtocol {
    const NAME: Option<&'static str> = Some("paxos");
    const ABOUT: &'static str = "Multi-Paxos, with a stable leader and flexible quorums";
    const PHASES: &'static [Phase] = &[
        Phase { name: "undetected", ends_with: Some("campaign") },
        Phase { name: "prepare", ends_with: Some("elected") },
        Phase { name: "open slots", ends_with: Some("first_commit") },
        Phase { name: "clients find the leader", ends_with: None },
    ];
    const RULES: &'static [&'static [Rule]] = &[checks::RULES];
    type Options = PaxosOptions;
    type Config = Config;
    type Node<M: StateMachine> = Paxos<M>;
    type Checks<M: StateMachine> = PaxosChecks;

    fn group(group: &Group) -> Config {
        Config {
            nodes: group.members,
            first: group.first,
            spares: group.nodes - group.first - group.members,
            heartbeat: group.heartbeat,
            election_min: group.election.0,
            election_max: group.election.1,
            snapshot_every: group.snapshot_every,
            snapshot_keep: group.snapshot_keep,
            ..Config::new(group.members)
        }
    }

    fn checks<M: StateMachine>(config: &Config) -> PaxosChecks {
        PaxosChecks::new(config)
    }

    fn profile(config: &Config) -> Profile {
        Profile { recovery: Some(config.election_min), ..Profile::default() }
    }
}
