//! `splitbrain check`: every problem of every file, and nothing run.

use crate::args::CheckArgs;
use crate::exit::Exit;
use crate::run::say;
use scenarios::swarm::Draw;
use scenarios::sweep::Seeds;
use scenarios::{Diagnostics, Override, Registry, Scenario};
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Runs the command.
pub fn check(registry: &Registry, args: &CheckArgs) -> Exit {
    let Some(scenarios) = load_all(registry, &args.files, &args.set) else { return Exit::Usage };
    for (path, scenario) in args.files.iter().zip(&scenarios) {
        let schedule = scenarios::expand(scenario, scenario.seed);
        say(&format!(
            "{}: ok: {} nodes of {}, {} clients, {} faults over {}\n",
            path.display(),
            scenario.cluster.nodes(),
            scenario.system,
            scenario.clients(),
            schedule.injections().len(),
            scenario.duration,
        ));
        match (&args.seeds, scenario.draw(scenario.seed)) {
            (Some(seeds), Some(_)) => coverage(scenario, seeds),
            (None, Some(draw)) => say(&drawn(&draw)),
            _ => {}
        }
    }
    Exit::Held
}

/// What a seed drew of its swarm, in lines for a person.
pub fn drawn(draw: &Draw) -> String {
    let those = |on: bool| {
        let names: Vec<&str> = draw.kinds.iter().filter(|(_, is)| **is == on).map(|(name, _)| name.as_str()).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    let mut text = format!("  on   {}\n  off  {}\n", those(true), those(false));
    if !draw.settings.is_empty() {
        let settings: Vec<String> = draw.settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        text.push_str(&format!("  with {}\n", settings.join(", ")));
    }
    text
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
    say(&format!("  {:<44}{:>10}{:>10}{:>14}\n", "kind of fault", "seeds on", "seeds off", "faults a run"));
    for (kind, (on, faults)) in &kinds {
        let each = *faults as f64 / (*on).max(1) as f64;
        say(&format!("  {kind:<44}{on:>10}{:>10}{each:>14.1}\n", seeds.count() - on));
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
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    eprint!("{}", problems.render(colour));
}
