//! An agent: what it asks servers, and how often, on behalf of the applications and services of its machine.

use super::database::Session;
use super::message::{Ask, Consistency, ConsulMessage, ConsulRequest, ConsulResponse, Told};
use super::node::{CLOCK, Fx};
use super::options::Config;
use super::pool::{Changes, Pool};
use super::services::{Follow, Offered};
use super::tasks::{Standing, Task, TaskKey};
use crate::shared::swim::Status;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, NodeId, Ticket};
use std::rc::Rc;

/// What a question to a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum For {
    /// An operation of an application.
    Task(TaskKey),
    /// The beginning of its session.
    Open,
    /// That it lasts.
    Renew,
    /// Its end.
    Close,
    /// The state of its service.
    Service,
    /// All of it.
    Sync,
    /// Where a service runs.
    Follow(u64),
}

/// A question without an answer.
#[derive(Clone, Debug)]
struct Rpc {
    ask: Ask,
    whose: For,
    /// When it is given up, or asked again.
    due: LocalInstant,
    /// Whether a server has said that it was not done.
    refused: bool,
    /// Who was asked last, and whether that has said since that the query waits there.
    at: NodeId,
    waits: bool,
}

/// An agent.
#[derive(Clone, Debug)]
pub struct Agent {
    pub(super) config: Rc<Config>,
    pub(super) me: NodeId,
    /// Whom it asks.
    server: NodeId,
    last_rpc: u64,
    rpcs: SortedMap<u64, Rpc>,
    pub(super) offered: Option<Offered>,
    pub(super) next_sync: LocalInstant,
    pub(super) follows: SortedMap<u64, Follow>,
    /// Calls under way: which operation, where to, and until when.
    pub(super) calls: SortedMap<u64, (TaskKey, NodeId, LocalInstant)>,
    pub(super) last_call: u64,
    pub(super) session: Session,
    pub(super) standing: Standing,
    pub(super) renew_at: LocalInstant,
    /// Whether it still renews its session.
    pub(super) renews: bool,
    pub(super) tasks: SortedMap<TaskKey, Task>,
    /// How often it has written to the store.
    pub(super) writes: u64,
}

impl Agent {
    pub(super) fn boot(config: &Rc<Config>, me: NodeId, fx: &mut Fx<'_>) -> Self {
        let now = fx.now();
        let server = NodeId(fx.rng().below(u64::from(config.servers.max(1))) as u32);
        let asks = config.servers > 0;
        let offered = config.offers(me).map(|service| Offered::new(service, config, fx));
        let follows = (0..config.services).filter(|_| asks && config.follow).map(|service| (service, Follow::new(now)));
        let follows = follows.collect();
        let next_sync = now + config.spread(Duration::secs(3), config.members(), fx);
        Self {
            config: Rc::clone(config),
            me,
            server,
            // An answer to an earlier life is none to this one.
            last_rpc: fx.rng().next_u64() >> 24,
            rpcs: SortedMap::new(),
            offered,
            next_sync,
            follows,
            calls: SortedMap::new(),
            last_call: fx.rng().next_u64() >> 24,
            session: Session(0),
            standing: Standing::None,
            renew_at: now,
            renews: true,
            tasks: SortedMap::new(),
            writes: fx.rng().next_u64() >> 24,
        }
    }

    /// Asks a server.
    pub(super) fn ask(&mut self, ask: Ask, whose: For, fx: &mut Fx<'_>) {
        self.last_rpc += 1;
        let due = fx.now() + self.config.rpc_timeout;
        self.rpcs.insert(self.last_rpc, Rpc { ask, whose, due, refused: false, at: self.server, waits: false });
        self.send(self.last_rpc, fx);
    }

    fn send(&mut self, number: u64, fx: &mut Fx<'_>) {
        let Some(rpc) = self.rpcs.get_mut(&number) else { return };
        // A query stays where it waits, as long as it does. Under stale reads any server will do, each time another.
        if !core::mem::take(&mut rpc.waits) {
            rpc.at = match rpc.ask.consistency() {
                Consistency::Stale => NodeId(fx.rng().below(u64::from(self.config.servers)) as u32),
                _ => self.server,
            };
        }
        fx.send(rpc.at, ConsulMessage::Rpc { number, ask: rpc.ask.clone() });
    }

    fn next_server(&mut self, fx: &mut Fx<'_>) {
        self.server = NodeId(fx.rng().below(u64::from(self.config.servers.max(1))) as u32);
    }

    /// Whether a question for this is under way.
    pub(super) fn asks_for(&self, what: For) -> bool {
        self.rpcs.values().any(|rpc| rpc.whose == what)
    }

    /// Questions for this are not asked any more.
    pub(super) fn forget_rpcs(&mut self, of: impl Fn(For) -> bool) {
        self.rpcs.retain(|_, rpc| !of(rpc.whose));
    }

    pub(super) fn on_message(&mut self, from: NodeId, message: ConsulMessage, fx: &mut Fx<'_>) {
        match message {
            ConsulMessage::Reply { number, told, as_of } => self.on_reply(number, told, as_of, fx),
            ConsulMessage::Call { number, service } => self.serve(from, number, service, fx),
            ConsulMessage::Called { number, failed } => self.on_called(number, failed, fx),
            ConsulMessage::Wrote { number, .. } => self.on_wrote(number, fx),
            _ => {}
        }
        self.arm(fx);
    }

    fn on_reply(&mut self, number: u64, told: Told, as_of: u64, fx: &mut Fx<'_>) {
        if told == Told::NoLeader {
            if let Some(rpc) = self.rpcs.get_mut(&number) {
                // It was not done: it is asked again in a while, of somebody else.
                (rpc.due, rpc.refused) = (fx.now() + self.config.rpc_retry, true);
                let whose = rpc.whose;
                self.next_server(fx);
                self.on_no_leader(whose, number, fx);
            }
            return;
        }
        if told == Told::Waiting {
            if let Some(rpc) = self.rpcs.get_mut(&number) {
                rpc.waits = true;
            }
            return;
        }
        let Some(rpc) = self.rpcs.remove(&number) else { return };
        match (rpc.whose, told) {
            (For::Task(key), told) => self.on_task(key, &rpc.ask, told, as_of, fx),
            (For::Open, Told::Answer(answer)) => self.on_opened(answer.is_done(), fx),
            (For::Close, Told::Answer(_)) => self.on_closed(fx),
            (For::Renew, Told::Renewed(lasts)) => self.on_renewed(lasts, fx),
            (For::Service, Told::Answer(_)) => self.tell_service(fx),
            (For::Sync, Told::Synced(repaired)) => self.on_synced(repaired, fx),
            (For::Follow(service), Told::Instances { nodes, index }) => {
                self.on_instances(service, nodes, index, as_of, fx);
            }
            _ => {}
        }
    }

    /// Nobody leads, or nobody answers.
    fn on_no_leader(&mut self, whose: For, number: u64, fx: &mut Fx<'_>) {
        match whose {
            For::Sync => {
                self.rpcs.remove(&number);
                let (retry, members) = (Duration::secs(15), self.config.members());
                self.next_sync = fx.now() + self.config.ae(retry) + self.config.spread(retry, members, fx);
            }
            For::Renew => self.renewal_failed(),
            _ => {}
        }
    }

    /// Asks again what has had no answer, or gives it up: nobody knows whether a write was done. A query that waits is
    /// asked again, too: what TCP does about a lost answer, and about a server that is gone.
    fn look_after_rpcs(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let due: Vec<u64> = self.rpcs.iter().filter(|(_, rpc)| rpc.due <= now).map(|(number, _)| *number).collect();
        let is_silent = |number: &u64| self.rpcs.get(number).is_some_and(|rpc| !rpc.waits);
        if due.iter().any(is_silent) {
            self.next_server(fx);
        }
        for number in due {
            let Some(rpc) = self.rpcs.get(&number) else { continue };
            let (whose, patience) = (rpc.whose, self.config.rpc_timeout);
            if !rpc.ask.is_harmless() && !rpc.refused {
                self.rpcs.remove(&number);
                if let For::Task(key) = whose {
                    self.tasks.remove(&key);
                }
                continue;
            }
            self.on_no_leader(whose, number, fx);
            if let Some(rpc) = self.rpcs.get_mut(&number) {
                (rpc.due, rpc.refused) = (now + patience, false);
                self.send(number, fx);
            }
        }
    }

    pub(super) fn on_changes(&mut self, changes: &Changes, fx: &mut Fx<'_>) {
        let server_is_up =
            changes.iter().any(|(node, status)| node.0 < self.config.servers && *status == Some(Status::Alive));
        if server_is_up {
            let soon = fx.now() + self.config.spread(self.config.ae(Duration::secs(3)), self.config.members(), fx);
            self.next_sync = self.next_sync.min(soon);
        }
        self.arm(fx);
    }

    pub(super) fn on_clock(&mut self, pool: &Pool, fx: &mut Fx<'_>) {
        self.look_after_rpcs(fx);
        self.look_after_service(fx);
        self.sync_if_due(pool, fx);
        self.look_after_follows(fx);
        self.look_after_calls(fx);
        self.look_after_session(fx);
        self.look_after_tasks(fx);
        self.arm(fx);
    }

    /// Wakes up when something is due next.
    pub(super) fn arm(&self, fx: &mut Fx<'_>) {
        if self.config.servers == 0 {
            return;
        }
        let now = fx.now();
        let mut due = self.next_sync;
        due = self.rpcs.values().map(|rpc| rpc.due).fold(due, LocalInstant::min);
        due = self.offered.as_ref().and_then(|it| it.next_due(&self.config)).into_iter().fold(due, LocalInstant::min);
        due = self.follows.values().filter_map(|follow| follow.again).fold(due, LocalInstant::min);
        due = self.calls.values().map(|(_, _, until)| *until).fold(due, LocalInstant::min);
        due = self.tasks.values().filter_map(Task::next_due).fold(due, LocalInstant::min);
        if matches!(self.standing, Standing::Opening | Standing::Open) {
            due = due.min(self.renew_at);
        }
        fx.arm(CLOCK, Duration(due.0.saturating_sub(now.0).max(1)));
    }

    /// An application asks something. A second try of the same is the same.
    pub(super) fn on_request(&mut self, ticket: Ticket, request: ConsulRequest, pool: &mut Pool, fx: &mut Fx<'_>) {
        match request {
            ConsulRequest::Members => {
                fx.reply(ticket, ConsulResponse::Alive { members: pool.serf().swim().alive() });
            }
            ConsulRequest::Event { what } if pool.has_not_left() => {
                pool.event(what, fx);
                fx.reply(ticket, ConsulResponse::Done);
            }
            ConsulRequest::Reload => fx.reply(ticket, ConsulResponse::Done),
            _ if self.config.servers == 0 || !pool.has_not_left() => fx.refuse(ticket),
            request => self.on_task_wanted(ticket, request, fx),
        }
        self.arm(fx);
    }
}
