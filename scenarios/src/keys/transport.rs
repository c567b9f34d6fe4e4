//! The keys of the transports.

use super::Takes::{Count, Duration, Flag, Size, Word};
use super::{Key, Section};
use sim_core::network::{GREATEST_MTU, LEAST_MTU};

/// What may carry messages.
pub const TRANSPORTS: &[&str] = &["ideal", "udp", "tcp"];
/// How connections adapt to the network.
pub const CONGESTION: &[&str] = &["reno", "cubic", "none"];
/// The smallest MTU and the largest.
pub const MTU: (u64, u64) = (LEAST_MTU as u64, GREATEST_MTU as u64);

/// `[network.udp]`.
pub static UDP: Section = Section {
    name: "[network.udp]",
    keys: &[
        Key::new(
            "receive_buffer",
            Size,
            "212992",
            "what may wait in the socket of a process that is busy or paused, books included; the rest is dropped",
        ),
        Key::new(
            "split",
            Flag,
            "true",
            "what no datagram can hold goes as several, all of which must arrive; else it never arrives",
        ),
    ],
};

/// `[network.tcp]`.
pub static TCP: Section = Section {
    name: "[network.tcp]",
    keys: &[
        Key::new(
            "min_rto",
            Duration,
            "200ms",
            "the least wait before a segment is sent again; the most is 60 times that",
        ),
        Key::new("connect_timeout", Duration, "5s", "how long whoever asks for a connection waits for it"),
        Key::new("timeout", Duration, "924s", "how long nothing may be acknowledged before a connection is given up"),
        Key::new(
            "keep_alive",
            Duration,
            "15s",
            "after this long without a word an end asks for a sign of life; 0 never",
        ),
        Key::new("keep_alive_probes", Count(1, 100), "9", "how often it asks before it gives the connection up"),
        Key::new("delayed_ack", Duration, "40ms", "how long an acknowledgement may wait for company; 0 not at all"),
        Key::new("nagle", Flag, "false", "a small segment waits while another is under way"),
        Key::new("congestion", Word(CONGESTION), "reno", "how connections adapt to what the network can take"),
        Key::new("send_buffer", Size, "128 KiB", "what an end keeps until it is acknowledged"),
        Key::new("receive_buffer", Size, "128 KiB", "what an end keeps until its process reads it: its largest window"),
        Key::new(
            "pending",
            Size,
            "64 MiB",
            "what a process keeps for a connection whose send buffer is full; what is more is dropped",
        ),
        Key::new("pool", Count(1, 64), "1", "connections of a client with a node; its operations take turns"),
        Key::new("bulk", Size, "0", "messages between nodes of this size or more have a second connection; 0 for none"),
        Key::new(
            "nat_idle",
            Duration,
            "0s",
            "a client's connection without a segment for this long is forgotten by a NAT on its way; 0 never",
        ),
    ],
};
