//! Observers see everything and change nothing. `()` observes nothing and compiles away.

use crate::fault::Injection;
use crate::{ClientId, Instant, Kind, Node, NodeId, Order, Outcome, Ticket, Timer, Violation, WriteId};

/// Who is at one end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// A node.
    Node(NodeId),
    /// A client.
    Client(ClientId),
}

impl core::fmt::Display for Peer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Node(node) => node.fmt(f),
            Self::Client(client) => client.fmt(f),
        }
    }
}

/// Why a message did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Drop {
    /// The link lost it.
    Loss,
    /// A partition was there when it was sent, or came while it was under way.
    Cut,
    /// It arrived corrupted and the receiver's checksum caught it.
    Corrupt,
    /// The link's queue was full.
    QueueFull,
    /// Nobody was running at the receiver.
    Down,
    /// It was waiting for its receiver to handle it when that went down. (One that is still under way then arrives at
    /// whatever runs at the receiver when it gets there.)
    Stale,
    /// The connection that carried it ended before it was read.
    Reset,
    /// Its receiver's socket was full, or its sender had no room for more behind a connection that stands still.
    Overflow,
    /// It is larger than a datagram can be.
    TooBig,
}

impl Drop {
    /// All of them, in the order of [`crate::Tally::dropped`].
    pub const ALL: [Self; 9] = [
        Self::Loss,
        Self::Cut,
        Self::Corrupt,
        Self::QueueFull,
        Self::Down,
        Self::Stale,
        Self::Reset,
        Self::Overflow,
        Self::TooBig,
    ];

    /// The name in traces and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Cut => "cut",
            Self::Corrupt => "corrupt",
            Self::QueueFull => "queue_full",
            Self::Down => "down",
            Self::Stale => "stale",
            Self::Reset => "reset",
            Self::Overflow => "overflow",
            Self::TooBig => "too_big",
        }
    }
}

/// What was on its way when it was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parcel {
    /// A message between nodes: its kind, and which of its sender's messages it was (see [`Observed::Sent`]).
    Message(Kind, u32),
    /// One try of a client's operation.
    Request(Ticket),
    /// A node's answer to one try.
    Answer(Ticket),
}

/// What happened.
#[derive(Debug)]
pub enum Observed<'a, N: Node> {
    /// A node sent a message; it will arrive at `arrives` if nothing comes between.
    Sent {
        /// Sender.
        from: NodeId,
        /// Receiver.
        to: NodeId,
        /// The message.
        message: &'a N::Message,
        /// When it is due.
        arrives: Instant,
        /// Which of its sender's messages it is, from 1 (modulo 2^32): sender and number name a message, and both
        /// copies of one that a link delivers twice.
        number: u32,
    },
    /// A message was handed to its receiver.
    Delivered {
        /// Sender.
        from: NodeId,
        /// Receiver.
        to: NodeId,
        /// Which of its sender's messages it is.
        number: u32,
        /// The message.
        message: &'a N::Message,
    },
    /// A message between nodes, a request or a response did not make it.
    Dropped {
        /// Sender.
        from: Peer,
        /// Receiver.
        to: Peer,
        /// What it was.
        what: Parcel,
        /// Why.
        why: Drop,
    },
    /// A timer came due and was handed to its node.
    Fired {
        /// Whose.
        node: NodeId,
        /// Which.
        timer: Timer,
    },
    /// A node appended a record to its disk; it is not durable yet.
    Appended {
        /// Whose disk.
        node: NodeId,
        /// Where the record stands.
        write: WriteId,
        /// The record.
        record: &'a N::Record,
    },
    /// A sync began; it will be done at `due` if nothing comes between.
    SyncStarted {
        /// Whose disk.
        node: NodeId,
        /// When it is due.
        due: Instant,
    },
    /// A sync completed.
    Synced {
        /// Whose disk.
        node: NodeId,
        /// The newest record it covers.
        upto: WriteId,
        /// Whether it worked.
        ok: bool,
    },
    /// A read of the disk completed.
    ReadDone {
        /// Whose disk.
        node: NodeId,
        /// Which record was asked for.
        write: WriteId,
        /// Whether it was there, and whole.
        found: bool,
    },
    /// A node announced a fact.
    Noted {
        /// Who.
        node: NodeId,
        /// What.
        fact: N::Fact,
    },
    /// A node went down.
    Crashed {
        /// Which.
        node: NodeId,
        /// Why, if it stopped itself.
        halted: Option<&'static str>,
        /// Unsynced records that were lost.
        lost_records: usize,
    },
    /// A node booted from its disk (also at the start of the run).
    Booted {
        /// Which.
        node: NodeId,
        /// Records it found.
        records: usize,
    },
    /// A node stopped handling inputs, or went on.
    Paused {
        /// Which.
        node: NodeId,
        /// Whether it stopped (true) or goes on (false).
        paused: bool,
    },
    /// A node heard that its connection with another is over.
    Closed {
        /// Which.
        node: NodeId,
        /// With whom.
        peer: NodeId,
    },
    /// A connection between two came about (`open`), or one end of it is over for it.
    Connection {
        /// Whose end it is.
        end: Peer,
        /// Who is at the other end.
        peer: Peer,
        /// Whether it came about.
        open: bool,
        /// How it ended, where it did.
        why: &'static str,
    },
    /// A segment of a connection left a machine.
    Segment {
        /// Sender.
        from: Peer,
        /// Receiver.
        to: Peer,
        /// `SYN`, `data`, `ACK` ...
        kind: &'static str,
        /// Its first byte, counted from the beginning of the connection.
        at_byte: u32,
        /// Bytes of payload.
        bytes: u32,
        /// Bytes that its sender has under way with it: what its congestion window has let go.
        under_way: u32,
        /// Whether it was sent before.
        again: bool,
        /// When it is due, unless it is lost.
        arrives: Instant,
        /// Why it is lost, if it is.
        lost: Option<Drop>,
    },
    /// The operator gave a node an order.
    Ordered {
        /// Whom.
        node: NodeId,
        /// What.
        order: Order,
    },
    /// A fault began; `resolved` are the nodes it hit.
    FaultStarted {
        /// Position in the schedule.
        index: usize,
        /// The fault.
        injection: &'a Injection,
        /// Whom it hit.
        resolved: &'a [NodeId],
    },
    /// A fault ended; `touched` counts what it changed (messages dropped, inputs delayed, nodes taken down ...).
    FaultEnded {
        /// Position in the schedule.
        index: usize,
        /// The fault.
        injection: &'a Injection,
        /// How much it changed.
        touched: u64,
    },
    /// A client started an operation.
    Invoked {
        /// Session and number.
        ticket: Ticket,
        /// What it asks.
        request: &'a N::Request,
    },
    /// A client sent a try of an operation to a node.
    Asked {
        /// Which try.
        ticket: Ticket,
        /// Whom.
        to: NodeId,
    },
    /// A request was handed to a node.
    Requested {
        /// Which try.
        ticket: Ticket,
        /// To whom.
        node: NodeId,
    },
    /// A node answered a request (`redirect` if it sent the client elsewhere).
    Answered {
        /// Which try.
        ticket: Ticket,
        /// Who answered.
        node: NodeId,
        /// Whether it was no answer but a redirection.
        redirect: bool,
        /// Whom a redirection names, if it does.
        names: Option<NodeId>,
    },
    /// An operation ended for its client.
    Returned {
        /// Session and number of the last try.
        ticket: Ticket,
        /// What it asked.
        request: &'a N::Request,
        /// When it began.
        invoked: Instant,
        /// How it ended.
        outcome: &'a Outcome<N::Response>,
        /// Who answered, if anyone did.
        node: Option<NodeId>,
    },
}

impl<'a, N: Node> Observed<'a, N> {
    /// Whether it befalls machines of some kind: one of them, or a message between two of them.
    pub fn befalls(&self, is: impl Fn(NodeId) -> bool) -> bool {
        match *self {
            Self::Sent { from: node, .. }
            | Self::Delivered { to: node, .. }
            | Self::Noted { node, .. }
            | Self::Crashed { node, .. }
            | Self::Booted { node, .. }
            | Self::Paused { node, .. }
            | Self::Synced { node, .. }
            | Self::SyncStarted { node, .. }
            | Self::Fired { node, .. } => is(node),
            Self::Dropped { from: Peer::Node(from), to: Peer::Node(to), .. } => is(from) && is(to),
            _ => false,
        }
    }

    /// The same for a node inside this one (see [`crate::Embed`]), if it is about the machine or its links rather than
    /// about what the outer node says, writes or is asked.
    #[must_use]
    pub const fn of_the_machine<I: Node>(&self) -> Option<Observed<'a, I>> {
        Some(match *self {
            Self::Dropped { from, to, what, why } => Observed::Dropped { from, to, what, why },
            Self::Fired { node, timer } => Observed::Fired { node, timer },
            Self::SyncStarted { node, due } => Observed::SyncStarted { node, due },
            Self::Synced { node, upto, ok } => Observed::Synced { node, upto, ok },
            Self::Crashed { node, halted, lost_records } => Observed::Crashed { node, halted, lost_records },
            Self::Booted { node, records } => Observed::Booted { node, records },
            Self::Paused { node, paused } => Observed::Paused { node, paused },
            Self::Closed { node, peer } => Observed::Closed { node, peer },
            Self::Connection { end, peer, open, why } => Observed::Connection { end, peer, open, why },
            Self::Segment { from, to, kind, at_byte, bytes, under_way, again, arrives, lost } => {
                Observed::Segment { from, to, kind, at_byte, bytes, under_way, again, arrives, lost }
            }
            Self::FaultStarted { index, injection, resolved } => Observed::FaultStarted { index, injection, resolved },
            Self::FaultEnded { index, injection, touched } => Observed::FaultEnded { index, injection, touched },
            _ => return None,
        })
    }
}

/// Something that watches a run.
pub trait Observer<N: Node> {
    /// Something happened at `at`.
    fn observe(&mut self, at: Instant, what: &Observed<'_, N>) {
        let _ = (at, what);
    }
    /// `stepped` has handled one input. An error ends the run.
    ///
    /// # Errors
    /// The rule that was broken.
    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<N>]) -> Result<(), Violation> {
        let _ = (at, stepped, nodes);
        Ok(())
    }
}

impl<N: Node> Observer<N> for () {}

// Inlined wherever the engine says something, so that what nobody looks at is never put together.
impl<N: Node, A: Observer<N>, B: Observer<N>> Observer<N> for (A, B) {
    #[inline(always)]
    fn observe(&mut self, at: Instant, what: &Observed<'_, N>) {
        self.0.observe(at, what);
        self.1.observe(at, what);
    }
    #[inline(always)]
    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<N>]) -> Result<(), Violation> {
        self.0.after_step(at, stepped, nodes)?;
        self.1.after_step(at, stepped, nodes)
    }
}

impl<N: Node, A: Observer<N>> Observer<N> for Option<A> {
    #[inline(always)]
    fn observe(&mut self, at: Instant, what: &Observed<'_, N>) {
        if let Some(inner) = self {
            inner.observe(at, what);
        }
    }
    #[inline(always)]
    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<N>]) -> Result<(), Violation> {
        self.as_mut().map_or(Ok(()), |inner| inner.after_step(at, stepped, nodes))
    }
}
