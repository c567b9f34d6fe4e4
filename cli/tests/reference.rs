//! The pages in `docs/reference/` are made of the code: of the keys that the reader of scenarios obeys, of what `list` says and of
//! `--help`. With `SPLITBRAIN_UPDATE=1` they are made anew.

use crate::support::pages::same_page;
use crate::support::{Scratch, splitbrain};
use core::fmt::Write;
use scenarios::keys::{EXPECT, FAULT, KEYS, KINDS, Key, LATENCY, ROOT, SHAPES, Section, Takes, Unit};
use serde_json::Value;

/// What `list` says.
fn list(what: &str) -> Value {
    let ran = splitbrain(&["list", what, "--format", "json"]);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("list {what}: {error}: {}", ran.stderr))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Text in a cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}

fn code(words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    words.into_iter().map(|word| format!("`{}`", word.as_ref())).collect::<Vec<_>>().join(", ")
}

/// A page: what it is, then a line for those who would edit it.
fn page(title: &str, about: &str) -> String {
    format!(
        "# {title}\n\n{about}\n\n<!-- Made of the code by cli/tests/reference.rs; SPLITBRAIN_UPDATE=1 makes it anew. -->\n"
    )
}

fn row(out: &mut String, cells: &[&str]) {
    writeln!(out, "| {} |", cells.join(" | ")).expect("into memory");
}

fn table(out: &mut String, heads: &[&str]) {
    out.push('\n');
    row(out, heads);
    writeln!(out, "|{}", "---|".repeat(heads.len())).expect("into memory");
}

fn heading(out: &mut String, level: usize, text: &str) {
    write!(out, "\n{} {text}\n", "#".repeat(level)).expect("into memory");
}

/// What a key takes, for people.
fn takes(takes: Takes) -> String {
    match takes {
        Takes::Text => "text".into(),
        Takes::Name => "a name: letters, digits, `-`, `_`, `.`".into(),
        Takes::Flag => "`true` or `false`".into(),
        Takes::Count(lo, hi) if hi >= i64::MAX as u64 => format!("a whole number, {lo} or more"),
        Takes::Count(lo, hi) => format!("a whole number, {lo} to {hi}"),
        Takes::Seed => "a whole number".into(),
        Takes::Attempts => "a whole number, or `\"unlimited\"`".into(),
        Takes::Duration => "a time: `\"50ms\"`".into(),
        Takes::Moment => "a time, or a range: `\"9s..11s\"`".into(),
        Takes::SignedDuration => "a time, `\"-50ms\"` too".into(),
        Takes::Offsets => "a range: `\"-5ms..5ms\"`".into(),
        Takes::Drift => "a rate: `\"500ppm\"`".into(),
        Takes::Drifts => "a range: `\"-50ppm..50ppm\"`".into(),
        Takes::Latency => "a time, a range, or [a latency](#a-latency)".into(),
        Takes::Probability => "a share: `\"0.1%\"` or `0.001`".into(),
        Takes::Number(lo, hi) => format!("a number, {lo} to {hi}"),
        Takes::Rate => "a rate: `\"400/s\"`".into(),
        Takes::Size => "a size: `\"64 KiB\"`".into(),
        Takes::Bandwidth => "a bandwidth: `\"100 Mbit\"`".into(),
        Takes::Target => "[a target](faults.md#targets), or a list of nodes and zones".into(),
        Takes::Groups => "lists of targets".into(),
        Takes::Path => "a file beside the scenario".into(),
        Takes::Routing => "`\"sticky\"`, `\"random\"` or a node".into(),
        Takes::Word(words) => code(words),
        Takes::Machines => "a number, or a list of names".into(),
        Takes::Texts => "a list of texts".into(),
        Takes::Durations => "a list of times".into(),
        Takes::End => "a node, `zone:a`, or `clients`".into(),
        Takes::Ends => "a list of two ends".into(),
        Takes::Bound(Unit::Fraction) => "`\">= 99.5%\"`".into(),
        Takes::Bound(Unit::Time) => "`\"<= 1s\"`".into(),
        Takes::Bound(Unit::Count) => "`\"== 0\"`".into(),
        Takes::Bound(Unit::Number) => "`\"<= 1.5\"`".into(),
        Takes::KeySpace => "a number, or [keys](#keys)".into(),
        Takes::Weights => "a table: `{ get = 9, put = 1 }`".into(),
        Takes::Table(inner) => format!("a table, {}", link(inner)),
        Takes::Tables(inner) => format!("tables, {}", link(inner)),
        Takes::Options => "[the system's options](systems.md)".into(),
        Takes::Scale => "a range of factors: `\"0.2..5\"`".into(),
        Takes::Alternatives(_) => "a table of lists of values".into(),
    }
}

/// Where a section stands.
fn link(section: &Section) -> String {
    match section.name {
        "[[fault]]" => "[`[[fault]]`](faults.md)".into(),
        name => {
            let anchor: String = name.chars().filter(|c| c.is_alphanumeric() || *c == ' ').collect();
            format!("[`{name}`](#{})", anchor.replace(' ', "-"))
        }
    }
}

fn keys<'a>(out: &mut String, keys: impl Iterator<Item = &'a Key>) {
    table(out, &["key", "takes", "without it", "meaning"]);
    for key in keys {
        let default = if key.default.is_empty() { String::new() } else { cell(key.default) };
        row(out, &[&format!("`{}`", key.name), &takes(key.takes), &default, &cell(key.about)]);
    }
}

/// A section and those below it, each once. What is the same in a section before (links have their keys in three places) is only named.
fn section(out: &mut String, of: &'static Section, done: &mut Vec<&'static Section>) {
    if done.iter().any(|one| core::ptr::eq(*one, of)) || core::ptr::eq(of, &FAULT) {
        return;
    }
    let same = |key: &Key, other: &Key| (key.name, key.default, key.about) == (other.name, other.default, other.about);
    let before = done.iter().find_map(|one| {
        let shared: Vec<&Key> = of.keys.iter().filter(|key| one.keys.iter().any(|other| same(key, other))).collect();
        (shared.len() > 3).then_some((one.name, shared))
    });
    done.push(of);
    heading(out, 2, &of.name.replace("a scenario", "The file"));
    let shared = before.as_ref().map_or(&[][..], |(_, shared)| shared);
    let own: Vec<&Key> = of.keys.iter().filter(|key| !shared.iter().any(|other| core::ptr::eq(*key, *other))).collect();
    let own: Vec<&Key> = own.into_iter().filter(|key| !matches!(key.takes, Takes::Bound(_))).collect();
    if !own.is_empty() {
        keys(out, own.into_iter());
    }
    if let Some((name, shared)) = &before {
        let names = code(shared.iter().map(|key| key.name));
        writeln!(out, "\nAs in `{name}`, and without a word of its own as there: {names}.").expect("into memory");
    }
    if core::ptr::eq(of, &EXPECT) {
        writeln!(out, "\nAnd a bound for each of the [metrics](metrics.md), such as `availability = \">= 99.5%\"`.")
            .expect("it fits");
    }
    for key in of.keys {
        match key.takes {
            Takes::Table(inner) | Takes::Tables(inner) => section(out, inner, done),
            Takes::Latency => section(out, &LATENCY, done),
            Takes::KeySpace => section(out, &KEYS, done),
            _ => {}
        }
    }
}

#[test]
fn the_scenario_file() {
    let about = "Every key that a scenario may have. Only `[scenario]` with `name`, `system` and `duration`, and `[cluster]` with its \
                 machines, must be there. `splitbrain schema` prints the same for editors, as a JSON schema.";
    let mut out = page("The scenario file", about);
    section(&mut out, &ROOT, &mut Vec::new());
    assert!(out.contains("## [network]") && out.contains("`connection_timeout`"));
    same_page("docs/reference/scenario.md", &out);
}

/// Whom faults may aim at, each with an example that is checked.
const TARGETS: &[(&str, &str, &str)] = &[
    ("`n3`, `[\"n1\", \"zone:b\"]`", "n3", "a node, or a list of nodes and zones"),
    ("`zone:b`", "zone:b", "all nodes of a zone; a partition takes the clients there along"),
    ("`machine:m1`", "machine:m1", "all nodes that one machine carries"),
    (
        "`leader`, `a follower`, `role:primary`",
        "a follower",
        "one node of that role, as the system calls it, when the fault fires",
    ),
    ("`every:follower`", "every:follower", "all of that role"),
    ("`zone_of:leader`, `machine_of:leader`", "zone_of:leader", "where one of that role is"),
    (
        "`worker`, `worker:3`, `every:worker`, `zone_of:worker:3`",
        "",
        "of a group of machines: one of them, the third, all, the zone of the third",
    ),
    ("`random`", "random", "any member of the cluster"),
    (
        "`minority`, `minority_with:leader`",
        "minority_with:leader",
        "less than half of the members, drawn; with one of that role among them",
    ),
    ("`one_more_than_a_minority`", "one_more_than_a_minority", "just as many as it takes to lose a majority"),
    ("`most_behind`", "most_behind", "who has got the least far"),
    ("`trigger`", "trigger", "with `after`: the node at which it happened"),
    ("`all`", "all", "everybody"),
];

#[test]
fn faults() {
    let about = "What a `[[fault]]` may say: first what all kinds understand, then each kind's own. All of them run in the simulator, under \
                 whatever system.";
    let mut out = page("Faults", about);
    heading(&mut out, 2, "Every kind");
    let of = |kind: Option<&'static str>| {
        FAULT.keys.iter().filter(move |key| kind.map_or(key.kinds.is_empty(), |kind| key.kinds.contains(&kind)))
    };
    let inner = |out: &mut String, key: &Key| {
        let Takes::Table(inner) = key.takes else { return };
        writeln!(out, "\n`{} = {{ ... }}`:", key.name).expect("into memory");
        keys(out, inner.keys.iter());
    };
    keys(&mut out, of(None).filter(|key| key.name != "kind"));
    of(None).for_each(|key| inner(&mut out, key));
    heading(&mut out, 2, "Targets");
    table(&mut out, &["target", "whom it hits"]);
    TARGETS.iter().for_each(|(names, _, about)| row(&mut out, &[names, about]));
    for kind in KINDS {
        heading(&mut out, 2, &format!("`kind = \"{kind}\"`"));
        if of(Some(kind)).next().is_none() {
            writeln!(out, "\nNothing beside what every kind has.").expect("into memory");
            continue;
        }
        keys(&mut out, of(Some(kind)));
        // `kill_after` is `after` by another name.
        of(Some(kind)).filter(|key| key.name != "kill_after").for_each(|key| inner(&mut out, key));
    }
    assert!(SHAPES.iter().all(|shape| out.contains(&format!("`{shape}`"))));
    // A latency is explained where links are, and a trigger right below.
    let out = out.replace("](#a-latency)", "](scenario.md#a-latency)").replace("](faults.md#targets)", "](#targets)");
    same_page("docs/reference/faults.md", &out.replace("a table, [`a trigger`](#a-trigger)", "a table, see below"));
}

#[test]
fn targets_that_the_reference_names_are_targets() {
    let scratch = Scratch::new();
    let examples = TARGETS.iter().map(|(_, example, _)| *example).filter(|example| !example.is_empty());
    // One after another, or two would hold the same node.
    let faults: String = examples.enumerate().fold(String::new(), |text, (i, example)| {
        let after = if example == "trigger" { "after = { fact = \"elected\" }\n" } else { "" };
        let at = 2 * i;
        text + &format!(
            "[[fault]]\nkind = \"crash\"\ntarget = \"{example}\"\nat = \"{at}s\"\nduration = \"1s\"\n{after}"
        )
    });
    let file = scratch.path().join("targets.toml");
    let text = format!(
        "[scenario]\nname = \"targets\"\nsystem = \"raft\"\nduration = \"60s\"\n[cluster]\nnodes = 5\nzones = [\"a\", \"b\"]\n\
         machines = 4\n[[workload]]\nrate = \"9/s\"\n{faults}"
    );
    std::fs::write(&file, text).expect("a file");
    let ran = splitbrain(&["check", file.to_str().expect("UTF-8")]);
    assert_eq!(ran.status.code(), Some(0), "{}", ran.stderr);
}

#[test]
fn metrics() {
    let listed = list("metrics");
    let about = "What `[expect]` may bound, `sweep` follows and `compare` sets side by side. A bound is a text: `\">= 99.5%\"`, `\"<= 1s\"`, \
                 `\"== 0\"`. One on what was not measured is inconclusive. [How availability is measured](../availability.md).";
    let mut out = page("Metrics", about);
    heading(&mut out, 2, "Of every system");
    table(&mut out, &["metric", "unit", "what it is"]);
    for one in each(&listed["metrics"]).filter(|one| one["system"].is_null()) {
        row(&mut out, &[&format!("`{}`", text(one, "name")), text(one, "unit"), &cell(text(one, "about"))]);
    }
    heading(&mut out, 2, "Of one system");
    table(&mut out, &["system", "metric", "unit", "what it is"]);
    for one in each(&listed["metrics"]).filter(|one| !one["system"].is_null()) {
        let name = format!("`{}`", text(one, "name"));
        row(&mut out, &[text(one, "system"), &name, text(one, "unit"), &cell(text(one, "about"))]);
    }
    heading(&mut out, 2, "Facts");
    writeln!(out, "\n`fact_NAME` is how often a system announced the fact; `trace --fact NAME` shows when.")
        .expect("it fits");
    table(&mut out, &["system", "facts"]);
    for (system, facts) in listed["facts"].as_object().expect("facts") {
        row(&mut out, &[system, &code(each(facts).filter_map(Value::as_str))]);
    }
    same_page("docs/reference/metrics.md", &out);
}

/// A table for each system that has something of a kind.
fn by_system(out: &mut String, all: &Value, heads: &[&str], cells: &dyn Fn(&Value) -> Vec<String>) {
    let mut before = None;
    for one in each(all) {
        if before != Some(&one["system"]) {
            heading(out, 2, one["system"].as_str().unwrap_or("Every system"));
            table(out, heads);
            before = Some(&one["system"]);
        }
        let cells = cells(one);
        row(out, &cells.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

#[test]
fn rules() {
    let about = "What runs are judged by, after every event or at their end, and what `expect.violates` may name.";
    let mut out = page("Rules", about);
    let cells = |one: &Value| vec![format!("`{}`", text(one, "name")), cell(text(one, "about"))];
    by_system(&mut out, &list("rules"), &["rule", "what must hold"], &cells);
    same_page("docs/reference/rules.md", &out);
}

#[test]
fn bugs() {
    let about = "Bugs that have been published, or shipped, and can be switched on: `--set system.bug=NAME`. `splitbrain bugs` shows that \
                 each is caught, by which rule and how soon.";
    let mut out = page("Known bugs", about);
    let cells = |one: &Value| {
        let [name, violates] = ["name", "violates"].map(|key| format!("`{}`", text(one, key)));
        vec![name, cell(text(one, "about")), violates, cell(text(one, "source"))]
    };
    by_system(&mut out, &list("bugs"), &["bug", "what is done wrong", "breaks", "where it is from"], &cells);
    same_page("docs/reference/bugs.md", &out);
}

#[test]
fn systems() {
    let about = "What each system is, and what files may say about it. `splitbrain new SYSTEM` writes a first file with all of its options.";
    let mut out = page("Systems", about);
    for system in each(&list("systems")) {
        heading(&mut out, 2, text(system, "name"));
        writeln!(out, "\n{}", text(system, "about")).expect("into memory");
        if each(&system["roles"]).next().is_some() {
            table(&mut out, &["role of a `[[cluster.group]]`", "", "what it is for"]);
            for role in each(&system["roles"]) {
                let member = if role["member"] == true { "member" } else { "beside the members" };
                row(&mut out, &[&format!("`{}`", text(role, "name")), member, &cell(text(role, "about"))]);
            }
        }
        if each(&system["operations"]).next().is_some() {
            table(&mut out, &["operation of a `mix`", "", "what it does"]);
            for one in each(&system["operations"]) {
                let class = one["class"].as_str().unwrap_or_default().to_lowercase();
                row(&mut out, &[&format!("`{}`", text(one, "name")), &class, &cell(text(one, "about"))]);
            }
        }
        let orders = |key: &str| code(each(&system[key]).filter_map(Value::as_str));
        for (key, what) in [("orders", "Changes of its membership"), ("own_orders", "Orders that only it knows")] {
            if each(&system[key]).next().is_some() {
                writeln!(out, "\n{what}: {}.", orders(key)).expect("into memory");
            }
        }
        table(&mut out, &["option", "without it", "meaning"]);
        for option in each(&system["options"]) {
            let default = if option["default"].is_null() {
                String::new()
            } else {
                format!("`{}`", cell(&option["default"].to_string()))
            };
            // What bugs there are is a page of its own.
            let values: Vec<&str> = each(&option["values"]).filter_map(Value::as_str).collect();
            let words = match text(option, "name") {
                "bug" => " [Known bugs](bugs.md).".to_owned(),
                _ if values.is_empty() => String::new(),
                _ => format!(" One of {}.", code(values)),
            };
            row(
                &mut out,
                &[&format!("`{}`", text(option, "name")), &default, &format!("{}{words}", cell(text(option, "about")))],
            );
        }
    }
    same_page("docs/reference/systems.md", &out);
}

#[test]
fn stories() {
    let listed = list("scenarios");
    let about = "The library, as it travels in the program: `splitbrain run NAME` runs one, `splitbrain show NAME` prints it. In a checkout \
                 it lies in `scenarios/library/`; each file begins with what it shows and where to look.";
    let mut out = page("All stories", about);
    let mut before = "";
    for one in each(&listed) {
        let (part, _) = text(one, "name").split_once('/').expect("a folder and a name");
        if part != before {
            heading(&mut out, 2, &format!("`{part}/`"));
            table(&mut out, &["name", "title"]);
            before = part;
        }
        row(&mut out, &[&format!("`{}`", text(one, "name")), &cell(text(one, "title"))]);
    }
    same_page("docs/reference/scenarios.md", &out);
}

#[test]
fn commands() {
    let about = "Every verb with its flags, as `splitbrain VERB --help` prints it. Everything prints for people unless `--format json` is given.";
    let mut out = page("Commands", about);
    let help = |args: &[&str]| {
        let ran = splitbrain(&[args, &["--help"]].concat());
        assert_eq!(ran.status.code(), Some(0), "{args:?}: {}", ran.stderr);
        ran.stdout.trim_end().lines().map(|line| format!("{}\n", line.trim_end())).collect::<String>()
    };
    let all = help(&[]);
    writeln!(out, "\n```text\n{all}```").expect("into memory");
    let verbs = all.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let verbs = verbs.filter_map(|line| line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')));
    let verbs: Vec<&str> = verbs.filter_map(|line| line.split(' ').next()).filter(|verb| *verb != "help").collect();
    assert!(verbs.len() > 15, "{verbs:?}");
    for verb in verbs {
        heading(&mut out, 2, verb);
        writeln!(out, "\n```text\n{}```", help(&[verb])).expect("into memory");
    }
    same_page("docs/reference/commands.md", &out);
}
