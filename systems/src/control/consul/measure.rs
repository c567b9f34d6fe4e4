//! What a report shows of a run.

use super::checks::{ConsulChecks, METRICS};
use super::gossip::Outage;
use crate::shared::swim::State;
use sim_core::curve::{Curve, Line};
use sim_core::measures::Measures;
use sim_core::metric::{MetricKind, Unit};
use sim_core::sorted::SortedSet;
use sim_core::table::{Cell, Column, Holds, Table};
use sim_core::track::Track;
use sim_core::{Instant, NodeId};

const KNOWN: MetricKind =
    MetricKind::new("told_of_a_death", "Who has been told", Unit::Number, "members that have been told of a death");

/// Rows of a table, lines of a chart and rows of a track at most.
const MOST: [usize; 3] = [15, 6, 40];

fn mean(all: impl Iterator<Item = u64>) -> Option<f64> {
    let all: Vec<u64> = all.collect();
    (!all.is_empty()).then(|| all.iter().map(|time| *time as f64).sum::<f64>() / all.len() as f64)
}

impl ConsulChecks {
    /// Everything this system measures.
    pub(super) fn measures(&self, end: Instant) -> Measures {
        let mut measures = Measures::default();
        self.pool_figures(end, &mut measures);
        if self.config.servers > 0 {
            self.server_figures(end, &mut measures);
        }
        measures.tables.extend([self.deaths(), self.accusers(), self.load(end)]);
        measures.curves.extend(self.told_curve(end));
        measures.tracks.push(self.views(end));
        measures
    }

    fn pool_figures(&self, end: Instant, measures: &mut Measures) {
        let pool = &self.pool;
        let since = |outage: &Outage, at: Option<Instant>| at.map(|at| at.since(outage.at).0);
        let times = [
            ("first_told", mean(pool.outages.iter().filter_map(|outage| since(outage, outage.heard().0)))),
            ("all_told", mean(pool.outages.iter().filter_map(|outage| since(outage, outage.heard().1)))),
            ("first_probe", mean(pool.outages.iter().filter_map(|outage| since(outage, outage.probed)))),
            ("event_spread", self.event_spread()),
        ];
        for (name, time) in times {
            if let Some(time) = time {
                measures.set(METRICS, name, time);
            }
        }
        let wrongly: u64 = pool.accusations.values().map(|(_, wrongly)| wrongly).sum();
        let numbers = [
            ("deaths", pool.outages.len() as u64),
            ("wrongly_suspected", pool.wrong[0]),
            ("wrongly_dead", pool.wrong[1]),
            ("wrong_accusations", wrongly),
            ("objections", pool.objections),
        ];
        for (name, number) in numbers {
            measures.set(METRICS, name, number as f64);
        }
        if pool.probed_periods > 0 {
            measures.set(METRICS, "wrong_per_period", wrongly as f64 / pool.probed_periods as f64);
        }
        let members = f64::from(self.config.members().max(1));
        let (messages, bytes) = pool.sent.values().fold((0, 0), |sum, sent| (sum.0 + sent.0, sum.1 + sent.1));
        let secs = end.since(Instant::ZERO).as_secs_f64().max(1e-9);
        let periods = secs / self.config.probe_interval.as_secs_f64();
        measures.set(METRICS, "messages_per_period", messages as f64 / members / periods);
        measures.set(METRICS, "gossip_bytes", bytes as f64 / members / secs);
    }

    fn server_figures(&self, end: Instant, measures: &mut Measures) {
        let counted = [
            "sessions_lost",
            "sessions_expired",
            "stale_default_reads",
            "stale_reads",
            "checks_failed",
            "services_deregistered",
            "repairs",
            "servers_cleaned_up",
            "calls_served",
            "calls_failed",
        ];
        for name in counted {
            measures.set(METRICS, name, self.records.counted(name) as f64);
        }
        self.records.measure_locks(end, METRICS, measures);
        measures.tracks.extend(self.records.tracks(end));
    }

    /// Of the events that all members have heard of.
    fn event_spread(&self) -> Option<f64> {
        let all = self.config.members() - self.pool.gone.len() as u32;
        mean(self.pool.events.values().filter(|(.., heard)| *heard >= all).map(|(first, last, _)| last.since(*first).0))
    }

    fn deaths(&self) -> Table {
        let column = Column::new;
        let columns = [
            column("node", "member", Holds::Id),
            column("at_ns", "gone at", Holds::Moment),
            column("accuser", "first accused by", Holds::Text),
            column("accused_ns", "after", Holds::Time),
            column("first_ns", "first told after", Holds::Time),
            column("all_ns", "all told after", Holds::Time),
            column("told", "told", Holds::Count),
            column("of", "of", Holds::Count),
        ];
        let mut table = Table::new("deaths", "Who was gone, and when the others knew", &columns);
        let cell = |time: Option<u64>| time.map_or(Cell::Unknown, Cell::Count);
        for outage in self.pool.outages.iter().take(MOST[0]) {
            let after = |at: Option<Instant>| cell(at.map(|at| at.since(outage.at).0));
            let (first, all) = outage.heard();
            let accuser = outage.accused.map_or(Cell::Unknown, |(_, who)| Cell::Text(who.to_string()));
            table.rows.push(vec![
                Cell::Count(u64::from(outage.node.0)),
                Cell::Count(outage.at.0),
                accuser,
                after(outage.accused.map(|(at, _)| at)),
                after(first),
                after(all),
                Cell::Count(outage.told.len() as u64),
                Cell::Count((outage.told.len() + outage.untold.len()) as u64),
            ]);
        }
        table
    }

    fn accusers(&self) -> Table {
        let columns = [
            Column::new("accuser", "accuser", Holds::Id),
            Column::new("accused", "accused", Holds::Id),
            Column::new("times", "probes that failed", Holds::Count),
            Column::new("wrongly", "of one that was well", Holds::Count),
        ];
        let mut table = Table::new("accusers", "Who accused whom", &columns);
        let mut all: Vec<_> = self.pool.accusations.iter().collect();
        all.sort_by_key(|((accuser, accused), (times, wrongly))| {
            (core::cmp::Reverse(*wrongly), core::cmp::Reverse(*times), *accuser, *accused)
        });
        if all.len() > MOST[0] {
            table.about = format!("The first {} of {} pairs.", MOST[0], all.len());
        }
        for ((accuser, accused), (times, wrongly)) in all.into_iter().take(MOST[0]) {
            let id = |node: &NodeId| Cell::Count(u64::from(node.0));
            table.rows.push(vec![id(accuser), id(accused), Cell::Count(*times), Cell::Count(*wrongly)]);
        }
        table
    }

    fn load(&self, end: Instant) -> Table {
        let columns = [
            Column::new("kind", "message", Holds::Text),
            Column::new("sent", "sent", Holds::Count),
            Column::new("rate", "a member and second", Holds::Number),
        ];
        let mut table = Table::new("gossip_load", "What the pool sends", &columns);
        let member_secs = f64::from(self.config.members().max(1)) * end.since(Instant::ZERO).as_secs_f64().max(1e-9);
        for (kind, sent) in &self.pool.kinds {
            let rate = Cell::Number(*sent as f64 / member_secs);
            table.rows.push(vec![Cell::Text((*kind).to_owned()), Cell::Count(*sent), rate]);
        }
        table
    }

    /// How many have been told of each of the first deaths, over time.
    fn told_curve(&self, end: Instant) -> Option<Curve> {
        let shown: Vec<&Outage> = self.pool.outages.iter().filter(|o| !o.told.is_empty()).take(MOST[1]).collect();
        // Up to just before each step, it is as it was.
        let steps = shown.iter().flat_map(|o| o.told.values().map(|at| at.0).chain([o.at.0]));
        let times: SortedSet<u64> = steps.flat_map(|at| [at.saturating_sub(1), at]).chain([end.0]).collect();
        let lines = shown.iter().map(|outage| {
            let mut told: Vec<u64> = outage.told.values().map(|at| at.0).collect();
            told.sort_unstable();
            let values = times.iter().map(|at| told.partition_point(|when| when <= at) as f64).collect();
            Line { name: outage.node.to_string(), values }
        });
        let lines: Vec<Line> = lines.collect();
        (!lines.is_empty()).then(|| Curve { kind: KNOWN, at_ns: times.iter().copied().collect(), lines })
    }

    /// Who was suspect or gone for whom.
    fn views(&self, end: Instant) -> Track {
        let about = "Whom a member held for suspect or gone; in red, although it was there.";
        let mut track = Track::new("views", "Who thought whom gone", about, "suspect");
        for (name, harm) in [("gone", false), ("suspect, wrongly", true), ("gone, wrongly", true)] {
            track = track.or(name, harm);
        }
        let mut pool = self.pool.clone();
        pool.finish(end);
        pool.spans.sort_by_key(|span| (span.3, span.0, span.1));
        let mut rows = SortedSet::new();
        for (viewer, about, state, since, until, wrongly) in &pool.spans {
            rows.insert((*viewer, *about));
            if rows.len() > MOST[2] {
                break;
            }
            let kind = usize::from(*state != State::Suspect) + 2 * usize::from(*wrongly);
            let row = format!("{about} for {viewer}");
            track.begin_as(kind, *since, &row, format!("{state:?}"));
            track.end(*until, &row);
        }
        track
    }
}
