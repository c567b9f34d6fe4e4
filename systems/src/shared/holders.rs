//! Who believes that it holds which lock.

use sim_core::track::Track;
use sim_core::{Duration, Instant, NodeId};
use std::collections::BTreeMap;

/// A belief: by whose session, and whether alone.
#[derive(Clone, Copy, Debug)]
struct Belief {
    session: u64,
    alone: bool,
}

/// The beliefs of all applications.
#[derive(Clone, Debug)]
pub(crate) struct Holders {
    /// By lock and application.
    held: BTreeMap<(u64, NodeId), Belief>,
    /// Locks that more than one believes to hold alone, or that one does and others beside it, and since when.
    double: BTreeMap<u64, Instant>,
    overlap: Duration,
    /// How often a lock was taken.
    pub taken: u64,
    track: Track,
}

impl Default for Holders {
    fn default() -> Self {
        let about = "Who believed that it held a lock, by the number that it was given.";
        let track = Track::new("locks", "Who held which lock", about, "holds");
        Self { held: BTreeMap::new(), double: BTreeMap::new(), overlap: Duration::ZERO, taken: 0, track }
    }
}

impl Holders {
    /// An application takes a lock, alone or beside others. Gives another one that may still rely on it, by a session
    /// that has not ended.
    pub fn take(
        &mut self,
        at: Instant,
        node: NodeId,
        (lock, token, session, alone): (u64, u64, u64, bool),
        is_over: impl Fn(u64) -> bool,
    ) -> Option<NodeId> {
        let others = self.held.iter().filter(|((held, by), _)| *held == lock && *by != node);
        let others = others.filter(|(_, belief)| alone || belief.alone);
        let others: Vec<(NodeId, u64)> = others.map(|((_, by), belief)| (*by, belief.session)).collect();
        if !others.is_empty() {
            self.double.entry(lock).or_insert(at);
        }
        self.taken += 1;
        self.held.insert((lock, node), Belief { session, alone });
        self.track.begin(at, format!("lock {lock} by {node}"), format!("{token}"));
        others.into_iter().find(|(_, session)| !is_over(*session)).map(|(node, _)| node)
    }

    /// It does not believe so any more.
    pub fn let_go(&mut self, at: Instant, node: NodeId, lock: u64) {
        if self.held.remove(&(lock, node)).is_none() {
            return;
        }
        self.track.end(at, format!("lock {lock} by {node}"));
        let left: Vec<bool> =
            self.held.iter().filter(|((held, _), _)| *held == lock).map(|(_, belief)| belief.alone).collect();
        if (left.len() < 2 || !left.contains(&true))
            && let Some(since) = self.double.remove(&lock)
        {
            self.overlap = Duration(self.overlap.0 + at.since(since).0);
        }
    }

    /// It believes nothing any more.
    pub fn crash(&mut self, at: Instant, node: NodeId) {
        let held: Vec<u64> = self.held.keys().filter(|(_, by)| *by == node).map(|(lock, _)| *lock).collect();
        held.into_iter().for_each(|lock| self.let_go(at, node, lock));
    }

    /// How long more than one believed to hold the same.
    pub fn overlap(&self, end: Instant) -> Duration {
        let open: u64 = self.double.values().map(|since| end.since(*since).0).sum();
        Duration(self.overlap.0 + open)
    }

    pub fn track(&self, end: Instant) -> Track {
        self.track.finish(end)
    }
}
