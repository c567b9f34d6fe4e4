//! What is lost and what may go: zones whose nodes are not heard from, taints that run out, budgets.

use crate::control::kubernetes::objects::IntOrPercent;

/// How a zone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ZoneState {
    /// Some nodes may not be ready.
    Normal,
    /// Many are not: nodes are given up slowly, or not at all.
    Partial,
    /// None is.
    Full,
}

/// How a zone is with so many nodes that are ready, and so many that are not. `unhealthy` per cent are many, if they
/// are more than two.
#[must_use]
pub const fn zone_state(ready: usize, not_ready: usize, unhealthy: usize) -> ZoneState {
    if ready == 0 && not_ready > 0 {
        ZoneState::Full
    } else if not_ready > 2 && not_ready * 100 >= unhealthy * (ready + not_ready) {
        ZoneState::Partial
    } else {
        ZoneState::Normal
    }
}

/// Whether nothing is heard from any zone: then it is the listener who is cut off, and nobody is given up.
pub fn all_lost(zones: impl IntoIterator<Item = ZoneState>) -> bool {
    let mut zones = zones.into_iter().peekable();
    zones.peek().is_some() && zones.all(|zone| zone == ZoneState::Full)
}

/// For how long a pod stays that tolerates its node's taints for so long each, in seconds: `None` is for ever. A pod of
/// which no toleration matched goes at once.
#[must_use]
pub fn shortest(tolerated: &[Option<i64>]) -> Option<i64> {
    if tolerated.is_empty() {
        return Some(0);
    }
    tolerated.iter().flatten().copied().min().map(|seconds| seconds.max(0))
}

/// What a budget allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// How many pods may go.
    pub allowed: i64,
    /// How many must work.
    pub desired: i64,
    /// How many there should be.
    pub expected: i64,
}

/// What a budget allows over so many chosen pods, of which so many work. `scale` is how many their controllers want in
/// all; `None` where one of the pods has no controller.
#[must_use]
pub fn allowance(
    min_available: Option<IntOrPercent>,
    max_unavailable: Option<IntOrPercent>,
    chosen: i64,
    healthy: i64,
    scale: Option<i64>,
) -> Health {
    let (expected, desired) = match (max_unavailable, min_available) {
        (Some(most), _) => scale.map_or((0, 0), |scale| (scale, (scale - most.of_rounded_up(scale)).max(0))),
        (None, Some(IntOrPercent::Int(least))) => (chosen, i64::from(least)),
        (None, Some(share)) => scale.map_or((0, 0), |scale| (scale, share.of_rounded_up(scale))),
        (None, None) => (0, 0),
    };
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    Health { allowed, desired, expected }
}
