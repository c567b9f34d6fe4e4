//! The contract of a protocol participant: inputs are the methods, outputs go into [`Effects`]. No I/O anywhere.

use crate::{ClientId, Effects, Kind, NodeId, NodeSet, Order, Role, Ticket, Timer, WriteId};
use core::fmt::{self, Debug};
use core::hash::Hash;
use serde::Serialize;

/// Bytes of what nobody has measured: headers and a few fields.
const SMALL: u32 = 64;

/// What nodes send each other. Passed by value: nothing is encoded, but everything is charged for its size.
///
/// Derive [`Hash`], here as for requests, responses, records and facts: all that they hold enters the run's digest, so
/// that two runs that differ in a single value have different digests (see [`crate::hash::content`]; large shared parts
/// can be [`crate::hash::Hashed`] once).
pub trait Message: Clone + Debug + Hash + 'static {
    /// The names of all kinds, by [`Kind::index`], so that faults that name others can be refused; empty if nobody has
    /// listed them.
    const KINDS: &'static [&'static str] = &[];
    /// Which class of message this is, for counters, traces and packet faults that aim at a kind; one that bears the
    /// type's name, where a protocol has no other.
    #[inline]
    fn kind(&self) -> Kind {
        Kind::of_type::<Self>()
    }
    /// Size on the wire, in bytes, headers included.
    #[inline]
    fn bytes(&self) -> u32 {
        SMALL
    }
    /// Whose operation it is about, if it is about one alone: what is said for probes is no load.
    #[inline]
    fn client(&self) -> Option<ClientId> {
        None
    }
    /// What a trace tells of it, beside its kind: short, in words a reader of the paper knows.
    ///
    /// # Errors
    /// Those of `out`.
    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{self:?}")
    }
}

/// Something a node announces to checkers and charts, such as "elected in term 3".
pub trait Fact: Copy + Debug + Hash + 'static {
    /// The names of all kinds, likewise.
    const KINDS: &'static [&'static str] = &[];
    /// Which class of fact this is; one that bears the type's name, where a protocol has no other.
    fn kind(&self) -> Kind {
        Kind::of_type::<Self>()
    }
    /// Whether the fact is rare and tells the story of the run (an election, a step-down), so that reports keep it
    /// with its time. Frequent ones (an entry committed) are only counted.
    fn landmark(&self) -> bool {
        false
    }
    /// Why it came to that, in a few words, where reports of outages should say so: `its lease has run out`.
    fn why(&self) -> Option<&'static str> {
        None
    }
    /// What a trace tells of it, beside its kind.
    ///
    /// # Errors
    /// Those of `out`.
    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{self:?}")
    }
}

/// One append to a node's disk: all that survives a crash.
pub trait Record: Clone + Debug + Hash + 'static {
    /// What a trace tells of it.
    ///
    /// # Errors
    /// Those of `out`.
    fn describe(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{self:?}")
    }
}

impl Record for () {}
impl Record for u8 {}
impl Record for u32 {}
impl Record for u64 {}

/// A protocol participant, sans-IO (etcd-io/raft `rawnode.go`, quinn-proto): a function from input to effects.
///
/// A crash drops the value. A restart calls [`Node::boot`] with what its disk kept. There is no `reset`, so there is no
/// field to forget in it.
pub trait Node: Sized + 'static {
    /// Whether nodes talk over connections, as TCP makes them: all links are ordered, and an end hears when its
    /// connection is over ([`Node::on_closed`]).
    const CONNECTS: bool = false;
    /// Whether they do with this configuration: not all of a node that may ([`Node::CONNECTS`]) need to.
    fn connects(config: &Self::Config) -> bool {
        let _ = config;
        Self::CONNECTS
    }
    /// What all nodes of the cluster are configured with.
    type Config;
    /// What nodes send each other.
    type Message: Message;
    /// What clients ask.
    type Request: Clone + Debug + Hash + Serialize + 'static;
    /// What clients are answered.
    type Response: Clone + Debug + Hash + Serialize + 'static;
    /// One append to the disk.
    type Record: Record;
    /// What the node announces to checkers and charts.
    type Fact: Fact;

    /// Builds the node from its disk: empty on the first start, what the crash left after that.
    fn boot(config: &Self::Config, me: NodeId, disk: Replay<'_, Self::Record>, fx: &mut Effects<'_, Self>) -> Self;
    /// A message arrived.
    fn on_message(&mut self, from: NodeId, message: Self::Message, fx: &mut Effects<'_, Self>);
    /// An armed timer came due on the node's own clock.
    fn on_timer(&mut self, timer: Timer, fx: &mut Effects<'_, Self>);
    /// A client asks something. Answer with [`Effects::reply`], [`Effects::redirect`] or [`Effects::refuse`], now or
    /// later.
    fn on_request(&mut self, ticket: Ticket, request: Self::Request, fx: &mut Effects<'_, Self>) {
        let _ = request;
        fx.refuse(ticket);
    }
    /// The disk finished something. What waits for a write ([`Effects::after`]) needs no code here; after a failed sync
    /// nobody can go on safely who has not made provision for it.
    fn on_disk(&mut self, done: Completion<Self::Record>, fx: &mut Effects<'_, Self>) {
        if let Completion::SyncFailed { .. } = done {
            fx.halt("a sync of its disk failed");
        }
    }
    /// Its connection with `peer` is over, for nodes that have any ([`Node::CONNECTS`]): of what it has sent over it, a
    /// last part may not have arrived, and nothing of what `peer` has sent is still to come. The next message makes a
    /// new one.
    fn on_closed(&mut self, peer: NodeId, fx: &mut Effects<'_, Self>) {
        let _ = (peer, fx);
    }
    /// An operator asks something of the cluster, through the node that leads. Repeated until it is done.
    fn on_order(&mut self, order: Order, fx: &mut Effects<'_, Self>) {
        let _ = (order, fx);
    }
    /// Whether a request changes nothing, so that clients may take it to another node than their writes.
    #[must_use]
    fn is_read(request: &Self::Request) -> bool {
        let _ = request;
        false
    }
    /// Size of a request on the wire, in bytes.
    fn request_bytes(request: &Self::Request) -> u32 {
        let _ = request;
        SMALL
    }
    /// Size of a response on the wire, in bytes.
    fn response_bytes(response: &Self::Response) -> u32 {
        let _ = response;
        SMALL
    }
    /// What a trace calls a timer slot; its number if there is no name.
    #[must_use]
    fn timer_name(timer: Timer) -> &'static str {
        let _ = timer;
        ""
    }
    /// What this node takes itself to be now.
    fn role(&self) -> Role {
        Role::NONE
    }
    /// Whether an operator may give it orders; of several, the one of the highest rank gets them. The leader, unless
    /// the system has none.
    fn takes_orders(&self) -> bool {
        self.role().name == "leader"
    }
    /// Whether it has obeyed an order of its system's own ([`Order::Own`]), which it was given: as soon as it was, for
    /// what is done at once. Until then it is asked again every second.
    fn has_obeyed(&self, order: &Order) -> bool {
        let _ = order;
        true
    }
    /// Whether an operator may make it a member of the cluster: not one that only passes on what members do.
    fn can_be_member(&self) -> bool {
        true
    }
    /// The members of the cluster in the newest configuration that this node knows to be in force for good (in Raft,
    /// the newest committed one); `None` if the system has no membership.
    fn members(&self) -> Option<NodeSet> {
        None
    }
    /// How far this node has got (a log index, an epoch), so that a fault can aim at the one most behind.
    fn progress(&self) -> u64 {
        0
    }
}

/// A record that is on the disk but does not match its checksum. Nobody can tell what it said: it may have been the
/// newest vote, or an entry that was acknowledged. A node that goes on without it may break its promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

/// What a disk holds when a node boots: its surviving records in the order of their appends.
#[derive(Debug)]
pub struct Replay<'a, R> {
    /// `None` for what can not be read.
    records: &'a [(WriteId, u16, Option<R>)],
    lane: u16,
}

// Not derived: a view can be copied whether or not its records can, so that several embedded nodes can boot from it.
impl<R> Clone for Replay<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Replay<'_, R> {}

impl<'a, R> Replay<'a, R> {
    /// The records `(id, lane, record)` as seen by lane 0; `None` for one that can not be read.
    #[must_use]
    pub const fn new(records: &'a [(WriteId, u16, Option<R>)]) -> Self {
        Self { records, lane: 0 }
    }

    /// An empty disk: a first start.
    #[must_use]
    pub const fn empty() -> Self {
        Self { records: &[], lane: 0 }
    }

    /// The same disk as seen by the embedded node that writes to `lane`.
    #[must_use]
    pub const fn lane(self, lane: u16) -> Self {
        Self { records: self.records, lane }
    }

    /// The lane this view shows.
    #[must_use]
    pub const fn lane_number(&self) -> u16 {
        self.lane
    }

    /// The records of this lane, oldest first. One that has rotted is there but [`Unreadable`].
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (WriteId, Result<&'a R, Unreadable>)> + use<'a, R> {
        let lane = self.lane;
        let of_lane = self.records.iter().filter(move |(_, l, _)| *l == lane);
        of_lane.map(|(id, _, record)| (*id, record.as_ref().ok_or(Unreadable)))
    }

    /// Whether this lane holds nothing: a first start, or a wiped disk.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

/// Why a sync failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncError {
    /// The device failed. Records after the last [`Completion::Synced`] may or may not be there, and asking again
    /// proves nothing: the kernel may have dropped the dirty pages.
    Io,
    /// There was no space for some of the records: those are not there and never will be. A later sync can succeed, but
    /// does not bring them back.
    NoSpace,
}

/// What the disk reports back to its node.
#[derive(Clone, Debug)]
pub enum Completion<R> {
    /// Every record up to and including `upto` will survive a crash.
    Synced {
        /// The newest durable record.
        upto: WriteId,
    },
    /// The sync failed: records after the last [`Completion::Synced`] are not to be relied on. The safe answer is
    /// [`Effects::halt`].
    SyncFailed {
        /// The newest record the failed sync covered.
        upto: WriteId,
        /// Why.
        why: SyncError,
    },
    /// The answer to a read: the record, or `None` if it is not there or does not match its checksum.
    Read {
        /// Which record was asked for.
        id: WriteId,
        /// What was found.
        record: Option<R>,
    },
}
