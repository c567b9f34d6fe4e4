//! `make published`: measures what papers publish by running real scenario files, and holds it to a band.
//!
//! Usage: `published [SHARE [SECTION...]]`. SHARE 1 (the default) makes all runs, 10 a tenth of them. Prints the table, writes
//! `target/published/`. Ends with 1 if a figure lies outside its band.

mod suite;

use std::path::Path;
use std::process::ExitCode;
use suite::lab::Lab;
use suite::row::{self, Place, Row};

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let share = args.next().map_or(Ok(1), |text| text.parse());
    let sections: Result<Vec<u32>, _> = args.map(|text| text.parse()).collect();
    let (Ok(share @ 1..), Ok(sections)) = (share, sections) else {
        eprintln!("published [SHARE [SECTION...]]: whole numbers, such as 10 1 2");
        return ExitCode::from(2);
    };
    match publish(share, &sections) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(errors) => {
            eprintln!("{errors}");
            ExitCode::from(2)
        }
    }
}

/// Whether no figure lies outside its band.
fn publish(share: u64, only: &[u32]) -> Result<bool, String> {
    let lab = Lab::new(share)?;
    let mut all: Vec<Row> = Vec::new();
    for (number, name, section) in suite::SECTIONS {
        if only.is_empty() || only.contains(number) {
            let rows = section(&lab)?;
            println!("{number}. {name}\n{}", row::text(&rows));
            all.extend(rows);
        }
    }
    let count = |place| all.iter().filter(|row| row.place == place).count();
    let (inside, outside, skipped) = (count(Place::Inside), count(Place::Outside), count(Place::Skipped));
    println!("{inside} figures inside their band, {outside} outside, {skipped} skipped");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/published");
    let json = serde_json::to_vec_pretty(&all).map_err(|error| error.to_string())?;
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(folder.join("table.json"), json))
        .and_then(|()| std::fs::write(folder.join("table.md"), row::markdown(&all)))
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(outside == 0)
}
