//! What a leader knows of its workers: who there are, what each has been given, who has room.

use super::message::Life;
use super::task::{Lease, Needs};
use core::cmp::Reverse;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{LocalInstant, NodeId, Rng};

/// A worker, as its leader sees it.
#[derive(Clone, Debug)]
pub struct Desk {
    /// In which life it has registered.
    pub life: Life,
    /// When it was heard last.
    pub heard: LocalInstant,
    /// What it has been given and has not given back.
    held: SortedMap<Lease, Needs>,
    used: Needs,
    speed: u32,
}

/// Where a worker stands among those with room: the fastest first, then the one with the most of it.
type Place = (Reverse<u32>, Reverse<u32>, NodeId);

/// All workers that have registered.
#[derive(Clone, Debug)]
pub struct Desks {
    all: SortedMap<NodeId, Desk>,
    free: SortedSet<Place>,
    /// The same workers as a list, to draw from.
    list: Vec<NodeId>,
    room: Needs,
}

impl Desks {
    /// None yet; each will have this much room.
    #[must_use]
    pub const fn new(room: Needs) -> Self {
        Self { all: SortedMap::new(), free: SortedSet::new(), list: Vec::new(), room }
    }

    /// A worker.
    #[must_use]
    pub fn get(&self, worker: NodeId) -> Option<&Desk> {
        self.all.get(&worker)
    }

    /// All of them, in order.
    #[must_use]
    pub fn list(&self) -> &[NodeId] {
        &self.list
    }

    fn place(&self, worker: NodeId) -> Option<Place> {
        let desk = self.all.get(&worker)?;
        let left = self.room.cpus.saturating_sub(desk.used.cpus);
        (left > 0).then_some((Reverse(desk.speed), Reverse(left), worker))
    }

    fn change(&mut self, worker: NodeId, what: impl FnOnce(&mut Desk)) {
        if let Some(place) = self.place(worker) {
            self.free.remove(&place);
        }
        if let Some(desk) = self.all.get_mut(&worker) {
            what(desk);
        }
        if let Some(place) = self.place(worker) {
            self.free.insert(place);
        }
    }

    /// A worker registers: nothing is known of what it has.
    pub fn register(&mut self, worker: NodeId, life: Life, speed: u32, now: LocalInstant) {
        self.remove(worker);
        let desk = Desk { life, heard: now, held: SortedMap::new(), used: Needs::default(), speed };
        self.all.insert(worker, desk);
        self.change(worker, |_| {});
        let at = self.list.partition_point(|other| *other < worker);
        self.list.insert(at, worker);
    }

    /// A worker is gone.
    pub fn remove(&mut self, worker: NodeId) {
        if let Some(place) = self.place(worker) {
            self.free.remove(&place);
        }
        if self.all.remove(&worker).is_some() {
            self.list.retain(|other| *other != worker);
        }
    }

    /// It was heard.
    pub fn hear(&mut self, worker: NodeId, now: LocalInstant) {
        if let Some(desk) = self.all.get_mut(&worker) {
            desk.heard = now;
        }
    }

    /// Those that were not heard since.
    pub fn silent_since(&self, then: LocalInstant) -> Vec<NodeId> {
        self.all.iter().filter(|(_, desk)| desk.heard <= then).map(|(worker, _)| *worker).collect()
    }

    /// It has been given something.
    pub fn give(&mut self, worker: NodeId, lease: Lease, needs: Needs) {
        self.change(worker, |desk| {
            if desk.held.insert(lease, needs).is_none() {
                desk.used = desk.used.and(needs);
            }
        });
    }

    /// It has given something back.
    pub fn take(&mut self, worker: NodeId, lease: Lease) {
        self.change(worker, |desk| {
            if let Some(needs) = desk.held.remove(&lease) {
                desk.used = desk.used.less(needs);
            }
        });
    }

    /// Its room grows, whatever it had: a bug.
    pub fn free_once_more(&mut self, worker: NodeId, needs: Needs) {
        self.change(worker, |desk| desk.used = desk.used.less(needs));
    }

    /// Whether it has room for this.
    #[must_use]
    pub fn has_room(&self, worker: NodeId, needs: Needs) -> bool {
        self.all.get(&worker).is_some_and(|desk| desk.used.and(needs).fit(self.room))
    }

    /// How much it has to do, in cpus.
    #[must_use]
    pub fn load(&self, worker: NodeId) -> u32 {
        self.all.get(&worker).map_or(u32::MAX, |desk| desk.used.cpus)
    }

    /// Whether nobody has a cpu free.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// The best worker with room for this: of the fastest the one with the most.
    #[must_use]
    pub fn first(&self, needs: Needs) -> Option<NodeId> {
        self.free.iter().map(|(.., worker)| *worker).find(|worker| self.has_room(*worker, needs))
    }

    /// A worker at random.
    pub fn any(&self, rng: &mut Rng) -> Option<NodeId> {
        rng.pick(&self.list).copied()
    }

    /// So many workers at random, different ones as long as there are enough.
    pub fn some(&self, many: usize, rng: &mut Rng) -> Vec<NodeId> {
        let mut all = Vec::with_capacity(many);
        let mut left = self.list.clone();
        while all.len() < many && !self.list.is_empty() {
            if left.is_empty() {
                left.clone_from(&self.list);
            }
            let at = rng.below(left.len() as u64) as usize;
            all.push(left.swap_remove(at));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::computing::scheduling::task::TaskId;
    use sim_core::Purpose;

    #[test]
    fn room_is_counted_by_lease() {
        let mut desks = Desks::new(Needs { cpus: 2, memory: 100 });
        let (slow, fast) = (NodeId(3), NodeId(4));
        desks.register(slow, Life(1), 50, LocalInstant(0));
        desks.register(fast, Life(2), 100, LocalInstant(0));
        let lease = |attempt| Lease { task: TaskId::default(), attempt };
        let one = Needs { cpus: 1, memory: 60 };
        assert_eq!(desks.first(one), Some(fast));
        desks.give(fast, lease(1), one);
        desks.give(fast, lease(1), one);
        assert_eq!((desks.load(fast), desks.first(one)), (1, Some(slow)), "no memory for a second one there");
        assert_eq!(desks.first(Needs { cpus: 1, memory: 0 }), Some(fast));
        desks.take(fast, lease(2));
        assert_eq!(desks.load(fast), 1, "that was not there");
        desks.take(fast, lease(1));
        assert_eq!(desks.first(one), Some(fast));
        desks.remove(fast);
        assert_eq!((desks.list(), desks.first(one)), (&[slow][..], Some(slow)));
        let mut rng = Rng::stream(1, Purpose::Node, 0);
        desks.register(fast, Life(3), 100, LocalInstant(0));
        let mut two = desks.some(2, &mut rng);
        two.sort_unstable();
        assert_eq!(two, [slow, fast]);
        assert_eq!(desks.silent_since(LocalInstant(0)).len(), 2);
    }
}
