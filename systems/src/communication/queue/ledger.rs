//! What became of every message: who was told that it is delivered, where it stands, who has worked on it.

use super::log::Offset;
use super::metadata::Partition;
use sim_core::sorted::SortedMap;
use sim_core::{ClientId, Instant, NodeId};

/// A message that a program has sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub partition: Partition,
    /// Which producer has it, and which of its messages it is.
    pub by: (NodeId, u64),
    /// Whose it is.
    pub of: Option<(ClientId, u64)>,
    /// When its producer said that it is delivered.
    pub delivered: Option<Instant>,
    /// Its producer gave it up.
    pub given_up: bool,
    /// Where it stands, first, and how often.
    pub at: Option<Offset>,
    pub copies: u32,
}

/// What one group has made of a partition.
#[derive(Clone, Debug, Default)]
pub(super) struct Worked {
    /// How often each message was worked on, by its offset.
    pub times: Vec<u32>,
    /// The next message that it wants, as far as is committed.
    pub committed: Option<Offset>,
    /// The next message behind all that it has worked on.
    pub position: Offset,
    /// What it found gone: from where to where.
    pub missed: Vec<(Offset, Offset)>,
}

/// What a partition has, as far as it is committed: an epoch, and what is said, message by message.
#[derive(Clone, Debug, Default)]
pub(super) struct Canon {
    pub items: Vec<Option<(u32, u64)>>,
    /// Where each producer is, by the number of its newest message.
    newest_of: SortedMap<NodeId, u64>,
    /// The newest message of each key.
    pub newest: SortedMap<u64, Offset>,
}

/// All messages of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    pub sent: SortedMap<u64, Sent>,
    /// How many each producer has sent.
    numbers: SortedMap<NodeId, u64>,
    pub asked: SortedMap<u64, (ClientId, u64)>,
    pub canon: SortedMap<Partition, Canon>,
    pub worked: SortedMap<(u32, Partition), Worked>,
    pub duplicated: u64,
    pub out_of_order: u64,
    pub taken_back: u64,
}

impl Ledger {
    pub fn take(&mut self, node: NodeId, partition: Partition, value: u64) {
        let number = self.numbers.entry(node).or_default();
        *number += 1;
        let (by, of) = ((node, *number), self.asked.get(&value).copied());
        let sent = Sent { partition, by, of, delivered: None, given_up: false, at: None, copies: 0 };
        self.sent.insert(value, sent);
    }

    pub fn deliver(&mut self, at: Instant, value: u64) {
        if let Some(sent) = self.sent.get_mut(&value) {
            sent.delivered.get_or_insert(at);
        }
    }

    /// What a partition has at an offset is committed, and was not known to be. What is odd about a message, if
    /// anything: that it is there twice, or before one that was sent earlier.
    pub fn commit(&mut self, partition: Partition, offset: Offset, key: u64, said: (u32, u64)) -> Odd {
        let canon = self.canon.entry(partition).or_default();
        let at = offset as usize;
        if canon.items.len() <= at {
            canon.items.resize(at + 1, None);
        }
        canon.items[at] = Some(said);
        canon.newest.insert(key, offset);
        let Some(sent) = self.sent.get_mut(&said.1).filter(|sent| sent.partition == partition) else {
            return Odd::Nothing;
        };
        sent.copies += 1;
        if sent.copies > 1 {
            self.duplicated += 1;
            return Odd::Twice;
        }
        sent.at = Some(offset);
        let (node, number) = sent.by;
        let newest = canon.newest_of.entry(node).or_default();
        if number < *newest {
            self.out_of_order += 1;
            return Odd::Late;
        }
        *newest = number;
        Odd::Nothing
    }

    /// What was committed from there on is gone.
    pub fn take_back(&mut self, partition: Partition, from: Offset) -> u64 {
        let Some(canon) = self.canon.get_mut(&partition) else { return 0 };
        let from = from as usize;
        if canon.items.len() <= from {
            return 0;
        }
        let gone: Vec<u64> = canon.items.drain(from..).flatten().map(|(_, said)| said).collect();
        canon.newest.retain(|_, offset| (*offset as usize) < from);
        canon.newest_of.clear();
        for value in &gone {
            if let Some(sent) = self.sent.get_mut(value) {
                sent.copies = sent.copies.saturating_sub(1);
            }
        }
        // What was worked on and is gone was seen by programs, and is not true any more.
        for ((_, of), worked) in &mut self.worked {
            if *of == partition {
                let seen = worked.times.drain(from.min(worked.times.len())..).filter(|times| *times > 0).count();
                self.taken_back += seen as u64;
                worked.position = worked.position.min(from as u64);
            }
        }
        gone.len() as u64
    }

    /// Messages that count as delivered and are in no log.
    pub fn lost(&self) -> impl Iterator<Item = (u64, &Sent)> {
        self.sent.iter().filter(|(_, sent)| sent.delivered.is_some() && sent.copies == 0).map(|(at, sent)| (*at, sent))
    }

    /// How many committed messages a group has passed over without working on them, and how many it has worked on more
    /// than once.
    pub fn worked(&self, group: u32, partition: Partition) -> (u64, u64) {
        let Some(worked) = self.worked.get(&(group, partition)) else { return (0, 0) };
        let end = worked.committed.unwrap_or(worked.position);
        let canon = self.canon.get(&partition).map_or(&[][..], |canon| &canon.items[..]);
        let times = |at: usize| worked.times.get(at).copied().unwrap_or(0);
        let passed = (0..(end as usize).min(canon.len())).filter(|at| canon[*at].is_some() && times(*at) == 0).count();
        let again: u32 = worked.times.iter().map(|times| times.saturating_sub(1)).sum();
        (passed as u64, u64::from(again))
    }
}

/// What is odd about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Odd {
    Nothing,
    /// It is there already.
    Twice,
    /// A later one of its producer is before it.
    Late,
}
