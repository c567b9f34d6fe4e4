//! Reads what carries messages: `transport`, `mtu`, `[network.udp]` and `[network.tcp]`.

use super::cluster::World;
use super::section::Reader;
use super::{child, measure};
use crate::keys;
use sim_core::Duration;
use sim_core::network::{Congestion, IP_HEADER, TcpPolicy, Transport, UdpPolicy};

/// The largest buffer of a connection: what its window can say.
const BUFFER: u64 = 1 << 30;
/// Bytes of a TCP header, and the least that a segment carries beside it.
const TCP_HEADER: u32 = 20;
const LEAST_SEGMENT: u32 = 48;
/// The least time before a segment is sent again, and the most.
const RTO: (Duration, Duration) = (Duration::millis(1), Duration::secs(60));

/// Reads the transport of `[network]`. What is said of the others is read, too, so that one file serves all of them.
pub fn transport(reader: &Reader<'_>, world: &World) -> Transport {
    let chosen = reader.get("transport", measure::word(keys::TRANSPORTS));
    let mtu = reader.get("mtu", measure::small(keys::MTU.0, keys::MTU.1)).unwrap_or(1_500);
    let udp = udp(&child(reader, "udp", &keys::UDP), mtu);
    let tcp = tcp(&child(reader, "tcp", &keys::TCP), mtu, world.connects);
    match chosen {
        Some("udp") => {
            if world.connects {
                let what = "nodes of this system talk over connections, and datagrams have none";
                reader.wrong("transport", what, "write \"tcp\" or \"ideal\"");
            }
            Transport::Udp(udp)
        }
        Some("tcp") => {
            let least = IP_HEADER + TCP_HEADER + LEAST_SEGMENT;
            if mtu < least {
                let what = format!("an MTU of {mtu} leaves no room for a segment beside its headers");
                reader.wrong(
                    "mtu",
                    what,
                    format!("at least {least}: 40 bytes of headers and {LEAST_SEGMENT} of payload"),
                );
            }
            Transport::Tcp(tcp)
        }
        _ => Transport::Ideal,
    }
}

fn udp(reader: &Reader<'_>, mtu: u32) -> UdpPolicy {
    let least = UdpPolicy::charged(0);
    let receive_buffer = reader.get("receive_buffer", measure::size(BUFFER));
    if receive_buffer.is_some_and(|bytes| bytes < least) {
        let help = format!("at least {least}: what the books of one datagram take");
        reader.wrong("receive_buffer", "a socket that holds nothing receives nothing", help);
    }
    let usual = UdpPolicy::default();
    let split = reader.get("split", measure::flag).unwrap_or(usual.split);
    UdpPolicy { mtu, receive_buffer: receive_buffer.unwrap_or(usual.receive_buffer), split }
}

fn tcp(reader: &Reader<'_>, mtu: u32, connects: bool) -> TcpPolicy {
    let usual = TcpPolicy::default();
    let buffer = |key: &'static str, usual: u64, nothing: &str| {
        let bytes = reader.get(key, measure::size(BUFFER)).unwrap_or(usual);
        if bytes == 0 {
            reader.wrong(key, nothing, "for example \"128 KiB\"");
        }
        bytes.max(1)
    };
    let min_rto = reader.get("min_rto", measure::positive).unwrap_or(usual.min_rto);
    if min_rto < RTO.0 || min_rto > RTO.1 {
        let help = format!("from {} to {}", RTO.0, RTO.1);
        reader.wrong("min_rto", format!("{min_rto} is no time-out that a stack can have"), help);
    }
    let congestion = match reader.get("congestion", measure::word(keys::CONGESTION)) {
        Some("cubic") => Congestion::Cubic,
        Some("none") => Congestion::None,
        _ => Congestion::Reno,
    };
    let bulk = reader.get("bulk", measure::size(BUFFER)).unwrap_or(usual.bulk);
    if connects && bulk > 0 {
        let what = "nodes of this system rely on the order of all that they send, which two connections do not keep";
        reader.wrong("bulk", what, "leave it out");
    }
    TcpPolicy {
        mtu,
        min_rto,
        connect_timeout: reader.get("connect_timeout", measure::positive).unwrap_or(usual.connect_timeout),
        timeout: reader.get("timeout", measure::positive).unwrap_or(usual.timeout),
        keep_alive: reader.get("keep_alive", measure::duration).unwrap_or(usual.keep_alive),
        keep_alive_probes: reader.get("keep_alive_probes", measure::small(1, 100)).unwrap_or(usual.keep_alive_probes),
        delayed_ack: reader.get("delayed_ack", measure::duration).unwrap_or(usual.delayed_ack),
        nagle: reader.get("nagle", measure::flag).unwrap_or(usual.nagle),
        congestion,
        send_buffer: buffer("send_buffer", usual.send_buffer, "what is sent must be kept until it is acknowledged"),
        receive_buffer: buffer("receive_buffer", usual.receive_buffer, "a window of nothing lets nothing through"),
        pending: reader.get("pending", measure::size(1 << 40)).unwrap_or(usual.pending),
        pool: reader.get("pool", measure::small(1, 64)).unwrap_or(usual.pool),
        bulk,
        nat_idle: reader.get("nat_idle", measure::duration).unwrap_or(usual.nat_idle),
    }
}
