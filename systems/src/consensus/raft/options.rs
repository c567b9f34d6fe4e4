//! What may be written in `[system]`, and the configuration of a node that is made of it.

use super::bugs::RaftBug;
use super::configuration::Configuration;
use super::priorities::Priorities;
use crate::shared::replication::LeaderDisk;
use sim_core::units::{ByteSize, DurationText, RangeText};
use sim_core::{Duration, Invalid, NodeSet, Shape};
use std::collections::BTreeMap;

/// Voters that one group may have: beyond this nobody runs Raft.
const MOST_NODES: u32 = 99;
/// Largest message payload, in bytes.
const LARGEST_PAYLOAD: u64 = 1 << 30;

sim_core::choices! {
    /// What a leader asks before it answers a read.
    pub enum Reads {
        /// A quorum, each time, whether anybody else has been elected. No clock matters.
        #[default]
        ReadIndex,
        /// Its own clock, while a quorum that has answered it must not elect anybody else. Right as long as no clock
        /// drifts more than `[cluster] max_drift` says.
        Lease,
    }

    /// How one set of voters replaces another.
    pub enum Membership {
        /// All at once, through a joint configuration that takes a majority of both (dissertation 4.3).
        #[default]
        Joint,
        /// One server after another (4.1).
        Single,
    }
}

sim_core::options! {
    /// The `[system]` options of `system = "raft"`.
    pub struct RaftOptions;

    /// The configuration all nodes of one cluster share.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Config of shape {
        /// How many nodes there are, spares included.
        pub nodes: u32 = shape.nodes() as u32,
            wrong if nodes == 0 => ("a cluster of no nodes"), "three or five are usual",
            wrong if nodes > MOST_NODES =>
                ("{nodes} voters in one Raft group"), format!("at most {MOST_NODES}; three or five are usual");
        /// How many of them vote at first. The others wait to be added, or have nothing to do with this Raft.
        pub members: u32 = shape.members() as u32;
        /// The first of those who vote at first.
        pub first: u32 = 0;
        /// Worst honest clock drift, in parts per million: what leases rest on.
        pub drift_ppm: u32 = shape.max_drift_ppm;
    }

    options {
        /// How long a follower waits for its leader before it campaigns; drawn anew from this range every time.
        election_timeout: RangeText = RangeText { lo: Duration::millis(150), hi: Duration::millis(300) } => {
            election_min: Duration = election_timeout.lo,
            election_max: Duration = election_timeout.hi,
        },
            wrong if election_timeout.lo <= heartbeat_interval.0 =>
                ("followers may wait {} for a leader that is heard from every {heartbeat_interval}",
                election_timeout.lo),
                "the shortest election timeout must be longer than heartbeat_interval; three times as long is usual";
        /// How often a leader is heard from at least.
        heartbeat_interval as heartbeat: DurationText = DurationText::millis(50),
            wrong if heartbeat_interval.0 == Duration::ZERO =>
                ("a heartbeat without pause"), "a third of the election timeout is usual, for example \"50ms\"";
        /// In which steps a node waits: all of its timeouts are whole numbers of them, and drawn as such, as in etcd
        /// and tikv. etcd's defaults are `tick = "100ms"`, `election_timeout = "1s..1900ms"`, `heartbeat_interval =
        /// "100ms"`. By exact timers, unless given.
        tick: Option<DurationText> = None,
            wrong if [election_timeout.lo, election_timeout.hi, heartbeat_interval.0]
                .iter()
                .any(|time| splits(*tick, *time)) =>
                ("ticks of {} in an election timeout of {election_timeout} and heartbeats every {heartbeat_interval}",
                tick.unwrap_or_default()),
                "election_timeout (both ends) and heartbeat_interval must be whole numbers of ticks";
        /// Whether a node asks around before it disturbs the others with a new term.
        pre_vote: bool = true;
        /// Whether a leader that does not hear from a quorum steps down, and voters are loyal to a leader they hear
        /// from.
        check_quorum: bool = true;
        /// What a leader asks before it answers a read: a quorum (`read_index`) or its own clock (`lease`).
        reads: Reads = Reads::default() => { leases: bool = *reads == Reads::Lease },
            wrong if *reads == Reads::Lease && !check_quorum =>
                ("a lease from voters that are loyal to nobody"), "reads = \"lease\" needs check_quorum = true",
            wrong if *reads == Reads::Lease
                && election_timeout.lo > heartbeat_interval.0
                && lease(election_timeout.lo, drift_ppm) <= heartbeat_interval.0 =>
                ("clocks that drift {drift_ppm}ppm leave {} of a lease, renewed every {heartbeat_interval}",
                lease(election_timeout.lo, drift_ppm)),
                "make [cluster] max_drift smaller, election_timeout longer, or write reads = \"read_index\"";
        /// Whether followers answer reads themselves, once they have asked the leader how far they must have got. Whom
        /// clients ask is the workload's `reads_from`.
        follower_reads: bool = false;
        /// What a leader's messages have to do with its own disk: nothing (`parallel`), entries wait for its own write,
        /// and its loop with them, reads included, but for heartbeats (`before_sending`, as hashicorp/raft), or all it
        /// does waits while a sync is under way, heartbeats too (`blocking`, as the loop of etcd).
        leader_disk: LeaderDisk = LeaderDisk::default();
        /// A leader whose write is not durable for so long steps down, and stands for no election while that lasts.
        /// Looked at with every heartbeat; never, unless given.
        disk_timeout: Option<DurationText> = None,
            wrong if disk_timeout.is_some_and(|watch| watch.0 == Duration::ZERO || watch < *heartbeat_interval) =>
                ("{}, where the leader looks at its disk every {heartbeat_interval}",
                disk_timeout.unwrap_or_default()),
                "at least heartbeat_interval; the longest election timeout is a good choice";
        /// How the members change: all at once (`joint`) or one after another (`single`).
        membership: Membership = Membership::default() => { joint: bool = *membership == Membership::Joint };
        /// How many rounds of replication a new server has to catch up before it gets a vote.
        catch_up_rounds: u32 = 10,
            wrong if *catch_up_rounds == 0 =>
                ("new servers would get their votes with an empty log"), "at least 1; the dissertation suggests 10";
        /// Entries applied between two snapshots; 0 never takes one.
        snapshot_every: u64 = 10_000;
        /// Entries kept in the log behind a snapshot, for followers that lag a little.
        snapshot_keep: u64 = 1_000;
        /// How much of a snapshot one message carries.
        snapshot_chunk: ByteSize = ByteSize(256 << 10) => { snapshot_chunk: u32 = snapshot_chunk.0 as u32 },
            wrong if snapshot_chunk.0 == 0 => ("nothing at all"), "write for example \"64 KiB\"",
            wrong if snapshot_chunk.0 > LARGEST_PAYLOAD => ("{snapshot_chunk} in one message"), "at most 1 GiB";
        /// How many bytes of entries one message carries at most.
        max_batch: ByteSize = ByteSize(64 << 10) => { max_batch: u32 = max_batch.0 as u32 },
            wrong if max_batch.0 == 0 => ("nothing at all"), "write for example \"64 KiB\"",
            wrong if max_batch.0 > LARGEST_PAYLOAD => ("{max_batch} in one message"), "at most 1 GiB";
        /// How many messages with entries may be on their way to one follower.
        max_inflight: u32 = 64,
            wrong if *max_inflight == 0 => ("no message may be on its way"), "at least 1";
        /// How many bytes of entries may be on their way to one follower.
        max_inflight_bytes: ByteSize = ByteSize(4 << 20) => { max_inflight_bytes: u64 = max_inflight_bytes.0 },
            wrong if max_inflight_bytes.0 == 0 => ("nothing may be on its way"), "write for example \"4 MiB\"";
        /// How many batches may be uncommitted before requests gather for the next one.
        pipeline: u32 = 4,
            wrong if *pipeline == 0 => ("no batch may be uncommitted"), "at least 1";
        /// Who should lead rather than others: `{ "zone:a" = 2, n4 = 0 }`. A node's own number counts more than its
        /// zone's; 1 is what nobody has said. A leader hands over to a healthy, up-to-date node of higher priority. A
        /// node of priority 0 never campaigns by itself, even if nobody else can.
        priorities: BTreeMap<String, u8> = BTreeMap::new() => {
            priorities: Priorities = Priorities::new(priorities, shape, &mut Vec::new())
        };
        /// A known bug to re-introduce, by name (see `splitbrain list bugs`).
        bug: RaftBug = RaftBug::None;
    }

    also problems_of(priorities, shape);
}

fn problems_of(priorities: &BTreeMap<String, u8>, shape: &Shape) -> Vec<Invalid> {
    let mut invalid = Vec::new();
    Priorities::new(priorities, shape, &mut invalid);
    invalid
}

/// Whether a time is no whole number of ticks.
fn splits(tick: Option<DurationText>, time: Duration) -> bool {
    tick.is_some_and(|tick| !time.0.is_multiple_of(tick.0.0))
}

/// How long a leader may trust a lease, on its own clock, from when it asked for it: its clock may be as slow, and the
/// voters' as fast, as clocks may be.
const fn lease(shortest: Duration, drift_ppm: u32) -> Duration {
    const MILLION: u128 = 1_000_000;
    let drift = drift_ppm as u128;
    Duration((shortest.0 as u128 * MILLION.saturating_sub(drift) / (MILLION + drift)) as u64)
}

impl Config {
    /// The defaults for a cluster of `nodes`.
    #[must_use]
    pub fn new(nodes: u32) -> Self {
        RaftOptions::default().meant(&Shape::plain(nodes as usize))
    }

    /// Those who vote at first.
    #[must_use]
    pub(super) const fn first_voters(&self) -> NodeSet {
        NodeSet::first((self.first + self.members) as usize).minus(NodeSet::first(self.first as usize))
    }

    /// How many of `voters` are a majority: more than half.
    #[must_use]
    pub(super) fn majority(&self, voters: usize) -> usize {
        if self.has(RaftBug::QuorumHalf) { voters.div_ceil(2).max(1) } else { voters / 2 + 1 }
    }

    /// Whether `nodes` can decide something under a configuration, with so many votes more than nodes.
    #[must_use]
    pub(super) fn decides(&self, configuration: &Configuration, nodes: NodeSet, surplus: usize) -> bool {
        let of = |voters: NodeSet| nodes.common(voters).len() + surplus >= self.majority(voters.len());
        of(configuration.voters) && (!configuration.is_joint() || of(configuration.outgoing))
    }

    /// How long a leader may trust a lease.
    pub(super) const fn lease(&self) -> Duration {
        lease(self.election_min, self.drift_ppm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(nodes: u16, max_drift_ppm: u32) -> Shape {
        let zones = vec!["a".to_owned(), "b".to_owned()];
        Shape { node_zones: (0..nodes).map(|node| node % 2).collect(), zones, max_drift_ppm, ..Shape::plain(0) }
    }

    #[test]
    fn priorities_are_those_of_zones_unless_a_node_has_its_own() {
        let read = |given: &[(&str, u8)]| {
            let priorities = given.iter().map(|(name, priority)| ((*name).to_owned(), *priority)).collect();
            RaftOptions { priorities, ..RaftOptions::default() }.validate(&shape(4, 0))
        };
        let of = |given: &[(&str, u8)]| {
            let config = read(given).unwrap();
            sim_core::node_ids(4).map(|node| config.priorities.of(node)).collect::<Vec<_>>()
        };
        assert_eq!(of(&[]), [1, 1, 1, 1]);
        assert_eq!(of(&[("zone:a", 3), ("n3", 0)]), [3, 1, 0, 1]);
        assert!(!read(&[("n1", 1)]).unwrap().priorities.matter());
        let wrong = [("zone:c", 1), ("n5", 2), ("x", 2), ("zone:a", 0), ("zone:b", 0)];
        let what: Vec<_> = read(&wrong).unwrap_err().into_iter().map(|invalid| invalid.what).collect();
        let expected = ["there is no zone c", "there is no node n5", "there is no node x", "nobody would ever lead"];
        assert_eq!(what, expected);
    }

    #[test]
    fn leases_need_loyal_voters_and_good_clocks() {
        let options = RaftOptions { reads: Reads::Lease, check_quorum: false, ..RaftOptions::default() };
        let keys: Vec<_> = options.validate(&shape(5, 600_000)).unwrap_err().iter().map(|i| i.key).collect();
        assert_eq!(keys, ["reads", "reads"]);
        let leases = |drift| {
            let config = RaftOptions { check_quorum: true, ..options.clone() }.validate(&shape(5, drift)).unwrap();
            assert!(config.leases);
            config.lease()
        };
        assert_eq!(leases(0), Duration::millis(150));
        assert_eq!(leases(200_000), Duration::millis(100), "the leader's clock at 0.8, a voter's at 1.2");
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let options = RaftOptions {
            election_timeout: "10ms..20ms".parse().unwrap(),
            max_batch: ByteSize(0),
            pipeline: 0,
            tick: Some(DurationText(Duration::ZERO)),
            disk_timeout: Some(DurationText::millis(49)),
            ..RaftOptions::default()
        };
        let invalid = options.validate(&shape(0, 0)).unwrap_err();
        let keys: Vec<_> = invalid.iter().map(|i| i.key).collect();
        assert_eq!(keys, ["nodes", "election_timeout", "tick", "disk_timeout", "max_batch", "pipeline"]);
        assert_eq!(RaftOptions::default().validate(&shape(5, 0)), Ok(Config::new(5)));
    }
}
