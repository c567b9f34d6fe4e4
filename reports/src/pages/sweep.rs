//! The pages of a sweep: `summary.html` and `summary.md`, the runs that failed first, and what to type next.

use super::files::{WriteError, write_charts, write_whole};
use super::{Figure, environment, figures};
use crate::charts::{self, Chart};
use crate::measure::metrics::print;
use crate::sweeps::Sweep;
use crate::units;
use minijinja::value::Serde;
use minijinja::{Value, context};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use sim_core::metric::{Better, MetricKind};
use std::path::Path;

const MARKDOWN: &str = include_str!("../../templates/summary.md.jinja");
const HTML: &str = include_str!("../../templates/summary.html.jinja");
const STYLE: &str = include_str!("../../templates/report.css");
const SCRIPT: &str = include_str!("../../templates/page/table.js");

/// More rows than this are counted, not shown: `summary.json` has them.
const ROWS: usize = 200;
const CELLS: usize = 120;

/// Writes `summary.html`, `summary.md` and, with `draw`, `charts/` into the folder of a sweep. `summary` is the content
/// of its `summary.json`; `kept` gives the folder of a failed run, relative to `dir`, by job and seed.
///
/// # Errors
/// With the path and the reason. Each file is there whole or not at all.
///
/// # Panics
/// When `summary` is not the content of a `summary.json`.
pub fn write(
    dir: &Path,
    summary: &str,
    sweep: &Sweep,
    kept: &dyn Fn(u64, u64) -> Option<String>,
    draw: bool,
) -> Result<(), WriteError> {
    let charts = if draw { charts::sweep::draw(sweep) } else { Vec::new() };
    let summary: Json = serde_json::from_str(summary).expect("a summary is JSON");
    let page = Page::new(&summary, kept);
    let text = |name: &str, text: &str| write_whole(&dir.join(name), |out| out.write_all(text.as_bytes()));
    text("summary.md", &page.render("summary.md", MARKDOWN, &charts))?;
    text("summary.html", &page.render("summary.html", HTML, &charts))?;
    write_charts(dir, &charts)
}

#[derive(Serialize)]
struct Failure<'a> {
    #[serde(flatten)]
    of: &'a Json,
    values_text: String,
    rules_text: String,
    folder: Option<String>,
}

struct Page<'a> {
    summary: &'a Json,
    headline: String,
    failures: Vec<Failure<'a>>,
    failures_left_out: u64,
    cells: Vec<Json>,
    cells_left_out: usize,
}

impl<'a> Page<'a> {
    fn new(summary: &'a Json, kept: &dyn Fn(u64, u64) -> Option<String>) -> Self {
        let list = |name: &str| summary[name].as_array().map_or(&[] as &[Json], Vec::as_slice);
        let failures = list("failures").iter().take(ROWS).map(|f| {
            let rules: Vec<&str> = f["rules"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
            let number = |key: &str| f[key].as_u64().unwrap_or(0);
            Failure {
                of: f,
                values_text: values(&f["values"]),
                rules_text: rules.join(", "),
                folder: kept(number("job"), number("seed")),
            }
        });
        let not_listed = summary["failures_not_listed"].as_u64().unwrap_or(0);
        let cells = list("cells").iter().take(CELLS).map(|c| {
            let mut c = c.clone();
            c["values_text"] = values(&c["values"]).into();
            c
        });
        Self {
            summary,
            headline: headline(summary),
            failures: failures.collect(),
            failures_left_out: list("failures").len().saturating_sub(ROWS) as u64 + not_listed,
            cells: cells.collect(),
            cells_left_out: list("cells").len().saturating_sub(CELLS),
        }
    }

    fn render(&self, name: &str, template: &str, charts: &[Chart]) -> String {
        let charts: Vec<Figure> =
            if name.ends_with(".html") { figures(charts) } else { charts.iter().map(Figure::named).collect() };
        let mut environment = environment();
        environment.add_template(name, template).expect("the template parses");
        let template = environment.get_template(name).expect("it was just added");
        let rendered = template.render(context! {
            program => crate::shell::program(),
            s => Value::from(Serde(self.summary)),
            headline => &self.headline,
            harmed => !harm(self.summary).is_empty(),
            metrics => Value::from(Serde(metrics(self.summary))),
            failures => Value::from(Serde(&self.failures)),
            failures_left_out => self.failures_left_out,
            cells => Value::from(Serde(&self.cells)),
            cells_left_out => self.cells_left_out,
            charts => Value::from(Serde(charts)),
            style => STYLE,
            script => SCRIPT,
        });
        rendered.expect("the template knows its figures")
    }
}

/// `, but 287 had lost writes`: what clients lost though everything held, the gravest alone.
fn harm(summary: &Json) -> String {
    let harmful = metrics(summary).into_iter().find(|row| row.harm && row.above_zero > 0);
    harmful.map_or_else(String::new, |row| format!(", but {} had {}", units::count(row.above_zero), row.title))
}

/// A followed figure over all runs.
#[derive(Serialize)]
struct MetricRow {
    title: String,
    harm: bool,
    above_zero: u64,
    /// The best, half, 90 %, 99 % and the worst.
    values: Vec<String>,
}

/// The followed figures that some run has.
fn metrics(summary: &Json) -> Vec<MetricRow> {
    let kinds = summary["metrics"].as_array().into_iter().flatten();
    let kinds = kinds.filter_map(|kind| MetricKind::deserialize(kind).ok());
    let row = |kind: MetricKind| {
        let of = summary["figures"]["metrics"].get(&*kind.name)?;
        let names = match kind.better {
            Better::Less => ["min", "p50", "p90", "p99", "max"],
            Better::More => ["max", "p50", "p10", "p01", "min"],
        };
        let print =
            |name: &str| of[name].as_f64().map_or_else(|| "\u{2013}".to_owned(), |value| print(value, kind.unit));
        Some(MetricRow {
            title: kind.title.to_string(),
            harm: kind.harm,
            above_zero: of["above_zero"].as_u64().unwrap_or(0),
            values: names.iter().map(|name| print(name)).collect(),
        })
    };
    kinds.filter_map(row).collect()
}

/// `a=1 b=x`.
fn values(cell: &Json) -> String {
    let text = |v: &Json| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let pairs = cell.as_object().into_iter().flatten().map(|(k, v)| format!("{k}={}", text(v)));
    pairs.collect::<Vec<_>>().join(" ")
}

fn headline(summary: &Json) -> String {
    let count = |key: &str| summary["counts"][key].as_u64().unwrap_or(0);
    let runs = units::count(summary["runs"].as_u64().unwrap_or(0));
    let of = |n: u64, what: &str| format!("{} of {runs} {what}", units::count(n));
    match (count("bug"), count("fail"), count("inconclusive")) {
        (bugs @ 1.., ..) => of(bugs, "runs hit a bug in splitbrain"),
        (0, failed @ 1.., _) => of(failed, "runs failed"),
        (0, 0, open @ 1..) => of(open, "runs inconclusive"),
        _ if runs == "1" => format!("The only run held{}", harm(summary)),
        _ => format!("All {runs} runs held{}", harm(summary)),
    }
}
