//! A figure over time: a line for each who has one, or, of many, the range, the median and the highest.

use super::frame::{self, Look, PLOT_LEFT, PLOT_RIGHT};
use super::palette::{BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION};
use super::scale::{Scale, ceiling};
use super::scene::{Area, Hatch, Ink, Scene};
use super::timed::Timed;
use crate::measure::metrics;
use crate::report::Report;
use crate::units::capitalised;
use sim_core::curve::{Curve, Line};
use sim_core::metric::{Better, Unit};

/// As many as have a line of their own.
const LINES: usize = 5;
const LOOKS: [(Ink, Option<(f64, f64)>); LINES] = [
    (BLUE, None),
    (VERMILLION, Some((14.0, 5.0))),
    (GREEN, None),
    (PURPLE, Some((6.0, 5.0))),
    (ORANGE, Some((22.0, 6.0))),
];

/// Draws the chart; nothing where no moment of it was measured.
pub(crate) fn draw(report: &Report, curve: &Curve) -> Option<Scene> {
    let measured = |at: u64| at > report.measure_from_ns && at <= report.measure_to_ns;
    let moments: Vec<usize> = (0..curve.at_ns.len()).filter(|i| measured(curve.at_ns[*i])).collect();
    let value = |line: &Line, i: usize| line.values.get(i).copied().unwrap_or(0.0);
    let all = || curve.lines.iter().flat_map(|line| moments.iter().map(|i| value(line, *i)));
    let most = all().reduce(f64::max)?;
    let mut scene = Scene::new(900.0);
    let shows = capitalised(&curve.kind.about);
    let finding = finding(curve, |line| moments.iter().map(move |i| value(line, *i)));
    let timed = Timed::begin(&mut scene, report, PLOT_LEFT, &finding, &shows);
    let plot = Area { left: PLOT_LEFT, top: timed.top, right: PLOT_RIGHT, bottom: 800.0 };
    timed.dress(&mut scene, &[plot]);
    let (scale, ticks) = match curve.kind.unit {
        Unit::Fraction => {
            let scale = Scale::linear(0.0, 1.0, plot.bottom, plot.top);
            (scale, scale.percent_ticks(6))
        }
        unit => {
            let scale = Scale::linear(0.0, ceiling(most.max(1.0), 6), plot.bottom, plot.top);
            (scale, if unit == Unit::Time { scale.duration_ticks(6) } else { scale.count_ticks(6) })
        }
    };
    frame::y_axis(&mut scene, plot, &scale, &ticks, &curve.kind.title);
    let place = |i: usize, value: f64| (timed.time.at(curve.at_ns[i] as f64), scale.at(value));
    let path = |line: &Line| moments.iter().map(|i| place(*i, value(line, *i))).collect::<Vec<_>>();
    if curve.lines.len() <= LINES {
        let mut legend = Vec::new();
        for (line, (ink, dash)) in curve.lines.iter().zip(LOOKS) {
            scene.path(path(line), ink, 3.0, dash);
            legend.push((line.name.as_str(), ink, Look::Line(dash)));
        }
        frame::legend(&mut scene, PLOT_RIGHT, plot.top - 16.0, &legend);
        return Some(scene);
    }
    let sorted = moments.iter().map(|i| {
        let mut all: Vec<f64> = curve.lines.iter().map(|line| value(line, *i)).collect();
        all.sort_by(f64::total_cmp);
        all
    });
    let sorted: Vec<Vec<f64>> = sorted.collect();
    let along = |pick: fn(&[f64]) -> f64| moments.iter().zip(&sorted).map(move |(i, all)| place(*i, pick(all)));
    let mut envelope: Vec<(f64, f64)> = along(|all| all[all.len() - 1]).collect();
    envelope.extend(along(|all| all[0]).rev());
    scene.area(envelope, SKY.fade(0.45));
    // Over the whole run, not by turns: one to look for.
    let sum = |line: &Line| moments.iter().map(|i| value(line, *i)).sum::<f64>();
    let highest = curve.lines.iter().rev().max_by(|a, b| sum(a).total_cmp(&sum(b)))?;
    scene.path(path(highest), VERMILLION, 2.0, None);
    scene.path(along(|all| all[all.len() / 2]).collect(), BLUE, 3.5, None);
    let highest = format!("{}, the highest on average", highest.name);
    let legend = [
        ("lowest to highest", SKY.fade(0.45), Look::Fill(Hatch::None)),
        ("median", BLUE, Look::Line(None)),
        (highest.as_str(), VERMILLION, Look::Line(None)),
    ];
    frame::legend(&mut scene, PLOT_RIGHT, plot.top - 16.0, &legend);
    Some(scene)
}

/// `Requests in the queue: 1.3 on average, at most 48, of n2`; where more is better, who had least.
fn finding<'a, I: Iterator<Item = f64>>(curve: &'a Curve, values: impl Fn(&'a Line) -> I) -> String {
    let title = capitalised(&curve.kind.title);
    let (sum, count) = curve.lines.iter().flat_map(&values).fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    let print = |value: f64| metrics::print(value, curve.kind.unit);
    let mean = print(sum / f64::max(count, 1.0));
    let worst = |line: &'a Line| match curve.kind.better {
        Better::Less => values(line).fold(0.0, f64::max),
        // Of what grows, only how far it came in the end tells them apart.
        Better::More => -values(line).last().unwrap_or(0.0),
    };
    let Some(line) = curve.lines.iter().rev().max_by(|a, b| worst(a).total_cmp(&worst(b))) else { return title };
    match curve.kind.better {
        Better::Less => format!("{title}: {mean} on average, at most {}, of {}", print(worst(line)), line.name),
        Better::More => format!("{title}: in the end at least {}, of {}", print(-worst(line)), line.name),
    }
}
