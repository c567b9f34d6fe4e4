//! Watching by probes (`detector = "swim"`): SWIM put into a node, and what the death of the primary as it sees it sets
//! off.
//!
//! All who hear the primary's heartbeats are members, and probe each other. SWIM says which machine is gone, not who
//! leads: a primary that restarted or stepped down is alive, so whoever hears it ask for the lead itself knows that it
//! has none. And gossip is late news: who was heard from within two heartbeats is not held for dead, whatever is said
//! of it.

use super::detector::{Order, Standing, Swim, SwimConfig, SwimEffect, SwimMessage};
use super::message::FailoverMessage;
use super::node::{Failover, Fx, PROBE, Stage};
use super::options::{Config, Suspicion};
use sim_core::{LocalInstant, NodeId, Rng};

/// Pieces of gossip in a message at most: some 80 bytes of it, as memberlist has room for in a small packet.
const GOSSIP: usize = 6;
/// Each is sent this many times the logarithm of the number of members (section 4.1: "a small multiple of log n").
const SPREAD: u32 = 3;

impl Config {
    fn swim(&self) -> SwimConfig {
        SwimConfig {
            period: self.probe_interval,
            ack_timeout: self.probe_timeout,
            helpers: self.indirect_probes as usize,
            suspicion: self.suspicion_time,
            order: Order::Shuffled,
            gossip: GOSSIP,
            spread: SPREAD,
            // In a handful of nodes a dead primary is half of all probes: who slows down for that would be late.
            local_health: 0,
        }
    }
}

impl Failover {
    /// Begins to probe, if it watches that way.
    pub(super) fn begin_to_probe(&mut self, fx: &mut Fx<'_>) {
        let members = self.config.listeners();
        if self.config.detector == Suspicion::Swim && members.has(self.me) {
            self.swim = Some(Box::new(Swim::new(self.me, members.iter(), self.config.swim(), fx.now())));
            self.on_probe_due(fx);
        }
    }

    /// Something of its probes is due.
    pub(super) fn on_probe_due(&mut self, fx: &mut Fx<'_>) {
        self.probe(fx, |swim, now, rng, out| swim.wake(now, rng, out));
    }

    /// A probe, an answer to one, and gossip.
    pub(super) fn on_swim(&mut self, from: NodeId, message: SwimMessage, fx: &mut Fx<'_>) {
        self.probe(fx, |swim, now, _, out| swim.on_message(from, message, now, out));
    }

    fn probe(&mut self, fx: &mut Fx<'_>, input: impl FnOnce(&mut Swim, LocalInstant, &mut Rng, &mut Vec<SwimEffect>)) {
        let Some(swim) = &mut self.swim else { return };
        let (now, mut out) = (fx.now(), Vec::new());
        input(swim, now, fx.rng(), &mut out);
        fx.arm(PROBE, swim.next_wake().since(now));
        for effect in out {
            match effect {
                SwimEffect::Send { to, message } => fx.send(to, FailoverMessage::Swim(message)),
                SwimEffect::Changed(update) => {
                    if update.standing == Standing::Dead && self.primary == Some(update.node) {
                        self.look_for_primary(fx);
                    }
                }
            }
        }
    }

    fn look_for_primary(&self, fx: &mut Fx<'_>) {
        if self.stage == Stage::Backup {
            self.await_primary(fx);
        }
    }

    /// Whether SWIM has nothing against `node`, or is not asked.
    pub(super) fn answers_probes(&self, node: NodeId) -> bool {
        self.swim.as_ref().is_some_and(|swim| !swim.is_dead(node))
    }

    /// Its primary asks for the lead of a newer epoch: so it has none.
    pub(super) fn notice_candidacy(&mut self, from: NodeId, epoch: u64, fx: &mut Fx<'_>) {
        if self.swim.is_some() && self.primary == Some(from) && epoch > self.epoch {
            self.primary = None;
            self.look_for_primary(fx);
        }
    }
}
