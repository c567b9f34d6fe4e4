//! What people read: the terminal summary under snapshot, and pages that hold what they must.

use crate::sample::cases;
use reports::{Beside, Setup, SetupPart, SetupZone, analyse, draw, html, markdown, summary};
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
        assert!(narrow.lines().count() <= 32, "{narrow}");
    }
}

/// A usual terminal has 80 columns, and half a window fewer.
#[test]
fn what_does_not_fit_a_line_goes_on_in_the_next() {
    let mut report = analyse(&cases::leader_crash());
    let cause = "slow links between zones a and b: 1.4 s there and back, of 200 ms that an operation may take";
    let worst = report.worst_outage().expect("a leader crashed").start_ns;
    let outages = &mut report.availability.outages;
    outages.iter_mut().find(|o| o.start_ns == worst).expect("it is one of them").cause = cause.into();
    for width in [60, 80, 100] {
        let text = summary(&report, Path::new("runs/x/1"), width, false);
        assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
        let row = |label: &str| {
            let mut lines = text.lines().skip_while(|line| !line.starts_with(label));
            let first = lines.next().expect(label)[14..].to_owned();
            let rest = lines.take_while(|line| line.starts_with("  "));
            rest.fold(first, |text, line| text + " " + line.trim_start())
        };
        assert!(row("worst").contains(cause), "in {width} columns: {text}");
        assert!(row("availability").contains(" nines)") && row("outages").contains(" late"), "{text}");
        assert!(width < 80 || row("load").contains(" times the mean"), "{text}");
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
        let page = html(&report, &record, &charts, &Beside::default());
        // A part of a drawing may be named within it.
        let elsewhere = page.replace("url(#", "");
        assert!(!page.contains("<script src") && !page.contains("@import") && !elsewhere.contains("url("));
        let links = page.replace("http://www.w3.org/2000/svg", "");
        assert!(!links.contains("http"), "{}", record.scenario);
        // All that were drawn: those that the script draws anew are there for browsers without.
        let pictures = page.split("<script").next().expect("a page").matches("<svg").count();
        assert_eq!(pictures, charts.len(), "{}", record.scenario);
    }
}

/// The first line of a run's moments.
const HEAD: &str = "{\"at_ns\":0,\"event\":\"trace\",\"schema_version\":1,\"version\":\"0\",\"scenario\":\"x\",\
                    \"system\":\"x\",\"seed\":1,\"nodes\":3,\"holds\":\"moments\"}\n";

#[test]
fn names_from_outside_are_not_markup() {
    let mut record = cases::short();
    let evil = "</script><script>alert(1)</script><!--";
    record.title = "<script>alert(1)</script> | a".into();
    record.faults[0].label = "<b>crash</b> & more | x".into();
    record.nodes[0].name = "n<1>".into();
    record.zones[0] = evil.into();
    let line = |event: &str, more: &str| format!("{{\"at_ns\":5000000000,\"event\":\"{event}\"{more}}}\n");
    let moments = HEAD.to_owned() + &line("role", &format!(",\"node\":\"n<1>\",\"kind\":\"{evil}\",\"rank\":1"));
    let setup = Setup {
        zones: vec![SetupZone { name: evil.into(), nodes: vec![(evil.into(), evil.into())], clients: 1 }],
        parts: vec![SetupPart { name: "workload".into(), keys: vec![(evil.into(), evil.into())] }],
        text: evil.into(),
        ..Setup::default()
    };
    let report = analyse(&record);
    let beside = Beside { setup: Some(&setup), moments: &moments, ..Beside::default() };
    let page = html(&report, &record, &draw(&report, &record), &beside);
    assert!(!page.contains("<b>") && !page.contains("alert(1)</script>"));
    assert_eq!((page.matches("<script").count(), page.matches("</script>").count()), (2, 2));
    let text = markdown(&report, &[]);
    assert!(text.contains("\\<b>crash\\</b> & more \\| x"), "{text}");
}

/// The data that the page's script draws.
fn data(page: &str) -> serde_json::Value {
    let (_, rest) = page.split_once("id=\"data\">").expect("data");
    serde_json::from_str(rest.split("</script>").next().expect("an end")).expect("JSON")
}

#[test]
fn the_messages_of_a_moment_become_arrows() {
    let record = cases::failing();
    let report = analyse(&record);
    let moment = &reports::moments::of(&report, &record)[0];
    let mut text = HEAD.to_owned();
    let mut line =
        |after: u64, rest: &str| text.push_str(&format!("{{\"at_ns\":{},{rest}}}\n", moment.from_ns + after));
    let ask = "\"from\":\"n1\",\"to\":\"n2\",\"kind\":\"Ask\"";
    line(0, "\"event\":\"role\",\"node\":\"n1\",\"kind\":\"leader\",\"rank\":3");
    line(10, &format!("\"event\":\"sent\",{ask},\"id\":1,\"due_ns\":{},\"detail\":\"one\"", moment.from_ns + 40));
    line(20, &format!("\"event\":\"sent\",{ask},\"id\":2,\"due_ns\":{},\"detail\":\"two\"", moment.from_ns + 60));
    line(40, &format!("\"event\":\"delivered\",{ask},\"id\":1"));
    line(41, &format!("\"event\":\"delivered\",{ask},\"id\":1"));
    line(50, &format!("\"event\":\"dropped\",{ask},\"id\":2,\"why\":\"loss\""));
    line(55, &format!("\"event\":\"delivered\",{ask},\"id\":9"));
    line(60, "\"event\":\"crashed\",\"node\":\"n1\",\"detail\":\"\"");
    line(70, "\"event\":\"cut\"");
    let page = html(&report, &record, &[], &Beside { moments: &text, ..Beside::default() });
    let data = data(&page);
    let shown = &data["moments"]["list"][0];
    // Arrived, lost, arrived twice, and one that was sent before.
    let states: Vec<_> = shown["m"].as_array().expect("messages").iter().map(|m| (&m[0], &m[1], &m[6])).collect();
    let told = serde_json::json!([[10, 40, 0], [20, 50, 1], [10, 41, 0], [-1, 55, 0]]);
    assert_eq!(serde_json::json!(states), told);
    assert_eq!((&shown["cut"], &data["moments"]["whys"][0]), (&70.into(), &"loss".into()));
    assert_eq!(shown["down"][0][1], 60);
    assert_eq!(data["roles"]["rows"][0][1][0][3], 3);
}

#[test]
fn a_long_run_with_many_faults_makes_a_page_that_can_be_opened() {
    let record = cases::storm();
    let report = analyse(&record);
    let moments = reports::moments::of(&report, &record);
    assert!(!moments.is_empty() && moments.len() <= 24);
    assert!(moments.windows(2).all(|pair| pair[0].to_ns < pair[1].from_ns), "they do not overlap");
    let page = html(&report, &record, &draw(&report, &record), &Beside::default());
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
}
