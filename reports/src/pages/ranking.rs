//! The files of a ranking: `ranking.json`, `ranking.html` and `ranking.md`, and what is printed.

use super::environment;
use super::files::{WriteError, write_whole};
use crate::comparison::{Against, Better, Contrast, Ranked, Ranking};
use core::fmt::Write;
use minijinja::context;
use minijinja::value::{Serde, Value};
use serde::Serialize;
use std::path::Path;

const MARKDOWN: &str = include_str!("../../templates/ranking.md.jinja");
const HTML: &str = include_str!("../../templates/ranking.html.jinja");
const STYLE: &str = include_str!("../../templates/report.css");

/// Writes `ranking.json`, `ranking.html` and `ranking.md` into `dir`.
///
/// # Errors
/// With the path and the reason. Each file is there whole or not at all.
pub fn write(dir: &Path, ranking: &Ranking) -> Result<(), WriteError> {
    let text = |name: &str, text: &str| write_whole(&dir.join(name), |out| out.write_all(text.as_bytes()));
    text("ranking.json", &ranking.to_json())?;
    text("ranking.md", &render("ranking.md", MARKDOWN, ranking))?;
    text("ranking.html", &render("ranking.html", HTML, ranking))
}

/// A figure in the table.
#[derive(Serialize)]
struct Column {
    title: String,
    /// Of each design, in the order of the rows: the median, and the place where places differ.
    cells: Vec<String>,
    worst: Vec<String>,
}

/// A pair in a figure.
#[derive(Serialize)]
struct Pair {
    figure: String,
    a: String,
    b: String,
    difference: String,
    interval: String,
    a_better: u64,
    ties: u64,
    b_better: u64,
    adjusted: String,
    better: String,
    to_settle: String,
}

fn unknown() -> String {
    "\u{2013}".into()
}

fn column(r: &Ranking, ranked: &Ranked) -> Column {
    let print = |value: Option<f64>| match (value, ranked.contrasts.first()) {
        (Some(value), Some(pair)) => pair.compared.print(value),
        _ => unknown(),
    };
    let tells = r.against == Against::Each && ranked.standings.iter().any(|standing| standing.place > 1);
    let cell = |i: usize| {
        let standing = &ranked.standings[i];
        let place = if tells { format!(" ({})", standing.place) } else { String::new() };
        print(standing.median) + &place
    };
    let order = r.order();
    Column {
        title: ranked.kind.title.to_string(),
        cells: order.iter().map(|i| cell(*i)).collect(),
        worst: order.iter().map(|i| print(ranked.standings[*i].worst)).collect(),
    }
}

fn pair(r: &Ranking, ranked: &Ranked, c: &Contrast) -> Pair {
    let f = &c.compared;
    let label = |i: usize| r.designs[i].label.clone();
    Pair {
        figure: ranked.kind.title.to_string(),
        a: label(c.a),
        b: label(c.b),
        difference: f.median_difference.map_or_else(unknown, |d| f.signed(d)),
        interval: f.median_interval.map_or_else(|| "too few seeds".into(), |i| f.range(i)),
        a_better: f.a_better,
        ties: f.ties,
        b_better: f.b_better,
        adjusted: match c.adjusted {
            p if p < 0.0001 => "< 0.0001".into(),
            p => format!("{p:.4}"),
        },
        better: match c.shown {
            Better::A => label(c.a),
            Better::B => label(c.b),
            Better::NotShown => "not shown".into(),
        },
        to_settle: f.to_settle.cell(),
    }
}

/// What is printed for people: the conclusion first, then as many figures as a terminal of so many columns shows.
#[must_use]
pub fn text(r: &Ranking, dir: &Path, columns: usize) -> String {
    let mut out = String::new();
    r.warnings.iter().for_each(|warning| {
        let _ = writeln!(out, "! {warning}");
    });
    r.conclusion.iter().for_each(|sentence| {
        let _ = writeln!(out, "{sentence}");
    });
    let order = r.order();
    let wide = r.designs.iter().map(|side| side.label.chars().count()).max().unwrap_or(0).clamp(6, 40);
    let width = |c: &Column| c.cells.iter().chain([&c.title]).map(|cell| cell.chars().count()).max().unwrap_or(0) + 2;
    let mut room = columns.saturating_sub(wide);
    let mut fits = |c: &Column| {
        let left = room.checked_sub(width(c));
        room = left.unwrap_or(0);
        left.is_some()
    };
    // In what they are not shown to differ stands behind.
    let (tells, others): (Vec<&Ranked>, Vec<&Ranked>) = shown(r).skip(1).partition(|ranked| ranked.tells());
    let all = r.figures[..1].iter().chain(tells).chain(others);
    let columns: Vec<Column> = all.map(|ranked| column(r, ranked)).take_while(|c| fits(c)).collect();
    let _ = write!(out, "\n{:<wide$}", "median");
    columns.iter().for_each(|c| {
        let _ = write!(out, "{:>w$}", c.title, w = width(c));
    });
    out.push('\n');
    for (row, design) in order.iter().enumerate() {
        let label: String = r.designs[*design].label.chars().take(wide).collect();
        let _ = write!(out, "{label:<wide$}");
        columns.iter().for_each(|c| {
            let _ = write!(out, "{:>w$}", c.cells[row], w = width(c));
        });
        out.push('\n');
    }
    let _ = writeln!(out, "\nreport  {}", dir.join("ranking.html").display());
    out
}

/// The figures in the order in which they are told: what decides, what is lost, the others.
fn shown(r: &Ranking) -> impl Iterator<Item = &Ranked> {
    let (harm, rest): (Vec<&Ranked>, Vec<&Ranked>) = r.figures[1..].iter().partition(|ranked| ranked.kind.harm);
    r.figures[..1].iter().chain(harm).chain(rest)
}

fn render(name: &str, template: &str, r: &Ranking) -> String {
    let order = r.order();
    let designs: Vec<_> = order.iter().map(|i| &r.designs[*i]).collect();
    let columns: Vec<Column> = shown(r).map(|ranked| column(r, ranked)).collect();
    let pairs: Vec<Pair> =
        shown(r).flat_map(|ranked| ranked.contrasts.iter().map(move |c| pair(r, ranked, c))).collect();
    let mut environment = environment();
    environment.add_template(name, template).expect("the template parses");
    let template = environment.get_template(name).expect("it was just added");
    let rendered = template.render(context! {
        r => Value::from(Serde(r)),
        each => r.against == Against::Each,
        designs => Value::from(Serde(designs)),
        columns => Value::from(Serde(columns)),
        pairs => Value::from(Serde(pairs)),
        style => STYLE,
    });
    rendered.expect("the template knows its figures")
}
