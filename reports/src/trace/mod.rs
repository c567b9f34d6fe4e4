//! Traces of runs: their lines read back, filtered, and shown to people and to the viewers they know.
//!
//! A [`Line`] is what one line of `trace.jsonl` says. A [`Filter`] chooses lines; a [`View`] writes those it chose: as
//! aligned text, for ShiViz, for Perfetto, or as they are. A [`Parting`] holds two traces side by side and finds the
//! first line in which they differ. Everything streams: a trace may be far larger than memory.

mod filter;
mod line;
mod mail;
mod parting;
mod perfetto;
mod shiviz;
mod text;

pub use filter::{EVENTS, Filter};
pub use line::{Head, Line, at};
pub use parting::{Parted, Parting};
pub use text::Text;

use perfetto::Perfetto;
use shiviz::Shiviz;
use std::io::{self, Write};

/// How a trace is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Aligned columns for people.
    Text {
        /// With ANSI colours.
        colour: bool,
    },
    /// A log for ShiViz, with vector clocks.
    Shiviz,
    /// Chrome trace events, for Perfetto.
    Perfetto,
    /// The lines as they are.
    Jsonl,
}

/// Writes the lines of a trace that a filter lets through.
#[derive(Debug)]
pub struct View<W: Write> {
    out: W,
    filter: Filter,
    kind: Kind,
    shown: u64,
}

#[derive(Debug)]
enum Kind {
    Text(Text),
    Shiviz(Shiviz),
    Perfetto(Perfetto),
    Jsonl,
}

impl<W: Write> View<W> {
    /// A view that writes to `out`.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W, form: Form, filter: Filter) -> io::Result<Self> {
        let kind = match form {
            Form::Text { colour } => Kind::Text(Text::new(colour)),
            Form::Shiviz => Kind::Shiviz(Shiviz::begin(&mut out)?),
            Form::Perfetto => Kind::Perfetto(Perfetto::begin(&mut out)?),
            Form::Jsonl => Kind::Jsonl,
        };
        Ok(Self { out, filter, kind, shown: 0 })
    }

    /// What it shows.
    pub const fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Takes in the next line of the trace; `raw` is the line as it was read.
    ///
    /// # Errors
    /// Those of the output.
    pub fn line(&mut self, line: &Line, raw: &str) -> io::Result<()> {
        let shown = self.filter.shows(line);
        self.shown += u64::from(shown);
        let Self { out, filter, kind, .. } = self;
        match kind {
            Kind::Text(text) => {
                let told = text.line(line);
                if shown { writeln!(out, "{told}") } else { Ok(()) }
            }
            Kind::Shiviz(shiviz) => shiviz.line(out, line, shown, filter),
            Kind::Perfetto(perfetto) => perfetto.line(out, line, shown, filter),
            Kind::Jsonl if shown => writeln!(out, "{raw}"),
            Kind::Jsonl => Ok(()),
        }
    }

    /// Ends the view. Returns how many lines were shown.
    ///
    /// # Errors
    /// Those of the output.
    pub fn finish(mut self) -> io::Result<u64> {
        if let Kind::Perfetto(perfetto) = self.kind {
            perfetto.end(&mut self.out)?;
        }
        self.out.flush()?;
        Ok(self.shown)
    }
}
