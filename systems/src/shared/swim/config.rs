//! How a member works, and the formulas of memberlist.

use sim_core::Duration;

/// A known mistake to make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slip {
    /// None.
    #[default]
    None,
    /// "Alive" overrides what is worse in the same incarnation.
    AliveTies,
    /// A suspicion holds against an "alive" of a higher incarnation.
    DeafToRefutations,
    /// Who does not answer a direct ping in time is suspected before those who were asked have answered.
    Hasty,
    /// "Alive" of an old incarnation is dropped without a word about what is believed instead.
    SilentAboutTheOld,
    /// An intent to leave that was heard before its member came back counts against it.
    IntentsOnly,
}

/// How a [`super::Swim`] works. The defaults are memberlist's for a LAN.
#[derive(Clone, Debug, PartialEq)]
pub struct SwimConfig {
    /// How often a member probes another.
    pub probe_interval: Duration,
    /// How long an answer may take before others are asked to probe.
    pub probe_timeout: Duration,
    /// How many are asked.
    pub indirect_checks: u32,
    /// How often news are gossiped.
    pub gossip_interval: Duration,
    /// To how many.
    pub gossip_nodes: u32,
    /// For how long news are gossiped to who is held for dead.
    pub gossip_to_the_dead: Duration,
    /// How often the whole state is exchanged with somebody, in small clusters; zero for never.
    pub push_pull: Duration,
    /// The least time until a suspect is dead: so many probe intervals, times the logarithm of the members.
    pub suspicion_mult: u32,
    /// The most time is so many times the least.
    pub suspicion_max_mult: u32,
    /// How often each piece of news is sent: so many times the logarithm of the members.
    pub retransmit_mult: u32,
    /// Whether that is all, whatever the number of members.
    pub retransmit_fixed: bool,
    /// Lifeguard's local health is below this; 1 switches it off.
    pub awareness_max: u32,
    /// Whether suspicion begins long and confirmations shorten it.
    pub confirmations: bool,
    /// Whether a suspect is told of the suspicion by whoever probes it.
    pub buddy: bool,
    /// Whether members are probed at random instead of each once a round.
    pub random_order: bool,
    /// A known mistake to make.
    pub slip: Slip,
}

impl Default for SwimConfig {
    fn default() -> Self {
        Self {
            probe_interval: Duration::secs(1),
            probe_timeout: Duration::millis(500),
            indirect_checks: 3,
            gossip_interval: Duration::millis(200),
            gossip_nodes: 3,
            gossip_to_the_dead: Duration::secs(30),
            push_pull: Duration::secs(30),
            suspicion_mult: 4,
            suspicion_max_mult: 6,
            retransmit_mult: 4,
            retransmit_fixed: false,
            awareness_max: 8,
            confirmations: true,
            buddy: true,
            random_order: false,
            slip: Slip::None,
        }
    }
}

impl SwimConfig {
    /// The least and the most time until a suspect among `n` members is dead, and how many confirmations make it the
    /// least.
    #[must_use]
    pub fn suspicion(&self, n: u32) -> (Duration, Duration, u32) {
        let min = suspicion_timeout(self.suspicion_mult, n, self.probe_interval);
        // Without enough others to confirm, nobody waits for them.
        let wanted = if self.confirmations { self.suspicion_mult.saturating_sub(2) } else { 0 };
        let k = if n < wanted + 2 { 0 } else { wanted };
        (min, min.times(u64::from(self.suspicion_max_mult)), k)
    }

    /// How often each piece of news is sent among `n` members.
    #[must_use]
    pub fn transmissions(&self, n: u32) -> u32 {
        if self.retransmit_fixed { self.retransmit_mult } else { retransmit_limit(self.retransmit_mult, n) }
    }

    /// Whether this mistake is made.
    pub(super) fn slips(&self, slip: Slip) -> bool {
        self.slip == slip
    }
}

/// The least time until a suspect among `n` members is dead. memberlist counts the logarithm in thousandths.
#[must_use]
pub fn suspicion_timeout(mult: u32, n: u32, interval: Duration) -> Duration {
    let scale = libm::log10(f64::from(n.max(1))).max(1.0);
    let thousandths = (scale * 1000.0) as u64;
    Duration(u64::from(mult) * thousandths * interval.0 / 1000)
}

/// How often each piece of news is sent among `n` members.
#[must_use]
pub fn retransmit_limit(mult: u32, n: u32) -> u32 {
    mult * libm::ceil(libm::log10(f64::from(n) + 1.0)) as u32
}

/// How many times longer the whole state waits to be exchanged among `n` members.
#[must_use]
pub fn push_pull_scale(n: u32) -> u32 {
    if n <= 32 { 1 } else { libm::ceil(libm::log2(f64::from(n)) - 5.0) as u32 + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `TestSuspicionTimeout`, `TestRetransmitLimit` and `TestPushPullScale` of memberlist.
    #[test]
    fn formulas_are_those_of_memberlist() {
        for (n, ms) in [(5, 3000), (10, 3000), (50, 5094), (100, 6000), (500, 8094), (1000, 9000)] {
            assert_eq!(suspicion_timeout(3, n, Duration::secs(1)), Duration::millis(ms), "{n}");
        }
        for (n, limit) in [(0, 0), (1, 3), (99, 6)] {
            assert_eq!(retransmit_limit(3, n), limit, "{n}");
        }
        for (n, scale) in [(1, 1), (32, 1), (33, 2), (64, 2), (65, 3), (128, 3)] {
            assert_eq!(push_pull_scale(n), scale, "{n}");
        }
    }

    #[test]
    fn few_members_wait_for_no_confirmation() {
        let config = SwimConfig::default();
        assert_eq!(config.suspicion(10), (Duration::secs(4), Duration::secs(24), 2));
        assert_eq!(config.suspicion(3).2, 0);
    }
}
