//! What may be written in `[system]`, and the configuration of a node that is made of it.

use super::bugs::CommitBug;
use super::txn::{Key, Shards};
use crate::consensus::raft::{self, RaftProtocol};
use crate::shared::replication::{Group, Protocol};
use sim_core::transactions::Level;
use sim_core::units::DurationText;
use sim_core::{Duration, NodeId};

sim_core::choices! {
    /// How transactions are committed.
    pub enum Protocols {
        /// Two-phase commit: it blocks while its coordinator is away.
        #[default]
        TwoPhase = "2pc",
        /// Three-phase commit, ended by quorums (Skeen 1982).
        ThreePhase = "3pc",
        /// Paxos Commit (Gray and Lamport 2006): a consensus instance for each vote.
        Paxos = "paxos",
        /// Faster Paxos Commit: acceptors tell the participants.
        FasterPaxos = "faster-paxos",
    }

    /// What a coordinator that knows nothing of a transaction takes it for.
    pub enum Presumption {
        /// Aborted: commits are forced and acknowledged (R*'s presumed abort).
        #[default]
        Abort = "abort",
        /// Committed: who takes part is forced before, aborts are acknowledged.
        Commit = "commit",
    }

    /// Whom a participant in doubt asks.
    pub enum Termination {
        /// The coordinator alone.
        Coordinator = "coordinator",
        /// The other participants, too.
        #[default]
        Cooperative = "cooperative",
    }

    /// What a shard is.
    pub enum Sharding {
        /// One node.
        #[default]
        Single = "single",
        /// A group of nodes on Raft.
        Raft = "raft",
    }

    /// How transactions are kept apart.
    pub enum Isolation {
        /// Strict two-phase locking.
        #[default]
        Locking = "locking",
        /// Snapshots; of two that write a key at a time, the first to commit wins.
        Snapshot = "snapshot",
    }

    /// What becomes of those who would wait for each other for ever.
    pub enum Deadlocks {
        /// An older one waits for a younger one; a younger one dies.
        #[default]
        WaitDie = "wait-die",
        /// A younger one waits for an older one; an older one wounds it.
        WoundWait = "wound-wait",
        /// All wait; probes go round, and who finds itself has the youngest aborted (Chandy, Misra and Haas 1983).
        Detect = "detect",
        /// All wait until the lock timeout.
        Timeout = "timeout",
    }

    /// What runs are judged by.
    pub enum Judged {
        /// What the isolation promises.
        #[default]
        Promised = "promised",
        /// Writes are not interleaved.
        ReadUncommitted = "read-uncommitted",
        /// Only what was committed is read.
        ReadCommitted = "read-committed",
        /// Reads are of one state.
        SnapshotIsolation = "snapshot-isolation",
        /// What was read stays so.
        RepeatableRead = "repeatable-read",
        /// As if one ran after the other.
        Serializable = "serializable",
        /// The same, in real time.
        StrictSerializable = "strict-serializable",
    }
}

sim_core::options! {
    /// The `[system]` options of `system = "commit"`.
    pub struct CommitOptions;

    /// The configuration that all nodes share: coordinators, then the nodes of each shard.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Config of shape {
        /// How many coordinators there are.
        pub coordinators: u32 = shape.number_of("coordinator", 1);
        /// How many nodes hold shards.
        pub holders: u32 = shape.number_of("shard", (shape.nodes() as u32).saturating_sub(1));
        /// How many nodes a shard has.
        pub copies: u32 = if *shard == Sharding::Raft { *replicas } else { 1 };
    }

    options {
        /// How transactions are committed: `2pc`, `3pc`, `paxos` or `faster-paxos`.
        protocol: Protocols = Protocols::default();
        /// For `2pc`: what a coordinator that knows nothing of a transaction takes it for, `abort` or `commit`.
        presume: Presumption = Presumption::default(),
            wrong if *presume == Presumption::Commit && *protocol != Protocols::TwoPhase =>
                ("a presumption without `protocol = \"2pc\"`"), "`2pc`, or leave it away",
            wrong if *presume == Presumption::Commit && *isolation == Isolation::Snapshot =>
                ("presumed commits do not say as of when: snapshots need that"),
                "`presume = \"abort\"`, or `isolation = \"locking\"`";
        /// Whether participants that have only read are done when they vote (`2pc` and `3pc`).
        read_only: bool = true;
        /// For `2pc`: whom participants in doubt ask, the `coordinator` or all (`cooperative`).
        termination: Termination = Termination::default();
        /// For Paxos Commit: how many acceptors may fail; there are twice as many and one, the coordinators.
        f: u32 = 1,
            wrong if matches!(protocol, Protocols::Paxos | Protocols::FasterPaxos)
                && f.saturating_mul(2) >= coordinators =>
                ("f = {f} needs {} acceptors, there are {coordinators} coordinators", u64::from(*f) * 2 + 1),
                "more nodes of role coordinator, or a smaller f";
        /// What a shard is: one node (`single`), or a group of them on Raft (`raft`).
        shard: Sharding = Sharding::default();
        /// For `raft`: how many nodes a shard has.
        replicas: u32 = 3,
            wrong if *replicas == 0 || *replicas > 9 => ("shards of {replicas} nodes"), "1 to 9",
            wrong if *shard == Sharding::Raft && *replicas > 0 && !holders.is_multiple_of(*replicas) =>
                ("{holders} nodes in shards of {replicas}"), "a multiple of `replicas` in role shard",
            wrong if holders.checked_div(copies).unwrap_or(0) > 64 =>
                ("{} shards", holders / copies), "at most 64";
        /// How transactions are kept apart: by locks (`locking`) or snapshots (`snapshot`).
        isolation: Isolation = Isolation::default();
        /// What becomes of those who would wait for each other: `wait-die`, `wound-wait`, `detect`, `timeout`.
        deadlocks: Deadlocks = Deadlocks::default();
        /// Whether operations carry an idempotency key, so that one that is tried again takes effect once.
        idempotency: bool = true;
        /// What the history is judged by; `promised` is strict-serializable for locks, snapshot-isolation for
        /// snapshots.
        level: Judged = Judged::default();
        /// How many lists and registers there are.
        keys: u64 = 100, wrong if *keys < 2 => ("{keys} keys"), "at least 2";
        /// The first so many keys are hot.
        hot: u64 = 0, wrong if *hot >= *keys => ("{hot} hot keys of {keys}"), "fewer than `keys`";
        /// How many of a hundred of the keys that a transaction touches are hot ones.
        hot_percent: u64 = 50, wrong if *hot_percent > 100 => ("{hot_percent} of a hundred"), "at most 100";
        /// How many keys `append`, `lists`, `write` and `registers` touch.
        steps: u32 = 3, wrong if *steps == 0 || *steps > 64 => ("{steps} steps"), "1 to 64";
        /// How many keys `long` touches.
        long_steps: u32 = 12, wrong if *long_steps == 0 || *long_steps > 64 => ("{long_steps} steps"), "1 to 64";
        /// How many of a hundred steps of `append` and `write` read.
        reads_percent: u64 = 50, wrong if *reads_percent > 100 => ("{reads_percent} of a hundred"), "at most 100";
        /// On how many different shards the keys of a transaction lie; 0 as it comes.
        spread: u32 = 0,
            wrong if u64::from(*spread) > u64::from(holders.checked_div(copies).unwrap_or(0)) =>
                ("keys on {spread} shards of {}", holders.checked_div(copies).unwrap_or(0)), "no more than there are",
            wrong if *spread > *steps => ("{steps} keys on {spread} shards"), "at least as many `steps`";
        /// How many elements a client appends to a list before it goes on to new ones.
        per_list: u64 = 40, wrong if *per_list == 0 => ("lists without elements"), "at least 1";
        /// How many accounts the bank has.
        accounts: u64 = 16, wrong if *accounts < 2 || *accounts > 4096 => ("{accounts} accounts"), "2 to 4096";
        /// What is on each at first.
        balance: u64 = 100;
        /// How often a coordinator starts a transaction again that was aborted for no fault of its own.
        restarts: u32 = 8, wrong if *restarts > 15 => ("{restarts} restarts"), "at most 15";
        /// How long at most, at random, before it does so for the first time; longer from time to time.
        restart_pause: DurationText = DurationText::millis(20);
        /// How long a transaction works between two of its steps, locks in hand.
        think: DurationText = DurationText::millis(0);
        /// How long one waits for a lock, or for a shard that does not answer, before it is aborted.
        lock_timeout: DurationText = DurationText::millis(1000),
            wrong if lock_timeout.0 < Duration::millis(1) => ("a lock timeout of {lock_timeout}"), "for example \"1s\"";
        /// How long a coordinator waits for votes before it ends a transaction without them.
        vote_timeout: DurationText = DurationText::millis(500),
            wrong if vote_timeout.0 < Duration::millis(1) => ("a vote timeout of {vote_timeout}"), "\"500ms\"";
        /// How long a participant is in doubt before it asks, and again after as long.
        inquire_after: DurationText = DurationText::millis(300),
            wrong if inquire_after.0 < Duration::millis(1) => ("inquiries every {inquire_after}"), "\"300ms\"";
        /// How long a shard hears nothing of a transaction that has not voted before it asks whether that goes on.
        idle_timeout: DurationText = DurationText::millis(2000),
            wrong if idle_timeout.0 < Duration::millis(1) => ("an idle timeout of {idle_timeout}"), "\"2s\"";
        /// How often what was not answered is said again.
        retry: DurationText = DurationText::millis(100),
            wrong if retry.0 < Duration::millis(1) => ("retries every {retry}"), "for example \"100ms\"";
        /// How often who waits sends a probe, where deadlocks are detected.
        detect_every: DurationText = DurationText::millis(50),
            wrong if detect_every.0 < Duration::millis(1) => ("probes every {detect_every}"), "\"50ms\"";
        /// How long a coordinator collects decisions to write them at once; 0 for each on its own.
        group_commit: DurationText = DurationText::millis(0);
        /// Entries of a shard's log between two snapshots.
        snapshot_every: u64 = 10_000, wrong if *snapshot_every == 0 => ("a snapshot after no entry"), "at least 1";
        /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
        bug: CommitBug = CommitBug::default();
    }
}

/// What a node is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It coordinates transactions, and accepts votes in Paxos Commit.
    Coordinator,
    /// It holds a shard, or a copy of one.
    Shard(u32),
}

impl Config {
    /// What a node is there for.
    #[must_use]
    pub const fn duty(&self, node: NodeId) -> Duty {
        if node.0 < self.coordinators {
            Duty::Coordinator
        } else {
            Duty::Shard((node.0 - self.coordinators) / self.copies)
        }
    }

    /// How many shards there are.
    #[must_use]
    pub const fn shards(&self) -> u32 {
        self.holders / self.copies
    }

    /// The nodes of a shard.
    pub fn nodes_of(&self, shard: u32) -> impl Iterator<Item = NodeId> + use<> {
        let first = self.coordinators + shard * self.copies;
        (first..first + self.copies).map(NodeId)
    }

    /// The shard of a key.
    #[must_use]
    pub fn shard_of(&self, key: Key) -> u32 {
        (key.id % u64::from(self.shards())) as u32
    }

    /// The acceptors of a transaction that this node coordinates, itself the first.
    pub fn acceptors(&self, home: NodeId) -> impl Iterator<Item = NodeId> + use<> {
        let all = self.coordinators;
        (0..=2 * self.f).map(move |k| NodeId((home.0 + k) % all))
    }

    /// How many participants of so many must know that all have voted yes before any commits (three-phase commit).
    #[must_use]
    pub const fn commit_quorum(&self, participants: u32) -> u32 {
        participants / 2 + 1
    }

    /// How many must have given up before any aborts: together with the others they are more than all.
    #[must_use]
    pub const fn abort_quorum(&self, participants: u32) -> u32 {
        participants + 1 - self.commit_quorum(participants)
    }

    /// Whether those who have only read are done when they vote. In Paxos Commit others may decide from the votes of
    /// writers alone, and a reader's must be among them.
    #[must_use]
    pub fn drops_readers(&self) -> bool {
        self.read_only && !self.is_paxos()
    }

    /// Whether votes go to acceptors.
    #[must_use]
    pub fn is_paxos(&self) -> bool {
        matches!(self.protocol, Protocols::Paxos | Protocols::FasterPaxos)
    }

    /// Whether a decision is to be acknowledged.
    #[must_use]
    pub fn wants_ack(&self, commit: bool) -> bool {
        match self.protocol {
            Protocols::TwoPhase => commit == (self.presume == Presumption::Abort),
            _ => true,
        }
    }

    /// How many messages a commit with so many participants takes by the papers, where they say so.
    #[must_use]
    pub const fn messages_for(&self, n: u32) -> Option<u32> {
        match self.protocol {
            Protocols::TwoPhase => Some(3 * n - 1),
            Protocols::Paxos => Some((n + 1) * (self.f + 3) - 4),
            Protocols::FasterPaxos => Some(n * (2 * self.f + 3) - 1),
            Protocols::ThreePhase => None,
        }
    }

    /// What runs are judged by.
    #[must_use]
    pub const fn judged_by(&self) -> Level {
        match self.level {
            Judged::Promised if matches!(self.isolation, Isolation::Locking) => Level::StrictSerializable,
            Judged::Promised | Judged::SnapshotIsolation => Level::SnapshotIsolation,
            Judged::ReadUncommitted => Level::ReadUncommitted,
            Judged::ReadCommitted => Level::ReadCommitted,
            Judged::RepeatableRead => Level::RepeatableRead,
            Judged::Serializable => Level::Serializable,
            Judged::StrictSerializable => Level::StrictSerializable,
        }
    }

    /// Whether snapshots are read.
    #[must_use]
    pub fn snapshots(&self) -> bool {
        self.isolation == Isolation::Snapshot
    }

    /// The Raft group of a shard.
    #[must_use]
    pub fn group(&self, shard: u32) -> raft::Config {
        RaftProtocol::group(&Group {
            nodes: self.coordinators + self.holders,
            first: self.coordinators + shard * self.copies,
            snapshot_every: self.snapshot_every,
            snapshot_keep: self.snapshot_every / 10,
            ..Group::of(self.copies)
        })
    }

    /// All shards.
    #[must_use]
    pub fn all_shards(&self) -> Shards {
        let mut all = Shards::default();
        (0..self.shards()).for_each(|shard| all.insert(shard));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::{RoleKind, Shape};

    #[test]
    fn all_problems_are_reported_at_once() {
        let (coordinator, shard) = (RoleKind::member("coordinator", ""), RoleKind::member("shard", ""));
        let shape = Shape::of_roles(&[(coordinator, 2), (shard, 4)]);
        let options = CommitOptions {
            protocol: Protocols::Paxos,
            shard: Sharding::Raft,
            presume: Presumption::Commit,
            keys: 1,
            retry: DurationText::millis(0),
            ..CommitOptions::default()
        };
        let keys: Vec<_> = options.validate(&shape).unwrap_err().iter().map(|i| i.key).collect();
        assert_eq!(keys, ["presume", "f", "replicas", "keys", "retry"]);
        let config = CommitOptions::default().validate(&shape).unwrap();
        assert_eq!(
            (config.shards(), config.duty(NodeId(1)), config.duty(NodeId(5))),
            (4, Duty::Coordinator, Duty::Shard(3))
        );
        for n in 1..20 {
            assert!(config.commit_quorum(n) + config.abort_quorum(n) > n);
        }
    }
}
