//! A node of the global file system, as far as outputs go: files that grow by chunks, and names that change at once.
//! It answers only what is durable.

use super::message::{Content, MapReduceFact, MapReduceMessage, MapReduceRecord};
use super::node::Fx;
use super::work::Pair;
use crate::computing::tasks::Attempt;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Effect, NodeId, Replay};

/// Chunks of a file: who has written each, and which of its chunks it is.
type File = Vec<(Attempt, u32, Content)>;

/// A node of the file system.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// Files that only their writers know.
    own: SortedMap<Attempt, File>,
    /// Parts of outputs: by run and part.
    parts: SortedMap<(u64, u32), File>,
    renamed: SortedSet<Attempt>,
}

impl Files {
    pub(super) fn boot(disk: Replay<'_, MapReduceRecord>, fx: &mut Fx<'_>) -> Self {
        let mut files = Self::default();
        for (_, record) in disk.iter() {
            match record {
                Ok(MapReduceRecord::Chunk { attempt, chunk, content, at_once }) => {
                    files.append(*attempt, *chunk, content.clone(), *at_once);
                }
                Ok(MapReduceRecord::Renamed { attempt }) => files.rename(*attempt),
                Ok(_) => {}
                Err(_) => {
                    fx.halt("its disk can not be read: what was written is unknown");
                    return files;
                }
            }
        }
        fx.sync();
        files
    }

    fn append(&mut self, attempt: Attempt, chunk: u32, content: Content, at_once: bool) {
        let file = match at_once {
            true => self.parts.entry((attempt.run, attempt.task)).or_default(),
            false => self.own.entry(attempt).or_default(),
        };
        if !file.iter().any(|(of, number, _)| (*of, *number) == (attempt, chunk)) {
            file.push((attempt, chunk, content));
        }
    }

    fn rename(&mut self, attempt: Attempt) {
        if self.renamed.insert(attempt)
            && let Some(file) = self.own.remove(&attempt)
        {
            self.parts.insert((attempt.run, attempt.task), file);
        }
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: MapReduceMessage, fx: &mut Fx<'_>) {
        let (record, answer) = match message {
            MapReduceMessage::Append { attempt, chunk, content, at_once, .. } => {
                let is_late = self.renamed.contains(&attempt);
                if !is_late {
                    self.append(attempt, chunk, content.clone(), at_once);
                }
                let record = MapReduceRecord::Chunk { attempt, chunk, content, at_once };
                ((!is_late).then_some(record), MapReduceMessage::Appended { attempt, chunk })
            }
            MapReduceMessage::Rename { attempt } => {
                let is_new = !self.renamed.contains(&attempt);
                self.rename(attempt);
                if is_new {
                    fx.note(MapReduceFact::Committed { attempt });
                }
                (is_new.then_some(MapReduceRecord::Renamed { attempt }), MapReduceMessage::Renamed { attempt })
            }
            MapReduceMessage::List { run } => {
                let pairs = |file: &File| file.iter().map(|(.., content)| content.len() as u64).sum();
                let parts = self.parts.range((run, 0)..=(run, u32::MAX));
                let parts = parts.map(|((_, part), file)| (*part, pairs(file))).collect();
                (None, MapReduceMessage::Listed { run, parts })
            }
            _ => return,
        };
        // Whatever the answer rests on is durable when it is given: an answer to a question asked again, too.
        let write = fx.append(record.unwrap_or(MapReduceRecord::Life { life: 0 }));
        fx.sync();
        fx.after(write, Effect::Send { to: from, message: answer });
    }

    /// What a part of an output holds, and who has written it.
    #[must_use]
    pub fn part(&self, run: u64, part: u32) -> Option<(Vec<Pair>, SortedSet<Attempt>)> {
        let file = self.parts.get(&(run, part))?;
        let content = file.iter().flat_map(|(.., content)| content.iter().copied()).collect();
        Some((content, file.iter().map(|(attempt, ..)| *attempt).collect()))
    }

    /// How many parts it has.
    #[must_use]
    pub fn parts(&self) -> u64 {
        self.parts.len() as u64
    }
}
