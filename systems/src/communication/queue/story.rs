//! What a report tells of a run: who led and was in sync when, who had which partition, how groups were dealt anew, how
//! far consumers lagged, and what became of messages.

use super::checks::QueueChecks;
use super::ledger::Ledger;
use super::log::Offset;
use super::message::{QueueFact, Why};
use super::metadata::Partition;
use super::node::Machine;
use super::options::{Acks, Commit, Config};
use sim_core::curve::{Curve, Line};
use sim_core::measures::{Losses, LostWrite, Measures};
use sim_core::metric::{MetricKind, Unit};
use sim_core::sorted::{SortedMap, SortedSet};
use sim_core::table::{Cell, Column, Holds, Table};
use sim_core::track::Track;
use sim_core::{Duration, Instant, NodeId, NodeSet, Observed};
use std::rc::Rc;

/// Its own figures.
pub(super) const METRICS: &[MetricKind] = &[
    MetricKind::new(
        "delivered",
        "delivered",
        Unit::Number,
        "messages of which programs were told that they are delivered",
    )
    .more_is_better(),
    // What clients lost of it is `lost_writes`, and harm.
    MetricKind::new("lost", "lost", Unit::Number, "messages that count as delivered and are in no log, probes' too"),
    MetricKind::new("given_up", "given up", Unit::Number, "messages that producers have given up"),
    MetricKind::new("duplicated", "duplicated", Unit::Number, "messages that are in the log once more"),
    MetricKind::new("out_of_order", "out of order", Unit::Number, "messages behind one that was sent later"),
    MetricKind::new("passed_over", "passed over", Unit::Number, "messages that a group has passed over without work")
        .harm(),
    MetricKind::new("worked_twice", "worked on again", Unit::Number, "messages that a group has worked on once more"),
    MetricKind::new("taken_back", "taken back", Unit::Number, "messages that were worked on and are not in the log")
        .harm(),
    MetricKind::new("lossy_elections", "lossy elections", Unit::Number, "leaders that may lack what was committed")
        .harm(),
    MetricKind::new(
        "too_few",
        "too few in sync",
        Unit::Number,
        "batches refused because too few replicas were in sync",
    ),
    MetricKind::new("isr_shrinks", "replicas out of sync", Unit::Number, "how often a replica fell out of sync"),
    MetricKind::new(
        "shrink_time",
        "until out of sync",
        Unit::Time,
        "from when a broker stopped until its replicas were out of sync, the longest",
    ),
    MetricKind::new(
        "fence_time",
        "until fenced",
        Unit::Time,
        "from when a broker stopped until it was fenced, the longest",
    ),
    MetricKind::new(
        "takeover_time",
        "until another leads",
        Unit::Time,
        "from when a leader stopped until another led its partition, the longest",
    ),
    MetricKind::new(
        "member_out_time",
        "until a member is out",
        Unit::Time,
        "from when a consumer stopped until it was out of its group, the longest",
    ),
    MetricKind::new("rebalances", "rebalances", Unit::Number, "how often groups were dealt anew"),
    MetricKind::new("rebalance_time", "longest rebalance", Unit::Time, "how long dealing anew took at most"),
    MetricKind::new("unowned", "without a consumer", Unit::Time, "time that partitions were nobody's, mean over them"),
    MetricKind::new(
        "zombie_work",
        "work of former owners",
        Unit::Number,
        "messages worked on by who had been replaced",
    ),
    MetricKind::new(
        "max_lag",
        "greatest lag",
        Unit::Number,
        "committed messages that a group has not worked on, at most",
    ),
    MetricKind::new("lag_in_the_end", "lag in the end", Unit::Number, "the same when the run ended"),
    MetricKind::new("drain_time", "time to drain", Unit::Time, "from the greatest lag until there was a tenth of it"),
];

/// A rebalance of a group.
#[derive(Clone, Copy, Debug)]
struct Dealing {
    group: u32,
    from: Instant,
    to: Option<Instant>,
    generation: u32,
    members: u32,
    why: Why,
}

/// The memory of one run.
#[derive(Clone, Debug)]
pub(super) struct Story {
    config: Rc<Config>,
    leaders: Track,
    in_sync: Track,
    owners: Track,
    /// Who is in sync, as was last told.
    isr: SortedMap<Partition, NodeSet>,
    led_by: SortedMap<Partition, NodeId>,
    /// Since when a broker does nothing.
    stopped: SortedMap<NodeId, Instant>,
    /// Since when a partition's leader does nothing.
    headless: SortedMap<Partition, Instant>,
    own: SortedMap<(u32, Partition), (SortedSet<NodeId>, Instant)>,
    unowned: Duration,
    rebalances: Vec<Dealing>,
    ends: SortedMap<Partition, Offset>,
    lag: Vec<(Instant, Vec<u64>)>,
    sampled: Instant,
    shrinks: u64,
    shrink_time: Duration,
    fence_time: Duration,
    takeover_time: Duration,
    out_time: Duration,
    lossy: Vec<(Instant, Partition, u64)>,
    too_few: u64,
    zombie_work: u64,
}

/// How often the lag is looked at.
const SAMPLE: Duration = Duration::millis(100);

impl Story {
    pub fn new(config: &Rc<Config>) -> Self {
        let led = "Who leads each partition; a leader that may lack what was committed is marked";
        let synced = "Who is in sync in each partition, as the controllers have it";
        let owned = "Which consumer has each partition, as it was dealt";
        Self {
            config: Rc::clone(config),
            leaders: Track::new("leaders", "Leaders", led, "leads").or("leads, and may lack something", true),
            in_sync: Track::new("in_sync", "Replicas in sync", synced, "in sync"),
            owners: Track::new("owners", "Partitions of consumers", owned, "has it"),
            isr: SortedMap::new(),
            led_by: SortedMap::new(),
            stopped: SortedMap::new(),
            headless: SortedMap::new(),
            own: SortedMap::new(),
            unowned: Duration::ZERO,
            rebalances: Vec::new(),
            ends: SortedMap::new(),
            lag: Vec::new(),
            sampled: Instant::ZERO,
            shrinks: 0,
            shrink_time: Duration::ZERO,
            fence_time: Duration::ZERO,
            takeover_time: Duration::ZERO,
            out_time: Duration::ZERO,
            lossy: Vec::new(),
            too_few: 0,
            zombie_work: 0,
        }
    }

    pub fn on_processed(&mut self, by_former: bool) {
        self.zombie_work += u64::from(by_former);
    }

    pub fn on_committed(&mut self, partition: Partition, offset: Offset) {
        let end = self.ends.entry(partition).or_default();
        *end = (offset + 1).max(*end);
    }

    pub fn on_lossy(&mut self, at: Instant, partition: Partition, gone: u64) {
        let end = self.ends.entry(partition).or_default();
        *end = end.saturating_sub(gone);
        self.lossy.push((at, partition, gone));
    }

    pub fn observe(&mut self, at: Instant, what: &Observed<'_, Machine>, ledger: &Ledger) {
        match what {
            Observed::Noted { node, fact } => self.on_fact(at, *node, *fact),
            Observed::Crashed { node, .. } => {
                self.stop(at, *node);
                let own: Vec<(u32, Partition)> = self.own.keys().copied().collect();
                own.into_iter().for_each(|of| self.let_go(at, of, *node));
            }
            Observed::Paused { node, paused: true } => self.stop(at, *node),
            Observed::Paused { node, paused: false } | Observed::Booted { node, .. } => {
                self.stopped.remove(node);
                let mine = self.led_by.iter().filter(|(_, leader)| *leader == node).map(|(at, _)| *at);
                for partition in mine.collect::<Vec<_>>() {
                    self.headless.remove(&partition);
                }
            }
            _ => {}
        }
        while self.sampled + SAMPLE <= at {
            self.sampled += SAMPLE;
            let lag = self.lags(ledger).into_iter().map(|(_, lag)| lag).collect();
            self.lag.push((self.sampled, lag));
        }
    }

    fn stop(&mut self, at: Instant, node: NodeId) {
        self.stopped.entry(node).or_insert(at);
        for (partition, leader) in &self.led_by {
            if *leader == node {
                self.headless.entry(*partition).or_insert(at);
            }
        }
    }

    /// How far each group lags in each partition.
    fn lags(&self, ledger: &Ledger) -> Vec<((u32, Partition), u64)> {
        let groups = if self.config.consumers == 0 { 0 } else { self.config.groups };
        let all =
            (0..groups).flat_map(|group| (0..self.config.data_partitions()).map(move |at| (group, Partition(at))));
        let lag = |of: (u32, Partition)| {
            let position = ledger.worked.get(&of).map_or(0, |worked| worked.position);
            (of, self.ends.get(&of.1).copied().unwrap_or(0).saturating_sub(position))
        };
        all.map(lag).collect()
    }

    fn row(&self, (group, partition): (u32, Partition)) -> String {
        let name = self.config.name(partition);
        if self.config.groups > 1 { format!("group {group} {name}") } else { name }
    }

    fn on_fact(&mut self, at: Instant, node: NodeId, fact: QueueFact) {
        match fact {
            QueueFact::Leads { partition, epoch, how, .. } => {
                let label = format!("{node} epoch {epoch}");
                self.leaders.begin_as(usize::from(how.may_lose()), at, self.config.name(partition), label);
                if let Some(since) = self.headless.remove(&partition) {
                    self.takeover_time = self.takeover_time.max(at.since(since));
                }
                self.led_by.insert(partition, node);
            }
            QueueFact::State { partition, leader, isr, .. } => self.on_state(at, partition, leader, isr),
            QueueFact::Fenced { broker, fenced: true } => {
                if let Some(since) = self.stopped.get(&broker) {
                    self.fence_time = self.fence_time.max(at.since(*since));
                }
            }
            QueueFact::Out { node, .. } => {
                if let Some(since) = self.stopped.get(&node) {
                    self.out_time = self.out_time.max(at.since(*since));
                }
            }
            QueueFact::TooFew { .. } => self.too_few += 1,
            QueueFact::Rebalances { group, generation, members, why } => {
                let open = self.rebalances.iter().any(|it| it.group == group && it.to.is_none());
                if !open {
                    self.rebalances.push(Dealing { group, from: at, to: None, generation, members, why });
                }
            }
            QueueFact::Settles { group, generation, members } => {
                if let Some(open) = self.rebalances.iter_mut().rev().find(|it| it.group == group && it.to.is_none()) {
                    (open.to, open.generation, open.members) = (Some(at), generation, members);
                }
            }
            QueueFact::Dealt { group, partition, .. } => self.deal(at, (group, partition), node),
            QueueFact::LetsGo { partition } => self.let_go(at, (self.config.group_of(node), partition), node),
            _ => {}
        }
    }

    fn on_state(&mut self, at: Instant, partition: Partition, leader: Option<NodeId>, isr: NodeSet) {
        let name = self.config.name(partition);
        if leader.is_none() {
            self.leaders.end(at, &name);
        }
        let before = self.isr.insert(partition, isr).unwrap_or(NodeSet::EMPTY);
        for node in before.minus(isr).iter() {
            self.in_sync.end(at, format!("{name} {node}"));
            self.shrinks += 1;
            if let Some(since) = self.stopped.get(&node) {
                self.shrink_time = self.shrink_time.max(at.since(*since));
            }
        }
        for node in isr.minus(before).iter() {
            self.in_sync.begin(at, format!("{name} {node}"), "");
        }
    }

    fn deal(&mut self, at: Instant, of: (u32, Partition), node: NodeId) {
        let row = self.row(of);
        let (owners, since) = self.own.entry(of).or_insert_with(|| (SortedSet::new(), at));
        if owners.is_empty() {
            self.unowned = self.unowned + at.since(*since);
        }
        if owners.insert(node) {
            self.owners.begin(at, row, node.to_string());
        }
    }

    fn let_go(&mut self, at: Instant, of: (u32, Partition), node: NodeId) {
        let row = self.row(of);
        let Some((owners, since)) = self.own.get_mut(&of) else { return };
        if owners.remove(&node) && owners.is_empty() {
            *since = at;
            self.owners.end(at, row);
        }
    }

    /// What there is to show.
    pub fn measures(&self, checks: &QueueChecks, end: Instant) -> Measures {
        let (config, ledger) = (&self.config, &checks.ledger);
        let mut measures = Measures::default();
        let groups = if config.consumers == 0 { 0 } else { config.groups };
        let data = || (0..config.data_partitions()).map(Partition);
        let each = || (0..groups).flat_map(|group| data().map(move |partition| (group, partition)));
        let lost: Vec<_> = ledger.lost().collect();
        let (passed, again) = each()
            .map(|(group, partition)| ledger.worked(group, partition))
            .fold((0, 0), |(passed, again), (more_passed, more_again)| (passed + more_passed, again + more_again));
        // Compaction takes out what nobody needs to have worked on.
        let passed = if config.cleanup == super::options::Cleanup::Compact { 0 } else { passed };
        let delivered = ledger.sent.values().filter(|sent| sent.delivered.is_some()).count();
        let given_up = ledger.sent.values().filter(|sent| sent.given_up).count();
        let mut set = |name, value: f64| measures.set(METRICS, name, value);
        set("delivered", delivered as f64);
        set("lost", lost.len() as f64);
        set("given_up", given_up as f64);
        set("duplicated", ledger.duplicated as f64);
        set("out_of_order", ledger.out_of_order as f64);
        set("lossy_elections", self.lossy.len() as f64);
        set("too_few", self.too_few as f64);
        set("isr_shrinks", self.shrinks as f64);
        let mut time = |name, value: Duration| {
            if value > Duration::ZERO {
                measures.set(METRICS, name, value.0 as f64);
            }
        };
        time("shrink_time", self.shrink_time);
        time("fence_time", self.fence_time);
        time("takeover_time", self.takeover_time);
        time("member_out_time", self.out_time);
        if groups > 0 {
            let still: u64 = self.own.values().filter(|(own, _)| own.is_empty()).map(|(_, at)| end.since(*at).0).sum();
            let longest = self.rebalances.iter().map(|it| it.to.unwrap_or(end).since(it.from)).max();
            let total = |lag: &[u64]| lag.iter().sum::<u64>();
            let peak = self.lag.iter().max_by_key(|(at, lag)| (total(lag), core::cmp::Reverse(*at)));
            let now: u64 = self.lags(ledger).iter().map(|(_, lag)| lag).sum();
            let mut set = |name, value: f64| measures.set(METRICS, name, value);
            set("passed_over", passed as f64);
            set("worked_twice", again as f64);
            set("taken_back", ledger.taken_back as f64);
            set("rebalances", self.rebalances.len() as f64);
            set("rebalance_time", longest.unwrap_or(Duration::ZERO).0 as f64);
            set("unowned", (self.unowned.0 + still) as f64 / self.own.len().max(1) as f64);
            set("zombie_work", self.zombie_work as f64);
            set("max_lag", peak.map_or(0, |(_, lag)| total(lag)) as f64);
            set("lag_in_the_end", now as f64);
            let drained = peak.and_then(|(at, lag)| {
                let empty = self.lag.iter().find(|(later, of)| later > at && total(of) <= total(lag) / 10)?;
                Some(empty.0.since(*at))
            });
            if let Some(drained) = drained {
                set("drain_time", drained.0 as f64);
            }
            measures.tracks.push(self.owners.finish(end));
            measures.curves.push(self.lag_curve());
            measures.tables.push(self.rebalance_table(end));
        }
        measures.tracks.insert(0, self.in_sync.finish(end));
        measures.tracks.insert(0, self.leaders.finish(end));
        measures.tables.insert(0, self.promises(ledger, (delivered, given_up, lost.len()), (passed, again)));
        let told = |(value, sent): &(u64, &super::ledger::Sent)| {
            let (client, op) = sent.of?;
            let at = sent.at.map_or_else(|| "it was in no log".to_owned(), |at| format!("it was message {at}"));
            Some(LostWrite {
                client: client.0 + 1,
                op,
                key: u64::from(sent.partition.0),
                what: format!("message {value:x} for {}", config.name(sent.partition)),
                why: format!("{at} that was ever committed on a leader that is left"),
                ..LostWrite::default()
            })
        };
        measures.losses = Some(Losses { lost_writes: lost.iter().filter_map(told).collect(), ..Losses::default() });
        measures
    }

    fn lag_curve(&self) -> Curve {
        let of: Vec<_> = self.lags(&Ledger::default()).into_iter().map(|(of, _)| of).collect();
        let kind = MetricKind::new("lag", "consumer lag", Unit::Number, "committed messages not worked on yet");
        let lines = of.iter().enumerate().map(|(at, of)| Line {
            name: self.row(*of),
            values: self.lag.iter().map(|(_, lag)| lag[at] as f64).collect(),
        });
        Curve { kind, at_ns: self.lag.iter().map(|(at, _)| at.0).collect(), lines: lines.collect() }
    }

    /// What the acknowledgement that producers waited for has promised, and what became of it.
    fn promises(
        &self,
        ledger: &Ledger,
        (delivered, given_up, lost): (usize, usize, usize),
        (passed, again): (u64, u64),
    ) -> Table {
        let columns = [
            Column::new("acks", "acks", Holds::Text),
            Column::new("sent", "Sent", Holds::Count),
            Column::new("delivered", "Delivered", Holds::Count),
            Column::new("given_up", "Given up", Holds::Count),
            Column::new("lost", "Delivered, and lost", Holds::Count),
            Column::new("duplicated", "In the log again", Holds::Count),
            Column::new("out_of_order", "Out of order", Holds::Count),
            Column::new("passed_over", "Passed over", Holds::Count),
            Column::new("again", "Worked on again", Holds::Count),
        ];
        let mut table = Table::new("promises", "What was promised, and kept", &columns);
        let (acks, promise) = match self.config.acks {
            Acks::None => ("0", "Nobody has said that a message is in a log: any may be lost"),
            Acks::Leader => ("1", "The leader had each message: what no follower had when it died is lost"),
            Acks::All => ("all", "All replicas in sync had each message: lost only by a lossy election"),
        };
        let work = match (self.config.consumers, self.config.commit) {
            (0, _) => "",
            (_, Commit::Before) => ". Consumers commit before their work: at most once",
            (_, Commit::After | Commit::Auto) => ". Consumers commit behind their work: at least once",
        };
        table.about = format!("{promise}{work}");
        table.rows.push(vec![
            Cell::Text(acks.to_owned()),
            Cell::Count(ledger.sent.len() as u64),
            Cell::Count(delivered as u64),
            Cell::Count(given_up as u64),
            Cell::Count(lost as u64),
            Cell::Count(ledger.duplicated),
            Cell::Count(ledger.out_of_order),
            Cell::Count(passed),
            Cell::Count(again),
        ]);
        table
    }

    fn rebalance_table(&self, end: Instant) -> Table {
        let columns = [
            Column::new("at", "At", Holds::Moment),
            Column::new("group", "Group", Holds::Id),
            Column::new("generation", "Generation", Holds::Count),
            Column::new("members", "Members", Holds::Count),
            Column::new("took", "Took", Holds::Time),
            Column::new("why", "Because", Holds::Text),
        ];
        let mut table = Table::new("rebalances", "Rebalances", &columns);
        table.about = "From the first who joins anew until all may know what they were dealt".to_owned();
        for it in &self.rebalances {
            table.rows.push(vec![
                Cell::Count(it.from.0),
                Cell::Count(u64::from(it.group)),
                Cell::Count(u64::from(it.generation)),
                Cell::Count(u64::from(it.members)),
                Cell::Count(it.to.unwrap_or(end).since(it.from).0),
                Cell::Text(it.why.name().to_owned()),
            ]);
        }
        table
    }
}
