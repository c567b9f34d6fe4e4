//! Serf on top of SWIM: what members mean to do, ordered by Lamport times; events of applications; who failed is tried
//! again now and then, and forgotten after long.

use super::config::{Slip, SwimConfig};
use super::member::{Swim, SwimEffect};
use super::message::{Lamport, Rumour, SwimMessage, Whole};
use super::sync::Reason;
use super::view::State;
use crate::shared::number::Counts;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId, Rng};
use std::collections::VecDeque;

/// How Serf works. The defaults are its own.
#[derive(Clone, Debug, PartialEq)]
pub struct SerfConfig {
    /// How SWIM does.
    pub swim: SwimConfig,
    /// How often those are looked for that have been gone for too long.
    pub reap_interval: Duration,
    /// How often one that failed is tried again.
    pub reconnect_interval: Duration,
    /// For how long one that failed is remembered.
    pub reconnect_timeout: Duration,
    /// For how long one that left is remembered.
    pub tombstone_timeout: Duration,
    /// How long the news that a member leaves may take to be sent.
    pub broadcast_timeout: Duration,
    /// How long it stays after that.
    pub leave_propagate_delay: Duration,
}

impl Default for SerfConfig {
    fn default() -> Self {
        Self {
            swim: SwimConfig::default(),
            reap_interval: Duration::secs(15),
            reconnect_interval: Duration::secs(30),
            reconnect_timeout: Duration::secs(24 * 3600),
            tombstone_timeout: Duration::secs(24 * 3600),
            broadcast_timeout: Duration::secs(5),
            leave_propagate_delay: Duration::secs(1),
        }
    }
}

/// For how long an intent of somebody who is not known is remembered.
const RECENT: Duration = Duration::secs(300);
/// How many events are remembered.
const EVENTS: usize = 512;

/// What Serf says of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is there.
    Alive,
    /// It means to go.
    Leaving,
    /// It has gone, as it said it would.
    Left,
    /// It is gone.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    status: Status,
    /// When it said last what it means to do.
    at: Lamport,
    /// Since when it is gone.
    gone: LocalInstant,
}

const AT_FIRST: Known = Known { status: Status::Alive, at: Lamport(0), gone: LocalInstant(0) };

/// What Serf wants done, or announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SerfEffect {
    /// Send this.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: SwimMessage,
    },
    /// SWIM announces something.
    Swim(SwimEffect),
    /// A member is something else from now on; `None` if it is forgotten.
    Is(NodeId, Option<Status>),
    /// An application said something.
    Event(Lamport, u64),
    /// Somebody has let it in: this one.
    Joined(NodeId),
}

/// How far it is with leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It stays.
    No,
    /// It has said that it means to.
    Means(LocalInstant),
    /// It has said that it does.
    Says(LocalInstant),
    /// It waits for all to hear of it.
    Waits(LocalInstant),
    /// It is gone.
    Gone,
}

/// A member.
#[derive(Clone, Debug)]
pub struct Serf {
    swim: Swim,
    config: SerfConfig,
    /// What differs from how everybody was at the start.
    members: SortedMap<NodeId, Option<Known>>,
    base: u32,
    clock: Lamport,
    event_clock: Lamport,
    events: VecDeque<(Lamport, u64)>,
    /// What was heard of members that are not known: whether they mean to leave, when they said so and when it came.
    recent: SortedMap<NodeId, (bool, Lamport, LocalInstant)>,
    next_reap: LocalInstant,
    next_reconnect: LocalInstant,
    left: Left,
    inside: Vec<SwimEffect>,
}

impl Serf {
    /// Member `me`; see [`Swim::new`].
    #[must_use]
    pub fn new(me: NodeId, (nodes, base): (u32, u32), config: SerfConfig, now: LocalInstant, rng: &mut Rng) -> Self {
        let swim = Swim::new(me, (nodes, base), config.swim.clone(), now, rng);
        let next_reap = now + config.reap_interval;
        let next_reconnect = now + config.reconnect_interval;
        let mut serf = Self {
            swim,
            config,
            members: SortedMap::new(),
            base,
            clock: Lamport(1),
            event_clock: Lamport(1),
            events: VecDeque::new(),
            recent: SortedMap::new(),
            next_reap,
            next_reconnect,
            left: Left::No,
            inside: Vec::new(),
        };
        if me.0 >= base {
            serf.members.insert(me, Some(AT_FIRST));
            serf.swim.tell(Rumour::Alive { node: me, incarnation: serf.swim.incarnation });
        }
        serf
    }

    /// The SWIM inside.
    #[must_use]
    pub const fn swim(&self) -> &Swim {
        &self.swim
    }

    /// What a member is; `None` if it is not known.
    #[must_use]
    pub fn status(&self, node: NodeId) -> Option<Status> {
        self.known(node).map(|known| known.status)
    }

    /// All that are known.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, Status)> {
        let all = self.members.last_key_value().map_or(0, |(last, _)| last.0 + 1).max(self.base);
        (0..all).filter_map(|node| Some((NodeId(node), self.status(NodeId(node))?)))
    }

    /// How far it is with leaving.
    #[must_use]
    pub const fn left(&self) -> Left {
        self.left
    }

    /// Serf's clock of intents.
    #[must_use]
    pub const fn clock(&self) -> Lamport {
        self.clock
    }

    fn known(&self, node: NodeId) -> Option<Known> {
        match self.members.get(&node) {
            Some(known) => *known,
            None => (node.0 < self.base).then_some(AT_FIRST),
        }
    }

    /// When [`Serf::wake`] wants to be called next.
    #[must_use]
    pub fn next_due(&mut self, now: LocalInstant) -> LocalInstant {
        let leaves = match self.left {
            Left::Gone => return LocalInstant(u64::MAX),
            Left::No => LocalInstant(u64::MAX),
            Left::Means(until) | Left::Says(until) | Left::Waits(until) => until,
        };
        let mut due = self.swim.next_due(now).min(leaves);
        if self.gone(Status::Failed).next().is_some() {
            due = due.min(self.next_reconnect).min(self.next_reap);
        } else if !self.recent.is_empty() || self.gone(Status::Left).next().is_some() {
            due = due.min(self.next_reap);
        }
        due
    }

    fn gone(&self, status: Status) -> impl Iterator<Item = (NodeId, Known)> {
        let known = self.members.iter().filter_map(|(node, known)| Some((*node, (*known)?)));
        known.filter(move |(_, known)| known.status == status)
    }

    /// Does what is due.
    pub fn wake(&mut self, now: LocalInstant, rng: &mut Rng, out: &mut Vec<SerfEffect>) {
        if self.left == Left::Gone {
            return;
        }
        let mut inside = core::mem::take(&mut self.inside);
        self.swim.wake(now, rng, &mut inside);
        if self.next_reap <= now {
            self.next_reap = now + self.config.reap_interval;
            self.reap(now, out);
        }
        if self.next_reconnect <= now {
            self.next_reconnect = now + self.config.reconnect_interval;
            self.reconnect(now, rng, &mut inside);
        }
        self.go_on_leaving(now, &mut inside);
        self.flush(inside, now, out);
    }

    /// A message of another member arrived.
    pub fn on_message(&mut self, from: NodeId, message: SwimMessage, now: LocalInstant, out: &mut Vec<SerfEffect>) {
        if self.left == Left::Gone {
            return;
        }
        let mut inside = core::mem::take(&mut self.inside);
        self.swim.on_message(from, message, now, &mut inside);
        self.go_on_leaving(now, &mut inside);
        self.flush(inside, now, out);
    }

    /// Joins the group that `with` is in: dials it until it answers, or for ten seconds ([`Swim::is_joining`]).
    pub fn join(&mut self, with: NodeId, now: LocalInstant, out: &mut Vec<SerfEffect>) {
        let mut inside = core::mem::take(&mut self.inside);
        self.swim.exchange_with(with, Reason::Join, now, &mut inside);
        self.flush(inside, now, out);
    }

    /// It means to go.
    pub fn leave(&mut self, now: LocalInstant, out: &mut Vec<SerfEffect>) {
        if self.left != Left::No {
            return;
        }
        self.left = Left::Means(now + self.config.broadcast_timeout);
        let at = self.clock;
        self.clock.advance();
        let me = self.swim.me;
        self.on_leave_intent(me, at, now, out);
        self.swim.tell(Rumour::Leave { node: me, at });
        let mut inside = core::mem::take(&mut self.inside);
        self.go_on_leaving(now, &mut inside);
        self.flush(inside, now, out);
    }

    /// An operator knows that a member that failed will not come back (`force-leave`).
    pub fn force_leave(&mut self, node: NodeId, now: LocalInstant, out: &mut Vec<SerfEffect>) {
        let at = self.clock;
        self.clock.advance();
        self.on_leave_intent(node, at, now, out);
        self.swim.tell(Rumour::Leave { node, at });
    }

    /// An application says something to all.
    pub fn event(&mut self, what: u64, out: &mut Vec<SerfEffect>) {
        let at = self.event_clock;
        if self.on_event(at, what, out) {
            self.swim.tell(Rumour::Event { at, what });
        }
    }

    fn go_on_leaving(&mut self, now: LocalInstant, inside: &mut Vec<SwimEffect>) {
        let alone = self.swim.alive() <= 1;
        let said = |serf: &Self| {
            let me = serf.swim.me;
            !serf.known(me).is_some_and(|known| serf.swim.queue.has(&Rumour::Leave { node: me, at: known.at }))
        };
        if let Left::Means(until) = self.left
            && (until <= now || alone || said(self))
        {
            self.left = Left::Says(now + self.config.broadcast_timeout);
            self.swim.leave(now, inside);
        }
        if let Left::Says(until) = self.left
            && (until <= now || alone || self.swim.has_left())
        {
            self.left = Left::Waits(now + self.config.leave_propagate_delay);
        }
        if let Left::Waits(until) = self.left
            && until <= now
        {
            self.left = Left::Gone;
        }
    }

    /// Passes on what SWIM wants, adds what Serf knows to the exchanges of the whole state, and takes in what Serf has
    /// to know.
    fn flush(&mut self, mut inside: Vec<SwimEffect>, now: LocalInstant, out: &mut Vec<SerfEffect>) {
        for effect in inside.drain(..) {
            match effect {
                SwimEffect::Send { to, mut message } => {
                    if let SwimMessage::Push { whole, .. } | SwimMessage::Pull { whole, .. } = &mut message {
                        self.fill(whole);
                    }
                    out.push(SerfEffect::Send { to, message });
                }
                SwimEffect::Heard(rumour) => self.on_rumour(rumour, now, out),
                SwimEffect::Synced(whole, joined) => self.on_synced(&whole, joined, now, out),
                SwimEffect::Believes { node, state, .. } => {
                    self.on_believed(node, state, now, out);
                    out.push(SerfEffect::Swim(effect));
                }
                effect => out.push(SerfEffect::Swim(effect)),
            }
        }
        self.inside = inside;
    }

    fn fill(&self, whole: &mut Whole) {
        whole.clock = self.clock;
        let known = self.members.iter().filter_map(|(node, known)| Some((*node, (*known)?)));
        whole.intents = known.map(|(node, known)| (node, known.at, known.status == Status::Left)).collect();
        whole.event_clock = self.event_clock;
        whole.events = self.events.iter().copied().collect();
    }

    fn set(&mut self, node: NodeId, known: Option<Known>, out: &mut Vec<SerfEffect>) {
        let before = self.status(node);
        self.members.insert(node, known);
        let status = known.map(|known| known.status);
        if before != status {
            out.push(SerfEffect::Is(node, status));
        }
    }

    /// SWIM holds a member for something else.
    fn on_believed(&mut self, node: NodeId, state: State, now: LocalInstant, out: &mut Vec<SerfEffect>) {
        let before = self.known(node);
        match state {
            State::Suspect => {}
            State::Alive => {
                let mut known = Known { status: Status::Alive, gone: LocalInstant(0), ..before.unwrap_or(AT_FIRST) };
                if before.is_none()
                    && let Some((leaves, at, _)) = self.recent.remove(&node)
                {
                    known.at = at;
                    // What was heard before may be of an earlier life; who really goes says so itself (serf issue 662).
                    if leaves && self.config.swim.slips(Slip::IntentsOnly) {
                        known.status = Status::Leaving;
                    }
                }
                self.set(node, Some(known), out);
            }
            State::Dead | State::Left => {
                let Some(before) = before else { return };
                let status = match before.status {
                    Status::Leaving => Status::Left,
                    Status::Alive if state == State::Left => Status::Left,
                    Status::Alive => Status::Failed,
                    gone => gone,
                };
                self.set(node, Some(Known { status, gone: now, ..before }), out);
            }
        }
    }

    fn on_rumour(&mut self, rumour: Rumour, now: LocalInstant, out: &mut Vec<SerfEffect>) {
        let is_news = match rumour {
            Rumour::Join { node, at } => self.on_join_intent(node, at, now, out),
            Rumour::Leave { node, at } => self.on_leave_intent(node, at, now, out),
            Rumour::Event { at, what } => self.on_event(at, what, out),
            Rumour::Alive { .. } | Rumour::Suspect { .. } | Rumour::Dead { .. } => false,
        };
        if is_news {
            self.swim.tell(rumour);
        }
    }

    fn witness(&mut self, at: Lamport) {
        self.clock = self.clock.max(at.next());
    }

    fn remember(&mut self, node: NodeId, leaves: bool, at: Lamport, now: LocalInstant) -> bool {
        let is_news = self.recent.get(&node).is_none_or(|(_, older, _)| *older < at);
        if is_news {
            self.recent.insert(node, (leaves, at, now));
        }
        is_news
    }

    /// A member means to be here.
    fn on_join_intent(&mut self, node: NodeId, at: Lamport, now: LocalInstant, out: &mut Vec<SerfEffect>) -> bool {
        self.witness(at);
        let Some(mut known) = self.known(node) else { return self.remember(node, false, at, now) };
        if at <= known.at {
            return false;
        }
        known.at = at;
        if known.status == Status::Leaving {
            known.status = Status::Alive;
        }
        self.set(node, Some(known), out);
        true
    }

    /// A member means to go.
    fn on_leave_intent(&mut self, node: NodeId, at: Lamport, now: LocalInstant, out: &mut Vec<SerfEffect>) -> bool {
        self.witness(at);
        let Some(mut known) = self.known(node) else { return self.remember(node, true, at, now) };
        if at <= known.at {
            return false;
        }
        if node == self.swim.me && self.left == Left::No {
            self.say_here(now, out);
            return false;
        }
        known.at = at;
        known.status = match known.status {
            Status::Alive | Status::Leaving => Status::Leaving,
            Status::Left | Status::Failed => Status::Left,
        };
        self.set(node, Some(known), out);
        true
    }

    /// It means to be here.
    fn say_here(&mut self, now: LocalInstant, out: &mut Vec<SerfEffect>) {
        let (node, at) = (self.swim.me, self.clock);
        self.on_join_intent(node, at, now, out);
        self.swim.tell(Rumour::Join { node, at });
    }

    fn on_event(&mut self, at: Lamport, what: u64, out: &mut Vec<SerfEffect>) -> bool {
        self.event_clock = self.event_clock.max(at.next());
        let is_late = self.events.len() == EVENTS && self.events.front().is_some_and(|(oldest, _)| at < *oldest);
        if is_late || self.events.contains(&(at, what)) {
            return false;
        }
        if self.events.len() == EVENTS {
            self.events.pop_front();
        }
        let place = self.events.partition_point(|event| *event < (at, what));
        self.events.insert(place, (at, what));
        out.push(SerfEffect::Event(at, what));
        true
    }

    /// What somebody else knows. Intents to leave are passed on, so that whoever is still here can object.
    fn on_synced(&mut self, whole: &Whole, joined: Option<NodeId>, now: LocalInstant, out: &mut Vec<SerfEffect>) {
        if whole.clock > Lamport(0) {
            self.witness(Lamport(whole.clock.0 - 1));
        }
        for (node, at, left) in &whole.intents {
            if !*left {
                self.on_join_intent(*node, *at, now, out);
            } else if self.on_leave_intent(*node, *at, now, out) && self.status(*node) == Some(Status::Leaving) {
                self.swim.tell(Rumour::Leave { node: *node, at: *at });
            }
        }
        for (at, what) in &whole.events {
            self.on_event(*at, *what, out);
        }
        self.event_clock = self.event_clock.max(whole.event_clock);
        if let Some(with) = joined {
            self.say_here(now, out);
            out.push(SerfEffect::Joined(with));
        }
    }

    /// Forgets those that have been gone for too long.
    fn reap(&mut self, now: LocalInstant, out: &mut Vec<SerfEffect>) {
        self.recent.retain(|_, (_, _, since)| *since + RECENT > now);
        let timeouts = [(Status::Failed, self.config.reconnect_timeout), (Status::Left, self.config.tombstone_timeout)];
        for (status, timeout) in timeouts {
            let over = |known: &Known| known.gone + timeout <= now;
            let over: Vec<NodeId> = self.gone(status).filter(|(_, known)| over(known)).map(|(node, _)| node).collect();
            over.into_iter().for_each(|node| self.set(node, None, out));
        }
    }

    /// Tries one that failed again; the more of them there are, the more often.
    fn reconnect(&mut self, now: LocalInstant, rng: &mut Rng, inside: &mut Vec<SwimEffect>) {
        let failed: Vec<NodeId> = self.gone(Status::Failed).map(|(node, _)| node).collect();
        let alive = u64::from(self.swim.alive()).max(1);
        if self.left != Left::No || self.swim.is_reconnecting() || rng.below(alive) >= failed.len() as u64 {
            return;
        }
        if let Some(with) = rng.pick(&failed) {
            self.swim.exchange_with(*with, Reason::Reconnect, now, inside);
        }
    }
}
