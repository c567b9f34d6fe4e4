//! What may be written in `[system]`, and the configuration of a node that is made of it.

use super::bugs::ZkBug;
use crate::shared::fenced::Fencing;
use sim_core::units::{DurationText, RangeText};
use sim_core::{Duration, NodeId, NodeSet};

sim_core::choices! {
    /// Who must say so before `sync` answers.
    pub enum SyncBy {
        /// The leader, as ZooKeeper has it: one that does not know yet that it is replaced is wrong.
        #[default]
        Leader,
        /// A quorum, by a transaction that changes nothing (ZOOKEEPER-3600).
        Quorum,
    }
}

sim_core::options! {
    /// The `[system]` options of `system = "zookeeper"`.
    pub struct ZkOptions;

    /// The configuration that all nodes share: servers, then observers, then stores, then applications.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Config of shape {
        /// How many servers vote.
        pub servers: u32 = shape.number_of("server", shape.nodes() as u32);
        /// How many more only follow.
        pub observers: u32 = shape.role("observer").len() as u32;
        /// How many stores.
        pub stores: u32 = shape.role("store").len() as u32;
        /// All nodes.
        pub nodes: u32 = shape.nodes() as u32;
        /// The zone of each node.
        pub zones: Vec<u16> = shape.node_zones.clone();
    }

    options {
        /// The unit of time: heartbeats, limits and session time-outs are counted in it.
        tick_time as tick: DurationText = DurationText::millis(2000),
            wrong if tick_time.0 < Duration::millis(2) => ("ticks of {tick_time}"), "at least 2ms; 2s is usual";
        /// Ticks that a leader and its followers may take until they agree on an epoch and are up to date.
        init_limit: u32 = 10 => { init_limit: Duration = tick_time.0.times(u64::from(*init_limit)) },
            wrong if *init_limit == 0 => ("no time to follow a leader"), "at least 1; 10 is usual";
        /// Ticks that a leader and a follower may hear nothing of each other.
        sync_limit: u32 = 5 => { sync_limit: Duration = tick_time.0.times(u64::from(*sync_limit)) },
            wrong if *sync_limit == 0 => ("no time to be silent"), "at least 1; 5 is usual";
        /// How long a session may be silent before it ends.
        session_timeout: DurationText = DurationText::millis(10_000),
            wrong if session_timeout.0 < tick_time.0.times(2) || session_timeout.0 > tick_time.0.times(20) =>
                ("sessions of {session_timeout} at ticks of {tick_time}"),
                format!("from {} to {}: 2 to 20 ticks", tick_time.0.times(2), tick_time.0.times(20));
        /// How long a server waits for better votes once a quorum has voted as it does.
        finalize_wait: DurationText = DurationText::millis(200),
            wrong if finalize_wait.0 == Duration::ZERO => ("no wait for better votes"), "\"200ms\" is usual";
        /// How long it takes a server's process to notice that it has lost its leader, or its quorum, and to end its
        /// processors, before it looks for another one; the first server, the second, and so on, and the last for all
        /// others. Until then it says what it said before.
        shut_down: Vec<RangeText> = Vec::new() => {
            shut_down: Vec<(Duration, Duration)> = shut_down.iter().map(|range| (range.lo, range.hi)).collect(),
        };
        /// How long it takes one that is elected until others can connect with it.
        take_office: RangeText = RangeText::default() => {
            take_office: (Duration, Duration) = (take_office.lo, take_office.hi),
        };
        /// How long it takes a leader with a quorum behind it to start its processors, before anybody serves.
        start_up: RangeText = RangeText::default() => { start_up: (Duration, Duration) = (start_up.lo, start_up.hi) };
        /// How long a server waits that found its new leader not ready.
        connect_retry: DurationText = DurationText::millis(100),
            wrong if connect_retry.0 == Duration::ZERO => ("no wait between two tries"), "\"100ms\" is usual";
        /// How long a client waits at most, at random, before it tries another server.
        client_pause: DurationText = DurationText::millis(1000);
        /// How many transactions lie between two snapshots.
        snapshot_every: u32 = 1000,
            wrong if *snapshot_every == 0 => ("a snapshot after no transaction"), "1000; ZooKeeper has 100000";
        /// How many transactions a server keeps in memory, to bring others up to date with.
        diff_window: u32 = 500 => { diff_window: usize = *diff_window as usize };
        /// Who answers `sync`: the `leader`, as ZooKeeper has it, or a `quorum`.
        sync_by: SyncBy = SyncBy::default();
        /// How long an application holds a lock.
        hold: DurationText = DurationText::millis(20);
        /// How long an elected application leads.
        term: DurationText = DurationText::millis(20);
        /// How many a double barrier waits for.
        barrier: u32 = 3 => { barrier: usize = *barrier as usize },
            wrong if *barrier == 0 => ("a barrier that waits for nobody"), "at least 1";
        /// How many nodes each application watches beside the configuration.
        watches: u32 = 0;
        /// Whether the watch of the configuration stays when it has fired (ZooKeeper 3.6), or is set anew each time.
        persistent: bool = false;
        /// How long whoever takes a lock waits before it relies on it, unless the one before has let it go itself: what
        /// a recipe can do where the service has no lock-delay. 0 for not at all.
        lock_delay: DurationText = DurationText::millis(0);
        /// What the store goes by: `none`, or the `token` of a lock: its node's number.
        fencing: Fencing = Fencing::default();
        /// Whether everybody who waits for a lock watches all others, not only the one before.
        herd: bool = false;
        /// Whether an application that has lost touch with the service stops to believe that it holds its lock, rather
        /// than go on until it hears that its session is over.
        cautious: bool = true;
        /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
        bug: ZkBug = ZkBug::default();
    }
}

/// What a node is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It votes and serves.
    Server,
    /// It serves.
    Observer,
    /// It is written to under locks.
    Store,
    /// It has a session.
    App,
}

impl Config {
    /// What a node is there for.
    #[must_use]
    pub const fn duty(&self, node: NodeId) -> Duty {
        if node.0 < self.servers {
            Duty::Server
        } else if node.0 < self.servers + self.observers {
            Duty::Observer
        } else if node.0 < self.servers + self.observers + self.stores {
            Duty::Store
        } else {
            Duty::App
        }
    }

    /// The store, if there is one.
    #[must_use]
    pub const fn store(&self) -> Option<NodeId> {
        if self.stores == 0 { None } else { Some(NodeId(self.servers + self.observers)) }
    }

    /// Those who vote.
    #[must_use]
    pub fn voters(&self) -> NodeSet {
        NodeSet::first(self.servers as usize)
    }

    /// Whether these are a majority of those who vote.
    #[must_use]
    pub fn is_quorum(&self, nodes: NodeSet) -> bool {
        nodes.iter().filter(|node| node.0 < self.servers).count() > self.servers as usize / 2
    }

    /// Those whom clients connect with.
    pub fn hosts(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.servers + self.observers).map(NodeId)
    }

    /// How long it takes a server's process to end its processors.
    #[must_use]
    pub fn shut_down_of(&self, server: NodeId) -> (Duration, Duration) {
        let own = self.shut_down.get(server.index()).or(self.shut_down.last());
        own.copied().unwrap_or((Duration::ZERO, Duration::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Shape;

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = ZkOptions {
            init_limit: 0,
            session_timeout: DurationText::millis(1000),
            snapshot_every: 0,
            ..ZkOptions::default()
        };
        let keys: Vec<_> = options.validate(&Shape::plain(3)).unwrap_err().iter().map(|i| i.key).collect();
        assert_eq!(keys, ["init_limit", "session_timeout", "snapshot_every"]);
        assert!(ZkOptions::default().validate(&Shape::plain(3)).is_ok());
    }
}
