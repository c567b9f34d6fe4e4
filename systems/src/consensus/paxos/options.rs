//! What may be written in `[system]`, and the configuration of a replica that is made of it.

use super::bugs::PaxosBug;
use crate::shared::replication::LeaderDisk;
use sim_core::units::{ByteSize, DurationText, RangeText};
use sim_core::{Duration, NodeSet, Shape};

/// Replicas that one group may have: beyond this nobody runs Paxos.
const MOST_NODES: u32 = 99;
/// Slots that may be open at a time at most: a new configuration fills as many with nothing.
const MOST_ALPHA: u32 = 1_000_000;
/// Largest message payload, in bytes.
const LARGEST_PAYLOAD: u64 = 1 << 30;

sim_core::options! {
    /// The `[system]` options of `system = "paxos"`.
    pub struct PaxosOptions;

    /// The configuration all replicas of one cluster share.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Config of shape {
        /// How many replicas there are at first.
        pub nodes: u32 = (shape.members() as u32).min(MOST_NODES),
            wrong if nodes == 0 => ("a cluster of no nodes"), "three or five are usual",
            wrong if shape.nodes() > MOST_NODES as usize =>
                ("{} acceptors in one Paxos group", shape.nodes()),
                format!("at most {MOST_NODES}; three or five are usual");
        /// The first of them.
        pub first: u32 = 0;
        /// How many machines behind them may become replicas.
        pub spares: u32 = shape.spares;
        /// Worst honest clock drift, in parts per million: what leases rest on.
        pub drift_ppm: u32 = shape.max_drift_ppm;
    }

    options {
        /// How long a follower waits for its leader before it prepares a ballot; drawn anew from this range every time.
        election_timeout: RangeText = RangeText { lo: Duration::millis(150), hi: Duration::millis(300) } => {
            election_min: Duration = election_timeout.lo,
            election_max: Duration = election_timeout.hi,
        },
            wrong if election_timeout.lo <= heartbeat_interval.0 =>
                ("followers may wait {} for a leader that is heard from every {heartbeat_interval}",
                election_timeout.lo),
                "the shortest election timeout must be longer than heartbeat_interval; three times as long is usual";
        /// How often a leader is heard from.
        heartbeat_interval as heartbeat: DurationText = DurationText::millis(50),
            wrong if heartbeat_interval.0 == Duration::ZERO =>
                ("a heartbeat without pause"), "a third of the election timeout is usual, for example \"50ms\"";
        /// Acceptors whose promises a new leader needs (phase 1); a majority unless given.
        q1: Option<u32> = None => { q1: u32 = quorum(*q1, nodes) },
            wrong if !(1..=nodes).contains(&quorum(*q1, nodes)) =>
                ("a quorum of {} of {nodes} acceptors", quorum(*q1, nodes)),
                format!("from 1 to {nodes}; a majority is {}", nodes / 2 + 1);
        /// Acceptors that must accept a value for it to be chosen (phase 2); a majority unless given.
        q2: Option<u32> = None => { q2: u32 = quorum(*q2, nodes) },
            wrong if !(1..=nodes).contains(&quorum(*q2, nodes)) =>
                ("a quorum of {} of {nodes} acceptors", quorum(*q2, nodes)),
                format!("from 1 to {nodes}; a majority is {}", nodes / 2 + 1),
            wrong if quorum(*q1, nodes).saturating_add(quorum(*q2, nodes)) <= nodes =>
                ("quorums of {} and {} of {nodes} acceptors need not meet, so two values could be chosen",
                quorum(*q1, nodes), quorum(*q2, nodes)),
                format!(
                    "q1 + q2 must be at least {}, for example q1 = {}",
                    nodes + 1,
                    nodes.saturating_sub(quorum(*q2, nodes)) + 1
                );
        /// A configuration that is chosen governs the slots from so many later on; no more may be open at a time.
        alpha: u32 = 1_000,
            wrong if !(1..=MOST_ALPHA).contains(alpha) =>
                ("{alpha} slots open at a time"), format!("from 1 to {MOST_ALPHA}");
        /// Whether a leader that does not hear from a quorum steps down, and acceptors are loyal to a leader they hear
        /// from.
        check_quorum: bool = true;
        /// Whether every failed attempt to lead doubles the range of the time before the next.
        back_off: bool = true;
        /// Whether the leader serves reads from its own state under a lease as long as the shortest election timeout,
        /// instead of asking a quorum. Right as long as no clock drifts more than `clock_drift` says.
        leases: bool = false,
            wrong if *leases && !check_quorum =>
                ("a lease from acceptors that are loyal to nobody"), "leases need check_quorum = true",
            wrong if *leases && drift_ppm >= 250_000 =>
                ("clocks that drift {drift_ppm} parts per million grant no leases"),
                "make [cluster] clock_drift smaller, or leave leases off";
        /// What a leader's messages have to do with its own disk: nothing (`parallel`), values are proposed to others
        /// once they are durable here, and all else waits too, reads included, but for heartbeats (`before_sending`),
        /// or all it does waits while a sync is under way, heartbeats too (`blocking`).
        leader_disk: LeaderDisk = LeaderDisk::default();
        /// A leader whose write is not durable for so long steps down, and prepares no ballot while that lasts. Looked
        /// at with every heartbeat; never, unless given.
        disk_timeout: Option<DurationText> = None,
            wrong if disk_timeout.is_some_and(|watch| watch.0 == Duration::ZERO || watch < *heartbeat_interval) =>
                ("{}, where the leader looks at its disk every {heartbeat_interval}", disk_timeout.unwrap_or_default()),
                "at least heartbeat_interval; the longest election timeout is a good choice";
        /// Slots applied between two snapshots; 0 never takes one.
        snapshot_every: u64 = 10_000;
        /// Slots kept in the log behind a snapshot, for replicas that lag a little.
        snapshot_keep: u64 = 1_000;
        /// How much of a snapshot one message carries.
        snapshot_chunk: ByteSize = ByteSize(256 << 10) => { snapshot_chunk: u32 = snapshot_chunk.0 as u32 },
            wrong if snapshot_chunk.0 == 0 => ("nothing at all"), "write for example \"64 KiB\"",
            wrong if snapshot_chunk.0 > LARGEST_PAYLOAD => ("{snapshot_chunk} in one message"), "at most 1 GiB";
        /// How many bytes of commands one message carries at most.
        max_batch: ByteSize = ByteSize(64 << 10) => { max_batch: u32 = max_batch.0 as u32 },
            wrong if max_batch.0 == 0 => ("nothing at all"), "write for example \"64 KiB\"",
            wrong if max_batch.0 > LARGEST_PAYLOAD => ("{max_batch} in one message"), "at most 1 GiB";
        /// How many batches may be open before requests gather for the next one.
        pipeline: u32 = 4,
            wrong if *pipeline == 0 => ("no batch may be open"), "at least 1";
        /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
        bug: PaxosBug = PaxosBug::None;
    }
}

/// The size of a quorum of `nodes`: a majority unless given.
fn quorum(given: Option<u32>, nodes: u32) -> u32 {
    given.unwrap_or(nodes / 2 + 1)
}

impl Config {
    /// The defaults for a cluster of `nodes`.
    #[must_use]
    pub fn new(nodes: u32) -> Self {
        PaxosOptions::default().meant(&Shape::plain(nodes as usize))
    }

    /// Machines up to the last one: those before the first replica, replicas and spares.
    pub(super) const fn machines(&self) -> u32 {
        self.first + self.nodes + self.spares
    }

    /// The replicas at first.
    pub(super) fn replicas(&self) -> NodeSet {
        NodeSet::first((self.first + self.nodes) as usize).minus(NodeSet::first(self.first as usize))
    }

    /// From how many slots later on a configuration governs.
    pub(super) const fn alpha(&self) -> u64 {
        self.alpha as u64
    }

    /// Sizes of the quorums of a configuration: majorities stay majorities; otherwise the smaller one stays what it is,
    /// or becomes a majority, and the other one meets it as before.
    const fn quorums(&self, members: NodeSet) -> (u32, u32) {
        let (n, majority) = (members.len() as u32, self.nodes / 2 + 1);
        if n == self.nodes {
            return (self.q1, self.q2);
        }
        if self.q1 == majority && self.q2 == majority {
            return (n / 2 + 1, n / 2 + 1);
        }
        let smaller = if self.q1 < self.q2 { self.q1 } else { self.q2 };
        let smaller = if smaller < n / 2 + 1 { smaller } else { n / 2 + 1 };
        let larger = n + self.q1 + self.q2 - self.nodes - smaller;
        let larger = if larger < n { larger } else { n };
        if self.q1 < self.q2 { (smaller, larger) } else { (larger, smaller) }
    }

    /// Promises of these acceptors that make a leader.
    pub(super) fn phase_one(&self, members: NodeSet) -> u32 {
        let (q1, q2) = self.quorums(members);
        if self.has(PaxosBug::QuorumsDoNotMeet) { (members.len() as u32 - q2).max(1) } else { q1 }
    }

    /// How many of these acceptors choose a value, confirm a read and grant a lease.
    #[inline]
    pub(super) const fn phase_two(&self, members: NodeSet) -> u32 {
        self.quorums(members).1
    }

    /// How many of these acceptors, itself not counted, a replica with a wiped disk must have asked: enough to meet
    /// every quorum that it may have been part of.
    pub(super) const fn rejoin(&self, members: NodeSet) -> u32 {
        let (q1, q2) = self.quorums(members);
        let smaller = if q1 < q2 { q1 } else { q2 };
        members.len() as u32 - smaller + 1
    }

    /// How long a leader may trust a lease, on its own clock, from when it asked for it: both clocks may be wrong.
    pub(super) const fn lease(&self) -> Duration {
        let ns = self.election_min.0;
        Duration(ns - (ns / 1_000_000 + 1) * 2 * self.drift_ppm as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quorums_of_every_configuration_meet() {
        for nodes in 1..=6 {
            for (q1, q2) in (1..=nodes).flat_map(|q1| (nodes + 1 - q1..=nodes).map(move |q2| (q1, q2))) {
                let config = Config { q1, q2, ..Config::new(nodes) };
                for n in 1..=8 {
                    let (p1, p2) = config.quorums(NodeSet::first(n as usize));
                    assert!(p1 + p2 > n && p1 <= n && p2 <= n, "({q1}, {q2}) of {nodes}: ({p1}, {p2}) of {n}");
                    assert!(n < 3 || nodes < 3 || q1.min(q2) < 2 || p1.min(p2) >= 2, "({p1}, {p2}) of {n}");
                }
            }
        }
        let three = Config { q1: 4, q2: 2, ..Config::new(5) };
        assert_eq!([3, 4, 5, 7].map(|n| three.quorums(NodeSet::first(n))), [(2, 2), (3, 2), (4, 2), (6, 2)]);
        assert_eq!([3, 4, 7].map(|n| Config::new(5).quorums(NodeSet::first(n))), [(2, 2), (3, 3), (4, 4)]);
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = PaxosOptions {
            election_timeout: "10ms..20ms".parse().unwrap(),
            q1: Some(6),
            q2: Some(0),
            leases: true,
            check_quorum: false,
            max_batch: ByteSize(0),
            pipeline: 0,
            disk_timeout: Some(DurationText::millis(49)),
            alpha: 0,
            ..PaxosOptions::default()
        };
        let invalid = options.validate(&Shape { max_drift_ppm: 300_000, ..Shape::plain(5) }).unwrap_err();
        let keys: Vec<_> = invalid.iter().map(|i| i.key).collect();
        assert_eq!(
            keys,
            ["election_timeout", "q1", "q2", "alpha", "leases", "leases", "disk_timeout", "max_batch", "pipeline"]
        );
        assert_eq!(PaxosOptions::default().validate(&Shape::plain(5)), Ok(Config::new(5)));
    }

    #[test]
    fn quorums_must_meet() {
        let sizes = |n, q1, q2| {
            PaxosOptions { q1: Some(q1), q2: Some(q2), ..PaxosOptions::default() }.validate(&Shape::plain(n))
        };
        for n in 1..=6 {
            for q1 in 1..=n {
                for q2 in 1..=n {
                    assert_eq!(sizes(n as usize, q1, q2).is_ok(), q1 + q2 > n, "{q1} and {q2} of {n}");
                }
            }
        }
    }
}
