//! Hinted hand-off: what a node keeps for holders that could not be reached it brings to them later (Dynamo, 4.6).

use super::message::{HashingFact, HashingMessage};
use super::node::{Fx, HINTS, Machine};
use super::version::Version;
use sim_core::{NodeId, NodeSet};
use std::collections::BTreeMap;

/// How many hints are on their way at a time.
const AT_ONCE: usize = 32;

/// What is on its way to those whose it is, by the number it was sent under.
#[derive(Clone, Debug, Default)]
pub(super) struct Deliveries {
    /// The key, its version, and who has it.
    open: BTreeMap<u64, (u64, Version, NodeSet)>,
}

impl Machine {
    /// Time has passed: offers what it keeps to all who should have it and have not said that they do.
    pub(super) fn on_hints(&mut self, fx: &mut Fx<'_>) {
        fx.arm(HINTS, self.config.resend.times(8));
        let epoch = self.view.epoch;
        let hints: Vec<(u64, _)> = self.store.hints().take(AT_ONCE).map(|(key, held)| (key, held.clone())).collect();
        self.deliveries
            .open
            .retain(|_, (key, version, _)| hints.iter().any(|(hint, held)| hint == key && held.version == *version));
        for (key, held) in hints {
            let open = self.deliveries.open.iter().find(|(_, (of, ..))| *of == key).map(|(number, _)| *number);
            let number = open.unwrap_or_else(|| {
                self.next_op = self.next_op.wrapping_add(1);
                self.deliveries.open.insert(self.next_op, (key, held.version, NodeSet::EMPTY));
                self.next_op
            });
            let has = self.deliveries.open[&number].2;
            for node in self.holders_of(key).minus(has).iter() {
                let store = HashingMessage::Store { op: number, epoch, key, held: held.clone(), hint: false };
                fx.send(node, store);
            }
        }
    }

    /// One who should have a hint has it. Returns whether the number was that of a hint.
    pub(super) fn on_delivered(&mut self, from: NodeId, number: u64, epoch: u64, fx: &mut Fx<'_>) -> bool {
        let Some((key, version, has)) = self.deliveries.open.get_mut(&number) else { return false };
        if epoch != self.view.epoch {
            return true;
        }
        has.insert(from);
        let (key, version, has) = (*key, *version, *has);
        if self.holders_of(key).minus(has).is_empty() {
            self.deliveries.open.remove(&number);
            self.store.delivered(key, version, fx);
            fx.note(HashingFact::Delivered { key });
        }
        true
    }

    /// The view is another one: others may be the holders now.
    pub(super) fn restart_hints(&mut self) {
        self.deliveries.open.clear();
    }
}
