//! What may be written in `[system]`, and the configuration of a node that is made of it.

use super::bugs::ConsulBug;
use super::database::Behavior;
use super::message::Consistency;
use super::node::Fx;
use crate::consensus::raft::{self, RaftProtocol};
use crate::shared::replication::{Group, Protocol};
use crate::shared::swim::{SerfConfig, Slip, SwimConfig};
use sim_core::units::{DurationText, RangeText};
use sim_core::{Duration, NodeId};

sim_core::choices! {
    /// How a service is checked.
    pub enum Check {
        /// The agent asks it.
        #[default]
        Script,
        /// It tells the agent itself, again and again.
        Ttl,
    }

    /// What a store goes by when somebody writes to it under a lock.
    pub enum Fencing {
        /// It takes whatever comes.
        None,
        /// It refuses a sequencer that is older than the newest it has seen for that lock.
        #[default]
        Sequencer,
    }

    /// In what order members are probed.
    pub enum ProbeOrder {
        /// Each once a round, in an order drawn anew.
        #[default]
        Shuffled,
        /// A random one each time.
        Random,
    }
}

sim_core::options! {
    /// The `[system]` options of `system = "consul"`.
    pub struct ConsulOptions;

    /// The configuration that all nodes share: servers, then agents, then stores.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Config of shape {
        /// How many servers there are.
        pub servers: u32 = shape.number_of("server", shape.nodes() as u32);
        /// How many agents that are none.
        pub agents: u32 = shape.role("agent").len() as u32;
        /// All nodes.
        pub nodes: u32 = shape.nodes() as u32;
        /// No honest clock drifts more than this, in parts per million.
        pub max_drift_ppm: u32 = shape.max_drift_ppm;
    }

    options {
        /// How often a member probes another.
        probe_interval: DurationText = DurationText::millis(1000),
            wrong if probe_interval.0 < Duration::millis(1) => ("probes every {probe_interval}"), "\"1s\" is usual";
        /// How long an answer may take before others are asked to probe.
        probe_timeout: DurationText = DurationText::millis(500),
            wrong if probe_timeout.0 >= probe_interval.0 || probe_timeout.0 == Duration::ZERO =>
                ("an answer within {probe_timeout} and a probe every {probe_interval}"),
                "longer than a round trip, shorter than the interval; half of it is usual";
        /// How many others are asked to probe.
        indirect_checks: u32 = 3;
        /// How often news are gossiped.
        gossip_interval: DurationText = DurationText::millis(200),
            wrong if gossip_interval.0 < Duration::millis(1) =>
                ("gossip every {gossip_interval}"), "\"200ms\" is usual";
        /// To how many at a time.
        gossip_nodes: u32 = 3;
        /// For how long news are gossiped to who is held for dead.
        gossip_to_the_dead: DurationText = DurationText::millis(30_000);
        /// How often the whole state is exchanged with somebody, among up to 32 members; 0 for never.
        push_pull_interval as push_pull: DurationText = DurationText::millis(30_000);
        /// The least time of a suspicion: so many probe intervals, times the logarithm of the members.
        suspicion_mult: u32 = 4, wrong if *suspicion_mult == 0 => ("suspects that have no time"), "at least 1";
        /// The most time of a suspicion is so many times the least.
        suspicion_max_mult: u32 = 6, wrong if *suspicion_max_mult == 0 => ("no time at most"), "at least 1";
        /// How often each piece of news is sent: so many times the logarithm of the members.
        retransmit_mult: u32 = 4, wrong if *retransmit_mult == 0 => ("news that are never sent"), "at least 1";
        /// Lifeguard: a member whose own probes fail is up to so many times as patient; 1 for never.
        awareness_max: u32 = 8, wrong if *awareness_max == 0 => ("a patience of 0"), "at least 1";
        /// Lifeguard: whether suspicions begin long, and independent accusers shorten them.
        confirmations: bool = true;
        /// Lifeguard: whether who probes a suspect tells it of the suspicion.
        buddy: bool = true;
        /// In what order members are probed: `shuffled`, or `random`.
        probe_order: ProbeOrder = ProbeOrder::default();
        /// How often a member that failed is tried again.
        reconnect_interval: DurationText = DurationText::millis(30_000),
            wrong if reconnect_interval.0 == Duration::ZERO => ("tries without pause"), "\"30s\" is usual";
        /// For how long a member that failed is remembered.
        reconnect_timeout: DurationText = DurationText::millis(72 * 3_600_000);
        /// For how long a member that left is remembered.
        tombstone_timeout: DurationText = DurationText::millis(24 * 3_600_000);
        /// How often members are looked for that have been gone for so long.
        reap_interval: DurationText = DurationText::millis(15_000),
            wrong if reap_interval.0 == Duration::ZERO => ("reaping without pause"), "\"15s\" is usual";
        /// How long a member stays once all shall have heard that it leaves.
        leave_propagate_delay: DurationText = DurationText::millis(3000);
        /// How long Serf holds news of members back until no more come, as its own agent does (1s); Consul does not.
        quiescent_period as quiescent: DurationText = DurationText::millis(0);
        /// How long it holds them back at most.
        coalesce_period as coalesce: DurationText = DurationText::millis(3000);
        /// Whether members know each other at the start; if not, they join through the first three.
        joined: bool = true;
        /// How long a member waits that nobody has let in, before it tries the first three once more.
        retry_join: DurationText = DurationText::millis(2000),
            wrong if retry_join.0 == Duration::ZERO => ("tries without pause"), "\"2s\" is usual";
        /// How long a session lasts that nobody renews; the leader waits for twice that.
        session_ttl: DurationText = DurationText::millis(15_000),
            wrong if session_ttl.0 < Duration::millis(100) => ("sessions of {session_ttl}"),
                "at least 100ms; Consul's own least is 10s";
        /// What becomes of the keys of a session that ends: `release`, or `delete`.
        session_behavior: Behavior = Behavior::default() => { behavior: Behavior = *session_behavior };
        /// How long a lock stays closed when the session of its holder has ended; at most 60s.
        lock_delay: DurationText = DurationText::millis(15_000),
            wrong if lock_delay.0 > Duration::secs(60) => ("a lock-delay of {lock_delay}"), "at most 60s";
        /// How long an application waits that has found a lock closed.
        lock_retry: DurationText = DurationText::millis(5000),
            wrong if lock_retry.0 == Duration::ZERO => ("tries without pause"), "\"5s\" is usual";
        /// How long an application holds a lock.
        hold: DurationText = DurationText::millis(20);
        /// What the store goes by: `none`, or the `sequencer` of a lock.
        fencing: Fencing = Fencing::default();
        /// How many services there are: each agent offers one of them.
        services: u64 = 1;
        /// Whether agents follow where services run.
        follow: bool = true;
        /// How new what they are told must be.
        follow_consistency: Consistency = Consistency::Default;
        /// How long a follower waits before it asks again.
        follow_pause: DurationText = DurationText::millis(0);
        /// How long a query waits for a change; up to a sixteenth more, at random.
        wait: DurationText = DurationText::millis(300_000),
            wrong if wait.0 > Duration::secs(600) || wait.0 == Duration::ZERO => ("queries that wait {wait}"),
                "at most 10m; 5m is usual";
        /// How a service is checked: by a `script`, or by its own word within a time to live (`ttl`).
        check: Check = Check::default();
        /// How often.
        check_interval: DurationText = DurationText::millis(10_000),
            wrong if check_interval.0 == Duration::ZERO => ("checks without pause"), "at least 1s in Consul";
        /// How long a service's own word holds.
        check_ttl: DurationText = DurationText::millis(30_000);
        /// How many checks in a row must pass until a service is passing.
        success_before_passing: u32 = 0;
        /// How many must fail until it is critical.
        failures_before_critical: u32 = 0;
        /// After how long a service that is critical is registered no longer; 0 for never.
        deregister_critical_after: DurationText = DurationText::millis(0);
        /// How often such services are looked for.
        deregister_interval: DurationText = DurationText::millis(30_000),
            wrong if deregister_interval.0 == Duration::ZERO => ("looking without pause"), "\"30s\" is usual";
        /// How often an agent compares its services with the catalog, among up to 128 members.
        anti_entropy: DurationText = DurationText::millis(60_000),
            wrong if anti_entropy.0 == Duration::ZERO => ("comparing without pause"), "\"1m\" is usual";
        /// How long an answer of a server may take.
        rpc_timeout: DurationText = DurationText::millis(2000),
            wrong if rpc_timeout.0 == Duration::ZERO => ("answers at once"), "longer than a round trip";
        /// How long an agent waits when nobody leads.
        rpc_retry: DurationText = DurationText::millis(200),
            wrong if rpc_retry.0 == Duration::ZERO => ("tries without pause"), "\"200ms\" is usual";
        /// How long a call of a service may take, and a write to the store.
        call_timeout: DurationText = DurationText::millis(500),
            wrong if call_timeout.0 == Duration::ZERO => ("calls that take no time"), "longer than a round trip";
        /// How often the leader compares the whole catalog with the pool.
        reconcile_interval as reconcile: DurationText = DurationText::millis(60_000),
            wrong if reconcile_interval.0 == Duration::ZERO => ("comparing without pause"), "\"60s\" is usual";
        /// Whether servers that fail lose their votes.
        cleanup_dead_servers: bool = true;
        /// How many servers keep their votes at least.
        min_quorum: u32 = 0,
            wrong if *min_quorum > servers => ("{min_quorum} of {servers} servers"), "no more than there are";
        /// How often the leader looks after servers.
        autopilot_interval as autopilot: DurationText = DurationText::millis(10_000),
            wrong if autopilot_interval.0 == Duration::ZERO => ("looking without pause"), "\"10s\" is usual";
        /// How long a server must have been there until it has a vote.
        server_stabilization: DurationText = DurationText::millis(10_000);
        /// How long a server waits for its leader; drawn anew from this range every time.
        election_timeout: RangeText = RangeText { lo: Duration::secs(5), hi: Duration::secs(10) } => {
            election: (Duration, Duration) = (election_timeout.lo, election_timeout.hi),
        },
            wrong if election_timeout.lo <= heartbeat_interval.0 =>
                ("servers may wait {} for a leader that is heard from every {heartbeat_interval}", election_timeout.lo),
                "the shortest election timeout must be longer than heartbeat_interval; ten times as long is usual";
        /// How often a leader is heard from.
        heartbeat_interval as heartbeat: DurationText = DurationText::millis(500),
            wrong if heartbeat_interval.0 == Duration::ZERO =>
                ("a heartbeat without pause"), "a tenth of the election timeout, for example \"500ms\"";
        /// Commands carried out between two snapshots; 0 never takes one.
        snapshot_every: u64 = 16_384;
        /// Entries kept in the log behind a snapshot.
        snapshot_keep: u64 = 10_240;
        /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
        bug: ConsulBug = ConsulBug::default();
    }
}

/// What a node is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It is one of the servers.
    Server,
    /// It is an agent beside applications and services.
    Agent,
    /// It is written to under locks.
    Store,
}

impl Config {
    /// What a node is there for.
    #[must_use]
    pub const fn duty(&self, node: NodeId) -> Duty {
        if node.0 < self.servers {
            Duty::Server
        } else if node.0 < self.members() {
            Duty::Agent
        } else {
            Duty::Store
        }
    }

    /// The store, if there is one.
    #[must_use]
    pub const fn store(&self) -> Option<NodeId> {
        if self.members() < self.nodes { Some(NodeId(self.members())) } else { None }
    }

    /// The service that an agent offers.
    #[must_use]
    pub fn offers(&self, agent: NodeId) -> Option<u64> {
        (self.services > 0).then(|| u64::from(agent.0 - self.servers) % self.services)
    }

    /// The group of the servers.
    #[must_use]
    pub fn group(&self) -> raft::Config {
        RaftProtocol::group(&Group {
            heartbeat: self.heartbeat,
            election: self.election,
            snapshot_every: self.snapshot_every,
            snapshot_keep: self.snapshot_keep,
            ..Group::of(self.servers)
        })
    }

    /// A time that Consul fixes beside an anti-entropy of a minute, scaled as that is.
    #[must_use]
    pub fn ae(&self, time: Duration) -> Duration {
        Duration((u128::from(time.0) * u128::from(self.anti_entropy.0) / 60_000_000_000) as u64)
    }

    /// A random part of `time`, which is longer among more members: so that not all agents come at once.
    pub(super) fn spread(&self, time: Duration, members: u32, fx: &mut Fx<'_>) -> Duration {
        Duration(fx.rng().below(time.0.saturating_mul(u64::from(sync_scale(members))).max(1)))
    }

    /// How many members the pool has.
    #[must_use]
    pub const fn members(&self) -> u32 {
        self.servers + self.agents
    }

    /// How the pool works.
    #[must_use]
    pub fn serf(&self) -> SerfConfig {
        let slip = match self.bug {
            ConsulBug::AliveTies => Slip::AliveTies,
            ConsulBug::RefutationIgnored => Slip::DeafToRefutations,
            ConsulBug::SuspectAtOnce => Slip::Hasty,
            ConsulBug::IntentsOnly => Slip::IntentsOnly,
            ConsulBug::StaleAliveDropped => Slip::SilentAboutTheOld,
            _ => Slip::None,
        };
        let constant = self.has(ConsulBug::ConstantRetransmit);
        let swim = SwimConfig {
            probe_interval: self.probe_interval,
            probe_timeout: self.probe_timeout,
            indirect_checks: self.indirect_checks,
            gossip_interval: self.gossip_interval,
            gossip_nodes: self.gossip_nodes,
            gossip_to_the_dead: self.gossip_to_the_dead,
            push_pull: self.push_pull,
            suspicion_mult: self.suspicion_mult,
            suspicion_max_mult: self.suspicion_max_mult,
            retransmit_mult: if constant { 1 } else { self.retransmit_mult },
            retransmit_fixed: constant,
            awareness_max: if self.has(ConsulBug::NoLocalHealth) { 1 } else { self.awareness_max },
            confirmations: self.confirmations,
            buddy: self.buddy,
            random_order: self.probe_order == ProbeOrder::Random || self.has(ConsulBug::RandomProbes),
            slip,
        };
        SerfConfig {
            swim,
            reap_interval: self.reap_interval,
            reconnect_interval: self.reconnect_interval,
            reconnect_timeout: self.reconnect_timeout,
            tombstone_timeout: self.tombstone_timeout,
            broadcast_timeout: Duration::secs(5),
            leave_propagate_delay: self.leave_propagate_delay,
        }
    }
}

/// How many times longer agents wait among `n` members before they compare their services with the catalog.
#[must_use]
pub fn sync_scale(n: u32) -> u32 {
    if n <= 128 { 1 } else { libm::ceil(libm::log2(f64::from(n)) - 7.0) as u32 + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Shape;

    /// `TestAE_scaleFactor` of Consul.
    #[test]
    fn agents_come_less_often_where_there_are_more() {
        for (n, scale) in [(100, 1), (200, 2), (1000, 4), (10_000, 8)] {
            assert_eq!(sync_scale(n), scale, "{n}");
        }
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = ConsulOptions {
            probe_timeout: DurationText::millis(2000),
            suspicion_mult: 0,
            lock_delay: DurationText::millis(61_000),
            min_quorum: 9,
            ..ConsulOptions::default()
        };
        let keys: Vec<_> = options.validate(&Shape::plain(3)).unwrap_err().iter().map(|i| i.key).collect();
        assert_eq!(keys, ["probe_timeout", "suspicion_mult", "lock_delay", "min_quorum"]);
        assert!(ConsulOptions::default().validate(&Shape::plain(3)).is_ok());
    }
}
