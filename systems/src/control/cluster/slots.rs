//! Hash slots: which slot a key is in, and who owns which slots.

use core::hash::{Hash, Hasher};
use sim_core::{NodeId, NodeSet};
use std::rc::Rc;

/// How many slots there are.
pub const SLOTS: u16 = 16_384;

/// CRC16 in the variant of XMODEM (polynomial 0x1021, start 0), which Redis Cluster uses.
#[must_use]
pub const fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0_u16;
    let mut at = 0;
    while at < bytes.len() {
        crc ^= (bytes[at] as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 };
            bit += 1;
        }
        at += 1;
    }
    crc
}

/// The slot of a key: CRC16 of its name, `k17`, modulo the number of slots.
#[must_use]
pub fn slot_of(key: u64) -> u16 {
    let mut name = [0_u8; 21];
    let (mut start, mut rest) = (name.len(), key);
    loop {
        start -= 1;
        name[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    start -= 1;
    name[start] = b'k';
    crc16(&name[start..]) % SLOTS
}

/// Slots from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Run {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

/// Some slots, as runs in order.
pub type Runs = Rc<[Run]>;

/// The slots of some runs.
pub fn slots(runs: &[Run]) -> impl Iterator<Item = u16> {
    runs.iter().flat_map(|run| run.first..=run.last)
}

const NOBODY: u16 = u16::MAX;

/// Who owns each slot. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotMap {
    owners: Rc<[u16]>,
    /// How many slots each owner has, kept beside the table.
    counts: Vec<u32>,
}

// Not derived: a slice of numbers wider than a byte reaches a hasher as the machine's own bytes.
impl Hash for SlotMap {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { owners, counts: _ } = self;
        owners.iter().for_each(|owner| hasher.write_u16(*owner));
    }
}

impl SlotMap {
    /// The slots shared out evenly, in runs, among the first `primaries` of `nodes`.
    #[must_use]
    pub fn even(primaries: u32, nodes: u32) -> Self {
        let owner = |slot: u16| (u32::from(slot) * primaries / u32::from(SLOTS)) as u16;
        let owners: Rc<[u16]> = (0..SLOTS).map(owner).collect();
        let mut counts = vec![0; nodes as usize];
        owners.iter().for_each(|owner| counts[usize::from(*owner)] += 1);
        Self { owners, counts }
    }

    /// The owner of `slot`.
    #[must_use]
    pub fn owner(&self, slot: u16) -> Option<NodeId> {
        let owner = self.owners[usize::from(slot)];
        (owner != NOBODY).then_some(NodeId(u32::from(owner)))
    }

    /// Where each owner's stretch of these runs begins, and who that is. Much quicker than to ask slot by slot.
    pub fn stretches(&self, runs: &[Run]) -> impl Iterator<Item = (u16, NodeId)> {
        let of_run = |run: &Run| {
            let mut first = run.first;
            let stretches = self.owners[usize::from(run.first)..=usize::from(run.last)].chunk_by(PartialEq::eq);
            stretches.filter_map(move |stretch| {
                let (slot, owner) = (first, stretch[0]);
                first = first.saturating_add(stretch.len() as u16);
                (owner != NOBODY).then_some((slot, NodeId(u32::from(owner))))
            })
        };
        runs.iter().flat_map(of_run)
    }

    /// Gives `slot` to `owner`.
    pub fn set(&mut self, slot: u16, owner: NodeId) {
        if let Some(old) = self.owner(slot) {
            self.counts[old.index()] -= 1;
        }
        self.counts[owner.index()] += 1;
        Rc::make_mut(&mut self.owners)[usize::from(slot)] = owner.0 as u16;
    }

    /// How many slots `node` owns.
    #[must_use]
    pub fn count(&self, node: NodeId) -> u32 {
        self.counts[node.index()]
    }

    /// Who owns a slot at all.
    #[must_use]
    pub fn owners(&self) -> NodeSet {
        (0_u32..).zip(&self.counts).filter(|(_, count)| **count > 0).map(|(node, _)| NodeId(node)).collect()
    }

    /// How many slots have an owner.
    #[must_use]
    pub fn assigned(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// The slots of `node`.
    #[must_use]
    pub fn runs(&self, node: NodeId) -> Runs {
        let mut runs: Vec<Run> = Vec::new();
        if self.count(node) == 0 {
            return runs.into();
        }
        for (slot, owner) in (0_u16..).zip(self.owners.iter()) {
            if u32::from(*owner) != node.0 {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.last + 1 == slot => run.last = slot,
                _ => runs.push(Run { first: slot, last: slot }),
            }
        }
        runs.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        // The test vector of the specification's appendix.
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(slot_of(17), crc16(b"k17") % SLOTS);
        assert_eq!(slot_of(u64::MAX), crc16(b"k18446744073709551615") % SLOTS);
    }

    #[test]
    fn maps_are_told_apart_by_every_slot() {
        let even = SlotMap::even(3, 6);
        let mut other = even.clone();
        other.set(100, NodeId(5));
        assert_ne!(sim_core::hash::content(&even), sim_core::hash::content(&other));
    }

    #[test]
    fn a_map_counts_what_it_holds() {
        let mut map = SlotMap::even(3, 6);
        assert_eq!((map.assigned(), map.owners()), (u32::from(SLOTS), NodeSet::first(3)));
        assert_eq!(*map.runs(NodeId(1)), [Run { first: 5462, last: 10922 }]);
        map.set(5000, NodeId(4));
        map.set(5002, NodeId(4));
        assert_eq!(map.count(NodeId(4)), 2);
        assert_eq!(slots(&map.runs(NodeId(4))).collect::<Vec<_>>(), [5000, 5002]);
        assert_eq!(map.runs(NodeId(0)).len(), 3);
        assert_eq!(map.assigned(), u32::from(SLOTS));
    }

    #[test]
    fn stretches_are_what_slots_say_one_by_one() {
        let mut map = SlotMap::even(3, 6);
        map.set(7, NodeId(5));
        let runs = [Run { first: 3, last: 9 }, Run { first: 5_000, last: SLOTS - 1 }];
        let mut by_slot: Vec<(u16, NodeId)> =
            slots(&runs).map(|slot| (slot, map.owner(slot).expect("all have one"))).collect();
        by_slot.dedup_by(|b, a| a.1 == b.1 && b.0 != 5_000);
        assert_eq!(map.stretches(&runs).collect::<Vec<_>>(), by_slot);
        assert_eq!(by_slot.len(), 3 + 3);
    }
}
