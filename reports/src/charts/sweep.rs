//! Which charts a sweep has: how the outages and the availability are spread, and what the varied keys do.

use super::across::Measure;
use super::spread::{self, Curve, Spread};
use super::{Chart, along, heat_map};
use crate::sweeps::{Cell, Sweep, quantile};
use crate::units;

/// Draws all of them.
#[must_use]
pub fn draw(sweep: &Sweep) -> Vec<Chart> {
    let mut charts = Vec::new();
    match sweep.axes.len() {
        0 => {}
        1 => charts.push(Chart::new("along", "Longest outage by value", along::draw(sweep))),
        2 => charts.push(Chart::new("grid", "Longest outage by cell", heat_map::draw(sweep, ""))),
        _ => {
            let rest: Vec<&str> = sweep.axes[2..].iter().map(|axis| axis.key.as_str()).collect();
            let pooled = format!(", whatever {} is", rest.join(" and "));
            let scene = heat_map::draw(&sweep.pooled(2), &pooled);
            charts.push(Chart::new("grid", "Longest outage by cell", scene));
        }
    }
    let figures: [(&'static str, &'static str, &'static str, Measure, Pick); 2] = [
        ("longest-outage", "Longest outage over runs", "longest outage", Measure::Time, Cell::longest),
        ("availability", "Availability over runs", "availability", Measure::Share, Cell::available),
    ];
    for (name, title, figure, measure, pick) in figures {
        charts.push(Chart::new(name, title, spread::draw(&over(sweep, figure, measure, pick))));
    }
    charts
}

type Pick = fn(&Cell) -> &[f64];

fn over<'a>(sweep: &'a Sweep, figure: &'static str, measure: Measure, pick: Pick) -> Spread<'a> {
    let runs = if sweep.cells.len() > 1 {
        format!("{} runs in {} cells", units::count(sweep.runs()), sweep.cells.len())
    } else if sweep.runs() == 1 {
        "1 run".to_owned()
    } else {
        format!("{} runs", units::count(sweep.runs()))
    };
    let about =
        format!("Share of runs with this {figure} or less  \u{b7}  {}, {runs}, seeds {}", sweep.scenario, sweep.seeds);
    let name = |i: usize| match sweep.axes.len() {
        0 => "all runs".to_owned(),
        _ => sweep.values(i).join(" \u{b7} "),
    };
    let curves = sweep.cells.iter().enumerate().map(|(i, cell)| Curve { name: name(i), values: pick(cell) }).collect();
    Spread { finding: finding(sweep, figure, measure, pick), about, figure, measure, key: key(sweep), curves }
}

/// `nodes · election_timeout`: the last part of a path says enough beside a chart.
fn key(sweep: &Sweep) -> String {
    let short = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    sweep.axes.iter().map(|axis| short(&axis.key)).collect::<Vec<_>>().join(" \u{b7} ")
}

fn finding(sweep: &Sweep, figure: &str, measure: Measure, pick: Pick) -> String {
    let mut all: Vec<f64> = sweep.cells.iter().flat_map(|cell| pick(cell).iter().copied()).collect();
    all.sort_unstable_by(f64::total_cmp);
    let (percent, worst) = match measure {
        Measure::Time => (99, all.last()),
        Measure::Share => (1, all.first()),
    };
    let (Some(half), Some(tail), Some(worst)) = (quantile(&all, 50), quantile(&all, percent), worst) else {
        return format!("No run measured the {figure}");
    };
    let print = |v: f64| measure.print(v);
    let subject = if measure == Measure::Time { "Longest outage" } else { "Availability" };
    if all.first() == all.last() {
        return format!("{subject} {} in {}", print(half), if all.len() == 1 { "the only run" } else { "every run" });
    }
    if *worst == tail || all.len() < 100 {
        return format!("{subject}: {} in the typical run, {} in the worst", print(half), print(*worst));
    }
    let edge = if measure == Measure::Time { "within" } else { "at least" };
    format!("{subject}: typically {}, 99 % of runs {edge} {}, worst {}", print(half), print(tail), print(*worst))
}
