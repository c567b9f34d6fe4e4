//! Ordered links, as TCP makes them: what is sent arrives in order, late rather than not at all; a cut holds it, and
//! what breaks the connection takes all of it. And the way out of a machine, which everything that leaves it shares.

use super::closures::Closures;
use super::{Engine, Event};
use crate::network::Busy;
use crate::sorted::SortedMap;
use crate::{Client, ClientId, Drop, Duration, Instant, Message, Node, NodeId, Observer, Parcel, Peer, hash};
use std::collections::VecDeque;

/// What a lost segment costs: the least that Linux waits before it sends again (`TCP_RTO_MIN`).
const RETRANSMIT: Duration = Duration::millis(200);
/// Clients' numbers lie beyond the nodes'.
pub(super) const CLIENT: u32 = 1 << 31;

/// One way of one link: sender and receiver.
pub(super) type Way = (u32, u32);

/// All connections that something was sent on.
#[derive(Clone, Debug)]
pub(super) struct Connections<N: Node> {
    ways: SortedMap<Way, Connection<N>>,
    /// When each physical machine has sent what it was given.
    egress: Busy,
    /// Which of the connections between nodes are over, and who has heard of it.
    pub(super) closures: Closures,
}

impl<N: Node> Default for Connections<N> {
    fn default() -> Self {
        Self { ways: SortedMap::new(), egress: Busy::default(), closures: Closures::default() }
    }
}

impl<N: Node> Connections<N> {
    /// When the newest of what was sent that way arrives.
    pub(super) fn last(&self, way: Way) -> Instant {
        self.ways.get(&way).map_or(Instant::ZERO, |connection| connection.last)
    }

    /// The nodes with which one has exchanged anything.
    pub(super) fn peers_of(&self, node: NodeId) -> Vec<NodeId> {
        let ends = self.ways.keys().filter(|(from, to)| *from == node.0 || *to == node.0);
        let other = ends.map(|(from, to)| if *from == node.0 { *to } else { *from });
        let mut peers: Vec<NodeId> = other.filter(|peer| peer & CLIENT == 0).map(NodeId).collect();
        peers.sort_unstable();
        peers.dedup();
        peers
    }
}

#[derive(Clone, Debug)]
struct Connection<N: Node> {
    /// When the newest arrives: nothing overtakes it.
    last: Instant,
    /// What has come as far as a cut and when, oldest first.
    held: VecDeque<(Instant, Event<N>)>,
    /// Since when something is held.
    since: Instant,
    /// It was lost: nothing passes before it can be made anew.
    lost: bool,
    /// What arrives until then was sent over an earlier connection: to a process that has died.
    void: Instant,
}

impl<N: Node> Default for Connection<N> {
    fn default() -> Self {
        Self { last: Instant::ZERO, held: VecDeque::new(), since: Instant::ZERO, lost: false, void: Instant::ZERO }
    }
}

/// One way as a key.
pub(super) const fn way(from: Peer, to: Peer) -> Way {
    const fn number(peer: Peer) -> u32 {
        match peer {
            Peer::Node(node) => node.0,
            Peer::Client(client) => CLIENT | client.0,
        }
    }
    (number(from), number(to))
}

pub(super) const fn peer(number: u32) -> Peer {
    if number & CLIENT == 0 { Peer::Node(NodeId(number)) } else { Peer::Client(ClientId(number & !CLIENT)) }
}

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    /// How long what takes `latency` is on its way on an ordered link. What the network has lost once comes later, and
    /// so does all behind it; a cut is met at its far end.
    pub(super) fn in_order(&mut self, way: Way, latency: Duration, lost: Option<Drop>) -> Duration {
        let again = lost.is_some_and(|why| why != Drop::Cut);
        let arrives = self.now + latency + if again { RETRANSMIT } else { Duration::ZERO };
        let connection = self.connections.ways.entry(way).or_default();
        connection.last = arrives.max(connection.last + Duration::nanos(1));
        connection.last.since(self.now)
    }

    /// How long `bytes` wait until they have left the machine of `from`; `None` if there is no room to wait. What goes
    /// to a node on the same machine does not leave it.
    pub(super) fn leave_machine(&mut self, from: NodeId, to: Option<NodeId>, bytes: u32) -> Option<Duration> {
        let cold = |node: NodeId| &self.machines[node.index()].cold;
        let ((rate, queue), host) = (cold(from).egress, cold(from).host);
        if rate == 0 || (host.is_some() && to.is_some_and(|to| cold(to).host == host)) {
            return Some(Duration::ZERO);
        }
        let machine = host.map_or((0, from.0), |host| (1, u32::from(host)));
        self.connections.egress.admit(machine, self.now, bytes, rate, queue)
    }

    /// Something has come to the far end of an ordered link. Gives it back if it arrives; a cut, or what waits there
    /// already, holds it, and it is gone with a connection that is lost.
    pub(super) fn comes_through(&mut self, way: Way, event: Event<N>) -> Option<Event<N>> {
        let (from, to) = (peer(way.0), peer(way.1));
        let cut = self.trouble.cut(from, to, self.zone_of_client(way));
        let (timeout, connects) = (self.connection_timeout(way), self.connects());
        let connection = self.connections.ways.entry(way).or_default();
        if self.now <= connection.void {
            self.lose(way, event, Drop::Stale);
            return None;
        }
        if !cut && connection.held.is_empty() && !connection.lost {
            return Some(event);
        }
        if connection.held.is_empty() {
            connection.since = self.now;
        }
        connection.held.push_back((self.now, event));
        if connects && self.now.since(connection.since) >= timeout {
            // Whoever hears of the end may try anew: what waits then waits as long as the first.
            self.sever_way(way);
        } else if connection.lost || self.now.since(connection.since) >= timeout {
            connection.lost = true;
            self.lose_held(way, Drop::Cut);
        }
        None
    }

    /// A cut has ended: what it has held goes on, one latency later, unless other cuts hold it still.
    pub(super) fn release_connections(&mut self) {
        let waiting =
            self.connections.ways.iter().filter(|(_, connection)| connection.lost || !connection.held.is_empty());
        let ways: Vec<Way> = waiting.map(|(way, _)| *way).collect();
        for way in ways {
            let after = self.policy_of(way).latency.median();
            self.push(self.now + after, Event::Release { way });
        }
        self.tell_closed_again();
    }

    /// What a cut has held arrives, if nothing is in its way again and its connection has lasted.
    pub(super) fn release(&mut self, way: Way) {
        if self.trouble.is_cut(peer(way.0), peer(way.1), self.zone_of_client(way)) {
            return;
        }
        let timeout = self.connection_timeout(way);
        let Some(connection) = self.connections.ways.get_mut(&way) else { return };
        connection.lost = false;
        if self.now.since(connection.since) >= timeout {
            self.lose_held(way, Drop::Cut);
            return self.sever_way(way);
        }
        for (came, event) in core::mem::take(&mut connection.held) {
            self.land(event, came);
        }
    }

    /// What has come to the far end of its link, through whatever was in the way there, arrives.
    pub(super) fn land(&mut self, event: Event<N>, came: Instant) {
        match event {
            Event::Message { from, to, number, message } => {
                if self.is_connected(from, to, came) {
                    self.reach(from, to, number, message);
                } else {
                    self.lose_message(from, to, number, &message, Drop::Stale);
                }
            }
            Event::Request { ticket, to, request } => self.request_reaches(ticket, to, request),
            Event::Answer { ticket, from, answer } => self.answer_reaches(ticket, from, answer),
            _ => {}
        }
    }

    /// A process that dies takes its connections with it: what waits on either way, and what is under way to it, be it
    /// from a node or from a client. Whatever runs there next answers that with a reset; a client that is only asked to
    /// wait hears nothing of it, as it hears nothing of a dead machine. What is under way *from* it has left its
    /// machine, and arrives.
    pub(super) fn break_connections(&mut self, node: NodeId) {
        // Nodes that hear of such things are told (see `closures.rs`).
        let connects = self.connects();
        let untold = |(from, to): &Way| !connects || (from | to) & CLIENT != 0;
        let ends = self.connections.ways.keys().filter(|way| untold(way)).copied();
        let ways: Vec<Way> = ends.filter(|(from, to)| *from == node.0 || *to == node.0).collect();
        for way in ways {
            if way.1 == node.0
                && let Some(connection) = self.connections.ways.get_mut(&way)
            {
                connection.void = connection.last;
            }
            self.lose_held(way, Drop::Stale);
        }
    }

    /// Messages that wait at cuts.
    pub(super) fn messages_held(&self) -> usize {
        let all = self.connections.ways.values().flat_map(|connection| &connection.held);
        all.filter(|(_, event)| matches!(event, Event::Message { .. })).count()
    }

    /// A connection between nodes is over.
    fn sever_way(&mut self, way: Way) {
        if let (true, Peer::Node(from), Peer::Node(to)) = (self.connects(), peer(way.0), peer(way.1)) {
            self.sever(from, to);
        }
    }

    /// What waits that way is lost. Says whether there was anything.
    pub(super) fn lose_held(&mut self, way: Way, why: Drop) -> bool {
        let connection = self.connections.ways.entry(way).or_default();
        let held = core::mem::take(&mut connection.held);
        let any = !held.is_empty();
        for (_, event) in held {
            self.lose(way, event, why);
        }
        any
    }

    pub(super) fn lose(&mut self, way: Way, event: Event<N>, why: Drop) {
        let (what, content) = match event {
            Event::Message { number, message, .. } => {
                (Parcel::Message(message.kind(), number), hash::content(&message))
            }
            Event::Request { ticket, .. } => (Parcel::Request(ticket), 0),
            Event::Answer { ticket, answer, .. } => (Parcel::Answer(ticket), hash::content(&answer)),
            _ => return,
        };
        self.drop_message(peer(way.0), peer(way.1), what, why, content);
    }

    pub(super) fn zone_of_client(&self, way: Way) -> u16 {
        let zone = |number| match peer(number) {
            Peer::Client(client) => Some(self.clients[client.index()].seat_zone()),
            Peer::Node(_) => None,
        };
        zone(way.0).or_else(|| zone(way.1)).unwrap_or(0)
    }

    pub(super) fn policy_of(&self, way: Way) -> &crate::network::LinkPolicy {
        let site = |number| match peer(number) {
            Peer::Client(client) => self.network.client_site[self.clients[client.index()].seat_zone() as usize],
            Peer::Node(node) => self.network.node_site[node.index()],
        };
        self.network.policy(site(way.0), site(way.1))
    }

    /// Whether that way has order.
    pub(super) fn is_ordered(&self, way: Way) -> bool {
        self.fancy_links && self.policy_of(way).ordered
    }

    pub(super) fn connection_timeout(&self, way: Way) -> Duration {
        self.policy_of(way).connection_timeout
    }
}
