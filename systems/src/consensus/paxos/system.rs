//! Registration: Paxos as a protocol that replicates any state machine, and the system that replicates a store by it.

use super::bugs::CATALOGUE;
use super::checks::{self, PaxosChecks};
use super::log::Payload;
use super::message::{FACT_KINDS, MESSAGE_KINDS};
use super::node::{Paxos, Stage, TIMERS};
use super::options::{Config, PaxosOptions};
use crate::shared::kv::Kv;
use crate::shared::replication::{Consensus, Protocol, Reign, Replicated, Survivor};
use sim_core::{Bug, ClientId, Invalid, NodeId, Phase, Profile, Rule, Shape, StateMachine};

/// A key-value store replicated by Paxos.
pub type PaxosSystem = Replicated<PaxosProtocol, Kv>;

/// Paxos, whatever it replicates.
#[derive(Clone, Copy, Debug)]
pub struct PaxosProtocol;

impl Protocol for PaxosProtocol {
    const NAME: Option<&'static str> = Some("paxos");
    const ABOUT: &'static str = "Multi-Paxos, with a stable leader and flexible quorums";
    const TIMERS: u16 = TIMERS;
    const PHASES: &'static [Phase] = &[
        Phase { name: "undetected", ends_with: Some("campaign") },
        Phase { name: "prepare", ends_with: Some("elected") },
        Phase { name: "open slots", ends_with: Some("first_commit") },
        Phase { name: "clients find the leader", ends_with: None },
    ];
    const MESSAGE_KINDS: &'static [&'static str] = MESSAGE_KINDS;
    const FACT_KINDS: &'static [&'static str] = FACT_KINDS;
    const BUGS: &'static [Bug] = CATALOGUE;
    const RULES: &'static [&'static [Rule]] = &[checks::RULES];
    type Options = PaxosOptions;
    type Config = Config;
    type Node<M: StateMachine> = Paxos<M>;
    type Checks<M: StateMachine> = PaxosChecks;

    fn configure(options: PaxosOptions, shape: &Shape) -> Result<Config, Vec<Invalid>> {
        options.validate(shape)
    }

    fn checks<M: StateMachine>(config: &Config) -> PaxosChecks {
        PaxosChecks::new(config)
    }

    fn profile(config: &Config) -> Profile {
        Profile { recovery: Some(config.election_min), ..Profile::default() }
    }
}

impl<M: StateMachine> Consensus for Paxos<M> {
    type Machine = M;

    fn machine(&self) -> &M {
        self.state.machine()
    }

    fn digest(&self) -> u64 {
        self.state.digest()
    }

    fn led_by(&self) -> Option<(NodeId, Reign)> {
        self.leader.map(|leader| (leader, (self.promised.round, u64::from(self.promised.node))))
    }

    fn commit(&self) -> u64 {
        self.commit
    }

    fn applied(&self) -> u64 {
        self.applied
    }
}

impl<M: StateMachine> Survivor for Paxos<M> {
    fn node(&self) -> NodeId {
        self.me
    }

    fn leads(&self) -> Option<Reign> {
        (self.stage == Stage::Leader).then_some((self.promised.round, u64::from(self.promised.node)))
    }

    fn standing(&self) -> (u64, u64) {
        (self.commit, self.log().last())
    }

    fn last(&self) -> u64 {
        self.log().last()
    }

    fn base(&self) -> u64 {
        self.log().base()
    }

    fn operation_at(&self, index: u64) -> Option<(ClientId, u64)> {
        match self.log().slot(index)?.1.payload() {
            Payload::Command { stamp, .. } => Some((stamp.client, stamp.op)),
            Payload::Noop | Payload::Members(_) => None,
        }
    }

    fn remembers(&self, client: ClientId, op: u64) -> bool {
        self.state.remembers(client, op)
    }
}
