//! Fail-over as a recovery: what it is called, and the steps that it is made of.

use sim_core::metric::{MetricKind, Unit};
use sim_core::recovery::{Recoveries, Recovery, RecoveryKind, Step};
use std::borrow::Cow;

/// When the new primary began to accept writes.
pub const PROMOTED: usize = 2;
/// When a client's write was acknowledged by it.
pub const SERVED: usize = 3;

/// Somebody holds the old primary for dead, it is decided who follows, the new one accepts writes, one is acknowledged.
static STEPS: &[Step] = &[
    Step::new("detect", "detect_ns"),
    Step::new("decide", "decide_ns"),
    Step::new("promote", "promote_ns"),
    Step::new("clients back", "clients_ns"),
];

/// The figures of fail-overs.
pub const METRICS: &[MetricKind] = &[
    MetricKind::new("rto", "fail-over time", Unit::Time, "the longest unplanned fail-over"),
    MetricKind::new(
        "false_failovers",
        "needless fail-overs",
        Unit::Number,
        "fail-overs away from a primary that was in order",
    ),
];

/// The fail-overs of a run.
pub fn fail_overs(all: Vec<Recovery>) -> Recoveries {
    let figure = |index: usize, field| (METRICS[index].clone(), Cow::Borrowed(field));
    let kind = RecoveryKind {
        field: Cow::Borrowed("failover"),
        list: Cow::Borrowed("failovers"),
        one: Cow::Borrowed("fail-over"),
        who: Cow::Borrowed("primary"),
        steps: Cow::Borrowed(STEPS),
        longest: figure(0, "rto_max_ns"),
        needless: figure(1, "false_failovers"),
    };
    Recoveries { kind, all }
}
