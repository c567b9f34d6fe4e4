//! The charts of a comparison: both designs' spread over the same seeds, and the difference seed by seed.

use super::Chart;
use super::across::Measure;
use super::fonts;
use super::frame::{self, LABEL, PLOT_LEFT, PLOT_RIGHT};
use super::palette::{AXIS, BLUE, GRID, INK, MUTED, VERMILLION};
use super::scale::{Scale, ceiling, nice_step};
use super::scene::{Anchor, Area, Scene, brief};
use super::spread::{self, Curve, Spread};
use crate::comparison::{Better, Compared, Comparison};
use crate::sweeps::quantile;
use crate::units;

/// Draws all of them.
#[must_use]
pub fn draw(c: &Comparison) -> Vec<Chart> {
    let overlay = |i: usize, figure, measure| spread::draw(&overlay(c, &c.figures[i], figure, measure));
    vec![
        Chart::new("difference", "Difference in total outage, seed by seed", differences(c)),
        Chart::new("total-outage", "Total outage of both", overlay(0, "total outage", Measure::Time)),
        Chart::new("longest-outage", "Longest outage of both", overlay(1, "longest outage", Measure::Time)),
        Chart::new("availability", "Availability of both", overlay(2, "availability", Measure::Share)),
    ]
}

fn overlay<'a>(c: &Comparison, f: &'a Compared, figure: &'static str, measure: Measure) -> Spread<'a> {
    let finding = match (f.a_median, f.b_median) {
        (Some(a), Some(b)) => {
            let subject = if measure == Measure::Time { f.title() } else { "availability" };
            let subject = subject[..1].to_uppercase() + &subject[1..];
            format!("{subject} of the typical run: {} with A, {} with B", f.print(a), f.print(b))
        }
        _ => format!("No seed measured the {figure} in both"),
    };
    let curve = |letter: &str, label: &str, values: &'a [f64]| Curve { name: format!("{letter}: {label}"), values };
    Spread {
        finding,
        about: format!(
            "Share of runs with this {figure} or less  \u{b7}  {} seeds, {}",
            units::count(f.pairs),
            c.seeds
        ),
        figure,
        measure,
        key: String::new(),
        curves: vec![curve("A", &c.a.label, &f.values.a), curve("B", &c.b.label, &f.values.b)],
    }
}

/// How many seeds differ by how much.
fn differences(c: &Comparison) -> Scene {
    let f = &c.figures[0];
    let mut scene = Scene::new(900.0);
    let about = format!("Total outage with B minus with A, each seed under both  \u{b7}  seeds {}", c.seeds);
    frame::title(&mut scene, &finding(c, f), &about);
    let plot = Area { left: PLOT_LEFT, top: 270.0, right: PLOT_RIGHT - 20.0, bottom: 760.0 };
    let values = &f.values.differences;
    let (Some(least), Some(most)) = (values.first(), values.last()) else {
        frame::nothing(&mut scene, plot, "No seed measured an outage in both");
        return scene;
    };
    // One seed far away must not press all others into one bar: the outermost bars then hold all beyond.
    let inner = [1, 99].into_iter().filter_map(|p| quantile(values, p)).map(f64::abs).fold(1e6, f64::max);
    let clipped = least.abs().max(most.abs()) > 4.0 * inner;
    let (least, most) = if clipped { (least.max(-1.5 * inner), most.min(1.5 * inner)) } else { (*least, *most) };
    let step = nice_step(least.abs().max(most.abs()).max(1e6), 20);
    // Zero is an edge; as far as needed to both sides, and one step at least.
    let from = libm::floor(least.min(-step) / step) * step;
    let to = libm::ceil(most.max(step) / step) * step;
    let bins = ((to - from) / step).round() as usize;
    let mut counts = vec![0_u64; bins];
    for value in values.iter().filter(|v| **v != 0.0) {
        let bin = ((value - from) / step).floor().max(0.0) as usize;
        // The upper end of a bin below zero belongs to it, so that both sides are counted alike.
        let on_edge = *value < 0.0 && ((value - from) / step).fract() == 0.0 && bin > 0;
        counts[if on_edge { bin - 1 } else { bin }.min(bins - 1)] += 1;
    }
    let tallest = counts.iter().copied().max().unwrap_or(0).max(f.ties);
    let x = Scale::linear(from, to, plot.left, plot.right);
    let y = Scale::linear(0.0, ceiling(tallest as f64, 5), plot.bottom, plot.top);
    frame::y_axis(&mut scene, plot, &y, &y.count_ticks(5), "seeds");
    let pitch = nice_step(to - from, 8);
    let mut tick = libm::ceil(from / pitch) * pitch;
    while tick <= to + pitch * 1e-6 {
        let tick_x = x.at(tick);
        let value = if tick.abs() < pitch * 1e-6 { 0.0 } else { tick };
        scene.line((tick_x, plot.top), (tick_x, plot.bottom), GRID, 1.0);
        scene.text((tick_x, plot.bottom + 36.0), f.signed(value), LABEL, MUTED, Anchor::Middle);
        tick += pitch;
    }
    for (i, count) in counts.iter().enumerate().filter(|(_, n)| **n > 0) {
        let left = from + step * i as f64;
        let ink = if left < -step * 1e-6 { VERMILLION } else { BLUE };
        let area = Area {
            left: x.at(left) + 1.0,
            right: x.at(left + step) - 1.0,
            top: y.at(*count as f64).min(plot.bottom - 2.0),
            bottom: plot.bottom,
        };
        scene.rect(area, ink);
    }
    let zero = x.at(0.0);
    if f.ties > 0 {
        scene.rect(Area { left: zero - 5.0, right: zero + 5.0, top: y.at(f.ties as f64), bottom: plot.bottom }, AXIS);
    }
    scene.line((zero, plot.top - 8.0), (zero, plot.bottom), INK, 2.0);
    scene.line((plot.left, plot.bottom), (plot.right, plot.bottom), AXIS, 1.5);
    let beyond = if clipped { "; the outermost bars hold all beyond" } else { "" };
    let name = format!("difference in total outage: below 0, B is down for less time{beyond}");
    frame::x_name(&mut scene, plot, &name);
    // Who wins where, above the plot, clear of the zero line.
    let side = |n: u64, letter: &str, label: &str| format!("{letter} better in {}: {}", units::count(n), brief(label));
    let top = 168.0;
    scene.bold((PLOT_LEFT, top), side(f.b_better, "B", &c.b.label), LABEL, VERMILLION, Anchor::Start);
    scene.bold((PLOT_RIGHT - 20.0, top), side(f.a_better, "A", &c.a.label), LABEL, BLUE, Anchor::End);
    if f.ties > 0 {
        let text = format!("equal in {}", units::count(f.ties));
        scene.text(((PLOT_LEFT + PLOT_RIGHT) / 2.0, top), text, LABEL, MUTED, Anchor::Middle);
    }
    if let (Some(i), Some(median)) = (f.median_interval, f.median_difference) {
        let at = plot.top - 26.0;
        let (low, high) = (x.at(i.low), x.at(i.high).max(x.at(i.low) + 3.0));
        scene.line((low, at), (high, at), INK, 3.0);
        for end in [low, high] {
            scene.line((end, at - 8.0), (end, at + 8.0), INK, 3.0);
        }
        scene.dot((x.at(median), at), 7.0, super::scene::Marker::Circle, INK);
        let text = format!("median {}, 95 % interval {}", f.signed(median), f.range(i));
        let width = fonts::width(&text, LABEL, false);
        // Beside the bracket where there is room.
        let (place, anchor) =
            if high + 20.0 + width < PLOT_RIGHT { (high + 20.0, Anchor::Start) } else { (low - 20.0, Anchor::End) };
        if anchor == Anchor::Start || low - 20.0 - width > 260.0 {
            scene.text((place, at + 8.0), text, LABEL, INK, anchor);
        }
    }
    scene
}

fn finding(c: &Comparison, f: &Compared) -> String {
    match (f.better, f.median_difference) {
        (Better::NotShown, _) | (_, None) => {
            format!("No difference in total outage shown by {} seeds", units::count(f.pairs))
        }
        (better, Some(median)) => {
            let (letter, label) = if better == Better::A { ("A", &c.a.label) } else { ("B", &c.b.label) };
            let amount = f.amount(median);
            format!("{letter} ({}) is down {amount} less in the typical seed", brief(label))
        }
    }
}
