//! Push-pull: the whole state, exchanged with one other member. Over TCP in memberlist; here a message each way, sent
//! again until it is answered or the time is over: as the dialling of a connection is, which waits out a short
//! partition.

use super::config::push_pull_scale;
use super::member::{Swim, SwimEffect};
use super::message::{Lamport, Member, ProbeNumber, SwimMessage, Whole};
use super::view::State;
use crate::shared::number::Counts;
use sim_core::{Duration, LocalInstant, NodeId, Rng};

/// How long an exchange may take.
const PATIENCE: Duration = Duration::secs(10);
/// How long until it is sent again; twice as long each time.
const AGAIN: Duration = Duration::secs(1);

/// What an exchange is for. Of what comes round again and again, one is under way at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It is time for one.
    Regular,
    /// One that failed may be back.
    Reconnect,
    /// To be let in.
    Join,
}

/// An exchange under way: a connection that is dialled, or waited at.
#[derive(Clone, Debug)]
pub struct Exchange {
    with: NodeId,
    seq: ProbeNumber,
    reason: Reason,
    again: LocalInstant,
    pause: Duration,
    gives_up: LocalInstant,
}

impl Swim {
    /// How long it is between two exchanges; `None` if there are none.
    fn exchanges_every(&self) -> Option<Duration> {
        let every = self.config.push_pull.times(u64::from(push_pull_scale(self.view.known())));
        (every > Duration::ZERO).then_some(every)
    }

    /// Whether the next regular one waits only for its time.
    fn is_free(&self) -> bool {
        !self.leaving && !self.exchanges.iter().any(|exchange| exchange.reason == Reason::Regular)
    }

    pub(super) fn exchange_due(&self) -> Option<LocalInstant> {
        let regular = self.exchanges_every().filter(|_| self.is_free()).map(|_| self.next_exchange);
        let under_way = self.exchanges.iter().map(|exchange| exchange.again.min(exchange.gives_up));
        under_way.chain(regular).min()
    }

    pub(super) fn exchange_if_due(&mut self, now: LocalInstant, rng: &mut Rng, out: &mut Vec<SwimEffect>) {
        self.exchanges.retain(|exchange| exchange.gives_up > now);
        for at in 0..self.exchanges.len() {
            let exchange = &mut self.exchanges[at];
            if exchange.again <= now {
                exchange.pause = exchange.pause.times(2);
                exchange.again = now + exchange.pause;
                let (to, seq) = (exchange.with, exchange.seq);
                // Who is connected with at last is told what is known by then.
                out.push(SwimEffect::Send { to, message: SwimMessage::Push { seq, whole: self.whole() } });
            }
        }
        let Some(every) = self.exchanges_every().filter(|_| self.is_free() && self.next_exchange <= now) else {
            return;
        };
        self.next_exchange = now + every;
        if let Some(with) = self.pick(1, rng, |_, belief| belief.state == State::Alive).pop() {
            // Serf adds what it knows as the message leaves: see `Serf::flush`.
            self.exchange_with(with, Reason::Regular, now, out);
        }
    }

    /// Exchanges the whole state with somebody, known or not.
    pub fn exchange_with(&mut self, with: NodeId, reason: Reason, now: LocalInstant, out: &mut Vec<SwimEffect>) {
        let seq = self.last_number.advance();
        let (again, gives_up) = (now + AGAIN, now + PATIENCE);
        self.exchanges.push(Exchange { with, seq, reason, again, pause: AGAIN, gives_up });
        out.push(SwimEffect::Send { to: with, message: SwimMessage::Push { seq, whole: self.whole() } });
    }

    /// Whether an exchange with `with` is under way to be let in.
    #[must_use]
    pub fn is_joining(&self, with: NodeId) -> bool {
        self.exchanges.iter().any(|exchange| exchange.reason == Reason::Join && exchange.with == with)
    }

    /// Whether one with a member that failed is.
    pub(super) fn is_reconnecting(&self) -> bool {
        self.exchanges.iter().any(|exchange| exchange.reason == Reason::Reconnect)
    }

    /// All that it knows.
    fn whole(&self) -> Whole {
        let mut members = Vec::new();
        let mut unknown = Vec::new();
        for (node, belief) in self.view.differs() {
            match belief {
                Some(belief) => members.push(Member { node, state: belief.state, incarnation: belief.incarnation }),
                None if node.0 < self.view.base() => unknown.push(node),
                None => {}
            }
        }
        let clock = Lamport(0);
        let (intents, events) = (Vec::new(), Vec::new());
        Whole { base: self.view.base(), members, unknown, clock, intents, event_clock: clock, events }
    }

    pub(super) fn on_push(
        &mut self,
        from: NodeId,
        seq: ProbeNumber,
        whole: Whole,
        now: LocalInstant,
        out: &mut Vec<SwimEffect>,
    ) {
        let mine = self.whole();
        out.push(SwimEffect::Send { to: from, message: SwimMessage::Pull { seq, whole: mine } });
        self.merge(whole, None, now, out);
    }

    pub(super) fn on_pull(
        &mut self,
        from: NodeId,
        seq: ProbeNumber,
        whole: Whole,
        now: LocalInstant,
        out: &mut Vec<SwimEffect>,
    ) {
        let is_it = |exchange: &Exchange| exchange.with == from && exchange.seq == seq;
        let Some(at) = self.exchanges.iter().position(is_it) else { return };
        let exchange = self.exchanges.swap_remove(at);
        let joined = (exchange.reason == Reason::Join).then_some(from);
        self.merge(whole, joined, now, out);
    }

    /// Takes in all that somebody else knows. Who is dead there is only suspected here: it may object.
    fn merge(&mut self, whole: Whole, joined: Option<NodeId>, now: LocalInstant, out: &mut Vec<SwimEffect>) {
        let said = |node: NodeId| {
            let listed = whole.members.binary_search_by_key(&node, |member| member.node).is_ok();
            listed || whole.unknown.binary_search(&node).is_ok()
        };
        // Of those below both bases, nothing is news that neither side has anything to say about.
        let mut as_at_first: Vec<NodeId> = (self.view.base()..whole.base).map(NodeId).collect();
        as_at_first.extend(self.view.differs().map(|(node, _)| node).filter(|node| node.0 < whole.base));
        as_at_first.sort_unstable();
        as_at_first.dedup();
        as_at_first.retain(|node| !said(*node));
        for node in as_at_first {
            self.alive_is(node, super::message::Incarnation(1), now, out);
        }
        let me = self.me;
        for Member { node, state, incarnation } in &whole.members {
            match state {
                State::Alive => self.alive_is(*node, *incarnation, now, out),
                State::Left => self.dead(*node, *incarnation, *node, now, out),
                State::Suspect | State::Dead => self.suspect(*node, *incarnation, me, now, out),
            }
        }
        out.push(SwimEffect::Synced(whole, joined));
    }
}
