//! A machine of the system: an instance, a store, or an application, by its number.

use super::app::App;
use super::instance::Instance;
use super::message::{RedlockFact, RedlockMessage, RedlockRecord, RedlockRequest, RedlockResponse};
use super::options::{Config, Duty};
use crate::shared::fenced::{FencedStore, Guarded, Write};
use sim_core::{Completion, Effects, Node, NodeId, Replay, Role, Ticket, Timer};
use std::rc::Rc;

/// A node's outputs.
pub(super) type Fx<'a> = Effects<'a, Machine>;

/// Of an instance: it may serve again. Of an application: something is due.
pub(super) const CLOCK: Timer = Timer(0);
/// How many timer slots a node uses.
pub const TIMERS: u16 = 1;

/// A node.
#[derive(Clone, Debug)]
pub enum Machine {
    /// One that keeps keys.
    Instance(Instance),
    /// One that is written to under locks.
    Store(FencedStore),
    /// One that takes locks.
    App(Box<App>),
}

impl Machine {
    /// The instance that it is.
    #[must_use]
    pub const fn instance(&self) -> Option<&Instance> {
        if let Self::Instance(instance) = self { Some(instance) } else { None }
    }

    /// The application that it is.
    #[must_use]
    pub const fn app(&self) -> Option<&App> {
        if let Self::App(app) = self { Some(app) } else { None }
    }
}

impl Guarded for Machine {
    fn record(write: Write) -> RedlockRecord {
        RedlockRecord::Wrote(write)
    }
    fn answer(number: u64, accepted: bool) -> RedlockMessage {
        RedlockMessage::Wrote { number, accepted }
    }
    fn fact(write: Write, accepted: bool) -> RedlockFact {
        RedlockFact::Written { write, accepted }
    }
}

impl Node for Machine {
    const CONNECTS: bool = true;
    type Config = Rc<Config>;
    type Message = RedlockMessage;
    type Request = RedlockRequest;
    type Response = RedlockResponse;
    type Record = RedlockRecord;
    type Fact = RedlockFact;

    fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, RedlockRecord>, fx: &mut Fx<'_>) -> Self {
        match config.duty(me) {
            Duty::Instance => Self::Instance(Instance::boot(config, disk, fx)),
            // A random value is no token to go by.
            Duty::Store => Self::Store(FencedStore::of(false, core::iter::empty())),
            Duty::App => Self::App(Box::new(App::boot(config))),
        }
    }

    fn on_message(&mut self, from: NodeId, message: RedlockMessage, fx: &mut Fx<'_>) {
        match (self, message) {
            (Self::Instance(instance), RedlockMessage::Set { lock, value }) => instance.on_set(from, lock, value, fx),
            (Self::Instance(instance), RedlockMessage::Delete { lock, value }) => {
                instance.on_delete(from, lock, value, fx);
            }
            (Self::Instance(instance), RedlockMessage::Look { lock, value }) => instance.on_look(from, lock, value, fx),
            (Self::App(app), RedlockMessage::Seen { value, taken }) => app.on_seen(from, value, taken, fx),
            (Self::Store(store), RedlockMessage::Write(write)) => store.on_write(from, write, fx),
            (Self::App(app), RedlockMessage::SetDone { value, set }) => app.on_set_done(from, value, set, fx),
            (Self::App(app), RedlockMessage::Deleted { value, .. }) => app.on_deleted(from, value, fx),
            (Self::App(app), RedlockMessage::Wrote { number, .. }) => app.on_wrote(number, fx),
            (Self::Instance(_) | Self::Store(_) | Self::App(_), _) => {}
        }
    }

    fn on_timer(&mut self, _: Timer, fx: &mut Fx<'_>) {
        match self {
            Self::Instance(instance) => instance.on_timer(fx),
            Self::Store(_) => {}
            Self::App(app) => app.on_timer(fx),
        }
    }

    /// Programs run where an application is.
    fn on_request(&mut self, ticket: Ticket, request: RedlockRequest, fx: &mut Fx<'_>) {
        match self {
            Self::Instance(_) | Self::Store(_) => fx.refuse(ticket),
            Self::App(app) => app.on_request(ticket, request, fx),
        }
    }

    fn on_disk(&mut self, done: Completion<RedlockRecord>, fx: &mut Fx<'_>) {
        if let Completion::SyncFailed { .. } = done {
            fx.halt("a sync failed: what is on the disk is unknown");
        }
    }

    fn on_closed(&mut self, peer: NodeId, fx: &mut Fx<'_>) {
        if let Self::App(app) = self {
            app.on_closed(peer, fx);
        }
    }

    fn is_read(request: &RedlockRequest) -> bool {
        request.is_read()
    }

    fn timer_name(_: Timer) -> &'static str {
        "clock"
    }

    fn role(&self) -> Role {
        let role = |name| Role { name, rank: 0 };
        match self {
            Self::Instance(_) => role("instance"),
            Self::Store(_) => role("store"),
            Self::App(_) => role("app"),
        }
    }
}
