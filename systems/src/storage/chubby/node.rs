//! A machine of the system: a server, a store, or an application, by its number.

use super::app::App;
use super::bugs::ChubbyBug;
use super::message::{ChubbyFact, ChubbyMessage, ChubbyRecord, ChubbyRequest, ChubbyResponse};
use super::options::{Config, Duty};
use super::server::{Member, Server, TIMERS_FROM};
use crate::shared::fenced::{FencedStore, Fencing, Guarded, Write};
use crate::shared::replication::Consensus;
use sim_core::{Completion, Effects, Node, NodeId, Replay, Role, Ticket, Timer};
use std::rc::Rc;

/// A node's outputs.
pub(super) type Fx<'a> = Effects<'a, Machine>;

/// Of a master: something is due. Of an application: it looks for the master.
pub(super) const CLOCK: Timer = Timer(0);
/// Of an application: its session's lease, or its grace, has run out.
pub(super) const LEASE: Timer = Timer(1);
/// Of an application: its work under a lock is done.
pub(super) const WORK: Timer = Timer(2);
/// How many timer slots a node uses.
pub const TIMERS: u16 = TIMERS_FROM + Member::TIMERS;

/// A node.
#[derive(Clone, Debug)]
pub enum Machine {
    /// One of the cell.
    Server(Box<Server>),
    /// One that is written to.
    Store(FencedStore),
    /// One that has a session.
    App(Box<App>),
}

impl Machine {
    /// The server that it is.
    #[must_use]
    pub const fn server(&self) -> Option<&Server> {
        if let Self::Server(server) = self { Some(server) } else { None }
    }

    /// The application that it is.
    #[must_use]
    pub const fn app(&self) -> Option<&App> {
        if let Self::App(app) = self { Some(app) } else { None }
    }
}

impl Guarded for Machine {
    fn record(write: Write) -> ChubbyRecord {
        ChubbyRecord::Wrote(write)
    }
    fn answer(number: u64, accepted: bool) -> ChubbyMessage {
        ChubbyMessage::Wrote { number, accepted }
    }
    fn fact(write: Write, accepted: bool) -> ChubbyFact {
        ChubbyFact::Written { write, accepted }
    }
}

/// A store as its disk has it.
fn store(config: &Config, disk: Replay<'_, ChubbyRecord>) -> FencedStore {
    let taken = disk.iter().filter_map(|(_, record)| match record {
        Ok(ChubbyRecord::Wrote(write)) => Some(*write),
        _ => None,
    });
    FencedStore::of(config.fencing == Fencing::Token && !config.has(ChubbyBug::NoFencing), taken)
}

impl Node for Machine {
    const CONNECTS: bool = true;
    type Config = Rc<Config>;
    type Message = ChubbyMessage;
    type Request = ChubbyRequest;
    type Response = ChubbyResponse;
    type Record = ChubbyRecord;
    type Fact = ChubbyFact;

    fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, ChubbyRecord>, fx: &mut Fx<'_>) -> Self {
        match config.duty(me) {
            Duty::Server => Self::Server(Box::new(Server::boot(config, me, disk, fx))),
            Duty::Store => Self::Store(store(config, disk)),
            Duty::App => Self::App(Box::new(App::boot(config, me, fx))),
        }
    }

    fn on_message(&mut self, from: NodeId, message: ChubbyMessage, fx: &mut Fx<'_>) {
        match (self, message) {
            (Self::Server(server), message) => server.on_message(from, message, fx),
            (Self::Store(store), ChubbyMessage::Write(write)) => store.on_write(from, write, fx),
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

    /// Whoever has no session with the cell can not be served: programs run where an application is.
    fn on_request(&mut self, ticket: Ticket, request: ChubbyRequest, fx: &mut Fx<'_>) {
        match self {
            Self::Server(_) | Self::Store(_) => fx.refuse(ticket),
            Self::App(app) => app.on_request(ticket, request, fx),
        }
    }

    fn on_disk(&mut self, done: Completion<ChubbyRecord>, fx: &mut Fx<'_>) {
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
        if let Self::App(app) = self {
            app.on_closed(peer, fx);
        }
    }

    fn is_read(request: &ChubbyRequest) -> bool {
        request.is_read()
    }

    fn timer_name(timer: Timer) -> &'static str {
        ["the master's clock, or a search", "lease", "work"]
            .get(usize::from(timer.0))
            .copied()
            .unwrap_or("of the group")
    }

    fn role(&self) -> Role {
        let role = |name, rank| Role { name, rank };
        match self {
            Self::Server(server) => match server.leads() {
                Some(epoch) => role("leader", epoch.0),
                None => role("follower", 0),
            },
            Self::Store(_) => role("store", 0),
            Self::App(_) => role("app", 0),
        }
    }

    fn progress(&self) -> u64 {
        self.server().map_or(0, |server| server.council.inside().progress())
    }
}
