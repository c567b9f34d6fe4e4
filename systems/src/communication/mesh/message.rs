//! What machines tell each other, write to their disks and announce, and what clients ask.

use super::graph::ServiceId;
use super::image::Image;
use crate::communication::balancing::{CheckRound, Reason, RequestNumber, TryNumber};
use core::fmt;
use serde::Serialize;
use sim_core::{ClientId, Duration, NodeId};
use std::rc::Rc;

crate::shared::number::numbers! {
    /// One try of a call, as a trace has it: no other has the same.
    Span;
    /// A client's request, with all the calls that come of it.
    RootId;
    /// A version of the configuration.
    Version;
}

/// Which answer of a service this goes back to, and how old it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Made {
    /// The try that made it.
    pub by: Span,
    /// How long ago at least, as far as those know who passed it on.
    pub age: Duration,
}

/// Where a call failed, as far as those know who passed that on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cause {
    /// Which service.
    pub at: ServiceId,
    /// Whether it had no time, or no room; not an error of its own.
    pub slow: bool,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "service {}{}", self.at, if self.slow { ", which is slow" } else { "" })
    }
}

/// What a call carries to every try of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Header {
    /// Whose request it is in the end.
    pub client: ClientId,
    /// Which.
    pub root: RootId,
    /// The caller's own try that it is made for.
    pub parent: Span,
    /// What it is about.
    pub key: u64,
    /// Whether it changes something, so that no cache may answer it.
    pub write: bool,
    /// Whether it is a copy whose answer nobody waits for.
    pub mirrored: bool,
}

/// A write that an edge has queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Queued {
    /// Which of the edge's writes it is, from 1.
    pub number: u64,
    /// Of what.
    pub key: u64,
    /// Something that no other write says.
    pub unique: u64,
}

sim_core::messages! {
    /// Between sidecars, the control plane, edges and the hub.
    pub enum MeshMessage of 32 bytes {
        /// A try of a call. The caller's sidecar knows it by `route` and `id`.
        Call {
            /// The sidecar's cluster.
            route: u16,
            /// The try.
            id: TryNumber,
            /// The call.
            request: RequestNumber,
            /// Which try of the call it is, from 1.
            attempt: u32,
            /// The try's name in traces.
            span: Span,
            /// How long the caller waits for it, if deadlines travel.
            within: Option<Duration>,
            /// What all its tries carry.
            header: Header,
        } = "call" | "mirror" [usize::from(header.mirrored)] bytes { 256 } ("key {} try {attempt}", header.key),
        /// The caller does not need it any more.
        Cancel {
            /// The sidecar's cluster.
            route: u16,
            /// The try.
            id: TryNumber,
        } = "cancel" ("{id}"),
        /// It was done.
        Done {
            /// The caller's cluster.
            route: u16,
            /// The try.
            id: TryNumber,
            /// The call.
            request: RequestNumber,
            /// The try's name.
            span: Span,
            /// Whose request it is in the end.
            client: ClientId,
            /// Which answer it is.
            made: Made,
        } = "done" bytes { 1024 } ("{id}"),
        /// It failed.
        Failed {
            /// The caller's cluster.
            route: u16,
            /// The try.
            id: TryNumber,
            /// The try's name.
            span: Span,
            /// Whose request it is in the end.
            client: ClientId,
            /// Where it failed.
            cause: Cause,
        } = "failed" bytes { 64 } ("{id} because of {cause}"),
        /// It was not taken: the queue is full, load is shed, or there are too many a second.
        Full {
            /// The caller's cluster.
            route: u16,
            /// The try.
            id: TryNumber,
            /// The try's name.
            span: Span,
            /// Whose request it is in the end.
            client: ClientId,
            /// Who did not take it.
            cause: Cause,
        } = "full" ("{id}"),
        /// A health check.
        Probe {
            /// The caller's cluster.
            route: u16,
            /// Its number.
            round: CheckRound,
            /// Whether only a connection is made.
            connect: bool,
        } = "probe" (""),
        /// The answer to one.
        Health {
            /// The caller's cluster.
            route: u16,
            /// The number of the check.
            round: CheckRound,
            /// Whether it went well.
            well: bool,
        } = "health" ("{well}"),
        /// A sidecar says which version it has, and that it is there.
        Subscribe {
            /// 0 for none.
            version: Version,
        } = "subscribe" ("has {version}"),
        /// The control plane pushes a configuration.
        Push {
            /// Its version.
            version: Version,
            /// All of it.
            image: Rc<Image>,
        } = "push" bytes { 64 + 8 * (image.weights.len() + image.out.len()) as u32 } ("version {version}"),
        /// An edge uploads writes, in order.
        Upload {
            /// They.
            writes: Rc<Vec<Queued>>,
        } = "upload" bytes { 64 * writes.len() as u32 } ("{} writes", writes.len()),
        /// The hub has them.
        Uploaded {
            /// Up to this one.
            upto: u64,
        } = "uploaded" ("up to {upto}"),
    }

    impl {
        fn client(&self) -> Option<ClientId> {
            match self {
                Self::Call { header, .. } => Some(header.client),
                Self::Done { client, .. } | Self::Failed { client, .. } | Self::Full { client, .. } => Some(*client),
                _ => None,
            }
        }
    }
}

sim_core::records! {
    /// One append to a disk.
    pub enum MeshRecord {
        /// The control plane has this configuration.
        Configured {
            /// Which version.
            version: Version,
            /// How many releases it has in it.
            releases: u32,
            /// All of it.
            image: Rc<Image>,
        } = ("version {version}"),
        /// An edge has queued a write.
        Queued(write: Queued) = ("write {} of key {}", write.number, write.key),
        /// The hub has all of an edge's writes up to this one: they are not needed any more.
        Uploaded {
            /// Which.
            upto: u64,
        } = ("up to {upto}"),
        /// The hub has taken writes.
        Took {
            /// Whose.
            edge: NodeId,
            /// Up to which.
            upto: u64,
            /// They.
            writes: Rc<Vec<Queued>>,
        } = ("{edge} up to {upto}"),
    }
}

sim_core::facts! {
    /// What machines announce.
    pub enum MeshFact {
        /// A slot has done a service's own work on a try.
        Worked {
            /// Which.
            span: Span,
            /// How long that took.
            took: Duration,
        } = "worked" (""),
        /// A cache had the answer.
        CacheHit {
            /// Which.
            by: Span,
        } = "cache_hit" (""),
        /// It did not.
        CacheMissed = "cache_missed" (""),
        /// A try was dropped without an answer: its time was up, or it was cancelled.
        LetGo {
            /// Which.
            span: Span,
            /// Whether its time was up.
            expired: bool,
        } = "expired" | "cancelled" [usize::from(!expired)] (""),
        /// A replica admits no more in this second.
        RateLimited = "rate_limited" (""),
        /// A replica's queue was full.
        Refused = "refused" (""),
        /// A replica sheds what has waited too long.
        Shed = "shed" (""),
        /// A replica turns gray (0 slow, 1 failing, 2 hung), or is well again.
        TurnedGray {
            /// How.
            how: Option<u8>,
        } = "turned_gray" landmark ("{how:?}"),
        /// A sidecar gives up a call.
        CallFailed {
            /// Its cluster.
            route: u16,
            /// Why.
            why: Reason,
            /// Which service it failed at, as far as the caller knows.
            cause: Cause,
            /// Whether it was a copy, and nobody cares.
            copy: bool,
        } = "call_failed" ("{} at {cause}", why.name()),
        /// A sidecar tries again.
        Retried {
            /// Its cluster.
            route: u16,
        } = "retried" (""),
        /// A sidecar hedges.
        Hedged {
            /// Its cluster.
            route: u16,
        } = "hedged" (""),
        /// It would have tried again, but its budget is spent.
        OutOfBudget {
            /// Its cluster.
            route: u16,
        } = "out_of_budget" (""),
        /// A sidecar takes a replica out.
        Ejected {
            /// Its cluster.
            route: u16,
            /// Which.
            node: NodeId,
            /// Whether its health checks say so, or what became of calls.
            checked: bool,
        } = "ejected" landmark ("{node}"),
        /// It would, but too many are out.
        EjectionHeld {
            /// Its cluster.
            route: u16,
        } = "ejection_held" (""),
        /// It takes it in again.
        Returned {
            /// Its cluster.
            route: u16,
            /// Which.
            node: NodeId,
        } = "returned" landmark ("{node}"),
        /// So many are out that all are asked.
        Panicked {
            /// Its cluster.
            route: u16,
            /// Whether it begins or is over.
            begins: bool,
        } = "panicked" | "calmed" [usize::from(!begins)] landmark (""),
        /// A circuit opened.
        Opened {
            /// Its cluster.
            route: u16,
            /// Of which replica.
            node: NodeId,
        } = "opened" landmark ("{node}"),
        /// One call may try it.
        HalfOpened {
            /// Its cluster.
            route: u16,
            /// Of which replica.
            node: NodeId,
        } = "half_opened" ("{node}"),
        /// It closed.
        Closed {
            /// Its cluster.
            route: u16,
            /// Of which replica.
            node: NodeId,
        } = "closed" landmark ("{node}"),
        /// A sidecar asks far replicas, too; or no more.
        Spills {
            /// Its cluster.
            route: u16,
            /// Whether.
            far: bool,
        } = "spills" | "back_home" [usize::from(!far)] landmark (""),
        /// A sidecar goes by this configuration now.
        Configured {
            /// Which version.
            version: Version,
        } = "configured" ("version {version}"),
        /// The control plane has a new version.
        Versioned {
            /// Which.
            version: Version,
            /// A digest of what is in it.
            content: u64,
        } = "versioned" landmark ("version {version}"),
        /// The control plane takes a replica out, or in again.
        Discovered {
            /// Which.
            node: NodeId,
            /// Whether it is in.
            is_in: bool,
        } = "taken_in" | "taken_out" [usize::from(!is_in)] landmark ("{node}"),
        /// An edge finds the core again, or has lost it.
        Online {
            /// Whether.
            online: bool,
        } = "online" | "offline" [usize::from(!online)] landmark (""),
        /// An edge has told a client that its write is queued.
        Accepted(write: Queued) = "accepted" ("write {}", write.number),
        /// A hub that has started has so much on its disk.
        HubHas {
            /// Of which edge.
            edge: NodeId,
            /// Up to which write.
            upto: u64,
        } = "hub_has" ("{edge} up to {upto}"),
        /// The hub takes a write.
        Took {
            /// Whose.
            edge: NodeId,
            /// Which.
            write: Queued,
        } = "took" ("{edge}'s write {}", write.number),
    }
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct MeshRequest {
    /// What it is about.
    pub key: u64,
    /// Whether it changes something.
    pub write: bool,
    /// Something that no other request says.
    pub unique: u64,
}

/// What it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MeshResponse {
    /// By the services.
    Served,
    /// By the edge's cache.
    Cached,
    /// The edge has queued it.
    Queued,
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
