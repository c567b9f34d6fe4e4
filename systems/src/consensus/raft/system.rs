//! Registration: Raft as a protocol that replicates any state machine, and the system that replicates a store by it.

use super::checks::{self, RaftChecks};
use super::leader_checks;
use super::member_checks;
use super::node::Raft;
use super::options::{Config, RaftOptions};
use super::promise_checks;
use crate::shared::kv::Kv;
use crate::shared::replication::{Group, Protocol, Replicated};
use sim_core::{Phase, Profile, Rule, StateMachine};

/// A key-value store replicated by Raft.
pub type RaftSystem = Replicated<RaftProtocol, Kv>;

/// Raft, whatever it replicates.
#[derive(Clone, Copy, Debug)]
pub struct RaftProtocol;

impl Protocol for RaftProtocol {
    const NAME: Option<&'static str> = Some("raft");
    const ABOUT: &'static str = "Raft, as in Ongaro's dissertation";
    const PHASES: &'static [Phase] = &[
        Phase { name: "undetected", ends_with: Some("campaign") },
        Phase { name: "election", ends_with: Some("elected") },
        Phase { name: "first commit", ends_with: Some("first_commit") },
        Phase { name: "clients find the leader", ends_with: None },
    ];
    const RULES: &'static [&'static [Rule]] =
        &[checks::RULES, member_checks::RULES, promise_checks::RULES, leader_checks::RULES];
    type Options = RaftOptions;
    type Config = Config;
    type Node<M: StateMachine> = Raft<M>;
    type Checks<M: StateMachine> = RaftChecks;

    fn group(group: &Group) -> Config {
        Config {
            nodes: group.nodes,
            first: group.first,
            members: group.members,
            heartbeat: group.heartbeat,
            election_min: group.election.0,
            election_max: group.election.1,
            snapshot_every: group.snapshot_every,
            snapshot_keep: group.snapshot_keep,
            ..Config::new(group.members)
        }
    }

    fn checks<M: StateMachine>(config: &Config) -> RaftChecks {
        RaftChecks::new(config.nodes)
    }

    fn profile(config: &Config) -> Profile {
        Profile { recovery: Some(config.election_min), ..Profile::default() }
    }
}
