//! The network: per-link policies, latencies as integer quantile tables, cuts checked at send and at arrival.
//!
//! A link's policy is looked up by the *sites* of its ends. Nodes that share every link policy share a site (a zone,
//! usually), so the table is small however many nodes there are.

mod latency;
mod transport;
mod trouble;

pub use latency::{Latency, Law, Quantiles, exponential};
pub use transport::{
    Congestion, GREATEST_DATAGRAM, GREATEST_MTU, IP_HEADER, LEAST_MTU, TcpPolicy, Transport, TransportStats,
    UDP_HEADER, UdpPolicy,
};
pub(crate) use trouble::{ActiveCut, ActivePacket, Crossing, Luck, Passage, Peers, Trouble};

use crate::{Duration, Instant, Probability};

/// How a link behaves when nothing is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkPolicy {
    /// One-way delay.
    pub latency: Latency,
    /// How often a message is lost.
    pub loss: Probability,
    /// How often it arrives twice.
    pub duplicate: Probability,
    /// How often it is held back by `reorder_by`, so that later ones overtake it.
    pub reorder: Probability,
    /// How long a reordered message is held back.
    pub reorder_by: Duration,
    /// How often it arrives corrupted, which the receiver detects.
    pub corrupt: Probability,
    /// Bits per second for each pair of machines; 0 means unlimited.
    pub bandwidth: u64,
    /// How many bytes may wait for the link before it drops.
    pub queue_bytes: u64,
    /// Messages of each sender to each receiver arrive in order, and none is lost but with the connection: what TCP
    /// gives.
    pub ordered: bool,
    /// An ordered link that could deliver nothing for this long has lost its connection, with all that waited.
    pub connection_timeout: Duration,
}

impl Default for LinkPolicy {
    fn default() -> Self {
        Self {
            latency: Latency::Fixed(Duration::micros(500)),
            loss: Probability::NEVER,
            duplicate: Probability::NEVER,
            reorder: Probability::NEVER,
            reorder_by: Duration::ZERO,
            corrupt: Probability::NEVER,
            bandwidth: 0,
            queue_bytes: 0,
            ordered: false,
            connection_timeout: Duration::secs(15),
        }
    }
}

impl LinkPolicy {
    /// Whether only loss and latency matter, so that one draw decides a message's fate.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        self.duplicate.is_never()
            && self.reorder.is_never()
            && self.corrupt.is_never()
            && self.bandwidth == 0
            && !self.ordered
    }
}

/// The links of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkConfig {
    /// The site of each node.
    pub node_site: Vec<u16>,
    /// The site of the clients of each zone.
    pub client_site: Vec<u16>,
    /// How many sites there are.
    pub sites: usize,
    /// `policies[from_site * sites + to_site]`.
    pub policies: Vec<LinkPolicy>,
    /// What carries messages over them.
    pub transport: Transport,
}

impl NetworkConfig {
    /// `nodes` nodes and clients in `zones` zones that all reach each other by the same policy.
    #[must_use]
    pub fn uniform(nodes: usize, zones: usize, policy: LinkPolicy) -> Self {
        let (node_site, client_site) = (vec![0; nodes], vec![0; zones]);
        Self { node_site, client_site, sites: 1, policies: vec![policy], transport: Transport::Ideal }
    }

    /// Checks that every site and policy exists.
    pub(crate) fn validate(&self) {
        assert_eq!(self.policies.len(), self.sites * self.sites, "one policy for each ordered pair of sites");
        let all = self.node_site.iter().chain(&self.client_site);
        assert!(all.into_iter().all(|s| (*s as usize) < self.sites), "a site is out of range");
    }

    /// The policy from one site to another.
    #[inline]
    pub(crate) fn policy(&self, from: u16, to: u16) -> &LinkPolicy {
        &self.policies[from as usize * self.sites + to as usize]
    }
}

/// When a limited link is free again, for each ordered pair that has used one. Only limited links pay for it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Busy(crate::sorted::SortedMap<(u32, u32), Instant>);

impl Busy {
    /// Queues `bytes` on the link: how long until the last bit is out, or `None` if the queue is full.
    pub fn admit(&mut self, pair: (u32, u32), now: Instant, bytes: u32, rate: u64, queue: u64) -> Option<Duration> {
        let free = self.0.get(&pair).copied().unwrap_or(now).max(now);
        let bits = |ns: u64| u128::from(ns) * u128::from(rate) / 1_000_000_000;
        let waiting = bits(free.since(now).0) / 8;
        if waiting > 0 && waiting + u128::from(bytes) > u128::from(queue) {
            return None;
        }
        let took = (u128::from(bytes) * 8 * 1_000_000_000).div_ceil(u128::from(rate.max(1)));
        let free = free + Duration(u64::try_from(took).unwrap_or(u64::MAX));
        self.0.insert(pair, free);
        Some(free.since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limited_link_sends_one_after_the_other_and_drops_when_full() {
        let mut busy = Busy::default();
        let mut admit = |bytes| busy.admit((0, 1), Instant::ZERO, bytes, 8_000, 250);
        // 1000 bytes a second.
        assert_eq!(admit(100), Some(Duration::millis(100)));
        assert_eq!(admit(100), Some(Duration::millis(200)));
        assert_eq!(admit(100), None);
        assert_eq!(admit(50), Some(Duration::millis(250)));
    }
}
