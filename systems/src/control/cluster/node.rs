//! A node of the cluster: a primary with slots, or a replica of one.

use super::data::{Data, Entry, Position, StreamId};
use super::disk::{After, Conf, Log, Record, read};
use super::election::Campaign;
use super::gossip::Peer;
use super::message::{ClusterFact, ClusterMessage, ClusterRequest, ClusterResponse, HeaderNumber, How, Start};
use super::options::{Config, Fsync};
use super::replicate::{Following, Link, Waiting};
use super::slots::{Runs, SlotMap};
use crate::shared::number::Counts;
use sim_core::sorted::SortedMap;
use sim_core::{
    Completion, Duration, Effects, LocalInstant, Node, NodeId, Replay, Role, SyncError, Ticket, Timer, hash,
};
use std::collections::VecDeque;
use std::rc::Rc;

/// A node's outputs.
pub(super) type Fx<'a> = Effects<'a, Cluster>;

/// How many timer slots a node uses.
pub const TIMERS: u16 = 2;
/// Comes due when a node looks after everything: elections, too, wait for it.
pub const TICK: Timer = Timer(0);
const FLUSH: Timer = Timer(1);

/// The rhythm of what is not done at every tick.
const TICKS_A_ROUND: u64 = 10;

/// Of each second, how often writes are made durable under `everysec`.
const EVERY_SECOND: Duration = Duration::secs(1);

/// A node.
#[derive(Clone, Debug)]
pub struct Cluster {
    pub(super) config: Rc<Config>,
    pub(super) me: NodeId,
    /// How often it has started.
    pub(super) starts: Start,
    /// Whether its configuration is on the disk, so that it may speak.
    pub(super) speaks: bool,
    /// How many headers it has sent.
    pub(super) headers: HeaderNumber,
    /// The newest epoch it knows.
    pub(super) epoch: u64,
    /// The epoch in which it voted last.
    pub(super) voted: u64,
    /// What it knows of each node, itself included.
    pub(super) peers: Vec<Peer>,
    pub(super) slots: SlotMap,
    /// Its own slots or its primary's, as told to others; computed anew when the map changes.
    pub(super) told: Option<Runs>,
    /// Counts changes of the map, and of configuration epochs.
    pub(super) version: u64,
    /// How often it has looked after everything.
    pub(super) ticks: u64,
    /// How many nodes it suspected when it last did: so many it tells of.
    pub(super) doubts: usize,
    /// Whether its configuration has changed since it was last written down.
    pub(super) dirty: bool,
    pub(super) campaign: Option<Campaign>,
    /// It has won, and its new configuration is on its way to the disk: until then nothing else is written down, and
    /// nobody is told.
    pub(super) promoting: bool,
    /// Since when it serves nobody, if it does not.
    pub(super) down: bool,
    /// Not before this does it serve again.
    pub(super) not_before: LocalInstant,
    pub(super) data: Data,
    /// How far it has the stream of writes.
    pub(super) at: Position,
    /// Where it left the stream before the present one: others that are no further can go on from there.
    pub(super) left: Position,
    /// The newest writes, the last one at `at`.
    pub(super) backlog: VecDeque<Entry>,
    /// A primary's replicas.
    pub(super) links: SortedMap<NodeId, Link>,
    /// A replica's touch with its primary.
    pub(super) following: Following,
    /// Writes that wait for replicas.
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) log: Log,
}

impl Cluster {
    /// Whose replica it is; `None` for a primary.
    #[must_use]
    pub fn primary(&self) -> Option<NodeId> {
        self.peers[self.me.index()].primary
    }

    /// Who owns which slots, as far as it knows.
    #[must_use]
    pub const fn slots(&self) -> &SlotMap {
        &self.slots
    }

    /// The configuration epoch of `node`, as far as it knows.
    #[must_use]
    pub fn config_epoch(&self, node: NodeId) -> u64 {
        self.peers[node.index()].config_epoch
    }

    /// Its data.
    #[must_use]
    pub const fn data(&self) -> &Data {
        &self.data
    }

    /// How far it has which stream of writes.
    #[must_use]
    pub const fn at(&self) -> Position {
        self.at
    }

    /// Whether it serves those who ask for its own slots.
    #[must_use]
    pub const fn serves(&self) -> bool {
        !self.down
    }

    /// A new stream begins where the present one is left.
    pub(super) fn begin_stream(&mut self, how: How, old: Option<NodeId>, fx: &mut Fx<'_>) {
        let after = self.at;
        // Never 0, and never that of an earlier start or of another node.
        let stream = StreamId(hash::of(&[fx.rng().next_u64(), u64::from(self.me.0), self.starts.0]) | 1);
        self.left = after;
        self.at = Position { stream, offset: after.offset };
        let epoch = self.config_epoch(self.me);
        fx.note(ClusterFact::Began { how, epoch, after, stream, old });
    }

    /// The configuration of this start is durable: the node speaks.
    pub(super) fn start(&mut self, fx: &mut Fx<'_>) {
        self.speaks = true;
        if self.down {
            // It comes back and may have been replaced: it waits to be told, from when it can be.
            self.not_before = fx.now() + self.config.rejoin_delay;
        }
        if self.primary().is_none() {
            self.begin_stream(How::Started, None, fx);
        }
        // Processes do not start at the same moment.
        let first = fx.rng().below(self.config.tick.0);
        fx.arm(TICK, Duration(first + 1));
        self.tell_all(fx);
    }
}

impl Node for Cluster {
    type Config = Rc<Config>;
    type Message = ClusterMessage;
    type Request = ClusterRequest;
    type Response = ClusterResponse;
    type Record = Record;
    type Fact = ClusterFact;

    fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, Record>, fx: &mut Fx<'_>) -> Self {
        let found = read(disk);
        let readable = found.is_some();
        let (conf, at, data) =
            found.map_or((None, Position::default(), Data::default()), |found| (found.conf, found.at, found.data));
        let first = conf.is_none();
        let Conf { starts, epoch, voted, nodes, slots } = conf.unwrap_or_else(|| Conf::first(config));
        let now = fx.now();
        let peers = nodes.iter().map(|(primary, config_epoch)| Peer::new(*primary, *config_epoch)).collect();
        let mut node = Self {
            config: Rc::clone(config),
            me,
            starts: starts.next(),
            speaks: false,
            headers: HeaderNumber(0),
            epoch,
            voted,
            peers,
            slots,
            told: None,
            version: 0,
            ticks: fx.rng().below(TICKS_A_ROUND),
            doubts: 0,
            dirty: false,
            campaign: None,
            promoting: false,
            down: !first,
            not_before: now,
            data,
            at,
            left: Position::default(),
            backlog: VecDeque::new(),
            links: SortedMap::new(),
            following: Following::default(),
            waiting: VecDeque::new(),
            log: Log::default(),
        };
        if !readable {
            fx.halt("a record on the disk can not be read, and it may have been a vote");
            return node;
        }
        if config.fsync == Fsync::Everysec {
            fx.arm(FLUSH, EVERY_SECOND);
        }
        node.save(After::Start, fx);
        node
    }

    fn on_message(&mut self, from: NodeId, message: ClusterMessage, fx: &mut Fx<'_>) {
        if !self.speaks || from == self.me {
            return;
        }
        if message.is_on_bus() {
            self.heard_from(from, fx.now());
        }
        match message {
            ClusterMessage::Ping(header) => {
                self.hear(from, &header, fx);
                let pong = ClusterMessage::Pong(self.header(fx));
                fx.send(from, pong);
            }
            ClusterMessage::Pong(header) => {
                if self.hear(from, &header, fx) {
                    self.on_answer(from, fx);
                }
            }
            ClusterMessage::News(header) => {
                self.hear(from, &header, fx);
            }
            ClusterMessage::Fail(node) => self.on_fail(node, fx),
            ClusterMessage::Update { owner, config_epoch, slots } => self.on_update(owner, config_epoch, &slots, fx),
            ClusterMessage::VoteRequest(header) => {
                self.hear(from, &header, fx);
                self.on_vote_request(from, &header, fx);
            }
            ClusterMessage::Vote { epoch } => self.on_vote(from, epoch, fx),
            ClusterMessage::Psync { at, nonce } => self.on_psync(from, at, nonce, fx),
            ClusterMessage::Writes { after, stream, entries } => self.on_writes(from, after, stream, &entries, fx),
            ClusterMessage::Full { at, data, nonce } => self.on_full(from, at, &data, nonce, fx),
            ClusterMessage::Replicated(at) => self.on_replicated(from, at, fx),
        }
        self.settle(fx);
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match timer {
            FLUSH => {
                if core::mem::take(&mut self.log.unsynced) {
                    fx.sync();
                }
                fx.arm(FLUSH, EVERY_SECOND);
            }
            _ => {
                self.tick(fx);
                fx.arm(TICK, self.config.tick);
            }
        }
        self.settle(fx);
    }

    fn on_request(&mut self, ticket: Ticket, request: ClusterRequest, fx: &mut Fx<'_>) {
        self.serve(ticket, &request, fx);
    }

    fn on_disk(&mut self, done: Completion<Record>, fx: &mut Fx<'_>) {
        match done {
            Completion::Synced { upto } => self.synced(upto, fx),
            Completion::SyncFailed { why: SyncError::Io, .. } => fx.halt("a sync failed"),
            Completion::SyncFailed { why: SyncError::NoSpace, .. } => fx.halt("the disk is full"),
            Completion::Read { .. } => {}
        }
    }

    fn is_read(request: &ClusterRequest) -> bool {
        matches!(request, ClusterRequest::Get { .. })
    }

    fn request_bytes(request: &ClusterRequest) -> u32 {
        match request {
            ClusterRequest::Get { .. } => 32,
            ClusterRequest::Set { size, .. } => 32 + size,
        }
    }

    fn response_bytes(_: &ClusterResponse) -> u32 {
        64
    }

    fn timer_name(timer: Timer) -> &'static str {
        match timer {
            TICK => "tick",
            _ => "flush",
        }
    }

    /// Primaries lead and replicas follow: faults that aim at "leader" hit the primary of the newest configuration.
    fn role(&self) -> Role {
        match self.primary() {
            None => Role::new("leader", self.config_epoch(self.me)),
            Some(_) => Role::new("follower", 0),
        }
    }

    fn progress(&self) -> u64 {
        self.at.offset
    }
}
