//! `splitbrain report`: make the reports of finished runs and sweeps again from their files.

use crate::args::{Format, ReportArgs};
use crate::exit::Exit;
use crate::recorded::{self, VERSION};
use crate::run::{exit_of, say};
use crate::sweep::folder::MANIFEST;
use crate::sweep::{self, again, text};
use crate::terminal;
use reports::{Beside, Setup, program, quoted};
use scenarios::Registry;
use sim_core::record::RunRecord;
use std::fs;
use std::path::Path;

/// Runs the command.
pub fn report(registry: &Registry, args: &ReportArgs) -> Exit {
    let mut worst = Exit::Held;
    for dir in &args.dirs {
        if dir.join(MANIFEST).exists() {
            worst = worst.max(sweep(dir, args.format));
            continue;
        }
        let record = match reports::load(dir) {
            Ok(record) => record,
            Err(error) => {
                complain!("{}", hint(dir).unwrap_or_else(|| error.to_string()));
                worst = worst.max(Exit::Usage);
                continue;
            }
        };
        if let Some(why) = foreign(dir, &record) {
            complain!("{why}");
            worst = worst.max(Exit::Usage);
            continue;
        }
        let report = reports::analyse(&record);
        let witness = crate::history::witness_of(dir, &record);
        let setup = setup(registry, dir, record.seed);
        let moments = fs::read_to_string(dir.join(reports::MOMENTS)).unwrap_or_default();
        let beside = Beside { witness: witness.as_ref(), setup: setup.as_ref(), moments: &moments };
        if let Err(error) = reports::write(dir, &report, &record, &beside, true) {
            complain!("{error}");
            worst = worst.max(Exit::Environment);
            continue;
        }
        match args.format {
            Format::Json => say(&format!("{}\n", report.to_json_line())),
            Format::Text => {
                let text = reports::summary(&report, dir, terminal::width(), terminal::colour());
                say(&format!("{}\n", text.trim_end()));
            }
        }
        worst = worst.max(exit_of(&report));
    }
    worst
}

/// What was simulated, as the folder's own scenario says; nothing if this program does not know its system.
fn setup(registry: &Registry, dir: &Path, seed: u64) -> Option<Setup> {
    let path = dir.join("scenario.toml");
    let text = fs::read_to_string(&path).ok()?;
    let scenario = scenarios::load(&path, &[], registry).ok()?;
    Some(crate::setup::of(scenario.drawn(seed).as_ref(), &text))
}

/// Why a folder's files do not belong together, or not to this program; nothing if they do.
fn foreign(dir: &Path, record: &RunRecord) -> Option<String> {
    let shown = dir.display();
    if !record.version.is_empty() && record.version != VERSION {
        return Some(format!(
            "{shown} was recorded by version {}, this is version {VERSION}: use that one",
            record.version
        ));
    }
    if let Err(error) = reports::check_seal(dir) {
        return Some(error.to_string());
    }
    let file = dir.join("scenario.toml");
    let told = record.scenario_fingerprint.as_str();
    match fs::read_to_string(&file) {
        Ok(text) if told.is_empty() || told == recorded::fingerprint(&text) => None,
        Ok(_) => {
            Some(format!("{} has been changed since the run was recorded: run it, for a new report", file.display()))
        }
        Err(error) => Some(format!("{}: can not be read: {}", file.display(), reports::reason(&error))),
    }
}

fn sweep(dir: &Path, format: Format) -> Exit {
    match again::again(dir) {
        Ok(summary) => {
            match format {
                Format::Json => say(&summary.to_json()),
                Format::Text => say(&text::body(&summary, dir, &text::Again::unknown())),
            }
            sweep::exit_of(&summary)
        }
        Err(error) => error.tell(),
    }
}

/// What the user may have meant by a folder that is not a run.
fn hint(dir: &Path) -> Option<String> {
    if let Ok(why) = fs::read_to_string(dir.join("panic.txt")) {
        let file = dir.join("scenario.toml");
        return Some(format!(
            "{}: splitbrain panicked in this run, so there is nothing to report: {}; `{} run {}` makes it again",
            dir.display(),
            why.trim(),
            program(),
            quoted(&file.display().to_string()),
        ));
    }
    let mut below: Vec<_> = fs::read_dir(dir).ok()?.flatten().map(|e| e.path()).collect();
    below.retain(|p| p.join(reports::RECORD).exists() || p.join(MANIFEST).exists());
    below.sort();
    let first = below.first()?;
    Some(format!(
        "{}: not a run itself, but it holds {}; name those, such as {}",
        dir.display(),
        if below.len() == 1 { "one".to_owned() } else { format!("{} of them", below.len()) },
        first.display(),
    ))
}
