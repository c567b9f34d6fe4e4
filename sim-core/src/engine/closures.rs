//! Connections that end, as TCP tells their two ends: by a FIN where a process has died and its machine goes on, by a
//! reset where the machine has come back and knows of nothing, by a timeout where nothing passes.
//!
//! Between two nodes there is one connection at a time, and they are counted: each has a number. An end uses the one
//! that it knows until it hears that it is over ([`Node::on_closed`]); what it sends until then goes nowhere. So what
//! arrives at one end of a connection is the first part of what the other has sent over it, in order.

use super::connections::{Way, way};
use super::machine::Input;
use super::{Engine, Event};
use crate::digest::Code;
use crate::sorted::SortedMap;
use crate::{Client, Drop, Duration, Instant, Node, NodeId, Observed, Observer, Peer};
use std::collections::VecDeque;

/// The number of a connection between two nodes.
pub(super) type Number = u32;

/// What one end knows of its connection with another, and what it has sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Side {
    /// The connection that it uses.
    known: Number,
    /// From when on what arrives was sent over which connection.
    sent: VecDeque<(Instant, Number)>,
    /// What was sent over earlier connections does not arrive any more.
    since: Number,
}

/// All connections between nodes that talk over connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Closures {
    /// The newest connection of two nodes, the lower one first.
    newest: SortedMap<Way, Number>,
    sides: SortedMap<Way, Side>,
}

/// The way from one node to another.
const fn between(from: NodeId, to: NodeId) -> Way {
    way(Peer::Node(from), Peer::Node(to))
}

impl Closures {
    fn newest(&self, a: NodeId, b: NodeId) -> Number {
        self.newest.get(&(a.0.min(b.0), a.0.max(b.0))).copied().unwrap_or(0)
    }

    /// The connection of two nodes is over. Gives the number of the next one.
    fn end(&mut self, a: NodeId, b: NodeId) -> Number {
        let newest = self.newest.entry((a.0.min(b.0), a.0.max(b.0))).or_default();
        *newest += 1;
        *newest
    }

    fn side(&mut self, end: NodeId, peer: NodeId) -> &mut Side {
        self.sides.entry(between(end, peer)).or_default()
    }

    fn known(&self, end: NodeId, peer: NodeId) -> Number {
        self.sides.get(&between(end, peer)).map_or(0, |side| side.known)
    }

    /// Whether `end` has yet to hear that its connection is over.
    fn is_to_hear(&self, end: NodeId, peer: NodeId) -> bool {
        self.known(end, peer) < self.newest(end, peer)
    }
}

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    /// Whether nodes talk over connections. Costs nothing where no configuration of them does.
    #[inline]
    pub(super) fn connects(&self) -> bool {
        N::CONNECTS && N::connects(&self.config)
    }

    /// `end` is told by `peer`, or its machine, that their connection before `next` is over.
    fn tell_closed(&mut self, end: NodeId, peer: NodeId, next: Number, after: Duration) {
        self.push(self.now + after, Event::Closed { end, peer, next, told: true });
    }

    /// `end` gives the connection up once nothing has come of it for too long.
    fn give_up(&mut self, end: NodeId, peer: NodeId, next: Number) {
        let timeout = self.connection_timeout(between(end, peer));
        self.push(self.now + timeout, Event::Closed { end, peer, next, told: false });
    }

    /// How long a segment takes from one node to another.
    fn one_way(&self, from: NodeId, to: NodeId) -> Duration {
        self.policy_of(between(from, to)).latency.median()
    }

    /// A process has died: those it was connected with hear of it, at once if its machine goes on and says so.
    pub(super) fn close_connections_of(&mut self, dead: NodeId, machine_lives: bool) {
        if !self.connects() {
            return;
        }
        for peer in self.connections.peers_of(dead) {
            let next = self.connections.closures.end(dead, peer);
            self.connections.closures.side(peer, dead).since = next;
            self.lose_held(between(peer, dead), Drop::Stale);
            if !machine_lives && self.lose_held(between(dead, peer), Drop::Stale) {
                // What follows something that is lost is lost.
                self.connections.closures.side(dead, peer).since = next;
            }
            self.give_up(peer, dead, next);
            if machine_lives {
                // The machine sends what its process had said, and then the FIN.
                let latency = self.one_way(dead, peer);
                let fin = self.in_order(between(dead, peer), latency, None);
                self.tell_closed(peer, dead, next, fin);
            }
        }
    }

    /// A process begins: it knows of no connection, and whoever still holds one with its machine gets a reset.
    pub(super) fn forget_connections_of(&mut self, booted: NodeId) {
        if !self.connects() {
            return;
        }
        for peer in self.connections.peers_of(booted) {
            let newest = self.connections.closures.newest(booted, peer);
            self.take_up(booted, peer, newest);
            if self.connections.closures.is_to_hear(peer, booted) {
                let latency = self.one_way(booted, peer);
                self.tell_closed(peer, booted, newest, latency);
            }
        }
    }

    /// What `end` sends from now on goes over connection `number`.
    fn take_up(&mut self, end: NodeId, peer: NodeId, number: Number) {
        let last = self.connections.last(between(end, peer));
        let side = self.connections.closures.side(end, peer);
        side.known = number;
        // Of what has arrived long ago nobody asks any more.
        let arrived = side.sent.iter().take_while(|(from, _)| *from < self.now).count();
        side.sent.drain(..arrived.saturating_sub(1));
        side.sent.push_back((last, number));
    }

    /// Something that was sent from one to the other is lost, and with it the connection: both ends hear of it.
    pub(super) fn sever(&mut self, from: NodeId, to: NodeId) {
        let next = self.connections.closures.end(from, to);
        for (end, peer) in [(from, to), (to, from)] {
            self.lose_held(between(end, peer), Drop::Cut);
            self.connections.closures.side(end, peer).since = next;
            self.push(self.now, Event::Closed { end, peer, next, told: false });
        }
    }

    /// Nobody was there to receive what `from` has sent: a machine that is up refuses, one that is dead is silent.
    pub(super) fn refused(&mut self, from: NodeId, to: NodeId) {
        if !self.connects() || from == to || self.is_tcp() || self.connections.closures.is_to_hear(from, to) {
            return;
        }
        let next = self.connections.closures.end(from, to);
        self.connections.closures.side(from, to).since = next;
        self.give_up(from, to, next);
        if self.machines[to.index()].cold.refuses {
            let latency = self.one_way(to, from);
            self.tell_closed(from, to, next, latency);
        }
    }

    /// Whether what `from` sends to `to` goes nowhere, because their connection is over and `from` has not heard of it.
    pub(super) fn is_closing(&self, from: NodeId, to: NodeId) -> bool {
        self.connects() && self.connections.closures.is_to_hear(from, to)
    }

    /// Whether what came to `to` at `came` still reaches it; the first of a new connection tells it that the old one is
    /// over.
    pub(super) fn is_connected(&mut self, from: NodeId, to: NodeId, came: Instant) -> bool {
        if !self.connects() {
            return true;
        }
        let all = &mut self.connections.closures;
        let (known, newest) = (all.known(to, from), all.newest(to, from));
        let side = all.side(from, to);
        let sent = side.sent.iter().rev().find(|(from, _)| *from < came).map_or(0, |(_, number)| *number);
        if sent < side.since || sent < known || (sent > known && sent < newest) {
            return false;
        }
        if sent > known {
            self.closed(to, from, sent, false);
        }
        true
    }

    /// A cut has ended: what could not be said through it is said again.
    pub(super) fn tell_closed_again(&mut self) {
        let closures = &self.connections.closures;
        let ends = closures.sides.keys().map(|(end, peer)| (NodeId(*end), NodeId(*peer)));
        let unheard: Vec<(NodeId, NodeId)> = ends.filter(|(end, peer)| closures.is_to_hear(*end, *peer)).collect();
        for (end, peer) in unheard {
            if self.nodes[peer.index()].is_some() || self.machines[peer.index()].cold.refuses {
                let (next, latency) = (self.connections.closures.newest(end, peer), self.one_way(peer, end));
                self.tell_closed(end, peer, next, latency);
            }
        }
    }

    /// `end` hears that its connection before `next` is over, unless it has heard already, or has to be `told` and a
    /// cut is in the way.
    pub(super) fn closed(&mut self, end: NodeId, peer: NodeId, next: Number, told: bool) {
        let heard = self.connections.closures.known(end, peer) >= next || self.nodes[end.index()].is_none();
        if heard || told && self.trouble.cut(Peer::Node(peer), Peer::Node(end), 0) {
            return;
        }
        // Nothing of the old connection comes after its end.
        let side = self.connections.closures.side(peer, end);
        side.since = side.since.max(next);
        if self.is_gated(end) {
            self.wait_at_gate(end, Input::Closed { peer, next });
        } else {
            self.hear_closed(end, peer, next);
        }
    }

    /// The node itself is told.
    pub(super) fn hear_closed(&mut self, end: NodeId, peer: NodeId, next: Number) {
        // Hosted connections know themselves what is over.
        if !self.is_tcp() {
            if self.connections.closures.known(end, peer) >= next {
                return;
            }
            self.take_up(end, peer, next);
        }
        self.heard_over(end, peer);
        self.record(end.0, Code::Closed, u64::from(peer.0));
        self.observer.observe(self.now, &Observed::Closed { node: end, peer });
        self.step_node(end, |n, fx| n.on_closed(peer, fx));
    }
}
