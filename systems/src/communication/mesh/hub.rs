//! The hub: takes what edges upload, in order, each write once, and answers when it has it on its disk.

use super::bugs::MeshBug;
use super::message::{MeshFact, MeshMessage, MeshRecord, Queued};
use super::node::Fx;
use super::options::Config;
use sim_core::sorted::SortedMap;
use sim_core::{NodeId, Replay, WriteId};
use std::collections::VecDeque;
use std::rc::Rc;

/// Writes that are on their way to the disk.
#[derive(Clone, Debug)]
struct Taking {
    at: WriteId,
    edge: NodeId,
    upto: u64,
}

/// Keeps what edges upload.
#[derive(Clone, Debug)]
pub struct Hub {
    /// Up to which write of each edge it has, on its disk or on the way there.
    taken: SortedMap<NodeId, u64>,
    taking: VecDeque<Taking>,
}

impl Hub {
    pub(super) fn boot(disk: Replay<'_, MeshRecord>, fx: &mut Fx<'_>) -> Self {
        let mut this = Self { taken: SortedMap::new(), taking: VecDeque::new() };
        for (at, record) in disk.iter() {
            if let Ok(MeshRecord::Took { edge, upto, .. }) = record {
                this.taken.insert(*edge, *upto);
                // What is found may only be on its way to the disk.
                this.taking.push_back(Taking { at, edge: *edge, upto: *upto });
            }
        }
        for (edge, upto) in &this.taken {
            fx.note(MeshFact::HubHas { edge: *edge, upto: *upto });
        }
        if !this.taken.is_empty() {
            fx.sync();
        }
        this
    }

    /// How many writes of an edge it has.
    #[must_use]
    pub fn taken(&self, edge: NodeId) -> u64 {
        self.taken.get(&edge).copied().unwrap_or(0)
    }

    pub(super) fn on_upload(&mut self, config: &Config, edge: NodeId, writes: &[Queued], fx: &mut Fx<'_>) {
        let before = self.taken(edge);
        let numbered = !config.has(MeshBug::UploadNotNumbered);
        let new: Vec<Queued> = writes.iter().copied().filter(|write| !numbered || write.number > before).collect();
        // One that was overtaken by those behind it: they wait until it comes again.
        let in_order = new.first().is_none_or(|first| !numbered || first.number == before + 1);
        if new.is_empty() || !in_order {
            if self.taking.iter().all(|taking| taking.edge != edge) {
                fx.send(edge, MeshMessage::Uploaded { upto: before });
            }
            return;
        }
        let upto = new.last().map_or(before, |last| last.number);
        new.iter().for_each(|write| fx.note(MeshFact::Took { edge, write: *write }));
        let at = fx.append(MeshRecord::Took { edge, upto, writes: Rc::new(new) });
        fx.sync();
        self.taken.insert(edge, upto);
        self.taking.push_back(Taking { at, edge, upto });
    }

    /// Everything up to `upto` is on the disk.
    pub(super) fn on_synced(&mut self, upto: WriteId, fx: &mut Fx<'_>) {
        while self.taking.front().is_some_and(|taking| taking.at <= upto)
            && let Some(Taking { edge, upto, .. }) = self.taking.pop_front()
        {
            fx.send(edge, MeshMessage::Uploaded { upto });
        }
    }
}
