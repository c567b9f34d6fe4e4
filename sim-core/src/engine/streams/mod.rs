//! Messages over hosted TCP: connections between pairs, made on demand, with one stream of framed messages each way.
//!
//! A message takes as many bytes of the stream as it says it is large; what it says travels beside, and is handed over
//! once all its bytes have been read at the other end. Whoever has something to say first dials; the other end answers
//! over the same connection. Where both dial at once, the lower one's connection stays.
//!
//! A machine's kernel is not its process. One that pauses still acknowledges, until its buffers are full. One that dies
//! leaves what it has written to the kernel, which sends it, and then a FIN (a reset, if something was left unread).
//! One that loses its power says nothing: the other end is half open until its time-out, or until the machine is back
//! and answers with a reset.

mod ends;
mod segments;

use super::connections::{Way, peer, way};
use super::slab::Slab;
use super::{Engine, Event};

use crate::network::TcpPolicy;
use crate::sorted::SortedMap;
use crate::stack::{Bare, Nic, Segment, Stack, Standing};
use crate::{Client, Drop, Instant, Node, NodeId, Observer, Peer, Purpose, Rng, Ticket, hash};
use std::collections::VecDeque;

/// A process reads on while fewer inputs than this wait for it; the rest stays in its sockets.
const READ_AHEAD: usize = 8;
/// The end that dialled, and the one that was asked.
const DIALLED: usize = 0;
const ASKED: usize = 1;

/// All connections, and who uses which.
pub(in crate::engine) struct Streams<N: Node> {
    policy: TcpPolicy,
    nic: Nic,
    bare: Bare,
    connections: Vec<Option<Box<Connection<N>>>>,
    /// Which connection, and which end of it, one uses to another.
    routes: SortedMap<(u32, u32, u8), (u32, usize)>,
    packets: Slab<Vec<u8>>,
    /// Ends that a node's process has yet to read, because it is busy.
    unread: Vec<VecDeque<(u32, usize)>>,
    /// Nodes that have yet to hear that their connection with another is over: what they send it until then goes
    /// nowhere.
    unheard: Vec<(NodeId, NodeId)>,
}

struct Connection<N: Node> {
    ends: [End; 2],
    /// What one end sends the other, by the end that sends it.
    streams: [Stream<N>; 2],
    lane: u8,
    /// Segments under way.
    flying: u32,
    /// When the last segment crossed: a NAT forgets.
    crossed: Instant,
    forgotten: bool,
}

struct End {
    peer: u32,
    /// `None` before somebody listens there, and once nobody knows of it any more.
    stack: Option<Stack>,
    wire: u32,
    /// Somebody has listened there.
    accepted: bool,
    /// Its handshake has been done.
    open: bool,
    /// Its process is gone, or has closed it.
    orphan: bool,
    /// The other end, or its machine, has said that there is no such connection.
    reset: bool,
    /// When the next poll is in the queue.
    polled: Instant,
    /// It waits for its process to read.
    unread: bool,
    /// The number of its first byte, the one behind the highest that it has sent, and the highest acknowledged.
    first: Option<u32>,
    highest: u32,
    acknowledged: u32,
    /// The number of the byte that it has yet to receive.
    expected: u32,
    /// When it sent the first of what it is sending again.
    again_at: Instant,
    duplicates: u32,
}

struct Stream<N: Node> {
    /// What is sent, by the number of the byte behind it.
    parcels: VecDeque<(u64, Event<N>)>,
    /// Bytes that were sent by the process, handed to its kernel, and read at the other end.
    sent: u64,
    written: u64,
    read: u64,
    /// Since when something behind a gap waits at the receiver.
    gap: Option<Instant>,
}

impl<N: Node> Default for Stream<N> {
    fn default() -> Self {
        Self { parcels: VecDeque::new(), sent: 0, written: 0, read: 0, gap: None }
    }
}

impl End {
    const fn new(peer: u32, wire: u32) -> Self {
        Self {
            peer,
            stack: None,
            wire,
            accepted: false,
            open: false,
            orphan: false,
            reset: false,
            polled: Instant::FAR,
            unread: false,
            first: None,
            highest: 0,
            acknowledged: 0,
            expected: 0,
            again_at: Instant::ZERO,
            duplicates: 0,
        }
    }

    /// Bytes in its send buffer that have not been sent. As long as they fill a segment, only full ones go: `smoltcp`
    /// would otherwise cut one to whatever the congestion window has left, and an acknowledgement of every crumb would
    /// open that window too far (RFC 1122, 4.2.3.4, silly window syndrome). Linux counts its window in segments.
    fn unsent(&self) -> u64 {
        let under_way = u64::from(self.highest.wrapping_sub(self.acknowledged));
        self.stack.as_ref().map_or(0, |stack| stack.unacknowledged().saturating_sub(under_way))
    }

    fn standing(&self) -> Option<Standing> {
        self.stack.as_ref().map(Stack::standing)
    }
}

impl<N: Node> Streams<N> {
    pub fn new(policy: TcpPolicy, nodes: usize) -> Self {
        let mut nic = Nic::new(policy.mtu);
        let bare = Bare::new(&mut nic);
        let unread = (0..nodes).map(|_| VecDeque::new()).collect();
        let (connections, routes) = (Vec::new(), SortedMap::new());
        Self { policy, nic, bare, connections, routes, packets: Slab::new(), unread, unheard: Vec::new() }
    }

    fn connection(&mut self, id: u32) -> Option<&mut Connection<N>> {
        self.connections.get_mut(id as usize)?.as_deref_mut()
    }

    /// The stack of an end, with what it needs to run.
    fn stack(&mut self, id: u32, end: usize) -> Option<(&mut Stack, &mut Nic, &TcpPolicy)> {
        let connection = self.connections.get_mut(id as usize)?.as_deref_mut()?;
        Some((connection.ends[end].stack.as_mut()?, &mut self.nic, &self.policy))
    }

    /// Nobody uses this end any more.
    fn unroute(&mut self, id: u32, end: usize) {
        let Some(connection) = self.connection(id) else { return };
        let key = (connection.ends[end].peer, connection.ends[1 - end].peer, connection.lane);
        if self.routes.get(&key) == Some(&(id, end)) {
            self.routes.remove(&key);
        }
    }
}

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    fn streams(&mut self) -> Option<&mut Streams<N>> {
        self.carrier.as_mut()?.tcp.as_deref_mut()
    }

    /// Which of a node's connections with another a message takes.
    pub(in crate::engine) fn lane_of_message(&self, bytes: u32) -> u8 {
        let bulk = self.carrier.as_ref().and_then(|carrier| carrier.tcp.as_ref()).map_or(0, |tcp| tcp.policy.bulk);
        u8::from(!self.connects() && bulk > 0 && u64::from(bytes) >= bulk)
    }

    /// Which connection of a client's pool an operation takes.
    pub(in crate::engine) fn lane_of_operation(&self, op: u64) -> u8 {
        let pool = self.carrier.as_ref().and_then(|carrier| carrier.tcp.as_ref()).map_or(1, |tcp| tcp.policy.pool);
        (op % u64::from(pool.max(1))) as u8
    }

    /// A request or an answer is sent over the connection that its operation takes.
    pub(in crate::engine) fn stream_for(&mut self, ticket: Ticket, ends: (Peer, Peer), bytes: u32, event: Event<N>) {
        let lane = self.lane_of_operation(ticket.op);
        self.stream(ends.0, ends.1, lane, bytes, event);
    }

    /// Something is sent over the connection of the two, which is made if there is none.
    pub(in crate::engine) fn stream(&mut self, from: Peer, to: Peer, lane: u8, bytes: u32, event: Event<N>) {
        let (ends, bytes, connects) = (way(from, to), u64::from(bytes.max(1)), self.connects());
        let Some(streams) = self.streams() else { return };
        if let (Peer::Node(from), Peer::Node(to)) = (from, to)
            && streams.unheard.contains(&(from, to))
        {
            return self.lose_parcel(ends, event, Drop::Reset);
        }
        let route = streams.routes.get(&(ends.0, ends.1, lane)).copied();
        let (id, end) = match (route, to) {
            (Some(route), _) => route,
            // Nobody can dial a client: the connection on which it asked is over.
            (None, Peer::Client(_)) => return self.lose_parcel(ends, event, Drop::Reset),
            (None, Peer::Node(_)) => (self.dial(ends, lane), DIALLED),
        };
        let Some(streams) = self.streams() else { return };
        let pending = streams.policy.pending;
        let Some(connection) = streams.connection(id) else { return };
        let stream = &mut connection.streams[end];
        if stream.sent - stream.written + bytes > pending.max(bytes) {
            let stack = connection.ends[end].stack.as_mut();
            if let Some(stack) = stack.filter(|_| connects) {
                // Nothing may be missing from the middle of what it has sent.
                stack.abort();
            }
            self.lose_parcel(ends, event, Drop::Overflow);
            return self.poll_at(id, end, self.now);
        }
        stream.sent += bytes;
        stream.parcels.push_back((stream.sent, event));
        self.push_out(id, end);
    }

    /// A connection is asked for.
    fn dial(&mut self, ends: Way, lane: u8) -> u32 {
        let (seed, now) = (self.seed, self.now);
        let Some(carrier) = self.carrier.as_mut() else { return 0 };
        let wires = [carrier.wire(ends, seed), carrier.wire((ends.1, ends.0), seed)];
        let Some(streams) = carrier.tcp.as_deref_mut() else { return 0 };
        let id = streams.connections.len() as u32;
        let luck = hash::of(&[u64::from(ends.0), u64::from(ends.1), u64::from(lane), now.0]);
        let seed = Rng::stream(seed, Purpose::Connection, luck).next_u64();
        let mut dialler = End::new(ends.0, wires[0]);
        dialler.stack = Some(Stack::dial(&mut streams.nic, &streams.policy, seed, now));
        dialler.accepted = true;
        streams.connections.push(Some(Box::new(Connection {
            ends: [dialler, End::new(ends.1, wires[1])],
            streams: [Stream::default(), Stream::default()],
            lane,
            flying: 0,
            crossed: now,
            forgotten: false,
        })));
        streams.routes.insert((ends.0, ends.1, lane), (id, DIALLED));
        id
    }

    /// An end does all it can do now: writes, sends, reads, hears what has become of it.
    fn pump(&mut self, id: u32, end: usize) {
        loop {
            let now = self.now;
            self.write_out(id, end);
            self.read(id, end);
            if self.settle(id, end) {
                return;
            }
            // What was read may have opened the window, and what was heard may have to be answered.
            let Some((stack, ..)) = self.streams().and_then(|streams| streams.stack(id, end)) else { return };
            match stack.next(now) {
                Some(at) if at <= now => {}
                Some(at) => return self.poll_at(id, end, at),
                None => return,
            }
        }
    }

    /// An end writes and sends, in the middle of whatever its process does: what that process is to hear, it hears
    /// after it.
    fn push_out(&mut self, id: u32, end: usize) {
        let now = self.now;
        self.write_out(id, end);
        let Some((stack, ..)) = self.streams().and_then(|streams| streams.stack(id, end)) else { return };
        let next = if stack.standing() == Standing::Over { Some(now) } else { stack.next(now) };
        if let Some(at) = next {
            self.poll_at(id, end, at);
        }
    }

    /// What the process has sent goes into the send buffer, and what may goes out.
    fn write_out(&mut self, id: u32, end: usize) {
        let now = self.now;
        let Some(streams) = self.streams() else { return };
        let Some(connection) = streams.connections.get_mut(id as usize).and_then(Option::as_deref_mut) else { return };
        let stream = &mut connection.streams[end];
        let Some(stack) = connection.ends[end].stack.as_mut() else { return };
        if stream.sent > stream.written {
            stream.written += stack.write(stream.sent - stream.written);
        }
        let mss = u64::from(streams.policy.mss());
        let full = connection.ends[end].unsent() >= mss;
        let Some(stack) = connection.ends[end].stack.as_mut() else { return };
        stack.hold_small(streams.policy.nagle || full);
        stack.poll(&mut streams.nic, &streams.policy, now);
        self.emit(id, end);
        // What is left over does not fill a segment, and goes at once.
        let Some(streams) = self.streams() else { return };
        let Some(connection) = streams.connections.get_mut(id as usize).and_then(Option::as_deref_mut) else { return };
        let unsent = connection.ends[end].unsent();
        if full && !streams.policy.nagle && unsent > 0 && unsent < mss {
            let Some(stack) = connection.ends[end].stack.as_mut() else { return };
            stack.hold_small(false);
            stack.poll(&mut streams.nic, &streams.policy, now);
            self.emit(id, end);
        }
    }

    /// The end is polled at `at`, or earlier.
    fn poll_at(&mut self, id: u32, end: usize, at: Instant) {
        let Some(connection) = self.streams().and_then(|streams| streams.connection(id)) else { return };
        if at < connection.ends[end].polled {
            connection.ends[end].polled = at;
            self.push(at, Event::Poll { connection: id, end: end as u8 });
        }
    }

    /// An end wants to be polled.
    pub(in crate::engine) fn poll_due(&mut self, id: u32, end: u8) {
        let (now, end) = (self.now, usize::from(end));
        let Some(connection) = self.streams().and_then(|streams| streams.connection(id)) else { return };
        if connection.ends[end].polled == now {
            connection.ends[end].polled = Instant::FAR;
            self.pump(id, end);
        }
    }

    /// Hands over what has come in whole, as long as there is somebody who reads.
    fn read(&mut self, id: u32, end: usize) {
        let now = self.now;
        loop {
            let Some(streams) = self.streams() else { return };
            let Some(connection) = streams.connection(id) else { return };
            let this = &connection.ends[end];
            let Some(stack) = this.stack.as_ref() else { return };
            if this.orphan || stack.readable() == 0 {
                return;
            }
            if let Peer::Node(node) = peer(this.peer) {
                let busy = self.is_gated(node)
                    && self.machines[node.index()].cold.gate.as_ref().is_some_and(|g| g.waiting.len() >= READ_AHEAD);
                if busy {
                    return self.leave_unread(id, end, node);
                }
            }
            let Some(carrier) = self.carrier.as_mut() else { return };
            let Some(streams) = carrier.tcp.as_deref_mut() else { return };
            let Some(connection) = streams.connections.get_mut(id as usize).and_then(Option::as_deref_mut) else {
                return;
            };
            let stream = &mut connection.streams[1 - end];
            let Some(stack) = connection.ends[end].stack.as_mut() else { return };
            let Some((behind, _)) = stream.parcels.front() else {
                // The first part of what died with its sender.
                stream.read += stack.read(stack.readable());
                return;
            };
            stream.read += stack.read(behind - stream.read);
            if stream.read < *behind {
                return;
            }
            let Some((_, event)) = stream.parcels.pop_front() else { return };
            if let Some(gap) = stream.gap.filter(|gap| *gap < now) {
                let waited = now.since(gap);
                carrier.stats.behind += 1;
                carrier.stats.behind_longest = carrier.stats.behind_longest.max(waited);
            }
            match event {
                Event::Message { from, to, number, message } => self.reach(from, to, number, message),
                Event::Request { ticket, to, request } => self.request_reaches(ticket, to, request),
                Event::Answer { ticket, from, answer } => self.answer_reaches(ticket, from, answer),
                _ => {}
            }
        }
    }

    /// The process is busy: it reads this end when it has time.
    fn leave_unread(&mut self, id: u32, end: usize, node: NodeId) {
        let Some(streams) = self.streams() else { return };
        let Some(connection) = streams.connection(id) else { return };
        if !core::mem::replace(&mut connection.ends[end].unread, true) {
            streams.unread[node.index()].push_back((id, end));
        }
    }

    /// A process has handled an input: it reads one more connection, and whatever is left once nothing waits for it, as
    /// there is no further input that would remind it.
    pub(in crate::engine) fn read_on(&mut self, node: NodeId) {
        let now = self.now;
        let idle = self.machines[node.index()].cold.gate.as_ref().is_none_or(|gate| gate.waiting.is_empty());
        loop {
            let Some(streams) = self.streams() else { return };
            let Some((id, end)) = streams.unread[node.index()].pop_front() else { return };
            // The connection may have gone since, and its number may be another's by now.
            let Some(connection) = streams.connection(id).filter(|connection| connection.ends[end].unread) else {
                continue;
            };
            connection.ends[end].unread = false;
            self.poll_at(id, end, now);
            if !idle {
                return;
            }
        }
    }

    /// Of every node the bytes that it has sent without an acknowledgement so far, and those that it has yet to send;
    /// `None` unless connections are hosted.
    #[must_use]
    pub fn bytes_in_streams(&self) -> Option<Vec<[u64; 2]>> {
        let streams = self.carrier.as_ref()?.tcp.as_deref()?;
        let mut all = vec![[0; 2]; self.nodes.len()];
        for connection in streams.connections.iter().flatten() {
            for (end, stream) in connection.ends.iter().zip(&connection.streams) {
                let (Peer::Node(node), Some(stack)) = (peer(end.peer), &end.stack) else { continue };
                let under_way = u64::from(end.highest.wrapping_sub(end.acknowledged));
                let kept = stack.unacknowledged() + stream.sent - stream.written;
                all[node.index()][0] += under_way.min(kept);
                all[node.index()][1] += kept.saturating_sub(under_way);
            }
        }
        Some(all)
    }

    /// Messages between nodes that are in streams.
    pub(in crate::engine) fn messages_in_streams(&self) -> usize {
        let all = self.carrier.iter().filter_map(|carrier| carrier.tcp.as_deref());
        let all = all.flat_map(|streams| streams.connections.iter().flatten()).flat_map(|c| &c.streams);
        all.flat_map(|stream| &stream.parcels).filter(|(_, event)| matches!(event, Event::Message { .. })).count()
    }

    /// What a segment is, whatever else goes on.
    #[cold]
    pub(in crate::engine) fn identity_of_segment(&self, id: u32, end: u8, packet: u32) -> u64 {
        let streams = self.carrier.as_ref().and_then(|carrier| carrier.tcp.as_deref());
        let Some(streams) = streams else { return 0 };
        let segment = Segment::of(streams.packets.get(packet));
        hash::of(&[16, self.identity_of_poll(id, end), u64::from(segment.seq), u64::from(segment.acked)])
    }

    /// Whose poll it is, whatever else goes on.
    #[cold]
    pub(in crate::engine) fn identity_of_poll(&self, id: u32, end: u8) -> u64 {
        let streams = self.carrier.as_ref().and_then(|carrier| carrier.tcp.as_deref());
        let connection = streams.and_then(|streams| streams.connections.get(id as usize)?.as_deref());
        let Some(connection) = connection else { return 0 };
        let (me, other) = (&connection.ends[usize::from(end)], &connection.ends[1 - usize::from(end)]);
        hash::of(&[17, u64::from(me.peer), u64::from(other.peer), u64::from(connection.lane)])
    }
}
