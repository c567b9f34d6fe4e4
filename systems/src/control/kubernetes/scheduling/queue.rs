//! The pods that wait for a node: those that are tried next, those that were tried and wait a while, and those that
//! wait for the cluster to change.
//!
//! While a pod is being tried the cluster may change in its favour. So what happens is kept as long as any pod is being
//! tried that was taken before it happened, and a pod that comes back without a node is held against it.

use super::Plugin;
use crate::control::kubernetes::objects::{Pod, Uid};
use core::cmp::Reverse;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, LocalInstant};
use std::collections::VecDeque;
use std::rc::Rc;

/// What may make a pod fit that did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// A node is new.
    NodeAdded,
    /// A node has more room.
    NodeRoom,
    /// A node has other labels.
    NodeLabels,
    /// A node has other taints, or takes pods again.
    NodeTaints,
    /// A node is gone.
    NodeDeleted,
    /// A pod is on a node.
    PodAdded,
    /// A pod on a node has other labels, or is being deleted.
    PodChanged,
    /// A pod is gone from its node.
    PodDeleted,
}

impl Event {
    /// Whether it can change what a part has said.
    #[must_use]
    pub const fn may_cure(self, plugin: Plugin) -> bool {
        match plugin {
            Plugin::NodeName => matches!(self, Self::NodeAdded),
            Plugin::NodeUnschedulable | Plugin::TaintToleration => matches!(self, Self::NodeAdded | Self::NodeTaints),
            Plugin::NodeAffinity => matches!(self, Self::NodeAdded | Self::NodeLabels),
            Plugin::NodePorts => matches!(self, Self::NodeAdded | Self::PodDeleted),
            Plugin::NodeResourcesFit => matches!(self, Self::NodeAdded | Self::NodeRoom | Self::PodDeleted),
            Plugin::PodTopologySpread => !matches!(self, Self::NodeRoom | Self::NodeTaints),
            Plugin::InterPodAffinity => !matches!(self, Self::NodeRoom | Self::NodeTaints | Self::NodeDeleted),
        }
    }
}

/// The queue's times, and whether it makes a published mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueueRules {
    /// How long a pod waits after its first try.
    pub initial: Duration,
    /// How long it waits at most.
    pub longest: Duration,
    /// How long it waits for a change before it is tried again without one.
    pub stale: Duration,
    /// The mark from which a pod's events count goes with the last pod that was taken before it, so that a pod that
    /// comes back may be held against nothing (kubernetes PR #120413).
    pub marks_are_lost: bool,
}

impl Default for QueueRules {
    fn default() -> Self {
        Self {
            initial: Duration::secs(1),
            longest: Duration::secs(10),
            stale: Duration::secs(300),
            marks_are_lost: false,
        }
    }
}

/// How long a pod waits after so many tries: twice as long each time, and the longest as soon as doubling would pass
/// it.
#[must_use]
pub fn backoff(initial: u64, longest: u64, attempts: u32) -> u64 {
    let mut wait = initial;
    for _ in 1..attempts {
        if wait > longest.saturating_sub(wait) {
            return longest;
        }
        wait += wait;
    }
    wait
}

/// Where a waiting pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waits {
    /// It is tried when its turn comes.
    Active,
    /// It was tried and waits a while.
    BackOff,
    /// Nothing that has happened since helps.
    Unschedulable,
    /// It is being tried; events from this number on concern it. `None`: the mark is lost.
    Tried(Option<u64>),
}

#[derive(Clone, Debug)]
struct Waiting {
    pod: Rc<Pod>,
    waits: Waits,
    attempts: u32,
    /// When it came to where it is.
    since: LocalInstant,
    /// When it first came.
    first: LocalInstant,
    refused_by: SortedSet<Plugin>,
}

/// The pods that wait for a node.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    rules: QueueRules,
    pods: SortedMap<Uid, Waiting>,
    /// The most important first, then whoever came first.
    active: SortedSet<(Reverse<i32>, LocalInstant, Uid)>,
    /// By when their wait is over.
    back_off: SortedSet<(LocalInstant, Uid)>,
    /// Those that wait for a change.
    unschedulable: SortedSet<Uid>,
    /// What happened while pods were tried, with its number.
    events: VecDeque<(u64, Event)>,
    /// The number of the next event.
    next: u64,
    /// The pods that are being tried, in the order in which they were taken.
    tried: Vec<Uid>,
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(rules: QueueRules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// How many pods are to be tried, wait a while, and wait for a change.
    #[must_use]
    pub fn lengths(&self) -> (usize, usize, usize) {
        (self.active.len(), self.back_off.len(), self.unschedulable.len())
    }

    /// A pod of the queue.
    #[must_use]
    pub fn pod(&self, uid: Uid) -> Option<&Rc<Pod>> {
        self.pods.get(&uid).map(|waiting| &waiting.pod)
    }

    /// How often a pod was tried, and since when it waits.
    #[must_use]
    pub fn history(&self, uid: Uid) -> Option<(u32, LocalInstant)> {
        self.pods.get(&uid).map(|waiting| (waiting.attempts, waiting.first))
    }

    fn due(&self, waiting: &Waiting) -> LocalInstant {
        let wait = backoff(self.rules.initial.0, self.rules.longest.0, waiting.attempts);
        LocalInstant(waiting.since.0.saturating_add(wait))
    }

    /// Puts a pod where it waits from now on.
    fn put(&mut self, mut waiting: Waiting, waits: Waits) {
        let uid = waiting.pod.meta.uid;
        waiting.waits = waits;
        match waits {
            Waits::Active => {
                self.active.insert((Reverse(waiting.pod.spec.priority), waiting.since, uid));
            }
            Waits::BackOff => {
                self.back_off.insert((self.due(&waiting), uid));
            }
            Waits::Unschedulable => {
                self.unschedulable.insert(uid);
            }
            Waits::Tried(_) => {}
        }
        self.pods.insert(uid, waiting);
    }

    /// Takes a pod from where it waits.
    fn take(&mut self, uid: Uid) -> Option<Waiting> {
        let waiting = self.pods.remove(&uid)?;
        match waiting.waits {
            Waits::Active => {
                self.active.remove(&(Reverse(waiting.pod.spec.priority), waiting.since, uid));
            }
            Waits::BackOff => {
                self.back_off.remove(&(self.due(&waiting), uid));
            }
            Waits::Unschedulable => {
                self.unschedulable.remove(&uid);
            }
            Waits::Tried(_) => {}
        }
        Some(waiting)
    }

    /// A pod without a node is new, or has changed: one that waits for a change is tried again.
    pub fn add(&mut self, pod: Rc<Pod>, now: LocalInstant) {
        let uid = pod.meta.uid;
        match self.take(uid) {
            None => {
                let refused_by = SortedSet::new();
                let new = Waiting { pod, waits: Waits::Active, attempts: 0, since: now, first: now, refused_by };
                self.put(new, Waits::Active);
            }
            Some(mut known) => {
                let changed = known.pod.spec != pod.spec || known.pod.meta.labels != pod.meta.labels;
                known.pod = pod;
                let waits = match known.waits {
                    Waits::Unschedulable if changed && self.due(&known) > now => Waits::BackOff,
                    Waits::Unschedulable if changed => Waits::Active,
                    waits => waits,
                };
                self.put(known, waits);
            }
        }
    }

    /// A pod is gone, or has a node.
    pub fn remove(&mut self, uid: Uid) {
        if self.take(uid).is_some_and(|waiting| matches!(waiting.waits, Waits::Tried(_))) {
            self.no_longer_tried(uid);
        }
    }

    /// The pod to be tried next, if there is one.
    pub fn pop(&mut self) -> Option<Rc<Pod>> {
        let (_, _, uid) = *self.active.first()?;
        let mut waiting = self.take(uid)?;
        waiting.attempts += 1;
        let pod = waiting.pod.clone();
        self.put(waiting, Waits::Tried(Some(self.next)));
        self.tried.push(uid);
        Some(pod)
    }

    /// A pod is no longer being tried: what happened before all others were taken is forgotten.
    fn no_longer_tried(&mut self, uid: Uid) {
        let oldest = self.tried.first() == Some(&uid);
        self.tried.retain(|tried| *tried != uid);
        let mark = |queue: &Self, uid: &Uid| match queue.pods.get(uid)?.waits {
            Waits::Tried(mark) => mark,
            _ => None,
        };
        if self.rules.marks_are_lost && oldest {
            // The list of marks and events is cleared up to the first event: the next pod's mark, which stands before
            // any event, goes with it.
            let next = self.tried.first().copied();
            let nothing_before = |mark: u64| self.events.iter().all(|(number, _)| *number >= mark);
            if let Some(next) = next.filter(|next| mark(self, next).is_some_and(nothing_before))
                && let Some(waiting) = self.pods.get_mut(&next)
            {
                waiting.waits = Waits::Tried(None);
            }
        }
        let first = self.tried.iter().filter_map(|uid| mark(self, uid)).min().unwrap_or(self.next);
        while self.events.front().is_some_and(|(number, _)| *number < first) {
            self.events.pop_front();
        }
    }

    /// A pod that was tried has no node, for these parts' sake: it waits for a change, or a while if there was one that
    /// may help since it was taken. Without any part (binding failed, say) it waits a while.
    pub fn retry(&mut self, uid: Uid, refused_by: SortedSet<Plugin>, now: LocalInstant) {
        let Some(mut waiting) = self.take(uid) else { return };
        let Waits::Tried(mark) = waiting.waits else { return self.put_back(waiting) };
        let seen = self.events.iter().filter(|(number, _)| mark.is_some_and(|mark| *number >= mark));
        let helps = seen.map(|(_, event)| *event).any(|event| cures(event, &refused_by));
        let waits = if refused_by.is_empty() || helps { Waits::BackOff } else { Waits::Unschedulable };
        waiting.refused_by = refused_by;
        waiting.since = now;
        self.put(waiting, waits);
        self.no_longer_tried(uid);
    }

    fn put_back(&mut self, waiting: Waiting) {
        let waits = waiting.waits;
        self.put(waiting, waits);
    }

    /// Something has happened: pods that it may help wait no longer for it.
    pub fn happened(&mut self, event: Event, now: LocalInstant) {
        if !self.tried.is_empty() {
            self.events.push_back((self.next, event));
            self.next += 1;
        }
        let helped = |uid: &&Uid| cures(event, &self.pods[*uid].refused_by);
        let helped: Vec<Uid> = self.unschedulable.iter().filter(helped).copied().collect();
        self.move_on(helped, now);
    }

    /// Moves pods from waiting for a change to waiting a while, or to being tried if that while is over.
    fn move_on(&mut self, pods: Vec<Uid>, now: LocalInstant) {
        for uid in pods {
            if let Some(waiting) = self.take(uid) {
                let waits = if self.due(&waiting) > now { Waits::BackOff } else { Waits::Active };
                self.put(waiting, waits);
            }
        }
    }

    /// Time has passed: waits that are over are over, and who has waited too long for a change is tried without one.
    pub fn tick(&mut self, now: LocalInstant) {
        while let Some(&(due, uid)) = self.back_off.first()
            && due <= now
        {
            if let Some(waiting) = self.take(uid) {
                self.put(waiting, Waits::Active);
            }
        }
        let stale = |uid: &&Uid| now.since(self.pods[*uid].since) > self.rules.stale;
        let stale: Vec<Uid> = self.unschedulable.iter().filter(stale).copied().collect();
        self.move_on(stale, now);
    }

    /// When the next wait is over.
    #[must_use]
    pub fn next_due(&self) -> Option<LocalInstant> {
        self.back_off.first().map(|(due, _)| *due)
    }

    /// The pods that wait for a change, and who has refused them.
    pub fn unschedulable(&self) -> impl Iterator<Item = (Uid, &SortedSet<Plugin>)> {
        self.unschedulable.iter().map(|uid| (*uid, &self.pods[uid].refused_by))
    }
}

/// Whether an event may cure what some part has said.
fn cures(event: Event, refused_by: &SortedSet<Plugin>) -> bool {
    refused_by.is_empty() || refused_by.iter().any(|plugin| event.may_cure(*plugin))
}
