//! What a balancer needs of whoever runs it: a machine of its own, as here, or the sidecar of a service in a mesh.

use super::fact::{BalancingFact, Reason};
use super::message::{BalancingMessage, CheckRound, RequestNumber, TryNumber, Worked};
use super::node::Machine;
use sim_core::{Duration, Effects, LocalInstant, NodeId, NodeSet, Rng, Ticket, Timer};

/// One try of a request, on its way to a server.
#[derive(Clone, Copy, Debug)]
pub struct Forward {
    /// Its number.
    pub id: TryNumber,
    /// The request, as it came.
    pub ticket: Ticket,
    /// All tries of a request have this number.
    pub request: RequestNumber,
    /// What it is about.
    pub key: u64,
    /// Which try it is, counted from 1; hedges count.
    pub attempt: u32,
    /// How long somebody will still wait, if that is known.
    pub within: Option<Duration>,
}

/// Whoever runs a balancer: its clock, its luck, its timers, and where its outputs go.
pub trait Host {
    /// Whether a try is not sent any more once nobody waits for its request, however late that is noticed.
    const PUNCTUAL: bool = false;
    /// The node.
    fn me(&self) -> NodeId;
    /// What its clock shows.
    fn now(&self) -> LocalInstant;
    /// Its random numbers.
    fn rng(&mut self) -> &mut Rng;
    /// Arms one of the balancer's timers ([`super::Balancer::TIMERS`]).
    fn arm(&mut self, timer: Timer, after: Duration);
    /// Something is announced.
    fn note(&mut self, fact: BalancingFact);
    /// A try goes to a server.
    fn forward(&mut self, server: NodeId, this: Forward);
    /// A try is not needed any more.
    fn cancel(&mut self, server: NodeId, id: TryNumber, ticket: Ticket);
    /// A server's health is checked.
    fn probe(&mut self, server: NodeId, round: CheckRound, connect: bool);
    /// A request was served.
    fn served(&mut self, ticket: Ticket);
    /// A request was not served, and will not be.
    fn refused(&mut self, ticket: Ticket, why: Reason);
    /// Another balancer is told who the members are.
    fn tell_members(&mut self, other: NodeId, version: u64, members: NodeSet) {
        let _ = (other, version, members);
    }
    /// Servers that are far are asked, too, because too few of the near ones are in; or no more.
    fn spills(&mut self, far: bool) {
        let _ = far;
    }
}

impl Host for Effects<'_, Machine> {
    fn me(&self) -> NodeId {
        Effects::me(self)
    }

    fn now(&self) -> LocalInstant {
        Effects::now(self)
    }

    fn rng(&mut self) -> &mut Rng {
        Effects::rng(self)
    }

    fn arm(&mut self, timer: Timer, after: Duration) {
        Effects::arm(self, timer, after);
    }

    fn note(&mut self, fact: BalancingFact) {
        Effects::note(self, fact);
    }

    fn forward(&mut self, server: NodeId, this: Forward) {
        let Forward { id, ticket, request, within, .. } = this;
        self.send(server, BalancingMessage::Forward { id, client: ticket.client, request, within });
    }

    fn cancel(&mut self, server: NodeId, id: TryNumber, ticket: Ticket) {
        self.send(server, BalancingMessage::Cancel { id, client: ticket.client });
    }

    fn probe(&mut self, server: NodeId, round: CheckRound, connect: bool) {
        self.send(server, BalancingMessage::Probe { round, connect });
    }

    fn served(&mut self, ticket: Ticket) {
        self.reply(ticket, Worked::Done);
    }

    fn refused(&mut self, ticket: Ticket, why: Reason) {
        Effects::note(self, BalancingFact::Dropped { why });
        self.refuse(ticket);
    }

    fn tell_members(&mut self, other: NodeId, version: u64, members: NodeSet) {
        self.send(other, BalancingMessage::Members { version, members });
    }
}
