//! What a sweep prints for people: one screen, the runs that failed first.

use super::folder::{RESULTS, SUMMARY};
use super::kept;
use crate::args::SweepArgs;
use crate::run::out_flag;
use crate::terminal::{headed, width, wrapped};
use core::fmt::Write;
use reports::{program, quoted};
use scenarios::Scenario;
use scenarios::sweep::{Cell, CellSummary, Counts, Figures, Plan, Quantiles, Shard, Spread, Summary};
use sim_core::metric::{Better, MetricKind, Unit};
use std::path::Path;

/// Rows that fit on a screen with everything else.
const ROWS: usize = 8;

/// The first line: what is run, and how to run it again.
pub fn head(args: &SweepArgs, plan: &Plan, scenario: &Scenario) -> String {
    headed(&format!("{}  {}", scenario.name, number(plan.share(), "run", "runs")), &command(args, plan))
}

/// The command that makes a sweep again.
pub fn command(args: &SweepArgs, plan: &Plan) -> String {
    let mut flags = format!(" --seeds {}", plan.seeds());
    for axis in plan.axes() {
        let _ = write!(flags, " --vary {}", quoted(&format!("{}={}", axis.key, axis.values.join(","))));
    }
    for set in &args.set {
        let _ = write!(flags, " --set {}", quoted(set));
    }
    if args.shard != Shard::WHOLE {
        let _ = write!(flags, " --shard {}", args.shard);
    }
    flags.push_str(&out_flag(&args.out));
    let file = quoted(&args.file().display().to_string());
    format!("{} sweep {file}{flags}", program())
}

/// How a single run of a sweep is made again without its folder.
pub struct Again {
    file: String,
    set: String,
}

impl Again {
    /// For a sweep's own runs.
    pub fn of(args: &SweepArgs) -> Self {
        let set = args.set.iter().map(|s| format!(" --set {}", quoted(s))).collect();
        Self { file: quoted(&args.file().display().to_string()), set }
    }

    /// When only the results are known.
    pub fn unknown() -> Self {
        Self { file: "FILE".to_owned(), set: String::new() }
    }

    /// The command that makes one run of it.
    pub fn of_run(&self, seed: u64, values: &Cell) -> String {
        let varied: String = values.iter().map(|(k, v)| format!(" --set {}", quoted(&format!("{k}={v}")))).collect();
        format!("{} run {} --seed {seed}{}{varied}", program(), self.file, self.set)
    }
}

/// Everything else.
pub fn body(summary: &Summary, dir: &Path, again: &Again) -> String {
    let mut out = String::new();
    let Counts { pass, fail, inconclusive, bug } = summary.counts;
    let mut counts = vec![format!("{pass} held"), format!("{fail} failed"), format!("{inconclusive} inconclusive")];
    if bug > 0 {
        counts.push(number(bug, "bug in splitbrain", "bugs in splitbrain"));
    }
    let _ = writeln!(out, "{}", counts.join(", "));
    for harm in harms(summary) {
        let _ = writeln!(out, "  {harm}");
    }
    failures(&mut out, summary, dir, again);
    figures(&mut out, summary);
    cells(&mut out, &summary.cells);
    if !summary.never_exercised.is_empty() {
        let _ = writeln!(out, "\nnever exercised: {}", summary.never_exercised.join(", "));
    }
    let _ = writeln!(out, "\nresults  {}\nsummary  {}", dir.join(RESULTS).display(), dir.join(SUMMARY).display());
    let _ = writeln!(out, "report   {}", dir.join("summary.html").display());
    out
}

fn failures(out: &mut String, summary: &Summary, dir: &Path, again: &Again) {
    let rules = summary.rules.iter().filter(|r| r.failed + r.inconclusive > 0);
    for r in rules {
        let of = |n: u64, what: &str| if n > 0 { format!(" {what} in {n}") } else { String::new() };
        let both = if r.failed > 0 && r.inconclusive > 0 { "," } else { "" };
        let (failed, open) = (of(r.failed, "failed"), of(r.inconclusive, "inconclusive"));
        let _ = writeln!(out, "  {}:{failed}{both}{open}", r.rule);
    }
    if summary.failures.is_empty() {
        return;
    }
    out.push('\n');
    for failure in summary.failures.iter().take(ROWS) {
        let values = show(&failure.values);
        let values = if values.is_empty() { values } else { format!("  {values}") };
        let text = format!("seed {}{values}  {}  {}", failure.seed, failure.rules.join(", "), brief(&failure.detail));
        out.push_str(&wrapped(&text, 4, width()));
        let kept = kept::path(dir, failure.job, failure.seed);
        if kept.join("record.json").exists() {
            let _ = writeln!(out, "    {} replay {}", program(), quoted(&kept.display().to_string()));
        } else {
            let _ = writeln!(out, "    {}", again.of_run(failure.seed, &failure.values));
        }
    }
    let more = (summary.failures.len() as u64).saturating_sub(ROWS as u64) + summary.failures_not_listed;
    if more > 0 {
        let _ = writeln!(out, "and {more} more in {SUMMARY}");
    }
    let kept = summary.failures.iter().map(|f| kept::path(dir, f.job, f.seed)).find(|k| k.join("record.json").exists());
    if let Some(kept) = kept {
        let _ = writeln!(out, "next: {} shrink {}", program(), quoted(&kept.display().to_string()));
    }
}

/// What clients lost in runs that held or not: never left to the table alone.
fn harms(summary: &Summary) -> impl Iterator<Item = String> {
    let harmful = followed(summary, &summary.figures).filter(|(kind, spread)| kind.harm && spread.above_zero > 0);
    harmful.map(|(kind, spread)| {
        let (runs, of) = (spread.above_zero, spread.quantiles.count);
        let most = spread.quantiles.max.map_or_else(String::new, |most| format!(", {} at most", metric(most, kind)));
        format!("{}: in {runs} of {of} runs{most}", kind.title)
    })
}

/// The same for CI, if there is any.
pub fn caution(summary: &Summary) -> Option<String> {
    let all: Vec<String> = harms(summary).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// The followed figures that some run has.
fn followed<'a>(summary: &'a Summary, figures: &'a Figures) -> impl Iterator<Item = (&'a MetricKind, &'a Spread)> {
    summary.metrics.iter().filter_map(|kind| Some((kind, figures.metrics.get(&*kind.name)?)))
}

/// A followed figure in its unit.
fn metric(value: f64, kind: &MetricKind) -> String {
    match kind.unit {
        Unit::Time => time(Some(value.max(0.0).round() as u64)),
        Unit::Fraction => percent(Some(value)),
        Unit::Number if value.fract() == 0.0 => format!("{value:.0}"),
        Unit::Number => format!("{value:.2}"),
    }
}

fn figures(out: &mut String, summary: &Summary) {
    let figures = &summary.figures;
    if figures.longest_outage_ns.count == 0 {
        return;
    }
    out.push('\n');
    let wide = ((width() - 19) / 5).min(12);
    let mut row = |name: &str, cells: [String; 5]| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>wide$}")).collect();
        let _ = writeln!(out, "{name:<19}{cells}");
    };
    row("over runs", ["best", "half", "90 %", "99 %", "worst"].map(str::to_owned));
    let times = |q: &Quantiles<u64>| [q.min, q.p50, q.p90, q.p99, q.max].map(time);
    row("longest outage", times(&figures.longest_outage_ns));
    row("total outage", times(&figures.total_outage_ns));
    // The other way round: less is worse.
    let shares = |q: &Quantiles<f64>| [q.max, q.p50, q.p10, q.p01, q.min].map(percent);
    row("availability", shares(&figures.fraction));
    row("time available", shares(&figures.time_fraction));
    row("read p99", times(&figures.read_p99_ns));
    row("write p99", times(&figures.write_p99_ns));
    for (kind, spread) in followed(summary, figures) {
        let q = &spread.quantiles;
        let worse_last = match kind.better {
            Better::Less => [q.min, q.p50, q.p90, q.p99, q.max],
            Better::More => [q.max, q.p50, q.p10, q.p01, q.min],
        };
        row(&kind.title, worse_last.map(|value| value.map_or_else(|| "-".to_owned(), |value| metric(value, kind))));
    }
}

fn cells(out: &mut String, cells: &[CellSummary]) {
    if cells.is_empty() {
        return;
    }
    let names: Vec<String> = cells.iter().take(2 * ROWS).map(|c| show(&c.values)).collect();
    let name_width = names.iter().map(|n| n.chars().count()).max().unwrap_or(0).max(8);
    let terminal_width = width();
    out.push('\n');
    // Narrow: what is longest gives way.
    let room = terminal_width.saturating_sub(name_width);
    let (small, large) = if room >= 64 { (8, 16) } else { (7, (room.saturating_sub(14) / 3).clamp(9, 16)) };
    let mut row = |name: &str, cells: [&str; 5]| {
        let [a, b, c, d, e] = cells;
        let _ = writeln!(out, "{name:<name_width$}{a:>small$}{b:>small$}{c:>large$}{d:>large$}{e:>large$}");
    };
    let heads = if large == 16 {
        ["held", "failed", "outage, half", "outage, worst", "available, half"]
    } else {
        ["held", "failed", "half", "worst", "up"]
    };
    row("varied", heads);
    for (name, cell) in names.iter().zip(cells) {
        let (held, failed) = (cell.counts.pass.to_string(), (cell.counts.fail + cell.counts.bug).to_string());
        let outage = &cell.figures.longest_outage_ns;
        let (half, worst) = (time(outage.p50), time(outage.max));
        row(name, [&held, &failed, &half, &worst, &percent(cell.figures.fraction.p50)]);
    }
    if cells.len() > names.len() {
        let _ = writeln!(out, "and {} more in {SUMMARY}", cells.len() - names.len());
    }
}

fn show(values: &Cell) -> String {
    values.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ")
}

/// One line, not too long.
fn brief(detail: &str) -> String {
    const LENGTH: usize = 100;
    let line = detail.lines().next().unwrap_or_default();
    if line.chars().count() <= LENGTH {
        line.to_owned()
    } else {
        line.chars().take(LENGTH - 3).collect::<String>() + "..."
    }
}

fn number(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// Three digits and a unit.
fn time(ns: Option<u64>) -> String {
    let Some(ns) = ns else { return "-".to_owned() };
    let (value, unit) = match ns {
        0 => return "0 s".to_owned(),
        1..1_000 => (ns as f64, "ns"),
        1_000..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    match value {
        v if v >= 100.0 => format!("{v:.0} {unit}"),
        v if v >= 10.0 => format!("{v:.1} {unit}"),
        v => format!("{v:.2} {unit}"),
    }
}

/// Never rounded up to all or down to nothing.
fn percent(share: Option<f64>) -> String {
    match share {
        None => "-".to_owned(),
        Some(x) if x >= 1.0 => "100 %".to_owned(),
        Some(x) => format!("{:.3} %", (x * 1e5).floor() / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_never_too_good() {
        let times = [0, 999, 1_500, 12_345_678, 999_999_999, 61_000_000_000].map(|ns| time(Some(ns)));
        assert_eq!(times, ["0 s", "999 ns", "1.50 us", "12.3 ms", "1000 ms", "61.0 s"]);
        assert_eq!(
            [1.0, 0.999_999_9, 0.5, 0.0].map(|x| percent(Some(x))),
            ["100 %", "99.999 %", "50.000 %", "0.000 %"]
        );
        assert_eq!((time(None), percent(None)), ("-".to_owned(), "-".to_owned()));
    }
}
