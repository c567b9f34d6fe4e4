//! A forecast for people: one screen.

use super::weigh::Forecast;
use super::{Ask, FEWEST, WINDOW};
use core::fmt::Write;

/// `12.3 min`; seconds in the unit in which they are easy to say.
pub fn time(seconds: f64) -> String {
    let of = |value: f64, unit: &str| {
        let digits = if value >= 100.0 {
            0
        } else if value >= 10.0 {
            1
        } else {
            2
        };
        format!("{value:.digits$} {unit}")
    };
    match seconds {
        s if s < 1e-6 => "0 s".to_owned(),
        s if s < 1.0 => of(s * 1000.0, "ms"),
        s if s < 120.0 => of(s, "s"),
        s if s < 7_200.0 => of(s / 60.0, "min"),
        s if s < 172_800.0 => of(s / 3_600.0, "h"),
        s => of(s / 86_400.0, "days"),
    }
}

/// `a year`, `3 years`.
pub fn span(years: f64) -> String {
    if (years - 1.0).abs() < 1e-9 { "a year".to_owned() } else { format!("{years} years") }
}

/// All of it.
pub fn text(f: &Forecast, ask: Ask) -> String {
    let mut out = String::new();
    let years = span(f.years);
    let share = 100.0 * (1.0 - f.down / (f.years * scenarios::forecast::YEAR));
    let nines = f.nines.map_or_else(|| "never down".to_owned(), |nines| format!("{share:.6} % up, {nines:.2} nines"));
    let [half, most, nearly, worst] = f.quantiles.map(time);
    let _ = writeln!(out, "{}  forecast for {years}\n", f.scenario);
    let _ = writeln!(out, "down          {} expected ({nines})", time(f.down));
    let _ = writeln!(out, "              95 % interval {} to {}", time(f.low), time(f.high));
    let _ = writeln!(out, "spread        half of them at most {half}, 90 % {most}, 99 % {nearly}, the worst {worst}");
    let _ = writeln!(out, "lost writes   in {:.3} % of them", f.loses * 100.0);
    let _ = writeln!(
        out,
        "\n{:<10}{:>8}{:>12}{:>14}{:>16}{:>20}",
        "hazard", "things", "failures", "down after", "without: saves", "half repair: saves"
    );
    for part in &f.hazards {
        let sooner = part.saves_sooner.map_or_else(|| "-".to_owned(), |s| time(s.max(0.0)));
        let _ = writeln!(
            out,
            "{:<10}{:>8}{:>12.2}{:>14}{:>16}{:>20}",
            part.of,
            part.components,
            part.failures,
            time(part.down),
            time(part.saves_without.max(0.0)),
            sooner
        );
    }
    let _ = writeln!(
        out,
        "\n{} samples of {years} were drawn from the hazards alone. What comes of a failure or a repair was simulated in {} \
         situations (what is down already, what changes), {} seeds each and {FEWEST} where they are rare, for {} s after the \
         change; what was still down then stays down until the next change.",
        f.samples,
        f.situations,
        ask.runs,
        WINDOW.0 / 1_000_000_000,
    );
    if f.broken > 0 {
        let _ = writeln!(
            out,
            "A rule was broken in {} of {} runs: run the scenario with such faults first.",
            f.broken, f.runs
        );
    }
    if f.unknown > 0.0 {
        let _ = writeln!(out, "Too rare to be simulated, and counted as down: {}.", time(f.unknown));
    }
    out
}
