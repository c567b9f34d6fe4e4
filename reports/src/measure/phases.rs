//! Splits an outage into the phases its system declares, at the landmarks it announced.

use crate::report::Phase;
use sim_core::record::{FaultRecord, Mark, PhaseRecord, RunRecord};
use std::collections::BTreeSet;

/// Time in which somebody tried and nobody could: candidates without voters.
const NO_QUORUM: &str = "no quorum";
/// Time in which nobody noticed: the system announced no step of a recovery.
const UNDETECTED: &str = "undetected";
/// Faults that take nodes away from each other.
const TAKE_AWAY: [&str; 3] = ["crash", "pause", "partition"];

/// The phases of the outage `[start, end)`, covering it exactly; none if the system declares none.
///
/// A phase ends at the first landmark of its kind after the phase before ended. Where that landmark is missing, the
/// phase runs on to the next landmark that a later phase ends with: the phases between collapse into the last known.
/// What was begun and led to none of them is time without a quorum, and so are the attempts before the one that led
/// there, as far as half of the nodes were away.
pub(crate) fn split(record: &RunRecord, start: u64, end: u64) -> Vec<Phase> {
    let from = record.marks.partition_point(|mark| mark.at_ns < start);
    let to = record.marks.partition_point(|mark| mark.at_ns < end);
    let mut marks = record.marks.get(from..to).unwrap_or_default();
    let mut out: Vec<Phase> = Vec::new();
    let mut cursor = start;
    let mut current: Option<&str> = None;
    // What began the phase that is under way.
    let mut begun: Option<&PhaseRecord> = None;
    for phase in &record.phases {
        let name = *current.get_or_insert(&phase.name);
        let Some(kind) = &phase.ends_with else { continue };
        let Some(found) = marks.iter().position(|mark| mark.kind == *kind) else { continue };
        let ended = &marks[found];
        let began = begun.and_then(|begun| attempt(begun, &marks[..found], ended)).unwrap_or(cursor);
        if majority_gone(record, cursor, began) {
            push(&mut out, NO_QUORUM, cursor, began);
            cursor = began;
        }
        push(&mut out, name, cursor, ended.at_ns);
        (cursor, current, begun) = (ended.at_ns, None, Some(phase));
        marks = &marks[found + 1..];
    }
    let last = record.phases.last().map(|phase| phase.name.as_str());
    let name = match (current, begun) {
        (Some(name), None) => Some(if record.phases[0].ends_with.is_some() { UNDETECTED } else { name }),
        (Some(name), Some(_)) if Some(name) == last => last,
        (Some(_), Some(_)) => Some(NO_QUORUM),
        (None, _) => last,
    };
    if let Some(name) = name {
        push(&mut out, name, cursor, end);
    }
    out
}

/// When the attempt began that led to `ended`: the last landmark of that kind before it, of the same node.
fn attempt(begun: &PhaseRecord, before: &[Mark], ended: &Mark) -> Option<u64> {
    let kind = begun.ends_with.as_deref()?;
    before.iter().rev().find(|mark| mark.kind == kind && mark.node == ended.node).map(|mark| mark.at_ns)
}

/// Whether faults had taken half of the nodes or more away in most of this time.
fn majority_gone(record: &RunRecord, from: u64, to: u64) -> bool {
    let overlap = |f: &FaultRecord| f.end_ns.min(to).saturating_sub(f.start_ns.max(from));
    let took = |f: &&FaultRecord| f.bit && TAKE_AWAY.contains(&f.kind.as_str()) && overlap(f) * 2 > to - from;
    let gone: BTreeSet<&str> =
        record.faults.iter().filter(took).flat_map(|f| &f.resolved).map(String::as_str).collect();
    to > from && gone.len() * 2 >= record.nodes.len()
}

/// Adds a phase unless it has no length.
fn push(out: &mut Vec<Phase>, name: &str, start_ns: u64, end_ns: u64) {
    if end_ns > start_ns {
        out.push(Phase { name: name.to_owned(), start_ns, end_ns });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::record::NodeRecord;

    fn record(marks: &[(u64, u32, &str)], away: &[&str]) -> RunRecord {
        let phases = [("undetected", Some("campaign")), ("election", Some("elected")), ("clients back", None)];
        RunRecord {
            nodes: vec![NodeRecord::default(); 5],
            phases: phases
                .map(|(name, ends)| PhaseRecord { name: name.into(), ends_with: ends.map(str::to_owned) })
                .into(),
            marks: marks
                .iter()
                .map(|(at_ns, node, kind)| Mark { at_ns: *at_ns, node: *node, kind: (*kind).into(), ..Mark::default() })
                .collect(),
            faults: vec![FaultRecord {
                kind: "crash".into(),
                bit: true,
                start_ns: 0,
                end_ns: 1000,
                resolved: away.iter().map(|n| (*n).to_owned()).collect(),
                ..FaultRecord::default()
            }],
            ..RunRecord::default()
        }
    }

    fn names(record: &RunRecord) -> Vec<(String, u64)> {
        split(record, 0, 1100).into_iter().map(|p| (p.name, p.end_ns - p.start_ns)).collect()
    }

    fn named(phases: &[(&str, u64)]) -> Vec<(String, u64)> {
        phases.iter().map(|(name, length)| ((*name).to_owned(), *length)).collect()
    }

    #[test]
    fn candidates_without_voters_are_no_election() {
        let marks = [(10, 1, "campaign"), (400, 2, "campaign"), (900, 1, "campaign"), (1050, 1, "elected")];
        let majority = record(&marks, &["n3", "n4", "n5"]);
        let phases = [("undetected", 10), ("no quorum", 890), ("election", 150), ("clients back", 50)];
        assert_eq!(names(&majority), named(&phases));
        // Split votes with one node away are the election's own.
        let one = record(&marks, &["n5"]);
        assert_eq!(names(&one), named(&[("undetected", 10), ("election", 1040), ("clients back", 50)]));
    }

    #[test]
    fn what_led_to_nothing_had_no_quorum() {
        let tried = record(&[(10, 1, "campaign"), (400, 2, "campaign")], &["n3", "n4", "n5"]);
        assert_eq!(names(&tried), named(&[("undetected", 10), ("no quorum", 1090)]));
        assert_eq!(names(&record(&[], &["n5"])), named(&[("undetected", 1100)]));
        // Whatever the first step is called: it has not been taken.
        let mut detects = record(&[], &["n5"]);
        detects.phases[0].name = "detect".into();
        assert_eq!(names(&detects), named(&[("undetected", 1100)]));
        // Where nothing is to be detected, a phase has its name.
        detects.phases = vec![PhaseRecord { name: "transactions do not end".into(), ends_with: None }];
        assert_eq!(names(&detects), named(&[("transactions do not end", 1100)]));
    }
}
