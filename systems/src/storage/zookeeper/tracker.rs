//! Which sessions are alive, as the leader counts: in buckets of a tick, so that many end at once.

use super::txn::Session;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId};

#[derive(Clone, Copy, Debug)]
struct Tracked {
    /// At the end of which tick it is over.
    ends: u64,
    heard: LocalInstant,
    timeout: u64,
    /// The server it is at.
    owner: Option<NodeId>,
}

/// The leader's sessions.
#[derive(Clone, Debug)]
pub(super) struct Tracker {
    tick: u64,
    sessions: SortedMap<Session, Tracked>,
}

impl Tracker {
    pub const fn new(tick: Duration) -> Self {
        Self { tick: tick.0, sessions: SortedMap::new() }
    }

    /// The end of the tick in which a session would end that is heard of now (`ExpiryQueue.roundToNextInterval`).
    const fn bucket(&self, now: LocalInstant, timeout: u64) -> u64 {
        ((now.0 + timeout) / self.tick + 1) * self.tick
    }

    /// One more session.
    pub fn add(&mut self, session: Session, timeout: u64, owner: Option<NodeId>, now: LocalInstant) {
        let ends = self.bucket(now, timeout);
        self.sessions.insert(session, Tracked { ends, heard: now, timeout, owner });
    }

    /// A session was heard of. Whether there is one.
    pub fn touch(&mut self, session: Session, now: LocalInstant) -> bool {
        let Some(timeout) = self.sessions.get(&session).map(|tracked| tracked.timeout) else { return false };
        let ends = self.bucket(now, timeout);
        if let Some(tracked) = self.sessions.get_mut(&session) {
            tracked.ends = tracked.ends.max(ends);
            tracked.heard = now;
        }
        true
    }

    /// A session has come to a server. Whether there is one.
    pub fn moves(&mut self, session: Session, owner: NodeId, now: LocalInstant) -> bool {
        if let Some(tracked) = self.sessions.get_mut(&session) {
            tracked.owner = Some(owner);
        }
        self.touch(session, now)
    }

    /// Whether a session is at another server than this.
    pub fn is_elsewhere(&self, session: Session, server: NodeId) -> bool {
        self.sessions.get(&session).and_then(|tracked| tracked.owner).is_some_and(|owner| owner != server)
    }

    pub fn remove(&mut self, session: Session) {
        self.sessions.remove(&session);
    }

    /// Those that have ended by now, and for how long nothing was heard of each, in nanoseconds.
    pub fn take_ended(&mut self, now: LocalInstant) -> Vec<(Session, u64)> {
        let ended = self.sessions.iter().filter(|(_, tracked)| tracked.ends <= now.0);
        let ended: Vec<_> = ended.map(|(session, tracked)| (*session, now.since(tracked.heard).0)).collect();
        for (session, _) in &ended {
            self.sessions.remove(session);
        }
        ended
    }

    /// How long until the next one may end.
    pub fn next(&self, now: LocalInstant) -> Duration {
        let ends = self.sessions.values().map(|tracked| tracked.ends).min();
        let soon = (now.0 / self.tick + 1) * self.tick;
        Duration(ends.unwrap_or(soon).max(now.0 + 1) - now.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_end_in_buckets() {
        let mut tracker = Tracker::new(Duration::nanos(10));
        tracker.add(Session(1), 25, None, LocalInstant(103));
        tracker.add(Session(2), 25, None, LocalInstant(105));
        assert_eq!(tracker.next(LocalInstant(110)), Duration::nanos(20));
        assert!(tracker.take_ended(LocalInstant(129)).is_empty());
        tracker.touch(Session(2), LocalInstant(112));
        assert_eq!(tracker.take_ended(LocalInstant(130)), [(Session(1), 27)]);
        assert!(!tracker.touch(Session(1), LocalInstant(130)) && tracker.touch(Session(2), LocalInstant(130)));
    }
}
