//! Cuts comma-separated text into fields that know their places: quotes, semicolons, tabs and Windows line ends
//! included.

use super::section::Context;
use crate::diagnostics::Span;

/// One field of a line: what it says, without quotes and space around it, and where it stands.
#[derive(Clone, Debug)]
pub struct Field {
    /// What it says.
    pub text: String,
    /// Where it stands; never empty, so that there is something to point at.
    pub span: Span,
}

/// The lines of a table; blank lines and lines that start with `#` are left out. The first line decides what separates
/// fields: a comma, a semicolon or a tab, whichever it has. Between semicolons a decimal comma is a point.
pub fn rows(source: u32, text: &str, context: &Context<'_>) -> Vec<Vec<Field>> {
    let mut rows = Vec::new();
    let mut separator = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end_matches(['\n', '\r']);
        if !content.trim().is_empty() && !content.trim_start().starts_with('#') {
            let separator = *separator.get_or_insert_with(|| separator_of(content));
            rows.push(fields(source, at, content, separator, context));
        }
        at += line.len();
    }
    rows
}

fn separator_of(line: &str) -> char {
    [',', ';', '\t'].into_iter().find(|c| line.contains(*c)).unwrap_or(',')
}

fn fields(source: u32, start: usize, line: &str, separator: char, context: &Context<'_>) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let at = start + line.len() - rest.len();
        let lead = rest.len() - rest.trim_start_matches(' ').len();
        let body = &rest[lead..];
        let (text, length) = match body.strip_prefix('"') {
            None => {
                let length = body.find(separator).unwrap_or(body.len());
                (body[..length].trim().to_owned(), length)
            }
            Some(quoted) => match unquoted(quoted) {
                // Whatever stands between the closing quote and the separator belongs to nothing.
                Some((text, end)) => (text, body[end + 1..].find(separator).map_or(body.len(), |gap| end + 1 + gap)),
                None => {
                    let span = Span::new(source, at + lead..at + rest.len());
                    context.wrong(span, "this quote is not closed on its line", "end the field with another `\"`");
                    (quoted.trim().to_owned(), body.len())
                }
            },
        };
        let text = if separator == ';' { text.replacen(',', ".", 1) } else { text };
        let shown = body[..length].trim_end().len().max(1);
        fields.push(Field { text, span: Span::new(source, at + lead..at + lead + shown) });
        match body[length..].strip_prefix(separator) {
            Some(more) => rest = more,
            None => return fields,
        }
    }
}

/// What stands before the closing quote, and where behind the opening one that ends; two quotes stand for one.
fn unquoted(quoted: &str) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut marks = quoted.char_indices().peekable();
    while let Some((at, c)) = marks.next() {
        if c != '"' {
            text.push(c);
        } else if marks.next_if(|(_, next)| *next == '"').is_some() {
            text.push('"');
        } else {
            return Some((text.trim().to_owned(), at + 1));
        }
    }
    None
}
