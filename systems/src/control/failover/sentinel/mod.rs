//! Redis Sentinel (`arbiter = "sentinel"`): processes beside the data watch the primary, agree that it is down, elect
//! one of them, and that one promotes a replica.
//!
//! | What | In Redis 7.0, `sentinel.c` | File |
//! |---|---|---|
//! | PING, INFO and hello messages, and when each is due | `sentinelSendPeriodicCommands` | `watch.rs` |
//! | Down for one sentinel, down for a quorum of them | `sentinelCheckSubjectivelyDown`, `sentinelCheckObjectivelyDown` | `watch.rs`, `vote.rs` |
//! | One vote in an epoch, and a majority that is no less than the quorum | `sentinelVoteLeader`, `sentinelGetLeader` | `vote.rs` |
//! | The steps of a fail-over, and who is promoted | `sentinelFailoverStateMachine`, `sentinelSelectSlave` | `attempt.rs` |
//! | What INFO says of a node, and nodes that are set right | `sentinelRefreshInstanceInfo` | `info.rs` |
//! | What a node does that is told SLAVEOF | `replicaofCommand` | `obey.rs` |
//!
//! Times that have no option are constants in Redis too, and are the same here; the others have the names that they
//! have there. Ticks come ten to twenty times a second, drawn anew each time, so that sentinels drift apart
//! (`sentinelTimer`); a tick that comes two seconds late makes a sentinel do nothing but watch for thirty (TILT).
//!
//! Replication knows nothing of epochs of sentinels. A replica follows whom it was told to follow, an old primary that
//! nobody reaches serves its clients until a sentinel demotes it, and what it has acknowledged meanwhile is lost.
//!
//! # Where this is not Redis
//!
//! * A promotion carries the epoch in which the leader of the sentinels was elected, which names the history of writes
//!   that begins (in Redis a random replication ID); so a command from an older epoch than the newest one obeyed is
//!   ignored. A restarted primary goes on in its epoch, and sends its replicas only what is on its own disk.
//! * Votes count if they are of the epoch that the candidate stands in. Redis counts those of the newest epoch that it
//!   has heard of, which lets two sentinels fail over in one epoch (pull request 2230, not merged): that is a bug to
//!   switch on.
//! * A newer configuration ends a fail-over under way, also if it names the same primary as before.
//! * All nodes have the priority 100, nobody asks for a fail-over, and sentinels know each other and the data nodes
//!   from the start. A replica that is told to follow another replica waits until that leads.

mod attempt;
mod info;
mod message;
mod obey;
mod rules;
mod vote;
mod watch;

pub use message::{MESSAGE_KINDS, Monitored, Notes, SentinelMessage, Vote};
pub(super) use obey::Told;
pub use rules::RULES;
pub(super) use rules::SentinelRules;

use super::FailoverBug;
use super::message::{FailoverFact, FailoverMessage, Record};
use super::node::{Failover, Fx, WATCH};
use super::options::{Arbiter, Config};
use attempt::{Attempt, Stage};
use sim_core::{Duration, LocalInstant, NodeId, Replay, Ticket, node_ids};
use watch::Watched;

/// A tick that comes so much later than the one before is suspicious (`sentinel_tilt_trigger`).
const TILT_TRIGGER: Duration = Duration::secs(2);
/// For so long a sentinel does not act then (`sentinel_tilt_period`).
const TILT_PERIOD: Duration = Duration::secs(30);
/// Ticks in a second at least; fewer than twice as many (`CONFIG_DEFAULT_HZ`).
const HZ: u64 = 10;
/// The epoch of what the operator has written: the first node is the primary.
pub(super) const FIRST: Monitored = Monitored { epoch: 1, primary: NodeId(0) };

/// A sentinel.
#[derive(Clone, Debug)]
pub(super) struct Sentinel {
    me: NodeId,
    config: Config,
    /// On disk.
    notes: Notes,
    /// Whether those have changed since they were written.
    unsaved: bool,
    /// Whether all it has written is durable.
    durable: bool,
    /// The node that it watches as the primary: until a fail-over is over, the old one.
    monitored: NodeId,
    /// By node.
    watched: Vec<Watched>,
    /// Since when enough sentinels hold the primary for down.
    agreed: Option<LocalInstant>,
    attempt: Option<Attempt>,
    /// When it last began a fail-over or voted for another to, and up to a second more.
    start: Option<LocalInstant>,
    ticked: LocalInstant,
    tilted: Option<LocalInstant>,
    /// What goes out at the end of the step.
    out: Vec<(NodeId, SentinelMessage)>,
}

impl Config {
    /// The sentinels.
    pub fn sentinels(&self) -> impl Iterator<Item = NodeId> + use<> {
        let (first, any) = (self.data(), self.has_sentinels());
        node_ids(self.nodes as usize).filter(move |node| any && node.0 >= first)
    }

    /// Whether sentinels decide who leads.
    #[must_use]
    pub const fn has_sentinels(&self) -> bool {
        matches!(self.arbiter, Arbiter::Sentinel)
    }
}

impl Sentinel {
    fn new(config: &Config, me: NodeId, notes: Notes, now: LocalInstant) -> Self {
        Self {
            me,
            config: *config,
            notes,
            unsaved: false,
            durable: true,
            monitored: notes.config.primary,
            watched: vec![Watched::new(now); config.nodes as usize],
            agreed: None,
            attempt: None,
            start: None,
            ticked: now,
            tilted: None,
            out: Vec::new(),
        }
    }

    /// The newest epoch it knows.
    pub const fn epoch(&self) -> u64 {
        self.notes.epoch
    }

    /// Whom it sends clients to, and since which epoch.
    pub const fn configuration(&self) -> Monitored {
        self.notes.config
    }

    fn others(&self) -> impl Iterator<Item = NodeId> + use<> {
        let me = self.me;
        self.config.sentinels().filter(move |node| *node != me)
    }

    /// The data nodes that it does not watch as the primary.
    fn replicas(&self) -> impl Iterator<Item = NodeId> + use<> {
        let primary = self.monitored;
        self.config.data_nodes().iter().filter(move |node| *node != primary)
    }

    fn watched(&self, node: NodeId) -> &Watched {
        &self.watched[node.index()]
    }

    fn say(&mut self, to: NodeId, message: SentinelMessage) {
        self.out.push((to, message));
    }

    fn learn_epoch(&mut self, epoch: u64) {
        if epoch > self.notes.epoch {
            self.notes.epoch = epoch;
            self.unsaved = true;
        }
    }

    /// Looks around, as often as its timer says.
    fn tick(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        if now < self.ticked || now.since(self.ticked) > TILT_TRIGGER {
            self.tilted = Some(now);
        }
        self.ticked = now;
        self.look_at(self.monitored, fx);
        for node in self.replicas() {
            self.look_at(node, fx);
        }
        for node in self.others() {
            self.look_at(node, fx);
        }
        if let Some(Attempt { stage: Stage::Over, chosen: Some(chosen), .. }) = self.attempt {
            self.switch(chosen, fx);
        }
        let hz = HZ + fx.rng().below(HZ);
        fx.arm(WATCH, Duration::millis(1000 / hz));
    }

    fn look_at(&mut self, node: NodeId, fx: &mut Fx<'_>) {
        let now = fx.now();
        self.speak_to(node, now);
        if self.tilted.is_some_and(|since| now.since(since) < TILT_PERIOD) {
            return;
        }
        self.tilted = None;
        self.judge(node, fx);
        if node != self.monitored {
            return;
        }
        self.count_those_who_agree(now);
        if self.begin_if_needed(fx) {
            self.ask(true, now);
        }
        self.pursue(fx);
        self.ask(false, now);
    }

    /// Watches another primary from now on: the old one is a replica like the others (`sentinelResetMaster`).
    fn switch(&mut self, primary: NodeId, fx: &mut Fx<'_>) {
        let now = fx.now();
        (self.monitored, self.notes.config.primary) = (primary, primary);
        (self.attempt, self.agreed, self.start) = (None, None, None);
        for node in self.config.data_nodes().iter() {
            self.watched[node.index()] = Watched::new(now);
        }
        self.unsaved = true;
        let epoch = self.notes.config.epoch;
        fx.note(FailoverFact::ConfigSwitched { epoch, primary });
    }

    /// What another sentinel has published.
    fn on_hello(&mut self, epoch: u64, config: Monitored, fx: &mut Fx<'_>) {
        self.learn_epoch(epoch);
        let old = self.config.has(FailoverBug::SentinelOldConfiguration);
        let newer = config.epoch > self.notes.config.epoch || old && config.epoch != self.notes.config.epoch;
        if newer {
            self.notes.config = config;
            self.unsaved = true;
            if config.primary != self.monitored || self.attempt.is_some() {
                self.switch(config.primary, fx);
            }
        }
    }
}

impl Failover {
    /// Boots a sentinel.
    pub(super) fn boot_sentinel(&mut self, disk: Replay<'_, Record>, fx: &mut Fx<'_>) {
        let mut notes = Notes { epoch: FIRST.epoch, vote: None, config: FIRST };
        for (id, record) in disk.iter() {
            self.disk.replayed(id);
            match record {
                Ok(Record::Sentinel(found)) => notes = *found,
                Ok(_) => {}
                Err(_) => {
                    fx.note(FailoverFact::Unreadable { record: id.0 });
                    return fx.halt("its disk can not be read: whom it has voted for is unknown");
                }
            }
        }
        self.disk.restarted(false);
        let mut sentinel = Box::new(Sentinel::new(&self.config, self.me, notes, fx.now()));
        sentinel.tick(fx);
        self.sentinel = Some(sentinel);
        self.end_step(fx);
    }

    /// A sentinel's timer has come due.
    pub(super) fn on_sentinel_tick(&mut self, fx: &mut Fx<'_>) {
        self.guard(fx, Sentinel::tick);
    }

    /// A message between sentinels, or between one and a node.
    pub(super) fn on_sentinel(&mut self, from: NodeId, message: SentinelMessage, fx: &mut Fx<'_>) {
        if self.sentinel.is_none() {
            return self.on_command(from, message, fx);
        }
        self.guard(fx, |sentinel, fx| match message {
            SentinelMessage::Ping => sentinel.say(from, SentinelMessage::Pong),
            SentinelMessage::Pong => sentinel.on_pong(from, fx.now()),
            SentinelMessage::InfoReply { follows, offset, linked, unlinked_s } => {
                sentinel.on_info(from, follows, (offset, linked, Duration::secs(unlinked_s)), fx);
            }
            SentinelMessage::Hello { by, epoch, config } if by != sentinel.me => sentinel.on_hello(epoch, config, fx),
            SentinelMessage::IsDown { primary, epoch, stands } => {
                sentinel.on_is_down(from, primary, epoch, stands, fx);
            }
            SentinelMessage::Down { down, vote } => sentinel.on_down(from, down, vote, fx.now()),
            SentinelMessage::Info | SentinelMessage::SlaveOf { .. } | SentinelMessage::Hello { .. } => {}
        });
    }

    /// A sentinel's connection is over.
    pub(super) fn on_sentinel_closed(&mut self, peer: NodeId) {
        if let Some(sentinel) = &mut self.sentinel {
            sentinel.watched[peer.index()].connected = false;
        }
    }

    /// A client asks a sentinel where the primary is.
    pub(super) fn direct(&self, ticket: Ticket, fx: &mut Fx<'_>) {
        fx.redirect(ticket, self.sentinel.as_ref().map(|sentinel| sentinel.configuration().primary));
    }

    fn guard(&mut self, fx: &mut Fx<'_>, input: impl FnOnce(&mut Sentinel, &mut Fx<'_>)) {
        let durable = self.disk.knows_promise();
        if let Some(sentinel) = &mut self.sentinel {
            sentinel.durable = durable;
            input(sentinel, fx);
        }
        self.end_step(fx);
    }

    /// Writes what has changed, and sends what rests on it once that is durable.
    fn end_step(&mut self, fx: &mut Fx<'_>) {
        let Some(sentinel) = &mut self.sentinel else { return };
        if core::mem::take(&mut sentinel.unsaved) {
            let mut notes = sentinel.notes;
            if sentinel.config.has(FailoverBug::SentinelVoteNotPersisted) {
                notes.vote = None;
            }
            let id = self.disk.append(Record::Sentinel(notes), fx);
            self.disk.promise();
            // The newest says all.
            self.disk.forget_once_durable(id);
        }
        for (to, message) in core::mem::take(&mut sentinel.out) {
            self.answer(to, FailoverMessage::Sentinel(message), fx);
        }
    }
}
