//! Segments: how they leave a machine, cross the network, and come to whoever knows of their connection.

use super::{ASKED, DIALLED, Stream};
use crate::digest::Code;
use crate::engine::connections::{CLIENT, Way, peer};
use crate::engine::transport::Packet;
use crate::engine::{Engine, Event};
use crate::stack::{Segment, Stack, before};
use crate::{Client, Drop, Node, Observed, Observer, Peer, Purpose, Rng, hash};

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    /// What a stack has put into the NIC leaves its machine.
    pub(super) fn emit(&mut self, id: u32, end: usize) {
        let Some(streams) = self.streams() else { return };
        if streams.nic.outgoing.is_empty() {
            return;
        }
        let mut outgoing = core::mem::take(&mut streams.nic.outgoing);
        for packet in outgoing.drain(..) {
            self.transmit(id, end, packet);
        }
        if let Some(streams) = self.streams() {
            streams.nic.outgoing = outgoing;
        }
    }

    /// One segment leaves its machine.
    fn transmit(&mut self, id: u32, end: usize, bytes: Vec<u8>) {
        let (now, segment) = (self.now, Segment::of(&bytes));
        let Some(carrier) = self.carrier.as_mut() else { return };
        let Some(streams) = carrier.tcp.as_deref_mut() else { return };
        let nat_idle = streams.policy.nat_idle;
        let Some(connection) = streams.connection(id) else { return };
        let with_client = (connection.ends[0].peer | connection.ends[1].peer) & CLIENT != 0;
        if nat_idle.0 > 0 && with_client && now.since(connection.crossed) > nat_idle && !connection.forgotten {
            connection.forgotten = true;
            carrier.stats.forgotten += 1;
        }
        let Some(connection) = streams.connection(id) else { return };
        connection.crossed = now;
        let forgotten = connection.forgotten;
        let (from, to) = (connection.ends[end].peer, connection.ends[1 - end].peer);
        let sender = &mut connection.ends[end];
        if sender.first.is_none() {
            (sender.highest, sender.acknowledged) = (segment.seq, segment.seq);
        }
        let first = *sender.first.get_or_insert(segment.seq);
        let counts = segment.payload > 0 || segment.syn || segment.fin;
        // A keep-alive probe repeats the byte before the next one, and is no retransmission.
        let probe = segment.payload == 1 && segment.end() == sender.highest && sender.acknowledged == sender.highest;
        let again = counts && !probe && before(segment.seq, sender.highest);
        if !again && counts && !probe {
            sender.highest = segment.end();
        }
        let under_way = if segment.rst { 0 } else { sender.highest.wrapping_sub(sender.acknowledged) };
        let timed_out = again && sender.duplicates < 3 && sender.again_at != now;
        if again {
            sender.again_at = now;
        }
        carrier.stats.sent_again += u64::from(again);
        carrier.stats.timeouts += u64::from(timed_out && segment.seq == sender.acknowledged);
        carrier.stats.resets += u64::from(segment.rst);
        carrier.stats.most_under_way = carrier.stats.most_under_way.max(u64::from(under_way));
        let (wire, size) = (sender.wire, bytes.len() as u32);
        let (from, to) = (peer(from), peer(to));
        let crossed = if forgotten {
            carrier.stats.lost += 1;
            Err(Drop::Loss)
        } else {
            self.cross(&Packet { from, to, wire, kind: None, bytes: size, in_line: true })
        };
        let (arrives, lost) = crossed.map_or_else(|why| (now, Some(why)), |(at, _)| (at, None));
        let at_byte = segment.seq.wrapping_sub(first);
        let (kind, payload) = (segment.name(), segment.payload);
        self.observer.observe(
            now,
            &Observed::Segment { from, to, kind, at_byte, bytes: payload, under_way, again, arrives, lost },
        );
        let Some(streams) = self.streams() else { return };
        let Ok((at, twice)) = crossed else { return streams.nic.recycle(bytes) };
        let copy = twice.map(|again| (again, streams.nic.copy(&bytes)));
        let copies = [Some((at, bytes)), copy];
        for (at, packet) in copies.into_iter().flatten() {
            let Some(streams) = self.streams() else { return };
            let packet = streams.packets.insert(packet);
            if let Some(connection) = streams.connection(id) {
                connection.flying += 1;
            }
            self.push(at, Event::Segment { connection: id, end: (1 - end) as u8, packet });
        }
    }

    /// A segment has crossed the network.
    pub(in crate::engine) fn segment_arrives(&mut self, id: u32, end: u8, packet: u32) {
        let (now, end) = (self.now, usize::from(end));
        let Some(streams) = self.streams() else { return };
        let packet = streams.packets.take(packet);
        let segment = Segment::of(&packet);
        let Some(connection) = streams.connection(id) else { return };
        connection.flying -= 1;
        let ends = (connection.ends[1 - end].peer, connection.ends[end].peer);
        let known = connection.ends[end].stack.is_some();
        let accepted = connection.ends[end].accepted;
        let (from, to) = (peer(ends.0), peer(ends.1));
        let said = hash::of(&[u64::from(segment.seq), u64::from(segment.acked), u64::from(segment.payload)]);
        self.digest.event(now.0, u64::from(ends.1) << 32 | u64::from(ends.0), Code::Segment, said);
        let there = match to {
            Peer::Client(_) => true,
            Peer::Node(node) => self.nodes[node.index()].is_some() || self.machines[node.index()].cold.refuses,
        };
        let zone = self.zone_of_client(ends);
        if self.trouble.cut(from, to, zone) || !there {
            if let (Some(carrier), true) = (&mut self.carrier, there) {
                carrier.stats.lost += 1;
            }
            return self.release_connection(id);
        }
        if !known {
            let asks = segment.syn && !segment.ack && !accepted;
            if !(asks && self.accept(id, ends)) {
                self.refuse(id, end, packet);
                return self.release_connection(id);
            }
        }
        self.take_in(id, end, packet, segment);
        self.pump(id, end);
        self.release_connection(id);
    }

    /// A stack gets a segment.
    fn take_in(&mut self, id: u32, end: usize, packet: Vec<u8>, segment: Segment) {
        let now = self.now;
        let Some(streams) = self.streams() else { return };
        let Some(connection) = streams.connections.get_mut(id as usize).and_then(Option::as_deref_mut) else { return };
        let this = &mut connection.ends[end];
        let Some(stack) = this.stack.as_mut() else { return };
        let readable = stack.readable();
        this.reset |= segment.rst;
        stack.receive(&mut streams.nic, &streams.policy, now, packet);
        let more = stack.readable() - readable;
        if segment.ack && this.first.is_some() {
            if segment.acked == this.acknowledged && segment.payload == 0 {
                this.duplicates += 1;
            } else {
                this.duplicates = 0;
                // A segment that was overtaken acknowledges less than is known.
                if before(this.acknowledged, segment.acked) {
                    this.acknowledged = segment.acked;
                }
            }
        }
        let stream = &mut connection.streams[1 - end];
        let fills = u64::from(segment.payload);
        if segment.syn {
            this.expected = segment.end();
        }
        if fills > 0 && more == 0 && before(this.expected, segment.seq) {
            stream.gap.get_or_insert(now);
        } else if more > 0 && more <= fills {
            stream.gap = None;
        }
        this.expected = this.expected.wrapping_add(more as u32);
        if this.orphan && fills > 0 {
            // There is nobody to read it: the kernel says so.
            stack.abort();
        }
        self.emit(id, end);
    }

    /// Nobody at this end knows of the connection, and its machine says so.
    fn refuse(&mut self, id: u32, end: usize, packet: Vec<u8>) {
        let Some(streams) = self.streams() else { return };
        streams.bare.refuse(&mut streams.nic, packet);
        self.emit(id, end);
    }

    /// A node is asked for a connection. Says whether it takes it.
    fn accept(&mut self, id: u32, ends: Way) -> bool {
        let (me, other) = (ends.1, ends.0);
        let Peer::Node(node) = peer(me) else { return false };
        if self.nodes[node.index()].is_none() {
            return false;
        }
        let (seed, now) = (self.seed, self.now);
        let Some(streams) = self.streams() else { return false };
        let Some(connection) = streams.connection(id) else { return false };
        let lane = connection.lane;
        let (mut moved, mut replaced) = (None, None);
        if let Some((old, end)) = streams.routes.get(&(me, other, lane)).copied() {
            let Some(before) = streams.connection(old) else { return false };
            let crossing = end == DIALLED && !before.ends[end].open && other & CLIENT == 0;
            if crossing && me < other {
                return false;
            }
            if crossing {
                // Both have dialled: what was to go over this end's own goes over the other's.
                let stream = core::mem::take(&mut before.streams[end]);
                before.ends[end].stack = None;
                streams.unroute(old, end);
                moved = Some(stream);
                self.release_connection(old);
            } else {
                replaced = Some((old, end));
            }
        }
        let luck = hash::of(&[u64::from(me), u64::from(other), u64::from(lane), now.0]);
        let seed = Rng::stream(seed, Purpose::Connection, luck).next_u64();
        let Some(streams) = self.streams() else { return false };
        let stack = Stack::listen(&mut streams.nic, &streams.policy, seed, now);
        streams.routes.insert((me, other, lane), (id, ASKED));
        let Some(connection) = streams.connection(id) else { return false };
        connection.ends[ASKED].accepted = true;
        connection.ends[ASKED].stack = Some(stack);
        if let Some(Stream { parcels, sent, .. }) = moved {
            connection.streams[ASKED] = Stream { parcels, sent, ..Stream::default() };
        }
        if let Some((old, end)) = replaced {
            // Whoever makes a new one has no old one. The node hears of it now that the new one is there: what it sends
            // on hearing goes over the new one, and it dials none of its own.
            self.abort(old, end, "replaced");
        }
        true
    }
}
