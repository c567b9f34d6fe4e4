//! How connections end, and who hears of it: a FIN, a reset, a time-out, a process that dies, a machine without power.

use super::{Connection, DIALLED};
use crate::engine::connections::{Way, peer};
use crate::engine::machine::Input;
use crate::engine::{Engine, Event};
use crate::stack::Standing;
use crate::{Client, ClientId, Drop, Node, NodeId, Observed, Observer, Peer};

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    /// What was to go this way goes nowhere.
    pub(super) fn lose_parcel(&mut self, ends: Way, event: Event<N>, why: Drop) {
        if let (Drop::Reset, Some(carrier)) = (why, &mut self.carrier) {
            carrier.stats.reset += 1;
        }
        self.lose(ends, event, why);
    }

    /// Looks at what has become of an end, and tells whoever it concerns. Says whether it is gone.
    pub(super) fn settle(&mut self, id: u32, end: usize) -> bool {
        let Some(carrier) = self.carrier.as_mut() else { return true };
        let Some(streams) = carrier.tcp.as_deref_mut() else { return true };
        let Some(connection) = streams.connection(id) else { return true };
        let this = &mut connection.ends[end];
        let Some(standing) = this.standing() else { return true };
        let stack = this.stack.as_mut();
        let readable = stack.as_ref().map_or(0, |stack| stack.readable());
        let listens = stack.as_ref().is_some_and(|stack| stack.is_listening());
        let ends = (this.peer, connection.ends[1 - end].peer);
        let this = &mut connection.ends[end];
        match standing {
            Standing::Open if !this.open => {
                this.open = true;
                carrier.stats.opened += u64::from(end == DIALLED);
                let (me, other) = (peer(ends.0), peer(ends.1));
                self.observer.observe(self.now, &Observed::Connection { end: me, peer: other, open: true, why: "" });
                false
            }
            // A reset has met the handshake: nobody is there any more.
            Standing::Opening if listens => {
                self.end_over(id, end, "refused");
                true
            }
            Standing::Ended if readable == 0 && !this.orphan => {
                // The other end has said that nothing more comes, and all that came has been read.
                if let Some(stack) = &mut this.stack {
                    stack.close();
                }
                self.forget_end(id, end, "closed by its peer");
                false
            }
            Standing::Over => {
                let why = match (this.reset, this.orphan, this.open) {
                    (true, _, true) => "reset by its peer",
                    (true, _, false) => "refused",
                    (false, true, _) => "closed",
                    (false, false, true) => "timed out",
                    (false, false, false) => "nobody answered",
                };
                carrier.stats.given_up += u64::from(!this.reset && !this.orphan);
                self.end_over(id, end, why);
                true
            }
            _ => false,
        }
    }

    /// An end is reset by its own side.
    pub(super) fn abort(&mut self, id: u32, end: usize, why: &'static str) {
        let now = self.now;
        if let Some((stack, nic, policy)) = self.streams().and_then(|streams| streams.stack(id, end)) {
            stack.abort();
            stack.poll(nic, policy, now);
        }
        self.emit(id, end);
        self.end_over(id, end, why);
    }

    /// The kernel of this end knows nothing of it any more.
    fn end_over(&mut self, id: u32, end: usize, why: &'static str) {
        let Some(connection) = self.streams().and_then(|streams| streams.connection(id)) else { return };
        connection.ends[end].stack = None;
        self.forget_end(id, end, why);
        self.lose_stream(id, 1 - end, 0);
        self.release_connection(id);
    }

    /// The process of this end is told that it is over, and uses it no more: what it had not handed over is lost.
    fn forget_end(&mut self, id: u32, end: usize, why: &'static str) {
        let Some(streams) = self.streams() else { return };
        streams.unroute(id, end);
        let Some(connection) = streams.connection(id) else { return };
        if core::mem::replace(&mut connection.ends[end].orphan, true) {
            return;
        }
        let (lane, written) = (connection.lane, connection.streams[end].written);
        let ends = (connection.ends[end].peer, connection.ends[1 - end].peer);
        self.lose_stream(id, end, written);
        let (me, other) = (peer(ends.0), peer(ends.1));
        self.observer.observe(self.now, &Observed::Connection { end: me, peer: other, open: false, why });
        match (me, other) {
            (Peer::Node(node), Peer::Node(other)) if self.connects() && self.nodes[node.index()].is_some() => {
                if self.is_gated(node) {
                    if let Some(streams) = self.streams() {
                        streams.unheard.push((node, other));
                    }
                    self.wait_at_gate(node, Input::Closed { peer: other, next: 0 });
                } else {
                    self.hear_closed(node, other, 0);
                }
            }
            (Peer::Client(client), Peer::Node(node)) => self.connection_lost(client, node, lane),
            _ => {}
        }
    }

    /// What end `sender` has sent beyond byte `kept` is lost.
    fn lose_stream(&mut self, id: u32, sender: usize, kept: u64) {
        let Some(connection) = self.streams().and_then(|streams| streams.connection(id)) else { return };
        let ends = (connection.ends[sender].peer, connection.ends[1 - sender].peer);
        let stream = &mut connection.streams[sender];
        let keeps = stream.parcels.iter().take_while(|(behind, _)| *behind <= kept).count();
        stream.sent = stream.sent.min(stream.written);
        for (_, event) in stream.parcels.split_off(keeps) {
            self.lose_parcel(ends, event, Drop::Reset);
        }
    }

    /// A connection that neither end knows of, and of which nothing is under way, is no more.
    pub(super) fn release_connection(&mut self, id: u32) {
        let Some(connection) = self.streams().and_then(|streams| streams.connection(id)) else { return };
        if connection.flying > 0 || connection.ends.iter().any(|end| end.stack.is_some()) {
            return;
        }
        self.lose_stream(id, 0, 0);
        self.lose_stream(id, 1, 0);
        if let Some(streams) = self.streams() {
            streams.unroute(id, 0);
            streams.unroute(id, 1);
            streams.connections[id as usize] = None;
        }
    }

    /// A node hears that a connection with another is over.
    pub(in crate::engine) fn heard_over(&mut self, node: NodeId, other: NodeId) {
        if let Some(streams) = self.streams()
            && let Some(at) = streams.unheard.iter().position(|pair| *pair == (node, other))
        {
            streams.unheard.swap_remove(at);
        }
    }

    /// A process dies. If its machine lives on, the kernel closes what it had open.
    pub(in crate::engine) fn process_dies(&mut self, node: NodeId, machine_lives: bool) {
        let Some(streams) = self.streams() else { return };
        streams.unread[node.index()].clear();
        streams.unheard.retain(|(who, _)| *who != node);
        let of_node = |connection: &Connection<N>, end: usize| {
            connection.ends[end].peer == node.0 && connection.ends[end].stack.is_some()
        };
        let all = (0..).zip(&streams.connections).filter_map(|(id, c)| Some((id, c.as_deref()?)));
        let ends = all.flat_map(|(id, c)| [0, 1].into_iter().filter(move |end| of_node(c, *end)).map(move |e| (id, e)));
        let ends: Vec<(u32, usize)> = ends.collect();
        for (id, end) in ends {
            if !machine_lives {
                self.end_over(id, end, "its machine lost its power");
                continue;
            }
            self.forget_end(id, end, "its process died");
            let Some((stack, ..)) = self.streams().and_then(|streams| streams.stack(id, end)) else { continue };
            if stack.readable() > 0 || stack.standing() == Standing::Opening {
                stack.abort();
            } else {
                stack.close();
            }
            self.lose_stream(id, 1 - end, 0);
            self.pump(id, end);
        }
    }

    /// A client hears that its connection with `node` is over, on which it waits for answers: those tries have failed,
    /// if they have not taken effect.
    fn connection_lost(&mut self, id: ClientId, node: NodeId, lane: u8) {
        let now = self.now;
        for op in self.clients[id.index()].pending.numbers() {
            let of_it = self.lane_of_operation(op) == lane;
            let pending = self.clients[id.index()].pending.get(op);
            if let Some(pending) = pending.filter(|p| of_it && p.asked == node && !p.between && p.due > now) {
                pending.due = now;
                self.attend(id, op);
            }
        }
    }
}
