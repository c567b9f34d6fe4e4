//! Push-pull: the whole state, exchanged with one member at a time. Over TCP in memberlist; here a message each way,
//! sent again until it is answered or the time is over.

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

/// An exchange under way.
#[derive(Clone, Debug)]
pub struct Exchange {
    with: NodeId,
    seq: ProbeNumber,
    whole: Whole,
    join: bool,
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

    pub(super) fn exchange_due(&self) -> Option<LocalInstant> {
        if self.leaving {
            return None;
        }
        match &self.exchange {
            Some(exchange) => Some(exchange.again.min(exchange.gives_up)),
            None => self.exchanges_every().map(|_| self.next_exchange),
        }
    }

    pub(super) fn exchange_if_due(&mut self, now: LocalInstant, rng: &mut Rng, out: &mut Vec<SwimEffect>) {
        if self.exchange_due().is_none_or(|due| due > now) {
            return;
        }
        if let Some(exchange) = &mut self.exchange {
            if exchange.gives_up <= now {
                self.exchange = None;
            } else {
                exchange.pause = exchange.pause.times(2);
                exchange.again = now + exchange.pause;
                let message = SwimMessage::Push { seq: exchange.seq, whole: exchange.whole.clone() };
                out.push(SwimEffect::Send { to: exchange.with, message });
            }
            return;
        }
        let Some(every) = self.exchanges_every() else { return };
        self.next_exchange = now + every;
        if let Some(with) = self.pick(1, rng, |_, belief| belief.state == State::Alive).pop() {
            // Serf adds what it knows as the message leaves: see `Serf::flush`.
            self.exchange_with(with, false, now, out);
        }
    }

    /// Exchanges the whole state with somebody, known or not.
    pub fn exchange_with(&mut self, with: NodeId, join: bool, now: LocalInstant, out: &mut Vec<SwimEffect>) {
        let (seq, whole) = (self.last_number.advance(), self.whole());
        let message = SwimMessage::Push { seq, whole: whole.clone() };
        let (again, gives_up) = (now + AGAIN, now + PATIENCE);
        self.exchange = Some(Exchange { with, seq, whole, join, again, pause: AGAIN, gives_up });
        out.push(SwimEffect::Send { to: with, message });
    }

    /// Whether it waits for somebody to let it in.
    #[must_use]
    pub fn is_joining(&self) -> bool {
        self.exchange.as_ref().is_some_and(|exchange| exchange.join)
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
        self.merge(whole, false, now, out);
    }

    pub(super) fn on_pull(
        &mut self,
        from: NodeId,
        seq: ProbeNumber,
        whole: Whole,
        now: LocalInstant,
        out: &mut Vec<SwimEffect>,
    ) {
        let Some(exchange) = self.exchange.take_if(|exchange| exchange.with == from && exchange.seq == seq) else {
            return;
        };
        self.merge(whole, exchange.join, now, out);
    }

    /// Takes in all that somebody else knows. Who is dead there is only suspected here: it may object.
    fn merge(&mut self, whole: Whole, join: bool, now: LocalInstant, out: &mut Vec<SwimEffect>) {
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
        out.push(SwimEffect::Synced(whole, join));
    }
}
