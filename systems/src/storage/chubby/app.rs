//! An application's client library: its session with the cell, its cache, and the calls of the program through it. It
//! counts the lease from when it asked for it; when that has run out its session is in jeopardy: the cache is off and
//! calls wait, until it has found a master that knows the session, or the grace is over (section 2.8).

use super::database::{Answer, CallNumber, Change, Epoch, Path, Session};
use super::message::{Ask, ChubbyFact, ChubbyMessage, ChubbyRequest, ChubbyResponse, Event, Told};
use super::node::{CLOCK, Fx, LEASE, WORK};
use super::options::Config;
use super::tasks::{Key, Task};
use crate::shared::number::Counts;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId, Ticket, Timer};
use std::rc::Rc;

/// Whom it talks with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// It has asked one who the master is.
    Seeking(NodeId),
    /// This one is.
    Master(NodeId, Epoch),
}

/// How its session is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has asked for one, or will.
    Opening,
    /// It lasts, for a while.
    Safe,
    /// It may be over.
    Jeopardy,
}

/// An application with its session.
#[derive(Clone, Debug)]
pub struct App {
    pub(super) config: Rc<Config>,
    pub(super) me: NodeId,
    link: Link,
    next_server: u32,
    pub(super) session: Session,
    pub(super) standing: Standing,
    /// When its lease has run out, or its grace.
    ends: LocalInstant,
    /// Its number for the last KeepAlive, or the last wish for a session, and when that was sent.
    kept: (u64, LocalInstant),
    /// The newest master it knows of, and the last event it has heard of that.
    heard: (Epoch, u64),
    cache: SortedMap<Path, (u64, u64)>,
    /// Calls without an answer, and whose.
    calls: SortedMap<CallNumber, (Ask, Option<Key>)>,
    last_call: CallNumber,
    pub(super) tasks: SortedMap<Key, Task>,
    /// How often it has written to the store.
    pub(super) writes: u64,
}

impl App {
    pub(super) fn boot(config: &Rc<Config>, me: NodeId, fx: &mut Fx<'_>) -> Self {
        let (now, first) = (fx.now(), fx.rng().below(u64::from(config.servers)) as u32);
        let mut app = Self {
            config: Rc::clone(config),
            me,
            link: Link::Seeking(NodeId(first)),
            next_server: first,
            session: Session(0),
            standing: Standing::Opening,
            ends: now,
            kept: (0, now),
            heard: (Epoch(0), 0),
            cache: SortedMap::new(),
            calls: SortedMap::new(),
            last_call: CallNumber(0),
            tasks: SortedMap::new(),
            writes: 0,
        };
        app.draw_session(fx);
        app.seek(None, fx);
        app
    }

    fn draw_session(&mut self, fx: &mut Fx<'_>) {
        self.session = Session::of(self.me, fx.rng().next_u64());
        self.standing = Standing::Opening;
    }

    /// Its session, while it lasts as far as the application knows.
    #[must_use]
    pub fn session(&self) -> Option<Session> {
        (self.standing == Standing::Safe).then_some(self.session)
    }

    /// Asks a server who the master is: this one, or the next.
    fn seek(&mut self, server: Option<NodeId>, fx: &mut Fx<'_>) {
        let server = server.unwrap_or_else(|| {
            self.next_server = (self.next_server + 1) % self.config.servers;
            NodeId(self.next_server)
        });
        self.link = Link::Seeking(server);
        fx.send(server, ChubbyMessage::Find);
        fx.arm(CLOCK, self.config.seek_every);
    }

    fn on_found(&mut self, master: NodeId, epoch: Epoch, fx: &mut Fx<'_>) {
        // An older one does not know yet that it is replaced.
        if epoch < self.heard.0 || self.link == Link::Master(master, epoch) {
            return;
        }
        if epoch > self.heard.0 {
            self.heard = (epoch, 0);
        }
        self.link = Link::Master(master, epoch);
        // Who says so may be one that can not do anything.
        fx.arm(CLOCK, self.config.lease);
        if self.standing == Standing::Opening {
            self.open(fx);
        } else {
            self.keep_alive(fx);
        }
        if self.standing == Standing::Safe {
            self.resend(fx);
        }
    }

    fn open(&mut self, fx: &mut Fx<'_>) {
        let Link::Master(master, epoch) = self.link else { return };
        self.kept = (self.kept.0 + 1, fx.now());
        fx.send(master, ChubbyMessage::Open { epoch, session: self.session, number: self.kept.0 });
    }

    fn keep_alive(&mut self, fx: &mut Fx<'_>) {
        let Link::Master(master, epoch) = self.link else { return };
        self.kept = (self.kept.0 + 1, fx.now());
        let (session, number, heard) = (self.session, self.kept.0, self.heard.1);
        fx.send(master, ChubbyMessage::KeepAlive { epoch, session, number, heard });
    }

    /// Its session lasts so long since it asked.
    fn lasts(&mut self, granted: u64, fx: &mut Fx<'_>) {
        let ends = self.kept.1 + self.config.surely(Duration(granted));
        let now = fx.now();
        if ends <= now {
            return;
        }
        self.ends = ends;
        let lasts = ends.since(now);
        fx.arm(LEASE, lasts);
        fx.disarm(CLOCK);
        fx.note(ChubbyFact::Leased { session: self.session, lasts: lasts.0 });
        match core::mem::replace(&mut self.standing, Standing::Safe) {
            Standing::Safe => {}
            Standing::Opening => {
                fx.note(ChubbyFact::Opened { session: self.session });
                self.start_all(fx);
            }
            Standing::Jeopardy => {
                fx.note(ChubbyFact::Safe { session: self.session });
                self.resend(fx);
                self.resume(fx);
                self.start_all(fx);
            }
        }
    }

    /// Its own count of the lease has run out.
    fn in_jeopardy(&mut self, fx: &mut Fx<'_>) {
        self.standing = Standing::Jeopardy;
        fx.note(ChubbyFact::Jeopardy { session: self.session });
        self.cache.clear();
        self.suspend(fx);
        self.ends = self.ends + self.config.grace;
        let now = fx.now();
        fx.arm(LEASE, Duration(self.ends.0.saturating_sub(now.0).max(1)));
        self.seek(None, fx);
    }

    /// Its session is over, and with it all that it held.
    fn expired(&mut self, fx: &mut Fx<'_>) {
        fx.note(ChubbyFact::Lost { session: self.session });
        fx.disarm(LEASE);
        self.cache.clear();
        self.heard.1 = 0;
        let calls = core::mem::take(&mut self.calls);
        self.lose(calls.into_values().filter_map(|(_, key)| key), fx);
        self.draw_session(fx);
        match self.link {
            Link::Master(..) => self.open(fx),
            Link::Seeking(_) => {}
        }
    }

    /// Makes a call, as soon as there is a session that lasts.
    pub(super) fn call(&mut self, ask: Ask, whose: Option<Key>, fx: &mut Fx<'_>) {
        let number = self.last_call.advance();
        self.calls.insert(number, (ask, whose));
        self.send_call(number, ask, fx);
    }

    fn send_call(&self, number: CallNumber, ask: Ask, fx: &mut Fx<'_>) {
        let (Link::Master(master, epoch), Standing::Safe) = (self.link, self.standing) else { return };
        let floor = self.calls.keys().next().copied().unwrap_or(number);
        fx.send(master, ChubbyMessage::Call { epoch, session: self.session, number, floor, ask });
    }

    fn resend(&self, fx: &mut Fx<'_>) {
        for (number, (ask, _)) in &self.calls {
            self.send_call(*number, *ask, fx);
        }
    }

    /// Whether it has asked this, and has no answer.
    pub(super) fn asks(&self, what: Ask) -> bool {
        self.calls.values().any(|(ask, _)| *ask == what)
    }

    /// What its cache holds of a file.
    pub(super) fn cached(&self, path: Path) -> Option<(u64, u64)> {
        self.cache.get(&path).copied().filter(|_| self.standing == Standing::Safe)
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: ChubbyMessage, fx: &mut Fx<'_>) {
        if let ChubbyMessage::Wrote { number, .. } = message {
            return self.on_wrote(number, fx);
        }
        match (self.link, message) {
            (Link::Seeking(_), ChubbyMessage::Found { epoch }) => self.on_found(from, epoch, fx),
            (Link::Master(master, _), ChubbyMessage::Found { epoch }) if master == from => {
                self.on_found(from, epoch, fx);
            }
            (Link::Seeking(server) | Link::Master(server, _), ChubbyMessage::NotMaster { hint }) if server == from => {
                self.on_not_master(from, hint, fx);
            }
            (Link::Master(master, epoch), message) if master == from => self.on_master(epoch, message, fx),
            _ => {}
        }
    }

    /// It is asked again a little later, or whom it knows.
    fn on_not_master(&mut self, from: NodeId, hint: Option<NodeId>, fx: &mut Fx<'_>) {
        if let Some(hint) = hint {
            self.next_server = (hint.0 + self.config.servers - 1) % self.config.servers;
        }
        self.link = Link::Seeking(from);
        fx.arm(CLOCK, self.config.seek_every);
    }

    fn on_master(&mut self, current: Epoch, message: ChubbyMessage, fx: &mut Fx<'_>) {
        match message {
            ChubbyMessage::Opened { epoch, session, number, granted }
                if (epoch, session, number) == (current, self.session, self.kept.0)
                    && self.standing == Standing::Opening =>
            {
                self.lasts(granted, fx);
                if self.standing == Standing::Safe {
                    self.keep_alive(fx);
                } else {
                    self.open(fx);
                }
            }
            ChubbyMessage::KeptAlive { epoch, session, number, granted, first, events }
                if (epoch, session, number) == (current, self.session, self.kept.0)
                    && self.standing != Standing::Opening =>
            {
                self.on_kept_alive(granted, first, &events, fx);
            }
            ChubbyMessage::Gone { epoch, session }
                if (epoch, session) == (current, self.session) && self.standing != Standing::Opening =>
            {
                self.expired(fx);
            }
            ChubbyMessage::Reply { epoch, session, number, told } if (epoch, session) == (current, self.session) => {
                if let Some((ask, whose)) = self.calls.remove(&number) {
                    self.on_reply(ask, whose, told, fx);
                }
            }
            _ => {}
        }
    }

    fn on_kept_alive(&mut self, granted: u64, first: u64, events: &[Event], fx: &mut Fx<'_>) {
        let mut fails_over = false;
        for (number, event) in (first..).zip(events) {
            if number <= self.heard.1 {
                continue;
            }
            self.heard.1 = number;
            fx.note(ChubbyFact::Heard { session: self.session, epoch: self.heard.0, number });
            match event {
                Event::Changed(path) => _ = self.cache.remove(path),
                // What has changed meanwhile, nobody has said.
                Event::FailOver => {
                    self.cache.clear();
                    fails_over = true;
                }
            }
        }
        self.lasts(granted, fx);
        self.keep_alive(fx);
        if fails_over {
            self.reopen(fx);
        }
    }

    fn on_reply(&mut self, ask: Ask, whose: Option<Key>, told: Told, fx: &mut Fx<'_>) {
        if let (Ask::Read(path), Told::Value { value, version, cachable: true }, Standing::Safe) =
            (ask, told, self.standing)
        {
            self.cache.insert(path, (value, version));
        }
        let Some(key) = whose else { return };
        match (ask, told) {
            (Ask::Read(_), Told::Value { value, version, .. }) => {
                self.end(key, ChubbyResponse::Value { value, version, cached: false }, fx);
            }
            (Ask::Change(Change::Set { .. }), Told::Answer(Answer::Written { version })) => {
                self.end(key, ChubbyResponse::Written { version }, fx);
            }
            (Ask::Change(change), Told::Answer(answer)) => self.on_lock_answer(key, change, answer, fx),
            (Ask::Close(_), _) => self.end(key, ChubbyResponse::Appeared, fx),
            _ => {}
        }
    }

    fn end(&mut self, key: Key, response: ChubbyResponse, fx: &mut Fx<'_>) {
        if let Some(task) = self.tasks.remove(&key) {
            fx.reply(task.ticket, response);
        }
        self.start_all(fx);
    }

    /// The program asks something. A second try of the same is the same.
    pub(super) fn on_request(&mut self, ticket: Ticket, request: ChubbyRequest, fx: &mut Fx<'_>) {
        let key = (ticket.client, ticket.op);
        let floor = ticket.floor;
        self.tasks.retain(|(client, op), task| *client != ticket.client || *op >= floor || task.holds());
        if let Some(task) = self.tasks.get_mut(&key) {
            task.ticket = ticket;
            return;
        }
        if ticket.attempt > 0 && !matches!(request, ChubbyRequest::Get { .. }) {
            // It was asked for once, and nobody knows what has become of it.
            return;
        }
        self.tasks.insert(key, Task::new(ticket, request));
        if self.standing == Standing::Safe {
            self.start(key, fx);
        }
    }

    pub(super) fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        let now = fx.now();
        match (timer, self.standing) {
            (CLOCK, _) => self.seek(None, fx),
            (LEASE, Standing::Safe) if now >= self.ends => self.in_jeopardy(fx),
            (LEASE, Standing::Jeopardy) if now >= self.ends => self.expired(fx),
            (LEASE, Standing::Safe | Standing::Jeopardy) => fx.arm(LEASE, self.ends.since(now)),
            (WORK, _) => self.work_done(fx),
            _ => {}
        }
    }

    pub(super) fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        if Some(peer) == self.config.store() {
            return self.store_is_gone(fx);
        }
        if matches!(self.link, Link::Seeking(server) | Link::Master(server, _) if server == peer) {
            self.on_not_master(peer, None, fx);
        }
    }
}
