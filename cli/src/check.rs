//! `splitbrain check`: every problem of every file, and nothing run.

use crate::args::CheckArgs;
use crate::exit::Exit;
use crate::run::say;
use scenarios::{Override, Registry, Scenario};
use std::io::IsTerminal;
use std::path::PathBuf;

/// Runs the command.
pub fn check(registry: &Registry, args: &CheckArgs) -> Exit {
    let Some(scenarios) = load_all(registry, &args.files, &args.set) else { return Exit::Usage };
    for (path, scenario) in args.files.iter().zip(&scenarios) {
        let schedule = scenarios::expand(scenario);
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
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let overrides: Vec<Override> = set.iter().map(Override::new).collect();
    let mut all = Vec::new();
    let mut bad = false;
    for path in files {
        match scenarios::load(path, &overrides, registry) {
            Ok(scenario) => all.push(scenario),
            Err(diagnostics) => {
                bad = true;
                eprint!("{}", diagnostics.render(colour));
            }
        }
    }
    (!bad).then_some(all)
}
