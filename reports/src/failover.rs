//! How primaries were replaced: recovery time and its parts.

use serde::{Deserialize, Serialize};
use sim_core::measures;
use sim_core::record::RunRecord;

/// The fail-over part of the report. Times are simulated nanoseconds since the start of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailoverReport {
    /// Each replacement of a primary, in order of time.
    pub failovers: Vec<Replacement>,
    /// The longest recovery (RTO): from the old primary's last service to the first write that the new one acknowledged.
    /// Planned ones do not count. One that never ended lasts until the end of the run. `null` if there was none.
    pub rto_max_ns: Option<u64>,
    /// Replacements of a primary that was in order.
    pub false_failovers: u64,
}

/// One replacement of a primary. The four parts make up `rto_ns`; a step that was not seen is a part of the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replacement {
    /// Which part of the data; 0 where there is one.
    pub shard: u32,
    /// When the old primary stopped serving, or, for one that still could, when it was given up.
    pub began_ns: u64,
    /// When a client's write was acknowledged by the new primary, or the end of the run.
    pub ended_ns: u64,
    /// Nobody had been served again when the run ended.
    pub open: bool,
    /// `ended_ns - began_ns`.
    pub rto_ns: u64,
    /// Until somebody held the old primary for dead.
    pub detect_ns: Option<u64>,
    /// From then until it was decided who follows.
    pub decide_ns: Option<u64>,
    /// From then until the new primary began to accept writes.
    pub promote_ns: Option<u64>,
    /// From then until a client's write was acknowledged.
    pub clients_ns: Option<u64>,
    /// The old primary.
    pub old: Option<String>,
    /// The new one.
    pub new: Option<String>,
    /// Whether the old primary was in order: nobody had to be replaced.
    pub needless: bool,
    /// Whether an operator or fail-back asked for it.
    pub planned: bool,
}

/// A node's name; its number where the record does not know it.
pub(crate) fn name(record: &RunRecord, node: u32) -> String {
    record.nodes.get(node as usize).map_or_else(|| format!("n{}", u64::from(node) + 1), |n| n.name.clone())
}

/// The fail-over part of the report, if the system has primaries.
pub(crate) fn measure(record: &RunRecord) -> Option<FailoverReport> {
    let seen = record.measures.failover.as_ref()?;
    let failovers: Vec<Replacement> = seen.failovers.iter().map(|f| replacement(record, f)).collect();
    let unplanned = || failovers.iter().filter(|f| !f.planned);
    Some(FailoverReport {
        rto_max_ns: unplanned().map(|f| f.rto_ns).max(),
        false_failovers: unplanned().filter(|f| f.needless).count() as u64,
        failovers,
    })
}

fn replacement(record: &RunRecord, f: &measures::Failover) -> Replacement {
    let ended_ns = f.served_ns.unwrap_or(record.simulated_ns).max(f.began_ns);
    // Each part begins where the last step that was seen ended, so that the parts add up.
    let mut reached = f.began_ns;
    let mut part = |at: Option<u64>| {
        let at = at?.clamp(reached, ended_ns);
        Some(at - std::mem::replace(&mut reached, at))
    };
    Replacement {
        shard: f.shard,
        began_ns: f.began_ns,
        ended_ns,
        open: f.served_ns.is_none(),
        rto_ns: ended_ns - f.began_ns,
        detect_ns: part(f.detected_ns),
        decide_ns: part(f.decided_ns),
        promote_ns: part(f.promoted_ns),
        clients_ns: part(f.served_ns),
        old: f.old.map(|n| name(record, n)),
        new: f.new.map(|n| name(record, n)),
        needless: f.needless,
        planned: f.planned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_whatever_was_seen() {
        let record = RunRecord { simulated_ns: 1000, ..RunRecord::default() };
        let all = measures::Failover {
            began_ns: 100,
            detected_ns: Some(150),
            decided_ns: Some(190),
            promoted_ns: Some(250),
            served_ns: Some(300),
            old: Some(0),
            new: Some(1),
            ..measures::Failover::default()
        };
        let whole = replacement(&record, &all);
        let parts = |r: &Replacement| [r.detect_ns, r.decide_ns, r.promote_ns, r.clients_ns];
        assert_eq!((parts(&whole), whole.rto_ns), ([Some(50), Some(40), Some(60), Some(50)], 200));
        // Nobody saw the decision: what is known still adds up.
        let some = replacement(&record, &measures::Failover { decided_ns: None, ..all.clone() });
        assert_eq!((parts(&some), some.rto_ns), ([Some(50), None, Some(100), Some(50)], 200));
        // Nobody was ever served again.
        let open = replacement(&record, &measures::Failover { served_ns: None, promoted_ns: None, ..all });
        assert_eq!((parts(&open), open.rto_ns, open.open), ([Some(50), Some(40), None, None], 900, true));
    }
}
