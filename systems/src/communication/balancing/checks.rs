//! What must hold of balancers and servers, watched on every run: queues, counters, budgets, and who is asked what.
//!
//! A rule about a mechanism is judged where the mechanism is on and came into play; the others always.

use super::bugs::BalancingBug;
use super::fact::{BalancingFact, Reason};
use super::gray::Gray;
use super::mechanisms::Mechanisms;
use super::message::BalancingMessage;
use super::node::{Machine, Part};
use super::options::Config;
use super::spread::Spread;
use super::tally::Tally;
use sim_core::measures::{Condition, Conditions};
use sim_core::{Duration, Instant, NodeId, Observed, Observer, Outcome, Ticket, Verdict, Violation};
use std::rc::Rc;

sim_core::rules! {
    /// No worker is idle while a request waits at its server.
    pub const NO_IDLE_WORKER: &str = "no_idle_worker";
    /// No server lets more requests wait than it says.
    pub const QUEUE_LIMIT: &str = "queue_limit";
    /// A client is told that its request was done only if a server did it: no more answers than work.
    pub const ANSWERS_ARE_WORK: &str = "answers_are_work";
    /// A balancer counts exactly the requests under way that are.
    pub const IN_FLIGHT_IS_TRUE: &str = "in_flight_is_true";
    /// No more tries follow failures, and no more hedges are sent, than the budget allows.
    pub const RETRY_BUDGET_KEPT: &str = "retry_budget_kept";
    /// A server that was ejected, or has left, is sent nothing before it returns, except in panic.
    pub const EJECTED_GET_NOTHING: &str = "ejected_get_nothing";
    /// If fewer servers are in than the threshold says, a balancer asks all of them.
    pub const PANIC_THRESHOLD: &str = "panic_threshold";
    /// Nothing is sent over an open circuit, and one request at a time over a half-open one.
    pub const CIRCUIT_KEPT: &str = "circuit_kept";
    /// A server that hangs gets nothing once the health checks have had the time to see it, except in panic.
    pub const GRAY_FAILURE_DETECTED: &str = "gray_failure_detected";
    /// In quiet times each server gets its share, within what the policy promises.
    pub const BALANCED: &str = "balanced";
    /// A server that fails most of what it gets does not get more than twice what any other gets.
    pub const BLACK_HOLE: &str = "black_hole";
}

/// What health checks may take beyond their interval and timeout: the network's part.
const SLACK: Duration = Duration::millis(100);
/// How long what stood still for a while may be late.
const STANDSTILL: Duration = Duration::secs(1);
const MILLION: u64 = 1_000_000;

/// One circuit, as announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Circuit {
    Closed,
    Open,
    /// Half open, and how many requests have tried it.
    HalfOpen(u32),
}

/// What one balancer has announced about one server.
#[derive(Clone, Copy, Debug)]
struct Told {
    member: bool,
    out: bool,
    circuit: Circuit,
    joined: Instant,
}

/// What one balancer has announced and done since it booted.
#[derive(Clone, Debug)]
struct Watched {
    servers: Vec<Told>,
    /// Members, and those of them that are in.
    members: u64,
    inside: u64,
    panics: bool,
    booted: Instant,
    /// Requests it was given, and tries it sent.
    asked: u64,
    sent: u64,
}

impl Watched {
    fn new(config: &Config, booted: Instant) -> Self {
        let members = config.servers() - config.spares;
        let told = |server| Told { member: server < members, out: false, circuit: Circuit::Closed, joined: booted };
        Self {
            servers: (0..config.servers()).map(told).collect(),
            members: u64::from(members),
            inside: u64::from(members),
            panics: false,
            booted,
            asked: 0,
            sent: 0,
        }
    }

    fn count(&mut self) {
        self.members = self.servers.iter().filter(|told| told.member).count() as u64;
        self.inside = self.servers.iter().filter(|told| told.member && !told.out).count() as u64;
    }
}

/// How often each rule was looked at.
#[derive(Clone, Copy, Debug, Default)]
struct Looks {
    servers: u64,
    balancers: u64,
    out: u64,
    few: u64,
    circuits: u64,
    hung: u64,
    retries: u64,
}

/// The memory of one run.
#[derive(Clone, Debug)]
pub struct BalancingChecks {
    config: Rc<Config>,
    balancers: Vec<Watched>,
    /// Since when each server hangs.
    hangs: Vec<Option<Instant>>,
    /// Faults that slow or stop nodes or clocks: how many are on, and when the last one ended.
    stops: (u32, Instant),
    answered: u64,
    /// Times that work was done, by all servers.
    done: u64,
    looks: Looks,
    spread: Spread,
    tally: Tally,
    mechanisms: Mechanisms,
    /// Why a balancer has just given up a request.
    dropped: Option<Reason>,
    /// What is wrong without a fault: gray servers, queues that are full.
    conditions: Conditions,
    /// How many requests a second all servers can do, if that is known.
    capacity: Option<f64>,
    violation: Option<Violation>,
}

/// What an overload of the servers is called.
const FULL_QUEUES: &str = "overload, servers refuse what their queues have no room for";

fn gray_label(node: NodeId, how: &str) -> String {
    format!("{node} is gray: {how}")
}

impl BalancingChecks {
    /// Nothing seen yet.
    #[must_use]
    pub fn new(config: &Rc<Config>) -> Self {
        // What the rules say, they say of correct code.
        let config = Rc::new(Config { bug: BalancingBug::None, ..Config::clone(config) });
        Self {
            balancers: (0..config.balancers).map(|_| Watched::new(&config, Instant::ZERO)).collect(),
            hangs: vec![None; config.servers() as usize],
            stops: (0, Instant::ZERO),
            answered: 0,
            done: 0,
            looks: Looks::default(),
            spread: Spread::new(&config),
            tally: Tally::default(),
            mechanisms: Mechanisms::new(&config),
            dropped: None,
            conditions: Conditions::default(),
            capacity: super::measure::capacity(&config),
            violation: None,
            config,
        }
    }

    pub(super) const fn tally(&self) -> &Tally {
        &self.tally
    }

    #[cold]
    fn fail(&mut self, at: Instant, rule: &str, node: NodeId, detail: String) {
        self.violation.get_or_insert_with(|| Violation { rule: rule.to_owned(), at, node: Some(node), detail });
    }

    /// Every rule's verdict.
    #[must_use]
    pub fn verdicts(&self, nodes: &[Option<Machine>]) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        let mut rule = |rule: &'static str, seen: u64, always: bool, detail: String| {
            verdicts.extend(match &self.violation {
                Some(violation) if violation.rule == rule => Some(Verdict::Fail(violation.clone())),
                _ if seen > 0 => Some(Verdict::Pass { rule, detail }),
                _ => always.then(|| Verdict::Inconclusive { rule, why: "there was nothing to look at".to_owned() }),
            });
        };
        let looks = &self.looks;
        rule(NO_IDLE_WORKER, looks.servers, true, format!("{} steps of servers", looks.servers));
        rule(QUEUE_LIMIT, looks.servers, true, format!("{} steps of servers", looks.servers));
        rule(ANSWERS_ARE_WORK, self.answered, true, format!("{} answers, {} times work", self.answered, self.done));
        rule(IN_FLIGHT_IS_TRUE, looks.balancers, true, format!("{} steps of balancers", looks.balancers));
        rule(RETRY_BUDGET_KEPT, looks.retries, false, format!("{} tries after the first", looks.retries));
        rule(EJECTED_GET_NOTHING, looks.out, false, format!("{} requests while some server was out", looks.out));
        rule(PANIC_THRESHOLD, looks.few, false, format!("{} requests while too few servers were in", looks.few));
        rule(CIRCUIT_KEPT, looks.circuits, false, format!("{} requests while some circuit was open", looks.circuits));
        rule(GRAY_FAILURE_DETECTED, looks.hung, false, format!("{} requests while some server hung", looks.hung));
        let [even, holes] = self.spread.windows();
        rule(BALANCED, even, false, format!("{even} quiet times"));
        rule(BLACK_HOLE, holes, false, format!("{holes} times with a server that failed"));
        verdicts.extend(self.mechanisms.verdicts(self.violation.as_ref(), nodes));
        verdicts
    }

    /// A balancer sends a request to a server.
    fn sent(&mut self, at: Instant, node: NodeId, server: u32) {
        let config = Rc::clone(&self.config);
        let watched = &mut self.balancers[node.index()];
        watched.sent += 1;
        let again = watched.sent.saturating_sub(watched.asked);
        let (asked, panics, inside) = (watched.asked, watched.panics, watched.inside);
        if again > 0
            && let Some(budget) = config.retry_budget_ppm
        {
            self.looks.retries += 1;
            let most = asked * u64::from(budget) / MILLION;
            if again > most {
                let detail = format!("{again} tries beyond the first of {asked} requests, the budget is {most}");
                return self.fail(at, RETRY_BUDGET_KEPT, node, detail);
            }
        }
        // With every server in and nothing that could tell them apart there is nothing to look up.
        let told_apart = config.breaker.is_some() || config.health.is_some();
        if (told_apart || inside < u64::from(config.servers())) && self.sent_astray(at, node, server) {
            return;
        }
        let balancers = &self.balancers;
        let is_in = |server: usize| {
            let told = |watched: &Watched| (watched.servers[server].out, watched.servers[server].circuit);
            balancers.iter().all(|watched| told(watched) == (false, Circuit::Closed))
        };
        if let Some((rule, server, detail)) = self.spread.sent(at, server, panics, is_in) {
            self.fail(at, rule, config.server(server), detail);
        }
    }

    /// Whether a balancer should not have sent a request there, for all it has announced.
    fn sent_astray(&mut self, at: Instant, node: NodeId, server: u32) -> bool {
        let config = Rc::clone(&self.config);
        let watched = &self.balancers[node.index()];
        let (panics, inside, members) = (watched.panics, watched.inside, watched.members);
        let name = config.server(server);
        let told = self.balancers[node.index()].servers[server as usize];
        if !told.member || told.out && !panics {
            let what = if told.member { "was ejected" } else { "has left" };
            self.fail(at, EJECTED_GET_NOTHING, node, format!("{name} {what}, and yet gets a request"));
            return true;
        }
        self.looks.out += u64::from(inside < members);
        if config.subset == 0 && inside * MILLION < u64::from(config.panic_below_ppm) * members {
            self.looks.few += 1;
            if !panics {
                let share = f64::from(config.panic_below_ppm) / 1e4;
                let detail = format!(
                    "{inside} of {members} servers are in, fewer than {share} %, and they get all the requests"
                );
                self.fail(at, PANIC_THRESHOLD, node, detail);
                return true;
            }
        }
        if config.breaker.is_some() {
            self.looks.circuits += u64::from(told.circuit != Circuit::Closed);
            match told.circuit {
                Circuit::Closed => {}
                Circuit::HalfOpen(0) => {
                    self.balancers[node.index()].servers[server as usize].circuit = Circuit::HalfOpen(1);
                }
                circuit => {
                    let detail = format!("{name} gets a request although its circuit is {circuit:?}");
                    self.fail(at, CIRCUIT_KEPT, node, detail);
                    return true;
                }
            }
        }
        if let Some(health) = config.health.filter(|health| !health.connect) {
            self.looks.hung += u64::from(self.hangs.iter().any(Option::is_some));
            if let Some(since) = self.hangs[server as usize]
                && !panics
                && self.stops.0 == 0
            {
                let watched = &self.balancers[node.index()];
                let since = since.max(watched.booted).max(told.joined).max(self.stops.1);
                let most = health.interval.times(u64::from(health.unhealthy) + 1) + health.timeout + SLACK;
                if at.since(since) > most {
                    let detail = format!(
                        "{name} has hung for {}, checks every {} should have told within {most}, and it gets a request",
                        at.since(since),
                        health.interval
                    );
                    self.fail(at, GRAY_FAILURE_DETECTED, node, detail);
                    return true;
                }
            }
        }
        false
    }

    #[cold]
    fn booted(&mut self, at: Instant, node: NodeId) {
        match self.balancers.get_mut(node.index()) {
            Some(watched) => *watched = Watched::new(&self.config, at),
            None => self.hangs[node.index() - self.config.balancers as usize] = None,
        }
    }

    #[cold]
    fn fault(&mut self, at: Instant, kind: &str, begins: bool) {
        if stops(kind) {
            self.stops = if begins { (self.stops.0 + 1, self.stops.1) } else { (self.stops.0.saturating_sub(1), at) };
        }
        self.spread.fault(at, kind, begins);
    }

    /// A balancer answers a client.
    fn answered(&mut self, at: Instant, ticket: Ticket, node: NodeId, redirect: bool) {
        if redirect {
            if let Some(why) = self.dropped.take() {
                self.tally.refused(ticket.client, ticket.op, why);
            }
            return;
        }
        self.answered += 1;
        if self.answered > self.done {
            let (answered, done) = (self.answered, self.done);
            let detail = format!("{answered} answers, but work was done {done} times");
            self.fail(at, ANSWERS_ARE_WORK, node, detail);
        }
    }

    /// A server turns gray, is gray in another way, or is well again.
    fn turned_gray(&mut self, at: Instant, node: NodeId, gray: Option<Gray>) {
        for kind in ["slow", "failing", "hung"] {
            self.conditions.end(at, &gray_label(node, kind));
        }
        if let Some(gray) = gray {
            let label = gray_label(node, gray.name());
            let condition = Condition { kind: "gray".to_owned(), label, nodes: vec![node.0], ..Condition::default() };
            self.conditions.begin(at, condition);
        }
    }

    /// What was wrong that no fault of the plan did.
    pub(super) fn conditions(&self, end: Instant) -> Vec<Condition> {
        self.conditions.finish(end)
    }

    /// A balancer or server announces something.
    fn noted(&mut self, at: Instant, node: NodeId, fact: BalancingFact) {
        use BalancingFact as F;
        self.spread.noted(at, fact);
        match fact {
            F::Worked => self.done += 1,
            F::Dropped { why } => self.dropped = Some(why),
            F::TurnedGray(gray) => {
                let hangs = &mut self.hangs[node.index() - self.config.balancers as usize];
                *hangs = (gray == Some(Gray::Hung)).then_some(at);
                self.turned_gray(at, node, gray);
            }
            F::Refused | F::Shed => {
                let capacity = self.capacity;
                self.conditions.seen(at, FULL_QUEUES, || Condition {
                    kind: "overload".to_owned(),
                    capacity_per_second: capacity,
                    ..Condition::default()
                });
            }
            F::Panicked => self.balancers[node.index()].panics = true,
            F::Calmed => {
                let watched = &mut self.balancers[node.index()];
                watched.panics = false;
            }
            F::Ejected { server, .. }
            | F::Returned { server }
            | F::Opened { server }
            | F::HalfOpened { server }
            | F::Closed { server }
            | F::Joined { server }
            | F::Left { server } => {
                let watched = &mut self.balancers[node.index()];
                let told = &mut watched.servers[server as usize];
                match fact {
                    F::Ejected { .. } => told.out = true,
                    F::Returned { .. } => told.out = false,
                    F::Opened { .. } => told.circuit = Circuit::Open,
                    F::HalfOpened { .. } => told.circuit = Circuit::HalfOpen(0),
                    F::Closed { .. } => told.circuit = Circuit::Closed,
                    F::Joined { .. } => {
                        *told = Told { member: true, out: false, circuit: Circuit::Closed, joined: at };
                    }
                    _ => told.member = false,
                }
                watched.count();
            }
            F::Expired
            | F::GaveUp { .. }
            | F::Erred { .. }
            | F::Rejected { .. }
            | F::Retried
            | F::Hedged
            | F::OutOfBudget
            | F::EjectionHeld { .. } => {}
        }
    }
}

impl Observer<Machine> for BalancingChecks {
    #[inline(always)]
    fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>) {
        let still = self.stops.0 > 0 || at.since(self.stops.1) < STANDSTILL && self.stops.1 > Instant::ZERO;
        if let Some((rule, node, detail)) = self.mechanisms.watch(at, what, still) {
            self.fail(at, rule, node, detail);
        }
        match what {
            Observed::Sent { from, to, message: BalancingMessage::Forward { .. }, .. } => {
                self.sent(at, *from, to.0 - self.config.balancers);
            }
            Observed::Noted { node, fact } => self.noted(at, *node, *fact),
            Observed::Requested { node, .. } => {
                if let Some(watched) = self.balancers.get_mut(node.index()) {
                    watched.asked += 1;
                }
            }
            Observed::Answered { ticket, node, redirect, .. } => self.answered(at, *ticket, *node, *redirect),
            Observed::Returned { ticket, invoked, outcome, .. } => {
                self.tally.returned(ticket.client, ticket.op, *invoked, at, matches!(outcome, Outcome::Ok(_)));
            }
            Observed::Booted { node, .. } => self.booted(at, *node),
            Observed::FaultStarted { injection, .. } => self.fault(at, injection.fault.kind(), true),
            Observed::FaultEnded { injection, .. } => self.fault(at, injection.fault.kind(), false),
            _ => {}
        }
    }

    fn after_step(&mut self, at: Instant, stepped: NodeId, nodes: &[Option<Machine>]) -> Result<(), Violation> {
        match nodes[stepped.index()].as_ref().map(Machine::part) {
            Some(Part::Server(server)) => {
                self.looks.servers += 1;
                if server.is_lazy() {
                    let waiting = server.waiting();
                    self.fail(at, NO_IDLE_WORKER, stepped, format!("{waiting} requests wait beside an idle worker"));
                }
                if server.waiting() > self.config.queue_limit as usize {
                    let (waiting, limit) = (server.waiting(), self.config.queue_limit);
                    self.fail(at, QUEUE_LIMIT, stepped, format!("{waiting} requests wait, {limit} may"));
                }
            }
            Some(Part::Balancer(balancer)) => {
                self.looks.balancers += 1;
                let (counted, real) = balancer.in_flight();
                if counted != real {
                    let detail = format!("counts {counted} requests under way, {real} are");
                    self.fail(at, IN_FLIGHT_IS_TRUE, stepped, detail);
                }
            }
            None => {}
        }
        if let Some(machine) = &nodes[stepped.index()]
            && let Some((rule, node, detail)) = self.mechanisms.after_step(stepped, machine)
        {
            self.fail(at, rule, node, detail);
        }
        self.violation.clone().map_or(Ok(()), Err)
    }
}

/// Whether a fault of this kind keeps nodes from doing what they would.
fn stops(kind: &str) -> bool {
    matches!(kind, "crash" | "pause" | "slow" | "clock")
}
