//! A tiny cluster driven by hand: nothing happens unless a test says so. Messages lie on the wire until delivered,
//! writes are volatile until synced, clocks stand still until moved.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub mod chaos;
pub mod failover_story;
pub mod paxos_story;
pub mod raft_story;
pub mod script;

use core::fmt::Debug;
use core::ops::{Deref, DerefMut};
use sim_core::fault::OnCrash;
use sim_core::hand::{Letter, Table};
use sim_core::{ClientId, Duration, Node, NodeId, Observer, Ticket, Timer, Verdict};
use systems::consensus::paxos::checks::PaxosChecks;
use systems::consensus::raft::checks::RaftChecks;
use systems::consensus::{paxos, raft};
use systems::control::failover;
use systems::control::failover::Failover;
use systems::control::failover::checks::FailoverChecks;
use systems::shared::kv::{Kv, KvCommand, KvResponse};
use systems::shared::replication::Audited;

pub type Raft = raft::Raft<Kv>;
pub type Paxos = paxos::Paxos<Kv>;

/// All protocols use the same slots for the same purpose; one has more.
pub const ELECTION: Timer = raft::ELECTION;
pub const TIMERS: u16 = failover::TIMERS;
const _: () = assert!(ELECTION.0 == paxos::ELECTION.0 && ELECTION.0 == failover::WATCH.0);
const _: () = assert!(raft::HEARTBEAT.0 == failover::HEARTBEAT.0 && TIMERS > raft::TIMERS && TIMERS > paxos::TIMERS);

/// A protocol that replicates the key-value store, as the tests see it.
pub trait Subject: Node<Request = KvCommand, Response = KvResponse, Config: Copy + Debug> + Clone + Debug {
    type Checks: Observer<Self> + Debug;
    fn nodes(config: &Self::Config) -> u32;
    fn election_max(config: &Self::Config) -> Duration;
    fn heartbeat(config: &Self::Config) -> Duration;
    fn checks(config: &Self::Config) -> Self::Checks;
    fn verdicts(checks: &Self::Checks, nodes: &[Option<Self>]) -> Vec<Verdict>;
}

macro_rules! subject {
    ($protocol:ident, $node:ident, $checks:ident, $machines:expr, $new:expr) => {
        impl Subject for $node {
            type Checks = $checks;
            fn nodes(config: &$protocol::Config) -> u32 {
                $machines(config)
            }
            fn election_max(config: &$protocol::Config) -> Duration {
                config.election_max
            }
            fn heartbeat(config: &$protocol::Config) -> Duration {
                config.heartbeat
            }
            fn checks(config: &$protocol::Config) -> $checks {
                $new(config)
            }
            fn verdicts(checks: &$checks, nodes: &[Option<Self>]) -> Vec<Verdict> {
                checks.verdicts(&nodes.iter().map(Option::as_ref).collect::<Vec<_>>())
            }
        }
    };
}

subject!(raft, Raft, RaftChecks, |c: &raft::Config| c.nodes, |c: &raft::Config| RaftChecks::new(c.nodes));
subject!(paxos, Paxos, PaxosChecks, |c: &paxos::Config| c.nodes + c.spares, PaxosChecks::new);

impl Subject for Failover {
    type Checks = FailoverChecks;
    fn nodes(config: &failover::Config) -> u32 {
        config.nodes
    }
    fn election_max(config: &failover::Config) -> Duration {
        config.failure_timeout
    }
    fn heartbeat(config: &failover::Config) -> Duration {
        config.heartbeat
    }
    fn checks(config: &failover::Config) -> FailoverChecks {
        FailoverChecks::new(config)
    }
    fn verdicts(checks: &FailoverChecks, nodes: &[Option<Self>]) -> Vec<Verdict> {
        checks.verdicts(nodes)
    }
}

pub type Flight<N> = Letter<N>;

/// A cluster that replicates the store, moved by hand under its rules.
pub struct Cluster<N: Subject = Raft> {
    pub config: N::Config,
    table: Table<N, N::Checks>,
}

impl<N: Subject> Deref for Cluster<N> {
    type Target = Table<N, N::Checks>;
    fn deref(&self) -> &Self::Target {
        &self.table
    }
}

impl<N: Subject> DerefMut for Cluster<N> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.table
    }
}

impl<N: Subject> Cluster<N> {
    pub fn new(config: N::Config, seed: u64) -> Self {
        Self { config, table: Table::new(&config, N::nodes(&config) as usize, seed, N::checks(&config)) }
    }

    /// Lets the node's election timeout run out.
    pub fn campaign(&mut self, id: NodeId) {
        self.fire(id, ELECTION);
    }

    /// Everything on the disk of a node that is down is gone.
    pub fn wipe(&mut self, id: NodeId) {
        assert!(!self.is_up(id), "{id} is running");
        self.hands[id.index()].crash(OnCrash::Wipe);
    }

    pub fn stabilize(&mut self) {
        self.stabilize_but(|_| false);
    }

    /// Elects `id` and lets everything settle.
    pub fn elect(&mut self, id: NodeId) {
        for other in self.ids() {
            let timeout = N::election_max(&self.config);
            self.pass(other, timeout);
        }
        self.campaign(id);
        self.stabilize();
        assert_eq!(self.leader(), Some(id), "{id} was not elected");
    }

    pub fn verdicts(&mut self) -> Vec<Verdict> {
        self.look(|checks, nodes| N::verdicts(checks, nodes))
    }
}

pub fn n(number: u32) -> NodeId {
    NodeId(number - 1)
}

pub fn ticket(client: u32, op: u64, attempt: u32) -> Ticket {
    Ticket { client: ClientId(client - 1), op, floor: 0, attempt }
}
