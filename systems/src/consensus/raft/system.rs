//! Registration: Raft as a protocol that replicates any state machine, and the system that replicates a store by it.

use super::bugs::CATALOGUE;
use super::checks::{self, RaftChecks};
use super::log::Payload;
use super::member_checks;
use super::message::{FACT_KINDS, MESSAGE_KINDS};
use super::node::{Raft, Stage, TIMERS};
use super::options::{Config, RaftOptions};
use super::promise_checks;
use crate::shared::kv::Kv;
use crate::shared::replication::{Consensus, Protocol, Reign, Replicated, Survivor};
use sim_core::{Bug, ClientId, Invalid, NodeId, Phase, Profile, Rule, Shape, StateMachine};

/// A key-value store replicated by Raft.
pub type RaftSystem = Replicated<RaftProtocol, Kv>;

/// Raft, whatever it replicates.
#[derive(Clone, Copy, Debug)]
pub struct RaftProtocol;

impl Protocol for RaftProtocol {
    const NAME: Option<&'static str> = Some("raft");
    const ABOUT: &'static str = "Raft, as in Ongaro's dissertation";
    const TIMERS: u16 = TIMERS;
    const PHASES: &'static [Phase] = &[
        Phase { name: "undetected", ends_with: Some("campaign") },
        Phase { name: "election", ends_with: Some("elected") },
        Phase { name: "first commit", ends_with: Some("first_commit") },
        Phase { name: "clients find the leader", ends_with: None },
    ];
    const MESSAGE_KINDS: &'static [&'static str] = MESSAGE_KINDS;
    const FACT_KINDS: &'static [&'static str] = FACT_KINDS;
    const BUGS: &'static [Bug] = CATALOGUE;
    const RULES: &'static [&'static [Rule]] = &[checks::RULES, member_checks::RULES, promise_checks::RULES];
    type Options = RaftOptions;
    type Config = Config;
    type Node<M: StateMachine> = Raft<M>;
    type Checks<M: StateMachine> = RaftChecks;

    fn configure(options: RaftOptions, shape: &Shape) -> Result<Config, Vec<Invalid>> {
        options.validate(shape)
    }

    fn checks<M: StateMachine>(config: &Config) -> RaftChecks {
        RaftChecks::new(config.nodes)
    }

    fn profile(config: &Config) -> Profile {
        Profile { recovery: Some(config.election_min), ..Profile::default() }
    }
}

impl<M: StateMachine> Consensus for Raft<M> {
    type Machine = M;

    fn machine(&self) -> &M {
        self.state.machine()
    }

    fn digest(&self) -> u64 {
        self.state.digest()
    }

    fn led_by(&self) -> Option<(NodeId, Reign)> {
        self.leader.map(|leader| (leader, (self.term, 0)))
    }

    fn commit(&self) -> u64 {
        self.commit
    }

    fn applied(&self) -> u64 {
        self.applied
    }
}

impl<M: StateMachine> Survivor for Raft<M> {
    fn node(&self) -> NodeId {
        self.me
    }

    fn leads(&self) -> Option<Reign> {
        (self.stage == Stage::Leader).then_some((self.term, 0))
    }

    fn standing(&self) -> (u64, u64) {
        (self.log().last_term(), self.log().last())
    }

    fn last(&self) -> u64 {
        self.log().last()
    }

    fn base(&self) -> u64 {
        self.log().base()
    }

    fn operation_at(&self, index: u64) -> Option<(ClientId, u64)> {
        match &self.log().entry(index)?.payload {
            Payload::Command { stamp, .. } => Some((stamp.client, stamp.op)),
            Payload::Noop | Payload::Configuration(_) => None,
        }
    }

    fn remembers(&self, client: ClientId, op: u64) -> bool {
        self.state.remembers(client, op)
    }
}
