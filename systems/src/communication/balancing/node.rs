//! A machine of the cluster: a balancer or a server.

use super::balancer::Balancer;
use super::config::MOST_WORKERS;
use super::fact::{BalancingFact, Reason};
use super::message::{BalancingMessage, Work, Worked};
use super::options::Config;
use super::server::Server;
use sim_core::{Completion, Effects, Node, NodeId, NodeSet, Order, Replay, Role, Ticket, Timer};
use std::rc::Rc;

/// A machine's outputs.
pub(super) type Fx<'a> = Effects<'a, Machine>;

/// How many timer slots a machine uses at most.
pub const TIMERS: u16 = MOST_WORKERS as u16 + 2;

/// What a machine does.
#[derive(Clone, Debug)]
pub enum Part {
    /// It balances.
    Balancer(Box<Balancer>),
    /// It serves.
    Server(Server),
}

/// A balancer or a server. Neither keeps anything over a crash.
#[derive(Clone, Debug)]
pub struct Machine {
    config: Rc<Config>,
    part: Part,
}

impl Machine {
    /// What it does.
    #[must_use]
    pub const fn part(&self) -> &Part {
        &self.part
    }
}

impl Node for Machine {
    type Config = Rc<Config>;
    type Message = BalancingMessage;
    type Request = Work;
    type Response = Worked;
    type Record = ();
    type Fact = BalancingFact;

    fn boot(config: &Rc<Config>, me: NodeId, _: Replay<'_, ()>, fx: &mut Fx<'_>) -> Self {
        let part = if config.is_balancer(me) {
            Part::Balancer(Box::new(Balancer::new(config, None, fx)))
        } else {
            Part::Server(Server::new(config, fx))
        };
        Self { config: Rc::clone(config), part }
    }

    fn on_message(&mut self, from: NodeId, message: BalancingMessage, fx: &mut Fx<'_>) {
        use BalancingMessage as M;
        let config = &*self.config;
        let server = from.0.wrapping_sub(config.balancers);
        match (&mut self.part, message) {
            (Part::Server(server), M::Forward { id, client, within, .. }) => {
                server.on_forward(config, from, (id, client), within, fx);
            }
            (Part::Server(server), M::Cancel { id, .. }) => server.on_cancel(config, from, id, fx),
            (Part::Server(server), M::Probe { round, connect }) => server.on_probe(from, round, connect, fx),
            (Part::Balancer(balancer), M::Done { id, .. }) => balancer.on_done(config, id, fx),
            (Part::Balancer(balancer), M::Full { id, .. }) => balancer.on_refused(config, id, Reason::Refused, fx),
            (Part::Balancer(balancer), M::Failed { id, .. }) => balancer.on_refused(config, id, Reason::Failed, fx),
            (Part::Balancer(balancer), M::Queue { length }) => balancer.on_queue(server, length),
            (Part::Balancer(balancer), M::Health { round, well }) => {
                balancer.on_health(config, server, round, well, fx)
            }
            (Part::Balancer(balancer), M::Members { version, members }) => {
                balancer.on_gossip(config, version, members, from, fx);
            }
            (part, message) => panic!("{} got {message:?} as {part:?}", fx.me()),
        }
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match &mut self.part {
            Part::Balancer(balancer) => balancer.on_timer(&self.config, timer, fx),
            Part::Server(server) => server.on_timer(&self.config, timer, fx),
        }
    }

    fn on_order(&mut self, order: Order, fx: &mut Fx<'_>) {
        if let (Part::Balancer(balancer), Order::Members(members)) = (&mut self.part, order) {
            balancer.on_members(&self.config, members, fx);
        }
    }

    fn on_request(&mut self, ticket: Ticket, work: Work, fx: &mut Fx<'_>) {
        match &mut self.part {
            Part::Balancer(balancer) => {
                balancer.on_request(&self.config, ticket, work.key, self.config.deadline, fx);
            }
            // Clients know the balancers only by trying.
            Part::Server(_) => {
                let balancer = fx.rng().below(u64::from(self.config.balancers));
                fx.redirect(ticket, Some(NodeId(balancer as u32)));
            }
        }
    }

    fn on_disk(&mut self, _: Completion<()>, _: &mut Fx<'_>) {}

    fn request_bytes(_: &Work) -> u32 {
        256
    }

    fn response_bytes(_: &Worked) -> u32 {
        1024
    }

    fn timer_name(_: Timer) -> &'static str {
        "work"
    }

    fn is_read(work: &Work) -> bool {
        !work.write
    }

    fn takes_orders(&self) -> bool {
        matches!(self.part, Part::Balancer(_))
    }

    fn can_be_member(&self) -> bool {
        matches!(self.part, Part::Server(_))
    }

    fn members(&self) -> Option<NodeSet> {
        match &self.part {
            Part::Balancer(balancer) => balancer.members(),
            Part::Server(_) => None,
        }
    }

    fn role(&self) -> Role {
        match self.part {
            Part::Balancer(_) => Role::new("balancer", 0),
            Part::Server(_) => Role::new("server", 0),
        }
    }
}
