//! Two panels of cumulative distributions over a logarithmic axis of time: ours as lines, what they are compared with
//! as broad bands behind them.

use super::frame::{self, LABEL, Look, PLOT_LEFT, PLOT_RIGHT};
use super::palette::{AXIS, BLUE, GREEN, INK, MUTED, ORANGE, PURPLE, SKY, VERMILLION};
use super::scale::Scale;
use super::scene::{Anchor, Area, Ink, Scene, fit};
use crate::report::{Distributions, Panel};

/// Steps of a curve: finer than a pixel.
const STEPS: usize = 500;
const INKS: [Ink; 6] = [VERMILLION, ORANGE, PURPLE, GREEN, SKY, BLUE];
/// Entries of a row of the legend.
const ROW: usize = 3;
/// Between the panels, pixels.
const GAP: f64 = 120.0;

/// Draws the chart.
pub(crate) fn draw(what: &Distributions) -> Scene {
    let mut scene = Scene::new(900.0);
    frame::title(&mut scene, &what.finding, &what.about);
    let width = (PLOT_RIGHT - PLOT_LEFT - GAP) / 2.0;
    for (i, panel) in what.panels.iter().enumerate() {
        let left = PLOT_LEFT + i as f64 * (width + GAP);
        let plot = Area { left, top: 232.0, right: left + width, bottom: 690.0 };
        draw_panel(&mut scene, panel, plot, if i == 0 { "share of the trials" } else { "" });
        frame::x_name(&mut scene, plot, &what.axis);
    }
    let compared = what.panels.iter().flat_map(|panel| &panel.curves).any(|curve| !curve.theirs.is_empty());
    let key = if compared { "lines: ours   bands: theirs" } else { "lines: ours" };
    scene.text((PLOT_RIGHT, 150.0), key, LABEL, MUTED, Anchor::End);
    scene
}

fn draw_panel(scene: &mut Scene, panel: &Panel, plot: Area, y_name: &str) {
    scene.bold((plot.left, plot.top - 58.0), fit(&panel.name, LABEL, true, plot.width()), LABEL, INK, Anchor::Start);
    let y = Scale::linear(0.0, 1.0, plot.bottom, plot.top);
    frame::y_axis(scene, plot, &y, &y.percent_ticks(5), y_name);
    let values = || panel.curves.iter().flat_map(|curve| curve.ours.iter().chain(&curve.theirs));
    let finite = || values().copied().filter(|value| value.is_finite());
    let (least, most) = (finite().fold(f64::INFINITY, f64::min), finite().fold(0.0, f64::max));
    if most <= 0.0 {
        return frame::nothing(scene, plot, "Nothing was measured");
    }
    let x = Scale::log(least, most, plot.left, plot.right);
    for tick in x.latency_ticks(8) {
        let at = x.at(tick.value);
        let long = if tick.label.is_empty() { 5.0 } else { 9.0 };
        scene.line((at, plot.bottom), (at, plot.bottom + long), AXIS, 1.5);
        scene.text((at, plot.bottom + 34.0), tick.label, LABEL, MUTED, Anchor::Middle);
    }
    scene.line((plot.left, plot.bottom), (plot.right, plot.bottom), AXIS, 1.5);
    for (curve, ink) in panel.curves.iter().zip(INKS) {
        scene.path(path(&curve.theirs, &x, &y), ink.fade(0.32), 11.0, None);
    }
    for (curve, ink) in panel.curves.iter().zip(INKS) {
        scene.path(path(&curve.ours, &x, &y), ink, 3.0, None);
    }
    let entries: Vec<(&str, Ink, Look)> =
        panel.curves.iter().zip(INKS).map(|(curve, ink)| (&*curve.name, ink, Look::Line(None))).collect();
    for (row, entries) in entries.chunks(ROW).enumerate() {
        frame::legend(scene, plot.right, plot.bottom + 118.0 + 36.0 * row as f64, entries);
    }
}

/// The cumulative distribution of sorted values, as far as they end.
fn path(sorted: &[f64], x: &Scale, y: &Scale) -> Vec<(f64, f64)> {
    let n = sorted.len();
    if n == 0 {
        return Vec::new();
    }
    let ranks = (0..=STEPS).map(|step| (step * (n - 1) + STEPS / 2) / STEPS);
    let ended =
        ranks.map(|rank| (sorted[rank], (rank + 1) as f64 / n as f64)).take_while(|(value, _)| value.is_finite());
    let mut points: Vec<(f64, f64)> = ended.map(|(value, share)| (x.at(value), y.at(share))).collect();
    points.dedup();
    points
}
