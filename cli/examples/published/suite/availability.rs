//! Availability: one repairable unit, majorities of several, and what elections cost a system with a leader.

use super::lab::{Lab, Run, Study};
use super::row::{Findings, Place, Row};
use super::stats;
use sim_core::Fate;
use sim_core::fault::{Injection, Target};

const SECTION: u32 = 6;
/// All but one of a thousand samples stray less than this many standard errors; more, if those are known from a few runs.
const fn sigmas(lab: &Lab) -> f64 {
    if lab.is_short() { 5.4 } else { 3.29 }
}

/// The rows of the section.
///
/// # Errors
/// What is wrong with a file, or the first run that broke a safety rule.
pub fn rows(lab: &Lab) -> Result<Findings, String> {
    let mut rows = one_unit(lab)?;
    rows.push(first_failure(lab)?);
    rows.extend(majorities(lab)?);
    rows.push(elections(lab)?);
    Ok(rows.into())
}

/// A row about a mean that must lie where samples of this size do.
fn mean_of(lab: &Lab, figure: String, exact: f64, sample: &[f64], print: fn(f64) -> String, file: String) -> Row {
    let (mean, room) = (stats::mean(sample), sigmas(lab) * stats::error_of_mean(sample));
    Row {
        section: SECTION,
        figure,
        published: print(exact),
        ours: print(mean),
        band: format!("{}..{}, the sampling error", print(exact - room), print(exact + room)),
        place: Place::inside((mean - exact).abs() <= room),
        runs: sample.len() as u64,
        file,
    }
}

/// MTTF / (MTTF + MTTR), as the node's own time and as somebody sees it who asks at random moments.
fn one_unit(lab: &Lab) -> Result<Vec<Row>, String> {
    let file = "availability/one-unit";
    let print = |value: f64| format!("{value:.6}");
    let rare = ["scenario.duration=1000s", "fault.0.mttr=10ms", "workload.0.rate=1/s"].map(str::to_owned);
    let up = |run: &Run| {
        let record = &run.record;
        let measured = (record.measure_to_ns - record.measure_from_ns) as f64;
        1.0 - record.nodes[1].down_ns as f64 / measured
    };
    let ours = lab.ask(&Study { file, set: &rare, seeds: 1000, trace: false }, up)?;
    let name = "one unit, MTTF 1000 h, repair 1 h: share of the time it is up".to_owned();
    let mut rows = vec![mean_of(lab, name, 1000.0 / 1001.0, &ours, print, format!("{file} {}", rare.join(" ")))];
    let served = |run: &Run| {
        let record = &run.record;
        let measured = |at: u64| at >= record.measure_from_ns && at < record.measure_to_ns;
        let asked = record.ops.iter().filter(|op| measured(op.invoke_ns));
        let (all, ok) = asked.fold((0_u64, 0_u64), |(all, ok), op| (all + 1, ok + u64::from(op.outcome == Fate::Ok)));
        ok as f64 / all as f64
    };
    let often = ["scenario.duration=1000s".to_owned()];
    let ours = lab.ask(&Study { file, set: &often, seeds: 200, trace: false }, served)?;
    let name = "one unit, MTTF 10 h, repair 1 h: share of operations served".to_owned();
    rows.push(mean_of(lab, name, 10.0 / 11.0, &ours, print, format!("{file} {}", often.join(" "))));
    Ok(rows)
}

/// R(t) = exp(-lambda t): not availability, but the probability that no failure has come by t.
fn first_failure(lab: &Lab) -> Result<Row, String> {
    let file = "availability/one-unit";
    let set = ["scenario.duration=10s", "scenario.warmup=0s", "workload.0.rate=1/s"].map(str::to_owned);
    let none = |run: &Run| run.record.faults.iter().all(|fault| !fault.bit);
    let all = lab.ask(&Study { file, set: &set, seeds: 20_000, trace: false }, none)?;
    let (n, without) = (all.len() as u64, all.iter().filter(|none| **none).count() as u64);
    let exact = 1.0 / std::f64::consts::E;
    let (lo, hi) = stats::binomial_band(n, exact, if lab.is_short() { 0.001 } else { 0.01 });
    let per = |count: u64| format!("{:.4}", count as f64 / n as f64);
    Ok(Row {
        section: SECTION,
        figure: "one unit, MTTF 1000 h: reliability R(1000 h), runs without a failure".into(),
        published: format!("{exact:.3}"),
        ours: per(without),
        band: format!("{}..{}", per(lo), per(hi)),
        place: Place::inside((lo..=hi).contains(&without)),
        runs: n,
        file: format!("{file} {}", set.join(" ")),
    })
}

/// The probability that a majority of `n` is not up, each being up with probability `a`.
fn majority_lost(n: u32, a: f64) -> f64 {
    let choose = |k: u32| (0..k).fold(1.0, |c, i| c * f64::from(n - i) / f64::from(i + 1));
    // Down are so many that those left are no majority.
    (n - n / 2..=n).map(|k| choose(k) * (1.0 - a).powi(k as i32) * a.powi((n - k) as i32)).sum()
}

/// Nanoseconds in which `most` or more of the crashes are in force at once.
fn together(injections: &[Injection], most: usize, end: u64) -> u64 {
    let mut steps: Vec<(u64, i32)> =
        injections.iter().flat_map(|i| [(i.at.0.min(end), 1), (i.until.0.min(end), -1)]).collect();
    steps.sort_unstable();
    let (mut down, mut since, mut sum) = (0, 0, 0);
    for (at, step) in steps {
        if down >= most as i32 {
            sum += at - since;
        }
        (down, since) = (down + step, at);
    }
    sum
}

/// How often a majority is down, from the schedules of crashes alone: bare nodes.
fn majorities(lab: &Lab) -> Result<Vec<Row>, String> {
    let file = "availability/nodes";
    let print = |value: f64| format!("{value:.3e}");
    let mut rows: Vec<Row> = Vec::new();
    let mut odd = 0.0;
    for (nodes, published, seeds) in [
        (1, Some(1e-2), 1000),
        (2, None, 1000),
        (3, Some(2.98e-4), 2000),
        (4, None, 2000),
        (5, Some(9.85e-6), 6000),
        (6, None, 6000),
        (7, Some(3.42e-7), 50_000),
    ] {
        let set = [format!("cluster.nodes={nodes}"), "scenario.duration=10000s".to_owned()];
        let scenario = lab.read(file, &set)?;
        let end = scenario.duration.0;
        let lost = (nodes - nodes / 2) as usize;
        let one = |seed: u64| {
            let schedule = scenarios::expand(&scenario, seed + 1);
            assert!(schedule.injections().iter().all(|i| matches!(i.target, Target::Node(_))), "each fails on its own");
            together(schedule.injections(), lost, end) as f64 / end as f64
        };
        let ours = lab.each(seeds, one);
        let exact = majority_lost(nodes, 0.99);
        if let Some(published) = published {
            assert!((exact / published - 1.0).abs() < 0.005, "{nodes} nodes: {exact}, published {published}");
        }
        let name = format!("majority of {nodes}, each up 99 % of the time: share of the time without one (bare nodes)");
        let file = format!("{file} {}", set.join(" "));
        let row = mean_of(lab, name, exact, &ours, print, file.clone());
        let mean = stats::mean(&ours);
        if nodes % 2 == 1 {
            odd = mean;
        } else {
            rows.push(Row {
                figure: format!("{nodes} nodes beside {}: share of the time without a majority", nodes - 1),
                published: "an even number never beats the odd one below it".into(),
                ours: format!("{} and {}", print(mean), print(odd)),
                band: "more".into(),
                place: Place::inside(mean > odd),
                ..row.clone()
            });
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Downtime of a system with a leader: failures of the leader x mean downtime of an election.
fn elections(lab: &Lab) -> Result<Row, String> {
    // Of each run, the outages' sum as a share of the time, and how many crashes hit a leader in it.
    let of = |run: &Run| {
        let record = &run.record;
        let report = reports::analyse(record);
        let measured = |at: u64| at >= record.measure_from_ns && at < record.measure_to_ns;
        let crashes = record.faults.iter().filter(|fault| fault.bit && measured(fault.start_ns)).count() as f64;
        let seconds = (record.measure_to_ns - record.measure_from_ns) as f64 / 1e9;
        (report.availability.total_outage_ns as f64 / 1e9, crashes, seconds)
    };
    let set = ["scenario.duration=300s".to_owned()];
    let ask = |file| lab.ask(&Study { file, set: &set, seeds: 200, trace: false }, of);
    let (on_time, random) = (ask("availability/leader-on-time")?, ask("availability/leader")?);
    let per_crash = |runs: &[(f64, f64, f64)]| runs.iter().map(|(down, crashes, _)| down / crashes).collect::<Vec<_>>();
    let (election, each) = (per_crash(&on_time), per_crash(&random));
    let sum = |of: fn(&(f64, f64, f64)) -> f64| random.iter().map(of).sum::<f64>();
    let (down, crashes, seconds) = (sum(|run| run.0), sum(|run| run.1), sum(|run| run.2));
    let rate = crashes / seconds;
    let (predicted, ours) = (rate * stats::mean(&election), down / seconds);
    let error = rate * stats::error_of_mean(&election).hypot(stats::error_of_mean(&each));
    let room = sigmas(lab) * error;
    Ok(Row {
        section: SECTION,
        figure: format!(
            "Raft of 5, leader fails {rate:.3} times a second at random: share of the time down, elections of {:.0} ms",
            stats::mean(&election) * 1000.0
        ),
        published: format!("{predicted:.5}: failures of the leader x downtime of an election"),
        ours: format!("{ours:.5}"),
        band: format!("{:.5}..{:.5}, the sampling error", predicted - room, predicted + room),
        place: Place::inside((ours - predicted).abs() <= room),
        runs: random.len() as u64,
        file: format!("availability/leader {}", set.join(" ")),
    })
}
