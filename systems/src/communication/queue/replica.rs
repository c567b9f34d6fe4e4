//! A broker's copy of a partition, and what it is while the broker leads it or follows somebody.

use super::log::{Log, Offset};
use super::message::{CommitNumber, FetchNumber, RequestNumber};
use super::options::Config;
use sim_core::sorted::SortedMap;
use sim_core::{LocalInstant, NodeId, NodeSet, WriteId};

/// Who waits for a batch to be on all replicas in sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// A producer, by its number, for a batch that stands here.
    Producer(NodeId, RequestNumber, Offset),
    /// A member of a group, which commits its offsets: its group, its generation, its name, its number.
    Commit(NodeId, u32, u32, u64, CommitNumber),
    /// A group, which was dealt this generation.
    Plan(u32, u32),
}

/// A fetch that waits for something new.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub from: NodeId,
    pub number: FetchNumber,
    pub offset: Offset,
    /// Whether a follower asks.
    pub replica: bool,
    pub until: LocalInstant,
}

/// What a leader knows of a follower.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// The end of its log.
    pub end: Offset,
    /// Its registration, as it says.
    pub registration: u64,
    /// When it last had all that there was.
    pub caught_up: LocalInstant,
    /// When it last asked, and where the leader's log ended then.
    pub asked: (LocalInstant, Offset),
    /// The high watermark that it was last told.
    pub told: Option<Offset>,
}

/// A broker that leads.
#[derive(Clone, Debug)]
pub(super) struct Lead {
    /// Where the log ended when it began to.
    pub from: Offset,
    /// The partition's epoch that it knows.
    pub state_epoch: u32,
    /// Who is in sync, as the controller has said.
    pub isr: NodeSet,
    /// Who shall be, since when it has asked.
    pub asked: Option<(NodeSet, LocalInstant)>,
    pub followers: SortedMap<NodeId, Progress>,
    /// Who waits, and for which end.
    pub acks: Vec<(Offset, For)>,
    pub fetches: Vec<Waiting>,
}

/// A broker that follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Follow {
    pub leader: NodeId,
    /// The fetch that is under way, and until when.
    pub number: Option<(FetchNumber, LocalInstant)>,
    /// Not before this.
    pub rests: LocalInstant,
    /// Whether it has taken a high watermark over for which it has to cut its log yet.
    pub owes: bool,
}

/// What a broker is to a partition.
#[derive(Clone, Debug)]
pub(super) enum Side {
    None,
    Leads(Lead),
    Follows(Follow),
}

/// A copy of a partition.
#[derive(Clone, Debug)]
pub struct Replica {
    /// Its log.
    pub log: Log,
    /// Up to where all is known to be committed.
    pub watermark: Offset,
    /// Up to where it is on the disk.
    pub durable: Offset,
    /// The leader's epoch that it goes by.
    pub epoch: u32,
    pub(super) noted: Offset,
    pub(super) side: Side,
}

impl Replica {
    /// The fetches that wait here for something new.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        let lead = if let Side::Leads(lead) = &self.side { Some(lead) } else { None };
        lead.into_iter().flat_map(|lead| &lead.fetches)
    }

    pub(super) fn new() -> Self {
        Self { log: Log::default(), watermark: 0, durable: 0, epoch: 0, noted: 0, side: Side::None }
    }

    /// What others may know of the log: where it ends, or what of it is on the disk, where that is asked for.
    #[must_use]
    pub fn end(&self, config: &Config) -> Offset {
        if config.flush == super::options::Flush::Every { self.durable.min(self.log.end()) } else { self.log.end() }
    }

    /// In which epoch it leads, if it does.
    #[must_use]
    pub const fn leads(&self) -> Option<u32> {
        if let Side::Leads(_) = self.side { Some(self.epoch) } else { None }
    }

    pub(super) const fn lead(&mut self) -> Option<&mut Lead> {
        if let Side::Leads(lead) = &mut self.side { Some(lead) } else { None }
    }

    /// Who is in sync, as a leader takes it.
    #[must_use]
    pub const fn in_sync(&self) -> Option<NodeSet> {
        if let Side::Leads(lead) = &self.side { Some(lead.isr) } else { None }
    }

    /// Its log ends here: so does what is committed, and durable.
    pub(super) fn truncate(&mut self, to: Offset) {
        self.log.truncate(to);
        let end = self.log.end();
        (self.watermark, self.durable) = (self.watermark.min(end), self.durable.min(end));
    }

    /// The write that must be durable for the log up to `end` to be.
    pub(super) fn write_of(&self, end: Offset) -> Option<WriteId> {
        self.log.write_of(end)
    }
}
