//! What members send each other.

use super::view::State;
use core::fmt;
use sim_core::NodeId;

crate::shared::number::numbers! {
    /// A member's own number for a ping, or for an exchange of the whole state.
    ProbeNumber;
    /// Counts how often a member has objected to what is said of it; the first is 1.
    Incarnation;
    /// Serf's Lamport time.
    Lamport;
}

/// A piece of news.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rumour {
    /// A member is alive.
    Alive {
        /// Which.
        node: NodeId,
        /// In this incarnation.
        incarnation: Incarnation,
    },
    /// A member did not answer.
    Suspect {
        /// Which.
        node: NodeId,
        /// In this incarnation.
        incarnation: Incarnation,
        /// Who says so.
        from: NodeId,
    },
    /// A member is dead, or has left if it says so itself.
    Dead {
        /// Which.
        node: NodeId,
        /// In this incarnation.
        incarnation: Incarnation,
        /// Who says so.
        from: NodeId,
    },
    /// Serf: a member means to be here.
    Join {
        /// Which.
        node: NodeId,
        /// When it said so.
        at: Lamport,
    },
    /// Serf: a member means to go.
    Leave {
        /// Which.
        node: NodeId,
        /// When it said so, or was said to.
        at: Lamport,
    },
    /// Serf: something that an application wants everybody to know.
    Event {
        /// When it was said.
        at: Lamport,
        /// What.
        what: u64,
    },
}

impl Rumour {
    /// About whom memberlist says it: newer news about the same take the place of older ones.
    #[must_use]
    pub const fn subject(&self) -> Option<NodeId> {
        match self {
            Self::Alive { node, .. } | Self::Suspect { node, .. } | Self::Dead { node, .. } => Some(*node),
            Self::Join { .. } | Self::Leave { .. } | Self::Event { .. } => None,
        }
    }

    /// Its size in a packet, about as memberlist packs it.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        match self {
            Self::Alive { .. } => 120,
            Self::Suspect { .. } | Self::Dead { .. } => 64,
            Self::Join { .. } | Self::Leave { .. } | Self::Event { .. } => 40,
        }
    }
}

impl fmt::Display for Rumour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alive { node, incarnation } => write!(f, "{node} is alive ({incarnation})"),
            Self::Suspect { node, incarnation, from } => write!(f, "{from} suspects {node} ({incarnation})"),
            Self::Dead { node, incarnation, from } if node == from => write!(f, "{node} leaves ({incarnation})"),
            Self::Dead { node, incarnation, from } => write!(f, "{from} says {node} is dead ({incarnation})"),
            Self::Join { node, at } => write!(f, "{node} joins at {at}"),
            Self::Leave { node, at } => write!(f, "{node} means to leave at {at}"),
            Self::Event { at, what } => write!(f, "event {what} at {at}"),
        }
    }
}

/// What a message tells beside its question or answer.
fn news(rumours: &[Rumour], out: &mut dyn fmt::Write) -> fmt::Result {
    if rumours.is_empty() {
        return out.write_str("no news");
    }
    rumours.iter().enumerate().try_for_each(|(i, rumour)| {
        let comma = if i > 0 { ", " } else { "" };
        write!(out, "{comma}{rumour}")
    })
}

fn bytes(rumours: &[Rumour]) -> u32 {
    rumours.iter().map(Rumour::bytes).sum()
}

/// What one member knows of another, in an exchange of the whole state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Member {
    /// Which.
    pub node: NodeId,
    /// What it is held for.
    pub state: State,
    /// In which incarnation.
    pub incarnation: Incarnation,
}

/// The whole state of a member: what memberlist knows, and Serf.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Whole {
    /// Those below this that are not listed are alive in their first incarnation, and meant to be here at 0.
    pub base: u32,
    /// Those that differ, or are not below it.
    pub members: Vec<Member>,
    /// Those below it that are not known.
    pub unknown: Vec<NodeId>,
    /// Serf's clock of intents.
    pub clock: Lamport,
    /// When each member said last what it means to do, and whether it has left.
    pub intents: Vec<(NodeId, Lamport, bool)>,
    /// Serf's clock of events.
    pub event_clock: Lamport,
    /// The events that are remembered.
    pub events: Vec<(Lamport, u64)>,
}

impl Whole {
    fn bytes(&self) -> u32 {
        let members = self.base as usize - self.unknown.len() + self.members.len();
        (members * 110 + self.intents.len() * 20 + self.events.len() * 24) as u32
    }
}

sim_core::messages! {
    /// Between members.
    #[derive(PartialEq, Eq)]
    pub enum SwimMessage of 40 bytes {
        /// Answer me.
        Ping {
            /// The sender's number for it.
            seq: ProbeNumber,
            /// News.
            rumours: Vec<Rumour>,
        } = "Ping" bytes { bytes(rumours) } (|out| news(rumours, out)),
        /// Ping `target` for me.
        PingReq {
            /// The sender's number for it.
            seq: ProbeNumber,
            /// Whom.
            target: NodeId,
            /// News.
            rumours: Vec<Rumour>,
        } = "PingReq" bytes { bytes(rumours) } ("ping {target} for me"),
        /// An answer to a ping, straight or through a helper.
        Ack {
            /// The asker's number.
            seq: ProbeNumber,
            /// News.
            rumours: Vec<Rumour>,
        } = "Ack" bytes { bytes(rumours) } (|out| news(rumours, out)),
        /// A helper has heard nothing, but has heard the one who asked it.
        Nack {
            /// The asker's number.
            seq: ProbeNumber,
            /// News.
            rumours: Vec<Rumour>,
        } = "Nack" bytes { bytes(rumours) } (|out| news(rumours, out)),
        /// News alone.
        Gossip {
            /// Those.
            rumours: Vec<Rumour>,
        } = "Gossip" bytes { bytes(rumours) } (|out| news(rumours, out)),
        /// All that the sender knows; it wants to know all that the receiver does.
        Push {
            /// The sender's number for it.
            seq: ProbeNumber,
            /// All.
            whole: Whole,
        } = "Push" bytes { whole.bytes() } ("{} members differ", whole.members.len()),
        /// The answer: all that the sender knows.
        Pull {
            /// The asker's number.
            seq: ProbeNumber,
            /// All.
            whole: Whole,
        } = "Pull" bytes { whole.bytes() } ("{} members differ", whole.members.len()),
    }
}
