//! The flight recorder: the last few hundred things that happened, in a ring, for when a rule breaks.

use crate::fault::Injection;
use crate::{Drop, Instant, Node, NodeId, Observed, Observer, Order, Outcome, Parcel, Peer, Ticket, Timer, WriteId};

/// One thing that happened, kept: an [`Observed`] that owns what it tells.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "each variant is the one of Observed that has its name, field by field")]
pub enum Flight<N: Node> {
    Sent {
        from: NodeId,
        to: NodeId,
        message: N::Message,
        arrives: Instant,
        number: u32,
    },
    Delivered {
        from: NodeId,
        to: NodeId,
        number: u32,
        message: N::Message,
    },
    Dropped {
        from: Peer,
        to: Peer,
        what: Parcel,
        why: Drop,
    },
    Fired {
        node: NodeId,
        timer: Timer,
    },
    Appended {
        node: NodeId,
        write: WriteId,
        record: N::Record,
    },
    SyncStarted {
        node: NodeId,
        due: Instant,
    },
    Synced {
        node: NodeId,
        upto: WriteId,
        ok: bool,
    },
    ReadDone {
        node: NodeId,
        write: WriteId,
        found: bool,
    },
    Noted {
        node: NodeId,
        fact: N::Fact,
    },
    Crashed {
        node: NodeId,
        halted: Option<&'static str>,
        lost_records: usize,
    },
    Booted {
        node: NodeId,
        records: usize,
    },
    Paused {
        node: NodeId,
        paused: bool,
    },
    Closed {
        node: NodeId,
        peer: NodeId,
    },
    Connection {
        end: Peer,
        peer: Peer,
        open: bool,
        why: &'static str,
    },
    Segment {
        from: Peer,
        to: Peer,
        kind: &'static str,
        at_byte: u32,
        bytes: u32,
        under_way: u32,
        again: bool,
        arrives: Instant,
        lost: Option<Drop>,
    },
    Ordered {
        node: NodeId,
        order: Order,
    },
    FaultStarted {
        index: usize,
        injection: Box<Injection>,
        resolved: Vec<NodeId>,
    },
    FaultEnded {
        index: usize,
        injection: Box<Injection>,
        touched: u64,
    },
    Invoked {
        ticket: Ticket,
        request: N::Request,
    },
    Asked {
        ticket: Ticket,
        to: NodeId,
    },
    Requested {
        ticket: Ticket,
        node: NodeId,
    },
    Answered {
        ticket: Ticket,
        node: NodeId,
        redirect: bool,
        names: Option<NodeId>,
    },
    Returned {
        ticket: Ticket,
        request: N::Request,
        invoked: Instant,
        outcome: Outcome<N::Response>,
        node: Option<NodeId>,
    },
}

impl<N: Node> Flight<N> {
    /// A copy of what was observed.
    #[must_use]
    pub fn of(what: &Observed<'_, N>) -> Self {
        match *what {
            Observed::Sent { from, to, message, arrives, number } => {
                Self::Sent { from, to, message: message.clone(), arrives, number }
            }
            Observed::Delivered { from, to, number, message } => {
                Self::Delivered { from, to, number, message: message.clone() }
            }
            Observed::Dropped { from, to, what, why } => Self::Dropped { from, to, what, why },
            Observed::Fired { node, timer } => Self::Fired { node, timer },
            Observed::Appended { node, write, record } => Self::Appended { node, write, record: record.clone() },
            Observed::SyncStarted { node, due } => Self::SyncStarted { node, due },
            Observed::Synced { node, upto, ok } => Self::Synced { node, upto, ok },
            Observed::ReadDone { node, write, found } => Self::ReadDone { node, write, found },
            Observed::Noted { node, fact } => Self::Noted { node, fact },
            Observed::Crashed { node, halted, lost_records } => Self::Crashed { node, halted, lost_records },
            Observed::Booted { node, records } => Self::Booted { node, records },
            Observed::Paused { node, paused } => Self::Paused { node, paused },
            Observed::Closed { node, peer } => Self::Closed { node, peer },
            Observed::Connection { end, peer, open, why } => Self::Connection { end, peer, open, why },
            Observed::Segment { from, to, kind, at_byte, bytes, under_way, again, arrives, lost } => {
                Self::Segment { from, to, kind, at_byte, bytes, under_way, again, arrives, lost }
            }
            Observed::Ordered { node, order } => Self::Ordered { node, order },
            Observed::FaultStarted { index, injection, resolved } => {
                Self::FaultStarted { index, injection: Box::new(injection.clone()), resolved: resolved.to_vec() }
            }
            Observed::FaultEnded { index, injection, touched } => {
                Self::FaultEnded { index, injection: Box::new(injection.clone()), touched }
            }
            Observed::Invoked { ticket, request } => Self::Invoked { ticket, request: request.clone() },
            Observed::Asked { ticket, to } => Self::Asked { ticket, to },
            Observed::Requested { ticket, node } => Self::Requested { ticket, node },
            Observed::Answered { ticket, node, redirect, names } => Self::Answered { ticket, node, redirect, names },
            Observed::Returned { ticket, request, invoked, outcome, node } => {
                Self::Returned { ticket, request: request.clone(), invoked, outcome: outcome.clone(), node }
            }
        }
    }

    /// What was observed.
    #[must_use]
    pub fn observed(&self) -> Observed<'_, N> {
        match *self {
            Self::Sent { from, to, ref message, arrives, number } => {
                Observed::Sent { from, to, message, arrives, number }
            }
            Self::Delivered { from, to, number, ref message } => Observed::Delivered { from, to, number, message },
            Self::Dropped { from, to, what, why } => Observed::Dropped { from, to, what, why },
            Self::Fired { node, timer } => Observed::Fired { node, timer },
            Self::Appended { node, write, ref record } => Observed::Appended { node, write, record },
            Self::SyncStarted { node, due } => Observed::SyncStarted { node, due },
            Self::Synced { node, upto, ok } => Observed::Synced { node, upto, ok },
            Self::ReadDone { node, write, found } => Observed::ReadDone { node, write, found },
            Self::Noted { node, fact } => Observed::Noted { node, fact },
            Self::Crashed { node, halted, lost_records } => Observed::Crashed { node, halted, lost_records },
            Self::Booted { node, records } => Observed::Booted { node, records },
            Self::Paused { node, paused } => Observed::Paused { node, paused },
            Self::Closed { node, peer } => Observed::Closed { node, peer },
            Self::Connection { end, peer, open, why } => Observed::Connection { end, peer, open, why },
            Self::Segment { from, to, kind, at_byte, bytes, under_way, again, arrives, lost } => {
                Observed::Segment { from, to, kind, at_byte, bytes, under_way, again, arrives, lost }
            }
            Self::Ordered { node, order } => Observed::Ordered { node, order },
            Self::FaultStarted { index, ref injection, ref resolved } => {
                Observed::FaultStarted { index, injection, resolved }
            }
            Self::FaultEnded { index, ref injection, touched } => Observed::FaultEnded { index, injection, touched },
            Self::Invoked { ticket, ref request } => Observed::Invoked { ticket, request },
            Self::Asked { ticket, to } => Observed::Asked { ticket, to },
            Self::Requested { ticket, node } => Observed::Requested { ticket, node },
            Self::Answered { ticket, node, redirect, names } => Observed::Answered { ticket, node, redirect, names },
            Self::Returned { ticket, ref request, invoked, ref outcome, node } => {
                Observed::Returned { ticket, request, invoked, outcome, node }
            }
        }
    }
}

/// Keeps the last things that happened. An [`Observer`]; pair it with others.
#[derive(Clone, Debug)]
pub struct FlightRecorder<N: Node> {
    ring: Vec<(Instant, Flight<N>)>,
    next: usize,
    capacity: usize,
    seen: u64,
}

impl<N: Node> FlightRecorder<N> {
    /// A recorder of the last `capacity` things.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        assert!(capacity > 0, "a flight recorder keeps at least one thing");
        Self { ring: Vec::with_capacity(capacity), next: 0, capacity, seen: 0 }
    }

    /// How many things it has seen, kept or not.
    #[must_use]
    pub const fn seen(&self) -> u64 {
        self.seen
    }

    /// What it kept, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &(Instant, Flight<N>)> {
        let (newer, older) = self.ring.split_at(self.next.min(self.ring.len()));
        older.iter().chain(newer)
    }
}

impl<N: Node> Observer<N> for FlightRecorder<N> {
    #[inline(never)]
    fn observe(&mut self, at: Instant, what: &Observed<'_, N>) {
        self.seen += 1;
        let entry = (at, Flight::of(what));
        if self.ring.len() < self.capacity {
            self.ring.push(entry);
        } else {
            self.ring[self.next] = entry;
        }
        self.next = if self.next + 1 == self.capacity { 0 } else { self.next + 1 };
    }
}
