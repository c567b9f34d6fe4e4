//! Splits an outage into the phases its system declares, at the landmarks it announced.

use crate::report::Phase;
use sim_core::record::RunRecord;

/// The phases of the outage `[start, end)`, covering it exactly; none if the system declares none.
///
/// A phase ends at the first landmark of its kind after the phase before ended. Where that landmark is missing, the
/// phase runs on to the next landmark that a later phase ends with: the phases between collapse into the last known.
pub(crate) fn split(record: &RunRecord, start: u64, end: u64) -> Vec<Phase> {
    let from = record.marks.partition_point(|mark| mark.at_ns < start);
    let to = record.marks.partition_point(|mark| mark.at_ns < end);
    let mut marks = record.marks.get(from..to).unwrap_or_default();
    let mut out: Vec<Phase> = Vec::new();
    let mut cursor = start;
    let mut current: Option<&str> = None;
    for phase in &record.phases {
        let name = *current.get_or_insert(&phase.name);
        let Some(kind) = &phase.ends_with else { continue };
        let Some(found) = marks.iter().position(|mark| mark.kind == *kind) else { continue };
        let at = marks[found].at_ns;
        marks = &marks[found + 1..];
        push(&mut out, name, cursor, at);
        (cursor, current) = (at, None);
    }
    let last = current.or_else(|| record.phases.last().map(|phase| phase.name.as_str()));
    if let Some(name) = last {
        push(&mut out, name, cursor, end);
    }
    out
}

/// Adds a phase unless it has no length.
fn push(out: &mut Vec<Phase>, name: &str, start_ns: u64, end_ns: u64) {
    if end_ns > start_ns {
        out.push(Phase { name: name.to_owned(), start_ns, end_ns });
    }
}
