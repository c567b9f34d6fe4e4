//! The participant: its whole state, how it boots from disk, and where each input goes.

use super::arbiter::{Arbiter, Asked};
use super::detector::{Detector, Swim};
use super::disk::Disk;
use super::election::Ballot;
use super::log::{Log, Snapshot};
use super::message::{FailoverFact, FailoverMessage, InSync, PetitionNumber, Record};
use super::options::{self, Config};
use super::primary::Lead;
use super::redirect::Directory;
use super::sentinel::{Sentinel, Told};
use crate::shared::kv::{Kv, KvCommand, KvResponse};
use crate::shared::replication::{Sessioned, Tail};
use sim_core::{Completion, Effects, LocalInstant, Node, NodeId, Order, Replay, Role, StateMachine, Ticket, Timer};
use std::collections::VecDeque;
use std::rc::Rc;

/// A node's outputs.
pub(super) type Fx<'a> = Effects<'a, Failover>;

/// Comes due when the primary was silent for too long; on a sentinel, when it looks around.
pub const WATCH: Timer = Timer(0);
/// Comes due on a primary when it must be heard from.
pub const HEARTBEAT: Timer = Timer(1);
/// Comes due when a candidate has waited long enough for answers.
pub const BALLOT: Timer = Timer(2);
/// Comes due when the arbiter has not answered.
pub const SEAT: Timer = Timer(3);
/// Timer slots before those of an arbiter's Raft.
pub(super) const TIMERS_OF_ITS_OWN: u16 = 4;
/// Comes due when something of its probes is (`detector = "swim"`).
pub const PROBE: Timer = Timer(TIMERS_OF_ITS_OWN + crate::consensus::raft::TIMERS);
/// How many timer slots a node uses.
pub const TIMERS: u16 = PROBE.0 + 1;

/// What a node is at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Backup,
    /// It asks around whether it might lead.
    Polling,
    /// It asks the arbiter for the seat.
    Claiming,
    /// It asks for votes.
    Campaigning,
    Primary,
}

/// A node of the cluster: it holds the data, or only votes.
#[derive(Clone, Debug)]
pub struct Failover {
    pub(super) config: Config,
    pub(super) me: NodeId,
    /// On disk: the newest epoch it goes along with.
    pub(super) epoch: u64,
    /// On disk: whom it voted for in that epoch.
    pub(super) vote: Option<NodeId>,
    /// On disk: who is in sync, as a primary said last.
    pub(super) in_sync: InSync,
    /// On disk: the log.
    pub(super) log: Log,
    /// On disk: the newest snapshot.
    pub(super) snapshot: Option<Rc<Snapshot>>,
    /// Everything up to here is committed; lags on disk and on backups (Kafka's high watermark).
    pub(super) committed: u64,
    pub(super) applied: u64,
    pub(super) state: Sessioned<Kv>,
    pub(super) stage: Stage,
    /// The primary of this epoch, if known.
    pub(super) primary: Option<NodeId>,
    /// Watches the primary.
    pub(super) detector: Detector,
    /// Probes the others, with `detector = "swim"`.
    pub(super) swim: Option<Box<Swim>>,
    /// Since when it may not vote against a primary it has answered.
    pub(super) pledged: Option<LocalInstant>,
    /// Whether it has said that it takes the primary for dead.
    pub(super) suspects: bool,
    /// Whether its log is known to be the beginning of this epoch's primary's.
    pub(super) joined: bool,
    /// When it last learned of a new primary.
    pub(super) changed: Option<LocalInstant>,
    pub(super) ballot: Option<Ballot>,
    pub(super) lead: Option<Box<Lead>>,
    /// Who waits for which entry to be committed.
    pub(super) waiters: VecDeque<(u64, Ticket)>,
    pub(super) directory: Directory,
    /// What it has asked of the arbiter.
    pub(super) asked: Option<Asked>,
    /// Numbers what it asks; never used twice, not even after a restart.
    pub(super) petitions: PetitionNumber,
    /// Who spoke for the arbiter last, and the newest epoch it knew.
    pub(super) spokesman: NodeId,
    pub(super) seat_epoch: u64,
    /// If this is one of the arbiters.
    pub(super) arbiter: Option<Box<Arbiter>>,
    /// If this is one of the sentinels.
    pub(super) sentinel: Option<Box<Sentinel>>,
    /// What sentinels have told it.
    pub(super) told: Told,
    pub(super) disk: Disk,
    /// How much of its log is durable.
    pub(super) tail: Tail,
}

impl Failover {
    /// The newest epoch it goes along with.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.sentinel.as_ref().map_or(self.epoch, |sentinel| sentinel.epoch())
    }

    /// Whether it takes itself for the primary.
    #[must_use]
    pub const fn leads(&self) -> bool {
        self.lead.is_some()
    }

    /// Whether it knows its log to be the beginning of the primary's, or is the primary.
    #[must_use]
    pub const fn has_joined(&self) -> bool {
        self.joined || self.lead.is_some()
    }

    /// The primary it follows.
    #[must_use]
    pub const fn primary(&self) -> Option<NodeId> {
        self.primary
    }

    /// Everything up to here is committed, as far as it knows.
    #[must_use]
    pub const fn committed(&self) -> u64 {
        self.committed
    }

    /// The newest entry it has applied.
    #[must_use]
    pub const fn applied(&self) -> u64 {
        self.applied
    }

    /// The newest entry on its disk.
    #[must_use]
    pub const fn durable(&self) -> u64 {
        self.tail.durable()
    }

    /// The log it holds.
    #[must_use]
    pub const fn log(&self) -> &Log {
        &self.log
    }

    /// The replicated store.
    #[must_use]
    pub const fn store(&self) -> &Kv {
        self.state.machine()
    }

    /// Of the replicated state and how it was reached.
    #[must_use]
    pub fn digest(&self) -> u64 {
        self.state.digest()
    }

    /// Whether this node holds data.
    pub(super) const fn holds_data(&self) -> bool {
        self.config.holds_data(self.me)
    }

    /// Goes along with `epoch`, which is not older than its own, and with its primary if that is known.
    pub(super) fn follow(&mut self, epoch: u64, primary: Option<NodeId>, fx: &mut Fx<'_>) {
        if self.lead.is_some() {
            self.step_down("there is a newer epoch", None, fx);
        }
        if epoch != self.epoch {
            self.epoch = epoch;
            self.vote = None;
            self.write_promise(fx);
        }
        self.stage = Stage::Backup;
        self.ballot = None;
        self.joined = false;
        self.primary = primary;
        if let Some(primary) = primary {
            self.directory.learned(primary, fx.now());
            self.changed = Some(fx.now());
            self.detector.watch(primary, fx.now());
        }
        self.suspects = false;
        self.await_primary(fx);
    }

    /// Whether a message of this epoch comes too late to count.
    fn is_stale(&self, epoch: u64) -> bool {
        epoch < self.epoch && !self.config.has(super::FailoverBug::OldPrimaryNotFenced)
    }

    /// A message of a primary of this or a newer epoch: from now on it is this node's. Returns whether it is.
    pub(super) fn heed(&mut self, from: NodeId, epoch: u64, fx: &mut Fx<'_>) -> bool {
        if self.config.has_sentinels() {
            return self.heeds(from, epoch, fx);
        }
        if self.is_stale(epoch) {
            // It must learn that its time is over.
            self.answer(from, FailoverMessage::Newer { epoch: self.epoch }, fx);
            return false;
        }
        if epoch != self.epoch || self.primary != Some(from) {
            self.follow(epoch, Some(from), fx);
        }
        true
    }
}

impl Node for Failover {
    const CONNECTS: bool = true;
    type Config = Config;
    type Message = FailoverMessage;
    type Request = KvCommand;
    type Response = KvResponse;
    type Record = Record;
    type Fact = FailoverFact;

    fn connects(config: &Config) -> bool {
        // As Redis does; the others are built for links that lose, and change the order of what they carry.
        config.has_sentinels()
    }

    fn boot(config: &Config, me: NodeId, disk: Replay<'_, Record>, fx: &mut Fx<'_>) -> Self {
        assert!(me.0 < config.nodes, "{me} is not one of {} nodes", config.nodes);
        let first_start = disk.is_empty();
        let mut node = Self {
            config: *config,
            me,
            epoch: 0,
            vote: None,
            in_sync: InSync::default(),
            log: Log::default(),
            snapshot: None,
            committed: 0,
            applied: 0,
            state: Sessioned::default(),
            stage: Stage::Backup,
            primary: None,
            detector: config.watch(),
            swim: None,
            // Nobody knows whom it answered before it went down.
            pledged: (!first_start).then(|| fx.now()),
            suspects: false,
            joined: false,
            changed: None,
            ballot: None,
            lead: None,
            waiters: VecDeque::new(),
            directory: Directory::default(),
            asked: None,
            petitions: PetitionNumber(0),
            spokesman: NodeId(config.data()),
            seat_epoch: 0,
            arbiter: None,
            sentinel: None,
            told: Told::first(fx.now()),
            disk: Disk::default(),
            tail: Tail::default(),
        };
        if config.arbiter_nodes().any(|node| node == me) {
            node.arbiter = Some(Box::new(Arbiter::boot(config, disk, fx)));
            return node;
        }
        if config.sentinels().any(|node| node == me) {
            node.boot_sentinel(disk, fx);
            node.settle(fx);
            return node;
        }
        if let Err(record) = node.replay(disk, fx.now()) {
            fx.note(FailoverFact::Unreadable { record: record.0 });
            fx.halt("its disk can not be read: what it has promised is unknown");
            return node;
        }
        if config.arbiter == options::Arbiter::Quorum {
            node.petitions = PetitionNumber(node.write_promise(fx).0 << 20);
        }
        node.begin_to_probe(fx);
        if config.has_sentinels() {
            node.resume(first_start, fx);
        } else if first_start && me == NodeId(0) {
            node.seek_to_lead(fx);
        } else {
            node.await_primary(fx);
        }
        node.settle(fx);
        node
    }

    fn on_message(&mut self, from: NodeId, message: FailoverMessage, fx: &mut Fx<'_>) {
        if self.is_storage() {
            self.on_storage(from, message, fx);
            return self.settle(fx);
        }
        match message {
            FailoverMessage::Heartbeat { epoch, committed, sent } => {
                if self.heed(from, epoch, fx) {
                    self.on_heartbeat(from, committed, sent, fx);
                }
            }
            FailoverMessage::Replicate { epoch, previous, committed, entries } => {
                if self.heed(from, epoch, fx) {
                    self.on_replicate(from, previous, committed, &entries, fx);
                }
            }
            FailoverMessage::Joined { epoch, asked, end } => {
                if epoch == self.epoch && self.primary == Some(from) {
                    self.on_joined(asked, end, fx);
                }
            }
            FailoverMessage::Install { epoch, snapshot } => {
                if self.heed(from, epoch, fx) {
                    self.on_install(from, &snapshot, fx);
                }
            }
            FailoverMessage::SetInSync { in_sync } => {
                if self.heed(from, in_sync.epoch, fx) {
                    self.on_set_in_sync(from, in_sync, fx);
                }
            }
            FailoverMessage::TakeOver { epoch } => {
                if epoch == self.epoch && self.primary == Some(from) {
                    self.take_over(fx);
                }
            }
            FailoverMessage::Alive { epoch, sent, last, durable } => {
                if self.leads_in(epoch) {
                    self.on_alive(from, sent, last, durable, fx);
                }
            }
            FailoverMessage::Stored { epoch, durable, last } => {
                if self.leads_in(epoch) {
                    self.on_stored(from, durable, last, fx);
                }
            }
            FailoverMessage::Join { epoch, last } => {
                if self.leads_in(epoch) {
                    self.on_join(from, last, fx);
                }
            }
            FailoverMessage::InSyncSet { epoch, version } => {
                if self.leads_in(epoch) {
                    self.on_in_sync_set(from, version, fx);
                }
            }
            FailoverMessage::Newer { epoch } => {
                if epoch > self.epoch {
                    self.follow(epoch, None, fx);
                }
            }
            FailoverMessage::Petition { number, petition } => {
                let lease = self.config.lease;
                if let Some(arbiter) = &mut self.arbiter {
                    arbiter.on_petition(from, number, petition, lease, fx);
                }
            }
            FailoverMessage::Arbiter(message) => {
                if let Some(arbiter) = &mut self.arbiter {
                    arbiter.consult(fx, |council, fx| council.on_message(from, message, fx));
                }
            }
            FailoverMessage::Ruled { number, ruling } => self.on_ruled(from, number, ruling, fx),
            FailoverMessage::NotHere { number, hint } => self.on_not_here(from, number, hint, fx),
            FailoverMessage::Mounted { epoch, entries } => {
                if self.leads_in(epoch) {
                    self.on_mounted(from, &entries, fx);
                }
            }
            FailoverMessage::Mount { .. } => {}
            FailoverMessage::Swim(message) => self.on_swim(from, message, fx),
            FailoverMessage::Sentinel(message) => self.on_sentinel(from, message, fx),
            FailoverMessage::Ask { epoch, last, poll, transfer, in_sync } => {
                self.notice_candidacy(from, epoch, fx);
                self.learn_in_sync(in_sync, fx);
                self.on_ask(from, epoch, last, (poll, transfer), fx)
            }
            FailoverMessage::Voice { epoch, poll, granted, in_sync } => {
                self.learn_in_sync(in_sync, fx);
                self.on_voice(from, epoch, (poll, granted), fx);
            }
        }
        self.settle(fx);
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match timer {
            WATCH if self.sentinel.is_some() => self.on_sentinel_tick(fx),
            WATCH => self.on_watch(fx),
            HEARTBEAT => self.on_tick(fx),
            BALLOT => self.on_ballot_due(fx),
            SEAT => self.on_seat_due(fx),
            PROBE => self.on_probe_due(fx),
            Timer(slot) if slot >= TIMERS_OF_ITS_OWN => {
                if let Some(arbiter) = &mut self.arbiter {
                    arbiter.consult(fx, |council, fx| _ = council.on_timer(timer, fx));
                }
            }
            other => panic!("{} has no timer {other:?}", self.me),
        }
        self.settle(fx);
    }

    fn on_request(&mut self, ticket: Ticket, request: KvCommand, fx: &mut Fx<'_>) {
        if self.sentinel.is_some() {
            return self.direct(ticket, fx);
        }
        self.serve(ticket, request, fx);
        self.settle(fx);
    }

    fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        self.on_sentinel_closed(peer);
        self.on_data_closed(peer, fx);
    }

    fn on_order(&mut self, order: Order, fx: &mut Fx<'_>) {
        if let Order::Lead(to) = order {
            self.hand_over(to, false, fx);
        }
        self.settle(fx);
    }

    fn on_disk(&mut self, done: Completion<Record>, fx: &mut Fx<'_>) {
        if let Some(arbiter) = &mut self.arbiter {
            return arbiter.consult(fx, |council, fx| council.on_disk(&done, fx));
        }
        match done {
            Completion::Synced { upto } => self.on_synced(upto, fx),
            Completion::SyncFailed { .. } => return fx.halt("a sync failed: what is on the disk is unknown"),
            Completion::Read { .. } => {}
        }
        self.settle(fx);
    }

    fn is_read(request: &KvCommand) -> bool {
        Kv::is_read(request)
    }

    fn request_bytes(request: &KvCommand) -> u32 {
        16 + Kv::command_bytes(request)
    }

    fn response_bytes(response: &KvResponse) -> u32 {
        16 + Kv::response_bytes(response)
    }

    fn timer_name(timer: Timer) -> &'static str {
        match timer {
            WATCH => "failure timeout",
            HEARTBEAT => "heartbeat",
            BALLOT => "ballot",
            SEAT => "petition",
            PROBE => "probe",
            Timer(slot) if slot >= TIMERS_OF_ITS_OWN => "of the arbiters",
            _ => "",
        }
    }

    fn role(&self) -> Role {
        let name = match self.stage {
            Stage::Primary => "leader",
            Stage::Polling | Stage::Claiming | Stage::Campaigning => "candidate",
            Stage::Backup if self.holds_data() => "follower",
            Stage::Backup if self.arbiter.is_some() => "arbiter",
            Stage::Backup if self.sentinel.is_some() => "sentinel",
            Stage::Backup if self.is_storage() => "storage",
            Stage::Backup => "witness",
        };
        Role::new(name, self.epoch())
    }

    fn members(&self) -> Option<sim_core::NodeSet> {
        Some(self.config.data_nodes())
    }

    fn progress(&self) -> u64 {
        // A witness holds nothing that could be behind.
        if self.holds_data() || self.is_storage() { self.log.last() } else { u64::MAX }
    }
}
