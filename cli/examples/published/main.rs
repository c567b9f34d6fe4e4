//! `make published`: measures what papers publish by running real scenario files, and holds it to a band.
//!
//! Usage: `published [SHARE [SECTION...]]`. SHARE 1 (the default) makes all runs, 10 a tenth of them. Prints the table, writes
//! `target/published/` and, if everything was run, `docs/published.md`. Ends with 1 if a figure lies outside its band.
//!
//! `published beside TRIALS [SHARE]` holds the models to the trials that `validation/` has made, and to those in
//! `fixtures/trials/`: it prints the page `docs/validation.md`, and writes it with its charts if SHARE is 1.

mod suite;

use reports::Chart;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use suite::lab::Lab;
use suite::row::{self, Findings, Place, Row};

/// How the page begins.
const HEAD: &str = "# Published figures, and ours

`make published` makes this page: it runs the files of `scenarios/library/published/` with the seeds 1, 2, 3 and so on, measures what
a paper has published or what can be worked out, and says whether ours lies inside the band. One run of any row is
`splitbrain run scenarios/library/published/FILE.toml --set KEY=VALUE`. A row without a file is arithmetic over the code that it names.
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1).peekable();
    if args.next_if(|word| word == "beside").is_some() {
        return beside(args);
    }
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

/// The models beside real systems. Whether they agree is for the page to say: a machine's trials are no test.
fn beside(mut args: impl Iterator<Item = String>) -> ExitCode {
    let (trials, share) = (args.next(), args.next().map_or(Ok(1), |text| text.parse()));
    let (Some(trials), Ok(share @ 1..), None) = (trials, share, args.next()) else {
        eprintln!("published beside TRIALS [SHARE]: a folder that validation has written, and a whole number");
        return ExitCode::from(2);
    };
    let page = Lab::new(share).and_then(|lab| suite::validation::page(&lab, Path::new(&trials)));
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let written = page.and_then(|(page, charts)| {
        println!("{page}");
        let keep = |folder: &Path| {
            write(&folder.join("validation"), None, &charts, false)?;
            write(folder, Some(("validation.md", &page)), &[], false)
        };
        if share == 1 { keep(&docs) } else { Ok(()) }
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

/// Whether no figure lies outside its band.
fn publish(share: u64, only: &[u32]) -> Result<bool, String> {
    let lab = Lab::new(share)?;
    let (mut all, mut charts, mut page) = (Vec::new(), Vec::new(), String::from(HEAD));
    for (number, name, section) in suite::SECTIONS {
        if only.is_empty() || only.contains(number) {
            let Findings { rows, charts: drawn } = section(&lab)?;
            println!("{number}. {name}\n{}", row::text(&rows));
            let _ = write!(page, "\n## {number}. {name}\n\n");
            for chart in &drawn {
                let _ = write!(page, "![{}]({}.png)\n\n", chart.title, chart.name);
            }
            page.push_str(&row::markdown(&rows));
            all.extend(rows);
            charts.extend(drawn);
        }
    }
    let count = |place| all.iter().filter(|row: &&Row| row.place == place).count();
    let (inside, outside, skipped) = (count(Place::Inside), count(Place::Outside), count(Place::Skipped));
    let explained = count(Place::Explained);
    println!(
        "{inside} figures inside their band, {outside} outside, {explained} outside with a reason, {skipped} skipped"
    );
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    write(&root.join("target/published"), Some(("table.md", &page)), &charts, true)?;
    let json = serde_json::to_vec_pretty(&all).map_err(|error| error.to_string())?;
    std::fs::write(root.join("target/published/table.json"), json).map_err(|error| error.to_string())?;
    // The page people read holds all of it, or is left as it is.
    if share == 1 && only.is_empty() && skipped == 0 {
        write(&root.join("docs"), Some(("published.md", &page)), &charts, false)?;
    }
    Ok(outside == 0)
}

/// Writes a page and its charts.
fn write(folder: &Path, page: Option<(&str, &str)>, charts: &[Chart], vector: bool) -> Result<(), String> {
    let files = || {
        std::fs::create_dir_all(folder)?;
        if let Some((name, text)) = page {
            std::fs::write(folder.join(name), text)?;
        }
        for chart in charts {
            std::fs::write(folder.join(format!("{}.png", chart.name)), chart.png())?;
            if vector {
                std::fs::write(folder.join(format!("{}.svg", chart.name)), chart.svg())?;
            }
        }
        Ok(())
    };
    files().map_err(|error: std::io::Error| format!("{}: {error}", folder.display()))
}
