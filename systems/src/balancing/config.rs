//! What balancers and servers are configured with.

use super::policy::Policy;
use crate::hashing::placement::Ring;
use sim_core::network::Latency;
use sim_core::{Duration, NodeId};
use std::rc::Rc;

/// The most workers a server may have: each has a timer slot.
pub const MOST_WORKERS: u32 = 64;

/// One cluster: the first nodes are balancers, the others servers.
#[derive(Clone, Debug)]
pub struct Config {
    /// How many nodes balance.
    pub balancers: u32,
    /// The weight of each server.
    pub weights: Rc<[u32]>,
    /// How requests are spread.
    pub policy: Policy,
    /// How many servers are drawn, where the policy draws several.
    pub choices: u32,
    /// How long one request takes a worker.
    pub service: Latency,
    /// How many requests a server works on at a time.
    pub workers: u32,
    /// How many requests may wait at a server; it refuses more.
    pub queue_limit: u32,
    /// How long a balancer waits for a server before it gives up on it.
    pub attempt_timeout: Duration,
    /// How often a request is tried at most.
    pub attempts: u32,
    /// Tries that may follow failures, for each request, in parts per million; `None` for as many as fail.
    pub retry_budget_ppm: Option<u32>,
    /// How much more than its share a server may hold under bounded hashing, in parts per million.
    pub slack_ppm: u32,
    /// The half-life of a peak EWMA.
    pub half_life: Duration,
    /// The ring of the servers, for bounded hashing.
    pub ring: Option<Rc<Ring>>,
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
        NodeId(self.balancers + server)
    }

    /// Whether `node` balances.
    #[must_use]
    pub const fn is_balancer(&self, node: NodeId) -> bool {
        node.0 < self.balancers
    }
}
