//! The file: cluster, load and fault, and which model and trials it is held beside. Every problem is found at once.

use crate::systems::{self, Kind as System, Setting};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What one file asks for.
#[derive(Debug)]
pub struct Plan {
    /// Its trials are written under this name, or where several figures are measured, this and theirs.
    pub name: String,
    /// One line for people.
    pub title: String,
    /// The real system.
    pub system: &'static System,
    /// How often its process is killed.
    pub trials: usize,
    /// Where in their ranges the faults begin.
    pub seed: u64,
    /// The model's file in `scenarios/library/published/`, if there is one.
    pub model: Option<String>,
    /// How many members of the main role.
    pub nodes: usize,
    /// Whether each member has a host of its own, whose links can be cut.
    pub hosts: bool,
    /// The system's settings: those of the file, and the defaults of the others, in milliseconds or as a number.
    pub settings: BTreeMap<&'static str, u64>,
    /// A probe of each member this often.
    pub every: Duration,
    /// What is answered later than this was not served.
    pub timeout: Duration,
    /// Probes of one member that may be under way at once.
    pub clients: usize,
    /// Whether nobody asks before something goes wrong: where each question leaves work behind.
    pub from_fault: bool,
    /// What goes wrong, in order of time.
    pub faults: Vec<Fault>,
}

/// What is done to a member. Named as in scenario files; a crash is `kill -9`, a pause SIGSTOP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Killed, and started again when the trial is over.
    Crash,
    /// Stopped for a time.
    Pause,
    /// Cut off from all other members for a time.
    Partition,
    /// What it sends is late for a time.
    Delay,
}

const KINDS: [(&str, Kind); 4] =
    [("crash", Kind::Crash), ("pause", Kind::Pause), ("partition", Kind::Partition), ("delay", Kind::Delay)];

/// One fault.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What is done.
    pub kind: Kind,
    /// To whom: a role of the system's.
    pub target: String,
    /// When, counted from the moment the cluster is whole; each of the range is equally likely.
    pub at: (Duration, Duration),
    /// For how long; a crash, until the trial is over.
    pub duration: Option<Duration>,
    /// Of a delay: how much.
    pub by: Option<Duration>,
}

/// Reads a file.
///
/// # Errors
/// Everything that is wrong with it, a line each: file, line, what is wrong, what would be right.
pub fn read(path: &Path) -> Result<Plan, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}\n", path.display()))?;
    parse(&path.display().to_string(), &text)
}

/// Reads the text of a file.
///
/// # Errors
/// As [`read`].
pub fn parse(name: &str, text: &str) -> Result<Plan, String> {
    let (table, broken) = DeTable::parse_recoverable(text);
    let mut reader = Reader { text, problems: Vec::new() };
    for error in broken {
        reader.problem(error.span().map_or(0, |span| span.start), error.message().replace('\n', ", "));
    }
    let plan = if reader.problems.is_empty() { reader.plan(table.get_ref()) } else { None };
    reader.problems.sort();
    reader.problems.dedup();
    match plan {
        Some(plan) if reader.problems.is_empty() => Ok(plan),
        _ => Err(reader.problems.iter().fold(String::new(), |mut all, (at, problem)| {
            let _ = writeln!(all, "{name}:{}:{}: {problem}", at.0, at.1);
            all
        })),
    }
}

type Table<'i> = DeTable<'i>;

struct Reader<'t> {
    text: &'t str,
    problems: Vec<((usize, usize), String)>,
}

impl Reader<'_> {
    fn problem(&mut self, at: usize, what: impl Into<String>) {
        let before = &self.text[..at.min(self.text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        self.problems.push(((line, column), what.into()));
    }

    /// Names every key that nobody knows.
    fn keys(&mut self, table: &Table<'_>, known: &[&str], place: &str) {
        for (key, _) in table {
            if !known.contains(&&**key.get_ref()) {
                let name = key.get_ref();
                self.problem(key.span().start, format!("{place} has no key `{name}`; it has {}", listed(known)));
            }
        }
    }

    fn plan(&mut self, top: &Table<'_>) -> Option<Plan> {
        self.keys(top, &["validation", "cluster", "settings", "load", "fault"], "the file");
        let empty = Table::new();
        let head = self.table(top, "validation").unwrap_or(&empty);
        self.keys(head, &["name", "title", "system", "trials", "seed", "model"], "[validation]");
        let name = self.text(head, "name", "[validation]");
        let title = self.text(head, "title", "[validation]");
        let system = self.text(head, "system", "[validation]").and_then(|(at, word)| {
            let found = systems::KINDS.iter().find(|kind| kind.name == word);
            if found.is_none() {
                let names: Vec<&str> = systems::KINDS.iter().map(|kind| kind.name).collect();
                self.problem(at, format!("there is no system {word:?}; there are {}", listed(&names)));
            }
            found
        });
        if let Some((at, word)) = &name {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if word.is_empty() || !word.chars().all(plain) {
                self.problem(*at, format!("{word:?} is no name: small letters, digits and `-`"));
            }
        }
        let trials = self.number(head, "trials", 20, (1, 10_000));
        let seed = self.number(head, "seed", 1, (0, u64::MAX >> 1));
        let model = head.get("model").and_then(|_| self.text(head, "model", "[validation]")).map(|(_, text)| text);
        let cluster = self.table(top, "cluster").unwrap_or(&empty);
        self.keys(cluster, &["nodes", "hosts"], "[cluster]");
        let usual = system.map_or((3, (1, 100)), |system| system.nodes);
        let nodes = self.number(cluster, "nodes", usual.0, usual.1);
        let hosts = self.truth(cluster, "hosts");
        let settings = self.table(top, "settings").unwrap_or(&empty);
        let settings = self.settings(settings, system);
        let load = self.table(top, "load").unwrap_or(&empty);
        self.keys(load, &["every", "timeout", "clients", "from_fault"], "[load]");
        let every = self.time(load, "every").unwrap_or(Duration::from_millis(25));
        let timeout = self.time(load, "timeout").unwrap_or(Duration::from_millis(250));
        if every.is_zero() || timeout.is_zero() {
            let at = load.iter().next().map_or(0, |(key, _)| key.span().start);
            self.problem(at, "`every` and `timeout` are longer than nothing");
        }
        let clients = self.number(load, "clients", 10, (1, 64)) as usize;
        let from_fault = self.truth(load, "from_fault");
        let faults = self.faults(top, system, hosts);
        Some(Plan {
            name: name?.1,
            title: title?.1,
            system: system?,
            trials: trials as usize,
            seed,
            model,
            nodes: nodes as usize,
            hosts,
            settings,
            every,
            timeout,
            clients,
            from_fault,
            faults,
        })
    }

    fn settings(&mut self, table: &Table<'_>, system: Option<&'static System>) -> BTreeMap<&'static str, u64> {
        let Some(system) = system else { return BTreeMap::new() };
        let names: Vec<&str> = system.settings.iter().map(|(name, _)| *name).collect();
        self.keys(table, &names, &format!("[settings] of {}", system.name));
        let of = |(name, default): &(&'static str, Setting)| {
            let value = match *default {
                Setting::Time(ms) => self.time(table, name).map_or(ms, |time| time.as_millis() as u64),
                Setting::Count(count) => self.number(table, name, count, (0, 1_000_000)),
            };
            (*name, value)
        };
        system.settings.iter().map(of).collect()
    }

    fn faults(&mut self, top: &Table<'_>, system: Option<&'static System>, hosts: bool) -> Vec<Fault> {
        let mut faults = Vec::new();
        let Some(list) = top.get("fault") else {
            self.problem(0, "nothing goes wrong: there is no [[fault]]");
            return faults;
        };
        let DeValue::Array(list) = list.get_ref() else {
            self.problem(list.span().start, "`fault` is a list of tables: [[fault]]");
            return faults;
        };
        for entry in list.iter() {
            let DeValue::Table(table) = entry.get_ref() else {
                self.problem(entry.span().start, "`fault` is a list of tables: [[fault]]");
                continue;
            };
            faults.extend(self.fault(table, entry.span().start, system, hosts));
        }
        faults.sort_by_key(|fault| fault.at);
        faults
    }

    fn fault(&mut self, table: &Table<'_>, at: usize, system: Option<&System>, hosts: bool) -> Option<Fault> {
        self.keys(table, &["kind", "target", "at", "duration", "by"], "[[fault]]");
        let kind = self.text(table, "kind", "[[fault]]").and_then(|(at, word)| {
            let found = KINDS.iter().find(|(name, _)| *name == word).map(|(_, kind)| *kind);
            match found {
                None => {
                    let names: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
                    self.problem(at, format!("there is no fault {word:?}; there are {}", listed(&names)));
                }
                Some(Kind::Partition | Kind::Delay) if !hosts => {
                    self.problem(at, format!("a {word} needs links: set `hosts = true` in [cluster]"));
                }
                Some(_) => {}
            }
            found
        });
        let target = self.text(table, "target", "[[fault]]").map(|(at, word)| {
            if let Some(system) = system.filter(|system| !system.targets.contains(&&*word)) {
                let (name, targets) = (system.name, listed(system.targets));
                self.problem(at, format!("{name} has no {word:?}; targets are {targets}"));
            }
            word
        });
        let begins = self.range(table, "at").unwrap_or_default();
        let duration = self.time(table, "duration");
        let by = self.time(table, "by");
        if kind.is_some_and(|kind| kind != Kind::Crash) && duration.is_none() {
            self.problem(at, "needs a `duration`: only a crash lasts until the trial is over");
        }
        if (kind == Some(Kind::Delay)) != by.is_some() {
            self.problem(at, "`by` says how late a delay is: `by = \"50ms\"`, and belongs to nothing else");
        }
        Some(Fault { kind: kind?, target: target?, at: begins, duration, by })
    }

    fn table<'a, 'i>(&mut self, table: &'a Table<'i>, key: &str) -> Option<&'a Table<'i>> {
        let value = table.get(key)?;
        let DeValue::Table(table) = value.get_ref() else {
            self.problem(value.span().start, format!("`{key}` is a table: [{key}]"));
            return None;
        };
        Some(table)
    }

    fn text(&mut self, table: &Table<'_>, key: &str, place: &str) -> Option<(usize, String)> {
        let Some(value) = table.get(key) else {
            let at = table.iter().map(|(key, _)| key.span().start).min().unwrap_or(0);
            self.problem(at, format!("{place} needs `{key}`"));
            return None;
        };
        match value.get_ref() {
            DeValue::String(text) => Some((value.span().start, text.to_string())),
            _ => {
                self.problem(value.span().start, format!("`{key}` is text: {key} = \"...\""));
                None
            }
        }
    }

    fn truth(&mut self, table: &Table<'_>, key: &str) -> bool {
        match table.get(key).map(|value| (value.span().start, value.get_ref())) {
            None => false,
            Some((_, DeValue::Boolean(yes))) => *yes,
            Some((at, _)) => {
                self.problem(at, format!("`{key}` is `true` or `false`"));
                false
            }
        }
    }

    fn number(&mut self, table: &Table<'_>, key: &str, without: u64, (least, most): (u64, u64)) -> u64 {
        let Some(value) = table.get(key) else { return without };
        let number = match value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        if let Some(number) = number.filter(|number| (least..=most).contains(number)) {
            return number;
        }
        self.problem(value.span().start, format!("`{key}` is a whole number from {least} to {most}"));
        without
    }

    fn written<'a>(&mut self, table: &'a Table<'_>, key: &str) -> Option<(usize, &'a str)> {
        let value: &Spanned<DeValue<'_>> = table.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some((value.span().start, text)),
            _ => {
                self.problem(value.span().start, format!("`{key}` is a time: \"50ms\", \"2s\""));
                None
            }
        }
    }

    fn time(&mut self, table: &Table<'_>, key: &str) -> Option<Duration> {
        let (at, text) = self.written(table, key)?;
        let time = time(text);
        if time.is_none() {
            self.problem(at, format!("{text:?} is no time: \"50ms\", \"2s\""));
        }
        time
    }

    fn range(&mut self, table: &Table<'_>, key: &str) -> Option<(Duration, Duration)> {
        let (at, text) = self.written(table, key)?;
        let (from, to) = text.split_once("..").unwrap_or((text, text));
        match (time(from), time(to)) {
            (Some(from), Some(to)) if from <= to => Some((from, to)),
            (Some(_), Some(_)) => {
                self.problem(at, format!("{text:?} ends before it begins"));
                None
            }
            _ => {
                self.problem(at, format!("{text:?} is no time or range of times: \"2s\", \"2s..3s\""));
                None
            }
        }
    }
}

/// `250us`, `50ms`, `2s` or `1m`.
fn time(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        _ => return None,
    };
    let number: f64 = number.parse().ok().filter(|number: &f64| (0.0..1e6).contains(number))?;
    Some(Duration::from_nanos((number * seconds * 1e9).round() as u64))
}

/// `a`, `b` and `c`.
fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
[validation]
name = "etcd-leader-killed"
title = "the leader is killed"
system = "etcd"
trials = 4

[settings]
election-timeout = "500ms"

[load]
every = "10ms"

[[fault]]
kind = "crash"
target = "leader"
at = "1s..2s"
"#;

    #[test]
    fn a_file_is_read_and_completed() {
        let plan = parse("good.toml", GOOD).expect("it is good");
        assert_eq!((plan.system.name, plan.nodes, plan.trials, plan.hosts), ("etcd", 3, 4, false));
        assert_eq!((plan.settings["election-timeout"], plan.settings["heartbeat-interval"]), (500, 100));
        assert_eq!((plan.every, plan.timeout), (Duration::from_millis(10), Duration::from_millis(250)));
        assert_eq!(plan.faults[0].at, (Duration::from_secs(1), Duration::from_secs(2)));
    }

    #[test]
    fn all_problems_are_told_at_once_each_with_its_line() {
        let bad = GOOD
            .replace("name = \"etcd-leader-killed\"", "name = \"Etcd\"")
            .replace("trials = 4", "trials = 0")
            .replace("election-timeout = \"500ms\"", "election_timeout = \"500ms\"")
            .replace("every = \"10ms\"", "every = 10")
            .replace("kind = \"crash\"", "kind = \"partition\"")
            .replace("\"leader\"", "\"primary\"")
            .replace("1s..2s", "2s..1s");
        let said = parse("bad.toml", &bad).expect_err("it is bad");
        let lines: Vec<&str> = said.lines().collect();
        let wanted = [
            "bad.toml:3:8: \"Etcd\" is no name",
            "bad.toml:6:10: `trials` is a whole number from 1",
            "bad.toml:9:1: [settings] of etcd has no key `election_timeout`; it has `heartbeat-interval`",
            "bad.toml:12:9: `every` is a time",
            "bad.toml:14:1: needs a `duration`",
            "bad.toml:15:8: a partition needs links: set `hosts = true`",
            "bad.toml:16:10: etcd has no \"primary\"; targets are `leader` and `follower`",
            "bad.toml:17:6: \"2s..1s\" ends before it begins",
        ];
        assert_eq!(lines.len(), wanted.len(), "{said}");
        for (line, wanted) in lines.iter().zip(wanted) {
            assert!(line.starts_with(wanted), "{line}\n  instead of\n{wanted}");
        }
    }

    #[test]
    fn what_is_no_toml_or_empty_is_told() {
        let said = parse("x.toml", "[validation\nname = ").expect_err("it is bad");
        assert!(said.starts_with("x.toml:1:"), "{said}");
        let said = parse("x.toml", "").expect_err("it is empty");
        for key in ["`name`", "`title`", "`system`", "[[fault]]"] {
            assert!(said.contains(key), "{said}");
        }
        assert!(parse("x.toml", "fault = 3\ncluster = []\nsettings = 1").is_err());
    }

    #[test]
    fn times() {
        assert_eq!(time("1.5s"), Some(Duration::from_millis(1500)));
        assert_eq!(time("250us"), Some(Duration::from_micros(250)));
        assert_eq!((time("2"), time("s"), time("-1s"), time("1h"), time("")), (None, None, None, None, None));
    }

    #[test]
    fn the_files_that_come_along_are_good() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("files");
        let mut names = Vec::new();
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let plan = read(&entry.path()).unwrap_or_else(|problems| panic!("{problems}"));
            assert_eq!(entry.file_name().to_string_lossy(), format!("{}.toml", plan.name));
            names.push(plan.system.name);
        }
        for kind in systems::KINDS {
            assert!(names.contains(&kind.name), "no file for {}", kind.name);
        }
    }
}
