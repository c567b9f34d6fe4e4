//! Hinted hand-off: what a node keeps for holders that could not be reached it brings to them later (Dynamo, 4.6).

use super::message::{Behalf, HashingFact, HashingMessage, HintNumber};
use super::node::{Fx, HINTS, Machine};
use super::version::Version;
use crate::shared::number::Counts;
use sim_core::sorted::SortedMap;
use sim_core::{NodeId, NodeSet};

/// How many hints are on their way at a time.
const AT_ONCE: usize = 32;

/// What is on its way to those whose it is, by the number it was sent under.
#[derive(Clone, Debug)]
pub(super) struct Deliveries {
    /// The key, its version, and who has it.
    open: SortedMap<HintNumber, (u64, Version, NodeSet)>,
    /// Random at first, so that answers to those before a crash are not taken for others.
    newest: HintNumber,
}

impl Deliveries {
    /// None yet; they will be numbered from behind `newest`.
    pub const fn new(newest: HintNumber) -> Self {
        Self { open: SortedMap::new(), newest }
    }
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
                let number = self.deliveries.newest.advance();
                self.deliveries.open.insert(number, (key, held.version, NodeSet::EMPTY));
                number
            });
            let has = self.deliveries.open[&number].2;
            for node in self.holders_of(key).minus(has).iter() {
                let behalf = Behalf::Hint(number);
                let store = HashingMessage::Store { behalf, epoch, key, held: held.clone(), hint: false };
                fx.send(node, store);
            }
        }
    }

    /// One who should have a hint has it.
    pub(super) fn on_delivered(&mut self, from: NodeId, number: HintNumber, epoch: u64, fx: &mut Fx<'_>) {
        let Some((key, version, has)) = self.deliveries.open.get_mut(&number) else { return };
        if epoch != self.view.epoch {
            return;
        }
        has.insert(from);
        let (key, version, has) = (*key, *version, *has);
        if self.holders_of(key).minus(has).is_empty() {
            self.deliveries.open.remove(&number);
            self.store.delivered(key, version, fx);
            fx.note(HashingFact::Delivered { key, version });
        }
    }

    /// The view is another one: others may be the holders now.
    pub(super) fn restart_hints(&mut self) {
        self.deliveries.open.clear();
    }
}
