//! Raft paper, figure 16 (dissertation, figure 9.15): how long a cluster is without a leader after a crash, for ten ranges
//! of the election timeout.

use super::lab::{Lab, Run, Study};
use super::row::{Findings, Place, Row};
use super::stats;
use reports::{Curve, Distributions, Panel};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Trials of each line; the authors made 1000.
const TRIALS: u64 = 5_000;
/// The file.
const FILE: &str = "raft/downtime";

/// What a line of the figure is held to.
#[derive(Clone, Copy, Debug)]
enum Band {
    /// Every trial takes longer than this, milliseconds.
    AllOver(f64),
    /// The median lies between these, milliseconds.
    Median(f64, f64),
    /// The distance between the distributions, and how far the means differ at most, as a fraction.
    Trials { distance: f64, mean: f64 },
}

/// One line of the figure; times in milliseconds.
struct Line {
    panel: char,
    name: &'static str,
    /// The shortest election timeout, which is twice the heartbeat interval.
    least: f64,
    most: f64,
    median: f64,
    mean: f64,
    /// How long is waited for a leader.
    patience: f64,
    band: Band,
}

const CLOSE: Band = Band::Trials { distance: 0.06, mean: 0.04 };
const CLOSE_ENOUGH: Band = Band::Trials { distance: 0.09, mean: 0.08 };

const fn line(
    panel: char,
    name: &'static str,
    range: (f64, f64),
    figures: (f64, f64),
    patience: f64,
    band: Band,
) -> Line {
    Line { panel, name, least: range.0, most: range.1, median: figures.0, mean: figures.1, patience, band }
}

/// The lines, with the median and the mean of the authors' trials.
const LINES: [Line; 10] = [
    line('a', "150-150", (150.0, 150.0), (40_660.0, 54_340.0), 10_000.0, Band::AllOver(5_000.0)),
    line('a', "150-151", (150.0, 151.0), (1198.0, 1536.0), 15_000.0, Band::Median(800.0, 3_000.0)),
    line('a', "150-155", (150.0, 155.0), (287.3, 345.0), 10_000.0, Band::Median(200.0, 450.0)),
    line('a', "150-175", (150.0, 175.0), (140.9, 163.7), 3_000.0, CLOSE),
    line('a', "150-200", (150.0, 200.0), (146.4, 156.0), 3_000.0, CLOSE),
    line('a', "150-300", (150.0, 300.0), (171.2, 180.7), 3_000.0, CLOSE),
    line('b', "12-24", (12.0, 24.0), (30.0, 34.7), 1_000.0, CLOSE_ENOUGH),
    line('b', "25-50", (25.0, 50.0), (43.0, 47.9), 1_500.0, CLOSE_ENOUGH),
    line('b', "50-100", (50.0, 100.0), (66.7, 71.3), 2_000.0, CLOSE),
    line('b', "100-200", (100.0, 200.0), (120.0, 125.4), 2_500.0, CLOSE),
];

/// The lines of which the one before has the longer tail: that of the highest percentile.
const BY_TAIL: [&str; 5] = ["150-151", "150-155", "150-175", "150-300", "150-200"];

/// What was measured of one line.
pub struct Measured {
    /// `a`, randomness, or `b`, scale.
    pub panel: char,
    /// Its range of election timeouts, milliseconds.
    pub name: &'static str,
    /// Our downtimes in milliseconds, sorted; infinite where no leader was found in time.
    pub ours: Vec<f64>,
    /// The authors' trials, sorted, if they are on this machine.
    pub trials: Option<Vec<f64>>,
}

/// How long the others were without a leader, in milliseconds: from the crash of the first one until each of them has heard
/// of a new one.
fn downtime(run: &Run) -> f64 {
    let crash = run.record.faults.iter().rfind(|fault| fault.kind == "crash").expect("the leader crashes");
    let [dead] = crash.resolved.as_slice() else { panic!("seed {}: no leader to crash", run.record.seed) };
    let mut heard = BTreeSet::new();
    for line in run.lines(crash.start_ns, "\"event\":\"delivered\"") {
        let from = line.from.unwrap_or_default();
        if matches!(line.kind.as_deref(), Some("AppendEntries" | "Heartbeat")) && from != *dead {
            heard.insert(line.to);
            // All but the dead leader and the new one.
            if heard.len() == run.record.nodes.len() - 2 {
                return (line.at_ns - crash.start_ns) as f64 / 1e6;
            }
        }
    }
    f64::INFINITY
}

fn set(line: &Line) -> Vec<String> {
    let Line { least, most, patience, .. } = line;
    vec![
        format!("system.election_timeout={least}ms..{most}ms"),
        format!("system.heartbeat_interval={}ms", least / 2.0),
        // The crash comes within the first six seconds.
        format!("scenario.duration={}ms", patience + 6_000.0),
        format!("workload.2.start={}ms", patience + 5_500.0),
    ]
}

/// Measures every line.
///
/// # Errors
/// What is wrong with the file, or the first run that broke a safety rule.
pub fn measure(lab: &Lab) -> Result<Vec<Measured>, String> {
    let folder = folder();
    let one = |line: &Line| {
        let study = Study { file: FILE, set: &set(line), seeds: TRIALS, trace: true };
        let mut ours = lab.ask(&study, downtime)?;
        ours.sort_by(f64::total_cmp);
        let trials = folder.as_ref().map(|folder| trials(folder, line)).transpose()?;
        Ok(Measured { panel: line.panel, name: line.name, ours, trials })
    };
    LINES.iter().map(one).collect()
}

/// Where the digitised trials lie, if they do: they are read in place, not copied.
fn folder() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let beside = ["../shared/data/raft-dissertation", "../../shared/data/raft-dissertation"];
    let found = beside.iter().map(|path| root.join(path)).find(|path| path.is_dir());
    if found.is_none() {
        println!("skipped: the authors' trials are not in {}", beside.join(" or "));
    }
    found
}

fn trials(folder: &Path, line: &Line) -> Result<Vec<f64>, String> {
    let panel = if line.panel == 'a' { "15a_randomness" } else { "15b_scale" };
    let path = folder.join(format!("fig9_{panel}_{}.csv", line.name));
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let numbers: Result<Vec<f64>, _> = text.lines().skip(1).map(str::parse).collect();
    let mut numbers = numbers.map_err(|error| format!("{}: {error}", path.display()))?;
    numbers.sort_by(f64::total_cmp);
    Ok(numbers)
}

/// The rows of every line, and what holds of all of them.
///
/// # Errors
/// As [`measure`].
pub fn rows(lab: &Lab) -> Result<Findings, String> {
    let measured = measure(lab)?;
    Ok(Findings {
        rows: judge(lab, &measured),
        charts: vec![reports::draw_distributions("raft-downtime", &picture(&measured))],
    })
}

/// The two panels of the figure.
fn picture(measured: &[Measured]) -> Distributions {
    let nanos = |ms: &[f64]| ms.iter().map(|ms| ms * 1e6).collect();
    let panel = |panel: char, name: &str| Panel {
        name: name.to_owned(),
        curves: measured
            .iter()
            .filter(|m| m.panel == panel)
            .map(|m| Curve {
                name: format!("{} ms", m.name.replace('-', "\u{2013}")),
                ours: nanos(&m.ours),
                theirs: nanos(m.trials.as_deref().unwrap_or(&[])),
            })
            .collect(),
    };
    let trials = measured.iter().map(|m| m.ours.len()).max().unwrap_or(0);
    Distributions {
        finding: "A little randomness in election timeouts ends almost every split vote".to_owned(),
        about: format!("Raft paper, figure 16: {trials} simulated crashes a line, over the authors' 1000 trials"),
        axis: "time without a leader".to_owned(),
        panels: [panel('a', "How random: the width of the timeout"), panel('b', "How long: the scale of the timeout")],
    }
}

/// Holds what was measured to the bands.
pub fn judge(lab: &Lab, measured: &[Measured]) -> Vec<Row> {
    let mut rows = Vec::new();
    for (line, measured) in LINES.iter().zip(measured) {
        rows.extend(of_line(lab, line, measured));
    }
    rows.push(floor(measured));
    rows.push(tails(lab, measured));
    rows
}

fn row(line: &str, what: &str, ours: &[f64], file: String) -> Row {
    Row {
        section: 1,
        figure: format!("{line}, {what}"),
        published: String::new(),
        ours: String::new(),
        band: String::new(),
        place: Place::Skipped,
        runs: ours.len() as u64,
        file,
    }
}

fn of_line(lab: &Lab, line: &Line, measured: &Measured) -> Vec<Row> {
    let ours = measured.ours.as_slice();
    let file = format!("{FILE} {}", set(line)[..2].join(" "));
    let new = |what: &str| row(line.name, what, ours, file.clone());
    let median = stats::quantile(ours, 0.5);
    match line.band {
        Band::AllOver(over) => {
            let shortest = ours[0];
            vec![Row {
                published: "none below 9866 ms".to_owned(),
                ours: if shortest.is_finite() { format!("{shortest:.0} ms") } else { "no leader in 10 s".to_owned() },
                band: format!("> {over:.0} ms"),
                place: Place::inside(shortest > over),
                ..new("shortest")
            }]
        }
        Band::Median(lo, hi) => vec![Row {
            published: format!("{:.0} ms", line.median),
            ours: format!("{median:.0} ms"),
            band: format!("{lo:.0}..{hi:.0} ms"),
            place: Place::inside((lo..=hi).contains(&median)),
            ..new("median")
        }],
        Band::Trials { distance, mean } => {
            // A sample as small as a short one strays farther, and by how much is known.
            let room = if lab.is_short() { stats::stray(ours.len()) } else { 0.0 };
            let of_mean = if lab.is_short() { 3.29 * stats::error_of_mean(ours) / line.mean } else { 0.0 };
            let (our_mean, below) = (stats::mean(ours), stats::share_up_to(ours, line.median));
            let apart = measured.trials.as_ref().map(|trials| stats::distance(ours, trials));
            vec![
                Row {
                    published: "0".to_owned(),
                    ours: apart.map_or_else(|| "no trials here".to_owned(), |apart| format!("{apart:.3}")),
                    band: format!("<= {:.3}", distance + room),
                    place: apart.map_or(Place::Skipped, |apart| Place::inside(apart <= distance + room)),
                    ..new("distance to the trials")
                },
                Row {
                    published: format!("{:.1} ms", line.mean),
                    ours: format!("{our_mean:.1} ms ({:+.1} %)", 100.0 * (our_mean / line.mean - 1.0)),
                    band: format!("{:.1} %", 100.0 * (mean + of_mean)),
                    place: Place::inside((our_mean / line.mean - 1.0).abs() <= mean + of_mean),
                    ..new("mean")
                },
                Row {
                    published: "50 %".to_owned(),
                    ours: format!("{:.1} %", 100.0 * below),
                    band: format!("{:.1} points", 100.0 * (distance + room)),
                    place: Place::inside((below - 0.5).abs() <= distance + room),
                    ..new(&format!("at most {} ms", line.median))
                },
            ]
        }
    }
}

/// No downtime is shorter than what is left of the shortest timeout when the leader crashes at the end of its interval.
fn floor(measured: &[Measured]) -> Row {
    let ratio = |(line, measured): (&Line, &Measured)| measured.ours[0] / (line.least / 2.0);
    let least = LINES.iter().zip(measured).map(ratio).fold(f64::INFINITY, f64::min);
    Row {
        published: "never".to_owned(),
        ours: format!("shortest {least:.2} times that"),
        band: ">= 1".to_owned(),
        place: Place::inside(least >= 1.0),
        runs: measured.iter().map(|m| m.ours.len() as u64).sum(),
        ..row("every line", "below half the shortest timeout", &[], FILE.to_owned())
    }
}

/// The order of the lines' tails; a few runs can not tell the last ones apart.
fn tails(lab: &Lab, measured: &[Measured]) -> Row {
    let of = |name: &&str| measured.iter().find(|m| m.name == *name).map(|m| stats::quantile(&m.ours, 0.99));
    let tails: Vec<f64> = BY_TAIL.iter().filter_map(of).collect();
    let text: Vec<String> = tails.iter().map(|ms| format!("{ms:.0}")).collect();
    Row {
        published: "5982 > 1224 > 462 > 405 > 345".to_owned(),
        ours: text.join(" > "),
        band: "falling".to_owned(),
        place: if lab.is_short() { Place::Skipped } else { Place::inside(tails.windows(2).all(|two| two[0] > two[1])) },
        runs: measured.iter().filter(|m| BY_TAIL.contains(&m.name)).map(|m| m.ours.len() as u64).sum(),
        ..row("-151, -155, -175, -300, -200", "99th percentile", &[], FILE.to_owned())
    }
}
