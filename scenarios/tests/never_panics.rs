//! Whatever the text, reading it ends with a scenario or with problems that can be shown.

use crate::common::{Only, files, root};
use proptest::prelude::*;
use scenarios::{Beside, Override, Text, expand, parse, to_toml};

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
    #![proptest_config(ProptestConfig::with_cases(400))]

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
