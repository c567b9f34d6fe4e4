//! A machine of the cluster: a balancer or a server.

use super::balancer::Balancer;
use super::config::{Config, MOST_WORKERS};
use super::message::{BalancingFact, BalancingMessage, Work, Worked};
use super::server::Server;
use sim_core::{Completion, Effects, Node, NodeId, Replay, Role, Ticket, Timer};

/// A machine's outputs.
pub(super) type Fx<'a> = Effects<'a, Machine>;

/// How many timer slots a machine uses at most.
pub const TIMERS: u16 = MOST_WORKERS as u16;

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
    config: Config,
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
    type Config = Config;
    type Message = BalancingMessage;
    type Request = Work;
    type Response = Worked;
    type Record = ();
    type Fact = BalancingFact;

    fn boot(config: &Config, me: NodeId, _: Replay<'_, ()>, fx: &mut Fx<'_>) -> Self {
        let part = if config.is_balancer(me) {
            Part::Balancer(Box::new(Balancer::new(config, fx.now())))
        } else {
            Part::Server(Server::new(config))
        };
        Self { config: config.clone(), part }
    }

    fn on_message(&mut self, from: NodeId, message: BalancingMessage, fx: &mut Fx<'_>) {
        let config = &self.config;
        match (&mut self.part, message) {
            (Part::Server(server), BalancingMessage::Forward { id }) => server.on_forward(config, from, id, fx),
            (Part::Balancer(balancer), BalancingMessage::Done { id }) => balancer.on_done(config, id, fx),
            (Part::Balancer(balancer), BalancingMessage::Full { id }) => balancer.on_full(config, id, fx),
            (Part::Balancer(balancer), BalancingMessage::Queue { length }) => {
                balancer.on_queue(from.0 - config.balancers, length);
            }
            (part, message) => panic!("{} got {message:?} as {part:?}", fx.me()),
        }
    }

    fn on_timer(&mut self, timer: Timer, fx: &mut Fx<'_>) {
        match &mut self.part {
            Part::Balancer(balancer) => balancer.on_timer(&self.config, fx),
            Part::Server(server) => server.on_timer(&self.config, timer, fx),
        }
    }

    fn on_request(&mut self, ticket: Ticket, work: Work, fx: &mut Fx<'_>) {
        match &mut self.part {
            Part::Balancer(balancer) => balancer.on_request(&self.config, ticket, work, fx),
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

    fn role(&self) -> Role {
        match self.part {
            Part::Balancer(_) => Role::new("balancer", 0),
            Part::Server(_) => Role::new("server", 0),
        }
    }
}
