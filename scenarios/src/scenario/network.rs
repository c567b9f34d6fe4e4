//! The network and the disks: one policy for all links, and rules for some of them.

use super::Cluster;
use sim_core::network::{Latency, LinkPolicy, Transport};
use sim_core::{Duration, NodeId, Probability};

/// What a rule changes about a link; `None` leaves it as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkChange {
    /// Instead of [`LinkPolicy::latency`].
    pub latency: Option<Latency>,
    /// Instead of [`LinkPolicy::loss`].
    pub loss: Option<Probability>,
    /// Instead of [`LinkPolicy::duplicate`].
    pub duplicate: Option<Probability>,
    /// Instead of [`LinkPolicy::reorder`].
    pub reorder: Option<Probability>,
    /// Instead of [`LinkPolicy::reorder_by`].
    pub reorder_by: Option<Duration>,
    /// Instead of [`LinkPolicy::corrupt`].
    pub corrupt: Option<Probability>,
    /// Instead of [`LinkPolicy::bandwidth`].
    pub bandwidth: Option<u64>,
    /// Instead of [`LinkPolicy::queue_bytes`].
    pub queue_bytes: Option<u64>,
    /// Instead of [`LinkPolicy::ordered`].
    pub ordered: Option<bool>,
    /// Instead of [`LinkPolicy::connection_timeout`].
    pub connection_timeout: Option<Duration>,
}

impl LinkChange {
    /// `link` with the change made.
    #[must_use]
    pub fn apply(&self, link: LinkPolicy) -> LinkPolicy {
        LinkPolicy {
            latency: self.latency.clone().unwrap_or(link.latency),
            loss: self.loss.unwrap_or(link.loss),
            duplicate: self.duplicate.unwrap_or(link.duplicate),
            reorder: self.reorder.unwrap_or(link.reorder),
            reorder_by: self.reorder_by.unwrap_or(link.reorder_by),
            corrupt: self.corrupt.unwrap_or(link.corrupt),
            bandwidth: self.bandwidth.unwrap_or(link.bandwidth),
            queue_bytes: self.queue_bytes.unwrap_or(link.queue_bytes),
            ordered: self.ordered.unwrap_or(link.ordered),
            connection_timeout: self.connection_timeout.unwrap_or(link.connection_timeout),
        }
    }
}

/// One end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every machine of a zone.
    Zone(u16),
    /// One node.
    Node(NodeId),
}

impl End {
    fn covers(self, zone: u16, node: Option<NodeId>) -> bool {
        match self {
            Self::Zone(z) => z == zone,
            Self::Node(n) => Some(n) == node,
        }
    }
}

/// A rule about some links.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkRule {
    /// From here.
    pub from: End,
    /// To there.
    pub to: End,
    /// And back.
    pub both_ways: bool,
    /// What is different.
    pub change: LinkChange,
}

impl LinkRule {
    fn covers(&self, from: (u16, Option<NodeId>), to: (u16, Option<NodeId>)) -> bool {
        let way =
            |a: (u16, Option<NodeId>), b: (u16, Option<NodeId>)| self.from.covers(a.0, a.1) && self.to.covers(b.0, b.1);
        way(from, to) || (self.both_ways && way(to, from))
    }

    /// Whether the rule names a single node, so that a table of zone pairs can not hold it.
    #[must_use]
    pub const fn names_a_node(&self) -> bool {
        matches!(self.from, End::Node(_)) || matches!(self.to, End::Node(_))
    }
}

/// The network.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// What holds where no rule says otherwise.
    pub base: LinkPolicy,
    /// What is different between a client and a node, after the rules of their zones.
    pub client: LinkChange,
    /// Rules; where several speak about the same thing, the last one wins. Latency matrices have become rules here.
    pub rules: Vec<LinkRule>,
    /// What carries messages over the links.
    pub transport: Transport,
}

impl Network {
    fn resolve(&self, from: (u16, Option<NodeId>), to: (u16, Option<NodeId>)) -> LinkPolicy {
        let rules = self.rules.iter().filter(|rule| rule.covers(from, to));
        rules.fold(self.base.clone(), |link, rule| rule.change.apply(link))
    }

    /// The link from one zone to another, for nodes that no rule names.
    #[must_use]
    pub fn zone_link(&self, from: u16, to: u16) -> LinkPolicy {
        self.resolve((from, None), (to, None))
    }

    /// The link from one node to another.
    #[must_use]
    pub fn node_link(&self, cluster: &Cluster, from: NodeId, to: NodeId) -> LinkPolicy {
        self.resolve((cluster.zone_of(from), Some(from)), (cluster.zone_of(to), Some(to)))
    }

    /// The link from a client in zone `client` to `node`.
    #[must_use]
    pub fn request_link(&self, cluster: &Cluster, client: u16, node: NodeId) -> LinkPolicy {
        self.client.apply(self.resolve((client, None), (cluster.zone_of(node), Some(node))))
    }

    /// The link from `node` to a client in zone `client`.
    #[must_use]
    pub fn response_link(&self, cluster: &Cluster, node: NodeId, client: u16) -> LinkPolicy {
        self.client.apply(self.resolve((cluster.zone_of(node), Some(node)), (client, None)))
    }
}

/// In what the disks of some machines differ from the others.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiskOverride {
    /// How long a sync takes.
    pub sync: Option<Latency>,
    /// A sync fails with this probability.
    pub fail: Option<Probability>,
    /// How many syncs may be under way at the same time.
    pub at_once: Option<u32>,
}

impl DiskOverride {
    /// The disk with this change.
    #[must_use]
    pub fn of(&self, disk: &Disk) -> Disk {
        Disk {
            sync: self.sync.clone().unwrap_or_else(|| disk.sync.clone()),
            fail: self.fail.unwrap_or(disk.fail),
            at_once: self.at_once.unwrap_or(disk.at_once),
        }
    }
}

/// The disks, all alike but for groups of machines that say otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Disk {
    /// How long a sync takes.
    pub sync: Latency,
    /// A sync fails with this probability.
    pub fail: Probability,
    /// How many syncs may be under way at the same time.
    pub at_once: u32,
}
