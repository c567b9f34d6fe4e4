//! The report as pages: Markdown to paste into a document, and one HTML file that opens offline.

pub(crate) mod compare;
mod diagram;
mod explore;
pub(crate) mod files;
pub(crate) mod index;
pub(crate) mod ranking;
pub(crate) mod sweep;
mod topology;

use crate::charts::Chart;
use crate::report::{Report, Setup, Witness};
use crate::trace::{Head, Line};
use crate::units;
use crate::words::setup::SetupView;
use crate::words::view::View;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use serde::Serialize;
use sim_core::record::RunRecord;

const MARKDOWN: &str = include_str!("../../templates/report.md.jinja");
const HTML: &str = include_str!("../../templates/report.html.jinja");
const STYLE: &str = include_str!("../../templates/report.css");
/// The script of the page, in the order in which its parts build on each other.
const SCRIPT: [&str; 4] = [
    include_str!("../../templates/page/axis.js"),
    include_str!("../../templates/page/timeline.js"),
    include_str!("../../templates/page/diagram.js"),
    include_str!("../../templates/page/start.js"),
];

/// What a page shows beside what the record tells; all of it may be missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// Why the history is not linearizable.
    pub witness: Option<&'a Witness>,
    /// What was simulated.
    pub setup: Option<&'a Setup>,
    /// The lines of [`crate::MOMENTS`].
    pub moments: &'a str,
}

impl Beside<'_> {
    /// The lines of the moments; none if it is another kind of trace.
    fn lines(&self) -> Vec<Line> {
        let mut lines = self.moments.lines();
        let head = lines.next().and_then(|head| Head::parse(head).ok());
        if head.is_none_or(|head| head.holds != "moments") {
            return Vec::new();
        }
        lines.filter_map(|raw| Line::parse(raw).ok()).collect()
    }
}

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

/// `report.html`: everything in one file, nothing loaded from anywhere. Its script draws what is in the page as data;
/// without it the same is in the page as pictures.
#[must_use]
pub fn html(report: &Report, record: &RunRecord, charts: &[Chart], beside: &Beside<'_>) -> String {
    let setup = beside.setup.map(|setup| (SetupView::of(setup), topology::svg(setup)));
    let figures = figures(charts);
    let text = beside.setup.map_or(0, |setup| setup.text.len());
    let data = explore::json(report, record, beside, text + figures.iter().map(|f| f.svg.len()).sum::<usize>());
    let environment = templates("report.html", HTML);
    let (v, charts) = (Value::from(Serde(View::of(report))), Value::from(Serde(&figures)));
    let (setup, map) = setup.map_or((Value::from(()), String::new()), |(s, map)| (Value::from(Serde(s)), map));
    let script = format!("(() => {{\n\"use strict\";\n{}}})();\n", SCRIPT.concat());
    let (program, version) = (crate::shell::program(), env!("CARGO_PKG_VERSION"));
    fill(&environment, context! { v, charts, setup, map, data, script, version, program, style => STYLE })
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

fn render(name: &'static str, template: &'static str, report: &Report, charts: &[Figure<'_>]) -> String {
    let (v, charts) = (Value::from(Serde(View::of(report))), Value::from(Serde(charts)));
    fill(&templates(name, template), context! { v, charts, program => crate::shell::program() })
}

/// The template of a page.
fn templates(name: &'static str, template: &'static str) -> (&'static str, Environment<'static>) {
    let mut environment = environment();
    environment.add_template(name, template).expect("the template parses");
    (name, environment)
}

fn fill((name, environment): &(&str, Environment<'_>), context: Value) -> String {
    let template = environment.get_template(name).expect("it was just added");
    template.render(context).expect("the template knows its figures")
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

/// Text as HTML has it.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
