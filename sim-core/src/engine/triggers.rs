//! Faults that wait for something to happen: the n-th message of a kind that is handled, the n-th fact of a kind,
//! the beginning or end of another fault.
//!
//! While none waits, nothing is counted: a waiting trigger takes the engine off its calm path, like a packet fault
//! does.

use super::{Engine, Event};
use crate::fault::{Cue, Trigger};
use crate::{Client, Node, NodeId, Observer, Rng};

/// A fault that waits.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    fault: usize,
    trigger: Trigger,
    /// How many have been seen.
    seen: u32,
    /// Where it counts; `None` means everywhere.
    nodes: Option<Vec<NodeId>>,
}

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    /// Fault number `index` begins to wait.
    pub(super) fn await_trigger(&mut self, index: usize, trigger: &Trigger, rng: &mut Rng) {
        let nodes = trigger.node.as_ref().map(|node| self.resolve(node, None, rng));
        self.faults.pending.push(Pending { fault: index, trigger: trigger.clone(), seen: 0, nodes });
        self.update_calm();
    }

    /// A message is about to be handled by `node`, or it has announced a fact. A fault that has waited for it happens
    /// once the node is done with the step.
    #[inline(never)]
    pub(super) fn cue(&mut self, node: NodeId, kind: &str, fact: bool) {
        self.cue_at(&[node], |cue| match cue {
            Cue::Message(name) => !fact && name == kind,
            Cue::Fact(name) => fact && name == kind,
            Cue::FaultBegins(_) | Cue::FaultEnds(_) => false,
        });
    }

    /// Fault number `index` has begun or ended. One that hits nobody is nothing to wait for.
    pub(super) fn cue_fault(&mut self, index: usize, ends: bool) {
        if self.faults.pending.is_empty() {
            return;
        }
        let Some(called) = self.schedule.injections()[index].name.clone() else { return };
        let hit = self.faults.hit(index);
        self.cue_at(&hit, |cue| match cue {
            Cue::Message(_) | Cue::Fact(_) => false,
            Cue::FaultBegins(name) => !ends && *name == called,
            Cue::FaultEnds(name) => ends && *name == called,
        });
    }

    /// Something has happened at `nodes` that `is` what some wait for.
    fn cue_at(&mut self, nodes: &[NodeId], is: impl Fn(&Cue) -> bool) {
        let Some(first) = nodes.first().copied() else { return };
        if self.faults.pending.is_empty() {
            return;
        }
        let mut met = Vec::new();
        self.faults.pending.retain_mut(|pending| {
            let here = |counted: &Vec<NodeId>| nodes.iter().any(|node| counted.contains(node));
            if is(&pending.trigger.cue) && pending.nodes.as_ref().is_none_or(here) {
                pending.seen += 1;
            }
            if pending.seen >= pending.trigger.count {
                met.push(pending.fault);
            }
            pending.seen < pending.trigger.count
        });
        if met.is_empty() {
            return;
        }
        for index in met {
            self.faults.met(index, first);
            self.push(self.now, Event::FaultStart { index });
        }
        self.update_calm();
    }
}
