//! Which operations count, and which were served.

use sim_core::Fate;
use sim_core::record::{OpRecord, RunRecord};

/// Whether the operation was invoked in the measured window: only those count.
pub(crate) fn measured(record: &RunRecord, op: &OpRecord) -> bool {
    op.invoke_ns >= record.measure_from_ns && op.invoke_ns < record.measure_to_ns
}

/// Whether the operation counts as load: probes do not.
pub(crate) fn loads(record: &RunRecord, op: &OpRecord) -> bool {
    !op.probe && measured(record, op)
}

/// Whether the operation took no longer than this.
pub(crate) fn in_time(op: &OpRecord, timeout_ns: u64) -> bool {
    op.return_ns.saturating_sub(op.invoke_ns) <= timeout_ns
}

/// Whether the operation counts as served: it succeeded, and in time.
pub(crate) fn served(record: &RunRecord, op: &OpRecord) -> bool {
    op.outcome == Fate::Ok && in_time(op, record.timeout_ns)
}
