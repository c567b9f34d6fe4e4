//! Files that an option names: their text travels with the scenario, and what is wrong in them is said at its place.

use crate::common::StandIn;
use scenarios::{AnySystem, Diagnostics, Files, Override, Registry, Scenario, Text, expand, notes, to_toml};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sim_core::workload::Load;
use sim_core::{Duration, FileProblem, FileReading, FileText, Invalid, LoadUnit, Node, Shape, System};
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// Files with a word in each line, none of which may be `wrong`.
    words: Vec<FileText>,
    more: u32,
}

impl sim_core::Options for Options {
    type Config = ();

    fn configure(&self, _: &Shape) -> Result<(), Vec<Invalid>> {
        let what = "no words".to_owned();
        let none = Invalid { key: "words", what, help: String::new() };
        if self.words.is_empty() { Err(vec![none]) } else { Ok(()) }
    }
}

/// The stand-in, with an option that names files.
struct Reader;

impl System for Reader {
    const NAME: &'static str = "reader";
    const ABOUT: &'static str = "reads files";
    const TIMERS: u16 = 1;
    const LOAD: LoadUnit = LoadUnit::Requests;
    type Node = <StandIn as System>::Node;
    type Client = <StandIn as System>::Client;
    type Checks = <StandIn as System>::Checks;
    type Options = Options;

    fn read_files(option: &str, files: &[FileText]) -> FileReading {
        assert_eq!(option, "words");
        let lines = files.iter().enumerate().flat_map(|(file, one)| {
            one.text.lines().enumerate().map(move |(line, text)| (file, line as u32 + 1, text))
        });
        let wrong = lines.clone().filter(|(_, _, text)| text.contains("wrong")).map(|(file, line, text)| FileProblem {
            file,
            line,
            column: text.chars().take_while(|c| *c != 'w').count() as u32 + 1,
            what: "a wrong word".to_owned(),
            help: "another".to_owned(),
        });
        FileReading { problems: wrong.collect(), notes: vec![format!("{} words", lines.count())] }
    }
    fn client(config: &<Self::Node as Node>::Config, load: Load) -> Self::Client {
        StandIn::client(config, load)
    }
    fn checks(config: &<Self::Node as Node>::Config) -> Self::Checks {
        StandIn::checks(config)
    }
}

/// Files in memory.
struct Memory(BTreeMap<&'static str, &'static str>);

impl Files for Memory {
    fn read(&self, path: &str) -> Result<String, (String, String)> {
        let text = self.0.get(path).map(|text| (*text).to_owned());
        text.ok_or_else(|| ("there is no such file".to_owned(), String::new()))
    }
}

const SCENARIO: &str = "[scenario]\nname = \"x\"\nsystem = \"reader\"\nduration = \"9s\"\n[cluster]\nnodes = 3\n\
                        [probe]\nenabled = true\n[system]\nwords = [\"a.txt\", \"b.txt\"]\n";

fn registry() -> Registry {
    Registry::new().with::<Reader>()
}

fn read(text: &str, files: &[(&'static str, &'static str)], set: &[Override]) -> Result<Scenario, Diagnostics> {
    let files = Memory(files.iter().copied().collect());
    scenarios::parse(&Text { name: "x.toml", text, json: false, overrides: set, files: &files }, &registry())
}

#[test]
fn the_text_of_a_file_travels_with_the_scenario() {
    assert_eq!(registry().get("reader").map(AnySystem::file_options), Some(vec!["words".to_owned()]));
    let scenario =
        read(SCENARIO, &[("a.txt", "one\n\"two\"\n"), ("b.txt", "\u{fc}\\\r\n\n")], &[]).expect("it is sound");
    assert_eq!(scenario.duration, Duration::secs(9));
    let resolved = to_toml(&scenario, &expand(&scenario, 7), 7);
    let again = read(&resolved, &[], &[]).expect("it needs no other file");
    assert_eq!(again.options, scenario.options);
    assert!(resolved.contains("file = \"a.txt\""), "{resolved}");
    assert!(notes(&scenario, &registry()).contains(&"4 words".to_owned()));
    // Other files can be had on the command line.
    let set = [Override::new("system.words=[\"c.txt\"]")];
    let other = read(SCENARIO, &[("c.txt", "three\n")], &set).expect("it is sound");
    assert!(notes(&other, &registry()).contains(&"1 words".to_owned()));
}

/// What is wrong: in which file, at which line and column, and what.
type Wrong = (String, Option<(usize, usize)>, String);

fn wrong(text: &str, files: &[(&'static str, &'static str)]) -> Vec<Wrong> {
    let problems = read(text, files, &[]).expect_err("it is not sound");
    let place = |one: &scenarios::Diagnostic| one.place.as_ref().map(|place| (place.line, place.column));
    problems.list().iter().map(|one| (one.file.clone(), place(one), one.what.clone())).collect()
}

#[test]
fn what_is_wrong_in_a_file_is_said_at_its_place_there() {
    let files = [("a.txt", "fine\nis \u{fc} wrong\n"), ("b.txt", "wrong")];
    let of = |file: &str, line, column| (file.to_owned(), Some((line, column)), "a wrong word".to_owned());
    assert_eq!(wrong(SCENARIO, &files), [of("a.txt", 2, 6), of("b.txt", 1, 1)]);
    // The same of a resolved scenario, and with mistakes of the scenario itself.
    let both = SCENARIO.replace("\"a.txt\", ", "{ file = \"a.txt\", text = \"wrong\" }, ").replace("9s", "9");
    let found = wrong(&both, &files[1..]);
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[1..], [of("a.txt", 1, 1), of("b.txt", 1, 1)]);
}

#[test]
fn what_is_no_file_is_said() {
    let first = |words: &str| {
        let text = SCENARIO.replace("[\"a.txt\", \"b.txt\"]", words);
        let found = wrong(&text, &[("a.txt", "fine")]);
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].2.clone()
    };
    assert_eq!(first("\"a.txt\""), "`words` should be a list of files, not a string");
    assert_eq!(first("[\"a.txt\", \"b.txt\"]"), "`b.txt`: there is no such file");
    assert_eq!(first("[\"a.txt\", 3]"), "`words` lists files, not a whole number");
    assert_eq!(first("[{ file = \"a.txt\" }]"), "`words` has a table that is no file");
    assert_eq!(first("[{ file = \"a\", text = \"b\", more = 1 }]"), "`words` has a table that is no file");
    assert_eq!(first("[]"), "no words");
}
