//! Whatever the text, reading it ends with a scenario or with problems that can be shown.

use crate::common::{Only, files, root};
use proptest::prelude::*;
use scenarios::history::{ModelName, Reading, TransactionModel, judge, judge_transactions};
use scenarios::{Beside, Files, Override, Text, expand, parse, to_toml};
use sim_core::transactions::Level;
use std::path::Path;

fn read(text: &str, json: bool, sets: &[Override]) {
    let folder = Beside::new(&root().join("fixtures/latency/x.toml"));
    match parse(&Text { name: "fuzz", text, json, overrides: sets, files: &folder }, &Only) {
        Ok(scenario) => {
            // What can be read can be resolved, and that can be read again.
            let schedule = expand(&scenario, scenario.seed);
            let resolved = to_toml(&scenario, &schedule, scenario.seed);
            let again =
                parse(&Text { name: "again", text: &resolved, json: false, overrides: &[], files: &folder }, &Only);
            let again = again.unwrap_or_else(|errors| panic!("{text}\n\n{resolved}\n\n{errors}"));
            assert_eq!(again, scenario.resolved(&schedule, scenario.seed), "{text}\n\n{resolved}");
            assert_eq!(expand(&again, again.seed).injections(), schedule.injections(), "{text}\n\n{resolved}");
        }
        Err(errors) => {
            assert!(!errors.list().is_empty());
            assert!(!errors.render(true).is_empty());
        }
    }
}

fn good_files() -> Vec<String> {
    let mut all = files(&root().join("scenarios/library"), &["toml"]);
    all.extend(files(&root().join("fixtures/valid"), &["toml"]));
    all.extend(files(&root().join("fixtures/invalid"), &["toml"]));
    all.into_iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

/// So many inputs of each kind in every test; `make fuzz` asks for more.
fn cases(few: u32) -> ProptestConfig {
    let asked = std::env::var("FUZZ_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig::with_cases(asked.unwrap_or(few))
}

/// The texts of all files in these folders of `fixtures`.
fn corpus(folders: &[&str]) -> Vec<String> {
    let of = |folder: &&str| std::fs::read_dir(root().join("fixtures").join(folder)).expect("a folder");
    let mut paths: Vec<_> = folders.iter().flat_map(of).flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.into_iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

/// Where, from where, how much and how.
type Edit = (usize, usize, usize, u8);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    proptest::collection::vec((any::<usize>(), any::<usize>(), 1_usize..12, any::<u8>()), 1..8)
}

/// Letters that mean something to whoever reads histories, tables or traces.
const LETTERS: &str = "{}[](),;:#\"'\\\n\r\t -+.e01958nilé\u{feff}\u{0}";

/// The text with letters replaced, left out, doubled and brought in from elsewhere.
fn scrambled(text: &str, edits: &[Edit]) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let bring: Vec<char> = LETTERS.chars().collect();
    for (at, from, many, how) in edits {
        let length = letters.len().max(1);
        let (at, from) = (at % length, from % length);
        let part: Vec<char> = letters.iter().copied().skip(from).take(many * many).collect();
        match how % 5 {
            0 if at < letters.len() => letters[at] = bring[from % bring.len()],
            1 => drop(letters.drain(at.min(letters.len())..(at + many).min(letters.len()))),
            2 => letters.insert(at.min(letters.len()), bring[from % bring.len()]),
            3 => drop(letters.splice(at.min(letters.len())..at.min(letters.len()), part)),
            _ => letters.truncate(letters.len() - many.min(&(letters.len() / 2))),
        }
    }
    letters.into_iter().collect()
}

/// A history, by every model there is.
fn judge_all(text: &str) {
    for model in ModelName::ALL {
        if let Err(errors) = judge("fuzz", text, model, &Reading::default(), 2_000, &mut || true) {
            assert!(!errors.render(true).is_empty());
        }
    }
    use TransactionModel::{Bank, ListAppend, LongFork, RwRegister};
    for model in [Bank, ListAppend, LongFork, RwRegister] {
        if let Err(errors) = judge_transactions("fuzz", text, model, Level::Serializable, None) {
            assert!(!errors.render(true).is_empty());
        }
    }
}

/// Every file beside the scenario has this text.
struct Everywhere(String);

impl Files for Everywhere {
    fn read(&self, _: &str) -> Result<String, (String, String)> {
        Ok(self.0.clone())
    }
}

/// A scenario whose tables of latency and recorded process have this text.
fn beside(text: &str) {
    let path = root().join("fixtures/valid/every-key.toml");
    let scenario = std::fs::read_to_string(Path::new(&path)).expect("it is there");
    let files = Everywhere(text.to_owned());
    let of = Text { name: "fuzz", text: &scenario, json: false, overrides: &[], files: &files };
    match parse(&of, &Only) {
        Ok(scenario) => drop(expand(&scenario, scenario.seed)),
        Err(errors) => assert!(!errors.render(true).is_empty()),
    }
}

/// Words that mean something somewhere in the format, so that mutations reach deep.
const WORDS: &[&str] = &[
    "0",
    "-1",
    "1",
    "7",
    "1.5",
    "nan",
    "inf",
    "true",
    "false",
    "[]",
    "{}",
    "\"\"",
    "\"n1\"",
    "\"n9\"",
    "\"zone:a\"",
    "\"leader\"",
    "\"all\"",
    "\"0s\"",
    "\"1ns\"",
    "\"59s\"",
    "\"100d\"",
    "\"1ms..2ms\"",
    "\"2ms..1ms\"",
    "\"100%\"",
    "\"0%\"",
    "\"partition\"",
    "\"packet\"",
    "\"clock\"",
    "\"disk\"",
    "\"slow\"",
    "\"trigger\"",
    "\"machine:m1\"",
    "{ kind = \"Vote\", count = 2 }",
    "{ fact = \"voted\", node = \"leader\" }",
    "{ good_to_bad = \"1%\", bad_to_good = 0.5 }",
    "\"groups\"",
    "\"one_way\"",
    "\"bridge\"",
    "[[\"n1\"], [\"n2\"]]",
    "[\"n1\", \"n2\"]",
    "\"1/s\"",
    "99999999999999999999",
    "2026-01-01",
    "\"500ppm\"",
    "\"-5s\"",
    "{ dist = \"lognormal\", median = \"1ms\", p99 = \"9ms\" }",
    "{ matrix = \"three-regions.csv\" }",
    "\"1 Mbit\"",
    "\"é\u{1F4A5}\"",
    "'''\n'''",
];

fn mutate(text: &str, edits: &[(usize, usize, u8)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for (line, word, how) in edits {
        if lines.is_empty() {
            break;
        }
        let at = line % lines.len();
        let value = WORDS[word % WORDS.len()];
        let key = lines[at].split('=').next().unwrap_or("").trim().to_owned();
        match how % 6 {
            0..=2 if lines[at].contains('=') => lines[at] = format!("{key} = {value}"),
            3 => drop(lines.remove(at)),
            4 => {
                let copy = lines[word % lines.len()].clone();
                lines.insert(at, copy);
            }
            _ => lines[at] = lines[at].chars().skip(word % 5).collect(),
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn arbitrary_text(text in "\\PC{0,300}") {
        read(&text, false, &[]);
        read(&text, true, &[]);
    }

    #[test]
    fn text_that_looks_like_toml(text in "([\\[\\]{}=\"'.,#\n \
        a-z0-9\\-\\\\é]|scenario|cluster|fault|duration|\"1s\"){0,120}") {
        read(&text, false, &[]);
        read(&text, true, &[]);
    }

    #[test]
    fn text_that_looks_like_json(text in "([\\[\\]{}:\",\n \
        0-9eE+\\-.\\\\u]|\"scenario\"|\"cluster\"|null|true){0,120}") {
        read(&text, true, &[]);
    }

    #[test]
    fn mutated_files(
        which in any::<usize>(),
        edits in proptest::collection::vec((any::<usize>(), any::<usize>(), any::<u8>()), 1..8),
    ) {
        let files = good_files();
        read(&mutate(&files[which % files.len()], &edits), false, &[]);
    }

    #[test]
    fn scrambled_histories(which in any::<usize>(), edits in edits()) {
        let all = corpus(&["histories", "transactions"]);
        judge_all(&scrambled(&all[which % all.len()], &edits));
    }

    #[test]
    fn scrambled_tables_and_traces(which in any::<usize>(), edits in edits()) {
        let all = corpus(&["latency", "processes"]);
        beside(&scrambled(&all[which % all.len()], &edits));
    }

    #[test]
    fn arbitrary_histories_tables_and_traces(text in "([\\[\\]{}:\",;#\n \\-+.e]|[0-9]{1,20}|:invoke|:ok|:f|n1\
        |PERIODICITY){0,60}") {
        judge_all(&text);
        beside(&text);
    }

    #[test]
    fn arbitrary_overrides(sets in proptest::collection::vec(
        "[a-z]{1,9}(\\.([a-z_]{1,9}|[0-9])){0,3}=\\PC{0,20}|\\PC{0,30}", 0..4,
    )) {
        let files = good_files();
        let sets: Vec<Override> = sets.into_iter().map(Override::new).collect();
        read(&files[0], false, &sets);
    }
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("{a=", "}")] {
        let text = format!("x = {}1{}", open.repeat(100_000), close.repeat(100_000));
        read(&text, false, &[]);
        read(&text[4..], true, &[]);
        read("a = 1", false, &[Override::new(format!("x={}", &text[4..]))]);
    }
    read(&format!("{} = 1", vec!["a"; 100_000].join(".")), false, &[]);
    read("a = 1", false, &[Override::new(format!("{}=1", vec!["a"; 10_000].join(".")))]);
}
