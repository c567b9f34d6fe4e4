//! The directory: who the members are, in epochs. A small state machine on the project's own Raft, and the view that
//! nodes have of it.

use super::message::Life;
use super::options::Setup;
use core::fmt;
use serde::Serialize;
use sim_core::hash::{self, Mixer};
use sim_core::{NodeId, NodeSet, StateMachine};
use std::rc::Rc;

/// Who the members are, as of an epoch. An odd epoch is a change under way: keys belong to their holders under both
/// sets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    /// Counts every step of every change.
    pub epoch: u64,
    /// The sets there were, oldest first, after the one the cluster began with; placements may depend on how they
    /// followed.
    pub past: Rc<[NodeSet]>,
    /// The members that there will be, while a change is under way.
    pub next: Option<NodeSet>,
    /// Nodes whose disks were wiped, and which of their losses this epoch began after.
    pub fenced: Rc<[(NodeId, Life)]>,
}

impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch={}", self.epoch)?;
        self.next.map_or(Ok(()), |next| write!(f, ", the members will be {next}"))
    }
}

impl View {
    /// What everybody knows from the start.
    #[must_use]
    pub fn first() -> Self {
        Self { epoch: 0, past: Rc::default(), next: None, fenced: Rc::default() }
    }

    /// The members, those before the change while one is under way.
    #[must_use]
    pub fn members(&self, setup: &Setup) -> NodeSet {
        self.past.last().copied().unwrap_or_else(|| setup.first())
    }

    /// Size on the wire, in bytes.
    #[must_use]
    pub fn bytes(&self) -> u32 {
        24 + 16 * self.past.len() as u32 + 12 * self.fenced.len() as u32
    }
}

/// What the directory is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The members shall be others.
    Begin {
        /// The epoch this is based on: void if it has passed.
        epoch: u64,
        /// Who they shall be.
        members: NodeSet,
    },
    /// All keys have been copied.
    End {
        /// The epoch of the change.
        epoch: u64,
    },
    /// The members stay who they were.
    Cancel {
        /// The epoch of the change.
        epoch: u64,
    },
    /// A disk was wiped: whatever the node has promised under this epoch or before shall not count.
    Fence {
        /// The epoch this is based on: void if it has passed.
        epoch: u64,
        /// The node.
        node: NodeId,
        /// Tells this loss from others of its.
        life: Life,
    },
}

impl Serialize for Step {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}

/// The directory's state.
#[derive(Clone, Debug, Hash)]
pub struct Directory {
    /// What it tells everyone.
    pub view: View,
}

impl StateMachine for Directory {
    type Command = Step;
    type Response = u64;
    type Snapshot = Self;

    fn start() -> Self {
        Self { view: View::first() }
    }

    fn apply(&mut self, step: &Step) -> u64 {
        let view = &mut self.view;
        match *step {
            Step::Begin { epoch, members } if epoch == view.epoch && view.next.is_none() => {
                view.epoch += 1;
                view.next = Some(members);
            }
            Step::End { epoch } if epoch == view.epoch => {
                if let Some(members) = view.next.take() {
                    view.epoch += 1;
                    view.past = view.past.iter().copied().chain([members]).collect();
                }
            }
            Step::Cancel { epoch } if epoch == view.epoch && view.next.is_some() => {
                view.epoch += 1;
                view.next = None;
            }
            // A change that is under way goes on; everybody promises anew.
            Step::Fence { epoch, node, life } if epoch == view.epoch && !view.fenced.contains(&(node, life)) => {
                view.epoch += 2;
                let others = view.fenced.iter().copied().filter(|(other, _)| *other != node);
                view.fenced = others.chain([(node, life)]).collect();
            }
            // Somebody else was faster.
            _ => {}
        }
        view.epoch
    }

    fn read(&self, _: &Step) -> u64 {
        self.view.epoch
    }

    fn is_read(_: &Step) -> bool {
        false
    }

    fn snapshot(&self) -> Self {
        self.clone()
    }

    fn restore(snapshot: &Self) -> Self {
        snapshot.clone()
    }

    fn command_bytes(_: &Step) -> u32 {
        25
    }

    fn response_bytes(_: &u64) -> u32 {
        8
    }

    fn snapshot_bytes(snapshot: &Self) -> u64 {
        u64::from(snapshot.view.bytes())
    }

    fn digest(&self) -> u64 {
        let mut mixer = Mixer::resume(hash::of(&[self.view.epoch]));
        for members in self.view.past.iter().chain(&self.view.next) {
            members.words().into_iter().for_each(|word| mixer.word(word));
        }
        for (node, life) in self.view.fenced.iter() {
            mixer.word(u64::from(node.0));
            mixer.word(life.0);
        }
        mixer.finish()
    }
}
