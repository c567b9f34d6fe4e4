//! Forecasts of several designs, over the same draws of the years.

use super::told::{span, time};
use super::weigh::{Forecast, variance};
use super::{Ask, make, problems};
use crate::args::Format;
use crate::exit::Exit;
use crate::run::say;
use crate::sweep::workers;
use crate::terminal::say_lines;
use core::fmt::Write;
use scenarios::scenario::{Hazard, HazardLaw};
use scenarios::{Registry, Scenario};
use serde::Serialize;
use sim_core::Duration;
use std::path::PathBuf;

/// A design that takes part.
pub struct Design {
    /// What it is called.
    pub label: String,
    /// Its file.
    pub file: PathBuf,
    /// The scenario.
    pub scenario: Scenario,
}

/// What is printed as JSON. Times are seconds down in the time that was asked for.
#[derive(Debug, Serialize)]
struct SideBySide {
    years: f64,
    samples: usize,
    conclusion: Vec<String>,
    designs: Vec<Side>,
    /// Each of the others with the first.
    differences: Vec<Difference>,
}

#[derive(Debug, Serialize)]
struct Side {
    label: String,
    file: String,
    #[serde(flatten)]
    forecast: Forecast,
}

/// Of `b` less what is of `a`: negative where `b` is down for less time.
#[derive(Debug, Serialize)]
struct Difference {
    /// The first design, counted from 0.
    a: usize,
    /// The other.
    b: usize,
    /// Expected.
    down: f64,
    /// Its 95 % interval.
    low: f64,
    /// See there.
    high: f64,
}

impl Difference {
    fn of((a, first): (usize, &Forecast), (b, other): (usize, &Forecast)) -> Self {
        // Sample by sample both have had the same failures: what is left is what the designs make of them. The
        // simulations are of different clusters, so both have their own luck.
        let each: Vec<f64> = other.of_samples.iter().zip(&first.of_samples).map(|(b, a)| b - a).collect();
        let wide = 1.96 * libm::sqrt(variance(&each) / each.len() as f64 + first.of_runs + other.of_runs);
        let down = other.down - first.down;
        Self { a, b, down, low: down - wide, high: down + wide }
    }

    fn is_shown(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Runs `compare --forecast`. Hazards may differ where one varies them in one file, and not between files.
pub fn side_by_side(
    registry: &Registry,
    (jobs, format, again): (Option<u16>, Format, &str),
    ask: Ask,
    mut designs: Vec<Design>,
    varied: bool,
) -> Exit {
    let each = designs.iter().map(|design| (design.file.as_path(), &design.scenario));
    let mut problems = problems(ask, each.take(if varied { 1 } else { usize::MAX }));
    if !varied {
        problems.extend(others_hazards(&designs));
    }
    if !problems.is_empty() {
        problems.iter().for_each(|problem| complain!("{problem}"));
        return Exit::Usage;
    }
    let pool = match workers::pool_of(jobs) {
        Ok(pool) => pool,
        Err(error) => return error.tell(),
    };
    // The same luck for all of them.
    let seed = designs[0].scenario.seed;
    designs.iter_mut().for_each(|design| design.scenario.seed = seed);
    let one = |design: Design| {
        let forecast = pool.install(|| make(registry, ask, &design.scenario));
        Side { label: design.label, file: design.file.display().to_string(), forecast }
    };
    let sides: Vec<Side> = designs.into_iter().map(one).collect();
    let first = &sides[0].forecast;
    let others = sides.iter().enumerate().skip(1);
    let differences: Vec<Difference> =
        others.map(|(b, side)| Difference::of((0, first), (b, &side.forecast))).collect();
    let conclusion = differences.iter().map(|d| sentence(d, &sides, ask)).collect();
    let made = SideBySide { years: ask.years, samples: ask.samples, conclusion, designs: sides, differences };
    match format {
        Format::Json => {
            let mut text = serde_json::to_string_pretty(&made).expect("numbers and names are JSON");
            text.push('\n');
            say(&text);
        }
        Format::Text => say_lines(&text(&made, again)),
    }
    if made.designs.iter().any(|side| side.forecast.broken > 0) { Exit::Failed } else { Exit::Held }
}

/// Where the hazards of a file are not those of the first: then the years are others, and no difference is the designs'.
fn others_hazards(designs: &[Design]) -> Vec<String> {
    let Some((first, others)) = designs.split_first() else { return Vec::new() };
    let with = |design: &&Design| !design.scenario.hazards.is_empty() && !first.scenario.hazards.is_empty();
    let differ = |design: &Design| {
        let (ours, theirs) = (&first.scenario.hazards, &design.scenario.hazards);
        let number = (ours.len() != theirs.len()).then(|| format!("{} of them, not {}", theirs.len(), ours.len()));
        let pairs = ours.iter().zip(theirs).enumerate().filter(|(_, (ours, theirs))| ours != theirs);
        let fields = pairs.map(|(i, (ours, theirs))| format!("hazard.{i} is {}, not {}", words(theirs), words(ours)));
        let fields: Vec<String> = number.into_iter().chain(fields).collect();
        (!fields.is_empty()).then(|| {
            format!(
                "{}: its hazards are not those of {}: {}; designs are compared in one world, so give all files the same \
                 [[hazard]], or vary one in one file: --vary hazard.0.repair=1h,4h",
                design.file.display(),
                first.file.display(),
                fields.join(", "),
            )
        })
    };
    others.iter().filter(with).filter_map(differ).collect()
}

/// `machine every 120d, repair 4h`.
fn words(hazard: &Hazard) -> String {
    let long = |time: Duration| {
        let units = [(86_400, "d"), (3_600, "h"), (60, "m")].map(|(seconds, name)| (seconds * 1_000_000_000, name));
        let unit = units.into_iter().find(|(unit, _)| time.0.is_multiple_of(*unit));
        unit.map_or_else(|| time.to_string(), |(unit, name)| format!("{}{name}", time.0 / unit))
    };
    let law = match hazard.law {
        HazardLaw::Exponential => String::new(),
        HazardLaw::Fixed => ", fixed".to_owned(),
        HazardLaw::Weibull(shape) => format!(", weibull of shape {}", f64::from(shape) / 1000.0),
    };
    let window = hazard.window.map_or_else(String::new, |window| format!(", {window}"));
    format!("{} every {}, repair {}{law}{window}", hazard.of.name(), long(hazard.every), long(hazard.repair))
}

/// `A`, `B`, ... as designs are called.
fn letter(number: usize) -> char {
    char::from(b'A' + number as u8)
}

fn named(number: usize, sides: &[Side]) -> String {
    format!("{} ({})", letter(number), sides[number].label)
}

fn sentence(d: &Difference, sides: &[Side], ask: Ask) -> String {
    let years = span(ask.years);
    let (less, more) = if d.down < 0.0 { (d.b, d.a) } else { (d.a, d.b) };
    let (near, far) = (d.low.abs().min(d.high.abs()), d.low.abs().max(d.high.abs()));
    if d.is_shown() {
        return format!(
            "{} is down for less time than {}: {} less in {years} (95 % interval {} to {}).",
            named(less, sides),
            named(more, sides),
            time(d.down.abs()),
            time(near),
            time(far),
        );
    }
    format!(
        "No difference shown between {} and {}: the 95 % interval of the difference in {years}, {} to {}, contains 0.",
        named(d.a, sides),
        named(d.b, sides),
        signed(d.low),
        signed(d.high),
    )
}

/// A time with its sign.
fn signed(seconds: f64) -> String {
    let sign = match seconds {
        s if s.abs() < 1e-6 => "",
        s if s < 0.0 => "\u{2212}",
        _ => "+",
    };
    format!("{sign}{}", time(seconds.abs()))
}

fn text(made: &SideBySide, again: &str) -> String {
    let mut out = String::new();
    let years = span(made.years);
    let _ = writeln!(out, "{} designs  forecasts for {years}\nagain: {again}", made.designs.len());
    made.conclusion.iter().for_each(|sentence| {
        let _ = writeln!(out, "{sentence}");
    });
    let labels = made.designs.iter().map(|side| side.label.chars().count() + 3);
    let wide = labels.max().unwrap_or(0).clamp(10, 40);
    let _ = writeln!(
        out,
        "\n{:<wide$}{:>10}{:>24}{:>8}{:>14}{:>13}",
        "", "down", "95 % interval", "nines", "99 % at most", "lost writes"
    );
    for (number, side) in made.designs.iter().enumerate() {
        let f = &side.forecast;
        let name: String = format!("{}  {}", letter(number), side.label).chars().take(wide).collect();
        let interval = format!("{} to {}", time(f.low), time(f.high));
        let nines = f.nines.map_or_else(|| "never".to_owned(), |nines| format!("{nines:.2}"));
        let lost = format!("{:.3} %", f.loses * 100.0);
        let _ = writeln!(
            out,
            "{name:<wide$}{:>10}{interval:>24}{nines:>8}{:>14}{lost:>13}",
            time(f.down),
            time(f.quantiles[2])
        );
    }
    let _ = write!(out, "\n{:<wide$}", "down after");
    (0..made.designs.len()).for_each(|number| {
        let _ = write!(out, "{:>12}", letter(number));
    });
    out.push('\n');
    for (number, part) in made.designs[0].forecast.hazards.iter().enumerate() {
        let _ = write!(out, "{:<wide$}", part.of);
        made.designs.iter().for_each(|side| {
            let _ = write!(out, "{:>12}", side.forecast.hazards.get(number).map_or("-".to_owned(), |p| time(p.down)));
        });
        out.push('\n');
    }
    let _ = writeln!(
        out,
        "\n{} samples of {years}, the same for all: a hazard of a thing that two designs have strikes both at the same \
         time. Differences are with the first.",
        made.samples
    );
    for side in &made.designs {
        let f = &side.forecast;
        if f.broken > 0 {
            let _ = writeln!(out, "! {} breaks a rule in {} of {} runs.", side.label, f.broken, f.runs);
        }
        if f.unknown > 0.0 {
            let _ =
                writeln!(out, "! {}: too rare to be simulated, and counted as down: {}.", side.label, time(f.unknown));
        }
    }
    out
}
