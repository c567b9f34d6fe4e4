//! `splitbrain report`: make the reports of finished runs and sweeps again from their files.

use crate::args::{Format, ReportArgs};
use crate::exit::Exit;
use crate::run::{exit_of, say};
use crate::sweep::folder::MANIFEST;
use crate::sweep::{self, again, text};
use std::fs;
use std::io::IsTerminal;
use std::path::Path;

/// Runs the command.
pub fn report(args: &ReportArgs) -> Exit {
    let mut worst = Exit::Held;
    for dir in &args.dirs {
        if dir.join(MANIFEST).exists() {
            worst = worst.max(sweep(dir, args.format));
            continue;
        }
        let record = match reports::load(dir) {
            Ok(record) => record,
            Err(error) => {
                eprintln!("splitbrain: {}", hint(dir).unwrap_or_else(|| error.to_string()));
                worst = worst.max(Exit::Usage);
                continue;
            }
        };
        let report = reports::analyse(&record);
        if let Err(error) =
            reports::write(dir, &report, &record, crate::history::witness_of(dir, &record).as_ref(), true)
        {
            eprintln!("splitbrain: {error}");
            worst = worst.max(Exit::Failed);
            continue;
        }
        match args.format {
            Format::Json => say(&format!("{}\n", report.to_json_line())),
            Format::Text => {
                let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
                say(&format!("{}\n", reports::summary(&report, dir, 100, colour).trim_end()));
            }
        }
        worst = worst.max(exit_of(&report));
    }
    worst
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
            "{}: splitbrain panicked in this run, so there is nothing to report: {}; `splitbrain run {}` makes it again",
            dir.display(),
            why.trim(),
            file.display(),
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
