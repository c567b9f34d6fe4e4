//! What people read: the terminal summary under snapshot, and pages that hold what they must.

use crate::sample::cases;
use reports::{analyse, draw, html, markdown, summary};
use std::path::Path;

#[test]
fn summaries() {
    for record in cases::all() {
        let report = analyse(&record);
        let dir = format!("runs/{}/{}", record.scenario, record.seed);
        let text = summary(&report, Path::new(&dir), 100, false);
        assert!(text.lines().count() <= 24, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        insta::assert_snapshot!(format!("summary_{}", record.scenario), text);
        let narrow = summary(&report, Path::new(&dir), 60, true);
        assert!(narrow.lines().count() <= 24);
    }
}

#[test]
fn colour_takes_no_columns() {
    let report = analyse(&cases::failing());
    let plain = summary(&report, Path::new("runs/x/1"), 80, false);
    let coloured = summary(&report, Path::new("runs/x/1"), 80, true);
    let mut stripped = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once("\u{1b}[") {
        stripped.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    stripped.push_str(rest);
    assert_eq!(stripped, plain);
    assert!(coloured.contains("\u{1b}["));
}

#[test]
fn the_page_needs_nothing_from_anywhere() {
    for record in cases::all() {
        let report = analyse(&record);
        let charts = draw(&report, &record);
        let page = html(&report, &charts);
        assert!(!page.contains("<script") && !page.contains("@import") && !page.contains("url("));
        let links = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!links.contains("http"), "{}", record.scenario);
        // All that were drawn, but for the anatomy of outages where there were none.
        let shown = charts.len() - usize::from(report.availability.outages.is_empty());
        assert_eq!(page.matches("<svg").count(), shown, "{}", record.scenario);
    }
}

#[test]
fn names_from_outside_are_not_markup() {
    let mut record = cases::short();
    record.title = "<script>alert(1)</script> | a".into();
    record.faults[0].label = "<b>crash</b> & more | x".into();
    record.nodes[0].name = "n<1>".into();
    let report = analyse(&record);
    let page = html(&report, &draw(&report, &record));
    assert!(!page.contains("<script") && !page.contains("<b>"));
    let text = markdown(&report, &[]);
    assert!(text.contains("\\<b>crash\\</b> & more \\| x"), "{text}");
}
