//! Transcripts of runs: `fixtures/transcripts/*/*.trace`. The head of each says which scenario is run, with what changed,
//! and which lines of its trace are kept; what follows is those lines. `SPLITBRAIN_UPDATE=1` writes them anew.

use crate::support::{Scratch, root, splitbrain};
use rayon::prelude::*;
use std::path::{Path, PathBuf};

/// The head of a transcript.
#[derive(Debug, Default)]
struct Head<'a> {
    run: &'a str,
    sets: Vec<&'a str>,
    span: Vec<&'a str>,
    keep: Vec<&'a str>,
    drop: Vec<&'a str>,
}

impl<'a> Head<'a> {
    fn of(text: &'a str) -> Self {
        let mut head = Head::default();
        for line in text.lines().map_while(|line| line.strip_prefix("# ")) {
            let listed = |all: &'a str| all.split(" | ").map(str::trim);
            match line.split_once(": ") {
                Some(("run", name)) => head.run = name,
                Some(("set", set)) => head.sets.extend(["--set", set]),
                Some(("span", span)) => head.span = span.split(' ').collect(),
                Some(("keep", all)) => head.keep.extend(listed(all)),
                Some(("drop", all)) => head.drop.extend(listed(all)),
                _ => {}
            }
        }
        assert!(!head.run.is_empty() && !head.keep.is_empty(), "the head says what is run, and what is kept: {text}");
        head
    }

    /// The lines of the trace of that run that it asks for.
    fn lines(&self) -> String {
        let scratch = Scratch::new();
        let out = scratch.path().join("runs");
        let out = out.to_str().expect("a path of letters");
        let ran = splitbrain(&[&["run", self.run, "--trace", "--out", out], &self.sets[..]].concat());
        assert!([Some(0), Some(1), Some(3)].contains(&ran.status.code()), "{}: {}{}", self.run, ran.stdout, ran.stderr);
        let name = self.run.replace('/', "-");
        let dir = format!("{out}/{name}/latest");
        let ends = self.span.iter().zip(["--from", "--to"]).flat_map(|(time, flag)| [flag, *time]);
        let shown = splitbrain(&[&["trace", &dir], &ends.collect::<Vec<_>>()[..]].concat());
        assert_eq!(shown.status.code(), Some(0), "{}", shown.stderr);
        let has = |all: &[&str], line: &str| all.iter().any(|part| line.contains(part));
        let kept = shown.stdout.lines().filter(|line| has(&self.keep, line) && !has(&self.drop, line));
        kept.map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

fn transcripts(of: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(of).expect("fixtures are there").map(|entry| entry.expect("it can be read").path());
    let mut all: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { transcripts(&path) } else { vec![path] }).collect();
    all.retain(|path| path.extension().is_some_and(|extension| extension == "trace"));
    all.sort();
    all
}

#[test]
fn runs_go_as_their_transcripts_say() {
    let all = transcripts(&root().join("fixtures/transcripts"));
    assert!(all.len() >= 6, "{all:?}");
    all.par_iter().for_each(|path| {
        let text = std::fs::read_to_string(path).expect("a transcript can be read");
        let body = text.find("\n\n").map_or(text.len(), |at| at + 2);
        let lines = Head::of(&text).lines();
        assert!(lines.lines().count() >= 10, "{}: its head keeps next to nothing:\n{lines}", path.display());
        if std::env::var_os("SPLITBRAIN_UPDATE").is_some() {
            let head = text[..body].trim_end();
            std::fs::write(path, format!("{head}\n\n{lines}")).expect("fixtures can be written");
        } else {
            assert_eq!(text[body..], lines, "{}: if that is meant, SPLITBRAIN_UPDATE=1", path.display());
        }
    });
}
