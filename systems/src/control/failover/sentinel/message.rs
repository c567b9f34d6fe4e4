//! What sentinels and the nodes that they watch send each other, and what a sentinel has on its disk.

use sim_core::NodeId;

/// Header of a command on the wire, in bytes.
const HEADER: u32 = 48;

/// Whom a sentinel wants to lead the sentinels in an epoch. It has one vote in each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Vote {
    /// The epoch.
    pub epoch: u64,
    /// The sentinel.
    pub leader: NodeId,
}

/// Who is the primary, as of the fail-over of an epoch. Of two, the newer one counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Monitored {
    /// The epoch in which the leader that made it was elected.
    pub epoch: u64,
    /// The primary.
    pub primary: NodeId,
}

/// What a sentinel writes to its disk whenever it changes (`sentinelFlushConfig`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Notes {
    /// The newest epoch it knows.
    pub epoch: u64,
    /// Its last vote.
    pub vote: Option<Vote>,
    /// Whom clients are sent to.
    pub config: Monitored,
}

sim_core::messages! {
    /// A command, or the answer to one.
    #[derive(PartialEq, Eq)]
    pub enum SentinelMessage of HEADER bytes {
        /// Are you there?
        Ping = "PING" (""),
        /// Yes.
        Pong = "PONG" (""),
        /// What are you, and how far have you got?
        Info = "INFO" (""),
        /// That.
        InfoReply {
            /// Whose replica it is; `None` if it is a primary.
            follows: Option<NodeId>,
            /// The last entry of its log.
            offset: u64,
            /// Whether it follows that primary's log at the moment.
            linked: bool,
            /// For how many seconds it has not.
            unlinked_s: u64,
        } = "INFO reply" bytes { 2000 } (|out| match follows {
            None => write!(out, "primary, at {offset}"),
            Some(primary) => {
                let link = if *linked { "" } else { ", link down" };
                write!(out, "replica of {primary}, at {offset}{link}")
            }
        }),
        /// Be a replica of this node, or a primary.
        SlaveOf {
            /// The epoch that the sentinel knows; for a promotion, the one in which it was elected.
            epoch: u64,
            /// Whose replica; `None` for NO ONE.
            primary: Option<NodeId>,
        } = "SLAVEOF" (|out| match primary {
            None => write!(out, "NO ONE, epoch {epoch}"),
            Some(primary) => write!(out, "{primary}, epoch {epoch}"),
        }),
        /// What a sentinel knows, published through the nodes that all of them watch.
        Hello {
            /// The sentinel.
            by: NodeId,
            /// The newest epoch it knows.
            epoch: u64,
            /// Who is the primary.
            config: Monitored,
        } = "PUBLISH hello"
            ("{by} in epoch {epoch}: the primary is {}, as of epoch {}", config.primary, config.epoch),
        /// Is that primary down for you, and if I say who I am: do you vote for me?
        IsDown {
            /// The primary.
            primary: NodeId,
            /// The newest epoch that the asking sentinel knows.
            epoch: u64,
            /// Whether it asks for a vote.
            stands: bool,
        } = "is-master-down-by-addr" ("{primary}, epoch {epoch}{}", if *stands { ", for a vote" } else { "" }),
        /// The answer.
        Down {
            /// Whether it is.
            down: bool,
            /// The last vote, if it was asked for one.
            vote: Option<Vote>,
        } = "is-master-down-by-addr reply" (|out| {
            write!(out, "{}", if *down { "down" } else { "up" })?;
            vote.map_or(Ok(()), |vote| write!(out, ", for {} in epoch {}", vote.leader, vote.epoch))
        }),
    }
}
