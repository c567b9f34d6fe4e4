//! The files of a comparison: `compare.json`, `compare.html`, `compare.md` and `charts/`.

use super::files::{WriteError, write_charts, write_whole};
use super::{Figure, environment, figures};
use crate::charts::{self, Chart};
use crate::comparison::{Better, Compared, Comparison};
use crate::units;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;
use std::path::Path;

const MARKDOWN: &str = include_str!("../../templates/compare.md.jinja");
const HTML: &str = include_str!("../../templates/compare.html.jinja");
const STYLE: &str = include_str!("../../templates/report.css");

/// More differing fields than this are counted, not shown.
const FIELDS: usize = 40;

/// Writes `compare.json`, `compare.html`, `compare.md` and, with `draw`, `charts/` into `dir`.
///
/// # Errors
/// With the path and the reason. Each file is there whole or not at all.
pub fn write(dir: &Path, comparison: &Comparison, draw: bool) -> Result<(), WriteError> {
    let charts = if draw { charts::compare::draw(comparison) } else { Vec::new() };
    let text = |name: &str, text: &str| write_whole(&dir.join(name), |out| out.write_all(text.as_bytes()));
    text("compare.json", &comparison.to_json())?;
    text("compare.md", &render("compare.md", MARKDOWN, comparison, &charts))?;
    text("compare.html", &render("compare.html", HTML, comparison, &charts))?;
    write_charts(dir, &charts)
}

/// What is printed for people: the conclusion first, then the figures.
#[must_use]
pub fn text(c: &Comparison, dir: &Path) -> String {
    use core::fmt::Write;
    let mut out = String::new();
    for warning in &c.warnings {
        let _ = writeln!(out, "! {warning}");
    }
    for sentence in &c.conclusion {
        let _ = writeln!(out, "{sentence}");
    }
    let _ = writeln!(out, "\nA  {}\nB  {}\n", c.a.label, c.b.label);
    let _ = writeln!(
        out,
        "{:<20}{:>10}{:>10}{:>16}  {:<29}{:>12}",
        "", "A, half", "B, half", "B - A", "95 % interval", "A = B better"
    );
    for row in c.figures.iter().map(row) {
        let (a, b, difference, interval) = (row.a, row.b, row.difference, row.interval);
        let (name, seeds) = (row.name, format!("{} {} {}", row.a_better, row.ties, row.b_better));
        let _ = writeln!(out, "{name:<20}{a:>10}{b:>10}{difference:>16}  {interval:<29}{seeds:>12}");
    }
    // Of the first figure the conclusion has said it.
    let open: Vec<String> = c.figures[1..].iter().filter_map(to_settle).collect();
    if !open.is_empty() {
        let _ = writeln!(out, "\nmore seeds that would settle the other figures: {}", open.join(", "));
    }
    for (title, fields) in [("design", &c.design), ("other fields", &c.conditions)] {
        const SHOWN: usize = 6;
        if fields.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n{title}, A / B:");
        for d in fields.iter().take(SHOWN) {
            let value = |v: &Option<String>| v.clone().unwrap_or_else(unknown);
            let _ = writeln!(out, "  {}: {} / {}", d.path, value(&d.a), value(&d.b));
        }
        if fields.len() > SHOWN {
            let _ = writeln!(out, "  and {} more in compare.json", fields.len() - SHOWN);
        }
    }
    let _ = writeln!(out, "\nreport  {}", dir.join("compare.html").display());
    out
}

/// One line of the table of figures.
#[derive(Serialize)]
struct Row {
    name: String,
    a: String,
    b: String,
    a_worst: String,
    b_worst: String,
    difference: String,
    interval: String,
    mean: String,
    a_better: u64,
    b_better: u64,
    ties: u64,
    sign_test: String,
    better: &'static str,
    to_settle: String,
    to_settle_mean: String,
}

fn row(f: &Compared) -> Row {
    let value = |v: Option<f64>| v.map_or_else(unknown, |v| f.print(v));
    Row {
        name: f.title().to_owned(),
        a: value(f.a_median),
        b: value(f.b_median),
        a_worst: value(f.a_worst),
        b_worst: value(f.b_worst),
        difference: f.median_difference.map_or_else(unknown, |d| f.signed(d)),
        interval: f.median_interval.map_or_else(|| "too few seeds".into(), |i| f.range(i)),
        mean: match (f.mean_difference, f.mean_interval) {
            (Some(mean), Some(i)) => format!("{} ({})", f.signed(mean), f.range(i)),
            (Some(mean), None) => f.signed(mean),
            _ => unknown(),
        },
        a_better: f.a_better,
        b_better: f.b_better,
        ties: f.ties,
        sign_test: match f.sign_test {
            p if p < 0.0001 => "< 0.0001".into(),
            p => format!("{p:.4}"),
        },
        better: match f.better {
            Better::A => "A",
            Better::B => "B",
            Better::NotShown => "not shown",
        },
        to_settle: f.to_settle.cell(),
        to_settle_mean: f.to_settle_mean.cell(),
    }
}

/// `longest outage 140`, of a figure in which some number of seeds would settle who is better.
fn to_settle(f: &Compared) -> Option<String> {
    f.to_settle.more_seeds.filter(|more| *more > 0).map(|more| format!("{} {}", f.title(), units::count(more)))
}

/// Who loses less where that is shown, else who is down for less time.
fn winner(c: &Comparison) -> Better {
    c.harms().map(|f| f.better).find(|better| *better != Better::NotShown).unwrap_or(c.better)
}

/// Whether there is no plain winner: no difference, or one that does better in one thing only, or does harm itself.
fn is_mixed(c: &Comparison) -> bool {
    let winner = winner(c);
    winner == Better::NotShown
        || !matches!(c.better, Better::NotShown) && c.better != winner
        || c.harm_of(winner).is_some()
}

/// Who loses less, then who is down for less time, and what harm is done even so.
fn headline(c: &Comparison) -> String {
    let plain = plain(c);
    match winner(c) {
        Better::NotShown => match (c.harm_of(Better::A), c.harm_of(Better::B)) {
            (None, None) => plain,
            (Some(harm), None) => format!("{plain}; A had {harm}"),
            (None, Some(harm)) => format!("{plain}; B had {harm}"),
            (Some(a), Some(b)) => format!("{plain}; A had {a}, B had {b}"),
        },
        winner => c.harm_of(winner).map_or_else(|| plain.clone(), |harm| format!("{plain}, though it had {harm}")),
    }
}

fn plain(c: &Comparison) -> String {
    let letter = |better| match better {
        Better::A => Some(("A", &c.a.label)),
        Better::B => Some(("B", &c.b.label)),
        Better::NotShown => None,
    };
    let spared = c.harms().find_map(|f| Some((letter(f.better)?, f.title())));
    match (spared, letter(c.better)) {
        (None, None) => "No difference shown".to_owned(),
        (None, Some((letter, label))) => format!("{letter} is down for less time: {label}"),
        (Some(((letter, label), what)), None) => format!("{letter} does better in {what}: {label}"),
        (Some(((spared, label), what)), Some((up, _))) if spared == up => {
            format!("{spared} does better in {what} and is down for less time: {label}")
        }
        (Some(((spared, _), what)), Some((up, _))) => {
            format!("{spared} does better in {what}, {up} is down for less time")
        }
    }
}

fn unknown() -> String {
    "\u{2013}".into()
}

fn render(name: &str, template: &str, c: &Comparison, charts: &[Chart]) -> String {
    let charts: Vec<Figure> =
        if name.ends_with(".html") { figures(charts) } else { charts.iter().map(Figure::named).collect() };
    let rows: Vec<Row> = c.figures.iter().map(row).collect();
    let headline = headline(c);
    let differences = [("design", &c.design), ("conditions", &c.conditions)]
        .map(|(name, all)| (name, &all[..all.len().min(FIELDS)], all.len().saturating_sub(FIELDS)));
    let mut environment = environment();
    environment.add_template(name, template).expect("the template parses");
    let template = environment.get_template(name).expect("it was just added");
    let rendered = template.render(context! {
        c => Value::from(Serde(c)),
        headline => headline,
        mixed => is_mixed(c),
        rows => Value::from(Serde(rows)),
        differences => Value::from(Serde(differences)),
        charts => Value::from(Serde(charts)),
        style => STYLE,
    });
    rendered.expect("the template knows its figures")
}
