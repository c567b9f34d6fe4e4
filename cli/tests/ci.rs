//! What CI shows of results: well-formed XML and annotations that are what they seem, whatever files are called.

use crate::support::{Scratch, splitbrain};
use std::fs;

/// A leader that dies, and an expectation that its death misses.
const MISSES: &str = r#"
[scenario]
name = "misses"
system = "raft"
duration = "4s"
warmup = "1s"
settle = "2s"
[cluster]
nodes = 3
[[workload]]
rate = "50/s"
[[fault]]
kind = "crash"
target = "leader"
at = "2s"
duration = "1s"
[report]
charts = false
[expect]
longest_outage = "<= 10ms"
"#;

/// Its name, its attributes, and the text behind its first tag.
type Element = (String, Vec<(String, String)>, String);

/// Elements of an XML text with their attributes and the text right behind them; panics where it is not well-formed.
fn elements(xml: &str) -> Vec<Element> {
    let mut rest = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration");
    let (mut open, mut found) = (Vec::new(), Vec::new());
    while let Some((text, tag)) = rest.split_once('<') {
        assert!(!text.contains('>'), "{text}");
        let told = plain(text);
        if let Some((_, _, behind)) = found.last_mut() {
            let behind: &mut String = behind;
            behind.push_str(&told);
        }
        let (tag, after) = tag.split_once('>').expect("a tag ends");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "what is opened last is closed first");
            continue;
        }
        let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut all = Vec::new();
        while let Some((key, value)) = attributes.split_once("=\"") {
            let (value, more) = value.split_once('"').expect("a value ends");
            all.push((key.trim().to_owned(), plain(value)));
            attributes = more;
        }
        assert!(attributes.trim().is_empty(), "{tag}");
        found.push((name.to_owned(), all, String::new()));
        if !empty {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    found
}

/// What is meant by text in which what XML needs is escaped.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut pieces = text.split('&');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, rest) = piece.split_once(';').expect("an entity ends");
        let known = [("amp", '&'), ("lt", '<'), ("gt", '>'), ("quot", '"'), ("apos", '\'')];
        let named = known.iter().find(|(entity, _)| *entity == name).map(|(_, c)| *c);
        let number = || char::from_u32(name.strip_prefix('#')?.parse().ok()?);
        out.push(named.or_else(number).unwrap_or_else(|| panic!("&{name};")));
        out.push_str(rest);
    }
    assert!(!out.contains(|c: char| c < ' ' && !"\n\r\t".contains(c)), "{out:?}");
    out
}

fn attribute<'a>(element: &'a (String, Vec<(String, String)>, String), name: &str) -> &'a str {
    element.1.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

#[test]
fn a_run_is_a_suite_of_its_rules() {
    let scratch = Scratch::new();
    let file = scratch.path().join("a<b> & \"c' ]]>\n::error::x.toml");
    fs::write(&file, MISSES).expect("a file");
    let (file, out) = (file.to_str().expect("UTF-8"), scratch.path().to_str().expect("UTF-8"));
    let ran = splitbrain(&["run", file, "raft/steady", "--out", out, "--format", "junit"]);
    assert_eq!(ran.status.code(), Some(1), "{}", ran.stderr);
    let all = elements(&ran.stdout);
    let named = |name: &str| all.iter().filter(move |one| one.0 == name).collect::<Vec<_>>();
    let suites = named("testsuite");
    assert_eq!(suites.iter().map(|one| attribute(one, "name")).collect::<Vec<_>>(), ["misses", "raft-steady"]);
    assert_eq!(suites.iter().map(|one| attribute(one, "failures")).collect::<Vec<_>>(), ["1", "0"]);
    let [whole] = named("testsuites")[..] else { panic!("{}", ran.stdout) };
    assert_eq!(attribute(whole, "tests"), named("testcase").len().to_string());
    let properties = named("property");
    assert!(properties.iter().any(|one| attribute(one, "name") == "file" && attribute(one, "value") == file));
    let [failure] = named("failure")[..] else { panic!("{}", ran.stdout) };
    assert!(attribute(failure, "message").contains("expected <= 10 ms") && failure.2.contains("<= 10 ms"));
    let failed = named("testcase").into_iter().any(|one| attribute(one, "name") == "expect.longest_outage");
    assert!(failed && named("testcase").len() > 30, "{}", ran.stdout);

    let ran = splitbrain(&["run", file, "--out", out, "--format", "github"]);
    assert_eq!(ran.status.code(), Some(1));
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let [error, notice] = lines[..] else { panic!("{}", ran.stdout) };
    assert!(error.starts_with("::error file=") && error.contains("%0A%3A%3Aerror%3A%3Ax.toml,title=misses%3A expect."));
    assert!(notice.starts_with("::notice file=") && notice.contains("0 inconclusive%0Aseed: 1%0Aagain: "), "{notice}");
}

#[test]
fn a_sweep_is_a_suite_of_its_seeds_and_told_again_from_its_results() {
    let scratch = Scratch::new();
    let file = scratch.path().join("misses.toml");
    fs::write(&file, MISSES).expect("a file");
    let (file, out) = (file.to_str().expect("UTF-8"), scratch.path().to_str().expect("UTF-8"));
    let sweep = |format: &str| {
        let vary = ["--vary", "cluster.nodes=3,5", "--set", "expect.longest_outage=<= 150ms"];
        let args = ["sweep", file, "--seeds", "1..6", "--out", out, "--format", format];
        splitbrain(&[&args[..], &vary[..]].concat())
    };
    let first = sweep("junit");
    assert_eq!(first.status.code(), Some(1), "{}", first.stderr);
    assert!(first.stderr.contains("12 runs in"), "{}", first.stderr);
    let all = elements(&first.stdout);
    let cases: Vec<_> = all.iter().filter(|one| one.0 == "testcase").collect();
    assert_eq!(cases.len(), 12);
    assert_eq!(attribute(cases[0], "name"), "seed 1 cluster.nodes=3");
    let failures: Vec<_> = all.iter().filter(|one| one.0 == "failure").collect();
    assert!(!failures.is_empty(), "{}", first.stdout);
    assert!(failures.iter().all(|one| attribute(one, "message") == "expect.longest_outage"));
    assert!(failures[0].2.contains("run ") && failures[0].2.contains(" --set cluster.nodes="), "{}", failures[0].2);
    // What is made already is only told.
    let again = sweep("junit");
    assert_eq!((again.status.code(), &again.stdout), (Some(1), &first.stdout));
    let github = sweep("github");
    // GitHub shows no more than ten.
    assert_eq!(github.stdout.matches("::error ").count(), failures.len().min(10));
    assert!(github.stdout.lines().all(|line| line.starts_with("::")), "{}", github.stdout);
}

#[test]
fn a_problem_of_a_file_stands_at_its_line() {
    let scratch = Scratch::new();
    let file = scratch.path().join("bad.toml");
    fs::write(&file, MISSES.replace("nodes = 3", "nods = 3").replace("<= 10ms", "10ms")).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let ran = splitbrain(&["check", "raft/steady", file, "--format", "github"]);
    assert_eq!(ran.status.code(), Some(2));
    let line = |word: &str| MISSES.lines().position(|line| line.contains(word)).expect("it is there") + 1;
    for word in ["nodes = 3", "<= 10ms"] {
        let place = format!("::error file={file},line={},col=", line(word));
        assert!(ran.stdout.contains(&place), "{place}\n{}", ran.stdout);
    }
    assert!(ran.stdout.contains("%0Ahelp: ") && ran.stdout.contains("::1 held, 0 failed"), "{}", ran.stdout);
    let ran = splitbrain(&["check", "raft/steady", file, "--format", "junit"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(elements(&ran.stdout).iter().filter(|one| one.0 == "failure").count() >= 2, "{}", ran.stdout);
    // A mistake of the command line has no line in the file.
    let ran = splitbrain(&["check", "raft/steady", "--set", "cluster.nods=3", "--format", "github"]);
    assert!(ran.stdout.starts_with("::error file=raft/steady,title="), "{}", ran.stdout);
}

/// All rules hold, and writes are lost: whoever sees CI's page only is told.
#[test]
fn harm_is_a_warning_though_all_held() {
    let scratch = Scratch::new();
    let out = scratch.path().to_str().expect("UTF-8");
    let on = |command: &str, more: &[&str]| {
        let file = "scenarios/library/failover/two-nodes.toml";
        let set = [command, file, "--out", out, "--set", "report.charts=false"];
        let ran = splitbrain(&[&set[..], more].concat());
        assert_eq!(ran.status.code(), Some(0), "{}", ran.stderr);
        ran.stdout
    };
    let warning = |text: &str| text.lines().find(|line| line.starts_with("::warning ")).unwrap_or_default().to_owned();
    let run = on("run", &["--format", "github"]);
    assert!(warning(&run).contains(" acknowledged writes lost"), "{run}");
    let sweep = on("sweep", &["--seeds", "1..3", "--format", "github"]);
    assert!(warning(&sweep).contains("lost writes: in 3 of 3 runs"), "{sweep}");
    let junit = on("run", &["--format", "junit"]);
    assert!(junit.contains("<property name=\"caution\" value=\""), "{junit}");
}
