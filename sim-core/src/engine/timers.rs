//! Timers as slots: arming one later costs a store, not queue traffic.

use crate::queue::Key;
use crate::{Instant, NodeId, Timer};

/// Marks a queue key that stands for a timer slot instead of a slab slot.
pub(crate) const TIMER_FLAG: u32 = 1 << 23;

/// One slot: when it is due, and which queue key stands for it.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Slot {
    /// When the timer comes due; `FAR` if it is not armed.
    due: Instant,
    /// The one queue key that counts; older ones for this slot are ignored when they surface. `at` is `FAR` if none.
    queued: Key,
    /// Whose it is: kept here because the slot's number would have to be divided to know.
    node: NodeId,
    timer: Timer,
    /// It came due while its node could not handle it; handed over later unless disarmed or re-armed before.
    waiting: bool,
}

/// What a timer slot costs.
#[cfg(test)]
pub(crate) const SLOT_BYTES: usize = size_of::<Slot>();

/// No key stands for the slot.
const NOT_QUEUED: Key = Key { at: u64::MAX, rest: 0 };

/// What to do with a timer's key that has surfaced.
pub(crate) enum Due {
    /// It was overtaken: nothing.
    Stale,
    /// The deadline has moved on: queue it again for then.
    Later(Instant),
    /// It is due.
    Now(NodeId, Timer),
}

/// The timer slots of all nodes.
#[derive(Clone, Debug)]
pub(crate) struct Timers {
    slots: Vec<Slot>,
    per_node: usize,
}

impl Timers {
    pub fn new(nodes: usize, per_node: u16) -> Self {
        let of = |node: u32| {
            (0..per_node).map(move |timer| Slot {
                due: Instant::FAR,
                queued: NOT_QUEUED,
                node: NodeId(node),
                timer: Timer(timer),
                waiting: false,
            })
        };
        let slots = (0..nodes as u32).flat_map(of).collect();
        let per_node = per_node as usize;
        assert!(nodes * per_node < TIMER_FLAG as usize, "{nodes} nodes of {per_node} timers are more than 2^23");
        Self { slots, per_node }
    }

    #[inline]
    fn index(&self, node: NodeId, timer: Timer) -> usize {
        assert!(
            (timer.0 as usize) < self.per_node,
            "{node} uses timer slot {} but its system declares {}",
            timer.0,
            self.per_node
        );
        node.index() * self.per_node + timer.0 as usize
    }

    /// Arms a slot. Returns its number if a key must be queued for it (and told with [`Timers::queued`]).
    #[inline]
    pub fn arm(&mut self, node: NodeId, timer: Timer, due: Instant) -> Option<u32> {
        let index = self.index(node, timer);
        let slot = &mut self.slots[index];
        slot.due = due;
        slot.waiting = false;
        // A key that surfaces earlier will move itself to the new deadline.
        (due.0 < slot.queued.at).then_some(index as u32)
    }

    #[inline]
    pub fn queued(&mut self, index: u32, key: Key) {
        self.slots[index as usize].queued = key;
    }

    #[inline]
    pub fn disarm(&mut self, node: NodeId, timer: Timer) {
        let index = self.index(node, timer);
        let slot = &mut self.slots[index];
        slot.due = Instant::FAR;
        slot.waiting = false;
    }

    /// The node went down: nothing of its is armed.
    pub fn clear(&mut self, node: NodeId) {
        for slot in &mut self.slots[node.index() * self.per_node..(node.index() + 1) * self.per_node] {
            slot.due = Instant::FAR;
            slot.waiting = false;
        }
    }

    /// Disarms every timer of a node that is armed and not yet due. Returns them with what they were due.
    pub fn hold(&mut self, node: NodeId) -> Vec<(Timer, Instant)> {
        let slots = &mut self.slots[node.index() * self.per_node..(node.index() + 1) * self.per_node];
        let armed = slots.iter_mut().filter(|slot| slot.due != Instant::FAR);
        armed.map(|slot| (slot.timer, core::mem::replace(&mut slot.due, Instant::FAR))).collect()
    }

    /// Moves every deadline of a node. Returns the slots that need a key because they are due earlier now.
    pub fn rescale(&mut self, node: NodeId, to: impl Fn(Instant) -> Instant) -> Vec<(u32, Instant)> {
        let mut sooner = Vec::new();
        for index in node.index() * self.per_node..(node.index() + 1) * self.per_node {
            let slot = &mut self.slots[index];
            if slot.due != Instant::FAR {
                slot.due = to(slot.due);
                if slot.due.0 < slot.queued.at {
                    sooner.push((index as u32, slot.due));
                }
            }
        }
        sooner
    }

    /// The key for slot `index` has surfaced.
    #[inline]
    pub fn surface(&mut self, index: u32, key: Key) -> Due {
        let slot = &mut self.slots[index as usize];
        if slot.queued != key {
            return Due::Stale;
        }
        slot.queued = NOT_QUEUED;
        if slot.due.0 > key.at {
            return if slot.due == Instant::FAR { Due::Stale } else { Due::Later(slot.due) };
        }
        slot.due = Instant::FAR;
        Due::Now(slot.node, slot.timer)
    }

    /// The node can not handle it now.
    pub fn wait(&mut self, node: NodeId, timer: Timer) {
        let index = self.index(node, timer);
        self.slots[index].waiting = true;
    }

    /// Whether it is still to be handed over.
    pub fn is_waiting(&self, node: NodeId, timer: Timer) -> bool {
        self.slots[self.index(node, timer)].waiting
    }

    /// The node can handle it now: whether it still should.
    pub fn take_waiting(&mut self, node: NodeId, timer: Timer) -> bool {
        let index = self.index(node, timer);
        core::mem::take(&mut self.slots[index].waiting)
    }
}
