//! The terminal: how wide it is, whether it shows colours, and text that fits it.

use crate::run::say;
use console::Term;
use std::io::IsTerminal;

/// Columns where there is no terminal and nobody says how many: what fits a page.
const PAGE: usize = 100;

/// Columns of standard output.
pub fn width() -> usize {
    columns(&Term::stdout())
}

/// Columns of standard error.
pub fn error_width() -> usize {
    columns(&Term::stderr())
}

fn columns(term: &Term) -> usize {
    let own = term.size_checked().map(|(_, columns)| usize::from(columns));
    let told = || std::env::var("COLUMNS").ok()?.trim().parse().ok();
    own.or_else(told).unwrap_or(PAGE).clamp(40, 200)
}

/// Whether standard output shows colours.
pub fn colour() -> bool {
    std::io::stdout().is_terminal() && wants_colour()
}

/// Whether standard error does.
pub fn error_colour() -> bool {
    std::io::stderr().is_terminal() && wants_colour()
}

fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none()
}

/// Says a paragraph, broken between words so that it fits; lines after the first are indented by `hanging`.
pub fn say_wrapped(text: &str, hanging: usize) {
    say(&wrapped(text, hanging, width()));
}

/// Says text whose lines may be too long; those that hold a command or a path are left whole.
pub fn say_lines(text: &str) {
    for line in text.lines() {
        let path = |word: &str| word.contains('/') && word != "/";
        let whole = line.contains(&format!("{} ", reports::program())) || line.split(' ').any(path);
        let lead = line.len() - line.trim_start_matches(' ').len();
        say(&if whole { format!("{line}\n") } else { wrapped(line, lead + 4, width()) });
    }
}

/// A paragraph of lines of at most `width` columns; a word that is longer has a line of its own.
pub fn wrapped(text: &str, hanging: usize, width: usize) -> String {
    // Deeply indented text would be a column of single words.
    let hanging = hanging.min(width / 2);
    let lead: String = text.chars().take_while(|c| *c == ' ').collect();
    let (mut out, mut line, mut empty) = (String::new(), lead.clone(), true);
    let mut rest = &text[lead.len()..];
    while !rest.is_empty() {
        let gap: &str = &rest[..rest.len() - rest.trim_start_matches(' ').len()];
        let word = rest[gap.len()..].split(' ').next().unwrap_or_default();
        let columns = |text: &str| console::measure_text_width(text);
        if !empty && columns(&line) + gap.len() + columns(word) > width {
            out.push_str(line.trim_end());
            out.push('\n');
            line = " ".repeat(hanging);
        } else {
            line.push_str(gap);
        }
        line.push_str(word);
        empty = false;
        rest = &rest[gap.len() + word.len()..];
    }
    out.push_str(line.trim_end());
    out.push('\n');
    out
}

/// A head and the command that makes the same again: on one line if that fits, else the command has its own, whole.
pub fn headed(head: &str, again: &str) -> String {
    let line = format!("{head}   again: {again}");
    if console::measure_text_width(&line) <= width() {
        format!("{line}\n")
    } else {
        format!("{head}\nagain: {again}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_broken_between_words() {
        let text = "    name     what it is, said at some length, for people";
        assert_eq!(wrapped(text, 13, 100), format!("{text}\n"));
        assert_eq!(wrapped(text, 13, 40), "    name     what it is, said at some\n             length, for people\n");
        for width in 40..90 {
            assert!(wrapped(text, 13, width).lines().all(|line| line.len() <= width));
        }
        assert_eq!(
            wrapped("a b-word-that-is-longer-than-it-may-be c", 2, 10),
            "a\n  b-word-that-is-longer-than-it-may-be\n  c\n"
        );
    }
}
