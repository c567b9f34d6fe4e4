//! The collector: keeps results, and makes public the one of each task that the schedulers name. That is the effect
//! of a task, and it happens once.

use super::bugs::SchedulingBug;
use super::message::{Kick, SchedulingFact, SchedulingMessage, SchedulingRecord};
use super::node::{Fx, Machine};
use super::options::Config;
use super::task::{Lease, TaskId};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Effect, NodeId, Replay, WriteId};
use std::rc::Rc;

/// A collector.
#[derive(Clone, Debug)]
pub struct Collector {
    config: Rc<Config>,
    /// Results that are not public, and where each stands on the disk.
    staged: SortedMap<Lease, WriteId>,
    /// Tasks whose results are public, and where that stands.
    public: SortedMap<TaskId, WriteId>,
    /// Firings that were launched directly and have had their effect.
    ran: SortedMap<Kick, WriteId>,
    /// What was missing when it was asked for: each is told once.
    missed: SortedSet<Lease>,
}

impl Collector {
    pub(super) fn boot(config: &Rc<Config>, disk: Replay<'_, SchedulingRecord>, fx: &mut Fx<'_>) -> Self {
        let mut this = Self {
            config: Rc::clone(config),
            staged: SortedMap::new(),
            public: SortedMap::new(),
            ran: SortedMap::new(),
            missed: SortedSet::new(),
        };
        let mut rotten = false;
        for (write, record) in disk.iter() {
            match record {
                Ok(SchedulingRecord::Staged(lease)) => _ = this.staged.insert(*lease, write),
                Ok(SchedulingRecord::Published(lease)) => {
                    this.staged.remove(lease);
                    this.public.insert(lease.task, write);
                }
                Ok(SchedulingRecord::Ran(kick)) => _ = this.ran.insert(*kick, write),
                Ok(SchedulingRecord::Group(_)) => {}
                Err(_) => rotten = true,
            }
        }
        if rotten {
            fx.halt("a record of the collector can not be read: which result that was, nobody knows");
        }
        // What was found may only be on its way to the disk.
        fx.sync();
        this
    }

    /// How many results are public.
    #[must_use]
    pub fn public(&self) -> u64 {
        self.public.len() as u64
    }

    /// Whether the result of a task is public.
    #[must_use]
    pub fn has(&self, task: TaskId) -> bool {
        self.public.contains_key(&task)
    }

    /// Launches of firings that have had their effect.
    pub fn ran(&self) -> impl Iterator<Item = Kick> + '_ {
        self.ran.keys().copied()
    }

    /// Says something once this is durable.
    fn say(&self, write: WriteId, to: NodeId, message: SchedulingMessage, fx: &mut Fx<'_>) {
        fx.after(write, Effect::<Machine>::Send { to, message });
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: SchedulingMessage, fx: &mut Fx<'_>) {
        match message {
            SchedulingMessage::Result { lease } => self.on_result(from, lease, fx),
            SchedulingMessage::Publish { leases } => self.on_publish(from, &leases, fx),
            SchedulingMessage::Ran(kick) => {
                let write = self.ran.get(&kick).copied().unwrap_or_else(|| {
                    let write = fx.append(SchedulingRecord::Ran(kick));
                    fx.sync();
                    fx.after(write, Effect::Note { fact: SchedulingFact::Ran(kick) });
                    write
                });
                self.ran.insert(kick, write);
                self.say(write, from, SchedulingMessage::RanStaged(kick), fx);
            }
            _ => {}
        }
    }

    fn on_result(&mut self, from: NodeId, lease: Lease, fx: &mut Fx<'_>) {
        let known = self.public.get(&lease.task).or_else(|| self.staged.get(&lease)).copied();
        let write = known.unwrap_or_else(|| {
            let write = fx.append(SchedulingRecord::Staged(lease));
            fx.sync();
            fx.after(write, Effect::Note { fact: SchedulingFact::Staged { lease } });
            self.staged.insert(lease, write);
            write
        });
        let message = SchedulingMessage::Staged { lease };
        if self.config.has(SchedulingBug::StagedBeforeSync) {
            fx.send(from, message);
        } else {
            self.say(write, from, message, fx);
        }
    }

    fn on_publish(&mut self, from: NodeId, leases: &[Lease], fx: &mut Fx<'_>) {
        let again = self.config.has(SchedulingBug::PublishedTwice);
        let (mut tasks, mut newest, mut wrote) = (Vec::new(), None, false);
        for lease in leases {
            let write = match self.public.get(&lease.task).copied() {
                Some(write) if !again => write,
                before => {
                    if self.staged.remove(lease).is_none() && before.is_none() {
                        if self.missed.insert(*lease) {
                            fx.note(SchedulingFact::Missing { lease: *lease });
                        }
                        continue;
                    }
                    let write = fx.append(SchedulingRecord::Published(*lease));
                    fx.after(write, Effect::Note { fact: SchedulingFact::Published { lease: *lease } });
                    self.public.insert(lease.task, write);
                    wrote = true;
                    write
                }
            };
            newest = newest.max(Some(write));
            tasks.push(lease.task);
        }
        if wrote {
            fx.sync();
        }
        if let Some(write) = newest {
            self.say(write, from, SchedulingMessage::Published { tasks }, fx);
        }
    }
}
