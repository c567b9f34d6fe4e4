//! The report as pages: Markdown to paste into a document, and one HTML file that opens offline.

pub(crate) mod compare;
pub(crate) mod files;
pub(crate) mod sweep;

use crate::charts::Chart;
use crate::report::Report;
use crate::units;
use crate::words::view::View;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Serialize;

const MARKDOWN: &str = include_str!("../../templates/report.md.jinja");
const HTML: &str = include_str!("../../templates/report.html.jinja");
const STYLE: &str = include_str!("../../templates/report.css");

/// `report.md`. Its pictures are the files in `charts/`; those that few runs have are shown if they are among `charts`.
#[must_use]
pub fn markdown(report: &Report, charts: &[Chart]) -> String {
    let text = render("report.md", MARKDOWN, report, &charts.iter().map(Figure::named).collect::<Vec<_>>());
    // What is left out leaves its blank lines.
    let mut page = String::with_capacity(text.len());
    for line in text.lines() {
        if !line.is_empty() || !page.ends_with("\n\n") {
            page.push_str(line);
            page.push('\n');
        }
    }
    page
}

/// `report.html`: everything in one file, no script, nothing loaded from anywhere.
#[must_use]
pub fn html(report: &Report, charts: &[Chart]) -> String {
    render("report.html", HTML, report, &figures(charts))
}

/// A chart as templates have it.
#[derive(Serialize)]
pub(crate) struct Figure<'a> {
    name: &'a str,
    title: &'a str,
    about: &'a str,
    group: &'static str,
    svg: String,
}

impl<'a> Figure<'a> {
    /// Without its drawing, for pages that refer to a file.
    pub(crate) fn named(chart: &'a Chart) -> Self {
        let Chart { name, title, about, group, .. } = chart;
        Self { name, title, about, group, svg: String::new() }
    }
}

pub(crate) fn figures(charts: &[Chart]) -> Vec<Figure<'_>> {
    charts.iter().map(|chart| Figure { svg: chart.svg(), ..Figure::named(chart) }).collect()
}

fn render(name: &str, template: &str, report: &Report, charts: &[Figure<'_>]) -> String {
    let mut environment = environment();
    environment.add_template(name, template).expect("the template parses");
    let (v, charts) = (Value::from(Serde(View::of(report))), Value::from(Serde(charts)));
    let template = environment.get_template(name).expect("it was just added");
    template.render(context! { v, charts, style => STYLE }).expect("the template knows its figures")
}

/// What every template may use.
pub(crate) fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build();
    environment.set_syntax(syntax.expect("the usual delimiters"));
    environment
        .set_auto_escape_callback(|name| if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None });
    let unknown = || "\u{2013}".to_owned();
    environment.add_filter("cell", |text: String| cell(&text));
    environment.add_filter("time", move |ns: Option<u64>| ns.map_or_else(unknown, units::duration));
    environment.add_filter("percent", move |share: Option<f64>| share.map_or_else(unknown, units::percent));
    environment.add_filter("count", units::count);
    environment.add_filter("capitalize_first", |text: String| units::capitalised(&text));
    environment
}

/// Text in a cell of a Markdown table: one line, no column separators, no markup of its own.
pub(crate) fn cell(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let tag = c == '<' && rest.peek().is_some_and(|next| next.is_alphabetic() || matches!(next, '/' | '!'));
        match c {
            _ if tag => out.push_str("\\<"),
            '|' | '*' | '`' | '[' => out.extend(['\\', c]),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
