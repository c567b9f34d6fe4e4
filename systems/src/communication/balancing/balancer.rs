//! A balancer: takes requests from clients, passes them on, tries elsewhere what fails, and watches the servers.

use super::bugs::BalancingBug;
use super::config::Hedge;
use super::endpoints::Endpoints;
use super::fact::{BalancingFact, Reason};
use super::host::{Forward, Host};
use super::message::{CheckRound, RequestNumber, TryNumber};
use super::near::Near;
use super::options::Config;
use super::picker::Picker;
use super::policy::Policy;
use super::probes::Probes;
use super::requests::{Request, Requests};
use sim_core::{Duration, LocalInstant, NodeId, NodeSet, Ticket, Timer};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Comes due when the oldest try has taken too long.
const DEADLINE: Timer = Timer(0);
/// ... when a retry or a hedge is due.
const LATER: Timer = Timer(1);
/// ... when the oldest request's client waits no longer.
const EXPIRY: Timer = Timer(2);
/// ... when an ejection ends, or a circuit may be tried.
const RETURN: Timer = Timer(3);
/// ... when a server that is being spared gets a little more.
const WARM: Timer = Timer(4);
/// ... when servers are to be checked.
const CHECK: Timer = Timer(5);
/// ... when checks have taken too long.
const CHECKED: Timer = Timer(6);
/// ... when the others are told again who the servers are.
const GOSSIP: Timer = Timer(7);

/// Retries that may be saved up, in parts per million of one.
const SAVED: u64 = 100 * MILLION;
const MILLION: u64 = 1_000_000;
/// Between two times that the others are told who the servers are.
const GOSSIP_EVERY: Duration = Duration::secs(1);
/// In how many steps a server that is being spared gets its whole weight back.
const WARM_STEPS: u64 = 20;
/// By how much the estimate of a percentile moves with each answer, as a share of itself: 1 / 64.
const ESTIMATE_SHIFT: u32 = 6;

/// What is to be done later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Later {
    /// Try again, elsewhere than there.
    Retry(u32),
    /// Ask a second server.
    Hedge,
}

/// Spreads requests over servers.
#[derive(Clone, Debug)]
pub struct Balancer {
    picker: Picker,
    endpoints: Endpoints,
    probes: Probes,
    requests: Requests,
    /// When each try has taken too long, in the order in which they were made.
    deadlines: VecDeque<(LocalInstant, TryNumber)>,
    /// When each request's client waits no longer, in the order in which they came.
    expiries: VecDeque<(LocalInstant, RequestNumber)>,
    /// What is to be done later with which request.
    later: BinaryHeap<Reverse<(LocalInstant, RequestNumber, Later)>>,
    /// Requests for which no server is free, under a central queue.
    waiting: VecDeque<RequestNumber>,
    /// Retries that may be made, in parts per million of one.
    budget: u64,
    /// What the given share of answers take at most, as far as one can tell.
    estimate: Duration,
    /// Who serves, as nodes, and how often that has changed. `None` in a cluster too large to change.
    members: Option<(u64, NodeSet)>,
    /// Which servers are near, where that matters, and whether far ones are asked.
    near: Option<Near>,
    spills: bool,
}

impl Balancer {
    /// How many timers it uses.
    pub const TIMERS: u16 = 8;

    /// One that has just started.
    pub fn new(config: &Config, near: Option<Near>, fx: &mut impl Host) -> Self {
        let nodes = (config.balancers + config.servers()) as usize;
        let members = NodeSet::first(if nodes <= NodeSet::LIMIT { nodes - config.spares as usize } else { 0 })
            .minus(NodeSet::first((config.balancers as usize).min(NodeSet::LIMIT)));
        let mut this = Self {
            picker: Picker::new(config, fx.now(), fx.rng()),
            endpoints: Endpoints::new(config),
            probes: Probes::new(CheckRound(fx.rng().next_u64())),
            requests: Requests::new(fx.rng().next_u64() as u32),
            deadlines: VecDeque::new(),
            expiries: VecDeque::new(),
            later: BinaryHeap::new(),
            waiting: VecDeque::new(),
            budget: 0,
            estimate: Duration::ZERO,
            members: (nodes <= NodeSet::LIMIT).then_some((0, members)),
            near,
            spills: false,
        };
        let servers: Vec<u32> = (0..config.servers() - config.spares).collect();
        this.endpoints.members(config, &servers, fx.me().0, true, fx);
        this.look(config, fx);
        if let Some(health) = config.health {
            // Not all balancers at the same time.
            let first = Duration(fx.rng().below(health.interval.0));
            fx.arm(CHECK, first);
        }
        // After a restart the others know better.
        this.gossip(config, fx);
        this
    }

    /// Requests under way or waiting.
    #[must_use]
    pub fn length(&self) -> usize {
        self.requests.len()
    }

    /// Tries that servers have: as they are counted for the choice of servers, and as they are.
    #[must_use]
    pub fn in_flight(&self) -> (u64, u64) {
        (self.picker.in_flight(), self.requests.tries() as u64)
    }

    /// The servers that are members, as far as this balancer knows.
    pub fn members(&self) -> Option<NodeSet> {
        self.members.map(|(_, members)| members)
    }

    /// Servers that are ejected for what became of requests, of how many it uses.
    pub fn ejected(&self) -> (usize, usize) {
        (self.endpoints.ejected(), self.endpoints.mine().len())
    }

    /// The servers it uses.
    pub fn mine(&self) -> &[u32] {
        self.endpoints.mine()
    }

    /// How many servers it may choose from now.
    pub const fn choices(&self) -> usize {
        self.picker.choices()
    }

    /// Brings the choice of servers up to date after something has changed.
    fn look(&mut self, config: &Config, fx: &mut impl Host) {
        if let Some(usable) = self.endpoints.changed(config, fx) {
            let now = fx.now();
            let usable = match &self.near {
                Some(near) => {
                    let (chosen, spills) = near.choose(self.endpoints.mine(), usable);
                    if core::mem::replace(&mut self.spills, spills) != spills {
                        fx.spills(spills);
                    }
                    chosen
                }
                None => usable,
            };
            let endpoints = &self.endpoints;
            self.picker.allow(config, usable, |server| endpoints.warmth(server, config.slow_start, now));
            if let Some(next) = endpoints.next() {
                fx.arm(RETURN, next.since(now));
            }
            if endpoints.is_warming(config.slow_start, now) {
                fx.arm(WARM, Duration(config.slow_start.0 / WARM_STEPS).max(Duration::nanos(1)));
            }
        }
    }

    /// A request comes, about `key`, whose client waits so long.
    pub fn on_request(
        &mut self,
        config: &Config,
        ticket: Ticket,
        key: u64,
        within: Option<Duration>,
        fx: &mut impl Host,
    ) {
        self.budget = (self.budget + u64::from(config.retry_budget_ppm.unwrap_or(0))).min(SAVED);
        if config.most_requests.is_some_and(|most| self.requests.len() >= most as usize) {
            return fx.refused(ticket, Reason::Overflow);
        }
        let now = fx.now();
        let expires = within.map(|within| now + within);
        let request = self.requests.begin(ticket, key, now, expires);
        if let (Some(within), Some(expires)) = (within, expires) {
            if self.expiries.front().is_none_or(|(first, _)| expires < *first) {
                fx.arm(EXPIRY, within);
            }
            // Mostly the last one.
            let behind = self.expiries.iter().rev().take_while(|(other, _)| *other > expires).count();
            self.expiries.insert(self.expiries.len() - behind, (expires, request));
        }
        self.send(config, request, None, fx);
        if let Some(after) = self.hedge_after(config) {
            self.do_later(now + after, request, Later::Hedge, fx);
        }
    }

    fn hedge_after(&self, config: &Config) -> Option<Duration> {
        match config.hedge? {
            Hedge::After(after) => Some(after),
            Hedge::Percentile(_) => (self.estimate != Duration::ZERO).then_some(self.estimate),
        }
    }

    /// Sends a request to some server, but not to `but` if there is another. False if there is none to send it to now.
    fn send<H: Host>(&mut self, config: &Config, request: RequestNumber, but: Option<u32>, fx: &mut H) -> bool {
        let Some(this) = self.requests.get(request) else { return false };
        let (now, key, ticket, expires) = (fx.now(), this.key, this.ticket, this.expires);
        let attempt = this.tries + 1;
        if H::PUNCTUAL && expires.is_some_and(|expires| expires <= now) {
            self.drop_request(request, Reason::Deadline, fx);
            return false;
        }
        let is_hedge = this.is_under_way();
        let Some(server) = self.picker.pick(config, key, but, now, fx.rng()) else {
            if is_hedge {
                return false;
            }
            let why = if self.endpoints.is_cut() { Reason::CircuitOpen } else { Reason::NoServer };
            if config.policy == Policy::CentralQueue {
                let servers = self.endpoints.mine().len();
                if self.waiting.len() < (config.queue_limit as usize).saturating_mul(servers.max(1)) {
                    self.waiting.push_back(request);
                } else {
                    self.drop_request(request, Reason::Overflow, fx);
                }
            } else {
                self.drop_request(request, why, fx);
            }
            return false;
        };
        let id = self.requests.tried(request, server, now);
        self.picker.sent(server);
        self.endpoints.sent(config, server);
        let within = expires.map(|expires| expires.since(now));
        fx.forward(config.server(server), Forward { id, ticket, request, key, attempt, within });
        if self.deadlines.is_empty() {
            fx.arm(DEADLINE, config.attempt_timeout);
        }
        self.deadlines.push_back((now + config.attempt_timeout, id));
        self.look(config, fx);
        true
    }

    /// A request is not served after all.
    fn drop_request(&mut self, request: RequestNumber, why: Reason, fx: &mut impl Host) {
        if let Some(Request { ticket, .. }) = self.requests.end(request) {
            fx.refused(ticket, why);
        }
    }

    /// A server has done it.
    pub fn on_done(&mut self, config: &Config, id: TryNumber, fx: &mut impl Host) {
        let Some(this) = self.requests.take(id) else { return };
        let now = fx.now();
        let took = now.since(this.sent);
        self.picker.ended(this.server);
        self.picker.took(config, this.server, took, now);
        self.endpoints.served(config, this.server, fx);
        self.took(config, took);
        if let Some(request) = self.requests.end(this.request) {
            fx.served(request.ticket);
            // The loser of a hedge is not needed any more.
            for id in request.others(Some(id)) {
                if let Some(loser) = self.requests.take(id) {
                    self.picker.ended(loser.server);
                    self.endpoints.undecided(loser.server, fx);
                    let under_way = now.since(loser.sent);
                    if under_way > self.estimate {
                        // However long it would have taken: it is one of those that take longer, or only the winners
                        // would count.
                        self.took(config, under_way);
                    }
                    fx.cancel(config.server(loser.server), id, request.ticket);
                }
            }
        }
        self.look(config, fx);
        self.send_waiting(config, fx);
    }

    /// A try took so long, or longer.
    fn took(&mut self, config: &Config, took: Duration) {
        if let Some(Hedge::Percentile(ppm)) = config.hedge {
            self.estimate = moved(self.estimate, took, ppm);
        }
    }

    /// A server has said that it will not do it.
    pub fn on_refused(&mut self, config: &Config, id: TryNumber, why: Reason, fx: &mut impl Host) {
        if let Some(this) = self.requests.take(id) {
            self.picker.ended(this.server);
            let server = this.server;
            let overload = why == Reason::Refused;
            fx.note(if overload { BalancingFact::Rejected { server } } else { BalancingFact::Erred { server } });
            if overload || !config.has(BalancingBug::BlackHole) {
                self.endpoints.failed(config, server, overload, fx);
            }
            self.look(config, fx);
            self.failed(config, this.request, id, server, why, fx);
            self.send_waiting(config, fx);
        }
    }

    /// A server says how long its queue is.
    pub fn on_queue(&mut self, server: u32, length: u32) {
        self.picker.told(server, length);
    }

    /// The answer to a health check.
    pub fn on_health(&mut self, config: &Config, server: u32, round: CheckRound, well: bool, fx: &mut impl Host) {
        if self.probes.answered(server, round) {
            self.endpoints.checked(config, server, well, fx);
            self.look(config, fx);
        }
    }

    /// One of its timers came due.
    pub fn on_timer(&mut self, config: &Config, timer: Timer, fx: &mut impl Host) {
        match timer {
            DEADLINE => self.give_up_tries(config, fx),
            LATER => self.do_what_is_due(config, fx),
            EXPIRY => self.drop_expired(config, fx),
            RETURN => {
                self.endpoints.on_timer(fx);
                self.look(config, fx);
                if let Some(next) = self.endpoints.next() {
                    fx.arm(RETURN, next.since(fx.now()));
                }
            }
            WARM => {
                self.endpoints.warm();
                self.look(config, fx);
            }
            CHECK => self.check(config, fx),
            CHECKED => {
                for server in self.probes.overdue() {
                    self.endpoints.checked(config, server, false, fx);
                }
                self.look(config, fx);
            }
            _ => {
                self.gossip(config, fx);
                fx.arm(GOSSIP, GOSSIP_EVERY);
            }
        }
        self.send_waiting(config, fx);
    }

    /// Those that have taken too long are tried elsewhere.
    fn give_up_tries(&mut self, config: &Config, fx: &mut impl Host) {
        let now = fx.now();
        while let Some((due, id)) = self.deadlines.front().copied() {
            let is_under_way = self.requests.get_try(id).is_some();
            if due > now && is_under_way {
                fx.arm(DEADLINE, due.since(now));
                break;
            }
            self.deadlines.pop_front();
            if is_under_way && let Some((request, server)) = self.give_up_try(config, id, true, fx) {
                self.look(config, fx);
                self.failed(config, request, id, server, Reason::Timeout, fx);
            }
        }
    }

    /// Nobody waits for this try any more, and it is `its_own` fault, or not, that it was not served. Gives its request
    /// and its server.
    fn give_up_try(
        &mut self,
        config: &Config,
        id: TryNumber,
        its_own: bool,
        fx: &mut impl Host,
    ) -> Option<(RequestNumber, u32)> {
        let this = self.requests.take(id)?;
        let (now, server) = (fx.now(), this.server);
        if !config.has(BalancingBug::InFlightLeak) {
            self.picker.ended(server);
        }
        // It may have been slow, or dead: so much at least.
        self.picker.took(config, server, now.since(this.sent), now);
        fx.note(BalancingFact::GaveUp { server });
        if its_own {
            self.endpoints.failed(config, server, false, fx);
        } else {
            self.endpoints.undecided(server, fx);
        }
        Some((this.request, server))
    }

    /// A try of a request has failed at `server`.
    fn failed(
        &mut self,
        config: &Config,
        request: RequestNumber,
        id: TryNumber,
        server: u32,
        why: Reason,
        fx: &mut impl Host,
    ) {
        let Some(this) = self.requests.get_mut(request) else { return };
        this.forget(id);
        if this.is_under_way() {
            // Its hedge may still be answered.
            return;
        }
        let tries = this.tries;
        if tries >= config.attempts {
            return self.drop_request(request, why, fx);
        }
        if !self.may_retry(config) {
            fx.note(BalancingFact::OutOfBudget);
            return self.drop_request(request, why, fx);
        }
        fx.note(BalancingFact::Retried);
        let (first, longest) = config.backoff;
        let wait = first.times(1 << (tries - 1).min(30)).min(longest);
        if wait == Duration::ZERO {
            self.send(config, request, Some(server), fx);
        } else {
            let half = wait.0 / 2;
            let wait = Duration(wait.0 - half + fx.rng().below(half + 1));
            self.do_later(fx.now() + wait, request, Later::Retry(server), fx);
        }
    }

    /// Takes a retry from the budget, if there is one left.
    fn may_retry(&mut self, config: &Config) -> bool {
        if config.retry_budget_ppm.is_none() || config.has(BalancingBug::UnboundedRetries) {
            return true;
        }
        let left = self.budget.checked_sub(MILLION);
        self.budget = left.unwrap_or(self.budget);
        left.is_some()
    }

    fn do_later(&mut self, at: LocalInstant, request: RequestNumber, what: Later, fx: &mut impl Host) {
        if self.later.peek().is_none_or(|Reverse((first, ..))| at < *first) {
            fx.arm(LATER, at.since(fx.now()));
        }
        self.later.push(Reverse((at, request, what)));
    }

    fn do_what_is_due(&mut self, config: &Config, fx: &mut impl Host) {
        let now = fx.now();
        while let Some(Reverse((at, request, what))) = self.later.peek().copied() {
            if at > now && self.requests.get(request).is_some() {
                fx.arm(LATER, at.since(now));
                break;
            }
            self.later.pop();
            match (what, self.requests.get(request)) {
                (_, None) => {}
                (Later::Retry(but), Some(_)) => drop(self.send(config, request, Some(but), fx)),
                (Later::Hedge, Some(this)) => {
                    // One that is between tries, or has two already, needs no other.
                    if let Some(server) =
                        this.only_try().and_then(|id| self.requests.get_try(id)).map(|this| this.server)
                        && self.may_retry(config)
                        && self.send(config, request, Some(server), fx)
                    {
                        fx.note(BalancingFact::Hedged);
                    }
                }
            }
        }
    }

    /// Requests whose clients wait no longer are dropped, wherever they are.
    fn drop_expired(&mut self, config: &Config, fx: &mut impl Host) {
        let now = fx.now();
        while let Some((due, request)) = self.expiries.front().copied() {
            let this = self.requests.get(request);
            if due > now && this.is_some() {
                fx.arm(EXPIRY, due.since(now));
                break;
            }
            self.expiries.pop_front();
            if let Some(this) = this {
                let (came, this) = (this.came, this.clone());
                for id in this.others(None) {
                    // Who got it when most of its time had been spent elsewhere is not slow for that. Otherwise a
                    // queue that is longer than what clients wait would open every circuit, and keep it open: each
                    // trial would be with the oldest request.
                    let its_own =
                        self.requests.get_try(id).is_none_or(|this| now.since(this.sent) >= this.sent.since(came));
                    self.give_up_try(config, id, its_own, fx);
                }
                self.drop_request(request, Reason::Deadline, fx);
            }
        }
        self.look(config, fx);
    }

    /// Each of those that wait is sent, as long as there is a server for it.
    fn send_waiting(&mut self, config: &Config, fx: &mut impl Host) {
        while let Some(request) = self.waiting.pop_front() {
            let before = self.waiting.len();
            if !self.send(config, request, None, fx) && self.waiting.len() > before {
                // It found none, and was queued again: at the end, but it is the first.
                let back = self.waiting.pop_back().expect("it was just queued");
                self.waiting.push_front(back);
                break;
            }
        }
    }

    fn check(&mut self, config: &Config, fx: &mut impl Host) {
        let Some(health) = config.health else { return };
        let round = self.probes.begin(self.endpoints.mine());
        let connect = health.connect || config.has(BalancingBug::ConnectProbe);
        for server in self.endpoints.mine() {
            fx.probe(config.server(*server), round, connect);
        }
        fx.arm(CHECK, health.interval);
        fx.arm(CHECKED, health.timeout);
    }

    /// From now on these servers are members, in order.
    pub fn serve_from(&mut self, config: &Config, servers: &[u32], fx: &mut impl Host) {
        self.endpoints.members(config, servers, fx.me().0, false, fx);
        self.look(config, fx);
        self.send_waiting(config, fx);
    }

    /// These servers are members, in order, and nothing is known of them.
    pub fn start_anew(&mut self, config: &Config, servers: &[u32], fx: &mut impl Host) {
        self.endpoints = Endpoints::new(config);
        self.endpoints.members(config, servers, fx.me().0, true, fx);
        self.look(config, fx);
        self.send_waiting(config, fx);
    }

    /// An operator says who shall be a member.
    pub fn on_members(&mut self, config: &Config, members: NodeSet, fx: &mut impl Host) {
        if let Some((version, _)) = self.members {
            self.learn(config, version + 1, members, fx);
            self.gossip(config, fx);
        }
    }

    /// Another balancer says who the members are.
    pub fn on_gossip(&mut self, config: &Config, version: u64, members: NodeSet, from: NodeId, fx: &mut impl Host) {
        let Some((known, mine)) = self.members else { return };
        if version > known {
            self.learn(config, version, members, fx);
        } else if version < known {
            fx.tell_members(from, known, mine);
        }
    }

    fn learn(&mut self, config: &Config, version: u64, members: NodeSet, fx: &mut impl Host) {
        self.members = Some((version, members));
        let servers: Vec<u32> =
            members.iter().filter(|node| !config.is_balancer(*node)).map(|node| node.0 - config.balancers).collect();
        self.endpoints.members(config, &servers, fx.me().0, false, fx);
        self.look(config, fx);
        if config.balancers > 1 {
            fx.arm(GOSSIP, GOSSIP_EVERY);
        }
        self.send_waiting(config, fx);
    }

    fn gossip(&self, config: &Config, fx: &mut impl Host) {
        if let Some((version, members)) = self.members {
            let others = (0..config.balancers).map(NodeId).filter(|balancer| *balancer != fx.me());
            others.collect::<Vec<_>>().into_iter().for_each(|other| fx.tell_members(other, version, members));
        }
    }
}

/// The estimate of what a share of answers take at most, after one that took so long: up by that share of a step if it
/// took longer, down by the rest of it if not. It settles where as many steps go up as down.
fn moved(estimate: Duration, took: Duration, ppm: u32) -> Duration {
    if estimate == Duration::ZERO {
        return took;
    }
    let step = (estimate.0 >> ESTIMATE_SHIFT).max(1000);
    if took > estimate {
        Duration(estimate.0 + step * u64::from(ppm) / MILLION)
    } else {
        Duration(estimate.0.saturating_sub(step * (MILLION - u64::from(ppm)) / MILLION).max(1))
    }
}
