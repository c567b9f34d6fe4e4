//! Two traces side by side: the first line in which they differ, with what came before and after.

use super::text::Text;
use super::{Line, at};
use std::collections::VecDeque;
use std::fmt::Write;

/// Lines before the parting that are kept: more than are shown, because a delivery is told in the words of its sending.
const KEPT: usize = 4_000;
/// Lines shown before the parting.
const BEFORE: usize = 12;
/// Lines shown of each trace from the parting on.
const AFTER: usize = 8;

/// Compares two traces line by line, given in pairs.
#[derive(Debug, Default)]
pub struct Parting {
    same: VecDeque<String>,
    lines: u64,
    parted: Option<(Vec<String>, Vec<String>)>,
}

/// Where two traces part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parted {
    /// How many lines are the same before it.
    pub same_lines: u64,
    /// When it is, in simulated nanoseconds.
    pub at_ns: u64,
    /// The last lines that are the same, as text.
    pub before: Vec<String>,
    /// What comes then in the one, as text; empty if it ends there.
    pub a: Vec<String>,
    /// And in the other.
    pub b: Vec<String>,
}

impl Parting {
    /// Nothing compared yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the next line of each trace, `None` where one has ended. False once it needs no more.
    pub fn pair(&mut self, a: Option<&str>, b: Option<&str>) -> bool {
        if self.parted.is_none() && a == b {
            if let Some(line) = a {
                self.lines += 1;
                if self.same.len() == KEPT {
                    self.same.pop_front();
                }
                self.same.push_back(line.to_owned());
            }
            return a.is_some();
        }
        let (of_a, of_b) = self.parted.get_or_insert_default();
        of_a.extend(a.map(str::to_owned));
        of_b.extend(b.map(str::to_owned));
        (a.is_some() || b.is_some()) && of_a.len().max(of_b.len()) < AFTER
    }

    /// Where they part, if they do.
    #[must_use]
    pub fn finish(self) -> Option<Parted> {
        let (a, b) = self.parted?;
        let mut text = Text::new(false);
        let tell = |text: &mut Text, raw: &str| match Line::parse(raw) {
            Ok(line) => text.line(&line),
            Err(_) => raw.to_owned(),
        };
        let mut before: Vec<String> = self.same.iter().map(|raw| tell(&mut text, raw)).collect();
        before.drain(..before.len().saturating_sub(BEFORE));
        let at_ns = a.first().into_iter().chain(b.first()).filter_map(|raw| at(raw)).min().unwrap_or(0);
        let mut after = |lines: &[String]| lines.iter().map(|raw| tell(&mut text, raw)).collect::<Vec<_>>();
        let (a, b) = (after(&a), after(&b));
        Some(Parted { same_lines: self.lines, at_ns, before, a, b })
    }
}

impl Parted {
    /// It for people; `a` and `b` say which trace is which.
    #[must_use]
    pub fn text(&self, a: &str, b: &str) -> String {
        let mut out = String::new();
        let s = format!("{}.{:09} s", self.at_ns / 1_000_000_000, self.at_ns % 1_000_000_000);
        let _ = writeln!(out, "they part at {s}, after {} lines that are the same:", self.same_lines);
        self.before.iter().for_each(|line| {
            let _ = writeln!(out, "    {line}");
        });
        for (mark, name, lines) in [('-', a, &self.a), ('+', b, &self.b)] {
            let _ = writeln!(out, "{mark} {name}:");
            if lines.is_empty() {
                let _ = writeln!(out, "  {mark} (it ends here)");
            }
            lines.iter().for_each(|line| {
                let _ = writeln!(out, "  {mark} {line}");
            });
        }
        out
    }
}
