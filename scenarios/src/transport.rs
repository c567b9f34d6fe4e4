//! What a transport did in a run, as figures and a table of its report: not there where nothing carries messages.

use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::network::{Transport, TransportStats};

/// The figures of all transports. A run has those of its own.
pub static METRICS: &[MetricKind] = &[
    kind("packets", "packets", Unit::Number, "packets that left a machine: datagrams, their fragments, or segments"),
    kind("packets_lost", "packets lost", Unit::Number, "packets that the network did not deliver, for whatever reason"),
    kind("sent_again", "segments sent again", Unit::Number, "segments that TCP sent a second time or oftener"),
    kind(
        "rto_expiries",
        "time-outs",
        Unit::Number,
        "how often TCP waited for an acknowledgement in vain and began anew",
    ),
    kind("connections_opened", "connections", Unit::Number, "TCP connections that came about"),
    kind("resets_sent", "resets", Unit::Number, "segments that told the other end that there is no such connection"),
    kind("given_up", "given up", Unit::Number, "ends of TCP connections that were given up because nothing came"),
    kind(
        "messages_reset",
        "lost with a connection",
        Unit::Number,
        "messages, requests and answers that a connection took with it",
    ),
    kind(
        "held_up",
        "held up",
        Unit::Number,
        "messages, requests and answers that waited behind a segment that was lost",
    ),
    kind("held_up_longest", "longest held up", Unit::Time, "the longest that one of them waited behind a lost segment"),
    kind(
        "under_way_most",
        "most under way",
        Unit::Number,
        "the most bytes that one connection had sent without an acknowledgement",
    ),
    kind("fragmented", "fragmented", Unit::Number, "datagrams larger than the MTU"),
    kind(
        "fragments_fatal",
        "lost by a fragment",
        Unit::Number,
        "datagrams of which fragments arrived, and not all of them",
    ),
    kind("socket_overflows", "socket overflows", Unit::Number, "datagrams that found their receiver's socket full"),
    kind("too_big", "too big", Unit::Number, "messages that no datagram can hold: sent as several, or lost"),
    kind("nat_forgotten", "forgotten by a NAT", Unit::Number, "connections that something on the way had forgotten"),
];

/// What is sampled of every node whose connections are hosted, in the order of [`sim_core::Engine::bytes_in_streams`].
pub static GAUGES: &[MetricKind] = &[
    kind(
        "under_way",
        "bytes under way",
        Unit::Number,
        "bytes that it has sent and that nobody has acknowledged: its windows in use",
    ),
    kind("unsent", "bytes unsent", Unit::Number, "bytes that its process has sent and that wait for a window"),
];

const fn kind(name: &'static str, title: &'static str, unit: Unit, about: &'static str) -> MetricKind {
    MetricKind::new(name, title, unit, about)
}

/// Adds what the transport did.
pub fn measure(measures: &mut Measures, transport: &Transport, stats: &TransportStats) {
    let mut set = |name: &str, value: u64| measures.set(METRICS, name, value as f64);
    set("packets", stats.packets);
    set("packets_lost", stats.lost);
    match transport {
        Transport::Ideal => {}
        Transport::Udp(_) => {
            set("fragmented", stats.fragmented);
            set("fragments_fatal", stats.lost_by_fragment);
            set("socket_overflows", stats.overflowed);
            set("too_big", stats.too_big);
        }
        Transport::Tcp(tcp) => {
            set("sent_again", stats.sent_again);
            set("rto_expiries", stats.timeouts);
            set("connections_opened", stats.opened);
            set("resets_sent", stats.resets);
            set("given_up", stats.given_up);
            set("messages_reset", stats.reset);
            set("held_up", stats.behind);
            set("held_up_longest", stats.behind_longest.0);
            set("under_way_most", stats.most_under_way);
            if tcp.nat_idle.0 > 0 {
                set("nat_forgotten", stats.forgotten);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Duration;
    use sim_core::network::{TcpPolicy, UdpPolicy};

    #[test]
    fn every_figure_is_one_of_some_transport() {
        let tcp = TcpPolicy { nat_idle: Duration::secs(1), ..TcpPolicy::default() };
        let mut measures = Measures::default();
        for transport in [Transport::Udp(UdpPolicy::default()), Transport::Tcp(tcp)] {
            measure(&mut measures, &transport, &TransportStats::default());
        }
        for kind in METRICS {
            assert!(measures.metrics.iter().any(|metric| metric.kind.name == kind.name), "{}", kind.name);
        }
    }
}
