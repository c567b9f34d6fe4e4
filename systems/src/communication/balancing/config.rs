//! What balancers and servers are configured with.

use super::options::Config;
use sim_core::network::Latency;
use sim_core::{Duration, NodeId, Probability, Rng};

/// The most workers a server may have: each has a timer slot.
pub const MOST_WORKERS: u32 = 64;

/// How long one request takes a worker.
#[derive(Clone, Debug)]
pub enum Service {
    /// By one law.
    One(Latency),
    /// By the second law for a share of the requests, by the first for the others.
    Two(Latency, Latency, Probability),
}

impl Service {
    /// The mean, as far as 256 evenly spaced quantiles show it.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let of = |law: &Latency| (0..256_u32).map(|i| u128::from(law.sample(i << 24 | 1 << 23).0)).sum::<u128>() / 256;
        let mean = match self {
            Self::One(law) => of(law),
            Self::Two(usual, long, share) => {
                let (usual, long, share) = (of(usual) as f64, of(long) as f64, share.as_f64());
                (usual + (long - usual) * share) as u128
            }
        };
        Duration(mean as u64)
    }

    /// How long this one takes.
    pub fn draw(&self, rng: &mut Rng) -> Duration {
        match self {
            Self::One(law) => law.sample(rng.next_u32()),
            Self::Two(usual, long, share) => {
                let bits = rng.next_u64();
                let law = if share.hit((bits >> 32) as u32) { long } else { usual };
                law.sample(bits as u32)
            }
        }
    }
}

/// Active health checks (HAProxy, Envoy, nginx plus).
#[derive(Clone, Copy, Debug)]
pub struct HealthChecks {
    /// Between checks of one server.
    pub interval: Duration,
    /// How long an answer may take; at most the interval.
    pub timeout: Duration,
    /// So many bad ones in a row take a server out.
    pub unhealthy: u32,
    /// So many good ones in a row bring it back.
    pub healthy: u32,
    /// Whether a check only connects.
    pub connect: bool,
}

/// Outlier ejection, the passive health check (Envoy, "Outlier detection").
#[derive(Clone, Copy, Debug)]
pub struct Ejection {
    /// So many failures in a row eject a server.
    pub after: u32,
    /// For so long the first time, twice as long the second, and so on.
    pub lasts: Duration,
    /// But never longer than this.
    pub longest: Duration,
    /// The largest share of the servers that may be out for this, in parts per million; one may always.
    pub most_ppm: u32,
}

/// A circuit breaker for each server (Nygard, "Release It!").
#[derive(Clone, Copy, Debug)]
pub struct Breaker {
    /// So many failures in a row open it.
    pub failures: u32,
    /// After so long one request may try.
    pub open: Duration,
}

/// Hedged requests (Dean and Barroso, "The Tail at Scale", 2013).
#[derive(Clone, Copy, Debug)]
pub enum Hedge {
    /// A second server is asked after this long.
    After(Duration),
    /// ... after what this share of the answers take, in parts per million.
    Percentile(u32),
}

impl Config {
    /// How many servers there are.
    #[must_use]
    pub fn servers(&self) -> u32 {
        self.weights.len() as u32
    }

    /// Server number `server`, counted from 0.
    #[must_use]
    pub const fn server(&self, server: u32) -> NodeId {
        NodeId(self.first + server)
    }

    /// Whether `node` balances.
    #[must_use]
    pub const fn is_balancer(&self, node: NodeId) -> bool {
        node.0 < self.balancers
    }
}
