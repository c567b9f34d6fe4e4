//! `splitbrain check`: every problem of every file, and nothing run.

use crate::args::CheckArgs;
use crate::exit::Exit;
use crate::run::say;
use scenarios::{Diagnostics, Override, Registry, Scenario};
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
    }
    Exit::Held
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
