//! A table as pages show it: every figure in words already, in one style for all of them.

use crate::units;
use serde::Serialize;
use sim_core::table::{Cell, Column, Holds, Table};

/// More rows than this of most tables are left to `report.json`.
pub(crate) const ROWS: usize = 30;

/// A table in words.
#[derive(Default, Serialize)]
pub(crate) struct Sheet {
    pub heads: Vec<Head>,
    pub rows: Vec<Vec<Shown>>,
    /// What is said of the rows that are not shown.
    pub left_out: String,
}

/// The head of a column.
#[derive(Serialize)]
pub(crate) struct Head {
    pub title: String,
    /// How its cells lie: numbers to the right, sentences wide, names on one line.
    pub lies: &'static str,
}

/// A cell.
#[derive(Default, Serialize)]
pub(crate) struct Shown {
    pub text: String,
    /// The colour of a pill around it.
    pub pill: &'static str,
    pub strong: bool,
    pub code: bool,
    /// The width of a bar in percent, instead of a text.
    pub bar: Option<f64>,
}

impl Sheet {
    /// Heads alone; `n` are numbers, `wide` sentences, `nowrap` names.
    pub(crate) fn new<'a>(heads: impl IntoIterator<Item = (&'a str, &'static str)>) -> Self {
        let heads = heads.into_iter().map(|(title, lies)| Head { title: title.into(), lies }).collect();
        Self { heads, ..Self::default() }
    }

    /// The same with the first `most` of these rows.
    pub(crate) fn of<T>(mut self, all: &[T], most: usize, row: impl Fn(&T) -> Vec<Shown>) -> Self {
        self.rows = all.iter().take(most).map(row).collect();
        if all.len() > most {
            self.left_out = format!("{} more are in `report.json`", all.len() - most);
        }
        self
    }

    /// A table of the system's own.
    pub(crate) fn of_system(table: &Table) -> Self {
        let seen = |column: &&Column| !column.title.is_empty();
        let lies = |column: &Column| if column.holds == Holds::Text { "wide" } else { "n" };
        Self::new(table.columns.iter().filter(seen).map(|c| (&*c.title, lies(c)))).of(&table.rows, ROWS, |row| {
            let cells = table.columns.iter().zip(row).filter(|(column, _)| seen(column));
            cells.map(|(column, cell)| print(column.holds, cell).into()).collect()
        })
    }
}

/// A cell in words.
fn print(holds: Holds, cell: &Cell) -> String {
    let number = |value: f64| match holds {
        Holds::Fraction => units::percent(value),
        _ => units::significant(value),
    };
    match cell {
        Cell::Unknown => units::UNKNOWN.into(),
        Cell::Flag(yes) => if *yes { "yes" } else { "no" }.into(),
        Cell::Count(n) => match holds {
            Holds::Moment => units::moment(*n),
            Holds::Time => units::duration(*n),
            Holds::Id | Holds::Text => n.to_string(),
            Holds::Count => units::count(*n),
            Holds::Number | Holds::Fraction => number(*n as f64),
        },
        Cell::Number(value) => number(*value),
        Cell::Text(text) => text.clone(),
        Cell::Counts(list) => list.iter().map(|n| units::count(*n)).collect::<Vec<_>>().join(", "),
        Cell::Names(list) => list.join(", "),
    }
}

impl<T: Into<String>> From<T> for Shown {
    fn from(text: T) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}

impl Shown {
    /// In a pill of this colour.
    pub(crate) fn pill(mut self, colour: &'static str) -> Self {
        self.pill = colour;
        self
    }

    /// In bold letters, if so.
    pub(crate) const fn strong(mut self, strong: bool) -> Self {
        self.strong = strong;
        self
    }

    /// As code.
    pub(crate) const fn code(mut self) -> Self {
        self.code = true;
        self
    }

    /// A bar.
    pub(crate) fn bar(width: f64) -> Self {
        Self { bar: Some(width), ..Self::default() }
    }
}

/// A row of texts.
pub(crate) fn texts<const N: usize>(texts: [String; N]) -> Vec<Shown> {
    texts.map(Shown::from).into()
}
