//! What controllers and kubelets work out, as functions of what they know: how many replicas, whose turn it is to go,
//! how fast nodes are given up. The rules are those of Kubernetes 1.19 as far as later releases have not changed them;
//! the cases of `fixtures/kubernetes/controllers.json` are exact.

mod autoscale;
#[cfg(test)]
mod cases;
mod disruption;
mod pods;

pub use autoscale::{
    Limited, Recommendation, ScaleEvent, Standing, Unmeasured, Usage, Wanted, by_average, by_resource, by_value,
    by_value_per_pod, cpu_standing, limited, limited_by_rules, stabilised, stabilised_by_rules,
};
pub use disruption::{Health, ZoneState, all_lost, allowance, shortest, zone_state};
pub use pods::{Rank, crash_back_off, in_endpoints, slow_start};
