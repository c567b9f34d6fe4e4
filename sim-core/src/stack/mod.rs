//! TCP hosted, not written: one end of a connection is a socket of the crate `smoltcp` with an interface of its own,
//! and simulated time drives it. What it emits are real segments; what becomes of them is the network's to say.
//!
//! Each end has its own interface, because `smoltcp` asks every socket of an interface about every segment: a machine
//! with a thousand connections would pay a thousand looks for each. A connection needs nothing else of the machine.

mod clock;
mod nic;
mod segment;

pub(crate) use nic::Nic;
pub(crate) use segment::{Segment, before};

use crate::network::{Congestion, TcpPolicy};
use crate::{Duration, Instant};
use clock::StackClock;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::tcp::{CongestionControl, Socket, SocketBuffer, State};
use smoltcp::wire::{HardwareAddress, IpAddress, IpCidr};

/// The two ends of every connection, as `smoltcp` knows them; who they are is the engine's to know.
const ADDRESSES: [IpAddress; 2] = [IpAddress::v4(10, 0, 0, 1), IpAddress::v4(10, 0, 0, 2)];
/// The port that listens.
const LISTENS: u16 = 7_000;
/// The port that dials: a connection is told from another by the engine, not by its ports.
const DIALS: u16 = 49_152;

fn interface(nic: &mut Nic, seed: u64, addresses: &[IpAddress]) -> Interface {
    let mut config = Config::new(HardwareAddress::Ip);
    config.random_seed = seed;
    let mut interface = Interface::new(config, nic, smoltcp::time::Instant::ZERO);
    interface.update_ip_addrs(|all| {
        for address in addresses {
            // One of two addresses always has room.
            let _ = all.push(IpCidr::new(*address, 24));
        }
    });
    interface
}

/// A machine that knows of no connection: it answers every segment with a reset.
pub(crate) struct Bare(Interface, SocketSet<'static>);

impl Bare {
    /// One for all connections.
    pub fn new(nic: &mut Nic) -> Self {
        Self(interface(nic, 0, &ADDRESSES), SocketSet::new(Vec::new()))
    }

    /// What it says to `packet` is in the NIC.
    pub fn refuse(&mut self, nic: &mut Nic, packet: Vec<u8>) {
        nic.put(packet);
        self.0.poll(smoltcp::time::Instant::ZERO, nic, &mut self.1);
    }
}

/// What has become of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its handshake is not over.
    Opening,
    /// Both ways work.
    Open,
    /// The other end has said that nothing more comes.
    Ended,
    /// It has said so itself, and waits for the other end.
    Closing,
    /// Over: refused, reset, given up, or closed by both.
    Over,
}

/// One end of one connection.
pub(crate) struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    clock: StackClock,
    listens: bool,
    /// When it last said something in its handshake.
    shook: Instant,
    shaking: bool,
}

impl Stack {
    fn new(nic: &mut Nic, policy: &TcpPolicy, seed: u64, now: Instant, end: usize) -> Self {
        let buffer = |bytes: u64| SocketBuffer::new(vec![0; bytes as usize]);
        let mut socket = Socket::new(buffer(policy.receive_buffer), buffer(policy.send_buffer));
        socket.set_congestion_control(match policy.congestion {
            Congestion::None => CongestionControl::None,
            Congestion::Reno => CongestionControl::Reno,
            Congestion::Cubic => CongestionControl::Cubic,
        });
        let clock = StackClock::new(now);
        // Told before the connection stands: told later, the socket would ask at once whether the other end lives.
        socket.set_keep_alive((policy.keep_alive > Duration::ZERO).then(|| clock.lasts(policy.keep_alive)));
        let mut sockets = SocketSet::new(Vec::with_capacity(1));
        let handle = sockets.add(socket);
        let interface = interface(nic, seed, &ADDRESSES[end..=end]);
        Self { interface, sockets, handle, clock, listens: end == 1, shook: now, shaking: true }
    }

    /// The end that asks for a connection.
    pub fn dial(nic: &mut Nic, policy: &TcpPolicy, seed: u64, now: Instant) -> Self {
        let mut this = Self::new(nic, policy, seed, now, 0);
        let (context, socket) = (this.interface.context(), this.sockets.get_mut::<Socket<'_>>(this.handle));
        let asked = socket.connect(context, (ADDRESSES[1], LISTENS), DIALS);
        debug_assert!(asked.is_ok(), "a fresh socket can dial");
        this
    }

    /// The end that is asked.
    pub fn listen(nic: &mut Nic, policy: &TcpPolicy, seed: u64, now: Instant) -> Self {
        let mut this = Self::new(nic, policy, seed, now, 1);
        let asked = this.socket_mut().listen(LISTENS);
        debug_assert!(asked.is_ok(), "a fresh socket can listen");
        this
    }

    fn socket(&self) -> &Socket<'static> {
        self.sockets.get::<Socket<'static>>(self.handle)
    }

    fn socket_mut(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut::<Socket<'static>>(self.handle)
    }

    /// A segment comes in. What it brings forth is in the NIC.
    pub fn receive(&mut self, nic: &mut Nic, policy: &TcpPolicy, now: Instant, packet: Vec<u8>) {
        if self.shaking && !Segment::of(&packet).rst {
            // The handshake is over, and so is its initial time-out of one second. The round trip that it measures
            // counts by the pace that holds from now on, since it said its part.
            self.shaking = self.listens && self.socket().state() == State::Listen;
            if !self.shaking {
                self.clock.set_pace(self.shook, policy.min_rto);
                let ack_delay = (policy.delayed_ack > Duration::ZERO).then(|| self.clock.lasts(policy.delayed_ack));
                let keep_alive = (policy.keep_alive > Duration::ZERO).then(|| self.clock.lasts(policy.keep_alive));
                let socket = self.socket_mut();
                socket.set_ack_delay(ack_delay);
                socket.set_keep_alive(keep_alive);
            }
        }
        nic.put(packet);
        self.poll(nic, policy, now);
    }

    /// Time has passed, or there is something to send. What that brings forth is in the NIC.
    pub fn poll(&mut self, nic: &mut Nic, policy: &TcpPolicy, now: Instant) {
        let patience = if self.shaking {
            Some(policy.connect_timeout)
        } else if self.socket().send_queue() > 0 || self.standing() == Standing::Closing {
            Some(policy.timeout)
        } else {
            // Who waits for nothing gives nothing up, but for the other end's silence when asked whether it lives.
            let probes = u64::from(policy.keep_alive_probes) + 1;
            (policy.keep_alive > Duration::ZERO).then(|| policy.keep_alive.times(probes))
        };
        let patience = patience.map(|patience| self.clock.lasts(patience));
        self.socket_mut().set_timeout(patience);
        let before = nic.outgoing.len();
        self.interface.poll(self.clock.shows(now), nic, &mut self.sockets);
        if self.shaking && nic.outgoing.len() > before {
            self.shook = now;
        }
    }

    /// When it wants to be polled next.
    pub fn next(&mut self, now: Instant) -> Option<Instant> {
        let at = self.interface.poll_at(self.clock.shows(now), &self.sockets)?;
        Some(self.clock.is_due(at).max(now))
    }

    /// What has become of it.
    pub fn standing(&self) -> Standing {
        match self.socket().state() {
            State::Listen | State::SynSent | State::SynReceived => Standing::Opening,
            State::Established => Standing::Open,
            State::CloseWait => Standing::Ended,
            State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck | State::TimeWait => Standing::Closing,
            State::Closed => Standing::Over,
        }
    }

    /// Whether it waits for a first segment, or for another one after a reset has met its handshake.
    pub fn is_listening(&self) -> bool {
        self.socket().state() == State::Listen
    }

    /// Puts up to `bytes` into its send buffer: how many there was room for.
    pub fn write(&mut self, bytes: u64) -> u64 {
        let mut all = 0;
        // The buffer is a ring: what there is room for may lie in two pieces.
        while all < bytes && self.socket().can_send() {
            let rest = usize::try_from(bytes - all).unwrap_or(usize::MAX);
            let put = self.socket_mut().send(|buffer| {
                let n = buffer.len().min(rest);
                (n, n as u64)
            });
            match put {
                Ok(n) if n > 0 => all += n,
                _ => break,
            }
        }
        all
    }

    /// How many bytes can be read.
    pub fn readable(&self) -> u64 {
        self.socket().recv_queue() as u64
    }

    /// Takes up to `bytes` out of its receive buffer: how many there were.
    pub fn read(&mut self, bytes: u64) -> u64 {
        let mut all = 0;
        while all < bytes && self.readable() > 0 {
            let rest = usize::try_from(bytes - all).unwrap_or(usize::MAX);
            let taken = self.socket_mut().recv(|buffer| {
                let n = buffer.len().min(rest);
                (n, n as u64)
            });
            match taken {
                Ok(n) if n > 0 => all += n,
                _ => break,
            }
        }
        all
    }
    /// Bytes that the other end has not acknowledged, sent or not.
    pub fn unacknowledged(&self) -> u64 {
        self.socket().send_queue() as u64
    }

    /// Whether it holds back what does not fill a segment while another is under way.
    pub fn hold_small(&mut self, yes: bool) {
        self.socket_mut().set_nagle_enabled(yes);
    }

    /// Says that nothing more comes, once all that was written has been sent.
    pub fn close(&mut self) {
        self.socket_mut().close();
    }

    /// Ends it with a reset.
    pub fn abort(&mut self) {
        self.socket_mut().abort();
    }
}
