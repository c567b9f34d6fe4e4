//! One published figure beside ours, and the table of them.

use reports::Chart;
use serde::Serialize;
use std::fmt::Write as _;

/// Where our figure lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Inside the band.
    Inside,
    /// Outside it.
    Outside,
    /// Outside it, because what was published is not what can be worked out; the band says why.
    Explained,
    /// What it is compared with is not on this machine.
    Skipped,
}

impl Place {
    /// Inside if it `is`.
    pub const fn inside(is: bool) -> Self {
        if is { Self::Inside } else { Self::Outside }
    }

    /// The word in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Outside => "OUTSIDE",
            Self::Explained => "outside, explained",
            Self::Skipped => "skipped",
        }
    }
}

/// One published figure beside ours.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which section it belongs to.
    pub section: u32,
    /// What is measured.
    pub figure: String,
    /// What was published, or follows exactly.
    pub published: String,
    /// What we measure.
    pub ours: String,
    /// What is close enough.
    pub band: String,
    /// Where ours lies.
    pub place: Place,
    /// How many runs it took.
    pub runs: u64,
    /// The file that was run, without `.toml`, and what was set.
    pub file: String,
}

/// What a section has measured.
pub struct Findings {
    /// The figures.
    pub rows: Vec<Row>,
    /// Pictures of them.
    pub charts: Vec<Chart>,
}

impl From<Vec<Row>> for Findings {
    fn from(rows: Vec<Row>) -> Self {
        Self { rows, charts: Vec::new() }
    }
}

const HEADS: [&str; 7] = ["", "figure", "published", "ours", "band", "", "runs"];

fn cells(row: &Row) -> [String; 7] {
    let (section, runs) = (row.section.to_string(), row.runs.to_string());
    let copy = |text: &String| text.clone();
    let place = row.place.name().to_owned();
    [section, copy(&row.figure), copy(&row.published), copy(&row.ours), copy(&row.band), place, runs]
}

/// The table for a terminal.
pub fn text(rows: &[Row]) -> String {
    let all: Vec<[String; 7]> = std::iter::once(HEADS.map(str::to_owned)).chain(rows.iter().map(cells)).collect();
    let width = |i: usize| all.iter().map(|cells| cells[i].chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for cells in &all {
        let line: Vec<String> = (0..HEADS.len()).map(|i| format!("{:<w$}", cells[i], w = width(i))).collect();
        let _ = writeln!(out, "{}", line.join("  ").trim_end());
    }
    out
}

/// The table for a page.
pub fn markdown(rows: &[Row]) -> String {
    let mut out = String::from("| figure | published | ours | band | | runs | file |\n|---|---|---|---|---|---|---|\n");
    for row in rows {
        let Row { figure, published, ours, band, place, runs, file, .. } = row;
        let _ = writeln!(out, "| {figure} | {published} | {ours} | {band} | {} | {runs} | `{file}` |", place.name());
    }
    out
}
