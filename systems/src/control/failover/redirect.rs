//! How clients find the primary: whom one would ask at a moment, given what this node has learned and when.

use super::options::{Config, Redirect};
use sim_core::{ClientId, LocalInstant, NodeId, hash};

/// Who was known as the primary, and since when.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Directory {
    now: Option<NodeId>,
    before: Option<NodeId>,
    since: LocalInstant,
}

impl Directory {
    /// There is a new primary.
    pub fn learned(&mut self, primary: NodeId, at: LocalInstant) {
        if self.now != Some(primary) {
            *self = Self { now: Some(primary), before: self.now, since: at };
        }
    }

    /// Whom `client` would ask now. A node that is asked by somebody who would not have come to it sends him there, so
    /// that clients reach a new primary no sooner than their way of finding it allows.
    pub fn asked(&self, client: ClientId, config: &Config, now: LocalInstant) -> Option<NodeId> {
        let known = match config.redirect {
            Redirect::Hints => true,
            Redirect::VirtualIp => now.since(self.since) >= config.address_delay,
            Redirect::Discovery => {
                // Each asks at its own moments.
                let every = config.discovery_interval.0.max(1);
                let phase = hash::of(&[u64::from(client.0)]) % every;
                let last = now.0 - (now.0 + every - phase) % every;
                last >= self.since.0
            }
        };
        if known || self.before.is_none() { self.now } else { self.before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Duration;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);

    fn at(ms: u64) -> LocalInstant {
        LocalInstant(Duration::millis(ms).0)
    }

    #[test]
    fn an_address_moves_after_its_delay_and_a_directory_is_asked_now_and_then() {
        let mut config = Config { address_delay: Duration::millis(300), ..Config::new(3) };
        let mut directory = Directory::default();
        directory.learned(A, at(1000));
        let asked =
            |directory: &Directory, config: &Config, client, ms| directory.asked(ClientId(client), config, at(ms));
        assert_eq!(asked(&directory, &config, 1, 1000), Some(A));
        directory.learned(B, at(5000));
        assert_eq!(asked(&directory, &config, 1, 5000), Some(B));
        config.redirect = Redirect::VirtualIp;
        assert_eq!([5299, 5300].map(|ms| asked(&directory, &config, 1, ms)), [Some(A), Some(B)]);
        config.redirect = Redirect::Discovery;
        config.discovery_interval = Duration::secs(1);
        let moment = |client| (5000..6001).find(|ms| asked(&directory, &config, client, *ms) == Some(B)).unwrap();
        assert!((0..20).map(moment).collect::<sim_core::sorted::SortedSet<_>>().len() > 15, "each at its own moment");
        assert_eq!(asked(&directory, &config, 3, 6000), Some(B), "all within the interval");
    }
}
