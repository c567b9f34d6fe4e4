//! Whom a fault aims at; resolved when it fires.

use crate::NodeId;
use core::fmt;

/// Whom a fault aims at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Every node.
    All,
    /// One node.
    Node(NodeId),
    /// These nodes.
    Nodes(Vec<NodeId>),
    /// A random one of these, up or down, and what they are called for people.
    OneOf(String, Vec<NodeId>),
    /// Every node of a zone: its index, and its name for people.
    Zone(u16, String),
    /// The node that has this role with the highest rank ("leader", "candidate"); a random one among equals.
    Role(String),
    /// Every live node that has this role.
    Every(String),
    /// Every node on a machine: its index, and its name for people.
    Machine(u16, String),
    /// Every node on the machine on which the node with this role runs.
    RoleMachine(String),
    /// The node at which the fault's trigger was met: the receiver of the message, the announcer of the fact, the first
    /// that the other fault has hit. Nobody, for a fault that waits for nothing.
    Trigger,
    /// Nobody among the nodes: the clients. Only as the other end of a link.
    Clients,
    /// Every node of the zone in which the node with this role sits.
    RoleZone(String),
    /// The live node that has got least far ([`crate::Node::progress`]).
    MostBehind,
    /// A random node, up or down.
    Random,
    /// A random set of the largest size that is still a minority: (n - 1) / 2 nodes.
    Minority,
    /// As [`Target::Minority`], but the node with this role is one of them.
    MinorityWith(String),
    /// A random set one larger than a minority: the smallest that stops a majority quorum.
    OneMoreThanMinority,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Node(node) => node.fmt(f),
            Self::Nodes(nodes) => {
                let names: Vec<String> = nodes.iter().map(NodeId::to_string).collect();
                f.write_str(&names.join(","))
            }
            Self::Zone(_, name) => write!(f, "zone:{name}"),
            Self::OneOf(name, _) | Self::Role(name) => f.write_str(name),
            Self::Every(role) => write!(f, "every:{role}"),
            Self::Machine(_, name) => write!(f, "machine:{name}"),
            Self::RoleMachine(role) => write!(f, "machine_of:{role}"),
            Self::Trigger => f.write_str("trigger"),
            Self::Clients => f.write_str("clients"),
            Self::RoleZone(role) => write!(f, "zone_of:{role}"),
            Self::MostBehind => f.write_str("most_behind"),
            Self::Random => f.write_str("random"),
            Self::Minority => f.write_str("minority"),
            Self::MinorityWith(role) => write!(f, "minority_with:{role}"),
            Self::OneMoreThanMinority => f.write_str("one_more_than_a_minority"),
        }
    }
}
