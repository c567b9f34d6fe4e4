//! `sweep --watch DIR`: how far the shards of a sweep are that runs elsewhere.

use super::again;
use super::folder::{FolderError, JOURNAL, RESULTS, tell};
use crate::exit::Exit;
use crate::run::say;
use crate::wall::{Stopwatch, pause};
use reports::program;
use scenarios::sweep::Shard;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// Between two lines where nothing is drawn over.
const LINE: Duration = Duration::from_secs(30);

/// What one look sees.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Runs of all shards, those that are made, those of them that did not hold.
    runs: u64,
    done: u64,
    failed: u64,
    /// How many shards there are to be, and which of them are not finished.
    shards: u64,
    open: Vec<u64>,
}

/// Looks until every shard has finished; gives up when none moves for `patience`.
pub fn watch(dir: &Path, patience: Duration) -> Exit {
    let clock = Stopwatch::start();
    let (mut before, mut moved, mut told) = (Seen::default(), clock.elapsed(), None);
    let mut first: Option<(Duration, u64)> = None;
    loop {
        let seen = match look(dir) {
            Ok(seen) => seen,
            Err(error) => return error.tell(),
        };
        let now = clock.elapsed();
        if seen != before {
            moved = now;
        }
        let from = *first.get_or_insert((now, seen.done));
        let whole = seen.shards > 0 && seen.open.is_empty();
        if whole || told.is_none_or(|at| now.saturating_sub(at) >= LINE && seen != before) {
            say(&format!("{}\n", line(&seen, from, now)));
            told = Some(now);
        }
        if whole {
            return Exit::Held;
        }
        if now.saturating_sub(moved) >= patience && seen.shards == 0 {
            eprintln!("{}: {}: no shard of a sweep is here: name DIR/<name> of --out DIR", program(), dir.display());
            return Exit::Usage;
        }
        if now.saturating_sub(moved) >= patience {
            let open: Vec<String> = seen.open.iter().take(20).map(u64::to_string).collect();
            let more = if seen.open.len() > 20 { format!(" and {} more", seen.open.len() - 20) } else { String::new() };
            eprintln!(
                "{}: nothing has moved for {} s: of {} shards these are not finished: {}{more}; submit them again, and \
                 each goes on from what it has",
                program(),
                patience.as_secs(),
                seen.shards,
                open.join(", "),
            );
            return Exit::Inconclusive;
        }
        before = seen;
        pause(LOOK.min(patience));
    }
}

fn line(seen: &Seen, (since, had): (Duration, u64), now: Duration) -> String {
    let Seen { runs, done, failed, shards, open } = seen;
    if *shards == 0 {
        return "no shard has begun yet".to_owned();
    }
    let finished = shards - open.len() as u64;
    let mut text = format!("{done} of {runs} runs, {failed} did not hold; {finished} of {shards} shards finished");
    let (made, took) = (done.saturating_sub(had), now.saturating_sub(since));
    if done < runs && made > 0 {
        let left = took.as_secs_f64() * (runs - done) as f64 / made as f64;
        text.push_str(&format!("; about {left:.0} s left"));
    }
    text
}

/// The sweeps in a folder: of one name, in as many shards as the first says.
fn look(dir: &Path) -> Result<Seen, FolderError> {
    // The first shard makes the folder.
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Seen::default()),
        entries => tell(entries, dir, "read the folder")?,
    };
    let is_shard = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("sweep-") && name.contains("-of-")
    };
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_shard).collect();
    folders.sort();
    if folders.is_empty() {
        // A sweep in one part has a folder without a number.
        folders.push(dir.join("sweep"));
    }
    let mut seen = Seen::default();
    let mut there = Vec::new();
    for folder in folders {
        // A shard that has just begun has no books yet.
        let Ok(manifest) = again::manifest(&folder) else { continue };
        let Shard { k, n } = manifest.shard;
        if seen.shards != 0 && (seen.shards, seen.runs) != (n, manifest.jobs) {
            let why = format!("{} is a shard of another sweep than the others", folder.display());
            return Err(FolderError::Refused(why));
        }
        (seen.shards, seen.runs) = (n, manifest.jobs);
        there.push(k);
        if count(&folder.join(RESULTS), &mut seen) {
            continue;
        }
        count(&folder.join(JOURNAL), &mut seen);
        seen.open.push(k);
    }
    seen.open.extend((1..=seen.shards).filter(|k| !there.contains(k)));
    seen.open.sort_unstable();
    Ok(seen)
}

/// Counts the results in a file, if it is there.
fn count(path: &Path, seen: &mut Seen) -> bool {
    let Ok(file) = File::open(path) else { return false };
    for line in BufReader::new(file).lines() {
        let Ok(line) = line else { break };
        let ruling =
            serde_json::from_str::<serde_json::Value>(&line).ok().and_then(|v| Some(v["ruling"].as_str()?.to_owned()));
        // The last line may be half written.
        if let Some(ruling) = ruling {
            seen.done += 1;
            seen.failed += u64::from(ruling != "pass");
        }
    }
    true
}
