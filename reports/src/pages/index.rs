//! The page over all runs, sweeps and comparisons of a folder.

use super::files::{RECORD, reason};
use super::{environment, explore};
use crate::measure::metrics::print;
use crate::units;
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sim_core::metric::Metric;
use sim_core::record::Ruling;
use std::fs;
use std::path::Path;

const HTML: &str = include_str!("../../templates/index.html.jinja");
const STYLE: &str = include_str!("../../templates/report.css");
const SCRIPT: [&str; 2] =
    [include_str!("../../templates/page/index.js"), include_str!("../../templates/page/table.js")];

/// What is on the shelf: one run, one sweep or one comparison.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Entry {
    /// `run`, `sweep` or `comparison`.
    pub kind: &'static str,
    /// Its folder, relative, with slashes, as people read it.
    pub path: String,
    /// Its page, relative, as browsers read it; empty if it has none.
    pub link: String,
    /// The scenario's name.
    pub scenario: String,
    /// Its title.
    pub title: String,
    /// The system.
    pub system: String,
    /// The seed, or the seeds.
    pub seeds: String,
    /// `pass`, `fail`, `inconclusive`, `as expected` for a rule that was to be broken, or `unreadable`.
    pub verdict: &'static str,
    /// Its colour: a run that held and did harm is no plain success.
    pub look: &'static str,
    /// What did not hold and what harm was done, or why it can not be read.
    pub detail: String,
    /// Its figures.
    pub figures: Vec<Figure>,
}

/// A figure's name, its value, and how that is shown.
pub type Figure = (&'static str, Option<f64>, String);

/// What of `report.json` is on the shelf.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Run {
    scenario: String,
    title: String,
    system: String,
    seed: u64,
    digest: String,
    simulated_ns: u64,
    events: u64,
    ruling: Option<Ruling>,
    verdicts: Vec<Ruled>,
    availability: Available,
    latency: Latencies,
    losses: Losses,
    metrics: Vec<Metric>,
    faults: Vec<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ruled {
    rule: String,
    verdict: Option<Ruling>,
    broken_as_expected: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Available {
    operations: u64,
    fraction: Option<f64>,
    time_fraction: Option<f64>,
    total_outage_ns: u64,
    longest_outage_ns: u64,
    outages: Vec<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Latencies {
    read: Quantiles,
    write: Quantiles,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Quantiles {
    p50_ns: Option<u64>,
    p99_ns: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Losses {
    lost_writes: Option<u64>,
}

impl Entry {
    /// What lies in a folder, whose path below the shelf has these parts; nothing if it is neither run nor sweep nor
    /// comparison. One that can not be read is an entry, too: it says why.
    #[must_use]
    pub fn read(dir: &Path, below: &[String]) -> Option<Self> {
        let has = |name: &str| dir.join(name).is_file();
        let found: [(&'static str, &str, &str); 4] = [
            ("run", "report.json", "report.html"),
            ("sweep", "summary.json", "summary.html"),
            ("comparison", "compare.json", "compare.html"),
            ("comparison", "ranking.json", "ranking.html"),
        ];
        let (kind, data, page) = match found.into_iter().find(|(_, data, _)| has(data)) {
            Some(found) => found,
            // A run of which only the record is there has no report yet.
            None if has(RECORD) => found[0],
            None => return None,
        };
        let path = below.join("/");
        let parts: Vec<String> = below.iter().map(|part| encoded(part)).chain([page.to_owned()]).collect();
        let link = if has(page) { parts.join("/") } else { String::new() };
        let mut entry = Self { kind, path, link, ..Self::default() };
        let read = fs::read_to_string(dir.join(data)).map_err(|e| format!("{data}: {}", reason(&e)));
        let told = read.and_then(|text| match kind {
            "run" => serde_json::from_str(&text).map(|run| entry.run(&run)).map_err(|e| format!("{data}: {e}")),
            _ => serde_json::from_str(&text).map(|json| entry.many(&json)).map_err(|e| format!("{data}: {e}")),
        });
        if let Err(why) = told {
            (entry.verdict, entry.detail) = ("unreadable", why);
        }
        if entry.look.is_empty() {
            entry.look = look(entry.verdict);
        }
        Some(entry)
    }

    fn run(&mut self, run: &Run) {
        let Run { scenario, title, system, seed, digest, simulated_ns, events, ruling, .. } = run;
        (self.scenario, self.title, self.system) = (scenario.clone(), title.clone(), system.clone());
        self.seeds = seed.to_string();
        let broken = |v: &&Ruled| v.verdict != Some(Ruling::Pass) || v.broken_as_expected;
        let broken: Vec<&str> = run.verdicts.iter().filter(broken).map(|v| v.rule.as_str()).collect();
        let harm = run.metrics.iter().filter(|m| m.kind.harm && m.value > 0.0);
        let harm: Vec<String> = harm.map(|m| units::counted(&print(m.value, m.kind.unit), &m.kind.title)).collect();
        self.detail =
            broken.iter().map(|rule| (*rule).to_owned()).chain(harm.iter().cloned()).collect::<Vec<_>>().join(", ");
        self.verdict = match ruling {
            Some(Ruling::Fail) => "fail",
            Some(Ruling::Pass) if broken.is_empty() => "pass",
            Some(Ruling::Pass) => "as expected",
            Some(Ruling::Inconclusive) => "inconclusive",
            None => "unreadable",
        };
        let harmed = self.verdict == "pass" && !harm.is_empty();
        self.look = if harmed { "inconclusive" } else { look(self.verdict) };
        let a = &run.availability;
        let share = |name, share: Option<f64>| (name, share, share.map_or_else(unknown, units::percent));
        let time = |name, ns: Option<u64>| (name, ns.map(|ns| ns as f64), units::duration_or_unknown(ns));
        let number = |name, n: Option<u64>| (name, n.map(|n| n as f64), n.map_or_else(unknown, units::count));
        let known = a.time_fraction.is_some();
        self.figures = vec![
            share("availability", a.fraction),
            share("time up", a.time_fraction),
            time("down", known.then_some(a.total_outage_ns)),
            time("worst outage", known.then_some(a.longest_outage_ns)),
            number("outages", known.then_some(a.outages.len() as u64)),
            time("read p50", run.latency.read.p50_ns),
            time("read p99", run.latency.read.p99_ns),
            time("write p50", run.latency.write.p50_ns),
            time("write p99", run.latency.write.p99_ns),
            number("lost writes", run.losses.lost_writes),
            number("operations", Some(a.operations)),
            number("faults", Some(run.faults.len() as u64)),
            time("simulated", Some(*simulated_ns)),
            number("events", Some(*events)),
            ("digest", None, digest.clone()),
        ];
    }

    /// A sweep, or a comparison of two.
    fn many(&mut self, json: &Json) {
        let text = |key: &str| json[key].as_str().unwrap_or_default().to_owned();
        (self.scenario, self.title, self.system, self.seeds) =
            (text("scenario"), text("title"), text("system"), text("seeds"));
        if self.kind == "comparison" {
            // Two have a place each, more than two stand in a list.
            let designs: Vec<&Json> = match json["designs"].as_array() {
                Some(designs) => designs.iter().collect(),
                None => vec![&json["a"], &json["b"]],
            };
            let all = |key: &str| designs.iter().map(|side| side[key].as_str().unwrap_or("?")).collect::<Vec<_>>();
            self.scenario = all("label").join(" vs ");
            self.title = json["conclusion"][0].as_str().unwrap_or_default().to_owned();
            let mut systems = all("system");
            systems.dedup();
            self.system = systems.join(", ");
            self.verdict = "pass";
            return;
        }
        let count = |key: &str| json["counts"][key].as_u64().unwrap_or(0);
        self.verdict = match (count("fail") + count("bug"), count("inconclusive")) {
            (1.., _) => "fail",
            (0, 1..) => "inconclusive",
            (0, 0) => "pass",
        };
        let (runs, failed) = (json["runs"].as_u64().unwrap_or(0), count("fail") + count("bug"));
        self.detail = format!("{} of {} runs failed", units::count(failed), units::count(runs));
        let figures = &json["figures"];
        let half = |key: &str| figures[key]["p50"].as_f64();
        let share = |name, value: Option<f64>| (name, value, value.map_or_else(unknown, units::percent));
        let time = |name, value: Option<f64>| (name, value, units::duration_or_unknown(value.map(|v| v as u64)));
        self.figures = vec![
            share("availability", half("fraction")),
            share("time up", half("time_fraction")),
            time("down", half("total_outage_ns")),
            time("worst outage", half("longest_outage_ns")),
            time("read p99", half("read_p99_ns")),
            time("write p99", half("write_p99_ns")),
            ("runs", Some(runs as f64), units::count(runs)),
            ("failed", Some(failed as f64), units::count(failed)),
        ];
    }
}

/// The class of a verdict's colour.
fn look(verdict: &str) -> &'static str {
    match verdict {
        "pass" => "pass",
        "fail" => "fail",
        _ => "inconclusive",
    }
}

fn unknown() -> String {
    units::UNKNOWN.into()
}

/// A part of a path as it stands in a link.
fn encoded(part: &str) -> String {
    let mut out = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Columns of the list; all figures stand side by side below it.
const COLUMNS: [&str; 5] = ["availability", "down", "worst outage", "write p99", "read p99"];

/// Whether a text is such a page.
#[must_use]
pub fn is_page(text: &str) -> bool {
    text.contains(" · all runs</title>")
}

/// The page; `left_out` says what is not on it, if anything.
///
/// # Panics
/// Never: the template knows its figures.
#[must_use]
pub fn page(shelf: &str, entries: &[Entry], left_out: &str) -> String {
    #[derive(Serialize)]
    struct Row<'a> {
        entry: &'a Entry,
        shown: Vec<Option<&'a Figure>>,
    }
    let rows = entries.iter().map(|entry| {
        let figure = |name: &&str| entry.figures.iter().find(|(known, ..)| known == name);
        Row { entry, shown: COLUMNS.iter().map(figure).collect() }
    });
    let rows: Vec<Row<'_>> = rows.collect();
    let count = |verdict: &str| entries.iter().filter(|entry| entry.verdict == verdict).count();
    let counts: Vec<(&str, &str, usize)> = ["fail", "inconclusive", "as expected", "pass", "unreadable"]
        .map(|verdict| (verdict, look(verdict), count(verdict)))
        .into();
    let data = explore::embedded(&entries);
    let mut environment = environment();
    environment.add_template("index.html", HTML).expect("the template parses");
    let template = environment.get_template("index.html").expect("it was just added");
    let rendered = template.render(context! {
        shelf, left_out, data, counts,
        rows => Value::from(Serde(&rows)),
        columns => COLUMNS,
        script => SCRIPT.concat(),
        style => STYLE,
    });
    rendered.expect("the template knows its figures")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_are_neither_markup_nor_paths() {
        assert_eq!(encoded("a b/../<x>\"&?#%"), "a%20b%2F..%2F%3Cx%3E%22%26%3F%23%25");
        let name = "</script><img src=x onerror=alert(1)>";
        let entry = Entry {
            kind: "run",
            path: name.into(),
            link: encoded(name),
            scenario: name.into(),
            title: name.into(),
            verdict: "fail",
            look: "fail",
            detail: name.into(),
            figures: vec![("availability", None, name.into())],
            ..Entry::default()
        };
        let page = page(name, &[entry], name);
        assert!(!page.contains("<img") && page.matches("</script>").count() == 2, "{page}");
    }
}
