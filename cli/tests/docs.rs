//! What the README and docs/experiments.md show is what the program does: every block that begins with `$ splitbrain` is run,
//! in order, in a folder of its own, and every line it shows must come out, in that order; pictures must be those that
//! come of it, byte for byte. With `SPLITBRAIN_UPDATE=1` blocks and pictures are made anew (blocks whole: shorten them by
//! hand), so that what reads oddly in the text around them can be seen in the difference.

use crate::support::{Scratch, ended, root, splitbrain};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn updating() -> bool {
    std::env::var_os("SPLITBRAIN_UPDATE").is_some()
}

/// A block that shows a command and what it prints: from which line on, and to which.
struct Block {
    from: usize,
    to: usize,
    command: String,
}

fn blocks(lines: &[&str]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<usize> = None;
    for (number, line) in lines.iter().enumerate() {
        if !line.starts_with("```") {
            continue;
        }
        match open.take() {
            None => open = Some(number + 1),
            Some(from) => {
                if let Some(command) = lines[from].strip_prefix("$ splitbrain ") {
                    blocks.push(Block { from: from + 1, to: number, command: command.to_owned() });
                }
            }
        }
    }
    blocks
}

/// The first line that does not come out behind those before it.
fn missing<'a>(shown: &[&'a str], printed: &str) -> Option<&'a str> {
    let mut rest = printed.lines().map(str::trim_end);
    shown
        .iter()
        .map(|line| line.trim_end())
        .filter(|line| !line.is_empty())
        .find(|line| !rest.any(|real| real == *line))
}

/// The folder of the failing run that a sweep names last.
fn next(printed: &str) -> Option<String> {
    printed.lines().find_map(|line| line.strip_prefix("next: splitbrain shrink ")).map(str::to_owned)
}

/// A line with the new name of something instead of the old one.
fn with(line: &str, renamed: Option<&(String, String)>) -> String {
    renamed.map_or_else(|| line.to_owned(), |(old, new)| line.replace(old, new))
}

/// Holds a picture to what the program draws.
fn same_picture(shown: &Path, drawn: &Path) {
    let drawn_bytes = fs::read(drawn).unwrap_or_else(|error| panic!("{}: {error}", drawn.display()));
    if updating() {
        fs::write(shown, &drawn_bytes).expect("docs can be written");
    }
    let same = fs::read(shown).is_ok_and(|bytes| bytes == drawn_bytes);
    assert!(same, "{} is not what {} is now; SPLITBRAIN_UPDATE=1 renews it", shown.display(), drawn.display());
}

#[test]
fn the_experiment_is_what_happens() {
    let file = root().join("docs/experiments.md");
    let text = fs::read_to_string(&file).expect("it is there");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let borrowed: Vec<&str> = text.lines().collect();
    let blocks = blocks(&borrowed);
    assert!(blocks.len() >= 5, "only {} commands", blocks.len());
    // The commands are those of somebody who stands in a checkout; what they write goes elsewhere.
    let scratch = Scratch::new();
    #[cfg(unix)]
    std::os::unix::fs::symlink(root().join("scenarios"), scratch.path().join("scenarios")).expect("a link");
    let mut wrong = Vec::new();
    // In their places once blocks have been renewed, and with the folder of a failing run as it is called now.
    let (mut shift, mut renamed) = (0_isize, None);
    for block in &blocks {
        let shown: Vec<&str> = borrowed[block.from..block.to].to_vec();
        let command = with(&block.command, renamed.as_ref());
        let args: Vec<&str> = command.split_whitespace().collect();
        let ran = ended(crate::support::command(&args).current_dir(scratch.path()).output().expect("the binary runs"));
        assert!(ran.status.code().is_some_and(|code| code < 2), "{command}: {}", ran.stderr);
        let Some(line) = missing(&shown, &ran.stdout) else { continue };
        wrong.push(format!("line {}: `{command}` does not print: {line}", block.from + 1));
        if !updating() {
            continue;
        }
        // Before what is fresh comes in, which may well speak of another folder by the old name.
        if renamed.is_none() {
            renamed = next(&shown.join("\n")).zip(next(&ran.stdout));
            lines.iter_mut().for_each(|line| *line = with(line, renamed.as_ref()));
        }
        let (from, to) = ((block.from as isize + shift) as usize, (block.to as isize + shift) as usize);
        let fresh: Vec<String> = ran.stdout.trim_end().lines().map(|line| line.trim_end().to_owned()).collect();
        shift += fresh.len() as isize - (to - from) as isize;
        lines.splice(from..to, fresh);
    }
    if updating() {
        fs::write(&file, lines.join("\n") + "\n").expect("docs can be written");
    } else {
        assert!(wrong.is_empty(), "{}\nSPLITBRAIN_UPDATE=1 renews the blocks", wrong.join("\n"));
    }
    let failures = scratch.path().join("runs/raft-chaos/sweep/failures");
    let bisected =
        fs::read_dir(failures).expect("failures").flatten().map(|e| e.path().join("charts/bug-probability.png"));
    same_picture(
        &root().join("docs/bug-probability.png"),
        &bisected.filter(|png| png.exists()).min().expect("a chart"),
    );
}

/// The folder of a run of this file.
fn run(file: &Path, out: &Path) -> PathBuf {
    let ran = splitbrain(&["run", file.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert_eq!(ran.status.code(), Some(0), "{}{}", ran.stdout, ran.stderr);
    let name = fs::read_dir(out).expect("a run").flatten().map(|e| e.path()).next().expect("a folder");
    name.join("latest").canonicalize().expect("latest points at the run")
}

#[test]
fn the_readme_shows_what_comes_of_it() {
    let readme = fs::read_to_string(root().join("README.md")).expect("it is there");
    let scratch = Scratch::new();
    // Its scenario, pasted, gives the picture above it.
    let scenario = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a scenario");
    let file = scratch.path().join("pasted.toml");
    fs::write(&file, scenario).expect("can be written");
    let dir = run(&file, &scratch.path().join("a"));
    same_picture(&root().join("docs/leader-crash.png"), &dir.join("charts/availability.png"));
    // It does not show a run in which nothing happens.
    let report: Value = serde_json::from_slice(&fs::read(dir.join("report.json")).expect("a report")).expect("JSON");
    let outages = report["availability"]["outages"].as_array().expect("outages").len();
    assert!(outages >= 3, "the leader crashes three times and there are {outages} outages");
    let dir = run(&root().join("scenarios/library/failover/two-nodes.toml"), &scratch.path().join("b"));
    same_picture(&root().join("docs/two-primaries.png"), &dir.join("charts/track-leaders.png"));
    // What it says of that picture is what was measured.
    let text = fs::read_to_string(dir.join("report.md")).expect("a report");
    let caption = readme.lines().find(|line| line.contains("docs/two-primaries.png")).expect("a caption");
    let between =
        |from: &str, to: &str| caption.split_once(from).and_then(|(_, rest)| rest.split_once(to)).expect("a figure").0;
    let (apart, lost) = (between("accept writes for ", ","), between(", and ", " are lost"));
    assert!(text.contains(&format!("two primaries for {apart}")), "two primaries for {apart}?\n{text}");
    assert!(text.contains(&format!("{lost} of ")), "{lost} lost?\n{text}");
}
