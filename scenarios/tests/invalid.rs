//! What bad input gets: the diagnostics of every file in `fixtures/invalid`, and of what is not a file at all.

use crate::common::{Only, files, parse, root};
use scenarios::load;
use std::path::Path;

fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(root().join("fixtures/invalid/expected"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

#[test]
fn every_invalid_file_gets_its_diagnostics() {
    let paths = files(&root().join("fixtures/invalid"), &["toml", "json"]);
    assert!(paths.len() >= 40, "only {} files", paths.len());
    settings().bind(|| {
        for path in paths {
            let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
            // Relative, so that the snapshot is the same on every machine.
            let diagnostics = load(&Path::new("../fixtures/invalid").join(name), &[], &Only);
            let diagnostics = diagnostics.map(|s| s.name).expect_err(name);
            for diagnostic in diagnostics.list() {
                assert!(!diagnostic.what.is_empty(), "{name}: a problem without a word");
            }
            insta::assert_snapshot!(name, diagnostics.render(false));
        }
    });
}

#[test]
fn what_is_not_a_file_is_said() {
    let said = |path: &str| load(Path::new(path), &[], &Only).map(|s| s.name).expect_err(path).render(false);
    insta::assert_snapshot!(said("../fixtures/invalid/emty.toml"));
    insta::assert_snapshot!(said("../fixtures/no-such-folder/x.toml"));
    insta::assert_snapshot!(said("../fixtures/invalid"));
}

const GOOD: &str = "
[scenario]
name = \"x\"
system = \"raft\"
duration = \"60s\"
[cluster]
nodes = 3
[[workload]]
rate = \"100/s\"
[[fault]]
kind = \"crash\"
target = \"n1\"
at = \"10s\"
duration = \"1s\"
";

#[test]
fn overrides_are_checked_like_the_file() {
    let set = |set: &str| parse(GOOD, &[set]).map(|s| s.name).expect_err(set).render(false);
    let all = [
        "scenario.duration",
        "scenario.duration=1 fortnight",
        "scenario.durration=1h",
        "scenaro.duration=1h",
        "scenario.duration.x=1h",
        "fault.1.at=3s",
        "fault.first.at=3s",
        "fault.0.at=70s",
        "fault.0.target=n4",
        "fault..at=3s",
        "workload=none",
        "system.pre_vot=false",
        "=",
        "expect.availability=>= 999%",
    ];
    insta::assert_snapshot!(all.map(set).join("\n"));
}

#[test]
fn overrides_change_what_they_name() {
    let scenario = parse(
        GOOD,
        &[
            "scenario.duration=1h",
            "fault.0.at=3s",
            "system.pre_vote=false",
            "cluster.zones=[\"a\",\"b\"]",
            "scenario.title=a = b",
        ],
    )
    .unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(scenario.duration.to_string(), "3600s");
    assert_eq!(scenario.faults[0].at.to_string(), "3s");
    assert_eq!(scenario.options["pre_vote"], toml::Value::Boolean(false));
    assert_eq!(scenario.cluster.zones, ["a", "b"]);
    assert_eq!(scenario.title, "a = b");
}
