//! `splitbrain check`: every problem of every file, and nothing run.

use crate::args::{CheckArgs, Output};
use crate::ci::{self, Came, Case, Suite};
use crate::exit::Exit;
use crate::run::say;
use crate::terminal::{self, say_wrapped};
use scenarios::swarm::Draw;
use scenarios::sweep::Seeds;
use scenarios::{Diagnostics, Override, Registry, Scenario};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Runs the command.
pub fn check(registry: &Registry, args: &CheckArgs) -> Exit {
    match args.format {
        Output::Text => {}
        Output::Json => return in_json(registry, args),
        Output::Junit | Output::Github => return for_ci(registry, args),
    }
    let Some(scenarios) = load_all(registry, &args.files, &args.set) else { return Exit::Usage };
    for (path, scenario) in args.files.iter().zip(&scenarios) {
        let schedule = scenarios::expand(scenario, scenario.seed);
        say_wrapped(
            &format!(
                "{}: ok: {} nodes of {}, {} clients, {} faults over {}",
                path.display(),
                scenario.cluster.nodes(),
                scenario.system,
                scenario.clients(),
                schedule.injections().len(),
                scenario.duration,
            ),
            4,
        );
        scenarios::notes(scenario, registry).iter().for_each(|note| say_wrapped(&format!("  note: {note}"), 8));
        match (&args.seeds, scenario.draw(scenario.seed)) {
            (Some(seeds), Some(_)) => coverage(scenario, seeds),
            (None, Some(draw)) => drawn(&draw),
            _ => {}
        }
    }
    Exit::Held
}

/// One JSON object a line for each file, good or bad, in order.
fn in_json(registry: &Registry, args: &CheckArgs) -> Exit {
    let overrides: Vec<Override> = args.set.iter().map(Override::new).collect();
    let mut exit = Exit::Held;
    for path in &args.files {
        let file = path.display().to_string();
        let told = match scenarios::load(path, &overrides, registry) {
            Ok(scenario) => json!({
                "file": file,
                "ok": true,
                "name": scenario.name,
                "system": scenario.system,
                "nodes": scenario.cluster.nodes(),
                "clients": scenario.clients(),
                "faults": scenarios::expand(&scenario, scenario.seed).injections().len(),
                "duration_ns": scenario.duration.0,
                "notes": scenarios::notes(&scenario, registry),
                "problems": [],
            }),
            Err(problems) => {
                exit = Exit::Usage;
                json!({ "file": file, "ok": false, "problems": problems.list(), "problems_not_listed": problems.more() })
            }
        };
        say(&format!("{told}\n"));
    }
    exit
}

/// Each file a suite: that it is sound, or each of its problems.
fn for_ci(registry: &Registry, args: &CheckArgs) -> Exit {
    let overrides: Vec<Override> = args.set.iter().map(Override::new).collect();
    let mut exit = Exit::Held;
    let mut suites = Vec::new();
    for path in &args.files {
        let file = path.display().to_string();
        let cases = match scenarios::load(path, &overrides, registry) {
            Ok(_) => vec![Case::held("is sound".to_owned())],
            Err(problems) => {
                exit = Exit::Usage;
                problems.list().iter().map(|one| problem(one, &file)).collect()
            }
        };
        suites.push(Suite { name: file.clone(), file, properties: Vec::new(), caution: None, cases });
    }
    say(&ci::told(args.format, &suites).unwrap_or_default());
    exit
}

fn problem(problem: &scenarios::Diagnostic, file: &str) -> Case {
    let place = problem.place.as_ref().map(|place| (place.line, place.column));
    let at = place.map_or_else(String::new, |(line, column)| format!(":{line}:{column}"));
    // What is wrong in a `--set` has no place in the file.
    let place = place.filter(|_| problem.file == file);
    let help = problem.help.as_ref().map_or_else(String::new, |help| format!("\nhelp: {help}"));
    Case {
        came: Came::Failed,
        why: problem.what.clone(),
        detail: format!("{}{help}", problem.what),
        place,
        ..Case::held(format!("{}{at}", problem.file))
    }
}

/// Says what a seed drew of its swarm.
pub fn drawn(draw: &Draw) {
    let those = |on: bool| {
        let names: Vec<&str> = draw.kinds.iter().filter(|(_, is)| **is == on).map(|(name, _)| name.as_str()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    say_wrapped(&format!("  on   {}", those(true)), 7);
    say_wrapped(&format!("  off  {}", those(false)), 7);
    if !draw.settings.is_empty() {
        let settings: Vec<String> = draw.settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        say_wrapped(&format!("  with {}", settings.join(", ")), 7);
    }
}

/// How many of these seeds have each kind of fault, and how often it comes.
fn coverage(scenario: &Scenario, seeds: &Seeds) {
    let mut kinds: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for seed in (0..seeds.count()).filter_map(|index| seeds.get(index)) {
        for (kind, on) in scenario.draw(seed).into_iter().flat_map(|draw| draw.kinds) {
            kinds.entry(kind).or_default().0 += u64::from(on);
        }
        for injection in scenarios::expand(scenario, seed).injections() {
            kinds.entry(scenarios::swarm::kind(&injection.fault)).or_default().1 += 1;
        }
    }
    let names = kinds.keys().map(|kind| kind.chars().count()).max().unwrap_or(0).max(13);
    let wide = names.min(terminal::width().saturating_sub(36).max(13));
    say(&format!("  {:<wide$}{:>10}{:>10}{:>14}\n", "kind of fault", "seeds on", "seeds off", "faults a run"));
    for (kind, (on, faults)) in &kinds {
        let each = *faults as f64 / (*on).max(1) as f64;
        let kind = if kind.chars().count() <= wide {
            kind.clone()
        } else {
            kind.chars().take(wide - 1).chain(['\u{2026}']).collect()
        };
        say(&format!("  {kind:<wide$}{on:>10}{:>10}{each:>14.1}\n", seeds.count() - on));
    }
}

/// Loads every file, or says everything that is wrong with any of them.
pub fn load_all(registry: &Registry, files: &[PathBuf], set: &[String]) -> Option<Vec<Scenario>> {
    let overrides: Vec<Override> = set.iter().map(Override::new).collect();
    let all: Vec<_> = files.iter().map(|path| load(registry, path, &overrides)).collect();
    all.into_iter().collect()
}

/// Loads a file, or says everything that is wrong with it.
pub fn load(registry: &Registry, path: &Path, overrides: &[Override]) -> Option<Scenario> {
    scenarios::load(path, overrides, registry).map_err(|problems| tell(&problems)).ok()
}

/// Says everything that is wrong.
pub fn tell(problems: &Diagnostics) {
    eprint!("{}", problems.render_within(terminal::error_colour(), terminal::error_width()));
}
