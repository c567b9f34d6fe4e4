//! Pages that show commands: what stands below a command is what it prints.

use super::{Ran, Scratch, command, ended, root};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Lines that are left out.
const LEFT_OUT: &str = "...";
/// What a command begins with.
const PROMPT: &str = "$ splitbrain ";

/// Whether pages are made anew instead of being held to what is printed.
pub fn updating() -> bool {
    std::env::var_os("SPLITBRAIN_UPDATE").is_some()
}

/// The arguments of a command line, with single quotes around some.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (i, piece) in line.split('\'').enumerate() {
        match i % 2 {
            0 => words.extend(piece.split_whitespace().map(str::to_owned)),
            _ => words.push(piece.to_owned()),
        }
    }
    words
}

/// A folder in which the commands of a page find what a checkout has.
pub fn checkout() -> Scratch {
    let scratch = Scratch::new();
    for folder in ["scenarios", "fixtures"] {
        #[cfg(unix)]
        std::os::unix::fs::symlink(root().join(folder), scratch.path().join(folder)).expect("a link");
    }
    scratch
}

/// Holds a page to what is printed: the commands of its `console` blocks are run, in order, in `scratch`, where a block of
/// `toml NAME` is the file of that name, as it stands there from then on. A line `...` stands for any number of lines. With
/// `SPLITBRAIN_UPDATE=1` the page is made anew: where only figures have changed, the same lines are left out.
pub fn hold(page: &str, scratch: &Scratch, least: usize) {
    let path = root().join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
    let mut made = Made { scratch, fresh: String::new(), wrong: Vec::new(), renamed: Vec::new(), commands: 0 };
    let mut lines = text.lines().enumerate().peekable();
    while let Some((_, line)) = lines.next() {
        made.line(line);
        let Some(block) = line.strip_prefix("```").filter(|block| !block.is_empty()) else { continue };
        let mut inside = Vec::new();
        while let Some((number, line)) = lines.next_if(|(_, line)| !line.starts_with("```")) {
            inside.push((number + 1, line));
        }
        match block.strip_prefix("toml ") {
            Some(name) => {
                inside.iter().for_each(|(_, line)| made.line(line));
                let file: String = inside.iter().map(|(_, line)| format!("{line}\n")).collect();
                fs::write(scratch.path().join(name), file).expect("a file");
            }
            None if block == "console" => made.console(&inside),
            None => inside.iter().for_each(|(_, line)| made.line(line)),
        }
        if let Some((_, line)) = lines.next() {
            made.line(line);
        }
    }
    assert!(made.commands >= least, "{page} shows {} commands", made.commands);
    if updating() {
        fs::write(&path, &made.fresh).expect("the page can be written");
    } else {
        assert!(made.wrong.is_empty(), "{page}\n{}\nSPLITBRAIN_UPDATE=1 renews it", made.wrong.join("\n"));
    }
}

/// A page while it is made.
struct Made<'a> {
    scratch: &'a Scratch,
    fresh: String,
    wrong: Vec<String>,
    /// What has another name than the page says: old, new.
    renamed: Vec<(String, String)>,
    commands: usize,
}

impl Made<'_> {
    fn line(&mut self, line: &str) {
        let line = self.renamed.iter().fold(line.to_owned(), |line, (old, new)| line.replace(old, new));
        writeln!(self.fresh, "{line}").expect("into memory");
    }

    /// A block of commands, each with what it prints.
    fn console(&mut self, inside: &[(usize, &str)]) {
        let starts: Vec<usize> = (0..inside.len()).filter(|i| inside[*i].1.starts_with(PROMPT)).collect();
        assert_eq!(starts.first().copied(), (!inside.is_empty()).then_some(0), "a block begins with `{PROMPT}`");
        for (i, start) in starts.iter().enumerate() {
            let (number, line) = inside[*start];
            let line = self.renamed.iter().fold(line.to_owned(), |line, (old, new)| line.replace(old, new));
            let end = starts.get(i + 1).copied().unwrap_or(inside.len());
            let shown: Vec<&str> = inside[start + 1..end].iter().map(|(_, line)| *line).collect();
            let args = words(line.strip_prefix(PROMPT).expect("it begins like that"));
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            let ran = ended(command(&args).current_dir(self.scratch.path()).output().expect("the binary runs"));
            let printed = printed(&ran);
            let printed: Vec<&str> = printed.trim_end().lines().map(str::trim_end).collect();
            self.commands += 1;
            self.line(&line);
            if let Some(missing) = missing(&shown, &printed) {
                self.wrong.push(format!("line {number}: `{line}` does not print: {missing}\n{}", printed.join("\n")));
                let renamed = next(&shown).zip(next(&printed)).filter(|(old, new)| old != new);
                renewed(&shown, &printed).iter().for_each(|line| writeln!(self.fresh, "{line}").expect("into memory"));
                self.renamed.extend(renamed);
            } else {
                shown.iter().for_each(|line| self.line(line));
            }
        }
    }
}

/// What a person sees, but for how long it took.
fn printed(ran: &Ran) -> String {
    match ran.status.code() {
        Some(0 | 1 | 3) => ran.stdout.clone(),
        Some(2) => format!("{}{}", ran.stdout, ran.stderr),
        other => panic!("ended with {other:?}: {}{}", ran.stdout, ran.stderr),
    }
}

/// The folder of the failing run that a sweep names last.
fn next(printed: &[&str]) -> Option<String> {
    printed.iter().find_map(|line| line.strip_prefix("next: splitbrain shrink ")).map(str::to_owned)
}

/// The first line that is shown and not printed there, if any is.
fn missing<'a>(shown: &[&'a str], printed: &[&str]) -> Option<&'a str> {
    let shown: Vec<&str> = shown.iter().map(|line| line.trim_end()).collect();
    let end = shown.iter().rposition(|line| !line.is_empty()).map_or(0, |at| at + 1);
    let (mut rest, mut skips) = (printed, false);
    for line in &shown[..end] {
        let at = rest.iter().position(|printed| printed == line);
        match at {
            _ if *line == LEFT_OUT => skips = true,
            Some(at) if at == 0 || skips => (rest, skips) = (&rest[at + 1..], false),
            _ => return Some(line),
        }
    }
    (!rest.is_empty() && !skips).then_some("its last line only")
}

/// A line without its figures.
fn shape(line: &str) -> String {
    let plain = |c: char| c.is_alphabetic() || "_-/[]".contains(c);
    line.chars().filter(|c| plain(*c)).collect()
}

/// What is printed now, without the lines that were left out before, if they can be told.
fn renewed(shown: &[&str], printed: &[&str]) -> Vec<String> {
    let whole = || printed.iter().map(|line| (*line).to_owned()).collect();
    if !shown.contains(&LEFT_OUT) {
        return whole();
    }
    let (mut fresh, mut at) = (Vec::new(), 0);
    for line in shown.iter().filter(|line| **line != LEFT_OUT) {
        let Some(found) = printed[at..].iter().position(|printed| shape(printed) == shape(line)) else {
            return whole();
        };
        fresh.extend((found > 0).then(|| LEFT_OUT.to_owned()));
        fresh.push(printed[at + found].to_owned());
        at += found + 1;
    }
    fresh.extend((at < printed.len()).then(|| LEFT_OUT.to_owned()));
    fresh
}

/// Holds a picture to what the program draws.
pub fn same_picture(shown: &Path, drawn: &Path) {
    let drawn_bytes = fs::read(drawn).unwrap_or_else(|error| panic!("{}: {error}", drawn.display()));
    if updating() {
        fs::write(shown, &drawn_bytes).expect("docs can be written");
    }
    let same = fs::read(shown).is_ok_and(|bytes| bytes == drawn_bytes);
    assert!(same, "{} is not what {} is now; SPLITBRAIN_UPDATE=1 renews it", shown.display(), drawn.display());
}

/// Holds a whole page to what it is made of.
pub fn same_page(page: &str, text: &str) {
    let path = root().join(page);
    if updating() {
        fs::write(&path, text).expect("the page can be written");
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    let differs = there.lines().zip(text.lines()).position(|(a, b)| a != b);
    let at = differs.unwrap_or_else(|| there.lines().count().min(text.lines().count())) + 1;
    assert!(there == text, "{page}:{at} is not what the code says now; SPLITBRAIN_UPDATE=1 renews it");
}

/// What the comparison itself promises.
pub fn holds_what_it_should() {
    let printed = ["one 1", "", "two 2", "three 3"];
    let is = |shown: &[&str]| missing(shown, &printed).is_none();
    assert!(is(&printed) && is(&["one 1", "...", "three 3", ""]) && is(&["...", "two 2", "three 3"]) && is(&["..."]));
    assert!(!is(&["one 1", "two 2", "three 3"]) && !is(&["one 1", "..", "three 3"]) && !is(&["one 1"]));
    assert!(!is(&["...", "two 2"]) && !is(&["two 2", "..."]) && !is(&["three 3", "...", "one 1"]) && !is(&[]));
    let old = ["one 7", "...", "three 4"];
    assert_eq!(renewed(&old, &printed), ["one 1", "...", "three 3"]);
    assert_eq!(renewed(&["...", "four 4"], &printed), printed);
}
