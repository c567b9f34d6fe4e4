//! A gateway: clients' requests come in, and become calls of the first service.

use super::graph::{Call, ServiceId};
use super::job::Slab;
use super::message::{MeshRequest, MeshResponse};
use super::node::{Fx, HELLO};
use super::options::Config;
use super::sidecar::{Outgoing, Sidecar};
use sim_core::{Duration, Probability, Ticket};

/// Takes clients' requests.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub(super) sidecar: Sidecar,
    pending: Slab<Ticket>,
}

/// The call that a client's request is.
pub(super) fn entry_call(config: &Config) -> Call {
    let canary = config.entry_routes.iter().position(|route| route.canary).map(|at| at as u16);
    let to: ServiceId = config.entry();
    Call { to, route: 0, canary, probability: Probability::per_billion(1_000_000_000), optional: false, mirror: false }
}

/// Says hello to the control plane for the first time, if there is one.
pub(super) fn greet(config: &Config, fx: &mut Fx<'_>) {
    if config.control().is_some() {
        let first = Duration(fx.rng().below(config.subscribe_interval.0 / 10 + 1));
        fx.arm(HELLO, first);
    }
}

impl Gateway {
    pub(super) fn new(config: &Config, fx: &mut Fx<'_>) -> Self {
        greet(config, fx);
        Self { sidecar: Sidecar::new(config, fx), pending: Slab::new() }
    }

    /// Its sidecar.
    #[must_use]
    pub const fn sidecar(&self) -> &Sidecar {
        &self.sidecar
    }

    /// Requests that are not answered.
    #[must_use]
    pub const fn pending(&self) -> usize {
        self.pending.len()
    }

    pub(super) fn on_request(&mut self, config: &Config, ticket: Ticket, request: &MeshRequest, fx: &mut Fx<'_>) {
        let job = self.pending.add(ticket);
        let root = self.sidecar.next_root();
        let header = Sidecar::first_header(ticket.client, root, request.key, request.write);
        let began = fx.now();
        self.sidecar.call(config, Outgoing { job, call: entry_call(config), header, began }, None, fx);
    }

    /// What its calls have come to.
    pub(super) fn look(&mut self, fx: &mut Fx<'_>) {
        while let Some(ended) = self.sidecar.next_ended() {
            let Some(ticket) = self.pending.take(ended.call.job) else { continue };
            match ended.answer {
                Ok(_) => fx.reply(ticket, MeshResponse::Served),
                Err(_) => fx.refuse(ticket),
            }
        }
    }
}
