//! What carries messages over the links: packets that cross the network one by one, and the datagrams made of them. The
//! streams of TCP are in `streams.rs`.

use super::connections::{CLIENT, Way, peer, way};
use super::machine::Input;
use super::streams::Streams;
use super::{Engine, Event};
use crate::network::{
    Crossing, GREATEST_DATAGRAM, IP_HEADER, Passage, Transport, TransportStats, UDP_HEADER, UdpPolicy,
};
use crate::sorted::SortedMap;
use crate::{Client, Drop, Duration, Instant, Kind, Message, Node, NodeId, Observer, Parcel, Peer, Purpose, Rng, hash};

/// The state of a transport.
pub(super) struct Carrier<N: Node> {
    pub stats: TransportStats,
    wires: Wires,
    /// For datagrams.
    pub udp: Option<UdpPolicy>,
    /// For connections.
    pub tcp: Option<Box<Streams<N>>>,
}

/// What every way between two ends remembers.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    rng: Rng,
    /// When the newest packet arrives: without trouble, none overtakes another of a stream.
    last: Instant,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Wires {
    numbers: SortedMap<Way, u32>,
    all: Vec<(Way, Wire)>,
}

impl Wires {
    /// The number of the wire that goes this way.
    pub fn number(&mut self, way: Way, seed: u64) -> u32 {
        let all = &mut self.all;
        *self.numbers.entry(way).or_insert_with(|| {
            all.push((way, Wire { rng: luck(way, seed), last: Instant::ZERO }));
            (all.len() - 1) as u32
        })
    }
}

fn luck(way: Way, seed: u64) -> Rng {
    Rng::stream(seed, Purpose::Wire, hash::of(&[u64::from(way.0), u64::from(way.1)]))
}

/// What becomes of a packet: when it arrives, and when a second copy of it does.
pub(super) type Crossed = Result<(Instant, Option<Instant>), Drop>;

impl<N: Node> Carrier<N> {
    /// Nothing, if nothing is to be carried.
    pub fn new(transport: &Transport, nodes: usize) -> Option<Self> {
        let (udp, tcp) = match transport {
            Transport::Ideal => return None,
            Transport::Udp(policy) => (Some(policy.clone()), None),
            Transport::Tcp(policy) => (None, Some(Box::new(Streams::new(policy.clone(), nodes)))),
        };
        Some(Self { stats: TransportStats::default(), wires: Wires::default(), udp, tcp })
    }

    /// A copy, for a run that forks.
    ///
    /// # Panics
    /// With connections under way: a hosted stack can not be copied. Such a run is made again instead.
    pub fn fork(&self) -> Self {
        assert!(self.tcp.is_none(), "a run over TCP can not be copied: its stacks are another crate's");
        Self { stats: self.stats, wires: self.wires.clone(), udp: self.udp.clone(), tcp: None }
    }

    pub fn reseed(&mut self, seed: u64) {
        for (way, wire) in &mut self.wires.all {
            wire.rng = luck(*way, seed);
        }
    }

    /// The number of the wire that goes this way.
    pub fn wire(&mut self, way: Way, seed: u64) -> u32 {
        self.wires.number(way, seed)
    }
}

/// A datagram or a segment that leaves its machine.
pub(super) struct Packet {
    pub from: Peer,
    pub to: Peer,
    pub wire: u32,
    /// The kind of the message in it, where it carries one.
    pub kind: Option<Kind>,
    pub bytes: u32,
    /// Whether it stays behind the packets before it, unless something holds those back.
    pub in_line: bool,
}

impl<N: Node, C: Client<N>, O: Observer<N>> Engine<N, C, O> {
    /// One packet crosses the network.
    pub(super) fn cross(&mut self, packet: &Packet) -> Crossed {
        let way = way(packet.from, packet.to);
        let queued = match (packet.from, packet.to) {
            (Peer::Node(node), Peer::Node(to)) => self.leave_machine(node, Some(to), packet.bytes),
            (Peer::Node(node), Peer::Client(_)) => self.leave_machine(node, None, packet.bytes),
            // What a client sends leaves a machine of its own, with room enough.
            (Peer::Client(_), _) => Some(Duration::ZERO),
        };
        let (zone, now) = (self.zone_of_client(way), self.now);
        // The policy is borrowed from a network of its own count, so that the rest of the engine can be changed.
        let network = std::rc::Rc::clone(&self.network);
        let (near, far) = self.sites_of(way);
        let policy = network.policy(near, far);
        let Some(carrier) = self.carrier.as_mut() else { return Err(Drop::Loss) };
        carrier.stats.packets += 1;
        carrier.stats.bytes += u64::from(packet.bytes);
        let wire = &mut carrier.wires.all[packet.wire as usize].1;
        let bits = wire.rng.next_u64();
        let passed = match queued {
            None => Err(Drop::QueueFull),
            Some(_) if policy.loss.hit((bits >> 32) as u32) => Err(Drop::Loss),
            Some(queued) if self.trouble.is_none() && policy.is_plain() => Ok((queued, None)),
            Some(queued) => {
                // Both ways of a client's link draw from the client's own luck.
                let luck = if (way.0 | way.1) & CLIENT == 0 { way.0 } else { way.0.max(way.1) };
                let (ends, kind, bytes) = ((packet.from, packet.to, zone), packet.kind, packet.bytes);
                let crossing = Crossing { ends, pair: way, luck, kind, bytes, now };
                match self.trouble.pass(&crossing, policy, || &mut wire.rng) {
                    Passage::Dropped(why) => Err(why),
                    Passage::Arrives { added, duplicate } => Ok((queued + added, duplicate)),
                }
            }
        };
        match passed {
            Err(why) => {
                carrier.stats.lost += 1;
                Err(why)
            }
            Ok((added, duplicate)) => {
                let mut reaches = now + policy.latency.sample(bits as u32);
                if packet.in_line {
                    // A route is a line: only what holds a packet back lets others overtake it.
                    reaches = reaches.max(wire.last);
                    wire.last = reaches;
                }
                let twice = duplicate.map(|bits| now + policy.latency.sample(bits) + added);
                Ok((reaches + added, twice))
            }
        }
    }

    /// The sites of its two ends.
    fn sites_of(&self, way: Way) -> (u16, u16) {
        let site = |number| match peer(number) {
            Peer::Client(client) => self.network.client_site[self.clients[client.index()].seat_zone() as usize],
            Peer::Node(node) => self.network.node_site[node.index()],
        };
        (site(way.0), site(way.1))
    }

    /// What is sent crosses the network as one datagram, or as many as it takes: all of them must arrive.
    pub(super) fn datagram(&mut self, from: Peer, to: Peer, kind: Option<Kind>, bytes: u32) -> Crossed {
        if bytes <= GREATEST_DATAGRAM {
            return self.one_datagram(from, to, kind, bytes);
        }
        let Some(carrier) = self.carrier.as_mut() else { return Err(Drop::Loss) };
        carrier.stats.too_big += 1;
        if carrier.udp.as_ref().is_none_or(|udp| !udp.split) {
            return Err(Drop::TooBig);
        }
        let (mut left, mut arrives, mut lost) = (bytes, self.now, None);
        while left > 0 {
            let part = left.min(GREATEST_DATAGRAM);
            left -= part;
            // A second copy of a part is known for what it is, and dropped.
            match self.one_datagram(from, to, kind, part) {
                Ok((at, _)) => arrives = arrives.max(at),
                Err(why) => lost = lost.or(Some(why)),
            }
        }
        lost.map_or(Ok((arrives, None)), Err)
    }

    /// One datagram crosses the network, in fragments if it must. It arrives with the last of them, or not at all.
    fn one_datagram(&mut self, from: Peer, to: Peer, kind: Option<Kind>, bytes: u32) -> Crossed {
        let seed = self.seed;
        let Some(carrier) = self.carrier.as_mut() else { return Err(Drop::Loss) };
        let Some(policy) = carrier.udp.as_ref() else { return Err(Drop::Loss) };
        // Fragments begin at multiples of eight bytes.
        let room = ((policy.mtu - IP_HEADER) / 8 * 8).max(8);
        let whole = bytes + UDP_HEADER;
        let fragments = if whole + IP_HEADER <= policy.mtu { 1 } else { whole.div_ceil(room) };
        carrier.stats.fragmented += u64::from(fragments > 1);
        let wire = carrier.wire(way(from, to), seed);
        let mut arrives = self.now;
        let mut twice = Some(self.now);
        let mut lost = None;
        let mut arrived = 0;
        for number in 0..fragments {
            let payload = if number + 1 == fragments { whole - room * number } else { room };
            let payload = if fragments == 1 { whole } else { payload };
            let packet = Packet { from, to, wire, kind, bytes: payload + IP_HEADER, in_line: false };
            match self.cross(&packet) {
                Ok((at, again)) => {
                    arrived += 1;
                    arrives = arrives.max(at);
                    // A second datagram needs a second copy of every fragment.
                    twice = twice.zip(again).map(|(last, at)| last.max(at));
                }
                Err(why) => lost = lost.or(Some(why)),
            }
        }
        match lost {
            None => Ok((arrives, twice)),
            Some(why) => {
                if let (Some(carrier), true) = (&mut self.carrier, arrived > 0) {
                    carrier.stats.lost_by_fragment += 1;
                }
                Err(why)
            }
        }
    }

    /// A request or an answer goes as a datagram: after how long it and a second copy of it arrive.
    pub(super) fn client_datagram(
        &mut self,
        what: Parcel,
        (from, to): (Peer, Peer),
        bytes: u32,
        content: impl FnOnce() -> u64,
    ) -> Option<(Duration, Option<Duration>)> {
        match self.datagram(from, to, None, bytes) {
            Ok((at, twice)) => Some((at.since(self.now), twice.map(|at| at.since(self.now)))),
            Err(why) => {
                self.drop_message(from, to, what, why, content());
                None
            }
        }
    }

    /// Whether the socket of `node` has room for a datagram of `bytes` more: what waits for a busy or paused process
    /// waits there.
    pub(super) fn has_room(&mut self, node: NodeId, bytes: u32) -> bool {
        let Some(room) = self.carrier.as_ref().and_then(|carrier| carrier.udp.as_ref()).map(|udp| udp.receive_buffer)
        else {
            return true;
        };
        let waits = |input: &Input<N>| match input {
            Input::Message { message, .. } => UdpPolicy::charged(message.bytes()),
            Input::Request { request, .. } => UdpPolicy::charged(N::request_bytes(request)),
            _ => 0,
        };
        let gate = self.machines[node.index()].cold.gate.as_ref();
        let waiting: u64 = gate.map_or(0, |gate| gate.waiting.iter().map(waits).sum());
        let fits = waiting == 0 || waiting + UdpPolicy::charged(bytes) <= room;
        if let (Some(carrier), false) = (&mut self.carrier, fits) {
            carrier.stats.overflowed += 1;
        }
        fits
    }

    /// Whether messages go as datagrams.
    pub(super) fn is_udp(&self) -> bool {
        self.carrier.as_ref().is_some_and(|carrier| carrier.udp.is_some())
    }

    /// Whether messages go over connections that are hosted.
    pub(super) fn is_tcp(&self) -> bool {
        self.carrier.as_ref().is_some_and(|carrier| carrier.tcp.is_some())
    }

    /// A message between two nodes goes by a transport.
    #[inline(never)]
    pub(super) fn carry(&mut self, from: NodeId, to: NodeId, number: u32, message: N::Message) {
        let (kind, bytes) = (message.kind(), message.bytes());
        let ends = (Peer::Node(from), Peer::Node(to));
        if self.is_tcp() {
            let arrives = Instant::FAR;
            self.observer.observe(self.now, &crate::Observed::Sent { from, to, message: &message, arrives, number });
            let lane = self.lane_of_message(bytes);
            return self.stream(ends.0, ends.1, lane, bytes, Event::Message { from, to, number, message });
        }
        let crossed = self.datagram(ends.0, ends.1, Some(kind), bytes);
        let arrives = crossed.map_or(self.now, |(at, _)| at);
        self.observer.observe(self.now, &crate::Observed::Sent { from, to, message: &message, arrives, number });
        match crossed {
            Err(why) => self.lose_message(from, to, number, &message, why),
            Ok((at, twice)) => {
                if let Some(again) = twice {
                    self.tally.duplicated += 1;
                    self.push(again, Event::Message { from, to, number, message: message.clone() });
                }
                self.push(at, Event::Message { from, to, number, message });
            }
        }
    }
}
