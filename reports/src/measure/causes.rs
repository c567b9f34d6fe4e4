//! Names what is behind an outage: faults that bit and overlap its beginning, or what else was wrong then, or nothing.

use crate::report::Condition;
use crate::units;
use sim_core::Fate;
use sim_core::record::{FaultRecord, Mark, RunRecord};
use std::collections::BTreeMap;

/// At most this many causes are named; the rest is counted.
const NAMED: usize = 3;
/// A fault that ended this long before an outage or less is worth a word, though it is not to blame.
const LATELY: u64 = 5_000_000_000;

/// What is behind an outage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    /// For people.
    pub text: String,
    /// The faults among it, as indices into the record.
    pub faults: Vec<usize>,
    /// Whether it is only what is so all the time: nothing was lost then that somebody had to notice and replace.
    pub standing: bool,
}

/// What overlaps the beginning of the outage `[start, end)`.
///
/// The measured beginning is not the real one: it may lie a window behind it, or before it by as long as an operation
/// takes that was under way when it began; `slack` is the larger of the two. A fault that never bit is never to blame.
/// Where no fault and no condition was there, what the system itself announced is told: who lost the lead, and how
/// often it changed hands.
pub(crate) fn attribute(record: &RunRecord, conditions: &[Condition], (start, end): (u64, u64), slack: u64) -> Cause {
    let overlaps = |from: u64, to: u64| from <= start.saturating_add(slack) && to >= start.saturating_sub(slack);
    let blamed = |f: &FaultRecord| f.bit && overlaps(f.start_ns, f.end_ns);
    let faults: Vec<usize> = (0..record.faults.len()).filter(|i| blamed(&record.faults[*i])).collect();
    let last_resort = |c: &&Condition| c.is_last_resort(record.measure_from_ns, record.measure_to_ns);
    let others = conditions.iter().filter(|c| overlaps(c.start_ns, c.end_ns) && c.may_cause(start));
    let passing = others.clone().filter(|c| !last_resort(c)).map(|c| c.label.clone());
    let mut all: Vec<String> = faults.iter().map(|i| record.faults[*i].name()).chain(passing).collect();
    let standing = all.is_empty();
    if standing {
        // What is so all the time explains a moment only where nothing else does.
        all.extend(others.filter(last_resort).map(|c| c.label.clone()));
    }
    if !all.is_empty() {
        let mut text = all[..all.len().min(NAMED)].join("; ");
        if all.len() > NAMED {
            text.push_str(&format!("; and {} more", all.len() - NAMED));
        }
        return Cause { text, faults, standing };
    }
    let mut text = if is_starting(record, start, slack) {
        let warmup = units::duration(record.measure_from_ns);
        format!("the system was starting: nobody had been served when the warm-up of {warmup} was over")
    } else {
        announced(record, (start.saturating_sub(slack), start.saturating_add(slack)), end)
            .map_or_else(|| "no cause found".to_owned(), |what| format!("no fault was active: {what}"))
    };
    let lately = |f: &&FaultRecord| f.bit && f.end_ns < start && start - f.end_ns <= LATELY;
    if let Some(fault) = record.faults.iter().filter(lately).max_by_key(|f| f.end_ns) {
        let ago = units::duration(start - fault.end_ns);
        text.push_str(&format!(" ({} had ended {ago} before)", fault.name()));
    }
    Cause { text, faults: Vec::new(), standing: false }
}

/// Whether what is measured begins before the system does.
fn is_starting(record: &RunRecord, start: u64, slack: u64) -> bool {
    let early = start <= record.measure_from_ns.saturating_add(slack);
    early && !record.ops.iter().any(|op| op.outcome == Fate::Ok && op.return_ns <= start)
}

/// What the system announced around the beginning, and how often the lead changed hands until the end:
/// `n2 stepped down; campaign 4 times, elected 3 times`.
fn announced(record: &RunRecord, (from, to): (u64, u64), end: u64) -> Option<String> {
    let within = |from: u64, to: u64| {
        let first = record.marks.partition_point(|mark| mark.at_ns < from);
        let past = record.marks.partition_point(|mark| mark.at_ns <= to);
        record.marks.get(first..past).unwrap_or_default()
    };
    let told = |mark: &Mark| {
        let what = format!("{} {}", record.node_name(mark.node), mark.kind.replace('_', " "));
        mark.why.as_ref().map_or_else(|| what.clone(), |why| format!("{what}: {why}"))
    };
    let first = within(from, to).first().map(told);
    let steps: Vec<&str> = record.phases.iter().filter_map(|phase| phase.ends_with.as_deref()).collect();
    let mut counts: BTreeMap<usize, u64> = BTreeMap::new();
    for mark in within(from, to.max(end)) {
        if let Some(step) = steps.iter().position(|step| *step == mark.kind) {
            *counts.entry(step).or_default() += 1;
        }
    }
    let flapped = counts.values().any(|n| *n > 1);
    let counted = counts.iter().map(|(step, n)| {
        let step = steps[*step].replace('_', " ");
        if *n == 1 { step } else { format!("{step} {n} times") }
    });
    let counted = counted.collect::<Vec<_>>().join(", ");
    match (first, counted.is_empty()) {
        (None, true) => None,
        (Some(first), true) => Some(first),
        (None, false) => Some(counted),
        (Some(first), false) if flapped => Some(format!("{first}; then {counted}")),
        (Some(first), false) => Some(first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_core::Class;
    use sim_core::record::{OpRecord, PhaseRecord};

    const S: u64 = 1_000_000_000;

    fn fault(label: &str, start_ns: u64, end_ns: u64, bit: bool) -> FaultRecord {
        FaultRecord { label: label.into(), start_ns, end_ns, bit, ..FaultRecord::default() }
    }

    fn record(faults: Vec<FaultRecord>) -> RunRecord {
        let phase = |name: &str, ends_with: Option<&str>| PhaseRecord {
            name: name.into(),
            ends_with: ends_with.map(str::to_owned),
        };
        RunRecord {
            faults,
            measure_to_ns: 100 * S,
            phases: vec![
                phase("undetected", Some("campaign")),
                phase("election", Some("elected")),
                phase("rest", None),
            ],
            ..RunRecord::default()
        }
    }

    fn cause(record: &RunRecord, conditions: &[Condition]) -> (String, Vec<usize>) {
        let cause = attribute(record, conditions, (10 * S, 12 * S), S / 10);
        (cause.text, cause.faults)
    }

    #[test]
    fn only_what_bit_and_was_there_at_the_beginning_is_blamed() {
        let faults = vec![
            fault("never bit, later", 105 * S / 10, 11 * S, false),
            fault("never bit", 9 * S, 11 * S, false),
            fault("bit, later", 105 * S / 10, 11 * S, true),
            fault("long over", S, 2 * S, true),
        ];
        assert_eq!(cause(&record(faults.clone()), &[]), ("no cause found".into(), Vec::new()));
        let with = |more: FaultRecord| record([faults.clone(), vec![more]].concat());
        let crash = fault("crash of n1", 10 * S + S / 20, 15 * S, true);
        assert_eq!(
            cause(&with(crash), &[]),
            ("crash of n1".into(), vec![4]),
            "the measured beginning is not the real one"
        );
        let over = fault("partition", 8 * S, 9 * S, true);
        let said = "no cause found (partition had ended 1 s before)";
        assert_eq!(cause(&with(over), &[]), (said.into(), Vec::new()), "it is over, and worth a word");
    }

    #[test]
    fn what_is_no_fault_is_a_cause_too() {
        let condition = |label: &str, start_ns, end_ns| Condition {
            kind: "gray".into(),
            label: label.into(),
            start_ns,
            end_ns,
            ..Condition::default()
        };
        let gray = condition("n3 is gray: slow", 9 * S, 20 * S);
        let slow = condition("slow links between zones a and b", 0, 200 * S);
        let later = condition("overload", 11 * S, 20 * S);
        let all = [slow.clone(), gray, later];
        assert_eq!(cause(&record(Vec::new()), &all).0, "n3 is gray: slow");
        assert_eq!(cause(&record(Vec::new()), &[slow]).0, "slow links between zones a and b", "where nothing else was");
        let crash = fault("crash of n1", 10 * S, 15 * S, true);
        assert_eq!(cause(&record(vec![crash.clone()]), &all).0, "crash of n1; n3 is gray: slow");
        // Clients wait in any outage; only if they did before is their limit to blame, and only where nothing else is.
        let limit =
            |start_ns| Condition { kind: "client_limit".into(), ..condition("the clients' limit", start_ns, 20 * S) };
        assert_eq!(cause(&record(Vec::new()), &[limit(10 * S)]).0, "no cause found");
        assert_eq!(cause(&record(Vec::new()), &[limit(8 * S)]).0, "the clients' limit");
        assert_eq!(cause(&record(vec![crash]), &[limit(8 * S)]).0, "crash of n1");
    }

    #[test]
    fn what_is_so_all_the_time_leaves_nothing_to_replace() {
        let slow = Condition { label: "slow links".into(), end_ns: 200 * S, ..Condition::default() };
        let standing =
            |faults| attribute(&record(faults), core::slice::from_ref(&slow), (10 * S, 12 * S), S / 10).standing;
        assert!(standing(Vec::new()));
        assert!(!standing(vec![fault("crash of n1", 10 * S, 15 * S, true)]));
    }

    #[test]
    fn what_is_measured_from_the_start_on_includes_the_start() {
        let mut record = record(Vec::new());
        record.measure_from_ns = 10 * S;
        let said = "the system was starting: nobody had been served when the warm-up of 10 s was over";
        assert_eq!(cause(&record, &[]).0, said);
        let op = |return_ns, outcome| OpRecord {
            client: 0,
            op: 0,
            class: Class::Write,
            probe: false,
            zone: 0,
            shard: 0,
            invoke_ns: S,
            return_ns,
            outcome,
            node: None,
            attempts: 1,
        };
        record.ops = vec![op(2 * S, Fate::Failed), op(11 * S, Fate::Ok)];
        assert_eq!(cause(&record, &[]).0, said);
        record.ops.push(op(2 * S, Fate::Ok));
        assert_eq!(cause(&record, &[]).0, "no cause found");
        record.ops.pop();
        assert_eq!(attribute(&record, &[], (15 * S, 16 * S), S).text, "no cause found", "that is not the beginning");
    }

    #[test]
    fn without_a_fault_the_system_tells_what_it_did() {
        let mut record = record(Vec::new());
        let mark = |at_ns, node, kind: &str| Mark { at_ns, node, kind: kind.into(), ..Mark::default() };
        record.marks = vec![mark(5 * S, 0, "elected"), mark(10 * S, 1, "stepped_down")];
        assert_eq!(cause(&record, &[]).0, "no fault was active: n2 stepped down");
        record.marks.extend([
            mark(103 * S / 10, 2, "campaign"),
            mark(105 * S / 10, 0, "campaign"),
            mark(107 * S / 10, 0, "elected"),
        ]);
        let said = "no fault was active: n2 stepped down; then campaign 2 times, elected";
        assert_eq!(cause(&record, &[]).0, said);
        record.marks.truncate(2);
        record.marks[1].why = Some("its lease has run out".into());
        assert_eq!(cause(&record, &[]).0, "no fault was active: n2 stepped down: its lease has run out");
    }
}
