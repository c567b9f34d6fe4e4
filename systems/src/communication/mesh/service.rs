//! Services, calls, troubles and releases, as written in `[[system.service]]` and its neighbours.

use crate::communication::balancing::{GrayKind, QueueOrder, ServiceLaw};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::units::{DurationText, ProbabilityText};

fn all() -> ProbabilityText {
    ProbabilityText::per_billion(1_000_000_000)
}

fn none() -> ProbabilityText {
    ProbabilityText::per_billion(0)
}

/// A service of the graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServiceOptions {
    /// What it is called.
    pub name: String,
    /// How many machines run it: the next ones of the group of replicas.
    pub replicas: u32,
    /// How long a replica works on a request itself, in the mean (of a lognormal law, the median).
    pub service_time: DurationText,
    /// How that varies: `fixed`, `exponential`, `lognormal`.
    pub service_law: ServiceLaw,
    /// What 99 % of the requests take at most, under a lognormal law.
    pub service_p99: DurationText,
    /// How many requests a replica has in work at a time, those that wait for their calls included.
    pub capacity: u32,
    /// How many wait behind those; it refuses more.
    pub queue: u32,
    /// In which order they are taken from the queue.
    pub queue_order: QueueOrder,
    /// Under controlled delay: what a request may wait while the queue does not get empty.
    pub queue_target: DurationText,
    /// How long a queue must not have been empty to be a standing one.
    pub queue_interval: DurationText,
    /// How many requests a second a replica admits; 0 for all.
    pub rate_limit: u32,
    /// How many it admits at once after a while without any.
    pub burst: u32,
    /// How long an answer may be used again, counted from when it was made; 0 for no cache.
    pub cache_ttl: DurationText,
    /// How many answers a replica keeps.
    pub cache_keys: u32,
    /// Whether requests that miss the same key wait for one call instead of making one each.
    pub coalesce: bool,
    /// How many of the replicas, the last ones, run the new version.
    pub canary: u32,
    /// Which share of the calls goes there at first.
    pub canary_weight: ProbabilityText,
    /// Whom it calls for each request, in turn.
    pub calls: Vec<CallOptions>,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        Self {
            name: String::new(),
            replicas: 1,
            service_time: DurationText::millis(5),
            service_law: ServiceLaw::Exponential,
            service_p99: DurationText::millis(50),
            capacity: 16,
            queue: 100,
            queue_order: QueueOrder::Fifo,
            queue_target: DurationText::millis(5),
            queue_interval: DurationText::millis(100),
            rate_limit: 0,
            burst: 10,
            cache_ttl: DurationText::millis(0),
            cache_keys: 1000,
            coalesce: false,
            canary: 0,
            canary_weight: none(),
            calls: Vec::new(),
        }
    }
}

/// A call that a service makes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CallOptions {
    /// Which service it calls.
    pub to: String,
    /// For which share of its requests.
    pub probability: ProbabilityText,
    /// Whether it is made together with the call before it, if that is parallel, too.
    pub parallel: bool,
    /// Whether the request is answered although the call has failed.
    pub optional: bool,
    /// Whether it is a copy whose answer nobody waits for.
    pub mirror: bool,
    /// How often it is tried at most; 0 for `attempts` of the system.
    pub attempts: u32,
    /// How long it may take in all; 0 for `timeout` of the system.
    pub timeout: DurationText,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            to: String::new(),
            probability: all(),
            parallel: false,
            optional: false,
            mirror: false,
            attempts: 0,
            timeout: DurationText::millis(0),
        }
    }
}

/// Replicas of a service that turn gray.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TroubleOptions {
    /// Of which service.
    pub service: String,
    /// Only those of one zone, if it is named.
    pub zone: String,
    /// Only so many of them, the first ones; 0 for all.
    pub replicas: u32,
    /// Only those that run the new version.
    pub canary: bool,
    /// How: `slow`, `failing`, `hung`.
    pub kind: GrayKind,
    /// From when, counted from the start of the run.
    pub from: DurationText,
    /// Until when; to the end if 0.
    pub until: DurationText,
    /// Instead of `from`: at random, each on its own, with this mean time between.
    pub mtbf: DurationText,
    /// And for so long, in the mean.
    pub mttr: DurationText,
    /// Slow: so many times.
    pub factor: u32,
    /// Failing: which share of the work.
    pub share: ProbabilityText,
    /// Failing: how fast.
    pub takes: DurationText,
}

impl Default for TroubleOptions {
    fn default() -> Self {
        Self {
            service: String::new(),
            zone: String::new(),
            replicas: 0,
            canary: false,
            kind: GrayKind::default(),
            from: DurationText::default(),
            until: DurationText::default(),
            mtbf: DurationText::default(),
            mttr: DurationText::default(),
            factor: 10,
            share: all(),
            takes: DurationText::millis(1),
        }
    }
}

/// A change of the configuration: how much of a service's traffic its new version gets from then on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseOptions {
    /// When the control plane is told, counted from the start of the run.
    pub at: DurationText,
    /// Of which service.
    pub service: String,
    /// Which share.
    pub weight: ProbabilityText,
}
