//! What clients were told, entry by entry: so that every acknowledged write that is gone can be named.

use super::log::{Log, Position};
use sim_core::measures::LostWrite;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{ClientId, Instant, NodeId};

/// A write that was acknowledged, or state that was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub client: ClientId,
    pub op: u64,
    pub key: u64,
    /// Of which primary.
    pub epoch: u64,
    pub at: Instant,
    pub node: NodeId,
}

/// By offset and epoch of the entry.
type Entries = SortedMap<(u64, u64), Told>;

/// What clients were told in one run.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    /// Where each write was executed.
    executed: SortedMap<(ClientId, u64), Position>,
    /// Acknowledged, and held by the newest primary as far as is known.
    held: Entries,
    /// Acknowledged, but not held by the primary that followed, or by a primary that was not the newest.
    missing: Entries,
    /// Entries that a read rested on.
    read: Entries,
}

fn key(entry: Position) -> (u64, u64) {
    (entry.offset, entry.epoch)
}

fn entry((offset, epoch): (u64, u64)) -> Position {
    Position { epoch, offset }
}

impl Ledger {
    /// A primary executed a write.
    pub fn executed(&mut self, at: Position, client: ClientId, op: u64) {
        self.executed.insert((client, op), at);
    }

    /// A write was acknowledged; `late` by one that was not the newest primary any more.
    pub fn acknowledged(&mut self, basis: Position, told: Told, late: bool) {
        let at = self.executed.get(&(told.client, told.op)).copied().unwrap_or(basis);
        if late && !self.held.contains_key(&key(at)) {
            self.missing.insert(key(at), told);
        } else {
            self.held.insert(key(at), told);
        }
    }

    /// A read was answered from the state up to some entry.
    pub fn read(&mut self, basis: Position, told: Told) {
        self.read.entry(key(basis)).or_insert(told);
    }

    /// The entries that were acknowledged before `epoch` and that `log` lacks, the newest first. What primaries of
    /// newer epochs have acknowledged, one that was decided on late need not have: it can acknowledge nothing itself.
    pub fn lacks(&mut self, log: &Log, epoch: u64) -> Vec<(Position, Told)> {
        let before = self.held.iter().rev().filter(|(_, told)| told.epoch < epoch);
        let lacking = before.take_while(|(at, _)| !log.holds(entry(**at)));
        let lacking: Vec<_> = lacking.map(|(at, told)| (entry(*at), *told)).collect();
        for (at, told) in &lacking {
            self.held.remove(&key(*at));
            self.missing.insert(key(*at), *told);
        }
        lacking
    }

    /// The newest entry that was acknowledged and is held by the newest primary as far as is known.
    pub fn newest(&self) -> Option<Position> {
        self.held.last_key_value().map(|(at, _)| entry(*at))
    }

    /// A read of state that is not in `log`.
    pub fn dirty(&self, log: &Log) -> Option<(Position, Told)> {
        self.read.iter().find(|(at, _)| !log.holds(entry(**at))).map(|(at, told)| (entry(*at), *told))
    }

    /// How many states were read.
    pub fn reads(&self) -> usize {
        self.read.len()
    }

    /// Acknowledged writes that the final log lacks, in the order of their acknowledgements. An operation counts once
    /// however many tries were acknowledged, and not at all if one of them is there.
    pub fn lost(&self, log: &Log) -> Vec<LostWrite> {
        let all = || self.held.iter().chain(&self.missing);
        let mut done: SortedSet<(ClientId, u64)> =
            all().filter(|(at, _)| log.holds(entry(**at))).map(|(_, told)| (told.client, told.op)).collect();
        let mut lost: Vec<_> = all().filter(|(at, _)| !log.holds(entry(**at))).collect();
        lost.sort_by_key(|(at, told)| (told.at, **at));
        lost.retain(|(_, told)| done.insert((told.client, told.op)));
        let lost = lost.into_iter().map(|((offset, epoch), told)| LostWrite {
            client: told.client.0 + 1,
            op: told.op,
            key: told.key,
            what: format!("operation {} of {}", told.op, told.client),
            acknowledged_ns: told.at.0,
            node: told.node.0,
            why: format!("entry {offset} of epoch {epoch} is not in the log of the last primary"),
        });
        lost.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::log::{Entry, Payload};
    use super::*;

    #[test]
    fn a_primary_owes_what_was_acknowledged_before_its_epoch() {
        let log = |epochs: &[u64]| {
            let mut log = Log::default();
            epochs.iter().for_each(|epoch| log.push(Entry::new(*epoch, Payload::Start)));
            log
        };
        let mut ledger = Ledger::default();
        let told = |op, epoch| Told { client: ClientId(0), op, key: 1, epoch, at: Instant::ZERO, node: NodeId(0) };
        ledger.acknowledged(Position { epoch: 1, offset: 2 }, told(0, 1), false);
        ledger.acknowledged(Position { epoch: 4, offset: 3 }, told(1, 4), false);
        assert!(ledger.lacks(&log(&[1, 1, 3]), 3).is_empty(), "epoch 4 is none of the business of one of epoch 3");
        let lacking: Vec<_> = ledger.lacks(&log(&[1, 1, 5]), 5).into_iter().map(|(entry, _)| entry.offset).collect();
        assert_eq!(lacking, [3]);
        assert_eq!(ledger.lost(&log(&[1, 1, 5])).len(), 1);
        assert!(ledger.lost(&log(&[1, 1, 4])).is_empty(), "it turned out to be there");
        // The same operation again, with the next primary: as long as one of the two is there, nothing is lost.
        ledger.acknowledged(Position { epoch: 5, offset: 3 }, told(1, 5), false);
        assert!(ledger.lost(&log(&[1, 1, 5])).is_empty());
        assert_eq!(ledger.lost(&log(&[1, 1, 6])).len(), 1, "both are gone, and that is one write");
    }
}
