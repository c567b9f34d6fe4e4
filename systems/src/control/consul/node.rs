//! A machine of the system: a server, an agent, or a store, by its number.

use super::agent::Agent;
use super::bugs::ConsulBug;
use super::database::Command;
use super::leader::Pending;
use super::message::{ConsulFact, ConsulMessage, ConsulRecord, ConsulRequest, ConsulResponse};
use super::options::{Config, Duty, Fencing};
use super::pool::{Changes, Pool};
use super::server::{Member, Server, TIMERS_FROM};
use crate::shared::fenced::{FencedStore, Guarded, Write};
use crate::shared::replication::Consensus;
use sim_core::{Argument, Completion, Effects, Node, NodeId, Order, OrderKind, Replay, Role, Ticket, Timer};
use std::rc::Rc;

/// A node's outputs.
pub(super) type Fx<'a> = Effects<'a, Machine>;

/// Something of the pool is due.
pub(super) const POOL: Timer = Timer(0);
/// Something else of a server, or of an agent, is.
pub(super) const CLOCK: Timer = Timer(1);
/// How many timer slots a node uses.
pub const TIMERS: u16 = TIMERS_FROM + Member::TIMERS;

/// The orders of an operator.
pub(super) const ORDERS: &[OrderKind] = &[
    OrderKind { name: "leave", about: "a member leaves the pool in good order", takes: Argument::Node },
    OrderKind { name: "force_leave", about: "a member that failed is taken for left", takes: Argument::Node },
    OrderKind { name: "sicken", about: "the service of an agent fails", takes: Argument::Node },
    OrderKind { name: "cure", about: "it does not any more", takes: Argument::Node },
    OrderKind {
        name: "restore",
        about: "the servers restore a snapshot: indexes are low again",
        takes: Argument::Nothing,
    },
    OrderKind { name: "leave_many", about: "so many members, the last ones, leave at once", takes: Argument::Number },
];

/// A store that is written to under locks.
#[derive(Clone, Debug)]
pub struct Store {
    inside: FencedStore,
}

/// What a node does beside the pool.
#[derive(Clone, Debug)]
enum Part {
    Server(Box<Server>),
    Agent(Box<Agent>),
    Store(Store),
}

/// A node.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its membership of the pool, if it is a member.
    pool: Option<Box<Pool>>,
    part: Part,
    me: NodeId,
    members: u32,
}

impl Machine {
    /// Its membership of the pool, if it is a member.
    #[must_use]
    pub fn pool(&self) -> Option<&Pool> {
        self.pool.as_deref()
    }

    /// The server that it is.
    #[must_use]
    pub const fn server(&self) -> Option<&Server> {
        if let Part::Server(server) = &self.part { Some(server) } else { None }
    }

    /// The agent that it is.
    #[must_use]
    pub const fn agent(&self) -> Option<&Agent> {
        if let Part::Agent(agent) = &self.part { Some(agent) } else { None }
    }

    /// What has become of members is for the catalog, or for the agent.
    fn on_changes(&mut self, changes: &Changes, fx: &mut Fx<'_>) {
        let Some(pool) = self.pool.as_deref().filter(|_| !changes.is_empty()) else { return };
        match &mut self.part {
            Part::Server(server) => server.on_changes(changes, pool, fx),
            Part::Agent(agent) => agent.on_changes(changes, fx),
            Part::Store(_) => {}
        }
    }

    fn with_pool(&mut self, fx: &mut Fx<'_>, what: impl FnOnce(&mut Pool, &mut Fx<'_>) -> Changes) {
        if let Some(pool) = self.pool.as_deref_mut() {
            let changes = what(pool, fx);
            self.on_changes(&changes, fx);
        }
    }

    fn sicken(&mut self, sick: bool) {
        if let Part::Agent(agent) = &mut self.part {
            agent.sicken(sick);
        }
    }
}

impl Store {
    fn boot(config: &Config, disk: Replay<'_, ConsulRecord>) -> Self {
        let writes = disk.iter().filter_map(|(_, record)| match record {
            Ok(ConsulRecord::Wrote(write)) => Some(*write),
            _ => None,
        });
        let fences = config.fencing == Fencing::Sequencer && !config.has(ConsulBug::NoFencing);
        Self { inside: FencedStore::of(fences, writes) }
    }
}

impl Guarded for Machine {
    fn record(write: Write) -> ConsulRecord {
        ConsulRecord::Wrote(write)
    }
    fn answer(number: u64, accepted: bool) -> ConsulMessage {
        ConsulMessage::Wrote { number, accepted }
    }
    fn fact(write: Write, accepted: bool) -> ConsulFact {
        ConsulFact::Written { write, accepted }
    }
}

impl Node for Machine {
    type Config = Rc<Config>;
    type Message = ConsulMessage;
    type Request = ConsulRequest;
    type Response = ConsulResponse;
    type Record = ConsulRecord;
    type Fact = ConsulFact;

    fn boot(config: &Rc<Config>, me: NodeId, disk: Replay<'_, ConsulRecord>, fx: &mut Fx<'_>) -> Self {
        let duty = config.duty(me);
        let mut pool = (duty != Duty::Store).then(|| Box::new(Pool::boot(config, me, disk, fx)));
        let mut part = match duty {
            Duty::Server => Part::Server(Box::new(Server::boot(config, me, disk, fx))),
            Duty::Agent => Part::Agent(Box::new(Agent::boot(config, me, fx))),
            Duty::Store => Part::Store(Store::boot(config, disk)),
        };
        if let Some(pool) = &mut pool {
            pool.arm(fx);
            match &mut part {
                Part::Server(server) => server.follow(pool, fx),
                Part::Agent(agent) => agent.arm(fx),
                Part::Store(_) => {}
            }
        }
        Self { pool, part, me, members: config.members() }
    }

    fn on_message(&mut self, from: NodeId, message: ConsulMessage, fx: &mut Fx<'_>) {
        match message {
            ConsulMessage::Pool(inner) => self.with_pool(fx, |pool, fx| pool.on_message(from, inner, fx)),
            ConsulMessage::Go => self.with_pool(fx, Pool::leave),
            ConsulMessage::Sicken { sick } => self.sicken(sick),
            message => match (&mut self.part, self.pool.as_deref()) {
                (Part::Server(server), Some(pool)) => server.on_message(from, message, pool, fx),
                (Part::Agent(agent), _) => agent.on_message(from, message, fx),
                (Part::Store(store), _) => {
                    if let ConsulMessage::Write(write) = message {
                        store.inside.on_write(from, write, fx);
                    }
                }
                (Part::Server(_), None) => {}
            },
        }
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        if timer == POOL {
            return self.with_pool(fx, Pool::on_timer);
        }
        match (&mut self.part, self.pool.as_deref()) {
            (Part::Server(server), Some(pool)) => server.on_timer(timer, pool, fx),
            (Part::Agent(agent), Some(pool)) => agent.on_clock(pool, fx),
            _ => {}
        }
    }

    /// Applications ask the agent of their machine.
    fn on_request(&mut self, ticket: Ticket, request: ConsulRequest, fx: &mut Fx<'_>) {
        match (&mut self.part, self.pool.as_deref_mut()) {
            (Part::Agent(agent), Some(pool)) => agent.on_request(ticket, request, pool, fx),
            _ => fx.refuse(ticket),
        }
    }

    fn on_disk(&mut self, done: Completion<ConsulRecord>, fx: &mut Fx<'_>) {
        match (&mut self.part, self.pool.as_deref()) {
            (Part::Server(server), Some(pool)) => server.on_disk(&done, pool, fx),
            _ => {
                if let Completion::SyncFailed { .. } = done {
                    fx.halt("a sync failed: what is on the disk is unknown");
                }
            }
        }
    }

    /// An operator's order to a member is passed on to it.
    fn on_order(&mut self, order: Order, fx: &mut Fx<'_>) {
        let Order::Own { kind, argument } = order else { return };
        let node = NodeId(argument as u32);
        let is_mine = node == self.me;
        match kind {
            0 if is_mine => self.with_pool(fx, Pool::leave),
            0 => fx.send(node, ConsulMessage::Go),
            1 => self.with_pool(fx, |pool, fx| pool.force_leave(node, fx)),
            2 | 3 if is_mine => self.sicken(kind == 2),
            2 | 3 => fx.send(node, ConsulMessage::Sicken { sick: kind == 2 }),
            5 => {
                let members = self.members;
                for node in members.saturating_sub(argument as u32)..members {
                    fx.send(NodeId(node), ConsulMessage::Go);
                }
            }
            _ => {
                if let (Part::Server(server), Some(pool)) = (&mut self.part, self.pool.as_deref()) {
                    server.propose(Command::Restore, Pending::Nothing, fx);
                    server.follow(pool, fx);
                }
            }
        }
    }

    fn takes_orders(&self) -> bool {
        self.pool.as_ref().is_some_and(|pool| pool.is_in())
    }

    fn is_read(request: &ConsulRequest) -> bool {
        request.is_read()
    }

    fn timer_name(timer: Timer) -> &'static str {
        ["pool", "clock"].get(usize::from(timer.0)).copied().unwrap_or("of the group")
    }

    fn role(&self) -> Role {
        let role = |name, rank| Role { name, rank };
        match &self.part {
            Part::Server(server) => match server.leads() {
                Some(term) => role("leader", term),
                None => role("follower", 0),
            },
            Part::Agent(_) => role("agent", 0),
            Part::Store(_) => role("store", 0),
        }
    }

    fn progress(&self) -> u64 {
        self.server().map_or(0, |server| server.council.inside().progress())
    }
}
