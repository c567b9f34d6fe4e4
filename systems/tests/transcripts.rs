//! Transcripts: text files that drive Raft by hand, and what happened, kept beside them. Read the `.snap` files.

mod support;

use std::path::Path;

#[test]
fn transcripts_are_as_reviewed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/transcripts/raft");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .expect("the transcripts are there")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "txt"))
        .collect();
    files.sort();
    assert!(files.len() >= 12, "only {} transcripts", files.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for file in files {
            let name = file.file_stem().expect("has a name").to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&file).expect("readable");
            insta::assert_snapshot!(name, support::script::run(&text));
        }
    });
}
