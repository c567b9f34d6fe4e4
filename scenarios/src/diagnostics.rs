//! What is wrong with a scenario: every problem with its place, the offending text and what would be right.

use core::fmt;
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, MietteSpanContents, Severity, SourceCode,
    SourceSpan, SpanContents,
};
use serde::Serialize;
use std::cell::RefCell;
use std::sync::Arc;

/// More problems than this are only counted: a file of another kind has one on every line.
const SHOWN: usize = 50;

/// Characters that are shown of a line: of a longer one, those around the problem.
const WIDTH: usize = 160;
/// Characters that are shown before the problem, then.
const BEFORE: usize = 40;

/// A stretch of one source text, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Which source, in order of [`Problems::source`].
    pub source: u32,
    /// The first byte.
    pub start: u32,
    /// Behind the last byte.
    pub end: u32,
}

impl Span {
    /// A span; texts beyond 4 GiB are refused long before this.
    #[must_use]
    pub fn new(source: u32, range: core::ops::Range<usize>) -> Self {
        let small = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Self { source, start: small(range.start), end: small(range.end.max(range.start)) }
    }
}

/// Where in a file something is, as people count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// The offending text.
    pub text: String,
    #[serde(skip)]
    span: Span,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// The file as the caller named it, or the `--set` it came from.
    pub file: String,
    /// Where; `None` if the file as a whole is the problem.
    pub place: Option<Place>,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub help: Option<String>,
}

#[derive(Clone, Debug)]
struct Source {
    name: String,
    text: Arc<str>,
}

#[derive(Clone, Debug)]
struct Problem {
    span: Option<Span>,
    file: String,
    what: String,
    help: Option<String>,
}

/// Collects problems while a scenario is read.
#[derive(Debug, Default)]
pub struct Problems {
    sources: RefCell<Vec<Source>>,
    list: RefCell<Vec<Problem>>,
}

impl Problems {
    /// Takes in a text that problems can point into.
    pub fn source(&self, name: &str, text: &str) -> u32 {
        let mut sources = self.sources.borrow_mut();
        sources.push(Source { name: name.to_owned(), text: text.into() });
        sources.len() as u32 - 1
    }

    /// A problem at a place.
    pub fn at(&self, span: Span, what: impl Into<String>, help: impl Into<String>) {
        let help: String = help.into();
        let file = self.sources.borrow().get(span.source as usize).map_or_else(String::new, |s| s.name.clone());
        let help = if help.is_empty() { None } else { Some(help) };
        self.list.borrow_mut().push(Problem { span: Some(span), file, what: what.into(), help });
    }

    /// A problem with a file as a whole.
    pub fn with_file(&self, file: &str, what: impl Into<String>, help: impl Into<String>) {
        let help: String = help.into();
        let help = if help.is_empty() { None } else { Some(help) };
        self.list.borrow_mut().push(Problem { span: None, file: file.to_owned(), what: what.into(), help });
    }

    /// A problem with a source as a whole.
    pub fn with_source(&self, source: u32, what: impl Into<String>, help: impl Into<String>) {
        let name = self.sources.borrow().get(source as usize).map_or_else(String::new, |s| s.name.clone());
        self.with_file(&name, what, help);
    }

    /// The text at a place, as somebody wrote it.
    #[must_use]
    pub fn written(&self, span: Span) -> String {
        let sources = self.sources.borrow();
        let text = sources.get(span.source as usize).map_or("", |source| source.text.as_ref());
        let span = snap(text, span);
        text[span.start as usize..span.end as usize].to_owned()
    }

    /// How many there are so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.borrow().len()
    }

    /// `value` if there were no problems, else all of them in the order of the text.
    ///
    /// # Errors
    /// All problems.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Diagnostics> {
        let mut list = self.list.into_inner();
        match value {
            Some(value) if list.is_empty() => Ok(value),
            _ => {
                // Stable: at one place, the order in which the problems were found.
                list.sort_by_key(|p| p.span);
                let sources = self.sources.into_inner();
                let more = list.len().saturating_sub(SHOWN);
                list.truncate(SHOWN);
                let list = list.into_iter().map(|p| diagnostic(&sources, p)).collect();
                Err(Diagnostics { sources, list, more })
            }
        }
    }
}

fn diagnostic(sources: &[Source], problem: Problem) -> Diagnostic {
    let place = problem.span.and_then(|span| {
        let text = &sources.get(span.source as usize)?.text;
        let span = snap(text, span);
        let before = &text[..span.start as usize];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let offending: String =
            text[span.start as usize..span.end as usize].lines().next().unwrap_or("").chars().take(200).collect();
        Some(Place {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            text: offending,
            span,
        })
    });
    Diagnostic { file: problem.file, place, what: problem.what, help: problem.help }
}

/// The nearest span inside `text` that starts and ends between characters and stays on one line.
fn snap(text: &str, span: Span) -> Span {
    let down = |at: u32| {
        let mut at = (at as usize).min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let start = down(span.start);
    let end = down(span.end).max(start);
    let end = text[start..end].find(['\n', '\r']).map_or(end, |line| start + line);
    Span::new(span.source, start..end)
}

/// All problems of one scenario, never none.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    sources: Vec<Source>,
    list: Vec<Diagnostic>,
    more: usize,
}

impl Diagnostics {
    /// One problem with a file as a whole.
    #[must_use]
    pub fn of_file(file: &str, what: impl Into<String>, help: impl Into<String>) -> Self {
        let help: String = help.into();
        let help = if help.is_empty() { None } else { Some(help) };
        let list = vec![Diagnostic { file: file.to_owned(), place: None, what: what.into(), help }];
        Self { sources: Vec::new(), list, more: 0 }
    }

    /// Takes in the problems of `other` that are not here yet: another reading of the same file, say.
    pub fn absorb(&mut self, other: Self) {
        let base = self.sources.len() as u32;
        self.sources.extend(other.sources);
        self.more += other.more;
        for mut problem in other.list {
            let place = |d: &Diagnostic| d.place.as_ref().map(|p| (p.line, p.column, p.text.clone()));
            let same = |d: &Diagnostic| {
                (&d.file, &d.what, &d.help) == (&problem.file, &problem.what, &problem.help)
                    && place(d) == place(&problem)
            };
            if self.list.iter().any(same) {
                continue;
            }
            if self.list.len() == SHOWN {
                self.more += 1;
                continue;
            }
            if let Some(place) = &mut problem.place {
                place.span.source += base;
            }
            self.list.push(problem);
        }
    }

    /// Only the first `count` of them, the others counted.
    #[must_use]
    pub fn first(mut self, count: usize) -> Self {
        self.more += self.list.len().saturating_sub(count);
        self.list.truncate(count);
        self
    }

    /// The problems, in the order of the text.
    #[must_use]
    pub fn list(&self) -> &[Diagnostic] {
        &self.list
    }

    /// How many more there are than [`Diagnostics::list`] has.
    #[must_use]
    pub const fn more(&self) -> usize {
        self.more
    }

    /// For people, on a page of 110 columns: each problem with its line of text. `colour` is for terminals.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        self.render_within(colour, 110)
    }

    /// As [`Diagnostics::render`], in so many columns.
    #[must_use]
    pub fn render_within(&self, colour: bool, columns: usize) -> String {
        let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler =
            GraphicalReportHandler::new_themed(theme).with_links(false).with_width(columns).with_context_lines(1);
        let mut out = String::new();
        for diagnostic in &self.list {
            let source = diagnostic.place.as_ref().and_then(|p| self.sources.get(p.span.source as usize));
            let shown = Shown { diagnostic, source: source.map(|s| OneLine(s.clone())) };
            // A renderer that fails must not hide the problem.
            if handler.render_report(&mut out, &shown).is_err() {
                out.push_str(&format!("  × {shown}\n"));
            }
        }
        match (self.list.len(), self.more) {
            (1, _) => {}
            (count, 0) => out.push_str(&format!("{count} problems\n")),
            (count, more) => {
                out.push_str(&format!("{} problems, of which these are the first {count}\n", count + more))
            }
        }
        out
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

#[derive(Debug)]
struct Shown<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<OneLine>,
}

/// A source that shows the line of a problem and nothing around it.
#[derive(Debug)]
struct OneLine(Source);

impl SourceCode for OneLine {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text = self.0.text.as_ref();
        // Spans have been snapped to the text when the diagnostic was made.
        let (start, end) = (span.offset(), span.offset() + span.len());
        let head = text.get(..start).ok_or(MietteError::OutOfBounds)?;
        let line_start = head.rfind('\n').map_or(0, |at| at + 1);
        let line = head.matches('\n').count();
        // Asked for no lines around it, miette wants to know where the span itself is.
        let (range, column) = if before == 0 && after == 0 {
            (start..end, head[line_start..].chars().count())
        } else {
            // With its end, so that there is something to point at where a line ends too early.
            let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at + 1);
            clipped(text, line_start..line_end, start)
        };
        let data = text.get(range.clone()).ok_or(MietteError::OutOfBounds)?;
        let at = SourceSpan::from((range.start, range.len()));
        Ok(Box::new(MietteSpanContents::new_named(self.0.name.clone(), data.as_bytes(), at, line, column, 1)))
    }
}

/// The part of a line that is shown of a problem at `start`, and how many characters of the line come before it.
fn clipped(text: &str, line: core::ops::Range<usize>, start: usize) -> (core::ops::Range<usize>, usize) {
    let before = &text[line.start..start];
    let skipped = match text[line.clone()].chars().count() > WIDTH {
        true => before.chars().count().saturating_sub(BEFORE),
        false => 0,
    };
    let from = before.char_indices().nth(skipped).map_or(start, |(at, _)| line.start + at);
    let to = text[from..line.end].char_indices().nth(WIDTH).map_or(line.end, |(at, _)| from + at);
    (from..to, skipped)
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.diagnostic.place {
            None => write!(f, "{}: {}", self.diagnostic.file, self.diagnostic.what),
            Some(_) => f.write_str(&self.diagnostic.what),
        }
    }
}

impl std::error::Error for Shown<'_> {}

impl miette::Diagnostic for Shown<'_> {
    fn severity(&self) -> Option<Severity> {
        Some(Severity::Error)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|s| s as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = self.diagnostic.place.as_ref()?.span;
        // No longer than what is shown of its line.
        let text = self.source.as_ref().map_or("", |source| &source.0.text);
        let marked = text.get(span.start as usize..span.end as usize).unwrap_or("");
        let length = marked.char_indices().nth(WIDTH - BEFORE).map_or(marked.len(), |(at, _)| at);
        Some(Box::new(core::iter::once(LabeledSpan::new(None, span.start as usize, length))))
    }
}
