//! Beside the real thing: trials of real systems, whose process was killed again and again, and the same of ours.
//!
//! Nothing is fitted: a file says what the real one was configured with, and the protocol does what its source does.

use super::lab::{Lab, Run, Study};
use super::row::{Findings, Place, Row};
use super::stats;
use reports::{Curve, Distributions, Panel};
use serde::Deserialize;
use sim_core::{Class, Fate};
use std::path::Path;

const SECTION: u32 = 7;

/// What `fixtures/trials/` holds of one system, in milliseconds.
#[derive(Deserialize)]
struct Trials {
    trials: Vec<f64>,
}

/// Runs of ours for each trial of theirs, at least. Trials are dear and runs cheap: with fifty for one, what is left of the sampling error is the
/// trials' own, and no second look at our side can change the answer.
pub(super) const RUNS_A_TRIAL: u64 = 50;

/// One real system and its file.
pub(super) struct Real {
    pub name: &'static str,
    /// The trials, in `fixtures/trials/`.
    pub trials: &'static str,
    pub file: &'static str,
    /// How many times as many runs: where they are cheap, and the figure is spread wide.
    pub times: u64,
    /// How long one run is without service, in milliseconds.
    pub of: fn(&Run) -> f64,
    /// Why it is outside, where that is known.
    pub why: Option<&'static str>,
}

const REAL: [Real; 7] = [
    Real {
        name: "Redis Cluster 7.0.15, a primary of three killed",
        trials: "redis-cluster-primary-killed",
        file: "failover-cluster/primary-killed",
        times: 1,
        of: until_the_replica_writes,
        why: None,
    },
    Real {
        name: "Redis 7.0.15 with Sentinel, the primary killed",
        trials: "redis-sentinel-primary-killed",
        file: "failover/sentinel-primary-killed",
        times: 8,
        of: until_a_write,
        // The fail-over itself is at a distance of 0.147 over 1,500 runs; how often the trials asked is not recorded.
        why: Some("not reached: some 20 ms, about what lies between two tries of who asked"),
    },
    Real {
        name: "etcd 3.4.23, the leader of three killed",
        trials: "etcd-leader-killed",
        file: "raft/leader-killed",
        times: 1,
        of: until_a_write,
        why: None,
    },
    Real {
        name: "ZooKeeper 3.8.0, the leader of three killed",
        trials: "zookeeper-leader-killed",
        file: "zookeeper/leader-killed",
        times: 1,
        of: until_a_write,
        // The parts were measured on fifty other trials, and come to some 25 ms less.
        why: Some("not reached"),
    },
    Real {
        name: "ZooKeeper 3.8.0, the client of a session of 10 s killed",
        trials: "zookeeper-session-killed",
        file: "zookeeper/session-killed",
        times: 8,
        of: until_the_session_ends,
        why: None,
    },
    Real {
        name: "Serf 0.9.4, one of ten agents killed, until the first says so",
        trials: "serf-agent-killed-first",
        file: "consul/agent-killed",
        times: 4,
        of: until_the_first_is_told,
        why: None,
    },
    Real {
        name: "Serf 0.9.4, one of ten agents killed, until the last does",
        trials: "serf-agent-killed-last",
        file: "consul/agent-killed",
        times: 4,
        of: until_the_last_is_told,
        why: None,
    },
];

/// All of them.
pub(super) const fn all() -> &'static [Real] {
    &REAL
}

/// When the run's process was killed.
fn killed(run: &Run) -> u64 {
    run.record.faults.iter().find(|fault| fault.kind == "crash").expect("one is killed").start_ns
}

/// Milliseconds from the kill to the first write, begun after it, that ended well, if `at` answered it.
fn first_write(run: &Run, at: impl Fn(u32) -> bool) -> f64 {
    let killed = killed(run);
    let good = run.record.ops.iter().filter(|op| op.class == Class::Write && op.outcome == Fate::Ok);
    let by = good.filter(|op| op.invoke_ns > killed && op.node.is_some_and(&at));
    by.map(|op| (op.return_ns - killed) as f64 / 1e6).fold(f64::INFINITY, f64::min)
}

/// As the trials of etcd: any write. As those of ZooKeeper: all others are new there.
fn until_a_write(run: &Run) -> f64 {
    first_write(run, |_| true)
}

/// As the trials of Redis Cluster: a write at the replica that takes over. The other primaries serve their own slots all the while.
fn until_the_replica_writes(run: &Run) -> f64 {
    let promoted = |mark: &&sim_core::record::Mark| mark.kind == "promoted" && mark.at_ns > killed(run);
    let new = run.record.marks.iter().find(promoted).map(|mark| mark.node);
    first_write(run, |node| Some(node) == new)
}

/// As the trials of ZooKeeper: until the leader ends the session.
fn until_the_session_ends(run: &Run) -> f64 {
    let ends = |mark: &&sim_core::record::Mark| mark.kind == "session_expires" && mark.at_ns > killed(run);
    let ended = run.record.marks.iter().find(ends);
    ended.map_or(f64::INFINITY, |mark| (mark.at_ns - killed(run)) as f64 / 1e6)
}

/// Milliseconds from the kill to when each of the others said that the agent had failed.
fn told(run: &Run) -> impl Iterator<Item = f64> + '_ {
    let killed = killed(run);
    let told = run.record.marks.iter().filter(move |mark| mark.kind == "told_failed" && mark.at_ns > killed);
    told.map(move |mark| (mark.at_ns - killed) as f64 / 1e6)
}

/// As the trials of Serf: until the first of the others says so.
fn until_the_first_is_told(run: &Run) -> f64 {
    told(run).fold(f64::INFINITY, f64::min)
}

/// As the trials of Serf: until the last does.
fn until_the_last_is_told(run: &Run) -> f64 {
    told(run).fold(0.0, f64::max)
}

pub(super) fn trials(name: &str) -> Result<Vec<f64>, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fixtures/trials/{name}.json"));
    let read = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(&path).map_err(|error| read(&error))?;
    let mut trials = serde_json::from_str::<Trials>(&text).map_err(|error| read(&error))?.trials;
    trials.sort_by(f64::total_cmp);
    Ok(trials)
}

/// The rows of the section.
///
/// # Errors
/// What is wrong with a file, or the first run that broke a safety rule.
pub fn rows(lab: &Lab) -> Result<Findings, String> {
    let (mut rows, mut panels) = (Vec::new(), Vec::new());
    for real in &REAL {
        let trials = trials(real.trials)?;
        let seeds = RUNS_A_TRIAL * real.times * trials.len() as u64;
        let mut ours = lab.ask(&Study { file: real.file, set: &[], seeds, trace: false }, real.of)?;
        ours.sort_by(f64::total_cmp);
        // What is explained is a little; twice as much would be something else. One trial in forty that is ten times as long
        // as the others makes no mean to go by.
        let near = (0.8..=1.25).contains(&(stats::quantile(&ours, 0.5) / stats::quantile(&trials, 0.5)));
        let explained = |row: Row| match (real.why, row.place) {
            (Some(why), Place::Outside) if near => {
                Row { place: Place::Explained, band: format!("{}; {why}", row.band), ..row }
            }
            _ => row,
        };
        rows.extend(of_one(real, &ours, &trials).into_iter().map(explained));
        // The picture is of fail-over.
        if ["zookeeper", "consul", "failover/"].iter().any(|system| real.file.starts_with(system)) {
            continue;
        }
        let nanos = |ms: &[f64]| ms.iter().map(|ms| ms * 1e6).collect();
        let curve = Curve { name: "killed".to_owned(), ours: nanos(&ours), theirs: nanos(&trials) };
        panels.push(Panel { name: real.name.to_owned(), curves: vec![curve] });
    }
    let picture = Distributions {
        finding: "Fail-over takes as long here as with the real thing".to_owned(),
        about: "simulated kills over trials with real processes on one machine; nothing is fitted".to_owned(),
        axis: "time without service".to_owned(),
        panels: panels.try_into().map_err(|_: Vec<Panel>| "two panels".to_owned())?,
    };
    Ok(Findings { rows, charts: vec![reports::draw_distributions("beside-the-real-thing", &picture)] })
}

fn of_one(real: &Real, ours: &[f64], trials: &[f64]) -> Vec<Row> {
    let (n, m) = (ours.len() as f64, trials.len() as f64);
    let new = |what: &str| Row {
        section: SECTION,
        figure: format!("{}: {what}", real.name),
        published: String::new(),
        ours: String::new(),
        band: String::new(),
        place: Place::Skipped,
        runs: ours.len() as u64,
        file: real.file.to_owned(),
    };
    let (apart, may) = (stats::distance(ours, trials), stats::apart(ours.len(), trials.len()));
    let (mean, theirs) = (stats::mean(ours), stats::mean(trials));
    let error = |sample: &[f64]| stats::error_of_mean(sample);
    let of_mean = 1.96 * error(ours).hypot(error(trials));
    let mut rows = vec![
        Row {
            published: "0".to_owned(),
            ours: format!("{apart:.3}"),
            band: format!("<= {may:.3}, Kolmogorov-Smirnov at 5 %"),
            place: Place::inside(apart <= may),
            ..new(&format!("distance to {m} trials"))
        },
        Row {
            published: format!("{theirs:.0} ms"),
            ours: format!("{mean:.0} ms"),
            band: format!("within {of_mean:.0} ms, the sampling error"),
            place: Place::inside((mean - theirs).abs() <= of_mean),
            ..new("mean")
        },
    ];
    for share in [0.5, 0.9] {
        // How many of the trials are as short as ours mostly are.
        let at = stats::quantile(ours, share);
        let below = stats::share_up_to(trials, at);
        let room = 1.96 * (share * (1.0 - share) * (1.0 / n + 1.0 / m)).sqrt();
        rows.push(Row {
            published: format!("{:.0} ms", stats::quantile(trials, share)),
            ours: format!("{at:.0} ms, as long as {:.0} % of the trials", 100.0 * below),
            band: format!("{:.0} % \u{b1} {:.0}, the sampling error", 100.0 * share, 100.0 * room),
            place: Place::inside((below - share).abs() <= room),
            ..new(if share < 0.6 { "median" } else { "90th percentile" })
        });
    }
    rows
}
