//! The storage that checkpoints go to: it answers only what is durable, and forgets nothing of the newest application.

use super::cache::Block;
use super::graph::Part;
use super::message::{SparkMessage, SparkRecord};
use super::node::Fx;
use sim_core::sorted::SortedMap;
use sim_core::{Effect, NodeId, Replay};

/// A node of the storage.
#[derive(Clone, Debug, Default)]
pub struct Storage {
    blocks: SortedMap<(u64, Block), (Part, u32)>,
}

impl Storage {
    pub(super) fn boot(disk: Replay<'_, SparkRecord>, fx: &mut Fx<'_>) -> Self {
        let mut storage = Self::default();
        for (_, record) in disk.iter() {
            match record {
                Ok(SparkRecord::Saved { app, block, rows, weight }) => {
                    storage.blocks.insert((*app, *block), (Part::clone(rows), *weight));
                }
                Ok(SparkRecord::Life { .. }) => {}
                Err(_) => {
                    fx.halt("its disk can not be read: what was saved is unknown");
                    return storage;
                }
            }
        }
        fx.sync();
        storage
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: SparkMessage, fx: &mut Fx<'_>) {
        let (record, answer) = match message {
            SparkMessage::Save { attempt, rdd, app, rows, weight } => {
                let block = (rdd, attempt.task);
                let is_new = self.blocks.insert((app, block), (Part::clone(&rows), weight)).is_none();
                let record = SparkRecord::Saved { app, block, rows, weight };
                (is_new.then_some(record), SparkMessage::Saved { attempt, rdd })
            }
            SparkMessage::Read { attempt, rdd, app } => {
                let found = self.blocks.get(&(app, (rdd, attempt.task)));
                let weight = found.map_or(0, |(_, weight)| *weight);
                let rows = found.map(|(rows, _)| Part::clone(rows));
                (None, SparkMessage::Rows { attempt, rdd, rows, weight })
            }
            _ => return,
        };
        let write = fx.append(record.unwrap_or(SparkRecord::Life { life: 0 }));
        fx.sync();
        fx.after(write, Effect::Send { to: from, message: answer });
    }

    /// How many partitions it has.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks.len() as u64
    }
}
