//! How one figure is spread over runs: the share of runs that were at most this, a curve for each of several groups.

use super::across::{Across, Measure};
use super::fonts;
use super::frame::{self, LABEL, PLOT_LEFT, PLOT_RIGHT, SMALL};
use super::palette::{AXIS, BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, SKY, VERMILLION};
use super::scale::{Scale, Tick};
use super::scene::{Anchor, Area, Ink, Scene, fit};
use crate::sweeps::quantile;

/// One group of runs.
pub(crate) struct Curve<'a> {
    pub name: String,
    /// Sorted.
    pub values: &'a [f64],
}

/// What is drawn.
pub(crate) struct Spread<'a> {
    pub finding: String,
    pub about: String,
    /// The name of the horizontal axis.
    pub figure: &'static str,
    pub measure: Measure,
    /// What tells the groups apart; empty when there is one.
    pub key: String,
    pub curves: Vec<Curve<'a>>,
}

/// Groups that get a look and a line of the table of their own.
pub(crate) const NAMED: usize = 10;
/// Of more groups, so many best and so many worst.
const ENDS: usize = 4;
const ROW: f64 = 46.0;

type Look = (Ink, Option<(f64, f64)>);

fn look(index: usize) -> Look {
    const INKS: [Ink; 5] = [BLUE, VERMILLION, GREEN, PURPLE, ORANGE];
    const DASHES: [Option<(f64, f64)>; 2] = [None, Some((14.0, 7.0))];
    (INKS[index % INKS.len()], DASHES[index / INKS.len() % DASHES.len()])
}

/// Draws the chart.
pub(crate) fn draw(spread: &Spread<'_>) -> Scene {
    let mut scene = Scene::new(900.0);
    frame::title(&mut scene, &spread.finding, &spread.about);
    let plot = Area { left: PLOT_LEFT, top: 190.0, right: PLOT_RIGHT - 540.0, bottom: 790.0 };
    let measured: Vec<&Curve<'_>> = spread.curves.iter().filter(|c| !c.values.is_empty()).collect();
    if measured.is_empty() {
        frame::nothing(&mut scene, plot, "No run measured it");
        return scene;
    }
    let x = Across::new(spread.measure, &measured.iter().map(|c| c.values).collect::<Vec<_>>(), plot);
    let y = Scale::linear(0.0, 1.0, plot.bottom, plot.top);
    let ticks = [0, 10, 25, 50, 75, 90, 100].map(|p| Tick { value: f64::from(p) / 100.0, label: format!("{p} %") });
    x.draw(&mut scene, plot);
    frame::y_axis(&mut scene, plot, &y, &ticks, "share of runs");
    let log = if x.is_log() { " (log)" } else { "" };
    let direction = match spread.measure {
        Measure::Time => "at most",
        Measure::Share => "at most, the worst runs on the left",
    };
    frame::x_name(&mut scene, plot, &format!("{}{log}: {direction}", spread.figure));
    let named = named(&measured, spread.measure);
    let rest = measured.len() - named.len();
    for (i, curve) in measured.iter().enumerate() {
        if !named.contains(&i) {
            scene.path(steps(curve.values, &x, &y), AXIS.fade(0.45), 1.5, None);
        }
    }
    for (order, i) in named.iter().enumerate() {
        let (ink, dash) = look(order);
        scene.path(steps(measured[*i].values, &x, &y), ink, 4.0, dash);
    }
    if let [only] = measured.as_slice() {
        mark(&mut scene, only.values, &x, &y, spread.measure);
    }
    table(&mut scene, plot, spread, &named.iter().map(|i| measured[*i]).collect::<Vec<_>>(), rest);
    scene
}

/// The curves with a look of their own: all, or the best and the worst, in the order given.
fn named(curves: &[&Curve<'_>], measure: Measure) -> Vec<usize> {
    let mut order: Vec<usize> = (0..curves.len()).collect();
    if order.len() <= NAMED {
        return order;
    }
    let rank = |i: usize| {
        let values = curves[i].values;
        let sign = if measure == Measure::Time { 1.0 } else { -1.0 };
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (sign * quantile(values, 50).unwrap_or(0.0), sign * mean)
    };
    order.sort_by(|a, b| {
        let (a, b) = (rank(*a), rank(*b));
        a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    order.drain(ENDS..curves.len() - ENDS);
    order
}

/// The steps of the distribution, with no more points than pixels.
fn steps(values: &[f64], x: &Across, y: &Scale) -> Vec<(f64, f64)> {
    let share = |n: usize| y.at(n as f64 / values.len() as f64);
    let mut points = vec![(x.at(values[0]), share(0))];
    let mut i = 0;
    while i < values.len() {
        let at = x.at(values[i]);
        let mut next = i + 1;
        // What falls on the same half pixel is one step.
        while next < values.len() && (x.at(values[next]) - at).abs() < 0.5 {
            next += 1;
        }
        points.push((at, share(i)));
        points.push((at, share(next)));
        i = next;
    }
    points
}

/// Marks half, 90 % and all of the runs on the only curve: from the other end where more is better.
fn mark(scene: &mut Scene, values: &[f64], x: &Across, y: &Scale, measure: Measure) {
    if values.first() == values.last() {
        return;
    }
    let percents = if measure == Measure::Time { [50, 90, 100] } else { [50, 10, 1] };
    for percent in percents {
        if let Some(value) = quantile(values, percent) {
            let at = (x.at(value), y.at(percent as f64 / 100.0));
            scene.dot(at, 9.0, super::scene::Marker::Circle, super::palette::PAPER);
            scene.dot(at, 7.0, super::scene::Marker::Circle, BLUE);
        }
    }
}

/// Beside the plot: a line for each named group.
fn table(scene: &mut Scene, plot: Area, spread: &Spread<'_>, named: &[&Curve<'_>], rest: usize) {
    const SAMPLE: f64 = 44.0;
    let left = plot.right + 44.0;
    let typical = |c: &Curve<'_>| quantile(c.values, 50).map(|v| spread.measure.print(v)).unwrap_or_default();
    let worst = |c: &Curve<'_>| {
        let value = if spread.measure == Measure::Time { c.values.last() } else { c.values.first() };
        value.map(|v| spread.measure.print(*v)).unwrap_or_default()
    };
    let widest = |texts: &mut dyn Iterator<Item = String>, head: &str| {
        let head = fonts::width(head, SMALL, false);
        texts.map(|t| fonts::width(&t, LABEL, false)).fold(head, f64::max)
    };
    let end = PLOT_RIGHT;
    let middle = end - widest(&mut named.iter().map(|c| worst(c)), "worst") - 24.0;
    let room = middle - widest(&mut named.iter().map(|c| typical(c)), "half") - 20.0 - left - SAMPLE - 12.0;
    let mut y = plot.top + 4.0;
    scene.text((middle, y), "half", SMALL, MUTED, Anchor::End);
    scene.text((end, y), "worst", SMALL, MUTED, Anchor::End);
    scene.text((left, y), fit(&spread.key, SMALL, false, room + SAMPLE + 12.0), SMALL, MUTED, Anchor::Start);
    y += 14.0;
    scene.line((left, y), (end, y), AXIS, 1.5);
    for (order, curve) in named.iter().enumerate() {
        y += ROW;
        if rest > 0 && order == ENDS {
            scene.path(vec![(left, y - 8.0), (left + SAMPLE, y - 8.0)], AXIS.fade(0.45), 1.5, None);
            let text = fit(&format!("{rest} between these"), LABEL, false, room);
            scene.text((left + SAMPLE + 12.0, y), text, LABEL, MUTED, Anchor::Start);
            y += ROW;
        }
        let (ink, dash) = look(order);
        scene.path(vec![(left, y - 8.0), (left + SAMPLE, y - 8.0)], ink, 4.0, dash);
        scene.text((left + SAMPLE + 12.0, y), fit(&curve.name, LABEL, false, room), LABEL, INK, Anchor::Start);
        scene.text((middle, y), typical(curve), LABEL, INK, Anchor::End);
        scene.text((end, y), worst(curve), LABEL, INK, Anchor::End);
    }
    if let ([only], 0) = (named, rest)
        && only.values.first() != only.values.last()
    {
        y += ROW;
        scene.line((left, y - 28.0), (end, y - 28.0), SKY.fade(0.6), 1.5);
        let percents: [(&str, usize); 3] = match spread.measure {
            Measure::Time => [("90 % of runs within", 90), ("99 % of runs within", 99), ("best", 0)],
            Measure::Share => [("90 % have at least", 10), ("99 % have at least", 1), ("best", 100)],
        };
        for (name, percent) in percents {
            if let Some(value) = quantile(only.values, percent) {
                scene.text((left, y + 8.0), name, LABEL, MUTED, Anchor::Start);
                scene.text((end, y + 8.0), spread.measure.print(value), LABEL, INK, Anchor::End);
                y += ROW;
            }
        }
    }
}
