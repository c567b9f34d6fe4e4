//! The commands that explain a run: trace (as text, for ShiViz, for Perfetto), diff, replay of folders that are not
//! what they were.

#[path = "explain/histories.rs"]
mod histories;

use crate::support::{Ran, Scratch, root, splitbrain};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const SCENARIO: &str = r#"
[scenario]
name = "small"
title = "Three replicas lose their leader"
system = "raft"
duration = "3s"
warmup = "500ms"
settle = "1s"
seed = 5

[cluster]
nodes = 3

[network]
latency = "1ms..2ms"
loss = "1%"

[[workload]]
clients = 2
rate = "20/s"

[[fault]]
kind = "crash"
target = "leader"
at = "1500ms"
duration = "700ms"

[[fault]]
kind = "partition"
shape = "isolate"
target = "leader"
at = "2400ms"
duration = "300ms"

[report]
charts = false
"#;

/// A scratch folder with runs in it.
struct Runs(Scratch);

impl Runs {
    fn new() -> Self {
        let scratch = Scratch::new();
        std::fs::write(scratch.path().join("small.toml"), SCENARIO).expect("can be written");
        Self(scratch)
    }
    /// Runs the scenario with more flags; its folder.
    fn run(&self, out: &str, more: &[&str]) -> PathBuf {
        let (file, out) = (self.0.path().join("small.toml"), self.0.path().join(out));
        let ran = splitbrain(&[&["run", file.to_str().unwrap(), "--out", out.to_str().unwrap()], more].concat());
        assert!(ran.status.code().is_some_and(|c| c < 4), "{}{}", ran.stdout, ran.stderr);
        out.join("small/latest").canonicalize().expect("latest points at the run")
    }
}

fn command(name: &str, dir: &Path, more: &[&str]) -> Ran {
    splitbrain(&[&[name, dir.to_str().unwrap()], more].concat())
}

fn trace(dir: &Path, more: &[&str]) -> String {
    let ran = command("trace", dir, more);
    assert_eq!(ran.status.code(), Some(0), "{}", ran.stderr);
    assert_eq!(ran.stderr, "");
    ran.stdout
}

fn diff(a: &Path, b: &Path) -> Ran {
    splitbrain(&["diff", a.to_str().unwrap(), b.to_str().unwrap()])
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("{key} of {value}")).to_owned()
}

#[test]
fn an_election_can_be_followed() {
    let runs = Runs::new();
    let dir = runs.run("one", &[]);
    let election = [
        "--from",
        "1.5s",
        "--to",
        "1.9s",
        "--fact",
        "campaign",
        "--fact",
        "voted",
        "--fact",
        "elected",
        "--fact",
        "first_commit",
        "--message",
        "PreVote",
        "--message",
        "PreVoteReply",
        "--message",
        "RequestVote",
        "--message",
        "Vote",
        "--event",
        "role",
        "--event",
        "crashed",
        "--event",
        "fault_started",
    ];
    let shown = trace(&dir, &election);
    let path = root().join("fixtures/transcripts/trace-election.txt");
    if std::env::var_os("SPLITBRAIN_UPDATE").is_some() {
        std::fs::write(&path, &shown).expect("fixtures can be written");
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(golden, shown, "if that is meant, run the test again with SPLITBRAIN_UPDATE=1");
    // A folder that holds its whole trace shows the same without running anything again.
    let traced = runs.run("two", &["--trace"]);
    std::fs::remove_file(traced.join("history.jsonl")).expect("it was there");
    assert_eq!(trace(&traced, &election), shown);
    for form in ["text", "jsonl", "shiviz", "perfetto"] {
        let of = |dir| trace(dir, &["--format", form]);
        assert!(of(&dir) == of(&traced), "{form}");
    }
    // Filters narrow.
    let all = trace(&dir, &["--from", "1s", "--to", "2s"]);
    let of_n2 = trace(&dir, &["--from", "1s", "--to", "2s", "--node", "n2"]);
    assert!(of_n2.lines().count() > 50 && of_n2.lines().count() < all.lines().count());
    assert!(of_n2.lines().all(|line| all.contains(line) && (line.contains("n2") || line.contains(" fault_"))));
}

#[test]
fn every_delivery_has_its_sending() {
    let runs = Runs::new();
    let dir = runs.run("one", &["--trace"]);
    let raw = std::fs::read_to_string(dir.join("trace.jsonl")).expect("a trace");
    let lines: Vec<Value> = raw.lines().map(|l| serde_json::from_str(l).expect("every line is JSON")).collect();
    assert_eq!((text(&lines[0], "event"), lines[0]["schema_version"].as_u64()), ("trace".to_owned(), Some(1)));
    let end = lines.last().expect("an end");
    let record = std::fs::read_to_string(dir.join("record.json")).expect("a record");
    assert_eq!(text(end, "event"), "end");
    assert!(record.contains(&text(end, "digest")));
    let mut sent: BTreeMap<(String, u64), u64> = BTreeMap::new();
    let (mut ends, mut events) = (BTreeMap::<String, u64>::new(), BTreeMap::<String, u64>::new());
    let mut asked = 0;
    for line in &lines {
        *events.entry(text(line, "event")).or_default() += 1;
        let at = line["at_ns"].as_u64().expect("every line has a time");
        let message = || (text(line, "from"), line["id"].as_u64().expect("an id"));
        match text(line, "event").as_str() {
            "sent" => assert_eq!(sent.insert(message(), at), None, "{line}"),
            "delivered" | "dropped" if line["id"].is_u64() => {
                assert!(sent[&message()] <= at, "{line}");
                *ends.entry(text(line, "event")).or_default() += 1;
            }
            "asked" => asked += 1,
            "answered" | "redirected" | "requested" => assert!(line["op"].is_u64() && line["try"].is_u64(), "{line}"),
            _ => {}
        }
    }
    assert!(sent.len() > 500 && ends["dropped"] > 10 && asked > 100, "{events:?}");
    for event in ["timer", "appended", "syncing", "synced", "fact", "role", "crashed", "booted", "fault_started"] {
        assert!(events.contains_key(event), "{event}: {events:?}");
    }
    assert_eq!((events["fault_started"], events["fault_ended"], events["invoked"]), (2, 2, events["returned"]));
    assert!(ends.values().sum::<u64>() <= sent.len() as u64);
}

#[test]
fn shiviz_gets_a_log_it_can_draw() {
    let runs = Runs::new();
    let log = trace(&runs.run("one", &[]), &["--format", "shiviz", "--from", "1.4s", "--to", "2s"]);
    let mut lines = log.lines();
    assert_eq!(lines.next(), Some(r"(?<at>\S+) (?<host>\S+) (?<event>.*) (?<clock>\{.*\})"));
    assert_eq!(lines.next(), Some(""), "the delimiter of executions");
    let mut own: BTreeMap<String, u64> = BTreeMap::new();
    let mut sent: BTreeMap<String, (String, u64)> = BTreeMap::new();
    let mut arrows = 0;
    for line in lines {
        // As the expression takes it apart: the event as long as can be.
        let (rest, clock) = line.rsplit_once(" {").expect("a clock");
        let clock: BTreeMap<String, u64> = serde_json::from_str(&format!("{{{clock}")).expect("the clock is JSON");
        let mut words = rest.splitn(3, ' ');
        let (_, host, event) = (words.next(), words.next().expect("a host"), words.next().expect("an event"));
        let tick = own.entry(host.to_owned()).or_default();
        *tick += 1;
        assert_eq!(clock[host], *tick, "a host's own clock counts its events: {line}");
        assert!(clock.iter().all(|(h, n)| own.get(h).is_some_and(|now| n <= now)), "nobody knows the future: {line}");
        let id = event.rsplit_once('(').and_then(|(_, id)| id.split_once(',')).map(|(id, _)| id.to_owned());
        match (event.split(' ').next(), id) {
            (Some("sent"), Some(id)) => {
                sent.insert(id, (host.to_owned(), clock[host]));
            }
            (Some("delivered"), Some(id)) => {
                if let Some((sender, then)) = sent.get(&id) {
                    assert!(clock[sender] >= *then, "a receiver knows what the sender knew: {line}");
                    arrows += 1;
                }
            }
            _ => {}
        }
    }
    assert!(arrows > 50 && own.len() == 3, "{arrows} {own:?}");
}

#[test]
fn perfetto_gets_slices_that_nest_and_arrows_with_two_ends() {
    let runs = Runs::new();
    let file = trace(&runs.run("one", &[]), &["--format", "perfetto"]);
    let json: Value = serde_json::from_str(&file).expect("JSON");
    let events = json["traceEvents"].as_array().expect("a list");
    let number = |event: &Value, key: &str| {
        (event[key].as_f64().unwrap_or_else(|| panic!("{key} of {event}")) * 1e3).round() as u64
    };
    // By process and thread: start, length, name.
    type Slices = Vec<(u64, u64, String)>;
    let mut slices: BTreeMap<(u64, u64), Slices> = BTreeMap::new();
    let (mut from, mut to) = (BTreeMap::new(), Vec::new());
    let mut names = Vec::new();
    for event in events {
        let track = (event["pid"].as_u64().expect("pid"), event["tid"].as_u64().expect("tid"));
        match event["ph"].as_str().expect("ph") {
            "X" => {
                slices.entry(track).or_default().push((number(event, "ts"), number(event, "dur"), text(event, "name")))
            }
            "s" => assert!(from.insert(text(event, "id"), (track, number(event, "ts"))).is_none()),
            "f" => to.push((text(event, "id"), track, number(event, "ts"))),
            "i" => assert_eq!(text(event, "s"), "t"),
            "M" => names.push(event["args"]["name"].as_str().expect("a name").to_owned()),
            other => panic!("{other}"),
        }
    }
    for (track, slices) in &mut slices {
        slices.sort_by_key(|(ts, dur, _)| (*ts, std::cmp::Reverse(*dur)));
        let mut open: Vec<u64> = Vec::new();
        for (ts, dur, name) in slices.iter() {
            open.retain(|end| end > ts);
            assert!(open.iter().all(|end| ts + dur <= *end), "{name} at {ts} of {track:?} crosses another's end");
            open.push(ts + dur);
        }
    }
    let within = |track: &(u64, u64), at: u64| slices[track].iter().any(|(ts, dur, _)| *ts <= at && at <= ts + dur);
    assert!(to.len() > 500);
    for (id, track, at) in &to {
        let (sender, sent) = &from[id];
        assert!(sent <= at && within(sender, *sent) && within(track, *at), "{id}");
    }
    for name in ["n1", "n2", "n3", "faults", "fault 0: crash", "fault 1: partition"] {
        assert!(names.iter().any(|n| n == name), "{name}: {names:?}");
    }
    let states: Vec<&String> = slices.values().flatten().map(|(_, _, name)| name).collect();
    for state in ["down", "leader 1", "follower 2"] {
        assert!(states.iter().any(|s| *s == state), "{state}");
    }
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_trouble() {
    let runs = Runs::new();
    let dir = runs.run("one", &[]);
    for form in ["text", "jsonl", "shiviz", "perfetto"] {
        let ran = std::process::Command::new("sh")
            .arg("-c")
            .arg(format!("{} trace {} --format {form} | head -n 1", env!("CARGO_BIN_EXE_splitbrain"), dir.display()))
            .output()
            .expect("sh runs");
        assert_eq!(String::from_utf8_lossy(&ran.stderr), "", "{form}");
        assert_eq!(ran.stdout.iter().filter(|b| **b == b'\n').count(), 1, "{form}");
    }
}

#[test]
fn diff_says_where_runs_part_and_in_what_their_inputs_differ() {
    let runs = Runs::new();
    let (one, again) = (runs.run("one", &[]), runs.run("two", &[]));
    let same = diff(&one, &again);
    assert_eq!(same.status.code(), Some(0), "{}{}", same.stdout, same.stderr);
    assert!(same.stdout.starts_with("the same run: "), "{}", same.stdout);
    // Another title is another input, not another run.
    let titled = diff(&one, &runs.run("three", &["--set", "scenario.title=another"]));
    assert_eq!(titled.status.code(), Some(0));
    assert!(
        titled.stdout.contains("scenario.title: ") && titled.stdout.contains("the same run: "),
        "{}",
        titled.stdout
    );
    // Another heartbeat: the same until a leader is elected.
    let other = diff(&one, &runs.run("four", &["--set", "system.heartbeat_interval=40ms"]));
    assert_eq!(other.status.code(), Some(1), "{}{}", other.stdout, other.stderr);
    assert!(other.stdout.contains("system.heartbeat_interval: 50ms | 40ms"), "{}", other.stdout);
    let at = other.stdout.find("they part at").unwrap_or_else(|| panic!("{}", other.stdout));
    let (context, after) = other.stdout[at..].split_once("\n- ").expect("then the one");
    assert!(context.lines().count() == 13 && context.contains("term 1"), "{context}");
    let (a, b) = after.split_once("\n+ ").expect("then the other");
    assert_ne!(a.lines().nth(1).map(|l| &l[4..]), b.lines().nth(1).map(|l| &l[4..]));
    let seeds = diff(&one, &runs.run("five", &["--seed", "6"]));
    assert_eq!(seeds.status.code(), Some(1));
    assert!(seeds.stdout.starts_with("seed: 5 | 6\n"), "{}", seeds.stdout);
    assert_eq!(diff(&one, Path::new("no/such/run")).status.code(), Some(2));
}

fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).expect("it can be read");
    assert!(text.contains(from), "{from} in {}", path.display());
    std::fs::write(path, text.replacen(from, to, 1)).expect("it can be written");
}

#[test]
fn replay_says_where_a_run_parted_from_its_record() {
    let runs = Runs::new();
    let dir = runs.run("one", &["--trace"]);
    // The record, checkpoints and trace of a run that parted from this one in its middle.
    let other = runs.run("two", &["--trace", "--set", "fault.1.duration=200ms"]);
    for name in ["record.json", "checkpoints.txt", "trace.jsonl", "history.jsonl"] {
        std::fs::copy(other.join(name), dir.join(name)).expect("it can be copied");
    }
    let of = |dir: &Path, key: &str| {
        let text = std::fs::read_to_string(dir.join("record.json")).expect("a record");
        let at = text.find(&format!("\"{key}\": \"")).expect("the key") + key.len() + 5;
        text[at..at + 16].to_owned()
    };
    let fingerprint = of(&runs.run("three", &[]), "scenario_fingerprint");
    edit(&dir.join("record.json"), &of(&dir, "scenario_fingerprint"), &fingerprint);
    let exact = command("replay", &dir, &[]);
    assert_eq!(exact.status.code(), Some(4), "{}{}", exact.stdout, exact.stderr);
    assert!(exact.stdout.contains("they part at 2.600000000 s"), "{}", exact.stdout);
    let first = exact.stdout.split("- recorded:\n").nth(1).and_then(|s| s.lines().next()).expect("what was recorded");
    assert!(first.contains("2.600000000s  -    fault_ended"), "{first}");
    assert!(exact.stdout.contains("two runs made now are the same"), "{}", exact.stdout);
    assert!(!exact.stdout.contains("the same run"));
    // Without the trace, the checkpoints tell.
    std::fs::remove_file(dir.join("trace.jsonl")).expect("it was there");
    let close = command("replay", &dir, &[]);
    assert_eq!(close.status.code(), Some(4));
    assert!(close.stdout.contains("at one of the next 1 they part"), "{}", close.stdout);
    assert!(close.stdout.contains(" 2.6"), "{}", close.stdout);
    // Without either, nobody knows.
    std::fs::remove_file(dir.join("checkpoints.txt")).expect("it was there");
    let blind = command("replay", &dir, &[]);
    assert_eq!(blind.status.code(), Some(4));
    assert!(blind.stdout.contains("where they part is not known"), "{}", blind.stdout);
}

#[test]
fn folders_that_are_not_what_they_were_are_told_apart() {
    let runs = Runs::new();
    let fresh = |name: &str| runs.run(name, &[]);
    let says = |ran: &Ran, code: i32, word: &str| {
        assert_eq!(ran.status.code(), Some(code), "{}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains(word), "{word}: {}", ran.stderr);
        assert!(
            !ran.stdout.contains("the same run") && !ran.stderr.contains("panicked"),
            "{}{}",
            ran.stdout,
            ran.stderr
        );
    };
    // An edited scenario that is another run, and one that is not.
    let dir = fresh("edited");
    edit(&dir.join("scenario.toml"), "loss = \"1%\"", "loss = \"2%\"");
    says(&command("replay", &dir, &[]), 2, "has been changed since the run was recorded");
    says(&command("trace", &dir, &["--to", "10ms"]), 2, "has been changed since the run was recorded");
    says(&diff(&dir, &fresh("whole")), 2, "has been changed since the run was recorded");
    let dir = fresh("retitled");
    edit(&dir.join("scenario.toml"), "lose their leader", "keep their leader");
    says(&command("replay", &dir, &[]), 2, "has been changed since the run was recorded");
    // Records that are missing, broken, of another version.
    let dir = fresh("missing");
    std::fs::remove_file(dir.join("record.json")).expect("it was there");
    says(&command("replay", &dir, &[]), 2, "record.json");
    says(&command("report", &dir, &[]), 2, "record.json");
    says(&command("trace", &dir, &["--to", "10ms"]), 0, "nothing to compare this run with");
    let dir = fresh("broken");
    edit(&dir.join("record.json"), "{", "{{");
    for name in ["replay", "report", "trace"] {
        says(&command(name, &dir, &[]), 2, "not a record of a run");
    }
    let dir = fresh("newer");
    edit(&dir.join("record.json"), "\"schema_version\": 1", "\"schema_version\": 99");
    for name in ["replay", "report", "trace"] {
        says(&command(name, &dir, &[]), 2, "schema version 99");
    }
    let dir = fresh("older");
    edit(&dir.join("record.json"), "\"version\": \"", "\"version\": \"0.0.");
    let digest = "\"digest\": \"";
    edit(&dir.join("record.json"), digest, &format!("{digest}0"));
    says(&command("replay", &dir, &[]), 4, "was recorded by version 0.0.");
    // Not runs at all.
    says(&command("trace", runs.0.path(), &[]), 2, "is not the folder of a run");
    says(&command("trace", &runs.0.path().join("older/small"), &[]), 2, "the newest is");
}

#[test]
fn what_a_trace_is_asked_for_must_exist() {
    let dir = Runs::new();
    let dir_of_run = dir.run("one", &[]);
    let asked = command("trace", &dir_of_run, &["--node", "n4", "--event", "sents", "--from", "2s", "--to", "1s"]);
    assert_eq!(asked.status.code(), Some(2));
    for word in ["--node n4", "--event sents", "--from lies after --to"] {
        assert!(asked.stderr.contains(word), "{}", asked.stderr);
    }
    let nothing = command("trace", &dir_of_run, &["--fact", "selected"]);
    assert!(nothing.stdout.is_empty() && nothing.stderr.contains("elected"), "{}", nothing.stderr);
}

#[test]
fn shells_get_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = splitbrain(&["completions", shell]);
        assert_eq!(ran.status.code(), Some(0));
        assert!(ran.stdout.contains("splitbrain") && ran.stdout.contains("completions"), "{shell}");
    }
    assert_eq!(splitbrain(&["completions", "abacus"]).status.code(), Some(2));
}

#[test]
fn the_program_and_its_commands_have_manual_pages() {
    let page = |args: &[&str]| splitbrain(&[&["man"], args].concat());
    let (whole, run) = (page(&[]).stdout, page(&["run"]).stdout);
    assert!(whole.contains(".TH splitbrain 1") && whole.contains("forecast"), "{whole}");
    assert!(run.contains(".TH splitbrain-run 1") && run.contains("\\-\\-seed"), "{run}");
    let unknown = page(&["rum"]);
    assert!(unknown.status.code() == Some(2) && unknown.stderr.contains("run, "), "{}", unknown.stderr);
}
