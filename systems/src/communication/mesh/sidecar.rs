//! A sidecar: every call that its machine makes goes through it, over a balancer for each version of each service.

use super::bugs::MeshBug;
use super::graph::{Call, ServiceId};
use super::image::Image;
use super::job::JobNumber;
use super::message::{Cause, Header, Made, MeshFact, MeshMessage, RootId, Span, Version};
use super::node::{Fx, SIDECAR};
use super::options::Config;
use crate::communication::balancing::{Balancer, BalancingFact, CheckRound, Forward, Host, Reason, TryNumber};
use sim_core::{ClientId, Duration, LocalInstant, NodeId, Rng, Ticket, Timer};
use std::collections::VecDeque;
use std::rc::Rc;

/// A call that is not over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing {
    /// What it is made for.
    pub job: JobNumber,
    /// Which of the calls of its step.
    pub call: Call,
    pub header: Header,
    pub began: LocalInstant,
}

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ended {
    pub call: Outgoing,
    /// Which answer it has; `Err` with where it failed.
    pub answer: Result<Made, Cause>,
}

/// The sidecar of one machine.
#[derive(Clone, Debug)]
pub struct Sidecar {
    /// One for each route; none before there is a configuration.
    balancers: Vec<Balancer>,
    calls: Vec<Option<Outgoing>>,
    free: Vec<u32>,
    version: Version,
    image: Option<Rc<Image>>,
    next_span: u64,
    ended: VecDeque<Ended>,
}

/// The machine as one of its balancers knows it.
struct Wire<'s, 'a, 'b> {
    fx: &'s mut Fx<'a>,
    config: &'b Config,
    route: u16,
    to: ServiceId,
    calls: &'s mut Vec<Option<Outgoing>>,
    free: &'s mut Vec<u32>,
    next_span: &'s mut u64,
    ended: &'s mut VecDeque<Ended>,
    /// What the message said that is being handled.
    made: Option<Made>,
    cause: Option<Cause>,
}

impl Wire<'_, '_, '_> {
    fn node(&self, server: u32) -> NodeId {
        self.config.routes(self.fx.me())[usize::from(self.route)].balancing.server(server)
    }

    fn end(&mut self, ticket: Ticket, answer: Result<Made, Cause>) {
        if let Some(call) = self.calls[ticket.op as usize].take() {
            self.free.push(ticket.op as u32);
            self.ended.push_back(Ended { call, answer });
        }
    }
}

impl Host for Wire<'_, '_, '_> {
    const PUNCTUAL: bool = true;

    fn me(&self) -> NodeId {
        self.fx.me()
    }

    fn now(&self) -> LocalInstant {
        self.fx.now()
    }

    fn rng(&mut self) -> &mut Rng {
        self.fx.rng()
    }

    fn arm(&mut self, timer: Timer, after: Duration) {
        self.fx.arm(Timer(SIDECAR + self.route * Balancer::TIMERS + timer.0), after);
    }

    fn note(&mut self, fact: BalancingFact) {
        use BalancingFact as F;
        let route = self.route;
        let told = match fact {
            F::Retried => MeshFact::Retried { route },
            F::Hedged => MeshFact::Hedged { route },
            F::OutOfBudget => MeshFact::OutOfBudget { route },
            F::Ejected { server, checked } => MeshFact::Ejected { route, node: self.node(server), checked },
            F::EjectionHeld { .. } => MeshFact::EjectionHeld { route },
            F::Returned { server } => MeshFact::Returned { route, node: self.node(server) },
            F::Panicked | F::Calmed => MeshFact::Panicked { route, begins: fact == F::Panicked },
            F::Opened { server } => MeshFact::Opened { route, node: self.node(server) },
            F::HalfOpened { server } => MeshFact::HalfOpened { route, node: self.node(server) },
            F::Closed { server } => MeshFact::Closed { route, node: self.node(server) },
            _ => return,
        };
        self.fx.note(told);
    }

    fn forward(&mut self, server: NodeId, this: Forward) {
        let Some(call) = self.calls[this.ticket.op as usize] else { return };
        let span = Span(*self.next_span);
        *self.next_span += 1;
        // Whoever gives up on a try after that long waits for it no longer.
        let within = this.within.map(|within| within.min(self.config.attempt_timeout));
        self.fx.send(
            server,
            MeshMessage::Call {
                route: self.route,
                id: this.id,
                request: this.request,
                attempt: this.attempt,
                span,
                within: within.filter(|_| self.config.deadlines),
                header: call.header,
            },
        );
    }

    fn cancel(&mut self, server: NodeId, id: TryNumber, _: Ticket) {
        self.fx.send(server, MeshMessage::Cancel { route: self.route, id });
    }

    fn probe(&mut self, server: NodeId, round: CheckRound, connect: bool) {
        self.fx.send(server, MeshMessage::Probe { route: self.route, round, connect });
    }

    fn served(&mut self, ticket: Ticket) {
        if let Some(made) = self.made {
            self.end(ticket, Ok(made));
        }
    }

    fn refused(&mut self, ticket: Ticket, why: Reason) {
        let cause = self.cause.unwrap_or(Cause { at: self.to, slow: true });
        let copy = self.calls[ticket.op as usize].is_some_and(|call| call.header.mirrored);
        self.fx.note(MeshFact::CallFailed { route: self.route, why, cause, copy });
        self.end(ticket, Err(cause));
    }

    fn spills(&mut self, far: bool) {
        self.fx.note(MeshFact::Spills { route: self.route, far });
    }
}

impl Sidecar {
    pub(super) fn new(config: &Config, fx: &mut Fx<'_>) -> Self {
        let me = u64::from(fx.me().0);
        let mut this = Self {
            balancers: Vec::new(),
            calls: Vec::new(),
            free: Vec::new(),
            version: Version(0),
            image: None,
            // Not what a life before this one has counted.
            next_span: me << 40 | u64::from(fx.rng().next_u32()),
            ended: VecDeque::new(),
        };
        if config.control().is_none() {
            this.apply(config, Version(0), Rc::new(config.first_image()), fx);
        }
        this
    }

    /// Its configuration's version.
    #[must_use]
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Calls that are not over.
    #[must_use]
    pub const fn under_way(&self) -> usize {
        self.calls.len() - self.free.len()
    }

    /// Servers that one of its clusters has ejected for what became of calls, of how many.
    pub(super) fn ejected(&self, route: u16) -> Option<(usize, usize)> {
        self.balancers.get(usize::from(route)).map(Balancer::ejected)
    }

    /// A call that has ended, if there is another.
    pub(super) fn next_ended(&mut self) -> Option<Ended> {
        self.ended.pop_front()
    }

    fn wire<'s, 'a, 'b>(
        &'s mut self,
        config: &'b Config,
        route: u16,
        fx: &'s mut Fx<'a>,
    ) -> Option<(&'s mut Balancer, Wire<'s, 'a, 'b>)> {
        let to = config.routes(fx.me()).get(usize::from(route))?.to;
        let Self { balancers, calls, free, next_span, ended, .. } = self;
        let balancer = balancers.get_mut(usize::from(route))?;
        let wire = Wire { fx, config, route, to, calls, free, next_span, ended, made: None, cause: None };
        Some((balancer, wire))
    }

    /// Makes a call, for which its caller has so much time left, if that is limited.
    pub(super) fn call(&mut self, config: &Config, call: Outgoing, left: Option<Duration>, fx: &mut Fx<'_>) {
        let Some(image) = &self.image else {
            let (cause, copy) = (Cause { at: call.call.to, slow: false }, call.header.mirrored);
            fx.note(MeshFact::CallFailed { route: call.call.route, why: Reason::NoServer, cause, copy });
            self.ended.push_back(Ended { call, answer: Err(cause) });
            return;
        };
        let weight = match config.service(call.call.to) {
            service if config.has(MeshBug::WeightByReplicas) => service.canary * 1_000_000 / service.replicas,
            _ => image.weights[usize::from(call.call.to.0)],
        };
        let canary = call.call.canary.filter(|_| fx.rng().below(1_000_000) < u64::from(weight));
        let route = canary.unwrap_or(call.call.route);
        let op = match self.free.pop() {
            Some(free) => u64::from(free),
            None => {
                self.calls.push(None);
                self.calls.len() as u64 - 1
            }
        };
        let (client, key) = (call.header.client, call.header.key);
        self.calls[op as usize] = Some(call);
        let this = &config.routes(fx.me())[usize::from(route)];
        let own = left.filter(|_| config.deadlines && !config.has(MeshBug::DeadlineNotPassed));
        let within = own.map_or(this.timeout, |left| left.min(this.timeout));
        let ticket = Ticket { client, op, floor: 0, attempt: 0 };
        if let Some((balancer, mut wire)) = self.wire(config, route, fx) {
            balancer.on_request(&this.balancing, ticket, key, Some(within), &mut wire);
        }
    }

    /// A replica answers a try.
    pub(super) fn on_done(&mut self, config: &Config, route: u16, id: TryNumber, made: Made, fx: &mut Fx<'_>) {
        self.with(config, route, fx, |balancer, balancing, wire| {
            wire.made = Some(made);
            balancer.on_done(balancing, id, wire);
        });
    }

    /// A replica has failed, or does not take it.
    pub(super) fn on_refused(
        &mut self,
        config: &Config,
        (route, id): (u16, TryNumber),
        (why, cause): (Reason, Cause),
        fx: &mut Fx<'_>,
    ) {
        self.with(config, route, fx, |balancer, balancing, wire| {
            wire.cause = Some(cause);
            balancer.on_refused(balancing, id, why, wire);
        });
    }

    /// The answer to a health check.
    pub(super) fn on_health(
        &mut self,
        config: &Config,
        (route, from): (u16, NodeId),
        (round, well): (CheckRound, bool),
        fx: &mut Fx<'_>,
    ) {
        self.with(config, route, fx, |balancer, balancing, wire| {
            let server = from.0.wrapping_sub(balancing.server(0).0);
            if server < balancing.servers() {
                balancer.on_health(balancing, server, round, well, wire);
            }
        });
    }

    /// One of its balancers' timers came due.
    pub(super) fn on_timer(&mut self, config: &Config, timer: u16, fx: &mut Fx<'_>) {
        self.with(config, timer / Balancer::TIMERS, fx, |balancer, balancing, wire| {
            balancer.on_timer(balancing, Timer(timer % Balancer::TIMERS), wire);
        });
    }

    fn with(
        &mut self,
        config: &Config,
        route: u16,
        fx: &mut Fx<'_>,
        what: impl FnOnce(&mut Balancer, &crate::communication::balancing::Config, &mut Wire<'_, '_, '_>),
    ) {
        let routes = config.routes(fx.me());
        if let Some((balancer, mut wire)) = self.wire(config, route, fx) {
            what(balancer, &routes[usize::from(route)].balancing, &mut wire);
        }
    }

    /// The control plane pushes a configuration.
    pub(super) fn on_push(&mut self, config: &Config, version: Version, image: Rc<Image>, fx: &mut Fx<'_>) {
        if version > self.version || (config.has(MeshBug::OldPushTaken) && version != self.version) {
            self.apply(config, version, image, fx);
        }
    }

    fn apply(&mut self, config: &Config, version: Version, image: Rc<Image>, fx: &mut Fx<'_>) {
        let first = self.image.is_none();
        self.version = version;
        fx.note(MeshFact::Configured { version });
        let me = fx.me();
        let anew = first || config.has(MeshBug::PushResetsCircuits);
        for (at, route) in config.routes(me).iter().enumerate() {
            let servers: Vec<u32> = (0..route.balancing.servers())
                .filter(|server| !image.out.contains(&route.balancing.server(*server)))
                .collect();
            if first {
                // Its timers and calls are those of the place it gets.
                let near = config.near(me, route);
                let Self { calls, free, next_span, ended, .. } = self;
                let (route_number, to) = (at as u16, route.to);
                let mut wire = Wire {
                    fx: &mut *fx,
                    config,
                    route: route_number,
                    to,
                    calls,
                    free,
                    next_span,
                    ended,
                    made: None,
                    cause: None,
                };
                let balancer = Balancer::new(&route.balancing, near, &mut wire);
                self.balancers.push(balancer);
            }
            let is_new = self.image.as_ref().is_none_or(|before| before.out != image.out);
            self.with(config, at as u16, fx, |balancer, balancing, wire| {
                if anew {
                    balancer.start_anew(balancing, &servers, wire);
                } else if is_new {
                    balancer.serve_from(balancing, &servers, wire);
                }
            });
        }
        self.image = Some(image);
    }

    /// What a call that a client's request is carries.
    pub(super) const fn first_header(client: ClientId, root: RootId, key: u64, write: bool) -> Header {
        Header { client, root, parent: Span(root.0), key, write, mirrored: false }
    }

    /// A number for a client's request: no other has it.
    pub(super) const fn next_root(&mut self) -> RootId {
        self.next_span += 1;
        RootId(self.next_span)
    }
}
