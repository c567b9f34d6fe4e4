//! What may be written in `[system]`, and the configuration of a node that is made of it.

use super::bugs::QueueBug;
use super::metadata::{Layout, Partition, Promises};
use crate::consensus::raft::{self, RaftProtocol};
use crate::shared::replication::{Group, Protocol};
use sim_core::units::{DurationText, RangeText};
use sim_core::{Duration, NodeId};

sim_core::choices! {
    /// Which acknowledgement a producer waits for.
    pub enum Acks {
        /// None: what was sent counts as done.
        None = "0",
        /// The leader's.
        Leader = "1",
        /// That of every replica in sync, of which there must be `min_insync_replicas`.
        #[default]
        All = "all",
    }

    /// When a broker's log goes from the page cache to the disk.
    pub enum Flush {
        /// When the operating system writes back (`writeback`): nobody waits for it, as Kafka is run.
        #[default]
        Never,
        /// Before anybody is told of it.
        Every,
    }

    /// What becomes of old messages.
    pub enum Cleanup {
        /// They go when they are older than `retention`.
        #[default]
        Delete,
        /// They go when a newer one has the same key.
        Compact,
    }

    /// When a consumer says how far it has come.
    pub enum Commit {
        /// When it has worked on what it was given: at least once.
        #[default]
        After,
        /// Before it does: at most once.
        Before,
        /// Every `auto_commit_interval`, for what it was given before.
        Auto,
    }

    /// How a group hands partitions over.
    pub enum Rebalance {
        /// Everybody lets go of everything, then partitions are dealt anew (range assignor).
        Eager,
        /// Members keep what they have; only what moves is let go of, in a second round (KIP-429).
        #[default]
        Cooperative,
    }

    /// Where a consumer begins that has no committed offset, or whose offset is not in the log.
    pub enum Reset {
        /// With the oldest message there is.
        #[default]
        Earliest,
        /// With what comes next.
        Latest,
    }
}

sim_core::options! {
    /// The `[system]` options of `system = "queue"`.
    pub struct QueueOptions;

    /// The configuration that all nodes share: brokers, then controllers, producers and consumers.
    #[derive(Clone, Debug, PartialEq)]
    pub struct Config of shape {
        /// How many brokers there are.
        pub brokers: u32 = shape.number_of("broker", shape.nodes() as u32);
        /// How many controllers.
        pub controllers: u32 = shape.role("controller").len() as u32;
        /// How many producers.
        pub producers: u32 = shape.role("producer").len() as u32;
        /// How many consumers.
        pub consumers: u32 = shape.role("consumer").len() as u32;
        /// All nodes.
        pub nodes: u32 = shape.nodes() as u32;
    }

    options {
        /// How many topics there are.
        topics: u32 = 1, wrong if *topics == 0 || *topics > 64 => ("{topics} topics"), "from 1 to 64";
        /// How many partitions each topic has.
        partitions: u32 = 3, wrong if *partitions == 0 || *partitions > 256 => ("{partitions} partitions of a topic"),
            "from 1 to 256";
        /// In how many copies each partition is kept, offsets included.
        replication_factor: u32 = 3, wrong if *replication_factor == 0 || *replication_factor > brokers =>
            ("{replication_factor} copies on {brokers} brokers"), "at least 1, and no more than brokers";
        /// How many replicas must be in sync so that `acks = "all"` may succeed (min.insync.replicas).
        min_insync_replicas: u32 = 2,
            wrong if *min_insync_replicas == 0 || *min_insync_replicas > *replication_factor =>
                ("{min_insync_replicas} of {replication_factor} copies in sync"),
                "at least 1, and no more than replication_factor";
        /// Whether a replica that is not in sync may lead when no other can: what it lacks is lost.
        unclean_election: bool = false;
        /// Whether the controller remembers who has all that is committed when few are in sync (KIP-966).
        eligible_leaders: bool = true;
        /// How far behind a replica may be in time before it is out of sync (replica.lag.time.max.ms).
        replica_lag_time: DurationText = DurationText::millis(30_000),
            wrong if replica_lag_time.0 < Duration::millis(10) => ("replicas that may lag for {replica_lag_time}"),
                "at least 10ms; 30s is usual";
        /// How long a fetch waits for something new (fetch.max.wait.ms, replica.fetch.wait.max.ms).
        fetch_wait: DurationText = DurationText::millis(500),
            wrong if fetch_wait.0 == Duration::ZERO || fetch_wait.0 >= replica_lag_time.0 =>
                ("fetches that wait for {fetch_wait}, and replicas that may lag for {replica_lag_time}"),
                "shorter than replica_lag_time; \"500ms\" is usual";
        /// How many messages a fetch brings at most.
        fetch_records: u32 = 500, wrong if *fetch_records == 0 => ("fetches of nothing"), "at least 1";
        /// When a broker's log goes to the disk: `never` (whenever the system writes back), or before `every` answer.
        flush: Flush = Flush::default();
        /// How often the operating system writes back the page cache.
        writeback: DurationText = DurationText::millis(30_000),
            wrong if writeback.0 == Duration::ZERO => ("writing back without pause"), "\"30s\" is usual";
        /// How often a broker notes its high watermarks (Kafka: every 5 s).
        checkpoint: DurationText = DurationText::millis(5000),
            wrong if checkpoint.0 == Duration::ZERO => ("checkpoints without pause"), "\"5s\" is usual";
        /// How often a broker is heard from by the controller.
        heartbeat_interval as heartbeat: DurationText = DurationText::millis(2000),
            wrong if heartbeat_interval.0 == Duration::ZERO => ("a heartbeat without pause"), "\"2s\" is usual";
        /// After how long a silent broker is fenced (broker.session.timeout.ms).
        broker_session_timeout as broker_session: DurationText = DurationText::millis(9000),
            wrong if broker_session_timeout.0 <= heartbeat_interval.0 =>
                ("brokers that are fenced after {broker_session_timeout}, and heard from every {heartbeat_interval}"),
                "longer than heartbeat_interval; \"9s\" is usual";
        /// How often the controller gives partitions back to their preferred leaders
        /// (Kafka: every 300 s).
        leader_rebalance: DurationText = DurationText::millis(300_000),
            wrong if leader_rebalance.0 == Duration::ZERO => ("looking without pause"), "\"5m\" is usual";
        /// How long a controller waits for its leader; drawn anew from this range every time.
        election_timeout: RangeText = RangeText { lo: Duration::millis(1000), hi: Duration::millis(2000) } => {
            election: (Duration, Duration) = (election_timeout.lo, election_timeout.hi),
        },
            wrong if election_timeout.lo < Duration::millis(20) =>
                ("controllers that wait {} for their leader", election_timeout.lo),
                "at least 20ms; \"1s..2s\" is usual";
        /// Which acknowledgement producers wait for: `0`, `1` or `all`.
        acks: Acks = Acks::default();
        /// Whether producers number what they send, so that a retry is not a second message.
        idempotent: bool = true,
            wrong if *idempotent && *acks != Acks::All => ("idempotent producers that do not wait for all"),
                "acks = \"all\", or idempotent = false";
        /// How long a producer waits for more messages for a batch (linger.ms).
        linger: DurationText = DurationText::millis(5);
        /// How many messages a batch holds at most.
        batch_records: u32 = 100, wrong if *batch_records == 0 => ("batches of nothing"), "at least 1";
        /// How many batches a producer sends a partition without an answer.
        max_in_flight: u32 = 5,
            wrong if *max_in_flight == 0 => ("no batch in flight"), "at least 1",
            wrong if *idempotent && *max_in_flight > 5 => ("{max_in_flight} batches in flight, and brokers remember 5"),
                "at most 5 with idempotent = true";
        /// How long an answer may take (request.timeout.ms).
        request_timeout: DurationText = DurationText::millis(30_000),
            wrong if request_timeout.0 <= fetch_wait.0 =>
                ("answers within {request_timeout} to fetches that wait {fetch_wait}"), "longer than fetch_wait";
        /// How long a producer waits before it tries again (retry.backoff.ms).
        retry_backoff: DurationText = DurationText::millis(100),
            wrong if retry_backoff.0 == Duration::ZERO => ("tries without pause"), "\"100ms\" is usual";
        /// How long a producer tries (delivery.timeout.ms).
        delivery_timeout: DurationText = DurationText::millis(120_000),
            wrong if delivery_timeout.0 <= linger.0 =>
                ("messages given up after {delivery_timeout}, and a linger of {linger}"), "longer than linger";
        /// How many groups the consumers form.
        groups: u32 = 1, wrong if *groups == 0 || (consumers > 0 && *groups > consumers) =>
            ("{groups} groups of {consumers} consumers"), "at least 1, and no more than consumers";
        /// How partitions are handed over: `eager` or `cooperative`.
        rebalance: Rebalance = Rebalance::default();
        /// When a consumer says how far it has come: `after` it has worked, `before`, or `auto`.
        commit: Commit = Commit::default();
        /// How often, with `auto`.
        auto_commit_interval: DurationText = DurationText::millis(5000),
            wrong if auto_commit_interval.0 == Duration::ZERO => ("commits without pause"), "\"5s\" is usual";
        /// Where a consumer begins without an offset: `earliest` or `latest`.
        auto_offset_reset: Reset = Reset::default();
        /// How long a consumer works on a message.
        process: DurationText = DurationText::millis(1);
        /// How many messages it takes at a time (max.poll.records).
        max_poll_records: u32 = 50, wrong if *max_poll_records == 0 => ("polls of nothing"), "at least 1";
        /// After how long a silent member is out of its group (session.timeout.ms).
        session_timeout: DurationText = DurationText::millis(45_000),
            wrong if session_timeout.0 <= member_heartbeat.0 =>
                ("members that are out after {session_timeout}, and heard from every {member_heartbeat}"),
                "three times member_heartbeat, at least";
        /// How often a member is heard from (heartbeat.interval.ms).
        member_heartbeat: DurationText = DurationText::millis(3000),
            wrong if member_heartbeat.0 == Duration::ZERO => ("a heartbeat without pause"), "\"3s\" is usual";
        /// How long members have to join again when a group is dealt anew (max.poll.interval.ms).
        rebalance_timeout: DurationText = DurationText::millis(60_000),
            wrong if rebalance_timeout.0 == Duration::ZERO => ("no time to join again"), "longer than member_heartbeat";
        /// How long a new group waits for members (group.initial.rebalance.delay.ms).
        initial_delay: DurationText = DurationText::millis(3000);
        /// Over how many partitions the groups' offsets are spread (offsets.topic.num.partitions).
        offsets_partitions: u32 = 1, wrong if *offsets_partitions == 0 || *offsets_partitions > 50 =>
            ("{offsets_partitions} partitions of offsets"), "from 1 to 50";
        /// What becomes of old messages: `delete` or `compact`.
        cleanup: Cleanup = Cleanup::default();
        /// How old messages get before they are deleted; 0 for any age.
        retention: DurationText = DurationText::millis(0);
        /// How often a broker looks for what may go.
        cleanup_interval: DurationText = DurationText::millis(15_000),
            wrong if cleanup_interval.0 == Duration::ZERO => ("cleaning without pause"), "\"15s\" is usual";
        /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
        bug: QueueBug = QueueBug::default();
    }
}

/// What a node is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It keeps partitions.
    Broker,
    /// It keeps the metadata, with the others.
    Controller,
    /// It sends messages.
    Producer,
    /// It works on them.
    Consumer,
}

impl Config {
    /// What a node is there for.
    #[must_use]
    pub const fn duty(&self, node: NodeId) -> Duty {
        let (brokers, controllers) = (self.brokers, self.brokers + self.controllers);
        if node.0 < brokers {
            Duty::Broker
        } else if node.0 < controllers {
            Duty::Controller
        } else if node.0 < controllers + self.producers {
            Duty::Producer
        } else {
            Duty::Consumer
        }
    }

    /// The controllers.
    pub fn all_controllers(&self) -> impl Iterator<Item = NodeId> + use<> {
        (self.brokers..self.brokers + self.controllers).map(NodeId)
    }

    /// The consumers.
    pub fn all_consumers(&self) -> impl Iterator<Item = NodeId> + use<> {
        (self.nodes - self.consumers..self.nodes).map(NodeId)
    }

    /// The group of a consumer.
    #[must_use]
    pub const fn group_of(&self, consumer: NodeId) -> u32 {
        (consumer.0 - (self.nodes - self.consumers)) % self.groups
    }

    /// How many partitions hold messages; those behind them hold groups' offsets.
    #[must_use]
    pub const fn data_partitions(&self) -> u32 {
        self.topics * self.partitions
    }

    /// How many partitions there are.
    #[must_use]
    pub const fn all_partitions(&self) -> u32 {
        self.data_partitions() + self.offsets_partitions
    }

    /// Whether a partition holds groups' offsets.
    #[must_use]
    pub const fn holds_offsets(&self, partition: Partition) -> bool {
        partition.0 >= self.data_partitions()
    }

    /// Where messages of a key go.
    #[must_use]
    pub fn partition_of(&self, key: u64) -> Partition {
        let topic = (key % u64::from(self.topics)) as u32;
        let within = (sim_core::hash::of(&[key]) % u64::from(self.partitions)) as u32;
        Partition(topic * self.partitions + within)
    }

    /// Where a group's offsets are.
    #[must_use]
    pub const fn offsets_of(&self, group: u32) -> Partition {
        Partition(self.data_partitions() + group % self.offsets_partitions)
    }

    /// What people call a partition.
    #[must_use]
    pub fn name(&self, partition: Partition) -> String {
        if self.holds_offsets(partition) {
            return format!("offsets-{}", partition.0 - self.data_partitions());
        }
        let (topic, within) = (partition.0 / self.partitions, partition.0 % self.partitions);
        if self.topics == 1 { format!("events-{within}") } else { format!("events{}-{within}", topic + 1) }
    }

    /// How the cluster is laid out at first.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout {
            brokers: self.brokers,
            partitions: self.all_partitions(),
            copies: self.replication_factor,
            promises: Promises {
                min_isr: self.min_insync_replicas,
                unclean: self.unclean_election,
                eligible: self.eligible_leaders,
                any_replica: self.has(QueueBug::StaleReplicaElected),
                any_epoch: self.has(QueueBug::OldLeaderAlters),
            },
        }
    }

    /// The group of the controllers.
    #[must_use]
    pub fn council(&self) -> raft::Config {
        RaftProtocol::group(&Group {
            nodes: self.nodes,
            first: self.brokers,
            heartbeat: Duration((self.election.0.0 / 5).max(1)),
            election: self.election,
            snapshot_every: 500,
            snapshot_keep: 100,
            ..Group::of(self.controllers)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::{RoleKind, Shape};

    fn shape() -> Shape {
        let role = |name| RoleKind::member(name, "");
        Shape::of_roles(&[(role("broker"), 3), (role("controller"), 1), (role("producer"), 1), (role("consumer"), 4)])
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = QueueOptions {
            replication_factor: 4,
            min_insync_replicas: 5,
            acks: Acks::Leader,
            max_in_flight: 6,
            groups: 5,
            session_timeout: DurationText::millis(1000),
            ..QueueOptions::default()
        };
        let keys: Vec<_> = options.validate(&shape()).unwrap_err().iter().map(|invalid| invalid.key).collect();
        let wrong =
            ["replication_factor", "min_insync_replicas", "idempotent", "max_in_flight", "groups", "session_timeout"];
        assert_eq!(keys, wrong);
        assert!(QueueOptions::default().validate(&shape()).is_ok());
    }

    #[test]
    fn partitions_are_those_of_topics_and_then_those_of_offsets() {
        let options = QueueOptions { topics: 2, partitions: 2, offsets_partitions: 2, ..QueueOptions::default() };
        let config = options.meant(&shape());
        let names: Vec<String> = (0..config.all_partitions()).map(|at| config.name(Partition(at))).collect();
        assert_eq!(names, ["events1-0", "events1-1", "events2-0", "events2-1", "offsets-0", "offsets-1"]);
        assert!((0..100).all(|key| u64::from(config.partition_of(key).0 / 2) == key % 2));
        assert_eq!(config.duty(NodeId(3)), Duty::Controller);
        assert_eq!([config.group_of(NodeId(5)), config.group_of(NodeId(8))], [0, 0]);
    }
}
