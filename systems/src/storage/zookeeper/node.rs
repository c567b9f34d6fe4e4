//! A machine of the system: a server, an observer, a store, or an application, by its number.

use super::ZkBug;
use super::app::App;
use super::message::{ZkFact, ZkMessage, ZkRecord, ZkRequest, ZkResponse};
use super::options::{Config, Duty};
use super::server::{Server, Stage};
use crate::shared::fenced::{FencedStore, Fencing, Guarded, Write};
use sim_core::{Completion, Effects, Node, NodeId, Replay, Role, Ticket, Timer};
use std::rc::Rc;

/// A node's outputs.
pub(super) type Fx<'a> = Effects<'a, Machine>;

/// Of a server: its election waits for the next notification, or for better votes.
pub(super) const ELECTION: Timer = Timer(0);
/// Of a server: half a tick has passed.
pub(super) const TICK: Timer = Timer(1);
/// Of a learner: it asks its leader once more.
pub(super) const RETRY: Timer = Timer(2);
/// Of a leader: the next session may end.
pub(super) const EXPIRY: Timer = Timer(3);
/// Of an application: it pings, or gives its server up.
pub(super) const CLOCK: Timer = Timer(0);
/// Of an application: it tries the next server.
pub(super) const PAUSE: Timer = Timer(1);
/// Of an application: its work under a lock is done.
pub(super) const WORK: Timer = Timer(2);
/// How many timer slots a node uses.
pub const TIMERS: u16 = 4;

/// A node.
#[derive(Clone, Debug)]
pub enum Machine {
    /// One of the ensemble.
    Server(Box<Server>),
    /// One that is written to under locks.
    Store(FencedStore),
    /// One that has a session.
    App(Box<App>),
}

impl Machine {
    /// The server that it is.
    #[must_use]
    pub const fn server(&self) -> Option<&Server> {
        match self {
            Self::Server(server) => Some(server),
            Self::App(_) | Self::Store(_) => None,
        }
    }

    /// The application that it is.
    #[must_use]
    pub const fn app(&self) -> Option<&App> {
        match self {
            Self::App(app) => Some(app),
            Self::Server(_) | Self::Store(_) => None,
        }
    }
}

impl Guarded for Machine {
    fn record(write: Write) -> ZkRecord {
        ZkRecord::Wrote(write)
    }
    fn answer(number: u64, accepted: bool) -> ZkMessage {
        ZkMessage::Wrote { number, accepted }
    }
    fn fact(write: Write, accepted: bool) -> ZkFact {
        ZkFact::Written { write, accepted }
    }
}

/// A store as its disk has it.
fn store(config: &Config, disk: Replay<'_, ZkRecord>) -> FencedStore {
    let taken = disk.iter().filter_map(|(_, record)| match record {
        Ok(ZkRecord::Wrote(write)) => Some(*write),
        _ => None,
    });
    FencedStore::of(config.fencing == Fencing::Token && !config.has(ZkBug::NoFencing), taken)
}

impl Node for Machine {
    const CONNECTS: bool = true;
    type Config = Rc<Config>;
    type Message = ZkMessage;
    type Request = ZkRequest;
    type Response = ZkResponse;
    type Record = ZkRecord;
    type Fact = ZkFact;

    fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, ZkRecord>, fx: &mut Fx<'_>) -> Self {
        match config.duty(me) {
            Duty::Store => Self::Store(store(config, disk)),
            Duty::App => Self::App(Box::new(App::boot(config, fx))),
            Duty::Server | Duty::Observer => Self::Server(Box::new(Server::boot(config, me, disk, fx))),
        }
    }

    fn on_message(&mut self, from: NodeId, message: ZkMessage, fx: &mut Fx<'_>) {
        match (self, message) {
            (Self::Server(server), message) => server.on_message(from, message, fx),
            (Self::Store(store), ZkMessage::Write(write)) => store.on_write(from, write, fx),
            (Self::Store(_), _) => {}
            (Self::App(app), message) => app.on_message(from, message, fx),
        }
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match self {
            Self::Server(server) => server.on_timer(timer, fx),
            Self::Store(_) => {}
            Self::App(app) => app.on_timer(timer, fx),
        }
    }

    /// Whoever has no session with the ensemble can not be served: programs run where an application is.
    fn on_request(&mut self, ticket: Ticket, request: ZkRequest, fx: &mut Fx<'_>) {
        match self {
            Self::Server(_) | Self::Store(_) => fx.refuse(ticket),
            Self::App(app) => app.on_request(ticket, request, fx),
        }
    }

    fn on_disk(&mut self, done: Completion<ZkRecord>, fx: &mut Fx<'_>) {
        match self {
            Self::Server(server) => server.on_disk(&done, fx),
            Self::Store(_) | Self::App(_) => {
                if let Completion::SyncFailed { .. } = done {
                    fx.halt("a sync failed: what is on the disk is unknown");
                }
            }
        }
    }

    fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        match self {
            Self::Server(server) => server.on_closed(peer, fx),
            Self::Store(_) => {}
            Self::App(app) => app.on_closed(peer, fx),
        }
    }

    fn is_read(request: &ZkRequest) -> bool {
        request.is_read()
    }

    fn timer_name(timer: Timer) -> &'static str {
        ["election, or the session's clock", "tick, or a pause", "retry, or work", "expiry"]
            .get(usize::from(timer.0))
            .copied()
            .unwrap_or("")
    }

    fn role(&self) -> Role {
        let role = |name, rank| Role { name, rank };
        match self {
            Self::Store(_) => role("store", 0),
            Self::App(_) => role("app", 0),
            Self::Server(server) => match (&server.stage, server.leads()) {
                (_, Some(epoch)) => role("leader", u64::from(epoch)),
                (Stage::Following(_), _) if server.serves() => role("follower", 0),
                _ => role("looking", 0),
            },
        }
    }

    fn progress(&self) -> u64 {
        self.server().map_or(0, |server| {
            let zxid = server.tree().last();
            u64::from(zxid.epoch) << 32 | u64::from(zxid.counter)
        })
    }
}
