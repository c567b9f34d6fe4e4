//! The moments of a run of which every message is worth seeing: around each broken rule, outage and fault.

use crate::report::{Report, Verdict};
use crate::units;
use sim_core::record::{Ruling, RunRecord};

/// Lines of all moments together: what a page holds without growing too large to be opened.
const LINES: f64 = 30_000.0;
/// Lines of one moment at least: an outage has more to say than the time before it.
const FEWEST: u64 = 1_000;
/// Moments of one run.
const MOMENTS: usize = 24;
/// A moment of a run in which little is said is not longer than this, nor one in which much is shorter.
const LONGEST_NS: u64 = 4_000_000_000;
const SHORTEST_NS: u64 = 1_000_000;
/// What a message takes of the lines, sent and delivered, and what an operation does: invoked, asked, requested,
/// answered, returned.
const OF_MESSAGE: u64 = 2;
const OF_OPERATION: u64 = 5;

/// A moment that is worth seeing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Since when, in simulated nanoseconds.
    pub from_ns: u64,
    /// Until when.
    pub to_ns: u64,
    /// What it is about, at the latest from then on.
    pub focus_ns: u64,
    /// How many lines of a trace it may take.
    pub lines: u64,
    /// How grave it is beside the others: 0 is the gravest.
    pub rank: usize,
    /// What it is about, for people.
    pub about: Vec<String>,
}

/// The moments of a run, in order of time; they do not overlap.
#[must_use]
pub fn of(report: &Report, record: &RunRecord) -> Vec<Moment> {
    let points = points(report);
    let said = OF_MESSAGE * record.messages.sent + OF_OPERATION * record.ops.len() as u64;
    let per_ns = said as f64 / record.simulated_ns.max(1) as f64;
    // As long as there is room for all of them.
    let mut length = LONGEST_NS;
    loop {
        let mut moments = with_length(&points, length, record.simulated_ns);
        let lines = |m: &Moment| (m.to_ns - m.from_ns) as f64 * per_ns;
        if length <= SHORTEST_NS || moments.iter().map(lines).sum::<f64>() <= LINES {
            moments.iter_mut().for_each(|m| m.lines = (2.0 * lines(m)) as u64 + FEWEST);
            return moments;
        }
        length = length / 5 * 4;
    }
}

/// The moments, none longer than this unless it is of several things.
fn with_length(points: &[(u64, u64, String)], length: u64, end: u64) -> Vec<Moment> {
    let mut moments: Vec<Moment> = Vec::new();
    for (rank, (at, until, about)) in points.iter().enumerate() {
        let before = length / 4;
        // Two of them show an outage that is too long for one.
        let to = if until - at <= length { until + before } else { at + (length - before) };
        let (from_ns, to_ns) = (at.saturating_sub(before), to.min(end));
        add(&mut moments, Moment { from_ns, to_ns, focus_ns: *at, lines: 0, rank, about: vec![about.clone()] });
        if moments.len() == MOMENTS {
            break;
        }
    }
    moments
}

/// What is worth seeing, the gravest first: from when until when, and what it is.
fn points(report: &Report) -> Vec<(u64, u64, String)> {
    let mut points: Vec<(u64, u64, String)> = Vec::new();
    let mut broken: Vec<(u64, &Verdict)> =
        report.verdicts.iter().filter(|v| is_broken(v)).filter_map(|v| Some((v.at_ns?, v))).collect();
    broken.sort_by_key(|(at, _)| *at);
    points.extend(broken.into_iter().map(|(at, v)| (at, at, format!("{} broken", v.rule))));
    let mut outages: Vec<_> = report.availability.outages.iter().collect();
    outages.sort_by_key(|o| (std::cmp::Reverse(o.duration_ns), o.start_ns));
    outages.truncate(MOMENTS / 2);
    for o in &outages {
        let what = format!("outage of {} ({})", o.scope, units::duration(o.duration_ns));
        points.push((o.start_ns, o.end_ns, what));
    }
    points.extend(report.faults.iter().filter(|f| f.bit).map(|f| (f.start_ns, f.start_ns, f.name())));
    // What is long ends out of sight.
    points.extend(
        outages.iter().filter(|o| !o.open).map(|o| (o.end_ns, o.end_ns, format!("end of outage of {}", o.scope))),
    );
    points
}

/// Whether a rule was broken, as expected or not. Expectations are of the run as a whole.
pub(crate) fn is_broken(verdict: &Verdict) -> bool {
    (verdict.verdict == Ruling::Fail || verdict.broken_as_expected) && !verdict.rule.starts_with("expect.")
}

/// Adds a moment in its place; those that overlap are one.
fn add(moments: &mut Vec<Moment>, mut new: Moment) {
    let overlaps = |m: &Moment| m.from_ns <= new.to_ns && new.from_ns <= m.to_ns;
    let first = moments.iter().position(overlaps);
    let Some(first) = first else {
        let place = moments.partition_point(|m| m.from_ns < new.from_ns);
        return moments.insert(place, new);
    };
    let past = moments.iter().rposition(overlaps).map_or(first, |last| last + 1);
    for old in moments.drain(first..past).rev() {
        new = join(old, new);
    }
    moments.insert(first, new);
}

/// Both as one; the one that matters more says what is looked at.
fn join(old: Moment, new: Moment) -> Moment {
    let (first, second) = if new.rank < old.rank { (new, old) } else { (old, new) };
    let Moment { from_ns, to_ns, focus_ns, lines, rank, mut about } = first;
    about.extend(second.about.into_iter().filter(|one| !about.contains(one)).collect::<Vec<_>>());
    Moment { from_ns: from_ns.min(second.from_ns), to_ns: to_ns.max(second.to_ns), focus_ns, lines, rank, about }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_that_overlap_are_one() {
        let moment = |from_ns, to_ns, about: &str| Moment {
            from_ns,
            to_ns,
            focus_ns: from_ns + 1,
            lines: 0,
            rank: 0,
            about: vec![about.to_owned()],
        };
        let mut all = Vec::new();
        for new in [moment(50, 60, "b"), moment(10, 20, "a"), moment(80, 90, "c")] {
            add(&mut all, new);
        }
        assert_eq!(all.iter().map(|m| m.from_ns).collect::<Vec<_>>(), [10, 50, 80]);
        add(&mut all, moment(55, 85, "d"));
        let told: Vec<_> = all.iter().map(|m| (m.from_ns, m.to_ns, m.focus_ns, m.about.join(" "))).collect();
        assert_eq!(told, [(10, 20, 11, "a".to_owned()), (50, 90, 51, "b c d".to_owned())]);
    }
}
