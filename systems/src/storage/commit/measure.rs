//! What a report shows: how many transactions a second, why others were aborted, who was in doubt or blocked and for
//! how long, who waited for whom.

use super::checks::{CommitChecks, Seen};
use super::history::Operation;
use super::message::{CommitFact, CommitRequest, CommitResponse, What};
use super::options::Config;
use super::txn::{Reason, TxnId};
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::table::{Column, Holds, Table};
use sim_core::track::Track;
use sim_core::{Duration, Instant, NodeId, Outcome, Span};

/// Its own figures.
pub(super) const METRICS: &[MetricKind] = &[
    MetricKind::new(
        "blocked",
        "blocked transactions",
        Unit::Number,
        "transactions about which a participant was in doubt while their coordinator was down, or asked in vain",
    ),
    MetricKind::new("blocked_share", "share blocked", Unit::Fraction, "of the transactions voted on, those"),
    MetricKind::new("blocked_time", "blocked for", Unit::Time, "how long each of those participants was, on average"),
    MetricKind::new("blocked_longest", "blocked for at most", Unit::Time, "the longest of them"),
    MetricKind::new(
        "committed_per_second",
        "committed per second, probes' too",
        Unit::Number,
        "transactions that committed, a second",
    )
    .more_is_better(),
    MetricKind::new("tries_aborted", "aborted tries", Unit::Fraction, "of the tries that were decided"),
    MetricKind::new("decision_time", "time to decide", Unit::Time, "from asking for votes to a commit, on average"),
    MetricKind::new(
        "commit_messages",
        "messages per commit",
        Unit::Number,
        "messages of the commit protocol for each transaction that committed, without acknowledgements",
    ),
    MetricKind::new("voted_on", "voted on", Unit::Number, "transactions that somebody voted yes on").more_is_better(),
    MetricKind::new(
        "doubt_window",
        "window of doubt",
        Unit::Time,
        "from the first vote to the decision, on average, where nobody was blocked",
    ),
    MetricKind::new("doubt_longest", "longest doubt", Unit::Time, "the longest that a participant was in doubt"),
    MetricKind::new("lock_waits", "lock waits", Unit::Number, "times that a transaction had to wait for a lock"),
    MetricKind::new("lock_wait", "lock wait", Unit::Time, "how long each of them took, on average"),
    MetricKind::new(
        "waits_for_doubtful",
        "waits for those in doubt",
        Unit::Number,
        "lock waits for a transaction that the shard was in doubt about",
    ),
    MetricKind::new("deadlocks", "deadlocks", Unit::Number, "circles of waits that were found"),
    MetricKind::new("taken_over", "taken over", Unit::Number, "transactions that others began to end"),
    MetricKind::new("doubled", "doubled effects", Unit::Number, "operations that took effect more than once").harm(),
];

/// Spans and rows that are shown.
const SHOWN: usize = 40;

/// A participant in doubt.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    since: Instant,
    blocked: Option<Instant>,
}

/// A time of doubt that is over.
#[derive(Clone, Copy, Debug)]
struct Period {
    txn: TxnId,
    shard: u32,
    since: Instant,
    until: Instant,
    blocked: Option<Instant>,
    open: bool,
}

/// How those did who wanted the same.
#[derive(Clone, Debug, Default)]
struct Kind {
    committed: Vec<u64>,
    aborted: u64,
    unknown: u64,
    tries: u64,
}

/// What is counted.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    doubts: SortedMap<(TxnId, u32), Doubt>,
    periods: Vec<Period>,
    /// How many times somebody was in doubt, and for how long in all.
    doubted: (u64, u64),
    waiting: SortedMap<(NodeId, TxnId), (Instant, TxnId, bool)>,
    /// Lock waits: how many, how long in all, how many for those in doubt.
    waits: (u64, u64, u64),
    /// Who was waited for: by how many, for how long in all, whether it was in doubt.
    blockers: SortedMap<TxnId, (u64, u64, bool)>,
    aborts: SortedMap<Reason, u64>,
    kinds: SortedMap<What, Kind>,
    deadlocks: u64,
    taken: u64,
    pub locked: u64,
    pub transfers: u64,
    pub doubled: SortedMap<(u32, u64), CommitRequest>,
    /// Coordinators that are down.
    down: SortedSet<NodeId>,
    ask: Duration,
}

impl Figures {
    pub fn new(config: &Config) -> Self {
        Self {
            doubts: SortedMap::new(),
            periods: Vec::new(),
            doubted: (0, 0),
            waiting: SortedMap::new(),
            waits: (0, 0, 0),
            blockers: SortedMap::new(),
            aborts: SortedMap::new(),
            kinds: SortedMap::new(),
            deadlocks: 0,
            taken: 0,
            locked: 0,
            transfers: 0,
            doubled: SortedMap::new(),
            down: SortedSet::new(),
            ask: config.inquire_after,
        }
    }

    pub fn on_fact(&mut self, at: Instant, node: NodeId, fact: CommitFact, seen: &mut SortedMap<TxnId, Seen>) {
        match fact {
            CommitFact::Prepared { txn, shard } => {
                let blocked = self.down.contains(&txn.home()).then_some(at);
                self.doubts.entry((txn, shard)).or_insert(Doubt { since: at, blocked });
                if blocked.is_some() {
                    seen.entry(txn).or_default().blocked = true;
                }
            }
            CommitFact::Blocked { txn, shard } => {
                if let Some(doubt) = self.doubts.get_mut(&(txn, shard)) {
                    doubt.blocked.get_or_insert(at);
                    seen.entry(txn).or_default().blocked = true;
                }
            }
            CommitFact::Applies { txn, shard, .. } => {
                if let Some(Doubt { since, blocked }) = self.doubts.remove(&(txn, shard)) {
                    self.doubted = (self.doubted.0 + 1, self.doubted.1 + at.since(since).0);
                    if blocked.is_some() || at.since(since) > self.ask {
                        self.periods.push(Period { txn, shard, since, until: at, blocked, open: false });
                    }
                }
            }
            CommitFact::Decides { txn, commit: false, why: Some(why) }
                if seen.get(&txn).is_none_or(|seen| seen.decided.is_none()) =>
            {
                *self.aborts.entry(why).or_insert(0) += 1;
            }
            CommitFact::Waits { txn, holder, in_doubt, .. } => {
                self.waiting.insert((node, txn), (at, holder, in_doubt));
            }
            CommitFact::Waited { txn, .. } => self.end_wait(at, node, txn),
            CommitFact::Locks { .. } => self.locked += 1,
            CommitFact::Deadlock { .. } => self.deadlocks += 1,
            CommitFact::TakesOver { .. } => self.taken += 1,
            _ => {}
        }
    }

    fn end_wait(&mut self, at: Instant, node: NodeId, txn: TxnId) {
        let Some((since, holder, in_doubt)) = self.waiting.remove(&(node, txn)) else { return };
        let long = at.since(since).0;
        self.waits.0 += 1;
        self.waits.1 += long;
        self.waits.2 += u64::from(in_doubt);
        let of = self.blockers.entry(holder).or_insert((0, 0, false));
        *of = (of.0 + 1, of.1 + long, of.2 | in_doubt);
    }

    /// A machine is down. If it coordinates transactions, those who are in doubt about them are blocked.
    pub fn on_crash(&mut self, at: Instant, node: NodeId, seen: &mut SortedMap<TxnId, Seen>) {
        self.down.insert(node);
        let gone: Vec<TxnId> = self.waiting.keys().filter(|(of, _)| *of == node).map(|(_, txn)| *txn).collect();
        gone.into_iter().for_each(|txn| self.end_wait(at, node, txn));
        for ((txn, _), doubt) in &mut self.doubts {
            if txn.home() == node && seen.get(txn).is_some_and(|seen| seen.decided.is_none()) {
                doubt.blocked.get_or_insert(at);
                seen.entry(*txn).or_default().blocked = true;
            }
        }
    }

    pub fn on_boot(&mut self, node: NodeId) {
        self.down.remove(&node);
    }

    pub fn on_return(&mut self, operation: &Operation) {
        let Some((at, outcome)) = &operation.returned else { return };
        let kind = self.kinds.entry(operation.request.what).or_default();
        kind.tries += operation.tries.len() as u64;
        match outcome {
            Outcome::Ok(CommitResponse::Committed { .. }) => {
                kind.committed.push(at.since(operation.invoked).0);
                self.transfers += u64::from(operation.request.what == What::Transfer);
            }
            Outcome::Ok(CommitResponse::Aborted(_)) | Outcome::Failed => kind.aborted += 1,
            Outcome::Unknown => kind.unknown += 1,
        }
    }

    pub fn measures(&self, checks: &CommitChecks, span: Span) -> Measures {
        let mut measures = Measures::default();
        let mut set = |name, value| measures.set(METRICS, name, value);
        let mean = |sum: u64, count: u64| if count == 0 { 0.0 } else { sum as f64 / count as f64 };
        let window = span.to.since(span.from).as_secs_f64();
        // Behind the measured time only those who look for recovery go on.
        let all = || checks.seen.values().filter(|seen| seen.begun < span.to);
        let decided: Vec<(&Seen, bool, Instant)> =
            all().filter_map(|seen| seen.decided.map(|(_, commit, at)| (seen, commit, at))).collect();
        let commits = || decided.iter().filter(|(_, commit, _)| *commit);
        let measured = || commits().filter(|(.., at)| *at >= span.from && *at < span.to);
        set("committed_per_second", if window > 0.0 { measured().count() as f64 / window } else { 0.0 });
        let aborted = decided.iter().filter(|(_, commit, _)| !*commit).count() as u64;
        set("tries_aborted", mean(aborted, decided.len() as u64));
        let of_writers = || measured().filter(|(seen, ..)| !seen.participants.is_empty());
        let times = of_writers().filter_map(|(seen, _, at)| Some(at.since(seen.collects?).0));
        set("decision_time", mean(times.clone().sum(), times.count() as u64));
        let messages: u64 = of_writers().map(|(seen, ..)| u64::from(seen.messages)).sum();
        set("commit_messages", mean(messages, of_writers().count() as u64));
        let voted = all().filter(|seen| seen.voted.is_some()).count() as u64;
        set("voted_on", voted as f64);
        let windows =
            decided.iter().filter(|(seen, ..)| !seen.blocked).filter_map(|(seen, _, at)| Some(at.since(seen.voted?).0));
        set("doubt_window", mean(windows.clone().sum(), windows.count() as u64));
        let periods = self.all_periods(span.end);
        let longest = |all: &mut dyn Iterator<Item = u64>| all.max().unwrap_or(0) as f64;
        set("doubt_longest", longest(&mut periods.iter().map(|period| period.until.since(period.since).0)));
        let blocked = all().filter(|seen| seen.blocked).count() as u64;
        set("blocked", blocked as f64);
        set("blocked_share", mean(blocked, voted));
        let lasted: Vec<u64> =
            periods.iter().filter_map(|period| Some(period.until.since(period.blocked?).0)).collect();
        set("blocked_time", mean(lasted.iter().sum(), lasted.len() as u64));
        set("blocked_longest", longest(&mut lasted.iter().copied()));
        set("lock_waits", self.waits.0 as f64);
        set("lock_wait", mean(self.waits.1, self.waits.0));
        set("waits_for_doubtful", self.waits.2 as f64);
        set("deadlocks", self.deadlocks as f64);
        set("taken_over", self.taken as f64);
        set("doubled", self.doubled.len() as f64);
        measures.errors = self.aborts.iter().map(|(why, many)| (why.name().to_owned(), *many)).collect();
        measures.tables = vec![self.by_kind(), self.in_doubt(&periods), self.who_blocks(), by_size(checks)];
        measures.tables.retain(|table| !table.rows.is_empty());
        if !periods.is_empty() {
            measures.tracks = vec![track(&periods)];
        }
        measures
    }

    /// What is over, and what is not at the end.
    fn all_periods(&self, end: Instant) -> Vec<Period> {
        let is_long = |doubt: &Doubt| doubt.blocked.is_some() || end.since(doubt.since) > self.ask;
        let still = self.doubts.iter().filter(|(_, doubt)| is_long(doubt));
        let still = still.map(|((txn, shard), doubt)| Period {
            txn: *txn,
            shard: *shard,
            since: doubt.since,
            until: end,
            blocked: doubt.blocked,
            open: true,
        });
        self.periods.iter().copied().chain(still).collect()
    }

    fn by_kind(&self) -> Table {
        let columns = [
            Column::new("what", "What", Holds::Text),
            Column::new("committed", "Committed", Holds::Count),
            Column::new("aborted", "Aborted", Holds::Count),
            Column::new("unknown", "Unknown to the client", Holds::Count),
            Column::new("tries", "Tries for each", Holds::Number),
            Column::new("mean_ns", "Time, mean", Holds::Time),
            Column::new("p99_ns", "99th percentile", Holds::Time),
        ];
        let mut table = Table::new("transactions", "Transactions by what they do", &columns);
        table.about = "As clients saw them, probes included; the times are of those that committed".to_owned();
        for (what, kind) in &self.kinds {
            let mut times = kind.committed.clone();
            times.sort_unstable();
            let many = times.len() as u64;
            let of = many + kind.aborted + kind.unknown;
            let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1))).copied();
            table.rows.push(vec![
                format!("{what:?}").to_lowercase().into(),
                many.into(),
                kind.aborted.into(),
                kind.unknown.into(),
                if of == 0 { 0.0 } else { kind.tries as f64 / of as f64 }.into(),
                times.iter().sum::<u64>().checked_div(many).into(),
                at(99).into(),
            ]);
        }
        table
    }

    fn in_doubt(&self, periods: &[Period]) -> Table {
        let columns = [
            Column::new("transaction", "Transaction", Holds::Text),
            Column::new("shard", "Shard", Holds::Text),
            Column::new("since_ns", "Voted yes", Holds::Moment),
            Column::new("blocked_ns", "Blocked from", Holds::Moment),
            Column::new("until_ns", "Heard", Holds::Moment),
            Column::new("lasted_ns", "In doubt for", Holds::Time),
            Column::new("waiters", "Waited for its locks", Holds::Count),
        ];
        let mut table = Table::new("in_doubt", "In doubt", &columns);
        table.about = format!(
            "In doubt for more than {}, or while the coordinator was down: {} of {} times, longest first",
            self.ask,
            periods.len(),
            self.doubted.0 + self.doubts.len() as u64
        );
        let mut longest = periods.to_vec();
        longest.sort_by_key(|period| (core::cmp::Reverse(period.until.since(period.since)), period.txn, period.shard));
        for period in longest.iter().take(SHOWN) {
            table.rows.push(vec![
                period.txn.to_string().into(),
                format!("s{}", period.shard + 1).into(),
                period.since.0.into(),
                period.blocked.map(|at| at.0).into(),
                (!period.open).then_some(period.until.0).into(),
                period.until.since(period.since).0.into(),
                self.blockers.get(&period.txn).map_or(0, |(many, ..)| *many).into(),
            ]);
        }
        table
    }

    fn who_blocks(&self) -> Table {
        let columns = [
            Column::new("transaction", "Transaction", Holds::Text),
            Column::new("waiters", "Waited for it", Holds::Count),
            Column::new("waited_ns", "For how long in all", Holds::Time),
            Column::new("in_doubt", "While it was in doubt", Holds::Text),
        ];
        let mut table = Table::new("blockers", "Who was waited for", &columns);
        table.about = "Transactions whose locks others waited for, the longest in all first".to_owned();
        let mut all: Vec<_> = self.blockers.iter().collect();
        all.sort_by_key(|(txn, (_, long, _))| (core::cmp::Reverse(*long), **txn));
        for (txn, (many, long, in_doubt)) in all.into_iter().take(SHOWN / 2) {
            let word = if *in_doubt { "yes" } else { "no" };
            table.rows.push(vec![txn.to_string().into(), (*many).into(), (*long).into(), word.into()]);
        }
        table
    }
}

/// Messages by how many shards take part, beside what the papers count.
fn by_size(checks: &CommitChecks) -> Table {
    let columns = [
        Column::new("participants", "Participants", Holds::Count),
        Column::new("committed", "Committed", Holds::Count),
        Column::new("messages", "Messages for each", Holds::Number),
        Column::new("counted", "By the papers", Holds::Number),
    ];
    let mut table = Table::new("messages", "Messages of the commit protocol", &columns);
    table.about = "Without acknowledgements and without losses: 3N-1 (two-phase commit), NF+3N+F-1 (Paxos Commit), \
                   N(2F+3)-1 (Faster Paxos Commit), the first vote coming with the last answer. Readers that are done \
                   when they vote count with two each"
        .to_owned();
    let mut sizes: SortedMap<u32, (u64, u64)> = SortedMap::new();
    for seen in checks.seen.values().filter(|seen| seen.decided.is_some_and(|(_, commit, _)| commit)) {
        if !seen.participants.is_empty() {
            let of = sizes.entry(seen.participants.len()).or_insert((0, 0));
            *of = (of.0 + 1, of.1 + u64::from(seen.messages));
        }
    }
    for (size, (many, messages)) in sizes {
        let counted = checks.config.messages_for(size);
        table.rows.push(vec![
            size.into(),
            many.into(),
            (messages as f64 / many.max(1) as f64).into(),
            counted.map(f64::from).into(),
        ]);
    }
    table
}

fn track(periods: &[Period]) -> Track {
    let about = "Participants in doubt for long: what they have locked stays so. Blocked is who has nobody to ask";
    let mut track = Track::new("in_doubt", "In doubt", about, "in doubt").or("blocked", true);
    let mut longest = periods.to_vec();
    longest.sort_by_key(|period| (core::cmp::Reverse(period.until.since(period.since)), period.txn, period.shard));
    longest.truncate(SHOWN);
    longest.sort_by_key(|period| (period.since, period.txn, period.shard));
    for period in longest {
        let row = format!("{} at s{}", period.txn, period.shard + 1);
        track.begin(period.since, &row, "");
        if let Some(at) = period.blocked {
            track.begin_as(1, at.max(period.since), &row, "");
        }
        track.end(period.until, &row);
    }
    track
}
