//! `compare` of more than two designs, and of one with itself less a fault: a sweep of each over the same seeds.

use super::{exit_of, figures_of, folder, side};
use crate::args::{CompareArgs, Format};
use crate::exit::Exit;
use crate::forecast::Design;
use crate::run::{out_flag, say};
use crate::sweep::folder::FolderError;
use crate::sweep::pages::Pages;
use crate::sweep::{self, workers};
use crate::terminal::{headed, say_lines, width};
use reports::compare::{Against, Difference, Ranking};
use reports::{program, quoted};
use scenarios::scenario::Plan as Fault;
use scenarios::sweep::{Cell, Plan, Shard};
use scenarios::{Registry, Scenario};
use sim_core::fault::Cue;
use std::path::{Path, PathBuf};

/// Designs that are compared at most.
const MOST: usize = 26;
/// Longer names of folders are cut.
const LONGEST: usize = 120;

/// Each file is a design. They are called as their scenarios are, or as their files where two of them have one name.
pub fn of_files(files: &[PathBuf], scenarios: Vec<Scenario>) -> Vec<Design> {
    let path = |file: &PathBuf| file.display().to_string();
    let is_told_apart = |names: &[String]| names.iter().enumerate().all(|(i, name)| !names[..i].contains(name));
    let names: Vec<String> = scenarios.iter().map(|s| s.name.clone()).collect();
    let stems = || files.iter().map(|f| f.file_stem().unwrap_or_default().to_string_lossy().into_owned()).collect();
    let labels = [names, stems(), files.iter().map(path).collect()].into_iter().find(|names| is_told_apart(names));
    let labels =
        labels.unwrap_or_else(|| (1..=files.len()).map(|i| format!("{}, the file {i}", path(&files[i - 1]))).collect());
    let design = |((label, file), scenario)| Design { label, file, scenario };
    labels.into_iter().zip(files.iter().cloned()).zip(scenarios).map(design).collect()
}

/// One file with each combination of the values that are varied.
pub fn varied(registry: &Registry, args: &CompareArgs) -> Result<Vec<Design>, Exit> {
    let refuse = |why: String| {
        eprintln!("{}: {why}", program());
        Exit::Usage
    };
    let grid = Plan::new(args.seeds.clone(), args.vary.clone(), Shard::WHOLE).map_err(refuse)?;
    let cells = grid.cells();
    if !(2..=MOST).contains(&cells.len()) {
        return Err(refuse(format!("{} designs to compare: 2 at least, {MOST} at most", cells.len())));
    }
    let file = &args.files[0];
    let scenarios = sweep::grid::load(registry, file, &args.set, &grid).map_err(|problems| {
        crate::check::tell(&problems);
        Exit::Usage
    })?;
    let label = |cell: &Cell| {
        let values = cell.iter().map(|(key, value)| format!("{}={value}", key.strip_prefix("system.").unwrap_or(key)));
        values.collect::<Vec<_>>().join(" ")
    };
    let design = |(cell, scenario)| Design { label: label(cell), file: file.clone(), scenario };
    Ok(cells.iter().zip(scenarios).map(design).collect())
}

/// The scenario, and without each of its faults. What waits for a fault goes with it.
pub fn without_each_fault(file: &Path, scenario: &Scenario) -> Vec<Design> {
    let whole = Design { label: "all faults".to_owned(), file: file.to_path_buf(), scenario: scenario.clone() };
    let mut labels: Vec<String> = Vec::new();
    let less = scenario.faults.iter().enumerate().map(|(number, fault)| {
        let mut gone = vec![number];
        while let Some(next) = (0..scenario.faults.len()).find(|i| !gone.contains(i) && waits_for(scenario, *i, &gone))
        {
            gone.push(next);
        }
        let mut label = format!("without {}", called(fault));
        if gone.len() > 1 {
            label.push_str(" and what waits for it");
        }
        // Two faults of a kind at one time.
        let same = labels.iter().filter(|other| **other == label).count();
        labels.push(label.clone());
        if same > 0 {
            label.push_str(&format!(" ({})", same + 1));
        }
        let faults = (0..scenario.faults.len()).filter(|i| !gone.contains(i)).map(|i| scenario.faults[i].clone());
        Design { label, file: file.to_path_buf(), scenario: Scenario { faults: faults.collect(), ..scenario.clone() } }
    });
    core::iter::once(whole).chain(less.collect::<Vec<_>>()).collect()
}

/// Whether a fault waits for one of those.
fn waits_for(scenario: &Scenario, fault: usize, those: &[usize]) -> bool {
    let cue = scenario.faults[fault].after.as_ref().map(|trigger| &trigger.cue);
    let Some(Cue::FaultBegins(name) | Cue::FaultEnds(name)) = cue else { return false };
    those.iter().any(|i| scenario.faults[*i].name.as_ref() == Some(name))
}

/// What a fault is called here.
fn called(fault: &Fault) -> String {
    let what = match &fault.name {
        Some(name) => format!("{name}"),
        None => format!("{} of {}", fault.fault.kind(), fault.target),
    };
    if fault.process.is_some() { what } else { format!("{what} at {}", fault.at) }
}

/// Runs all of them, and says who is better than whom.
pub fn rank(
    registry: &Registry,
    args: &CompareArgs,
    plan: &Plan,
    designs: &[Design],
    against: Against,
) -> Result<Exit, FolderError> {
    let names: Vec<String> = designs.iter().map(|design| folder(&design.label)).collect();
    let name = match against {
        Against::First => format!("{}-without-faults", folder(&designs[0].scenario.name)),
        Against::Each => names.join("-vs-").chars().take(LONGEST).collect(),
    };
    // Values of one file are told by the file's name, too.
    let name = if args.vary.is_empty() { name } else { format!("{}-{name}", folder(&designs[0].scenario.name)) };
    let dir = args.out.join(name);
    if args.format == Format::Text {
        let set: String = args.set.iter().map(|s| format!(" --set {}", quoted(s))).collect();
        let files: String = args.files.iter().map(|f| format!(" {}", quoted(&f.display().to_string()))).collect();
        let (out, seeds) = (out_flag(&args.out), plan.seeds());
        let (head, flag) = match against {
            Against::First => {
                (format!("{} without each fault", designs[0].scenario.name), " --remove-fault".to_owned())
            }
            Against::Each => (format!("{} designs", designs.len()), String::new()),
        };
        let flag = args.vary.iter().fold(flag, |flag, axis| {
            format!("{flag} --vary {}", quoted(&format!("{}={}", axis.key, axis.values.join(","))))
        });
        let again = format!("{} compare{files}{flag} --seeds {seeds}{out}{set}", program());
        say(&headed(&format!("{head}  {} seeds", seeds.count()), &again));
    }
    let pool = workers::pool_of(args.jobs)?;
    let (mut sides, mut runs, mut troubles) = (Vec::new(), Vec::new(), Exit::Held);
    for (number, design) in designs.iter().enumerate() {
        let (mut pages, mut figures) = (Pages::new(plan), Vec::new());
        let scenarios = core::slice::from_ref(&design.scenario);
        let made = sweep::make(registry, &pool, plan, scenarios, dir.join((number + 1).to_string()), &mut |result| {
            pages.add(result);
            figures.push(figures_of(result));
        })?;
        pages.write(&made.dir, &made.summary, design.scenario.report.charts)?;
        troubles = troubles.max(made.troubles());
        sides.push(side(design.label.clone(), &design.file, &made.summary));
        runs.push(figures);
    }
    let metrics = sweep::metrics(registry, designs.iter().map(|design| &design.scenario));
    let exit = exit_of(&sides);
    let seed = plan.seeds().get(0).unwrap_or_default();
    let (first, others) = designs.split_first().expect("two designs or more");
    let differ = |other: &Design| scenarios::differences(&first.scenario, &other.scenario, seed);
    let differences = others.iter().flat_map(differ).map(|d| Difference { path: d.path, a: d.a, b: d.b });
    let differences: Vec<Difference> = differences.collect();
    let ranking = Ranking::of(plan.seeds().to_string(), sides, (against, &differences), &metrics, &runs);
    reports::compare::write_ranking(&dir, &ranking)
        .map_err(|error| FolderError::Io(error.path, "write the file", error.source))?;
    match args.format {
        Format::Json => say(&ranking.to_json()),
        Format::Text => say_lines(&reports::compare::text_of_ranking(&ranking, &dir, width())),
    }
    Ok(troubles.max(exit))
}
