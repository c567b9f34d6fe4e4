//! What nodes tell each other, write to their disks and announce.

use super::log::{Batch, Draft, Member, Offset};
use super::metadata::{Alter, Altered, How, Image, Metadata, Partition};
use crate::consensus::raft::{self, RaftFact, RaftMessage};
use crate::shared::replication::Minute;
use sim_core::{NodeId, NodeSet};
use std::rc::Rc;

crate::shared::number::numbers! {
    /// A producer's own number for what it asks a broker: to take a batch, or how far a log may be read.
    RequestNumber;
    /// A follower's, or a consumer's, own number for a fetch.
    FetchNumber;
    /// A member's own number for a commit of its offsets.
    CommitNumber;
}

/// Why a broker does not do what it was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It does not lead the partition, or not in that epoch.
    NotLeader,
    /// Too few replicas are in sync: nothing was written.
    NotEnough,
    /// It is in the log, and may be lost: too few are in sync by now, or the broker leads no longer.
    NotEnoughAfter,
    /// A batch of the producer before this one is missing.
    OutOfOrder,
    /// The producer has a newer epoch, or the batch is older than what is remembered.
    Stale,
    /// There is no such offset in the log.
    OutOfRange,
}

/// Why a coordinator does not do what a member asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    /// It is not the group's coordinator.
    NotCoordinator,
    /// It does not know the member.
    UnknownMember,
    /// The member is of another generation.
    OtherGeneration,
    /// The group is dealt anew: join again.
    Rebalancing,
}

/// A member's own words about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Me {
    /// The group.
    pub group: u32,
    /// Its name.
    pub id: u64,
    /// The generation that it knows.
    pub generation: u32,
}

sim_core::messages! {
    /// Between all of them.
    pub enum QueueMessage of 40 bytes {
        /// The controllers' group.
        Council(inner: RaftMessage<Metadata>) = "Council" of [raft::MESSAGE_KINDS] whole { inner.bytes() }
            (|out| inner.describe(out)),
        /// A broker begins a life.
        Register {
            /// Which.
            life: u64,
        } = "Register" ("life {life:x}"),
        /// It is still there.
        Heartbeat {
            /// By its registration.
            epoch: u64,
            /// The version of the image that it has.
            version: u64,
        } = "Heartbeat" ("registration {epoch}, has version {version}"),
        /// The answer, where there is nothing new.
        Heard = "Heard" (""),
        /// The answer of who is not in charge.
        NotController {
            /// Who may be.
            leader: Option<NodeId>,
        } = "NotController" ("{leader:?}"),
        /// What is known of the cluster.
        Image(image: Rc<Image>) = "Metadata" bytes { image.bytes() } ("version {}", image.version),
        /// What do you know that is newer?
        AskImage {
            /// Than this version.
            version: u64,
        } = "AskMetadata" ("newer than {version}"),
        /// A leader asks that others be in sync.
        Alter(alter: Rc<Alter>) = "AlterPartition" bytes { 16 * alter.isr.len() as u32 }
            ("p{} in sync {:?}", alter.partition.0, alter.isr.iter().map(|(node, _)| node.0 + 1).collect::<Vec<_>>()),
        /// The answer.
        AlterDone {
            /// Where.
            partition: Partition,
            /// To what was asked of this state.
            of: u32,
            /// What.
            altered: Altered,
        } = "AlterPartitionDone" ("p{} {altered:?}", partition.0),
        /// A broker needs producer ids to give out.
        AskBlock = "AskProducerIds" (""),
        /// They begin here.
        Block {
            /// With this one.
            first: u64,
        } = "ProducerIds" ("from {first}"),
        /// A producer needs an id.
        AskProducer = "InitProducerId" (""),
        /// It has one.
        Producer {
            /// This.
            id: u64,
        } = "ProducerId" ("{id}"),
        /// A producer sends a batch.
        Produce {
            /// The producer's number for it.
            number: RequestNumber,
            /// Where.
            partition: Partition,
            /// What.
            draft: Rc<Draft>,
        } = "Produce" bytes { draft.bytes() } ("#{number} p{} {} messages", partition.0, draft.items.len()),
        /// The answer: where it stands.
        Produced {
            /// To which.
            number: RequestNumber,
            /// Where.
            partition: Partition,
            /// What.
            result: Result<Offset, Refusal>,
        } = "Produced" ("#{number} p{} {result:?}", partition.0),
        /// A follower, or a consumer, wants what comes next.
        Fetch {
            /// The asker's number for it.
            number: FetchNumber,
            /// Where.
            partition: Partition,
            /// From here.
            offset: Offset,
            /// A follower's registration; none for a consumer.
            replica: Option<u64>,
            /// The epoch that a follower follows.
            leader_epoch: u32,
            /// The epoch of its last batch.
            last_epoch: u32,
        } = "Fetch" | "ReplicaFetch" [usize::from(replica.is_some())]
            ("#{number} p{} from {offset}, epoch {leader_epoch}, last {last_epoch}", partition.0),
        /// The answer.
        Fetched(fetched: Rc<Fetched>) = "Fetched" | "ReplicaFetched" [usize::from(fetched.replica)]
            bytes { fetched.batches.iter().map(|batch| batch.bytes()).sum::<u32>() } (|out| fetched.describe(out)),
        /// How far may consumers read?
        AskEnd {
            /// The asker's number for it.
            number: RequestNumber,
            /// Where.
            partition: Partition,
        } = "ListOffsets" ("#{number} p{}", partition.0),
        /// The answer.
        End {
            /// To which.
            number: RequestNumber,
            /// Up to here.
            result: Result<Offset, Refusal>,
        } = "Offset" ("#{number} {result:?}"),
        /// A member joins its group, or joins again.
        Join {
            /// Who.
            me: Me,
            /// What it has and keeps.
            owned: Vec<u32>,
        } = "JoinGroup" ("{me:?} has {owned:?}"),
        /// It is in.
        Joined {
            /// In this generation.
            me: Me,
            /// If it shall deal: among these, with what they have, and of which generation.
            deals: Option<Rc<[(Member, u32)]>>,
        } = "Joined" ("{me:?} deals {}", deals.is_some()),
        /// It wants to know what it was dealt.
        Sync {
            /// Who.
            me: Me,
            /// What all were dealt, if it has dealt.
            plan: Option<Rc<[Member]>>,
        } = "SyncGroup" ("{me:?}"),
        /// This.
        Synced {
            /// Who.
            me: Me,
            /// Partitions.
            dealt: Vec<u32>,
        } = "Synced" ("{me:?} {dealt:?}"),
        /// A member is still there.
        Beat(me: Me) = "MemberHeartbeat" ("{me:?}"),
        /// So it is.
        Beaten(me: Me) = "MemberHeard" ("{me:?}"),
        /// It goes, in good order.
        Leave(me: Me) = "LeaveGroup" ("{me:?}"),
        /// It has come so far.
        Commit {
            /// Who.
            me: Me,
            /// Its number for it.
            number: CommitNumber,
            /// Partitions, and what it wants next of each.
            offsets: Rc<[(u32, Offset)]>,
        } = "OffsetCommit" bytes { 12 * offsets.len() as u32 } ("#{number} {offsets:?}"),
        /// So it is.
        Committed {
            /// Who.
            me: Me,
            /// Which.
            number: CommitNumber,
        } = "OffsetCommitted" ("#{number}"),
        /// It is not.
        CommitDenied {
            /// Who.
            me: Me,
            /// Which.
            number: CommitNumber,
            /// Why.
            why: Denial,
        } = "OffsetCommitDenied" ("#{number} {why:?}"),
        /// How far has the group come?
        AskOffsets {
            /// Who.
            me: Me,
            /// In these.
            partitions: Rc<[u32]>,
        } = "OffsetFetch" ("{partitions:?}"),
        /// So far, where it has ever been.
        Offsets {
            /// Who.
            me: Me,
            /// Partitions, and the next message of each.
            offsets: Rc<[(u32, Option<Offset>)]>,
        } = "Offsets" ("{offsets:?}"),
        /// It is not so.
        Denied {
            /// Who.
            me: Me,
            /// Why.
            why: Denial,
        } = "Denied" ("{me:?} {why:?}"),
    }
}

/// What a fetch brings.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fetched {
    /// To which.
    pub number: FetchNumber,
    /// Where.
    pub partition: Partition,
    /// Whether it is for a follower.
    pub replica: bool,
    /// Why there is nothing, if it was refused.
    pub refused: Option<Refusal>,
    /// The follower's log is another one: the epoch from which on, and where that ends.
    pub diverging: Option<(u32, Offset)>,
    /// Up to where all is committed.
    pub watermark: Offset,
    /// Where the leader's log begins.
    pub start: Offset,
    /// Where the leader's log ends.
    pub end: Offset,
    /// What comes next.
    pub batches: Vec<Rc<Batch>>,
}

impl Fetched {
    fn describe(&self, out: &mut dyn core::fmt::Write) -> core::fmt::Result {
        write!(out, "#{} p{} ", self.number, self.partition.0)?;
        match (self.refused, self.diverging) {
            (Some(why), _) => write!(out, "{why:?}"),
            (None, Some((epoch, end))) => write!(out, "epoch {epoch} ends at {end}"),
            (None, None) => {
                let messages: usize = self.batches.iter().map(|batch| batch.items.len()).sum();
                write!(out, "{messages} messages, committed to {}", self.watermark)
            }
        }
    }
}

sim_core::records! {
    /// One append to a disk.
    pub enum QueueRecord {
        /// The controllers' group.
        Council(inner: raft::Record<Metadata>) = (|out| inner.describe(out)),
        /// A batch is in a log.
        Append {
            /// Where.
            partition: Partition,
            /// What.
            batch: Rc<Batch>,
        } = ("p{} {}..{} of epoch {}", partition.0, batch.base, batch.end, batch.epoch),
        /// A log ends here.
        Truncate {
            /// Where.
            partition: Partition,
            /// At this offset.
            end: Offset,
        } = ("p{} ends at {end}", partition.0),
        /// A log begins here.
        Start {
            /// Where.
            partition: Partition,
            /// At this offset.
            start: Offset,
        } = ("p{} begins at {start}", partition.0),
        /// A log was emptied, and begins here.
        Anew {
            /// Where.
            partition: Partition,
            /// At this offset.
            start: Offset,
        } = ("p{} begins anew at {start}", partition.0),
        /// A log was compacted up to here.
        Compact {
            /// Where.
            partition: Partition,
            /// Before this offset.
            before: Offset,
        } = ("p{} is compact to {before}", partition.0),
        /// All up to here was committed, as far as was known.
        Watermark {
            /// Where.
            partition: Partition,
            /// Before this offset.
            offset: Offset,
        } = ("p{} is committed to {offset}", partition.0),
    }
}

sim_core::facts! {
    /// What nodes announce.
    pub enum QueueFact {
        /// The controllers' group.
        Council(minute: Minute<RaftFact>) = "council" (|out| minute.describe(out)),
        /// A controller is in charge.
        InCharge {
            /// In this term.
            term: u64,
        } = "in_charge" landmark ("term {term}"),
        /// It is no longer.
        OutOfCharge = "out_of_charge" landmark (""),
        /// A broker may serve, or may not.
        Fenced {
            /// Which.
            broker: NodeId,
            /// Whether it may not.
            fenced: bool,
        } = "unfenced" | "fenced" [usize::from(fenced)] landmark ("{broker}"),
        /// The controller has it that these are in sync, and who leads.
        State {
            /// Where.
            partition: Partition,
            /// Who leads.
            leader: Option<NodeId>,
            /// In this epoch.
            epoch: u32,
            /// Who is in sync.
            isr: NodeSet,
            /// How many of them there were before.
            before: u32,
        } = "leader_changed" | "isr_shrunk" | "isr_expanded"
            [if before == isr.len() as u32 { 0 } else if before > isr.len() as u32 { 1 } else { 2 }]
            landmark { before != isr.len() as u32 }
            ("p{} epoch {epoch}, in sync {:?}", partition.0, isr.iter().map(|node| node.0 + 1).collect::<Vec<_>>()),
        /// A broker leads a partition from now on.
        Leads {
            /// Which.
            partition: Partition,
            /// In this epoch.
            epoch: u32,
            /// What its log ends with.
            end: Offset,
            /// How it came to be.
            how: How,
            /// The epoch of the last leader that may have lost something.
            lossy: u32,
        } = "leads" | "leads_unclean" [usize::from(how.may_lose())] landmark
            ("p{} epoch {epoch} from offset {end} ({})", partition.0, how.name()),
        /// It leads it no longer.
        Yields {
            /// Which.
            partition: Partition,
            /// Since this epoch.
            epoch: u32,
        } = "yields" ("p{} epoch {epoch}", partition.0),
        /// A follower has cut its log.
        Truncated {
            /// Where.
            partition: Partition,
            /// From this end.
            from: Offset,
            /// To this.
            to: Offset,
        } = "truncated" landmark ("p{} {from} to {to}", partition.0),
        /// A leader has taken a batch.
        Appended {
            /// Where.
            partition: Partition,
            /// In this epoch.
            epoch: u32,
            /// From this offset.
            base: Offset,
            /// To before this.
            end: Offset,
        } = "appended" ("p{} {base}..{end}", partition.0),
        /// It answers for one.
        Acknowledged {
            /// Where.
            partition: Partition,
            /// In this epoch.
            epoch: u32,
            /// To before this.
            end: Offset,
            /// For all in sync.
            all: bool,
        } = "acknowledged" ("p{} up to {end}, all {all}", partition.0),
        /// It has too few in sync to take a batch.
        TooFew {
            /// Where.
            partition: Partition,
            /// Whether it is in the log.
            after: bool,
        } = "not_enough_replicas" ("p{} after {after}", partition.0),
        /// A producer was given a message.
        Taken {
            /// Where it goes.
            partition: Partition,
            /// What.
            value: u64,
        } = "taken" ("p{} {value:x}", partition.0),
        /// It counts as delivered, for its program.
        Delivered {
            /// Where.
            partition: Partition,
            /// What.
            value: u64,
        } = "delivered" ("p{} {value:x}", partition.0),
        /// Its producer has given it up.
        GivenUp {
            /// Where.
            partition: Partition,
            /// What.
            value: u64,
            /// Whether it may be in the log all the same.
            sent: bool,
        } = "given_up" ("p{} {value:x} sent {sent}", partition.0),
        /// A group is dealt anew.
        Rebalances {
            /// Which.
            group: u32,
            /// Since which generation.
            generation: u32,
            /// How many members there are.
            members: u32,
            /// Why.
            why: Why,
        } = "rebalance_begins" landmark ("group {group} generation {generation}: {}", why.name()),
        /// It is dealt.
        Settles {
            /// Which.
            group: u32,
            /// In this generation.
            generation: u32,
            /// How many members there are.
            members: u32,
        } = "rebalance_ends" landmark ("group {group} generation {generation}, {members} members"),
        /// A member is out of its group.
        Out {
            /// Which.
            group: u32,
            /// Where it runs.
            node: NodeId,
        } = "member_out" landmark ("group {group}: {node}"),
        /// A consumer was dealt a partition.
        Dealt {
            /// In this group.
            group: u32,
            /// In this generation.
            generation: u32,
            /// Which.
            partition: Partition,
        } = "dealt" ("group {group} generation {generation} p{}", partition.0),
        /// It has let go of it.
        LetsGo {
            /// Which.
            partition: Partition,
        } = "let_go" ("p{}", partition.0),
        /// It has worked on a message.
        Processed {
            /// Where.
            partition: Partition,
            /// Which.
            offset: Offset,
            /// What it said.
            value: u64,
        } = "processed" ("p{} {offset}", partition.0),
        /// It found that messages it wanted are not there any more.
        Missed {
            /// Where.
            partition: Partition,
            /// From here.
            from: Offset,
            /// To here, where it goes on.
            to: Offset,
        } = "reset" landmark ("p{} from {from} to {to}", partition.0),
        /// A commit of a consumer was refused.
        CommitRefused {
            /// Why.
            why: Denial,
        } = "commit_refused" ("{why:?}"),
    }
}

/// Why a group is dealt anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// Somebody joined.
    Joined,
    /// Somebody joined again, who has let go of something, or deals.
    Again,
    /// Somebody left, or was silent for too long.
    Left,
}

impl Why {
    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Joined => "a member joined",
            Self::Again => "a member joined again",
            Self::Left => "a member is gone",
        }
    }
}

/// What the program at a producer asks of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueRequest {
    /// Send a message.
    Send {
        /// Its key.
        key: u64,
        /// What it says: unique in the run.
        value: u64,
        /// Its size, in bytes.
        bytes: u32,
    },
    /// How far may consumers read where this key is?
    End {
        /// The key.
        key: u64,
    },
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QueueResponse {
    /// It was sent, and acknowledged as was asked for.
    Sent {
        /// Where it stands, if a broker has said so.
        offset: Option<Offset>,
    },
    /// Up to here.
    End {
        /// The high watermark.
        offset: Offset,
    },
}
