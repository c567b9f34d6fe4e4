//! The flight recorder: the last few hundred things that happened, in a ring, for when a rule breaks.

use crate::{Drop, Instant, Kind, Message, Node, NodeId, Observed, Observer, Peer, Timer};

/// One thing that happened, small enough to keep hundreds of.
#[derive(Clone, Copy, Debug)]
pub enum Flight<F> {
    /// A message was handed to its receiver.
    Delivered(NodeId, NodeId, Kind),
    /// A message did not arrive.
    Dropped(Peer, Peer, Drop),
    /// A timer fired.
    Fired(NodeId, Timer),
    /// A sync completed.
    Synced(NodeId, bool),
    /// A fact was announced.
    Noted(NodeId, F),
    /// A node went down.
    Crashed(NodeId),
    /// A node booted.
    Booted(NodeId),
    /// A fault of the schedule began (true) or ended.
    Fault(usize, bool),
}

/// Keeps the last things that happened. An [`Observer`]; pair it with others.
#[derive(Clone, Debug)]
pub struct FlightRecorder<N: Node> {
    ring: Vec<(Instant, Flight<N::Fact>)>,
    next: usize,
    capacity: usize,
}

impl<N: Node> FlightRecorder<N> {
    /// A recorder of the last `capacity` things.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a flight recorder keeps at least one thing");
        Self { ring: Vec::with_capacity(capacity), next: 0, capacity }
    }

    /// What it kept, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &(Instant, Flight<N::Fact>)> {
        let (newer, older) = self.ring.split_at(self.next.min(self.ring.len()));
        older.iter().chain(newer)
    }

    fn keep(&mut self, at: Instant, what: Flight<N::Fact>) {
        if self.ring.len() < self.capacity {
            self.ring.push((at, what));
        } else {
            self.ring[self.next] = (at, what);
        }
        self.next = (self.next + 1) % self.capacity;
    }
}

impl<N: Node> Observer<N> for FlightRecorder<N> {
    #[inline]
    fn observe(&mut self, at: Instant, what: &Observed<'_, N>) {
        let entry = match what {
            Observed::Delivered { from, to, message } => Flight::Delivered(*from, *to, message.kind()),
            Observed::Dropped { from, to, why, .. } => Flight::Dropped(*from, *to, *why),
            Observed::Fired { node, timer } => Flight::Fired(*node, *timer),
            Observed::Synced { node, ok } => Flight::Synced(*node, *ok),
            Observed::Noted { node, fact } => Flight::Noted(*node, *fact),
            Observed::Crashed { node, .. } => Flight::Crashed(*node),
            Observed::Booted { node, .. } => Flight::Booted(*node),
            Observed::FaultStarted { index, .. } => Flight::Fault(*index, true),
            Observed::FaultEnded { index, .. } => Flight::Fault(*index, false),
            _ => return,
        };
        self.keep(at, entry);
    }
}
