//! What a leader does beside: sessions' clocks, the catalog as the pool sees it, servers that are gone.

use super::bugs::ConsulBug;
use super::database::{Answer, Command, Health, Session, Why};
use super::message::{ConsulFact, Told};
use super::node::Fx;
use super::options::Config;
use super::pool::Pool;
use super::server::Server;
use crate::shared::replication::{Proposal, Reign};
use crate::shared::swim::Status;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, LocalInstant, Node, NodeId, NodeSet, Order};

/// What a proposal is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pending {
    /// For all before it to be applied.
    Barrier,
    /// For an agent that waits for the answer, by its number.
    Reply(NodeId, u64),
    /// For an agent whose services are compared: so many differences.
    Synced(NodeId, u64, u32),
    /// For nobody who waits.
    Nothing,
}

/// A leader.
#[derive(Clone, Debug)]
pub(super) struct Lead {
    pub reign: Reign,
    /// Whether it has applied all that was decided before.
    pub established: bool,
    pub pending: SortedMap<Proposal, Pending>,
    /// When each session ends, unless it is renewed.
    timers: SortedMap<Session, LocalInstant>,
    reconcile_at: LocalInstant,
    autopilot_at: LocalInstant,
    /// Since when each server that has no vote has been seen alive.
    healthy: SortedMap<NodeId, LocalInstant>,
}

/// How long until a leader tries once more to end a session.
const AGAIN: Duration = Duration::secs(10);

impl Lead {
    pub fn new(reign: Reign, now: LocalInstant, config: &Config) -> Self {
        Self {
            reign,
            established: false,
            pending: SortedMap::new(),
            timers: SortedMap::new(),
            reconcile_at: now + config.reconcile,
            autopilot_at: now + config.autopilot,
            healthy: SortedMap::new(),
        }
    }

    /// When it has something to do next.
    pub fn next_due(&self) -> Option<LocalInstant> {
        let timers = self.timers.values().min().copied().unwrap_or(self.reconcile_at);
        self.established.then(|| timers.min(self.reconcile_at).min(self.autopilot_at))
    }
}

impl Server {
    fn session_lasts(&self) -> Duration {
        // Consul promises the TTL, and waits for twice that.
        self.config.session_ttl.times(2)
    }

    /// It has applied all that was decided before it: it starts the clocks of all sessions anew, and sees to the
    /// catalog.
    pub(super) fn establish(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let sessions: Vec<Session> = self.database().sessions().collect();
        let forgets = self.has(ConsulBug::ForgottenTimers);
        let until = if forgets { now } else { now + self.session_lasts() };
        let no_ttl = self.has(ConsulBug::LockWithoutTtl);
        let Some(lead) = &mut self.lead else { return };
        lead.established = true;
        if !no_ttl {
            lead.timers = sessions.into_iter().map(|session| (session, until)).collect();
        }
        lead.reconcile_at = now;
        fx.note(ConsulFact::Leads { term: lead.reign.0 });
    }

    pub(super) fn begin_session(&mut self, session: Session, fx: &mut Fx<'_>) {
        let until = fx.now() + self.session_lasts();
        let no_ttl = self.has(ConsulBug::LockWithoutTtl);
        let is_there = self.database().has(session);
        if let Some(lead) = self.lead.as_mut().filter(|lead| lead.established && !no_ttl && is_there) {
            lead.timers.insert(session, until);
        }
    }

    pub(super) fn forget_session(&mut self, session: Session) {
        if let Some(lead) = &mut self.lead {
            lead.timers.remove(&session);
        }
    }

    /// A session shall last. Whether it does.
    pub(super) fn renew(&mut self, session: Session, fx: &mut Fx<'_>) -> bool {
        let lasts = self.database().has(session);
        if lasts {
            self.begin_session(session, fx);
            fx.note(ConsulFact::Lasts { session });
        }
        lasts
    }

    /// Does what is due.
    pub(super) fn tend(&mut self, pool: &Pool, fx: &mut Fx<'_>) {
        let (now, config) = (fx.now(), self.config.clone());
        let Some(lead) = self.lead.as_mut().filter(|lead| lead.established) else { return };
        let mut over = Vec::new();
        for (session, until) in &mut lead.timers {
            if *until <= now {
                *until = now + AGAIN;
                over.push(*session);
            }
        }
        let reconciles = lead.reconcile_at <= now;
        if reconciles {
            lead.reconcile_at = now + config.reconcile;
        }
        let looks_after_servers = lead.autopilot_at <= now;
        if looks_after_servers {
            lead.autopilot_at = now + config.autopilot;
        }
        for session in over {
            if self.database().has(session) {
                fx.note(ConsulFact::Expires { session });
                self.propose(Command::End { session, why: Why::Expired }, Pending::Nothing, fx);
            } else {
                self.forget_session(session);
            }
        }
        if reconciles {
            (0..config.members()).for_each(|node| self.reconcile(NodeId(node), pool, fx));
        }
        if looks_after_servers {
            self.look_after_servers(pool, fx);
        }
    }

    /// The catalog shall say of a node what the pool does.
    pub(super) fn reconcile(&mut self, node: NodeId, pool: &Pool, fx: &mut Fx<'_>) {
        // Who has just come back itself knows nobody.
        if self.leads().is_none() || !pool.is_in() {
            return;
        }
        let registered = self.database().node(node).map(|node| node.health);
        let command = match pool.serf().status(node) {
            Some(Status::Alive | Status::Leaving) if registered != Some(Health::Passing) => {
                Command::Node { node, health: Health::Passing }
            }
            Some(Status::Failed) if registered == Some(Health::Passing) => {
                Command::Node { node, health: Health::Critical }
            }
            Some(Status::Left) | None if registered.is_some() => Command::NoNode { node },
            _ => return,
        };
        self.propose(command, Pending::Nothing, fx);
    }

    /// All services of an agent: what the catalog says of them otherwise is repaired.
    pub(super) fn sync(&mut self, agent: NodeId, number: u64, services: &[(u64, Health)], fx: &mut Fx<'_>) {
        let mut repairs = Vec::new();
        let node = self.database().node(agent);
        if node.is_none() {
            repairs.push(Command::Node { node: agent, health: Health::Passing });
        }
        let registered = |service: u64| node.and_then(|node| node.services.get(&service)).map(|it| it.health);
        let differ = services.iter().filter(|(service, health)| registered(*service) != Some(*health));
        repairs.extend(differ.map(|(service, health)| Command::Service {
            node: agent,
            service: *service,
            health: *health,
        }));
        let known = node.into_iter().flat_map(|node| node.services.keys());
        let unknown = known.filter(|service| services.iter().all(|(known, _)| known != *service));
        repairs.extend(unknown.map(|service| Command::NoService { node: agent, service: *service }));
        let Some(last) = repairs.pop() else { return self.reply(agent, number, Told::Synced(0), fx) };
        let repaired = repairs.len() as u32 + 1;
        repairs.into_iter().for_each(|command| self.propose(command, Pending::Nothing, fx));
        self.propose(last, Pending::Synced(agent, number, repaired), fx);
    }

    /// Autopilot: servers that have failed lose their vote, as long as enough are left; those that are back get it once
    /// they have been there for a while.
    fn look_after_servers(&mut self, pool: &Pool, fx: &mut Fx<'_>) {
        let (now, config) = (fx.now(), self.config.clone());
        let Some(mut voters) = self.council.inside().members().filter(|_| pool.is_in()) else { return };
        let is_up = |server: NodeId| {
            server == self.me || matches!(pool.serf().status(server), Some(Status::Alive | Status::Leaving))
        };
        let least = if self.has(ConsulBug::NoMinQuorum) { 0 } else { config.min_quorum };
        let removable = (voters.iter().count() as u32).saturating_sub(1) / 2;
        let mut removed = Vec::new();
        if config.cleanup_dead_servers {
            for server in voters.iter().filter(|server| !is_up(*server)).take(removable as usize) {
                let left = voters.iter().count() - removed.len();
                if left as u32 > least {
                    removed.push(server);
                }
            }
        }
        for server in &removed {
            voters = voters.without(*server);
            fx.note(ConsulFact::CleansUp { server: *server });
        }
        let mut added = NodeSet::default();
        for server in (0..config.servers).map(NodeId).filter(|server| !voters.has(*server)) {
            let Some(lead) = &mut self.lead else { return };
            if removed.contains(&server) || !matches!(pool.serf().status(server), Some(Status::Alive)) {
                lead.healthy.remove(&server);
            } else if now >= *lead.healthy.entry(server).or_insert(now) + config.server_stabilization {
                added = added.with(server);
            }
        }
        if !removed.is_empty() || !added.is_empty() {
            let set = added.iter().fold(voters, NodeSet::with);
            self.council.on_order(Order::Members(set), fx);
        }
    }
}

impl Answer {
    /// Whether the database has done what it was told.
    #[must_use]
    pub const fn is_done(self) -> bool {
        matches!(self, Self::Done(_) | Self::Locked { .. })
    }
}
