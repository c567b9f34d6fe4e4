//! A run's files are whole or absent, and a report made again from them is the same.

use crate::sample::cases;
use reports::{Beside, LoadError, analyse, load, write, write_history, write_record, write_whole};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// An empty folder of its own for each test.
fn folder(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    dir
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_report_made_again_from_its_files_is_the_same() {
    let dir = folder("again");
    let record = cases::short();
    write_record(&dir, &record).unwrap();
    write_history(&dir, &record).unwrap();
    let report = analyse(&record);
    write(&dir, &report, &record, &Beside::default(), true).unwrap();
    let read = load(&dir).unwrap();
    assert_eq!(read, record);
    let again = folder("again-2");
    write(&again, &analyse(&read), &read, &Beside::default(), true).unwrap();
    for name in ["report.json", "report.md", "report.html", "charts/availability.svg", "charts/availability.png"] {
        assert!(fs::read(dir.join(name)).unwrap() == fs::read(again.join(name)).unwrap(), "{name} differs");
    }
    assert_eq!(names(&dir), ["charts", "history.jsonl", "record.json", "report.html", "report.json", "report.md"]);
    assert_eq!(names(&dir.join("charts")).len(), 12);
}

#[test]
fn the_picture_of_a_contradiction_is_on_both_pages() {
    let dir = folder("witness");
    let record = cases::short();
    let read = reports::Witnessed {
        client: "c5".into(),
        request: "read".into(),
        answer: Some("7".into()),
        start: 1,
        end: Some(2),
        place: None,
    };
    let witness =
        reports::Witness { finding: "c5: read 7".into(), about: "x".into(), operations: vec![read], timed: true };
    let page = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    write(&dir, &analyse(&record), &record, &Beside { witness: Some(&witness), ..Beside::default() }, true).unwrap();
    assert!(page("report.html").contains("id=\"linearizability\""));
    assert!(
        page("report.md").contains("](charts/linearizability.png)") && dir.join("charts/linearizability.png").exists()
    );
    // Without it there is none, and nothing that refers to it.
    write(&dir, &analyse(&record), &record, &Beside::default(), true).unwrap();
    assert!(!page("report.html").contains("linearizability\"") && !page("report.md").contains("linearizability.png"));
}

#[test]
fn the_golden_record_is_read_and_judged_as_ever() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/records/short");
    if std::env::var_os("WRITE_FIXTURES").is_some() {
        fs::create_dir_all(&dir).unwrap();
        let record = cases::short();
        write_record(&dir, &record).unwrap();
        write_history(&dir, &record).unwrap();
    }
    let record = load(&dir).unwrap();
    let report = analyse(&record);
    insta::assert_snapshot!("short_json", report.to_json());
    insta::assert_snapshot!("short_markdown", reports::markdown(&report, &reports::draw(&report, &record)));
}

#[test]
fn requests_and_responses_beside_an_operation_are_skipped() {
    let dir = folder("extra");
    let record = cases::short();
    write_record(&dir, &record).unwrap();
    write_whole(&dir.join("history.jsonl"), |out| {
        for op in &record.ops {
            let mut line = serde_json::to_value(op).unwrap();
            line["request"] = serde_json::json!({ "put": ["k1", "a"] });
            line["response"] = serde_json::json!(null);
            writeln!(out, "{line}")?;
        }
        Ok(())
    })
    .unwrap();
    assert_eq!(load(&dir).unwrap(), record);
}

#[test]
fn damage_is_told_with_file_and_line() {
    let dir = folder("damage");
    let message = |dir: &Path| load(dir).unwrap_err().to_string().replace(&format!("{}/", dir.display()), "");
    assert_eq!(message(&dir), "cannot read record.json: no such file or folder");
    let record = cases::short();
    write_record(&dir, &record).unwrap();
    assert_eq!(message(&dir), "cannot read history.jsonl: no such file or folder");
    write_history(&dir, &record).unwrap();
    let whole = fs::read(dir.join("history.jsonl")).unwrap();
    fs::write(dir.join("history.jsonl"), &whole[..whole.len() - 20]).unwrap();
    assert!(matches!(load(&dir), Err(LoadError::Truncated { line, .. }) if line == record.ops.len() as u64));
    fs::write(dir.join("history.jsonl"), "{\"client\": 1}\n").unwrap();
    assert!(message(&dir).starts_with("history.jsonl: line 1 is not an operation: missing field"), "{}", message(&dir));
    fs::write(dir.join("record.json"), "{\"schema_version\": 7}").unwrap();
    assert_eq!(
        message(&dir),
        "record.json: schema version 7, but this program reads version 1: run the scenario again"
    );
    fs::write(dir.join("record.json"), "").unwrap();
    assert!(message(&dir).starts_with("record.json: not a record of a run:"));
}

#[test]
fn nothing_half_written_stays() {
    let dir = folder("half");
    fs::write(dir.join("report.md"), "before").unwrap();
    let error = write_whole(&dir.join("report.md"), |out| {
        out.write_all(b"half")?;
        Err(std::io::Error::from(std::io::ErrorKind::StorageFull))
    })
    .unwrap_err();
    assert!(error.to_string().ends_with("report.md: the disk is full"), "{error}");
    assert_eq!(names(&dir), ["report.md"]);
    assert_eq!(fs::read_to_string(dir.join("report.md")).unwrap(), "before");
    // A file where the folder should be.
    let record = cases::one_operation();
    let error = write(&dir.join("report.md"), &analyse(&record), &record, &Beside::default(), true).unwrap_err();
    assert!(error.to_string().contains("report.md/charts"), "{error}");
    assert!(error.to_string().ends_with("a part of the path is not a folder"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_as_such() {
    // A device on which every write finds the disk full.
    let Ok(mut full) = fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    let dir = folder("full");
    let error = write_whole(&dir.join("report.json"), |_| full.write_all(b"x")).unwrap_err();
    assert!(error.to_string().ends_with("the disk is full"), "{error}");
    assert!(names(&dir).is_empty());
}
