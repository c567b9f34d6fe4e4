//! What runs beside an agent: its service and the check of that, the catalog's image of it (anti-entropy), and whom an
//! application would call (followers of the catalog).

use super::agent::{Agent, For};
use super::bugs::ConsulBug;
use super::database::{Command, Health, Index};
use super::message::{Ask, ConsulFact, ConsulMessage, ConsulResponse, Watched};
use super::node::Fx;
use super::options::{Check, Config};
use super::pool::Pool;
use super::tasks::TaskKey;
use sim_core::{Duration, LocalInstant, NodeId};

/// A service of this machine, and its check.
#[derive(Clone, Debug)]
pub(super) struct Offered {
    pub service: u64,
    /// Whether it fails, by an operator's order.
    pub sick: bool,
    health: Health,
    /// How many checks in a row have said something else.
    streak: u32,
    next_check: LocalInstant,
    /// Until when the last report of the service holds, for a check by a time to live.
    reported: LocalInstant,
    critical_since: Option<LocalInstant>,
    /// Whether it was critical for so long that it is registered no longer.
    deregistered: bool,
    next_reap: LocalInstant,
    /// Whether the catalog may not have heard of the last change.
    dirty: bool,
}

impl Offered {
    pub fn new(service: u64, config: &Config, fx: &mut Fx<'_>) -> Self {
        let now = fx.now();
        // A check runs first after a random part of its interval, and is critical until then.
        let next_check = now + Duration(fx.rng().below(config.check_interval.0));
        Self {
            service,
            sick: false,
            health: Health::Critical,
            streak: 0,
            next_check,
            reported: now,
            critical_since: Some(now),
            deregistered: false,
            next_reap: now + config.deregister_interval,
            dirty: false,
        }
    }

    pub fn next_due(&self, config: &Config) -> Option<LocalInstant> {
        let mut due = self.next_check;
        if config.deregister_critical_after > Duration::ZERO && self.critical_since.is_some() && !self.deregistered {
            due = due.min(self.next_reap);
        }
        Some(due)
    }

    /// The services to be registered.
    fn registered(&self) -> Vec<(u64, Health)> {
        if self.deregistered { Vec::new() } else { vec![(self.service, self.health)] }
    }

    /// What the check says, and what it makes of that.
    fn judge(&mut self, passes: bool, config: &Config, now: LocalInstant) -> bool {
        let says = if passes { Health::Passing } else { Health::Critical };
        if says == self.health {
            self.streak = 0;
            return false;
        }
        self.streak += 1;
        let needed = if passes { config.success_before_passing } else { config.failures_before_critical };
        if self.streak < needed.max(1) {
            return false;
        }
        (self.health, self.streak) = (says, 0);
        self.critical_since = (says == Health::Critical).then_some(now);
        true
    }
}

/// What a follower of the catalog knows of a service.
#[derive(Clone, Debug)]
pub(super) struct Follow {
    pub nodes: Vec<NodeId>,
    pub index: Index,
    /// When it asks again; `None` while it waits for an answer.
    pub again: Option<LocalInstant>,
}

impl Follow {
    pub fn new(now: LocalInstant) -> Self {
        Self { nodes: Vec::new(), index: Index(0), again: Some(now) }
    }
}

impl Agent {
    /// Where a follower here believes that a service runs; `None` if it does not follow.
    #[must_use]
    pub fn believes(&self, service: u64) -> Option<&[NodeId]> {
        self.follows.get(&service).map(|follow| follow.nodes.as_slice())
    }

    /// Its service and what it takes it for; `None` if there is none, or it is registered no longer.
    #[must_use]
    pub fn offers(&self) -> Option<(u64, Health)> {
        self.offered.as_ref().and_then(|it| it.registered().first().copied())
    }

    /// An operator tells that the service fails, or does not any more.
    pub(super) fn sicken(&mut self, sick: bool) {
        if let Some(offered) = &mut self.offered {
            offered.sick = sick;
        }
    }

    /// Runs the check, if it is its turn, and deregisters what has been critical for long.
    pub(super) fn look_after_service(&mut self, fx: &mut Fx<'_>) {
        let (now, config) = (fx.now(), self.config.clone());
        let Some(offered) = &mut self.offered else { return };
        let mut changed = false;
        if offered.next_check <= now {
            let passes = match config.check {
                Check::Script => !offered.sick,
                Check::Ttl => {
                    if !offered.sick {
                        offered.reported = now + config.check_ttl;
                    }
                    offered.reported > now
                }
            };
            changed = offered.judge(passes, &config, now);
            offered.next_check = now + config.check_interval;
            if changed {
                let passing = offered.health == Health::Passing;
                fx.note(ConsulFact::Checked { service: offered.service, passing });
            }
        }
        let after = config.deregister_critical_after;
        if after > Duration::ZERO && offered.next_reap <= now {
            offered.next_reap = now + config.deregister_interval;
            let long = offered.critical_since.is_some_and(|since| since + after <= now);
            if long && !offered.deregistered {
                offered.deregistered = true;
                changed = true;
                fx.note(ConsulFact::Deregistered { service: offered.service });
            }
        }
        if changed {
            offered.dirty = true;
            self.tell_service(fx);
        }
    }

    /// Tells a server of the last change: one at a time, so that no older one comes behind a newer.
    pub(super) fn tell_service(&mut self, fx: &mut Fx<'_>) {
        if self.asks_for(For::Service) || self.config.servers == 0 {
            return;
        }
        let node = self.me;
        let Some(offered) = self.offered.as_mut().filter(|offered| offered.dirty) else { return };
        offered.dirty = false;
        let service = offered.service;
        let command = match offered.registered().first() {
            Some((_, health)) => Command::Service { node, service, health: *health },
            None => Command::NoService { node, service },
        };
        self.ask(Ask::Change(command), For::Service, fx);
    }

    /// Anti-entropy: the catalog shall say what the agent does, whatever it says now.
    pub(super) fn sync_if_due(&mut self, pool: &Pool, fx: &mut Fx<'_>) {
        let now = fx.now();
        if self.next_sync > now {
            return;
        }
        let every = self.config.anti_entropy;
        self.next_sync = now + every + self.config.spread(every, self.config.members(), fx);
        if pool.is_in() && !self.asks_for(For::Sync) {
            let services = self.offered.as_ref().map(Offered::registered).unwrap_or_default();
            self.ask(Ask::Sync(services), For::Sync, fx);
        }
    }

    pub(super) fn on_synced(&mut self, repaired: u32, fx: &mut Fx<'_>) {
        fx.note(ConsulFact::Synced { repaired });
    }

    pub(super) fn look_after_follows(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let due: Vec<(u64, Index)> = self
            .follows
            .iter_mut()
            .filter_map(|(service, follow)| follow.again.take_if(|at| *at <= now).map(|_| (*service, follow.index)))
            .collect();
        for (service, index) in due {
            let ask = Ask::Watch(Watched::Service(service), index, self.config.follow_consistency);
            self.ask(ask, For::Follow(service), fx);
        }
    }

    /// A query has been answered: with something new, or because it had waited for long.
    pub(super) fn on_instances(&mut self, service: u64, nodes: Vec<NodeId>, index: Index, as_of: u64, fx: &mut Fx<'_>) {
        let keeps = self.config.has(ConsulBug::LargerIndexKept);
        let Some(follow) = self.follows.get_mut(&service) else { return };
        // An index that goes back is of another history: all is asked for anew (consul issue 7939).
        let went_back = index < follow.index;
        follow.again = Some(fx.now() + self.config.follow_pause);
        if went_back && keeps {
            return;
        }
        if went_back {
            follow.index = Index(0);
            return;
        }
        fx.note(ConsulFact::Follows { service, index, passing: nodes.len() as u32, as_of });
        (follow.nodes, follow.index) = (nodes, index);
    }

    /// An application calls a service, wherever it runs.
    pub(super) fn call(&mut self, key: TaskKey, service: u64, fx: &mut Fx<'_>) {
        let known = self.follows.get(&service).map(|follow| follow.nodes.clone()).unwrap_or_default();
        let Some(at) = fx.rng().pick(&known).copied() else { return self.refuse(key, fx) };
        self.last_call += 1;
        let number = self.last_call;
        self.calls.insert(number, (key, at, fx.now() + self.config.call_timeout));
        fx.send(at, ConsulMessage::Call { number, service });
    }

    /// Somebody calls the service of this machine.
    pub(super) fn serve(&mut self, from: NodeId, number: u64, service: u64, fx: &mut Fx<'_>) {
        let failed = !self.offered.as_ref().is_some_and(|offered| offered.service == service && !offered.sick);
        fx.send(from, ConsulMessage::Called { number, failed });
    }

    pub(super) fn on_called(&mut self, number: u64, failed: bool, fx: &mut Fx<'_>) {
        let Some((key, at, _)) = self.calls.remove(&number) else { return };
        fx.note(ConsulFact::Called { at, failed });
        if failed {
            self.refuse(key, fx);
        } else {
            self.finish(key, ConsulResponse::Served { at }, fx);
        }
    }

    pub(super) fn look_after_calls(&mut self, fx: &mut Fx<'_>) {
        let now = fx.now();
        let late: Vec<u64> =
            self.calls.iter().filter(|(_, (.., until))| *until <= now).map(|(number, _)| *number).collect();
        late.into_iter().for_each(|number| self.on_called(number, true, fx));
    }
}
