//! The latency distribution: how many operations were at most this slow, with the tail stretched out.

use super::frame::{self, LABEL, PLOT_LEFT, PLOT_RIGHT};
use super::palette::{AXIS, BLUE, GRID, INK, MUTED, VERMILLION};
use super::scale::{Scale, Tick};
use super::scene::{Anchor, Area, Ink, Marker, Scene};
use crate::measure::latency::{Distribution, Histograms};
use crate::report::{Latency, Report};
use crate::units;

/// Marked on the curves, and the ticks of the vertical axis.
const QUANTILES: [(f64, &str); 3] = [(0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %")];
const WRITE_DASH: Option<(f64, f64)> = Some((14.0, 6.0));

/// Draws the chart.
pub(crate) fn draw(report: &Report, histograms: &Histograms) -> Scene {
    let mut scene = Scene::new(900.0);
    let shows = "Share of successful operations that took at most this long";
    frame::title(&mut scene, &finding(report), &frame::about(report, shows));
    let plot = Area { left: PLOT_LEFT + 20.0, top: 196.0, right: PLOT_RIGHT - 380.0, bottom: 790.0 };
    let all = &report.latency.all;
    let (Some(min), Some(max)) = (all.min_ns, all.max_ns) else {
        frame::nothing(&mut scene, plot, "No latency: nothing succeeded");
        return scene;
    };
    // As many nines as there are operations to show them.
    let nines = libm::floor(libm::log10(all.count.max(100) as f64)).clamp(2.0, 5.0);
    let x = Scale::log(min as f64, max as f64, plot.left, plot.right);
    let y = Scale::linear(0.0, nines, plot.bottom, plot.top);
    for tick in x.latency_ticks(7) {
        let at = x.at(tick.value);
        if tick.label.is_empty() {
            scene.line((at, plot.bottom), (at, plot.bottom + 4.0), AXIS, 1.0);
            continue;
        }
        scene.line((at, plot.top), (at, plot.bottom), GRID, 1.0);
        scene.line((at, plot.bottom), (at, plot.bottom + 8.0), AXIS, 1.5);
        scene.text((at, plot.bottom + 36.0), tick.label, LABEL, MUTED, Anchor::Middle);
    }
    let mut ticks = vec![Tick { value: 0.0, label: "0 %".into() }];
    ticks.extend(QUANTILES.map(|(q, label)| Tick { value: stretch(q, nines), label: label.into() }));
    ticks.extend(
        [(3, "99.9 %"), (4, "99.99 %"), (5, "99.999 %")]
            .into_iter()
            .filter(|(n, _)| f64::from(*n) <= nines)
            .map(|(n, label)| Tick { value: f64::from(n), label: label.into() }),
    );
    frame::y_axis(&mut scene, plot, &y, &ticks, "share of operations (each step up: ten times rarer)");
    scene.line((plot.left, plot.bottom), (plot.right, plot.bottom), AXIS, 1.5);
    frame::x_name(&mut scene, plot, "latency (log)");
    let looks = [
        (histograms.read(), &report.latency.read, BLUE, None, Marker::Circle),
        (histograms.write(), &report.latency.write, VERMILLION, WRITE_DASH, Marker::Square),
    ];
    for (distribution, figures, ink, dash, marker) in looks {
        if figures.count > 0 {
            curve(&mut scene, distribution, (&x, &y), nines, ink, dash, marker);
        }
    }
    table(&mut scene, report, plot);
    scene
}

/// The share as nines: 0.9 is 1, 0.99 is 2, everything is the top.
fn stretch(share: f64, top: f64) -> f64 {
    if share >= 1.0 { top } else { (-libm::log10(1.0 - share)).min(top) }
}

fn finding(report: &Report) -> String {
    let name = |what: &str, l: &Latency| {
        let (Some(p50), Some(p99)) = (l.p50_ns, l.p99_ns) else { return String::new() };
        format!("{what}: half within {}, 99 % within {}", units::duration(p50), units::duration(p99))
    };
    match (report.latency.read.count, report.latency.write.count) {
        (0, 0) => "Latency unknown: nothing succeeded".into(),
        (_, 0) => name("Reads", &report.latency.read),
        (0, _) => name("Writes", &report.latency.write),
        _ => {
            let (r, w) = (&report.latency.read, &report.latency.write);
            let p99 = |l: &Latency| units::duration(l.p99_ns.unwrap_or(0));
            format!("99 % of reads within {}, of writes within {}", p99(r), p99(w))
        }
    }
}

fn curve(
    scene: &mut Scene,
    distribution: &Distribution,
    (x, y): (&Scale, &Scale),
    nines: f64,
    ink: Ink,
    dash: Option<(f64, f64)>,
    marker: Marker,
) {
    let mut points: Vec<(f64, f64)> = Vec::new();
    for (ns, share) in distribution.cdf() {
        let p = (x.at(ns as f64), y.at(stretch(share, nines)));
        // A histogram has more buckets than the plot has pixels.
        if points.last().is_none_or(|last: &(f64, f64)| p.0 - last.0 >= 1.0 || last.1 - p.1 >= 1.0) {
            points.push(p);
        }
    }
    if let (Some(last), Some(max)) = (points.last().copied(), distribution.quantile(1.0)) {
        points.push((x.at(max as f64).max(last.0), y.at(nines)));
    }
    scene.path(points, ink, 4.0, dash);
    for (q, _) in QUANTILES {
        if let Some(ns) = distribution.quantile(q) {
            scene.dot((x.at(ns as f64), y.at(stretch(q, nines))), 9.0, marker, super::palette::PAPER);
            scene.dot((x.at(ns as f64), y.at(stretch(q, nines))), 7.0, marker, ink);
        }
    }
}

/// The figures beside the plot, where no curve runs.
fn table(scene: &mut Scene, report: &Report, plot: Area) {
    let (read, write) = (&report.latency.read, &report.latency.write);
    let columns = [(PLOT_RIGHT - 140.0, "reads", read, BLUE), (PLOT_RIGHT, "writes", write, VERMILLION)];
    let left = plot.right + 48.0;
    let mut y = plot.top + 24.0;
    for (right, name, l, ink) in columns {
        if l.count == 0 {
            continue;
        }
        let (look, dash) = if name == "reads" { (Marker::Circle, None) } else { (Marker::Square, WRITE_DASH) };
        scene.path(vec![(right - 84.0, y - 34.0), (right, y - 34.0)], ink, 4.0, dash);
        scene.dot((right - 42.0, y - 34.0), 7.0, look, ink);
        scene.bold((right, y), name, LABEL, INK, Anchor::End);
    }
    y += 14.0;
    scene.line((left, y), (PLOT_RIGHT, y), AXIS, 1.5);
    type Pick = fn(&Latency) -> Option<u64>;
    let rows: [(&str, Pick); 5] = [
        ("median", |l| l.p50_ns),
        ("p90", |l| l.p90_ns),
        ("p99", |l| l.p99_ns),
        ("p99.9", |l| l.p999_ns),
        ("slowest", |l| l.max_ns),
    ];
    for (name, pick) in rows {
        y += 42.0;
        scene.text((left, y), name, LABEL, MUTED, Anchor::Start);
        for (right, _, l, _) in columns {
            if let Some(ns) = pick(l) {
                scene.text((right, y), units::duration(ns), LABEL, INK, Anchor::End);
            }
        }
    }
    y += 20.0;
    scene.line((left, y), (PLOT_RIGHT, y), GRID, 1.5);
    y += 34.0;
    scene.text((left, y), "count", LABEL, MUTED, Anchor::Start);
    for (right, _, l, _) in columns {
        if l.count > 0 {
            scene.text((right, y), units::short_count(l.count as f64), LABEL, INK, Anchor::End);
        }
    }
}
