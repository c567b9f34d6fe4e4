//! Names the faults behind an outage.

use crate::units;
use sim_core::record::{FaultRecord, RunRecord};

/// At most this many faults are named; the rest is counted.
const NAMED: usize = 3;

/// The faults active in `[start - slack, end]`, as text and as indices into the record.
///
/// The slack is one window: that is how far an outage's measured start may lie behind its real one. Faults that bit are
/// preferred; those that did not are named only when no other was active. With none active, the last fault that ended
/// before is named as such: what broke may stay broken.
pub(crate) fn attribute(record: &RunRecord, start: u64, end: u64, slack: u64) -> (String, Vec<usize>) {
    let from = start.saturating_sub(slack);
    let active = |f: &FaultRecord| f.start_ns <= end && f.end_ns >= from;
    let pick = |bit: bool| -> Vec<usize> {
        (0..record.faults.len()).filter(|i| active(&record.faults[*i]) && record.faults[*i].bit == bit).collect()
    };
    let chosen = match pick(true) {
        bit if bit.is_empty() => pick(false),
        bit => bit,
    };
    if !chosen.is_empty() {
        let mut text = chosen.iter().take(NAMED).map(|i| name(&record.faults[*i])).collect::<Vec<_>>().join("; ");
        if chosen.len() > NAMED {
            text.push_str(&format!("; and {} more", chosen.len() - NAMED));
        }
        return (text, chosen);
    }
    let earlier = (0..record.faults.len())
        .filter(|i| record.faults[*i].bit && record.faults[*i].end_ns < from)
        .max_by_key(|i| (record.faults[*i].end_ns, *i));
    match earlier {
        Some(i) => {
            let fault = &record.faults[i];
            let ago = units::duration(start - fault.end_ns);
            (format!("after {}, over {ago} before", name(fault)), vec![i])
        }
        None => ("no fault was active".into(), Vec::new()),
    }
}

/// `crash of leader (n3)`.
pub(crate) fn name(fault: &FaultRecord) -> String {
    fault_name(&fault.label, &fault.kind, &fault.resolved)
}

/// The label, or else the kind, with the nodes it hit unless the label already says so.
pub(crate) fn fault_name(label: &str, kind: &str, resolved: &[String]) -> String {
    let label = if label.is_empty() { kind } else { label };
    let missing = resolved.iter().any(|node| !label.split(|c: char| !c.is_alphanumeric()).any(|word| word == node));
    match resolved {
        [] => label.to_owned(),
        _ if !missing => label.to_owned(),
        nodes if nodes.len() <= 3 => format!("{label} ({})", nodes.join(", ")),
        nodes => format!("{label} ({} nodes)", nodes.len()),
    }
}
