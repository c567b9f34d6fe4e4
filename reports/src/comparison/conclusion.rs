//! What a comparison comes to, in words: never more sure than its interval.

use super::{Better, Compared, Comparison, Interval, Side};
use crate::measure::metrics;
use crate::units;
use sim_core::metric::{self, Unit};

impl Compared {
    pub(crate) fn title(&self) -> &str {
        &self.kind.title
    }

    /// A value in its unit.
    pub(crate) fn print(&self, value: f64) -> String {
        metrics::print(value, self.kind.unit)
    }

    /// A difference without its sign.
    pub(crate) fn amount(&self, difference: f64) -> String {
        match self.kind.unit {
            Unit::Fraction => format!("{} points", units::significant_small(difference.abs() * 100.0)),
            unit => metrics::print(difference.abs(), unit),
        }
    }

    /// A difference with its sign.
    pub(crate) fn signed(&self, difference: f64) -> String {
        let sign = if difference < 0.0 { "\u{2212}" } else { "+" };
        match self.amount(difference) {
            nothing if difference == 0.0 => nothing,
            amount => format!("{sign}{amount}"),
        }
    }

    pub(crate) fn range(&self, interval: Interval) -> String {
        format!("{} to {}", self.signed(interval.low), self.signed(interval.high))
    }
}

/// The sentences, the most important first.
pub(super) fn sentences(c: &Comparison) -> Vec<String> {
    let first = &c.figures[0];
    // What one of the two loses for good weighs more than for how long it is down.
    let mut out: Vec<String> = c.harms().filter_map(|f| harm(c, f)).collect();
    out.push(verdict(c, first));
    if let Some(extra) = average(first) {
        out.push(extra);
    }
    let longest = &c.figures[1];
    if longest.better != first.better && longest.better != Better::NotShown {
        out.push(format!("The longest outage tells another story: {}", shown(c, longest)));
    }
    for (letter, side) in [("A", &c.a), ("B", &c.b)] {
        if let Some(sentence) = failures(letter, side) {
            out.push(sentence);
        }
    }
    out
}

fn verdict(c: &Comparison, f: &Compared) -> String {
    if f.pairs == 0 {
        return "No difference shown: no seed measured an outage in both.".into();
    }
    if f.better != Better::NotShown {
        let mut sentence = shown(c, f);
        sentence.push_str(&split(f));
        return sentence;
    }
    let split = split(f);
    match f.median_interval {
        None => format!("No difference shown: {} seeds are too few for any conclusion; use at least 6.", f.pairs),
        Some(i) if i.low == 0.0 && i.high == 0.0 => {
            format!("No difference shown: most seeds are down for the same time in both.{split}")
        }
        Some(i) => format!(
            "No difference shown: the {} interval of the median difference in {}, {}, contains 0. {}.{split}",
            confidence(),
            f.title(),
            f.range(i),
            f.to_settle.sentence(),
        ),
    }
}

/// `B (name) is down for less time: 240 ms less total outage in the median seed (95 % interval 180 ms to 310 ms less).`
fn shown(c: &Comparison, f: &Compared) -> String {
    let (winner, letter) = if f.better == Better::B { (&c.b.label, "B") } else { (&c.a.label, "A") };
    let (Some(median), Some(i)) = (f.median_difference, f.median_interval) else { return String::new() };
    let (near, far) = (i.low.abs().min(i.high.abs()), i.low.abs().max(i.high.abs()));
    let word = match (f.kind.better, f.kind.unit) {
        (metric::Better::More, _) => "more",
        (metric::Better::Less, Unit::Number) => "fewer",
        (metric::Better::Less, _) => "less",
    };
    let claim = match f.figure.as_str() {
        "total_outage_ns" => "is down for less time".to_owned(),
        "longest_outage_ns" => "has the shorter longest outage".to_owned(),
        _ => format!("has {word} {}", f.title()),
    };
    format!(
        "{letter} ({winner}) {claim}: {} {word} in the median seed ({} interval {} to {}).",
        f.amount(median),
        confidence(),
        f.amount(near),
        f.amount(far),
    )
}

fn split(f: &Compared) -> String {
    format!(
        " B is better in {} of {} seeds, A in {}, equal in {}.",
        units::count(f.b_better),
        units::count(f.pairs),
        units::count(f.a_better),
        units::count(f.ties),
    )
}

/// What one of the two loses for good, and the other does not: in most seeds, or at least on average. What both lose is
/// said, too, or the better one would seem to lose nothing.
fn harm(c: &Comparison, f: &Compared) -> Option<String> {
    let said = match f.better {
        Better::NotShown => average(f).map(|said| said.replacen("But on", "On", 1)),
        _ => Some(shown(c, f)),
    };
    let [a, b] = [Better::A, Better::B].map(|side| f.harmed(side));
    let [in_a, in_b, seeds] = [a, b, f.pairs].map(units::count);
    let both = || format!("A had {} in {in_a} of {seeds} seeds, B in {in_b}.", f.title());
    match said {
        Some(said) if a.min(b) > 0 => Some(format!("{said} {}", both())),
        None if a.max(b) > 0 => Some(both()),
        said => said,
    }
}

/// When the average says what the median does not: a few seeds with very different outcomes.
fn average(f: &Compared) -> Option<String> {
    let (mean, interval) = (f.mean_difference?, f.mean_interval?);
    if interval.holds_zero() {
        return None;
    }
    let by_mean = if mean < 0.0 { Better::B } else { Better::A };
    if by_mean == f.better {
        return None;
    }
    let letter = if by_mean == Better::B { "B" } else { "A" };
    Some(format!(
        "But on average {letter} has {} less {} ({} interval of B minus A: {}): a few seeds differ by much.",
        f.amount(mean),
        f.title(),
        confidence(),
        f.range(interval),
    ))
}

fn failures(letter: &str, side: &Side) -> Option<String> {
    let mut parts = Vec::new();
    for broken in &side.broken {
        parts.push(format!("breaks {} in {}", broken.rule, runs(broken.runs)));
    }
    if side.broken.is_empty() && side.failed > 0 {
        parts.push(format!("misses an expectation in {}", runs(side.failed)));
    }
    if side.bugs > 0 {
        parts.push(format!("hits a bug in splitbrain in {}", runs(side.bugs)));
    }
    if side.inconclusive > 0 {
        parts.push(format!("is inconclusive in {}", runs(side.inconclusive)));
    }
    if parts.is_empty() {
        return None;
    }
    let seeds: Vec<String> = side.failing_seeds.iter().take(5).map(u64::to_string).collect();
    let seeds = if seeds.is_empty() { String::new() } else { format!(" (first seeds: {})", seeds.join(", ")) };
    Some(format!("{letter} ({}) {}{seeds}.", side.label, parts.join(", ")))
}

fn runs(n: u64) -> String {
    if n == 1 { "1 run".into() } else { format!("{} runs", units::count(n)) }
}

fn confidence() -> String {
    format!("{:.0} %", super::CONFIDENCE * 100.0)
}

/// Why the two may not be comparable.
pub(super) fn warnings(c: &Comparison) -> Vec<String> {
    let mut out = Vec::new();
    if !c.conditions.is_empty() {
        let mut sections: Vec<&str> =
            c.conditions.iter().map(|d| d.path.split('.').next().unwrap_or_default()).collect();
        sections.dedup();
        let named: Vec<String> = sections.iter().map(|s| format!("[{s}]")).collect();
        out.push(format!(
            "Apples and pears: besides the design, the scenarios differ in {}. Part of the outcome may come from that.",
            named.join(", "),
        ));
    }
    if c.design.is_empty() && c.conditions.is_empty() {
        out.push("Both scenarios are the same: this compares a design with itself.".into());
    }
    let unpaired = c.pairs - c.figures[0].pairs;
    if unpaired > 0 {
        out.push(format!("{} measured nothing in one of the two and are left out.", runs(unpaired)));
    }
    out
}
