//! Clients are citizens of the engine: they send over the same network, time out, retry, follow hints, keep sessions.

use crate::{Duration, Instant, Node, NodeId, Rng};
use serde::{Deserialize, Serialize};

/// How an operation ended, as far as its client can know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<R> {
    /// It happened, with this result.
    Ok(R),
    /// It did not happen and never will.
    Failed,
    /// It may or may not have happened, or may yet.
    Unknown,
}

impl<R> Outcome<R> {
    /// The outcome without its result.
    #[must_use]
    pub const fn fate(&self) -> Fate {
        match self {
            Self::Ok(_) => Fate::Ok,
            Self::Failed => Fate::Failed,
            Self::Unknown => Fate::Unknown,
        }
    }
}

/// An [`Outcome`] without the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It happened.
    Ok,
    /// It did not happen and never will.
    Failed,
    /// It may or may not have happened.
    Unknown,
}

/// What a client does next.
#[derive(Clone, Debug)]
pub enum Move<R> {
    /// Start an operation now. The engine asks again at once, so a client may have many outstanding.
    Issue(R),
    /// Ask again at this time (and after every completion before it).
    Sleep(Instant),
    /// Ask again when an operation completes.
    Await,
    /// Never ask again.
    Stop,
}

/// Where operations come from. The engine does the rest: routing, timeouts, retries, the session.
pub trait Client<N: Node>: 'static {
    /// What to do now. Asked at the start, at the end of a sleep, after each completion, and after each `Issue`.
    fn next(&mut self, now: Instant, rng: &mut Rng) -> Move<N::Request>;
    /// Operation `op` (counted from 0 per client) has ended.
    fn done(&mut self, now: Instant, op: u64, outcome: &Outcome<N::Response>) {
        let _ = (now, op, outcome);
    }
    /// Whom to ask, for a client that keeps a map of who has what; `None` leaves it to the engine. Asked before each
    /// try under [`Routing::Sticky`]; `tried` is whom the try before went to.
    fn route(&mut self, request: &N::Request, tried: Option<NodeId>) -> Option<NodeId> {
        let _ = (request, tried);
        None
    }
    /// A node did not serve `request` and says who may.
    fn turned_away(&mut self, request: &N::Request, from: NodeId, hint: Option<NodeId>) {
        let _ = (request, from, hint);
    }
}

/// How a client treats an operation that is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// When the client gives up on the whole operation.
    pub timeout: Duration,
    /// When it gives up on one try and asks another node.
    pub attempt_timeout: Duration,
    /// Tries per operation, the first included; 1 means no retry.
    pub attempts: u32,
    /// Wait before the second try; doubled for each further one. Half of each wait is random.
    pub backoff: Duration,
    /// The longest such wait.
    pub backoff_max: Duration,
}

impl Patience {
    /// As patient, but with one try.
    #[must_use]
    pub const fn once(self) -> Self {
        Self { attempts: 1, attempt_timeout: self.timeout, ..self }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            timeout: Duration::secs(1),
            attempt_timeout: Duration::millis(250),
            attempts: u32::MAX,
            backoff: Duration::millis(5),
            backoff_max: Duration::millis(100),
        }
    }
}

/// Which node a client asks when nobody has told it better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Routing {
    /// Stay with the node that answered last, follow its hints, try the others at random when it is silent.
    Sticky,
    /// A random node for every operation.
    Random,
    /// Always this node: for tests and probes of one machine.
    Fixed(NodeId),
    /// Always this node, as the main program on its machine: what it asks is there at once, over no network, and the
    /// node is all the library it has. It tries once, and while its machine is down it waits.
    At(NodeId),
}

/// Which node a client takes its reads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadsFrom {
    /// The one it would take a write to.
    #[default]
    Leader,
    /// Any, another for each read.
    Any,
    /// The one with the shortest way; of several one of its own zone, and clients that have the same choice share them.
    Nearest,
}

/// One client as the engine sees it.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The zone it sits in: an index into the cluster's zones. Decides its link latencies and which cuts it is behind.
    pub zone: u16,
    /// How patient it is.
    pub patience: Patience,
    /// Whom it asks first.
    pub routing: Routing,
    /// Whom it asks when it only reads.
    pub reads_from: ReadsFrom,
    /// Whether it is a probe of the availability grid rather than part of the workload.
    pub probe: bool,
}

impl Seat {
    /// The node at which the client sits, if it sits at one.
    #[must_use]
    pub const fn at(&self) -> Option<NodeId> {
        match self.routing {
            Routing::At(node) => Some(node),
            Routing::Sticky | Routing::Random | Routing::Fixed(_) => None,
        }
    }
}
