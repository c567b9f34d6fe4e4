//! Forecasts: what has a closed form comes out of it, and what makes no sense is refused.

use crate::support::{Scratch, splitbrain};

fn forecast(text: &str, more: &[&str]) -> crate::support::Ran {
    let scratch = Scratch::new();
    let file = scratch.path().join("design.toml");
    std::fs::write(&file, text).expect("can be written");
    splitbrain(&[&["forecast", file.to_str().expect("UTF-8")], more].concat())
}

fn design(nodes: u32, hazards: &str) -> String {
    format!(
        "[scenario]\nname = \"design\"\nsystem = \"raft\"\nduration = \"20s\"\n[cluster]\nnodes = {nodes}\n\
         [[workload]]\nclients = 2\nrate = \"20/s\"\n{hazards}"
    )
}

const MACHINES: &str = "[[hazard]]\nof = \"machine\"\nevery = \"10d\"\nrepair = \"1d\"\n";

fn down(text: &str, more: &[&str]) -> (f64, f64, f64, serde_json::Value) {
    let made = forecast(text, &[&["--format", "json"], more].concat());
    assert_eq!(made.status.code(), Some(0), "{}", made.stderr);
    let json: serde_json::Value = serde_json::from_str(&made.stdout).expect("JSON");
    let number = |key: &str| json[key].as_f64().expect("a number");
    (number("down"), number("low"), number("high"), json.clone())
}

const YEAR: f64 = 365.25 * 86_400.0;

#[test]
fn repairable_units_are_down_as_the_closed_forms_have_it() {
    let u = 1.0 / 11.0_f64;
    // One machine; then two of three are needed.
    for (nodes, share) in [(1, u), (3, 3.0 * u * u * (1.0 - u) + u * u * u)] {
        let (down, low, high, _) = down(&design(nodes, MACHINES), &["--samples", "4000", "--runs", "2"]);
        assert!((down / YEAR / share - 1.0).abs() < 0.02, "{nodes}: {} for {share}", down / YEAR);
        assert!((low..=high).contains(&(share * YEAR)), "{nodes}: {low} to {high}");
    }
}

#[test]
fn each_hazard_has_its_part() {
    let deploys = "[[hazard]]\nof = \"deploy\"\nevery = \"30d\"\nrepair = \"2s\"\nlaw = \"fixed\"\n";
    let hazards = format!("{MACHINES}{deploys}");
    let (whole, .., json) = down(&design(3, &hazards), &["--samples", "1000", "--runs", "2"]);
    let part = |i: usize, key: &str| json["hazards"][i][key].as_f64().expect("a number");
    assert!((part(0, "failures") / (3.0 * 365.25 / 11.0) - 1.0).abs() < 0.03);
    assert!((part(1, "failures") / (365.25 / 30.0) - 1.0).abs() < 0.03);
    assert!((part(0, "down") + part(1, "down")) / whole > 0.95);
    // Nearly all comes of machines: without them little is left, with half their repair about a quarter.
    assert!(part(0, "saves_without") > 0.95 * whole);
    assert!((0.6..0.85).contains(&(part(0, "saves_sooner") / whole)), "{json}");
    assert!(json["hazards"][1]["saves_sooner"].is_null());
    // The same command, the same bytes.
    let again = |_| forecast(&design(3, &hazards), &["--samples", "100", "--runs", "2"]).stdout;
    assert_eq!(again(0), again(1));
}

#[test]
fn a_deploy_waits_for_its_window() {
    let deploys = "[[hazard]]\nof = \"deploy\"\nevery = \"10d\"\nrepair = \"2s\"\nlaw = \"fixed\"\n";
    let window = "window = \"Sun 02:00..04:00\"\n";
    let failures = |text: &str| {
        let (.., json) = down(&design(3, text), &["--samples", "1000", "--runs", "2"]);
        json["hazards"][0]["failures"].as_f64().expect("a number")
    };
    // What is due on another day waits until the next Sunday: every other one.
    assert!((failures(deploys) / (365.25 / 10.0) - 1.0).abs() < 0.02);
    assert!((failures(&format!("{deploys}{window}")) / (365.25 / 14.0) - 1.0).abs() < 0.02);
}

#[test]
fn windows_that_make_no_sense_are_refused_with_their_lines() {
    let hazard = |of: &str, window: &str| {
        format!("[[hazard]]\nof = \"{of}\"\nevery = \"7d\"\nrepair = \"2s\"\nwindow = \"{window}\"\n")
    };
    let wrong = [
        ("deploy", "Sun 04:00..02:00"),
        ("deploy", "Sun 02:00..02:00"),
        ("deploy", "Sonntag 02:00..04:00"),
        ("disk", "Sun 02:00..04:00"),
    ];
    let wrong: String = wrong.map(|(of, window)| hazard(of, window)).concat();
    let refused = forecast(&design(3, &wrong), &[]);
    assert_eq!(refused.status.code(), Some(2), "{}", refused.stdout);
    // Each with its line.
    for says in [
        ":14:",
        "is upside down",
        "`02:00..04:00`",
        ":19:",
        "is empty",
        ":24:",
        "there is no day `Sonntag`",
        ":29:",
        "only a deploy waits",
    ] {
        assert!(refused.stderr.contains(says), "{says}: {}", refused.stderr);
    }
}

#[test]
fn a_member_that_is_cut_off_takes_no_clients_with_it() {
    // Alone in its zone; the others go on, and its zone's clients ask them.
    let links = "[[hazard]]\nof = \"link\"\nevery = \"10d\"\nrepair = \"1d\"\n";
    let text = design(5, links).replace("nodes = 5", "nodes = 5\nzones = [\"a\", \"b\", \"c\"]");
    let (whole, ..) = down(&text, &["--samples", "200", "--runs", "2", "--set", "hazard.0.repair=1m"]);
    let failures = 5.0 * 365.25 / 10.0;
    assert!(whole < failures * 10.0, "{} s each", whole / failures);
}

#[test]
fn what_makes_no_sense_is_refused_all_at_once() {
    let wrong = "[[hazard]]\nof = \"machines\"\nevery = \"1h\"\nrepair = \"2h\"\n[[hazard]]\nof = \"zone\"\nevery = \"9d\"\n\
                 [[hazard]]\nof = \"deploy\"\nevery = \"9d\"\nrepair = \"2h\"\nlaw = \"fixed\"\nshape = 2\n";
    let refused = forecast(&design(3, wrong), &[]);
    assert_eq!(refused.status.code(), Some(2));
    for says in ["machines", "it would always be down", "repair", "at most a minute", "only `law = \"weibull\"`"] {
        assert!(refused.stderr.contains(says), "{says}: {}", refused.stderr);
    }
    let none = forecast(&design(3, ""), &[]);
    assert_eq!(none.status.code(), Some(2));
    assert!(none.stderr.contains("has no [[hazard]]"), "{}", none.stderr);
    let zero = forecast(&design(3, MACHINES), &["--years", "0"]);
    assert_eq!(zero.status.code(), Some(2));
    assert!(zero.stderr.contains("more than 0"), "{}", zero.stderr);
}

/// Files of one folder, side by side.
fn side_by_side(texts: &[String], more: &[&str]) -> crate::support::Ran {
    let scratch = Scratch::new();
    let file = |(number, text): (usize, &String)| {
        let file = scratch.path().join(format!("design-{number}.toml"));
        std::fs::write(&file, text).expect("can be written");
        file.to_str().expect("UTF-8").to_owned()
    };
    let files: Vec<String> = texts.iter().enumerate().map(file).collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    splitbrain(&[&["compare", "--forecast"], &files[..], more].concat())
}

#[test]
fn designs_are_set_side_by_side_over_the_same_years() {
    let u = 1.0 / 11.0_f64;
    let three = 3.0 * u * u * (1.0 - u) + u * u * u;
    let designs = [design(1, MACHINES), design(3, MACHINES), design(3, MACHINES)];
    let more = ["--samples", "4000", "--runs", "2", "--format", "json"];
    let ran = side_by_side(&designs, &more);
    assert_eq!(ran.status.code(), Some(0), "{}", ran.stderr);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let number = |path: &str| json.pointer(path).and_then(serde_json::Value::as_f64).expect(path);
    for (side, share) in [(0, u), (1, three)] {
        let down = number(&format!("/designs/{side}/down"));
        assert!((down / YEAR / share - 1.0).abs() < 0.02, "{side}: {}", down / YEAR);
        assert!((number(&format!("/designs/{side}/hazards/0/down")) / down - 1.0).abs() < 0.02, "{json}");
    }
    let difference = (three - u) * YEAR;
    assert!((number("/differences/0/down") / difference - 1.0).abs() < 0.02, "{json}");
    assert!((number("/differences/0/low")..=number("/differences/0/high")).contains(&difference), "{json}");
    assert!(number("/differences/0/high") < 0.0);
    let said = json["conclusion"][0].as_str().expect("a sentence");
    assert!(said.starts_with("B (design-1) is down for less time than A (design-0): "), "{said}");

    // A design and itself: the years are the same, and nothing is left of them.
    let ran = side_by_side(&designs[1..], &more);
    let json: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    assert_eq!(json["differences"][0]["down"], 0.0);
    assert!(json["conclusion"][0].as_str().is_some_and(|said| said.starts_with("No difference shown")), "{json}");
}

#[test]
fn the_values_of_a_field_are_set_side_by_side_for_people() {
    let more = ["--vary", "hazard.0.repair=1d,12h", "--samples", "200", "--runs", "2", "--years", "2"];
    let ran = side_by_side(&[design(3, MACHINES)], &more);
    assert_eq!(ran.status.code(), Some(0), "{}", ran.stderr);
    for says in
        ["2 designs  forecasts for 2 years", "again: ", "B (hazard.0.repair=12h) is down for less", "down after"]
    {
        assert!(ran.stdout.contains(says), "{says}: {}", ran.stdout);
    }
}

#[test]
fn what_cannot_be_set_side_by_side_is_refused_all_at_once() {
    let slower = MACHINES.replace("repair = \"1d\"", "repair = \"2d\"");
    let ran = side_by_side(&[design(3, MACHINES), design(3, ""), design(5, &slower)], &["--years", "0"]);
    assert_eq!(ran.status.code(), Some(2), "{}", ran.stdout);
    for says in [
        "design-1.toml has no [[hazard]]",
        "--years 0: more than 0",
        "design-2.toml: its hazards are not those of",
        "hazard.0 is machine every 10d, repair 2d, not machine every 10d, repair 1d",
    ] {
        assert!(ran.stderr.contains(says), "{says}: {}", ran.stderr);
    }
    for (args, word) in [(["--seeds", "1..9"], "--seeds"), (["--out", "there"], "--out")] {
        let ran = side_by_side(&[design(3, MACHINES), design(5, MACHINES)], &args);
        assert_eq!(ran.status.code(), Some(2), "{word}");
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
    }
}
