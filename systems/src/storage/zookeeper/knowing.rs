//! Who knew when: how fast a change of the configuration reaches those who watch it, and what that costs.

use sim_core::curve::{Curve, Line};
use sim_core::metric::{MetricKind, Unit};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::table::{Column, Holds, Table};
use sim_core::{Instant, NodeId};

/// Until half of those who watch know a change.
pub(super) const HALF: MetricKind = MetricKind::new(
    "watch_half",
    "half of the watchers know",
    Unit::Time,
    "since the change was written, at the longest",
);
/// Until all do.
pub(super) const LAST: MetricKind =
    MetricKind::new("watch_last", "the last watcher knows", Unit::Time, "since the change was written, at the longest");
/// What it costs.
pub(super) const EVENTS: MetricKind =
    MetricKind::new("watch_events", "watch events", Unit::Number, "how often somebody was told of a change");

/// How many changes are listed.
const LISTED: usize = 50;
/// Points of a curve for each change.
const POINTS: usize = 50;

/// One change.
#[derive(Clone, Debug)]
struct Changed {
    at: Instant,
    /// When each who has learned of it did, in order.
    learned: Vec<Instant>,
    /// How many watched when it was written.
    watchers: usize,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Knowing {
    changes: Vec<Changed>,
    by_data: SortedMap<u64, usize>,
    watchers: SortedSet<NodeId>,
    pub events: u64,
}

impl Knowing {
    /// The configuration is written.
    pub fn change(&mut self, at: Instant, data: u64) {
        self.by_data.insert(data, self.changes.len());
        self.changes.push(Changed { at, learned: Vec::new(), watchers: self.watchers.len() });
    }

    /// An application knows what it says.
    pub fn learn(&mut self, at: Instant, node: NodeId, data: u64) {
        self.watchers.insert(node);
        if let Some(changed) = self.by_data.get(&data).and_then(|index| self.changes.get_mut(*index)) {
            changed.learned.push(at);
        }
    }

    /// It watches no more.
    pub fn forget(&mut self, node: NodeId) {
        self.watchers.remove(&node);
    }

    /// Until so many of a hundred who watched knew a change; `None` if they were never so many.
    fn until(changed: &Changed, percent: usize) -> Option<u64> {
        let many = (changed.watchers * percent).div_ceil(100).max(1);
        changed.learned.get(many - 1).map(|at| at.since(changed.at).0)
    }

    fn longest(&self, percent: usize) -> Option<u64> {
        self.changes.iter().filter_map(|changed| Self::until(changed, percent)).max()
    }

    /// Its figures, as far as there are some.
    pub fn figures(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let (half, last) = (self.longest(50), self.longest(100));
        let events = (!self.changes.is_empty()).then_some(self.events);
        [("watch_half", half), ("watch_last", last), ("watch_events", events)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value? as f64)))
    }

    pub fn table(&self) -> Option<Table> {
        let columns = [
            Column::new("at_ns", "written", Holds::Moment),
            Column::new("watchers", "watched", Holds::Count),
            Column::new("learned", "learned of it", Holds::Count),
            Column::new("half_ns", "half knew", Holds::Time),
            Column::new("nine_tenths_ns", "90 %", Holds::Time),
            Column::new("nearly_all_ns", "99 %", Holds::Time),
            Column::new("all_ns", "all", Holds::Time),
        ];
        let mut table = Table::new("who_knew_when", "Who knew when", &columns);
        let more = self.changes.len().saturating_sub(LISTED);
        let all = if more == 0 { String::new() } else { format!(" {more} more are not listed.") };
        table.about = format!("How long it took until those who watch the configuration knew a change of it.{all}");
        table.rows = (self.changes.iter().take(LISTED))
            .map(|changed| {
                let until = |percent| Self::until(changed, percent).into();
                let (watchers, learned) = (changed.watchers as u64, changed.learned.len() as u64);
                vec![changed.at.0.into(), watchers.into(), learned.into(), until(50), until(90), until(99), until(100)]
            })
            .collect();
        (!table.rows.is_empty()).then_some(table)
    }

    /// The share of the watchers that know the newest configuration.
    pub fn curve(&self) -> Option<Curve> {
        let about = "the share of those who watch the configuration that know the newest one";
        let kind =
            MetricKind::new("who_knew", "who knows the newest configuration", Unit::Fraction, about).more_is_better();
        let (mut at_ns, mut values) = (Vec::new(), Vec::new());
        for (index, changed) in self.changes.iter().enumerate().filter(|(_, changed)| changed.watchers > 0) {
            let next = self.changes.get(index + 1).map_or(Instant(u64::MAX), |next| next.at);
            let share = |many: usize| (many as f64 / changed.watchers as f64).min(1.0);
            let step = changed.learned.len().div_ceil(POINTS).max(1);
            at_ns.push(changed.at.0);
            values.push(0.0);
            let points = changed.learned.iter().enumerate().filter(|(many, _)| (many + 1) % step == 0);
            let last = changed.learned.iter().enumerate().next_back();
            for (many, at) in points.chain(last).filter(|(_, at)| **at < next && at.0 > 0) {
                at_ns.push(at.0);
                values.push(share(many + 1));
            }
        }
        let lines = vec![Line { name: "all".to_owned(), values }];
        (!at_ns.is_empty()).then_some(Curve { kind, at_ns, lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_since_the_change_was_written() {
        let mut knowing = Knowing::default();
        (0..4).for_each(|node| knowing.learn(Instant(1), NodeId(node), 0));
        knowing.change(Instant(100), 7);
        (0..3).for_each(|node| knowing.learn(Instant(110 + 10 * u64::from(node)), NodeId(node), 7));
        let figures: Vec<_> = knowing.figures().collect();
        assert_eq!(figures, [("watch_half", 20.0), ("watch_events", 0.0)], "the last does not know it yet");
        knowing.learn(Instant(150), NodeId(3), 7);
        assert_eq!(knowing.longest(100), Some(50));
        let curve = knowing.curve().expect("a change");
        assert_eq!((curve.at_ns.first(), curve.lines[0].values.last()), (Some(&100), Some(&1.0)));
    }
}
