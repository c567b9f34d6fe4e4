//! A node that answers for the keys it owns, by its own clock's idea of which members there are.

use super::message::{Found, Lookup, PlacementFact, PlacementMessage};
use super::options::PlacementConfig;
use crate::storage::hashing::key;
use crate::storage::hashing::placement::Placement;
use sim_core::{Clock, Duration, Effects, Instant, Node, NodeId, Replay, Role, Ticket, Timer};

/// An owner of keys.
#[derive(Clone, Debug)]
pub struct Owner {
    config: PlacementConfig,
}

impl Node for Owner {
    type Config = PlacementConfig;
    type Message = PlacementMessage;
    type Request = Lookup;
    type Response = Found;
    type Record = ();
    type Fact = PlacementFact;

    fn boot(config: &PlacementConfig, _: NodeId, _: Replay<'_, ()>, _: &mut Effects<'_, Self>) -> Self {
        Self { config: config.clone() }
    }

    fn on_message(&mut self, _: NodeId, message: PlacementMessage, _: &mut Effects<'_, Self>) {
        match message {}
    }

    fn on_timer(&mut self, timer: Timer, _: &mut Effects<'_, Self>) {
        panic!("{timer:?} was never armed");
    }

    fn on_request(&mut self, ticket: Ticket, lookup: Lookup, fx: &mut Effects<'_, Self>) {
        let now = fx.now();
        let begun = |at: Duration| Clock::honest(Instant::ZERO + at) <= now;
        let epoch = self.config.epochs().iter().rev().find(|epoch| begun(epoch.at));
        let epoch = epoch.unwrap_or(&self.config.epochs()[0]);
        let owner = epoch.placement.owner(key::of_number(lookup.key));
        if owner == fx.me() {
            fx.worked(Some(ticket.client), Duration::ZERO);
            fx.reply(ticket, Found::Here);
        } else {
            fx.note(PlacementFact::Redirected);
            fx.redirect(ticket, Some(owner));
        }
    }

    fn request_bytes(_: &Lookup) -> u32 {
        64
    }

    fn response_bytes(_: &Found) -> u32 {
        64
    }

    fn role(&self) -> Role {
        Role::new("owner", 0)
    }
}
