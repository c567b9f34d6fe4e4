//! The page `docs/validation.md`: each model beside the recorded trials, and beside those that `validation/` has made.

use super::lab::{Lab, Study};
use super::real::{RUNS_A_TRIAL, Real, all, trials};
use super::stats;
use reports::{Chart, Curve, Distributions, Panel};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// How the page begins.
const HEAD: &str = "# Real systems beside the model

`make validate` makes this page. `validation/` starts real systems from Debian's packages, kills what a file says, and times how long
service is gone; the model's scenario runs fifty times as often or more. [How that is done](validate.md).

Nothing is fitted: a scenario says what the real one was configured with. *Recorded* trials lie in `fixtures/trials/`, those *made here* in
`validation/trials/`, with the conditions under which they were made: what else the machine had to do shows in them. The distance is
Kolmogorov's and Smirnov's between two samples; two of the same kind are further apart than *allowed* once in twenty times. The *longest
outage* is by the [definition](availability.md) of the simulator, which both sides use, each with its own probes of the same time-out.
A simulated probe tries again until its time-out, a real one does not: what is shorter than that only real ones see.
";

/// What `validation/` writes.
#[derive(Deserialize)]
struct Made {
    system: String,
    measured: String,
    trials: Vec<f64>,
    #[serde(default)]
    outages: Vec<Option<f64>>,
    #[serde(default)]
    lost: Vec<u64>,
    model: Option<String>,
    timeout_ms: u64,
    conditions: Conditions,
}

#[derive(Deserialize)]
struct Conditions {
    version: String,
    date: String,
    cores: usize,
    load: [String; 2],
    network: String,
}

/// Why there is no model of what was measured; by the beginning of the name of the trials.
const WITHOUT: [(&str, &str); 3] = [
    ("redis-sentinel", "no published scenario has Sentinels yet"),
    (
        "haproxy",
        "`balancing` and `mesh` have health checks of their own making, and no scenario that is configured as HAProxy is: \
         its three tries a second apart at one server are not in them",
    ),
    (
        "slurm",
        "`scheduling` notices a dead worker by heartbeats; Slurm's controller asks its nodes in rounds, puts a job back only \
         after its own clean-up, and holds it for a while before it may start again: none of that is modelled",
    ),
];

/// The page and its charts.
///
/// # Errors
/// What is wrong with a file, or the first run that broke a safety rule.
pub fn page(lab: &Lab, folder: &Path) -> Result<(String, Vec<Chart>), String> {
    let mut made = read(folder)?;
    let (mut page, mut charts) = (String::from(HEAD), Vec::new());
    let mut runs: Option<(&str, Vec<Answers>)> = None;
    for real in all() {
        let name = name_of(&made, real);
        let here = name.and_then(|name| made.remove(&name));
        let recorded = trials(real.trials)?;
        let answers = match runs.take() {
            // Figures of one file stand side by side, and are read off the same runs.
            Some((file, answers)) if file == real.file => answers,
            _ => answers(lab, real, recorded.len())?,
        };
        section(lab, real, &recorded, &answers, here, &mut page, &mut charts)?;
        runs = Some((real.file, answers));
    }
    if !made.is_empty() {
        page.push_str("\n## Measured, and not modelled\n\n");
        head(&mut page);
        for (name, made) in &made {
            row(&mut page, &format!("`{name}`: {}", made.system), &sorted(&made.trials), None);
            // Trials may have been recorded before there is a model.
            if let Ok(recorded) = trials(name) {
                row(
                    &mut page,
                    &format!("`{name}`, recorded; the distance is to those made here"),
                    &recorded,
                    Some(&sorted(&made.trials)),
                );
            }
        }
        page.push('\n');
        for (name, made) in &made {
            let why =
                WITHOUT.iter().find(|(start, _)| name.starts_with(start)).map_or("no scenario is set up so", |w| w.1);
            let _ = writeln!(page, "* `{name}`, {}{}. The model: {why}.", made.measured, remarks(made));
        }
    }
    Ok((page, charts))
}

/// Under which name the same figure was made here: the trials' own, or that of the only one with this model.
fn name_of(made: &BTreeMap<String, Made>, real: &Real) -> Option<String> {
    if made.contains_key(real.trials) {
        return Some(real.trials.to_owned());
    }
    let mut same = made.iter().filter(|(_, made)| made.model.as_deref() == Some(real.file));
    let (name, _) = same.next()?;
    same.next().is_none().then(|| name.clone())
}

/// Every file of trials in the folder, by name; none where there is no such folder.
fn read(folder: &Path) -> Result<BTreeMap<String, Made>, String> {
    let mut made = BTreeMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".json")) else { continue };
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let file: Made = serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
        if file.trials.is_empty() {
            return Err(format!("{}: there is no trial in it", path.display()));
        }
        made.insert(name.to_owned(), file);
    }
    Ok(made)
}

fn sorted(sample: &[f64]) -> Vec<f64> {
    let mut sorted = sample.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn head(page: &mut String) {
    page.push_str(
        "| ms | n | min | p10 | p50 | p90 | max | distance to the model | allowed | |\n|---|---|---|---|---|---|---|---|---|---|\n",
    );
}

/// A row: quantiles, and how far from the model.
fn row(page: &mut String, name: &str, sorted: &[f64], model: Option<&[f64]>) {
    let _ = write!(page, "| {name} | {}", sorted.len());
    for share in [0.0, 0.1, 0.5, 0.9, 1.0] {
        let _ = write!(page, " | {:.0}", stats::quantile(sorted, share));
    }
    let apart = model.map(|model| apart(sorted, model));
    let _ = writeln!(page, " | {} |", apart.unwrap_or_else(|| " | | ".to_owned()));
}

fn apart(one: &[f64], other: &[f64]) -> String {
    let (distance, may) = (stats::distance(one, other), stats::apart(one.len(), other.len()));
    format!("{distance:.3} | {may:.3} | {}", if distance <= may { "agrees" } else { "DIFFERS" })
}

/// How the machine was, and what else was seen.
fn remarks(made: &Made) -> String {
    let Conditions { version, date, cores, load, network } = &made.conditions;
    let mut said = format!(
        "; version {version}, {date}, {cores} cores that others used, too (load {} before, {} after), {network}",
        load[0], load[1]
    );
    if !made.lost.is_empty() {
        let with = made.lost.iter().filter(|lost| **lost > 0).count();
        let _ = write!(said, "; acknowledged writes lost in {with} of {} trials", made.lost.len());
    }
    said
}

/// What one run of a model has shown: each figure of its file, by the name of the trials.
type Answers = Vec<(&'static str, f64)>;

/// Runs the model of one row, and answers all rows of its file.
fn answers(lab: &Lab, real: &Real, trials: usize) -> Result<Vec<Answers>, String> {
    let seeds = RUNS_A_TRIAL * real.times * trials as u64;
    let study = Study { file: real.file, set: &[], seeds, trace: false };
    lab.ask(&study, |run| {
        let same = all().iter().filter(|other| other.file == real.file);
        same.map(|one| (one.trials, (one.of)(run))).collect()
    })
}

/// The longest outages, in milliseconds, that the model's own probes see.
fn outages(lab: &Lab, real: &Real, made: &Made) -> Result<Vec<f64>, String> {
    let set = ["probe.enabled=true".to_owned(), format!("probe.timeout={}ms", made.timeout_ms)];
    let seeds = RUNS_A_TRIAL * made.outages.len() as u64;
    let study = Study { file: real.file, set: &set, seeds, trace: false };
    let all = lab.ask(&study, |run| reports::analyse(&run.record).availability.longest_write_outage_ns as f64 / 1e6)?;
    Ok(sorted(&all))
}

fn section(
    lab: &Lab,
    real: &Real,
    recorded: &[f64],
    answers: &[Answers],
    made: Option<Made>,
    page: &mut String,
    charts: &mut Vec<Chart>,
) -> Result<(), String> {
    let own = |answers: &Answers| answers.iter().find(|(name, _)| *name == real.trials).map(|(_, ms)| *ms);
    let ours = sorted(&answers.iter().filter_map(own).collect::<Vec<_>>());
    let nanos = |ms: &[f64]| ms.iter().map(|ms| ms * 1e6).collect::<Vec<f64>>();
    let curve = |name: &str, theirs: &[f64]| Panel {
        name: name.to_owned(),
        curves: vec![Curve { name: "model".to_owned(), ours: nanos(&ours), theirs: nanos(theirs) }],
    };
    let here = made.as_ref().map(|made| sorted(&made.trials)).unwrap_or_default();
    let panels = [
        curve(&format!("{} recorded trials", recorded.len()), recorded),
        curve(
            &if here.is_empty() { "not made here".to_owned() } else { format!("{} trials made here", here.len()) },
            &here,
        ),
    ];
    let close = |theirs: &[f64]| stats::distance(theirs, &ours) <= stats::apart(theirs.len(), ours.len());
    let agree = [recorded, &here].into_iter().filter(|theirs| !theirs.is_empty()).all(close);
    let finding = if agree { "The model takes as long" } else { "The model takes another time" };
    let (finding, about) = (finding.to_owned(), format!("{}; nothing is fitted", real.name));
    let picture = Distributions { finding, about, axis: "time until it is over".to_owned(), panels };
    charts.push(reports::draw_distributions(real.trials, &picture));
    let _ = write!(page, "\n## {}\n\n![{}](validation/{}.png)\n\n", real.name, real.name, real.trials);
    head(page);
    row(page, &format!("model, `{}`", real.file), &ours, None);
    row(page, "recorded", recorded, Some(&ours));
    if let Some(made) = &made {
        row(page, "made here", &here, Some(&ours));
        let outages: Vec<f64> = made.outages.iter().flatten().copied().collect();
        if !outages.is_empty() {
            let seen = here.first().is_some_and(|least| *least > made.timeout_ms as f64);
            let model = if seen { Some(self::outages(lab, real, made)?) } else { None };
            if let Some(model) = &model {
                row(page, "model, longest outage", model, None);
            }
            row(page, "made here, longest outage", &sorted(&outages), model.as_deref());
        }
        let _ = writeln!(
            page,
            "\nMade here: {}{}. Distance to the recorded trials: {}.",
            made.measured,
            remarks(made),
            apart(&here, recorded).replace(" | ", ", ")
        );
    } else {
        page.push_str("\nNot made here: it was not installed, or not allowed.\n");
    }
    if let Some(why) = real.why {
        let _ = writeln!(page, "\nWhere the model is outside: {why}.");
    }
    Ok(())
}
