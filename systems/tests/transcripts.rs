//! Transcripts: text files that drive a protocol by hand, and what happened, kept beside them. Read the `.snap` files.

use std::path::Path;

/// Runs every transcript in the folder of one protocol, of which there are so many at least.
fn as_reviewed(protocol: &str, least: usize, run: impl Fn(&str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/transcripts").join(protocol);
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the transcripts are there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "txt"))
        .collect();
    files.sort();
    assert!(files.len() >= least, "only {} transcripts", files.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for file in files {
            let name = file.file_stem().expect("has a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&file).expect("readable");
            insta::assert_snapshot!(name, run(&text));
        }
    });
}

#[test]
fn transcripts_of_raft_are_as_reviewed() {
    as_reviewed("raft", 12, crate::support::script::tell::<crate::support::Raft>);
}

#[test]
fn transcripts_of_paxos_are_as_reviewed() {
    as_reviewed("paxos", 11, crate::support::script::tell::<crate::support::Paxos>);
}

#[test]
fn transcripts_of_failover_are_as_reviewed() {
    as_reviewed("failover", 2, crate::support::script::tell::<systems::control::failover::Failover>);
}
