//! The report on one screen of a terminal.

use super::losses;
use super::measured::{self, Words};
use super::view::{self, Standing};
use crate::report::{Outage, Report, Share, Verdict};
use crate::shell::{program, quoted};
use crate::units;
use sim_core::record::Ruling;
use std::fmt::Write;
use std::path::Path;

/// Verdicts that did not hold, shown at most.
const VERDICTS: usize = 3;
/// Nodes whose load is shown at most.
const NODES: usize = 4;
/// A title of which less would be seen is left out.
const TITLE: usize = 20;
/// Where the texts begin.
const LABEL: usize = 14;
/// Lines that a text takes at most; one more where a line is shorter than usual.
const LINES: usize = 2;
/// Columns of a usual terminal.
const USUAL: usize = 80;

/// At most 24 lines of at most `width` columns (more lines in fewer columns than usual): did it hold, how available,
/// the worst outage and why, latency, where the load went, which faults bit, where the report is and how to run it
/// again. `dir` is the run's folder as the user would type it; `colour` adds ANSI colours, which take no columns.
#[must_use]
pub fn summary(report: &Report, dir: &Path, width: usize, colour: bool) -> String {
    let mut page = Page { out: String::new(), width: width.clamp(40, 200), colour };
    let (tint, word) = match Standing::of(report) {
        Standing::Held => ("1;32", "PASS"),
        Standing::Harmed => ("1;33", "CAUTION"),
        Standing::AsExpected => ("1;33", "AS EXPECTED"),
        Standing::Failed => ("1;31", "FAIL"),
        Standing::Open => ("1;33", "INCONCLUSIVE"),
    };
    let title = if report.title.is_empty() { &report.scenario } else { &report.title };
    let room = page.width - LABEL;
    let fits = |text: &String| text.chars().count() <= room;
    // Every kind of harm is in it, in few words where there is no room for more; the title where there is.
    let headline = Some(view::headline(report, Words::All)).filter(fits);
    let headline = headline.unwrap_or_else(|| view::headline(report, Words::Few));
    let titled = format!("{headline}  \u{b7}  {title}");
    let left = room.saturating_sub(headline.chars().count());
    page.wrapped(tint, word, if left >= TITLE.min(title.chars().count() + 5) { &titled } else { &headline }, ", ");
    verdicts(&mut page, &report.verdicts);
    // What is lost for good comes before what was only late.
    let told = measured(&mut page, report);
    availability(&mut page, report);
    latency(&mut page, report);
    load(&mut page, report, NODES.saturating_sub(told).max(1), told < NODES);
    faults(&mut page, report);
    if let Some((first, rest)) = report.conditions.split_first() {
        let more = if rest.is_empty() { String::new() } else { format!(", and {} more", rest.len()) };
        page.row("", "besides", &format!("{} at {}{more}", first.label, units::moment(first.start_ns)));
    }
    page.whole("report", &dir.join("report.html").display().to_string());
    page.whole("again", &format!("{} replay {}", program(), quoted(&dir.display().to_string())));
    page.row("", "digest", &report.digest);
    page.out
}

struct Page {
    out: String,
    width: usize,
    colour: bool,
}

impl Page {
    /// A text with a label, broken between words.
    fn row(&mut self, tint: &str, label: &str, text: &str) {
        self.wrapped(tint, label, text, " ");
    }

    /// A line with a label; both cut to the width.
    fn line(&mut self, tint: &str, label: &str, text: &str) {
        let label: String = label.chars().take(LABEL - 2).collect();
        let pad = " ".repeat(LABEL - 2 - label.chars().count());
        let text = clip(text, self.width - LABEL);
        if self.colour && !tint.is_empty() {
            let _ = writeln!(self.out, "\u{1b}[{tint}m{label}\u{1b}[0m{pad}  {text}");
        } else if self.colour && !label.is_empty() {
            let _ = writeln!(self.out, "\u{1b}[2m{label}\u{1b}[0m{pad}  {text}");
        } else {
            let _ = writeln!(self.out, "{label}{pad}  {text}");
        }
    }

    /// A line that is of no use unless it is whole: a path, a command.
    fn whole(&mut self, label: &str, text: &str) {
        let width = core::mem::replace(&mut self.width, usize::MAX);
        self.line("", label, text);
        self.width = width;
    }

    /// A few lines, broken after the last `between` that fits, or else between words.
    fn wrapped(&mut self, tint: &str, label: &str, text: &str, between: &str) {
        let room = self.width - LABEL;
        let (mut tint, mut label, mut rest) = (tint, label, text);
        for _ in 1..if self.width < USUAL { LINES + 1 } else { LINES } {
            let Some((past, _)) = rest.char_indices().nth(room) else { break };
            let fits = |between: &str| rest[..past].rfind(between).map(|found| found + between.len());
            let Some(at) = fits(between).or_else(|| fits(" ")) else { break };
            self.line(tint, label, &rest[..at]);
            (tint, label, rest) = ("", "", &rest[at..]);
        }
        self.line(tint, label, rest);
    }

    /// A line that continues the one before.
    fn more(&mut self, text: &str) {
        self.row("", "", text);
    }
}

/// The text in at most `room` columns, control characters shown as spaces.
fn clip(text: &str, room: usize) -> String {
    let clean = || text.chars().map(|c| if c.is_control() { ' ' } else { c });
    if clean().count() <= room {
        return clean().collect::<String>().trim_end().to_owned();
    }
    let mut short: String = clean().take(room.saturating_sub(1)).collect();
    short.truncate(short.trim_end().len());
    short.push('\u{2026}');
    short
}

fn verdicts(page: &mut Page, all: &[Verdict]) {
    let mut broken: Vec<&Verdict> = all.iter().filter(|v| v.verdict != Ruling::Pass).collect();
    // The worst first, otherwise as judged.
    broken.sort_by_key(|v| std::cmp::Reverse(v.verdict));
    for v in broken.iter().take(VERDICTS) {
        let (tint, word) = if v.verdict == Ruling::Fail { ("31", "  failed") } else { ("33", "  open") };
        page.wrapped(tint, word, &format!("{}: {}", v.rule, v.detail), " ");
    }
    if broken.len() > VERDICTS {
        page.more(&format!("and {} more in the report", broken.len() - VERDICTS));
    }
}

fn availability(page: &mut Page, report: &Report) {
    let a = &report.availability;
    if a.time_fraction.is_none() {
        page.row("", "availability", "unknown: no operation was invoked in the measured window");
        return;
    }
    let (share, what) = if a.operations > 0 {
        (Share { operations: a.operations, ok: a.ok, fraction: a.fraction }, "operations")
    } else {
        (a.probes, "probes")
    };
    let served = format!("{} of {} {what} served", view::percent(share.fraction), units::count(share.operations));
    let up = match (a.time_fraction, a.nines) {
        (Some(f), Some(n)) => format!(", up {} of the time ({} nines)", units::percent(f), units::significant(n)),
        _ => String::new(),
    };
    page.row("", "availability", &format!("{served}{up}"));
    let Some(worst) = report.worst_outage() else {
        let stall = units::duration(a.longest_stall.duration_ns);
        let measured = units::duration(report.measured_ns());
        page.row("", "outages", &format!("none in {measured}; the longest pause between answers was {stall}"));
        outside(page, report);
        return;
    };
    let total = units::duration(a.total_outage_ns);
    let sum = |of: fn(&Outage) -> u64| a.outages.iter().map(of).sum::<u64>();
    let cost = view::cost(sum(|o| o.operations_failed), sum(|o| o.operations_late));
    page.row("", "outages", &format!("{}, {total} in all; {cost}", units::plural(a.outages.len(), "outage")));
    let at = units::moment(worst.start_ns);
    page.row("", "worst", &format!("{} at {at}, {}: {}", view::length(worst), worst.scope, worst.cause));
    if !worst.phases.is_empty() {
        page.wrapped("", "", &view::phases(worst), ", ");
    }
    outside(page, report);
}

/// What failed while probes saw no outage stands beside the outages, or they would be taken for all there was.
fn outside(page: &mut Page, report: &Report) {
    if let Some(text) = view::failed_outside(&report.availability) {
        page.row("", "", &text);
    }
}

fn latency(page: &mut Page, report: &Report) {
    let line = |l: &crate::report::Latency| {
        let (Some(p50), Some(p99), Some(max)) = (l.p50_ns, l.p99_ns, l.max_ns) else { return None };
        let [p50, p99, max] = [p50, p99, max].map(units::duration);
        Some(format!("p50 {p50}, p99 {p99}, max {max}"))
    };
    let named = [("reads ", &report.latency.read), ("writes", &report.latency.write)];
    let mut label = "latency";
    for (name, l) in named {
        if let Some(text) = line(l) {
            page.row("", label, &format!("{name} {text}"));
            label = "";
        }
    }
}

/// What only some systems measure; gives how many lines that took.
fn measured(page: &mut Page, report: &Report) -> usize {
    let before = page.out.matches('\n').count();
    if let Some(losses) = losses::sentence(&report.losses) {
        page.wrapped("", "losses", &losses, "; ");
    }
    if let Some(r) = &report.recoveries {
        let label = format!("{}s", r.kind.one);
        page.wrapped("", &label, &measured::recovery_sentence(r, report.availability.by_zone.len()), "; ");
    }
    if let Some(goodput) = &report.goodput {
        page.row("", "goodput", &measured::goodput_sentence(goodput, &report.errors));
    }
    if let Some(text) = measured::moves_sentence(&report.load.keys_moved) {
        page.row("", "keys moved", &text);
    }
    if let Some(text) = measured::own_sentence(report) {
        page.wrapped("", "figures", &text, "; ");
    }
    page.out.matches('\n').count() - before
}

fn load(page: &mut Page, report: &Report, most: usize, more: bool) {
    let mut nodes: Vec<_> = report.carriers().collect();
    let total: u64 = nodes.iter().map(|n| n.requests).sum();
    let Some(ratio) = report.load.requests_max_over_mean else { return };
    nodes.sort_by_key(|n| std::cmp::Reverse(n.requests));
    let max = nodes.first().map_or(1, |n| n.requests).max(1);
    let wide = nodes.iter().take(most).map(|n| n.node.chars().count()).max().unwrap_or(0).min(16);
    for (i, n) in nodes.iter().take(most).enumerate() {
        let share = units::significant(n.requests as f64 * 100.0 / total as f64);
        let name = clip(&n.node, 16);
        let mut text = format!("{name:<wide$}  {:<16}  {share:>4} %", bar(n.requests, max, 16));
        if i == 0 && nodes.len() > 1 {
            let _ = write!(text, "  of {} requests, {} times the mean", units::count(total), units::significant(ratio));
        }
        page.row("", if i == 0 { "load" } else { "" }, &text);
    }
    if more && nodes.len() > most {
        page.more(&format!("and {}", units::plural(nodes.len() - most, "more node")));
    }
}

/// A bar of at most `most` columns in eighths of a column.
fn bar(value: u64, max: u64, most: u64) -> String {
    let eighths = (u128::from(value) * u128::from(most) * 8).div_ceil(u128::from(max.max(1))) as usize;
    let mut text = "\u{2588}".repeat(eighths / 8);
    const PARTS: [&str; 8] = ["", "\u{258f}", "\u{258e}", "\u{258d}", "\u{258c}", "\u{258b}", "\u{258a}", "\u{2589}"];
    text.push_str(PARTS[eighths % 8]);
    text
}

fn faults(page: &mut Page, report: &Report) {
    if report.faults.is_empty() {
        page.row("", "faults", "none");
        return;
    }
    let idle: Vec<String> = report
        .faults
        .iter()
        .filter(|f| !f.bit && f.held == 0)
        .map(|f| format!("{} at {}", f.name(), units::moment(f.start_ns)))
        .collect();
    let all = report.faults.len();
    let held = report.faults.iter().filter(|f| !f.bit && f.held > 0).count();
    let idle_or_held = if idle.is_empty() { "" } else { &format!(", {} never bit", idle.len()) };
    match &idle[..] {
        _ if held > 0 => {
            page.row("", "faults", &format!("{all}, of which {held} held back by limits{idle_or_held}"));
        }
        [] if all == 1 => page.row("", "faults", "1, it bit"),
        [] => page.row("", "faults", &format!("{all}, all bit")),
        [only] => page.row("", "faults", &format!("{all}, of which 1 never bit: {only}")),
        [first, rest @ ..] => {
            let text = format!("{all}, of which {} never bit: {first} and {} more", idle.len(), rest.len());
            page.row("", "faults", &text);
        }
    }
}
