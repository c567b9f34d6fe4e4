//! Task scheduling: queues as Erlang has them, list scheduling as Graham has it, and Sparrow beside an ideal scheduler.

use super::lab::{Lab, Study};
use super::row::{Findings, Place, Row};
use super::stats;
use std::collections::BTreeSet;

const SECTION: u32 = 13;

/// The rows of the section.
///
/// # Errors
/// What is wrong with a file, or the first run that broke a safety rule.
pub fn rows(lab: &Lab) -> Result<Findings, String> {
    let mut rows = Vec::new();
    for (slots, load, published) in [(2, 0.8, 0.7111), (8, 0.8, 0.4576), (10, 0.9, 0.6687)] {
        rows.extend(erlang(lab, slots, load, published)?);
    }
    rows.push(graham(lab)?);
    for (workers, policy) in [(2, "fifo"), (4, "fifo"), (8, "fifo"), (4, "shortest")] {
        rows.push(list(lab, workers, policy)?);
    }
    rows.extend(sparrow(lab)?);
    Ok(rows.into())
}

/// M/M/c: who has to wait (Erlang's C), and how long all wait in the mean.
fn erlang(lab: &Lab, slots: u32, load: f64, waits: f64) -> Result<[Row; 2], String> {
    /// How long a task takes, in seconds.
    const TIME: f64 = 10.0;
    let file = "scheduling/queue-law";
    let rate = load * f64::from(slots) / TIME;
    let set = [
        format!("cluster.group.1.nodes={slots}"),
        format!("workload.0.rate={rate}/s"),
        "scenario.duration=20000s".to_owned(),
    ];
    let ask = Study { file, set: &set, seeds: 150, trace: false };
    let both = lab.ask(&ask, |run| {
        (run.metric("had_to_wait").unwrap_or(f64::NAN), run.metric("mean_wait").unwrap_or(f64::NAN) / 1e9)
    })?;
    let (had, mean): (Vec<f64>, Vec<f64>) = both.into_iter().unzip();
    let predicted = waits * TIME / (f64::from(slots) * (1.0 - load));
    // A run has some ten thousand tasks, whose waits hang together the more the fuller it is.
    let (narrow, wide) = (0.03 + lab.room(0.07), 0.08 + lab.room(0.22));
    let row = |what: &str, published: f64, ours: f64, band: f64, unit: &str| Row {
        section: SECTION,
        figure: format!("M/M/{slots} at load {load}: {what}"),
        published: format!("{published:.4}{unit}"),
        ours: format!("{ours:.4}{unit}"),
        band: format!("{:.0} %", band * 100.0),
        place: Place::inside((ours - published).abs() <= band * published),
        runs: had.len() as u64,
        file: format!("{file} {}", set.join(" ")),
    };
    Ok([
        row("share that has to wait (Erlang C)", waits, stats::mean(&had), narrow, ""),
        row("mean wait", predicted, stats::mean(&mean), wide, " s"),
    ])
}

/// Graham 1969: no list schedule is longer than (2 - 1/m) times the best.
fn graham(lab: &Lab) -> Result<Row, String> {
    let file = "scheduling/graphs-law";
    let over = lab.ask(&Study { file, set: &[], seeds: 1000, trace: false }, |run| {
        run.metric("over_bound").unwrap_or(f64::NAN)
    })?;
    let most = over.iter().copied().fold(0.0, f64::max);
    let least = over.iter().copied().fold(f64::INFINITY, f64::min);
    let bound = 2.0 - 1.0 / 3.0;
    Ok(Row {
        section: SECTION,
        figure: "makespan of a graph on 3 workers, over its lower bound".to_owned(),
        published: format!("at most 2 - 1/m = {bound:.3}"),
        ours: format!("{least:.3} to {most:.3}"),
        band: "every one, and none below 1".to_owned(),
        place: Place::inside(over.iter().all(|over| (1.0..=bound).contains(over))),
        runs: over.len() as u64,
        file: file.to_owned(),
    })
}

/// A task of the file: how long it takes, and for whom it waits.
type Task = (f64, Vec<usize>);

fn tasks() -> Result<Vec<Task>, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/library/published/scheduling/traces/list.csv");
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("submit"));
    let task = |line: &str| {
        let words: Vec<&str> = line.split(',').map(str::trim).collect();
        let time = words.get(1)?.parse().ok()?;
        let parents = words.get(4)?.split(';').filter(|word| !word.is_empty());
        let parents: Option<Vec<usize>> = parents.map(|word| word.parse::<usize>().ok()?.checked_sub(1)).collect();
        Some((time, parents?))
    };
    lines.map(|line| task(line).ok_or_else(|| format!("a line of the trace: {line}"))).collect()
}

/// List scheduling, worked out alone: whoever is free takes the first that is ready, or the shortest.
fn makespan(tasks: &[Task], workers: usize, shortest: bool) -> f64 {
    let mut done: BTreeSet<usize> = BTreeSet::new();
    let mut begun: BTreeSet<usize> = BTreeSet::new();
    let mut running: Vec<(f64, usize)> = Vec::new();
    // When each became ready, in the order in which that happened.
    let mut ready: Vec<usize> = Vec::new();
    let mut now = 0.0;
    loop {
        for (at, (_, parents)) in tasks.iter().enumerate() {
            if !begun.contains(&at) && !ready.contains(&at) && parents.iter().all(|parent| done.contains(parent)) {
                ready.push(at);
            }
        }
        while running.len() < workers && !ready.is_empty() {
            let first = if shortest {
                (0..ready.len()).min_by(|a, b| tasks[ready[*a]].0.total_cmp(&tasks[ready[*b]].0)).unwrap_or(0)
            } else {
                0
            };
            let at = ready.remove(first);
            begun.insert(at);
            running.push((now + tasks[at].0, at));
        }
        running.sort_by(|a, b| a.0.total_cmp(&b.0));
        if running.is_empty() {
            return now;
        }
        let (until, at) = running.remove(0);
        now = until;
        done.insert(at);
    }
}

/// The makespan of a file of tasks, beside list scheduling of the same.
fn list(lab: &Lab, workers: u32, policy: &str) -> Result<Row, String> {
    let file = "scheduling/list-law";
    let set = [format!("cluster.group.1.nodes={workers}"), format!("system.policy={policy}")];
    let times = lab.ask(&Study { file, set: &set, seeds: 50, trace: false }, |run| {
        run.metric("makespan").unwrap_or(f64::NAN) / 1e9
    })?;
    let (ours, alone) = (stats::mean(&times), makespan(&tasks()?, workers as usize, policy == "shortest"));
    Ok(Row {
        section: SECTION,
        figure: format!("makespan of 40 tasks on {workers} workers, policy {policy}"),
        published: format!("{alone:.2} s (list scheduling, worked out alone)"),
        ours: format!("{ours:.2} s"),
        band: "5 %".to_owned(),
        place: Place::inside((ours - alone).abs() <= 0.05 * alone),
        runs: times.len() as u64,
        file: format!("{file} {}", set.join(" ")),
    })
}

/// Sparrow in its setting: within 12 to 14 % of an ideal scheduler, and before sampling for each task, and chance.
fn sparrow(lab: &Lab) -> Result<[Row; 2], String> {
    let file = "scheduling/sparrow-law";
    let of = |policy: &str| {
        let set = [format!("system.policy={policy}")];
        lab.ask(&Study { file, set: &set, seeds: 50, trace: false }, |run| {
            run.metric("mean_job_time").unwrap_or(f64::NAN) / 1e9
        })
    };
    let ideal = of("fifo")?;
    let runs = ideal.len() as u64;
    let [ideal, places, two, chance] = [
        stats::mean(&ideal),
        stats::mean(&of("sparrow")?),
        stats::mean(&of("two_choices")?),
        stats::mean(&of("random")?),
    ];
    let row = |figure: &str, published: &str, ours: String, band: &str, is: bool| Row {
        section: SECTION,
        figure: figure.to_owned(),
        published: published.to_owned(),
        ours,
        band: band.to_owned(),
        place: Place::inside(is),
        runs,
        file: file.to_owned(),
    };
    let over = places / ideal;
    Ok([
        row(
            "Sparrow: mean time of a job of 100 tasks at load .8, over that of an ideal scheduler",
            "within 12 % (SOSP 2013), 14 % (EECS-2013-29)",
            format!("{:.1} %", (over - 1.0) * 100.0),
            "at most 14 %",
            over <= 1.14,
        ),
        row(
            "mean time of a job: ideal, Sparrow, two choices for each task, random",
            "in this order",
            format!("{ideal:.2}, {places:.2}, {two:.2}, {chance:.2} s"),
            "in this order",
            ideal <= places * 1.01 && places < two && two < chance,
        ),
    ])
}
