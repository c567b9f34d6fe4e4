//! Who believes that it holds which lock, and what came of it at the store that is written to under locks: the same
//! figures of every lock service, so that they can be compared.

use super::fenced::Write;
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::sorted::SortedMap;
use sim_core::table::{Column, Holds, Table};
use sim_core::track::Track;
use sim_core::{Duration, Instant, NodeId};

/// How long two held one lock.
pub const OVERLAP: MetricKind =
    MetricKind::new("lock_overlap", "two holders", Unit::Time, "time in which two believed that they held one lock")
        .harm();
/// How many locks were taken.
pub const TAKEN: MetricKind =
    MetricKind::new("locks_taken", "locks taken", Unit::Number, "how often a lock was taken").more_is_better();
/// What was written too late.
pub const LATE: MetricKind =
    MetricKind::new("late_writes", "late writes", Unit::Number, "writes to the store under a lock that was lost");
/// What of that did harm.
pub const LATE_TAKEN: MetricKind =
    MetricKind::new("late_writes_taken", "late writes taken", Unit::Number, "those of them that the store took").harm();

/// How many late writes are listed.
const LISTED: usize = 100;

/// A belief: by whose session, and whether alone.
#[derive(Clone, Copy, Debug)]
struct Belief {
    session: u64,
    alone: bool,
}

/// The beliefs of all applications.
#[derive(Clone, Debug)]
pub struct Holders {
    /// By lock and application.
    held: SortedMap<(u64, NodeId), Belief>,
    /// Locks that more than one believes to hold alone, or that one does and others beside it, and since when.
    double: SortedMap<u64, Instant>,
    overlap: Duration,
    /// How often a lock was taken.
    pub taken: u64,
    /// Who took it with which token.
    takers: SortedMap<(u64, u64), NodeId>,
    /// The token of the write that the store took last, and the newest of all, by lock.
    stored: SortedMap<u64, (u64, u64)>,
    /// How many writes came to the store; how many of them late; how many of those it took.
    pub writes: [u64; 3],
    late: Vec<(Instant, Write, Option<u64>, bool)>,
    track: Track,
}

impl Default for Holders {
    fn default() -> Self {
        let about = "Who believed that it held a lock, by the number that it was given.";
        let track = Track::new("locks", "Who held which lock", about, "holds");
        Self {
            held: SortedMap::new(),
            double: SortedMap::new(),
            overlap: Duration::ZERO,
            taken: 0,
            takers: SortedMap::new(),
            stored: SortedMap::new(),
            writes: [0; 3],
            late: Vec::new(),
            track,
        }
    }
}

impl Holders {
    /// An application takes a lock, alone or beside others. Gives another one that may still rely on it, by a session
    /// that has not ended.
    pub fn take(
        &mut self,
        at: Instant,
        node: NodeId,
        (lock, token, session, alone): (u64, u64, u64, bool),
        is_over: impl Fn(u64) -> bool,
    ) -> Option<NodeId> {
        let others = self.held.iter().filter(|((held, by), _)| *held == lock && *by != node);
        let others = others.filter(|(_, belief)| alone || belief.alone);
        let others: Vec<(NodeId, u64)> = others.map(|((_, by), belief)| (*by, belief.session)).collect();
        if !others.is_empty() {
            self.double.entry(lock).or_insert(at);
        }
        self.taken += 1;
        self.takers.insert((lock, token), node);
        self.held.insert((lock, node), Belief { session, alone });
        self.track.begin(at, format!("lock {lock} by {node}"), format!("{token}"));
        others.into_iter().find(|(_, session)| !is_over(*session)).map(|(node, _)| node)
    }

    /// It does not believe so any more.
    pub fn let_go(&mut self, at: Instant, node: NodeId, lock: u64) {
        if self.held.remove(&(lock, node)).is_none() {
            return;
        }
        self.track.end(at, format!("lock {lock} by {node}"));
        let left: Vec<bool> =
            self.held.iter().filter(|((held, _), _)| *held == lock).map(|(_, belief)| belief.alone).collect();
        if (left.len() < 2 || !left.contains(&true))
            && let Some(since) = self.double.remove(&lock)
        {
            self.overlap = Duration(self.overlap.0 + at.since(since).0);
        }
    }

    /// It believes nothing any more.
    pub fn crash(&mut self, at: Instant, node: NodeId) {
        let held: Vec<u64> = self.held.keys().filter(|(_, by)| *by == node).map(|(lock, _)| *lock).collect();
        held.into_iter().for_each(|lock| self.let_go(at, node, lock));
    }

    /// A store was written to, by somebody who still had the lock or not. What is wrong about it, if a fence should
    /// have kept it out.
    pub fn stored(&mut self, at: Instant, write: Write, accepted: bool, is_held: bool) -> Option<String> {
        let Write { lock, token, .. } = write;
        self.writes[0] += 1;
        let before = self.stored.get(&lock).copied();
        if !is_held {
            self.writes[1] += 1;
            self.writes[2] += u64::from(accepted);
            self.late.push((at, write, before.map(|(last, _)| last), accepted));
        }
        if !accepted {
            return None;
        }
        let newest = before.map_or(token, |(_, newest)| newest.max(token));
        self.stored.insert(lock, (token, newest));
        (token < newest).then(|| format!("a write under lock {lock}, token {token}, was taken after one of {newest}"))
    }

    /// The late writes: by whom, after what, and what the store did with them.
    fn late_writes(&self) -> Table {
        let columns = [
            Column::new("at_ns", "when", Holds::Moment),
            Column::new("by", "by", Holds::Text),
            Column::new("lock", "lock", Holds::Id),
            Column::new("token", "token", Holds::Id),
            Column::new("last_token", "last token at the store", Holds::Id),
            Column::new("store", "the store", Holds::Text),
        ];
        let mut table = Table::new("late_writes", "Late writes", &columns);
        let more = self.late.len().saturating_sub(LISTED);
        let all = if more == 0 { String::new() } else { format!(" {more} more are not listed.") };
        table.about = format!("Writes to the store under a lock that their writer had lost.{all}");
        table.rows = (self.late.iter().take(LISTED))
            .map(|(at, write, last, accepted)| {
                let by = self.takers.get(&(write.lock, write.token)).map(NodeId::to_string);
                let store = if *accepted { "took it" } else { "refused it" };
                vec![at.0.into(), by.into(), write.lock.into(), write.token.into(), (*last).into(), store.into()]
            })
            .collect();
        table
    }

    /// What a report shows of it; `metrics` are those of the system.
    pub fn measure(&self, end: Instant, metrics: &[MetricKind], measures: &mut Measures) {
        measures.tracks.push(self.track.finish(end));
        if !self.late.is_empty() {
            measures.tables.push(self.late_writes());
        }
        let figures = [
            (&OVERLAP, self.overlap(end).0),
            (&TAKEN, self.taken),
            (&LATE, self.writes[1]),
            (&LATE_TAKEN, self.writes[2]),
        ];
        for (kind, value) in figures {
            measures.set(metrics, &kind.name, value as f64);
        }
    }

    /// Who held which lock.
    pub fn track(&self, end: Instant) -> Track {
        self.track.finish(end)
    }

    /// How long more than one believed to hold the same.
    pub fn overlap(&self, end: Instant) -> Duration {
        let open: u64 = self.double.values().map(|since| end.since(*since).0).sum();
        Duration(self.overlap.0 + open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METRICS: &[MetricKind] = &[OVERLAP, TAKEN, LATE, LATE_TAKEN];

    #[test]
    fn what_a_late_holder_does_is_counted() {
        let mut holders = Holders::default();
        let (a, b) = (NodeId(1), NodeId(2));
        let write = |token| Write { lock: 7, token, number: 1 };
        assert_eq!(holders.take(Instant(10), a, (7, 1, 11, true), |_| false), None);
        // The session of the first has ended, so the second breaks no rule.
        assert_eq!(holders.take(Instant(20), b, (7, 2, 12, true), |session| session == 11), None);
        assert_eq!(holders.stored(Instant(25), write(2), true, true), None);
        assert_eq!(holders.stored(Instant(30), write(1), false, false), None, "refused");
        assert!(holders.stored(Instant(31), write(1), true, false).is_some(), "taken behind a later one");
        holders.let_go(Instant(32), a, 7);
        let mut measures = Measures::default();
        holders.measure(Instant(50), METRICS, &mut measures);
        let values: Vec<f64> = measures.metrics.iter().map(|metric| metric.value).collect();
        assert_eq!(values, [12.0, 2.0, 2.0, 1.0]);
        let rows = &measures.tables[0].rows;
        let told = |row: usize, column: usize| text_of(&rows[row][column]);
        assert_eq!((told(0, 1), told(0, 5), told(1, 5)), ("n2".into(), "refused it".into(), "took it".into()));
    }

    fn text_of(cell: &sim_core::table::Cell) -> String {
        match cell {
            sim_core::table::Cell::Text(text) => text.clone(),
            other => format!("{other:?}"),
        }
    }
}
