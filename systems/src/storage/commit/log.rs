//! The log of a shard: on its own disk, or on those of a Raft group. What it says is the shard's [`Ledger`].

use super::ledger::{Entry, Ledger};
use super::message::{CommitFact, CommitMessage, CommitRecord, Grouped, Said};
use super::node::{Fx, Machine};
use super::options::{Config, Sharding};
use super::txn::TxnId;
use crate::consensus::raft::{self, Raft, RaftFact, RaftMessage};
use crate::shared::replication::{Asker, Consensus, Council, Hosts, Minute, News, Proposal, Reign, pop_if};
use sim_core::{Completion, NodeId, Replay, StateMachine, Timer, WriteId};
use std::collections::VecDeque;
use std::rc::Rc;

/// A member of the group of a shard.
pub type Member = Raft<Ledger>;

/// The first timer slot of the group.
pub(super) const TIMERS_FROM: u16 = 1;
/// The timer slots of the group.
pub(super) const GROUP_TIMERS: u16 = Member::TIMERS;

/// The lane of a shard's group: its log on the disk, and its mark on messages.
#[must_use]
pub const fn lane(shard: u32) -> u16 {
    shard as u16 + 1
}

impl Hosts<Member> for Machine {
    fn message(lane: u16, inner: RaftMessage<Ledger>) -> CommitMessage {
        CommitMessage::Group(Grouped { shard: u32::from(lane) - 1, inner })
    }
    fn message_of(of: u16, outer: &CommitMessage) -> Option<&RaftMessage<Ledger>> {
        match outer {
            CommitMessage::Group(Grouped { shard, inner }) if lane(*shard) == of => Some(inner),
            _ => None,
        }
    }
    fn record(inner: raft::Record<Ledger>) -> CommitRecord {
        CommitRecord::Group(inner)
    }
    fn record_of(outer: &CommitRecord) -> Option<&raft::Record<Ledger>> {
        if let CommitRecord::Group(inner) = outer { Some(inner) } else { None }
    }
    fn fact(lane: u16, inner: Minute<RaftFact>) -> CommitFact {
        CommitFact::Group(Said { shard: u32::from(lane) - 1, inner })
    }
    fn fact_of(of: u16, outer: CommitFact) -> Option<Minute<RaftFact>> {
        match outer {
            CommitFact::Group(Said { shard, inner }) if lane(shard) == of => Some(inner),
            _ => None,
        }
    }
    fn council(&self, of: u16) -> Option<&Council<Member>> {
        let shard = self.shard().filter(|shard| lane(shard.number()) == of)?;
        shard.log().council()
    }
}

/// What has become of the log.
#[derive(Clone, Debug)]
pub enum Told {
    /// It may be served from now on: all that was before is applied.
    Serves,
    /// It may not any more.
    StepsDown,
    /// What was put into it is not, or nobody knows.
    Lost,
    /// An entry is durable, and carried out.
    /// Of a decision: whether it has committed.
    Applied(Entry, Option<bool>),
    /// So is this decision, as is found at a start.
    Found(TxnId, bool),
    /// Its group still follows it, as of the question of this number; or it does not.
    Confirmed(u64, bool),
}

/// One that is on its way to the disk.
#[derive(Clone, Debug)]
enum Written {
    Entry(Entry),
    Snapshot,
    Beginning,
}

/// A log on one disk.
#[derive(Clone, Debug)]
pub struct Disk {
    ledger: Ledger,
    writes: VecDeque<(WriteId, Written)>,
    since: u64,
    every: u64,
    serves: bool,
    /// Decisions that it has found.
    found: Vec<(TxnId, bool)>,
}

/// A log on the disks of a group.
#[derive(Clone, Debug)]
pub struct Shared {
    council: Council<Member>,
    reign: Option<Reign>,
    barrier: Option<Proposal>,
    serves: bool,
}

/// The log of a shard.
#[derive(Clone, Debug)]
pub enum Log {
    /// Of one node.
    Disk(Box<Disk>),
    /// Of a group.
    Shared(Box<Shared>),
}

impl Log {
    pub(super) fn boot(config: &Config, shard: u32, disk: Replay<'_, CommitRecord>, fx: &mut Fx<'_>) -> Self {
        match config.shard {
            Sharding::Single => Self::Disk(Box::new(Disk::boot(config, disk, fx))),
            Sharding::Raft => {
                let place = (TIMERS_FROM, lane(shard));
                let council = Council::boot(&config.group(shard), place, disk, fx);
                Self::Shared(Box::new(Shared { council, reign: None, barrier: None, serves: false }))
            }
        }
    }

    /// The group's member, if there is a group.
    #[must_use]
    pub const fn council(&self) -> Option<&Council<Member>> {
        if let Self::Shared(shared) = self { Some(&shared.council) } else { None }
    }

    /// What the log says, as far as it is carried out here.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        match self {
            Self::Disk(disk) => &disk.ledger,
            Self::Shared(shared) => shared.council.machine(),
        }
    }

    /// Whether this node speaks for the shard.
    #[must_use]
    pub const fn serves(&self) -> bool {
        match self {
            Self::Disk(disk) => disk.serves,
            Self::Shared(shared) => shared.serves,
        }
    }

    /// Who may, of a group.
    #[must_use]
    pub fn hint(&self) -> Option<NodeId> {
        self.council().and_then(Council::led_by).map(|(leader, _)| leader)
    }

    /// Puts an entry into the log. It is told when it is durable and carried out.
    pub(super) fn propose(&mut self, entry: Entry, fx: &mut Fx<'_>) {
        match self {
            Self::Disk(disk) => {
                let write = fx.append(CommitRecord::Entry(entry.clone()));
                fx.sync();
                disk.writes.push_back((write, Written::Entry(entry)));
            }
            Self::Shared(shared) => _ = shared.council.propose(entry, fx),
        }
    }

    /// Asks the group whether it still follows this node; one node has nobody to ask.
    pub(super) fn confirm(&mut self, me: NodeId, number: u64, fx: &mut Fx<'_>) -> bool {
        match self {
            Self::Disk(_) => true,
            Self::Shared(shared) => {
                shared.council.on_request(Asker::Node(me, number), Entry::Confirm, fx);
                false
            }
        }
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: Grouped, fx: &mut Fx<'_>) {
        if let Self::Shared(shared) = self {
            shared.council.on_message(from, message.inner, fx);
        }
    }

    pub(super) fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        if let Self::Shared(shared) = self {
            shared.council.on_timer(timer, fx);
        }
    }

    pub(super) fn on_disk(&mut self, done: &Completion<CommitRecord>, fx: &mut Fx<'_>) -> Vec<Told> {
        match self {
            Self::Disk(disk) => disk.on_disk(done, fx),
            Self::Shared(shared) => {
                shared.council.on_disk(done, fx);
                Vec::new()
            }
        }
    }

    /// What has become of it since it was asked last.
    pub(super) fn news(&mut self, fx: &mut Fx<'_>) -> Vec<Told> {
        if let Self::Shared(shared) = self { shared.news(fx) } else { Vec::new() }
    }
}

impl Disk {
    fn boot(config: &Config, disk: Replay<'_, CommitRecord>, fx: &mut Fx<'_>) -> Self {
        let mut ledger = Ledger::start();
        let (mut epoch, mut found) = (0, Vec::new());
        for (_, record) in disk.iter() {
            match record {
                Ok(CommitRecord::Entry(entry)) => {
                    if let (Some(commit), Entry::Decide(txn, ..)) = (ledger.apply(entry), entry) {
                        found.push((*txn, commit));
                    }
                }
                Ok(CommitRecord::Snapshot(of)) => ledger = Ledger::clone(of),
                Ok(CommitRecord::Began { epoch: before }) => epoch = *before,
                Ok(_) => {}
                Err(_) => fx.halt("an entry of its log can not be read"),
            }
        }
        // What is found may be there because the page cache has it: nothing rests on it before it was synced.
        let write = fx.append(CommitRecord::Began { epoch: epoch + 1 });
        fx.sync();
        let writes = VecDeque::from([(write, Written::Beginning)]);
        Self { ledger, writes, since: 0, every: config.snapshot_every, serves: false, found }
    }

    fn on_disk(&mut self, done: &Completion<CommitRecord>, fx: &mut Fx<'_>) -> Vec<Told> {
        let mut told = Vec::new();
        match done {
            Completion::SyncFailed { .. } => fx.halt("a sync failed: what is on the disk is unknown"),
            Completion::Read { .. } => {}
            Completion::Synced { upto } => {
                while let Some((write, what)) = pop_if(&mut self.writes, |(write, _)| *write <= *upto) {
                    match what {
                        Written::Entry(entry) => {
                            let became = self.ledger.apply(&entry);
                            self.since += 1;
                            told.push(Told::Applied(entry, became));
                        }
                        Written::Snapshot => fx.forget(write),
                        Written::Beginning => {
                            self.serves = true;
                            told.extend(self.found.drain(..).map(|(txn, commit)| Told::Found(txn, commit)));
                            told.push(Told::Serves);
                        }
                    }
                }
                if self.since >= self.every && self.writes.is_empty() {
                    self.since = 0;
                    let write = fx.append(CommitRecord::Snapshot(Rc::new(self.ledger.clone())));
                    fx.sync();
                    self.writes.push_back((write, Written::Snapshot));
                }
            }
        }
        told
    }
}

impl Shared {
    fn news(&mut self, fx: &mut Fx<'_>) -> Vec<Told> {
        let mut told = Vec::new();
        loop {
            while let Some(news) = self.council.news() {
                match news {
                    News::Decided(decided) => told.push(Told::Applied(decided.command, decided.response)),
                    News::Settled(proposal, answer) if self.barrier == Some(proposal) => {
                        self.barrier = None;
                        if answer.is_some() && self.council.leads() == self.reign {
                            self.serves = true;
                            told.push(Told::Serves);
                        }
                    }
                    News::Answer(Asker::Node(_, number), answer) => {
                        told.push(Told::Confirmed(number, answer.is_ok()));
                    }
                    News::Settled(_, None) => told.push(Told::Lost),
                    News::Anew | News::Settled(..) | News::Answer(..) => {}
                }
            }
            let leads = self.council.leads();
            if leads == self.reign {
                return told;
            }
            if core::mem::take(&mut self.serves) {
                told.push(Told::StepsDown);
            }
            self.reign = leads;
            // What a leader before it has begun may still be decided: it serves once it has applied something of its
            // own.
            self.barrier = if leads.is_some() { self.council.propose(Entry::Barrier, fx) } else { None };
        }
    }
}
