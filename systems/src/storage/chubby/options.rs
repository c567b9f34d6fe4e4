//! What may be written in `[system]`, and the configuration of a node that is made of it.

use super::bugs::ChubbyBug;
use crate::consensus::any::{Agreement, AnyConfig};
use crate::shared::fenced::Fencing;
use crate::shared::replication::Group;
use sim_core::units::{DurationText, RangeText};
use sim_core::{Duration, NodeId};

sim_core::options! {
    /// The `[system]` options of `system = "chubby"`.
    pub struct ChubbyOptions;

    /// The configuration that all nodes share: servers, then stores, then applications.
    #[derive(Clone, Debug)]
    pub struct Config of shape {
        /// How many servers there are.
        pub servers: u32 = shape.number_of("server", shape.nodes() as u32);
        /// How many stores.
        pub stores: u32 = shape.role("store").len() as u32;
        /// All nodes.
        pub nodes: u32 = shape.nodes() as u32;
        /// No honest clock drifts more than this, in parts per million.
        pub max_drift_ppm: u32 = shape.max_drift_ppm;
    }

    options {
        /// By which protocol the servers agree.
        consensus: Agreement = Agreement::Paxos;
        /// How long a session lasts without word from the master.
        lease: DurationText = DurationText::millis(12_000),
            wrong if lease.0 < Duration::millis(10) => ("a lease of {lease}"), "at least 10ms; 12s is usual";
        /// How long before the end of a lease the master answers the KeepAlive that it has kept waiting.
        answer_before: DurationText = DurationText::millis(500),
            wrong if answer_before.0 >= lease.0 =>
                ("KeepAlives answered {answer_before} before the end of a lease of {lease}"),
                "longer than a round trip, shorter than the lease";
        /// How long a client looks for a new master once its own count of the lease has run out.
        grace: DurationText = DurationText::millis(45_000);
        /// How long the master may serve without a majority's word.
        master_lease: DurationText = DurationText::millis(2000),
            wrong if master_lease.0 < heartbeat_interval.0 =>
                ("a master's lease of {master_lease} and heartbeats every {heartbeat_interval}"),
                "a few election timeouts",
            wrong if master_lease.0 > lease.0 =>
                ("a master's lease of {master_lease} and sessions of {lease}"),
                "no longer than a session's lease: a new master waits for the one before sessions have run out";
        /// How long a lock stays closed when the session of its holder has ended; 0 for not at all.
        lock_delay: DurationText = DurationText::millis(0);
        /// How long a new master waits until it deletes ephemeral files that nobody has open.
        ephemeral_wait: DurationText = DurationText::millis(60_000);
        /// What the store goes by: `none`, or the `token` of a lock: its sequencer's generation.
        fencing: Fencing = Fencing::default();
        /// How long a client waits before it asks the next server who the master is.
        seek_every: DurationText = DurationText::millis(200),
            wrong if seek_every.0 == Duration::ZERO => ("no wait between two questions"), "\"200ms\" is usual";
        /// How long an application holds a lock.
        hold: DurationText = DurationText::millis(20);
        /// How long a server waits for its leader; drawn anew from this range every time.
        election_timeout: RangeText = RangeText { lo: Duration::millis(150), hi: Duration::millis(300) } => {
            election: (Duration, Duration) = (election_timeout.lo, election_timeout.hi),
        },
            wrong if election_timeout.lo <= heartbeat_interval.0 =>
                ("servers may wait {} for a leader that is heard from every {heartbeat_interval}", election_timeout.lo),
                "the shortest election timeout must be longer than heartbeat_interval; three times as long is usual";
        /// How often a leader is heard from.
        heartbeat_interval as heartbeat: DurationText = DurationText::millis(50),
            wrong if heartbeat_interval.0 == Duration::ZERO =>
                ("a heartbeat without pause"), "a third of the election timeout is usual, for example \"50ms\"";
        /// Commands carried out between two snapshots; 0 never takes one.
        snapshot_every: u64 = 1000;
        /// Entries kept in the log behind a snapshot.
        snapshot_keep: u64 = 200;
        /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
        bug: ChubbyBug = ChubbyBug::default();
    }
}

/// What a node is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It is one of the cell.
    Server,
    /// It is written to under locks.
    Store,
    /// It runs a program that has a session.
    App,
}

impl Config {
    /// What a node is there for.
    #[must_use]
    pub const fn duty(&self, node: NodeId) -> Duty {
        if node.0 < self.servers {
            Duty::Server
        } else if node.0 < self.servers + self.stores {
            Duty::Store
        } else {
            Duty::App
        }
    }

    /// The store, if there is one.
    #[must_use]
    pub const fn store(&self) -> Option<NodeId> {
        if self.stores == 0 { None } else { Some(NodeId(self.servers)) }
    }

    /// The group of the servers.
    #[must_use]
    pub fn group(&self) -> AnyConfig {
        let group = Group {
            nodes: self.nodes,
            heartbeat: self.heartbeat,
            election: self.election,
            snapshot_every: self.snapshot_every,
            snapshot_keep: self.snapshot_keep,
            ..Group::of(self.servers)
        };
        AnyConfig::of(self.consensus, &group)
    }

    /// What one clock may count on of a time that another one promises.
    #[must_use]
    pub const fn surely(&self, promised: Duration) -> Duration {
        let drift = promised.0 as u128 * 2 * self.max_drift_ppm as u128 / 1_000_000;
        Duration(promised.0 - drift as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Shape;

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = ChubbyOptions {
            lease: DurationText::millis(300),
            answer_before: DurationText::millis(400),
            master_lease: DurationText::millis(20),
            seek_every: DurationText::millis(0),
            ..ChubbyOptions::default()
        };
        let keys: Vec<_> = options.validate(&Shape::plain(3)).unwrap_err().iter().map(|i| i.key).collect();
        assert_eq!(keys, ["answer_before", "master_lease", "seek_every"]);
        assert!(ChubbyOptions::default().validate(&Shape::plain(3)).is_ok());
    }
}
