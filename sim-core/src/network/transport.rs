//! What carries messages: nothing that costs or fails beyond the links themselves, datagrams, or TCP connections.

use crate::Duration;

/// What a transport adds to the links.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Transport {
    /// A message is one parcel, however large: what the links do to it is all that happens.
    #[default]
    Ideal,
    /// Datagrams: one that is larger than the MTU is sent in fragments, and lost with any of them.
    Udp(UdpPolicy),
    /// Byte streams over connections, hosted by the crate `smoltcp`.
    Tcp(TcpPolicy),
}

/// The smallest MTU that every IPv4 link has (RFC 791).
pub const LEAST_MTU: u32 = 68;
/// The largest MTU that an IPv4 packet can fill.
pub const GREATEST_MTU: u32 = 65_535;
/// The most bytes of a datagram: what 16 bits of length leave beside the headers.
pub const GREATEST_DATAGRAM: u32 = 65_507;
/// Bytes of an IPv4 header.
pub const IP_HEADER: u32 = 20;
/// Bytes of a UDP header.
pub const UDP_HEADER: u32 = 8;

/// How datagrams travel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpPolicy {
    /// The largest packet that a link takes, IP header included.
    pub mtu: u32,
    /// How many bytes may wait in a socket for a process that is busy or paused, bookkeeping included.
    pub receive_buffer: u64,
    /// A message that no datagram can hold goes as several, all of which must arrive; without, it never arrives.
    pub split: bool,
}

impl Default for UdpPolicy {
    fn default() -> Self {
        // Linux: `net.core.rmem_default`.
        Self { mtu: 1_500, receive_buffer: 212_992, split: true }
    }
}

impl UdpPolicy {
    /// What the kernel charges a datagram in a receive buffer: its bytes, and what it keeps books with (`truesize`: 256
    /// of `sk_buff`, 512 of memory at least).
    #[must_use]
    pub const fn charged(bytes: u32) -> u64 {
        256 + if bytes < 512 { 512 } else { bytes as u64 }
    }
}

/// How a connection adapts to what the network can take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Congestion {
    /// It does not: only the receiver's window limits it.
    None,
    /// RFC 5681.
    #[default]
    Reno,
    /// RFC 9438.
    Cubic,
}

/// How connections behave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpPolicy {
    /// The largest packet that a link takes, IP header included.
    pub mtu: u32,
    /// The least time before a segment is sent again, once a connection stands.
    pub min_rto: Duration,
    /// How long whoever asks for a connection waits for it.
    pub connect_timeout: Duration,
    /// How long what was sent may stay without an acknowledgement before its connection is given up.
    pub timeout: Duration,
    /// After this long without a word an end asks whether the other lives; 0 for never.
    pub keep_alive: Duration,
    /// How often it asks before it gives the connection up.
    pub keep_alive_probes: u32,
    /// How long an acknowledgement may wait for company; 0 for not at all.
    pub delayed_ack: Duration,
    /// A small segment waits while another is under way (RFC 896).
    pub nagle: bool,
    /// How it adapts to the network.
    pub congestion: Congestion,
    /// Bytes that an end keeps until they are acknowledged.
    pub send_buffer: u64,
    /// Bytes that an end keeps until its process reads them: the largest window.
    pub receive_buffer: u64,
    /// Bytes that a process keeps for a connection whose send buffer is full; what is more is dropped.
    pub pending: u64,
    /// How many connections a client has with a node; its operations take turns.
    pub pool: u32,
    /// Messages between nodes of this size or more have a connection of their own; 0 for none.
    pub bulk: u64,
    /// After this long without a segment between a client and a node, something on the way (a NAT, a firewall) has
    /// forgotten their connection and drops its segments; 0 for never.
    pub nat_idle: Duration,
}

impl Default for TcpPolicy {
    fn default() -> Self {
        Self {
            mtu: 1_500,
            min_rto: Duration::millis(200),
            connect_timeout: Duration::secs(5),
            timeout: Duration::secs(924),
            keep_alive: Duration::secs(15),
            keep_alive_probes: 9,
            delayed_ack: Duration::millis(40),
            nagle: false,
            congestion: Congestion::Reno,
            send_buffer: 128 << 10,
            receive_buffer: 128 << 10,
            pending: 64 << 20,
            pool: 1,
            bulk: 0,
            nat_idle: Duration::ZERO,
        }
    }
}

impl TcpPolicy {
    /// Bytes of payload that fill a segment.
    #[must_use]
    pub const fn mss(&self) -> u32 {
        self.mtu.saturating_sub(IP_HEADER + 20)
    }
}

/// What the transport has done over the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransportStats {
    /// Packets that left a machine: datagrams, their fragments, or segments.
    pub packets: u64,
    /// Bytes of those, headers included.
    pub bytes: u64,
    /// Packets that the network did not deliver, for whatever reason.
    pub lost: u64,
    /// Segments that were sent again.
    pub sent_again: u64,
    /// Bursts of those after a retransmission time-out rather than three acknowledgements of the same byte.
    pub timeouts: u64,
    /// Connections that came about.
    pub opened: u64,
    /// Resets that were sent.
    pub resets: u64,
    /// Connections that an end gave up because nothing came.
    pub given_up: u64,
    /// Connections that a middlebox had forgotten.
    pub forgotten: u64,
    /// Messages, requests and answers that waited behind a segment that was lost.
    pub behind: u64,
    /// The longest of them.
    pub behind_longest: Duration,
    /// Datagrams that were sent in more than one fragment.
    pub fragmented: u64,
    /// Datagrams that were lost because one of their fragments was, though others arrived.
    pub lost_by_fragment: u64,
    /// Datagrams that found their receiver's socket full.
    pub overflowed: u64,
    /// Messages, requests and answers larger than a datagram can be: sent as several, or not at all.
    pub too_big: u64,
    /// Messages, requests and answers that were lost with their connection.
    pub reset: u64,
    /// The most bytes that one connection had under way at once.
    pub most_under_way: u64,
}
