//! `splitbrain report`: make the reports of finished runs again from their files.

use crate::args::{Format, ReportArgs};
use crate::exit::Exit;
use crate::run::{exit_of, say};
use std::io::IsTerminal;

/// Runs the command.
pub fn report(args: &ReportArgs) -> Exit {
    let mut worst = Exit::Held;
    for dir in &args.dirs {
        let record = match reports::load(dir) {
            Ok(record) => record,
            Err(error) => {
                eprintln!("splitbrain: {error}");
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
