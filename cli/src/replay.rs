//! `splitbrain replay`: run a folder's own scenario again and compare digests.

use crate::args::ReplayArgs;
use crate::exit::Exit;
use crate::run::{self, Sinks, say};
use scenarios::Registry;

/// Runs the command.
pub fn replay(registry: &Registry, args: &ReplayArgs) -> Exit {
    let recorded = match reports::load(&args.dir) {
        Ok(record) => record,
        Err(error) => {
            eprintln!("splitbrain: {error}");
            return Exit::Usage;
        }
    };
    let file = args.dir.join("scenario.toml");
    let Some(scenarios) = crate::check::load_all(registry, std::slice::from_ref(&file), &[]) else {
        return Exit::Usage;
    };
    let [scenario] = scenarios.as_slice() else { return Exit::Usage };
    let seed = recorded.seed;
    say(&format!("{}  seed {seed}   replaying {}\n", scenario.name, args.dir.display()));
    let schedule = scenarios::expand(scenario, seed);
    match run::simulate(registry, scenario, &schedule, seed, Sinks::default()) {
        Ok(record) => match run::difference(&recorded, &record) {
            None => {
                say(&format!("the same run: {} events, digest {}\n", record.events, record.digest));
                run::exit_of(&reports::analyse(&record))
            }
            Some(difference) => {
                eprintln!("splitbrain: the replay differed from the recorded run: {difference}");
                say(&format!("digest {}\n", record.digest));
                Exit::Differed
            }
        },
        Err(error) => {
            eprintln!("splitbrain: {error}");
            Exit::Failed
        }
    }
}
