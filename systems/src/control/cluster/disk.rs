//! What a node keeps on its disk: its configuration (`nodes.conf`) and its data (the append-only file), and how it
//! starts from them.

use super::bugs::ClusterBug;
use super::data::{Data, Entry, Position};
use super::message::Start;
use super::node::{Cluster, Fx};
use super::options::{Config, Fsync};
use super::slots::SlotMap;
use sim_core::sorted::SortedMap;
use sim_core::{NodeId, Replay, Ticket, WriteId};
use std::rc::Rc;

/// What a node knows of the cluster and must not forget.
#[derive(Clone, Debug, Hash)]
pub struct Conf {
    /// How often this node has started.
    pub starts: Start,
    /// The newest epoch it knows.
    pub epoch: u64,
    /// The epoch in which it voted last.
    pub voted: u64,
    /// Of each node: whose replica it is, and its configuration epoch.
    pub nodes: Vec<(Option<NodeId>, u64)>,
    /// Who owns which slots.
    pub slots: SlotMap,
}

impl Conf {
    /// What all nodes start with: even shares, and configuration epochs 1, 2, 3 ... as `redis-cli --cluster create`
    /// gives them.
    pub(super) fn first(config: &Config) -> Self {
        let node = |node: u32| match config.primary_of(NodeId(node)) {
            None => (None, u64::from(node) + 1),
            Some(primary) => (Some(primary), 0),
        };
        Self {
            starts: Start(0),
            epoch: u64::from(config.primaries),
            voted: 0,
            nodes: (0..config.nodes).map(node).collect(),
            slots: (*config.slots).clone(),
        }
    }
}

sim_core::records! {
    /// One append to the disk.
    pub enum Record {
        /// The configuration, whole.
        Conf(conf: Rc<Conf>) = ("nodes.conf: epoch {}, voted in {}", conf.epoch, conf.voted),
        /// The data, whole.
        Data {
            /// Where it stands.
            at: Position,
            /// What it is.
            data: Rc<Data>,
        } = ("{} keys, up to {at}", data.len()),
        /// Some writes.
        Writes {
            /// Where they end.
            at: Position,
            /// The writes.
            entries: Rc<[Entry]>,
        } = ("{} writes, up to {at}", entries.len()),
    }
}

/// What waits until something is on the disk.
#[derive(Clone, Debug)]
pub(super) enum After {
    /// The node takes part.
    Start,
    /// A vote is told.
    Vote { to: NodeId, epoch: u64 },
    /// Votes are asked for.
    Ask { epoch: u64 },
    /// A new configuration is told to all.
    Tell,
    /// A replica takes over.
    Promote { old: NodeId, epoch: u64 },
    /// A client is answered.
    Reply { ticket: Ticket, at: Position },
}

/// A disk's content, read back.
pub(super) struct Found {
    pub conf: Option<Conf>,
    pub at: Position,
    pub data: Data,
}

/// Reads a disk back. `None` if some of it can not be read: then the node must not start, for it may have been its last
/// vote.
pub(super) fn read(disk: Replay<'_, Record>) -> Option<Found> {
    let mut found = Found { conf: None, at: Position::default(), data: Data::default() };
    for (_, record) in disk.iter() {
        match record.ok()? {
            Record::Conf(conf) => found.conf = Some((**conf).clone()),
            Record::Data { at, data } => (found.at, found.data) = (*at, (**data).clone()),
            Record::Writes { at, entries } => {
                entries.iter().for_each(|entry| found.data.set(entry));
                found.at = *at;
            }
        }
    }
    Some(found)
}

/// The append-only file is rewritten after this many appends.
const REWRITE: u32 = 20_000;

/// What is on its way to the disk, and what waits for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    waiting: SortedMap<WriteId, Vec<After>>,
    appends: u32,
    /// What may be dropped once the rewrite behind it is durable.
    rewritten: Option<WriteId>,
    pub unsynced: bool,
}

impl Cluster {
    /// What the configuration is now.
    pub(super) fn conf(&self) -> Conf {
        // The bug of redis issue 1479: the two were thought to be in the file.
        let forget = self.config.has(ClusterBug::VoteNotPersisted);
        let newest = self.peers.iter().map(|peer| peer.config_epoch).max().unwrap_or(0);
        Conf {
            starts: self.starts,
            epoch: if forget { newest } else { self.epoch },
            voted: if forget { 0 } else { self.voted },
            nodes: self.peers.iter().map(|peer| (peer.primary, peer.config_epoch)).collect(),
            slots: self.slots.clone(),
        }
    }

    /// Writes the configuration down; `after` is done when it is durable.
    pub(super) fn save(&mut self, after: After, fx: &mut Fx<'_>) {
        self.dirty = false;
        self.save_as(self.conf(), after, fx);
    }

    /// Writes down what the configuration shall be.
    pub(super) fn save_as(&mut self, conf: Conf, after: After, fx: &mut Fx<'_>) {
        let id = fx.append(Record::Conf(Rc::new(conf)));
        fx.sync();
        self.log.waiting.entry(id).or_default().push(after);
    }

    /// Writes writes down, and says where they stand.
    pub(super) fn log_writes(&mut self, entries: Rc<[Entry]>, fx: &mut Fx<'_>) -> WriteId {
        self.log.appends += entries.len() as u32;
        let id = fx.append(Record::Writes { at: self.at, entries });
        self.log.unsynced = true;
        if self.log.appends >= REWRITE && !self.promoting {
            self.rewrite(fx);
        }
        id
    }

    /// Writes everything down anew, so that what was before can be dropped.
    pub(super) fn rewrite(&mut self, fx: &mut Fx<'_>) {
        self.log.appends = 0;
        let first = fx.append(Record::Conf(Rc::new(self.conf())));
        fx.append(Record::Data { at: self.at, data: Rc::new(self.data.clone()) });
        fx.sync();
        self.log.rewritten = Some(first);
    }

    /// A write is to be answered once it is on the disk.
    pub(super) fn answer_after(&mut self, id: WriteId, ticket: Ticket, at: Position) {
        self.log.waiting.entry(id).or_default().push(After::Reply { ticket, at });
    }

    /// Whether writes wait for the disk before they are acknowledged.
    pub(super) fn syncs_always(&self) -> bool {
        self.config.fsync == Fsync::Always
    }

    /// Everything up to `upto` is durable.
    pub(super) fn synced(&mut self, upto: WriteId, fx: &mut Fx<'_>) {
        if let Some(first) = self.log.rewritten
            && first < upto
        {
            self.log.rewritten = None;
            fx.forget(first);
        }
        let later = self.log.waiting.split_off(&WriteId(upto.0 + 1));
        for after in core::mem::replace(&mut self.log.waiting, later).into_values().flatten() {
            match after {
                After::Start => self.start(fx),
                After::Vote { to, epoch } => self.tell_vote(to, epoch, fx),
                After::Ask { epoch } => self.ask_for_votes(epoch, fx),
                After::Tell => self.tell_all(fx),
                After::Promote { old, epoch } => self.take_over(old, epoch, fx),
                After::Reply { ticket, at } => self.acknowledge(ticket, at, fx),
            }
        }
    }
}
