//! A member: its probes, what it does for others that probe, and when it wants to be called.

use super::config::{Slip, SwimConfig};
use super::message::{Incarnation, ProbeNumber, Rumour, SwimMessage, Whole};
use super::queue::{PACKET, Queue};
use super::round::Round;
use super::suspicion::Suspicion;
use super::sync::Exchange;
use super::view::{Belief, State, View};
use crate::shared::number::Counts;
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::{Duration, LocalInstant, NodeId, Rng};
use std::collections::VecDeque;

/// What a member wants done, or announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SwimEffect {
    /// Send this.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: SwimMessage,
    },
    /// It begins to probe a member.
    Probes(NodeId),
    /// It holds a member for something else, or for the same in a newer incarnation.
    Believes {
        /// Which.
        node: NodeId,
        /// What for.
        state: State,
        /// In which incarnation.
        incarnation: Incarnation,
        /// By whose word.
        by: NodeId,
    },
    /// Its own probe of a member has failed.
    Accuses {
        /// Which.
        node: NodeId,
        /// How long it has waited.
        waited: Duration,
        /// How many of those that it asked were not heard from either.
        silent: u32,
    },
    /// It objects to what is said of it, in this incarnation.
    Objects(Incarnation),
    /// It has forgotten one that has been gone for long.
    Forgets(NodeId),
    /// News that only Serf knows what to do with.
    Heard(Rumour),
    /// What Serf knows at somebody else, and who that is if it was asked to let this one in.
    Synced(Whole, Option<NodeId>),
}

/// The probe under way.
#[derive(Clone, Copy, Debug)]
struct Probe {
    target: NodeId,
    seq: ProbeNumber,
    began: LocalInstant,
    /// When helpers are asked; `None` once they were.
    help_at: Option<LocalInstant>,
    ends: LocalInstant,
    asked: u32,
    nacks: u32,
}

/// A ping for somebody else.
#[derive(Clone, Copy, Debug)]
struct Help {
    mine: ProbeNumber,
    asker: NodeId,
    theirs: ProbeNumber,
    gives_up: LocalInstant,
}

/// One member's view of the group, and its part in the protocol.
#[derive(Clone, Debug)]
pub struct Swim {
    pub(super) me: NodeId,
    pub(super) config: SwimConfig,
    /// Members have numbers below this.
    nodes: u32,
    pub(super) view: View,
    pub(super) incarnation: Incarnation,
    pub(super) queue: Queue,
    pub(super) suspicions: SortedMap<NodeId, Suspicion>,
    /// When each of them is over.
    pub(super) dues: SortedSet<(LocalInstant, NodeId)>,
    /// Lifeguard's local health score: 0 is well.
    health: u32,
    pub(super) last_number: ProbeNumber,
    round: Round,
    probe: Option<Probe>,
    next_probe: LocalInstant,
    next_gossip: LocalInstant,
    helps: VecDeque<Help>,
    pub(super) exchanges: Vec<Exchange>,
    pub(super) next_exchange: LocalInstant,
    pub(super) leaving: bool,
}

impl Swim {
    /// Member `me` of a group in which those below `base` have been alive since the start. Numbers are below `nodes`.
    pub fn new(me: NodeId, (nodes, base): (u32, u32), config: SwimConfig, now: LocalInstant, rng: &mut Rng) -> Self {
        let mut within = |time: Duration| now + Duration(rng.below(time.0.max(1)));
        let next_probe = within(config.probe_interval);
        let next_exchange = within(config.push_pull);
        let next_gossip = within(config.gossip_interval);
        let last_number = ProbeNumber(rng.next_u64() >> 32);
        let mut view = View::new(base);
        let incarnation = Incarnation(1);
        view.set(me, Some(Belief { state: State::Alive, incarnation, since: LocalInstant(0) }));
        Self {
            me,
            config,
            nodes,
            view,
            incarnation,
            queue: Queue::default(),
            suspicions: SortedMap::new(),
            dues: SortedSet::new(),
            health: 0,
            // An answer to an earlier life is none to this one.
            last_number,
            round: Round::default(),
            probe: None,
            next_probe,
            next_gossip,
            helps: VecDeque::new(),
            exchanges: Vec::new(),
            next_exchange,
            leaving: false,
        }
    }

    /// What a member is held for; `None` if it is not known.
    #[must_use]
    pub fn state(&self, node: NodeId) -> Option<State> {
        self.view.get(node).map(|belief| belief.state)
    }

    /// The incarnation of a member that is known.
    #[must_use]
    pub fn incarnation_of(&self, node: NodeId) -> Option<Incarnation> {
        self.view.get(node).map(|belief| belief.incarnation)
    }

    /// How many members are known, itself included, whatever they are held for.
    #[must_use]
    pub const fn known(&self) -> u32 {
        self.view.known()
    }

    /// How many are held for alive, itself included.
    #[must_use]
    pub const fn alive(&self) -> u32 {
        self.view.alive()
    }

    /// All that are known, and what they are held for.
    pub fn members(&self) -> impl Iterator<Item = (NodeId, State)> {
        self.view.iter().map(|(node, belief)| (node, belief.state))
    }

    /// Lifeguard's local health score: 0 is well.
    #[must_use]
    pub const fn health(&self) -> u32 {
        self.health
    }

    /// When [`Swim::wake`] wants to be called next.
    #[must_use]
    pub fn next_due(&mut self, now: LocalInstant) -> LocalInstant {
        if self.next_gossip <= now {
            // Nothing was to be said when it was its turn.
            self.next_gossip = tick_after(self.next_gossip, self.config.gossip_interval, now);
        }
        let mut due = match &self.probe {
            Some(probe) => probe.help_at.unwrap_or(probe.ends),
            None if self.leaving => LocalInstant(u64::MAX),
            None => self.next_probe,
        };
        if !self.queue.is_empty() {
            due = due.min(self.next_gossip);
        }
        let others =
            [self.dues.first().map(|(at, _)| *at), self.helps.front().map(|help| help.gives_up), self.exchange_due()];
        others.into_iter().flatten().fold(due, LocalInstant::min)
    }

    /// Does what is due.
    pub fn wake(&mut self, now: LocalInstant, rng: &mut Rng, out: &mut Vec<SwimEffect>) {
        while let Some((_, node)) = self.dues.first().copied().filter(|(at, _)| *at <= now) {
            self.condemn(node, now, out);
        }
        while self.helps.front().is_some_and(|help| help.gives_up <= now) {
            let Some(help) = self.helps.pop_front() else { break };
            let rumours = self.rumours();
            out.push(SwimEffect::Send { to: help.asker, message: SwimMessage::Nack { seq: help.theirs, rumours } });
        }
        if self.probe.is_some() {
            self.go_on_probing(now, rng, out);
        }
        if self.probe.is_none() && self.next_probe <= now && !self.leaving {
            self.next_probe = tick_after(self.next_probe, self.config.probe_interval, now);
            self.begin_probe(now, rng, out);
        }
        if self.next_gossip <= now && !self.queue.is_empty() {
            self.next_gossip = tick_after(self.next_gossip, self.config.gossip_interval, now);
            self.gossip(now, rng, out);
        }
        self.exchange_if_due(now, rng, out);
    }

    /// A message of another member arrived.
    pub fn on_message(&mut self, from: NodeId, message: SwimMessage, now: LocalInstant, out: &mut Vec<SwimEffect>) {
        match message {
            SwimMessage::Ping { seq, rumours } => {
                self.hear(rumours, now, out);
                let rumours = self.rumours();
                out.push(SwimEffect::Send { to: from, message: SwimMessage::Ack { seq, rumours } });
            }
            SwimMessage::PingReq { seq, target, rumours } => {
                self.hear(rumours, now, out);
                let mine = self.last_number.advance();
                let gives_up = now + self.config.probe_timeout;
                self.helps.push_back(Help { mine, asker: from, theirs: seq, gives_up });
                let rumours = self.rumours();
                out.push(SwimEffect::Send { to: target, message: SwimMessage::Ping { seq: mine, rumours } });
            }
            SwimMessage::Ack { seq, rumours } => {
                self.hear(rumours, now, out);
                self.on_ack(seq, out);
            }
            SwimMessage::Nack { seq, rumours } => {
                self.hear(rumours, now, out);
                if let Some(probe) = self.probe.as_mut().filter(|probe| probe.seq == seq) {
                    probe.nacks += 1;
                }
            }
            SwimMessage::Gossip { rumours } => self.hear(rumours, now, out),
            SwimMessage::Push { seq, whole } => self.on_push(from, seq, whole, now, out),
            SwimMessage::Pull { seq, whole } => self.on_pull(from, seq, whole, now, out),
        }
    }

    fn on_ack(&mut self, seq: ProbeNumber, out: &mut Vec<SwimEffect>) {
        if self.probe.as_ref().is_some_and(|probe| probe.seq == seq) {
            self.probe = None;
            self.health = self.health.saturating_sub(1);
        } else if let Some(at) = self.helps.iter().position(|help| help.mine == seq)
            && let Some(help) = self.helps.remove(at)
        {
            let rumours = self.rumours();
            out.push(SwimEffect::Send { to: help.asker, message: SwimMessage::Ack { seq: help.theirs, rumours } });
        }
    }

    /// News for a packet.
    fn rumours(&mut self) -> Vec<Rumour> {
        let limit = self.config.transmissions(self.view.known());
        self.queue.take(PACKET, limit)
    }

    /// Lifeguard: its own health gets worse, or better.
    pub(super) fn worsen(&mut self, by: u32) {
        self.health = (self.health + by).min(self.config.awareness_max.saturating_sub(1));
    }

    fn begin_probe(&mut self, now: LocalInstant, rng: &mut Rng, out: &mut Vec<SwimEffect>) {
        let Some((target, belief)) = self.next_target(now, rng, out) else { return };
        let seq = self.last_number.advance();
        let ends = now + self.config.probe_interval.times(u64::from(self.health) + 1);
        let help_at = Some(now + self.config.probe_timeout).filter(|at| *at < ends);
        self.probe = Some(Probe { target, seq, began: now, help_at, ends, asked: 0, nacks: 0 });
        let rumours = if belief.state == State::Suspect && self.config.buddy {
            // Lifeguard's buddy system: who is suspected shall hear of it first.
            vec![Rumour::Suspect { node: target, incarnation: belief.incarnation, from: self.me }]
        } else {
            self.rumours()
        };
        out.push(SwimEffect::Probes(target));
        out.push(SwimEffect::Send { to: target, message: SwimMessage::Ping { seq, rumours } });
    }

    /// Whom to probe next, and what is believed of it: nobody who is gone.
    fn next_target(&mut self, now: LocalInstant, rng: &mut Rng, out: &mut Vec<SwimEffect>) -> Option<(NodeId, Belief)> {
        if self.config.random_order {
            let target = self.pick(1, rng, |_, belief| !belief.state.is_gone()).pop()?;
            return Some((target, self.view.get(target)?));
        }
        for _ in 0..2 {
            while let Some(number) = self.round.next(rng) {
                let node = NodeId(number);
                let belief = self.view.get(node).filter(|belief| node != self.me && !belief.state.is_gone());
                if let Some(belief) = belief {
                    return Some((node, belief));
                }
            }
            self.forget_the_gone(now, out);
            self.round.begin(self.nodes);
        }
        None
    }

    /// Between two rounds those are forgotten who have been gone for so long that nobody gossips to them any more.
    fn forget_the_gone(&mut self, now: LocalInstant, out: &mut Vec<SwimEffect>) {
        let long = self.config.gossip_to_the_dead;
        let is_over = |belief: &Belief| belief.state.is_gone() && belief.since + long < now;
        let over: Vec<NodeId> = self
            .view
            .differs()
            .filter_map(|(node, belief)| (node != self.me && belief.as_ref().is_some_and(is_over)).then_some(node))
            .collect();
        for node in over {
            self.view.set(node, None);
            out.push(SwimEffect::Forgets(node));
        }
    }

    fn go_on_probing(&mut self, now: LocalInstant, rng: &mut Rng, out: &mut Vec<SwimEffect>) {
        let Some(probe) = self.probe else { return };
        if probe.help_at.is_some_and(|at| at <= now) {
            let target = probe.target;
            let helpers = self.pick(self.config.indirect_checks as usize, rng, |node, belief| {
                node != target && belief.state == State::Alive
            });
            let hasty = self.config.slips(Slip::Hasty);
            if let Some(probe) = &mut self.probe {
                probe.help_at = None;
                probe.asked = helpers.len() as u32;
                if hasty {
                    probe.ends = now;
                }
            }
            for to in helpers {
                let rumours = self.rumours();
                out.push(SwimEffect::Send { to, message: SwimMessage::PingReq { seq: probe.seq, target, rumours } });
            }
        }
        if let Some(probe) = self.probe.filter(|probe| probe.ends <= now && probe.help_at.is_none()) {
            self.probe = None;
            self.probe_failed(probe, now, out);
        }
    }

    fn probe_failed(&mut self, probe: Probe, now: LocalInstant, out: &mut Vec<SwimEffect>) {
        let silent = probe.asked.saturating_sub(probe.nacks);
        self.worsen(if probe.asked > 0 { silent } else { 1 });
        let Some(belief) = self.view.get(probe.target).filter(|belief| !belief.state.is_gone()) else { return };
        out.push(SwimEffect::Accuses { node: probe.target, waited: now.since(probe.began), silent });
        self.suspect(probe.target, belief.incarnation, self.me, now, out);
    }

    fn gossip(&mut self, now: LocalInstant, rng: &mut Rng, out: &mut Vec<SwimEffect>) {
        let long = self.config.gossip_to_the_dead;
        let to = self.pick(self.config.gossip_nodes as usize, rng, |_, belief| match belief.state {
            State::Alive | State::Suspect => true,
            State::Dead => now <= belief.since + long,
            State::Left => false,
        });
        for to in to {
            let rumours = self.rumours();
            if rumours.is_empty() {
                return;
            }
            out.push(SwimEffect::Send { to, message: SwimMessage::Gossip { rumours } });
        }
    }

    /// Up to `k` other members that fit, at random: memberlist tries three times as often as there are members.
    pub(super) fn pick(&self, k: usize, rng: &mut Rng, fits: impl Fn(NodeId, Belief) -> bool) -> Vec<NodeId> {
        let mut picked: Vec<NodeId> = Vec::with_capacity(k);
        for _ in 0..3 * u64::from(self.nodes) {
            if picked.len() >= k {
                break;
            }
            let node = NodeId(rng.below(u64::from(self.nodes)) as u32);
            let belief = self.view.get(node).filter(|belief| node != self.me && fits(node, *belief));
            if belief.is_some() && !picked.contains(&node) {
                picked.push(node);
            }
        }
        picked
    }

    /// It goes, and says so. Who has said all is quiet: see [`Swim::has_left`].
    pub fn leave(&mut self, now: LocalInstant, out: &mut Vec<SwimEffect>) {
        if !self.leaving {
            self.leaving = true;
            self.probe = None;
            self.dead(self.me, self.incarnation, self.me, now, out);
        }
    }

    /// Whether it has said to enough others that it goes.
    #[must_use]
    pub fn has_left(&self) -> bool {
        let goes = Rumour::Dead { node: self.me, incarnation: self.incarnation, from: self.me };
        self.leaving && !self.queue.has(&goes)
    }

    /// Serf has news.
    pub fn tell(&mut self, rumour: Rumour) {
        self.queue.push(rumour);
    }
}

/// The first tick after `now`, of a clock that ticks at `tick` and every `interval`.
fn tick_after(tick: LocalInstant, interval: Duration, now: LocalInstant) -> LocalInstant {
    let interval = interval.0.max(1);
    LocalInstant(tick.0 + (now.0.saturating_sub(tick.0) / interval + 1) * interval)
}
