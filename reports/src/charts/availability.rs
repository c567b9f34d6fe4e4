//! Availability over time: the share served in each window, the faults, and the outages with their lengths.

use super::fonts;
use super::frame::{self, Bands, LABEL, Look, PLOT_LEFT, PLOT_RIGHT, SMALL};
use super::palette::{AXIS, BLUE, INK, MUTED, ORANGE, VERMILLION};
use super::place::{self, Wish};
use super::scale::{Scale, Tick};
use super::scene::{Anchor, Area, Hatch, Scene};
use crate::report::Report;
use crate::series::Served;
use crate::units;

/// Draws the chart.
pub(crate) fn draw(report: &Report, served: &Served) -> Scene {
    let mut scene = Scene::new(900.0);
    let time = Scale::linear(report.measure_from_ns as f64, report.measure_to_ns as f64, PLOT_LEFT, PLOT_RIGHT);
    let bands = Bands::plan(&report.faults, &time, PLOT_LEFT, PLOT_RIGHT);
    let window = match served.windows {
        1 => format!("Share of operations served, windows of {}", units::duration(served.column_ns)),
        n => {
            let (window, column) = (served.column_ns / n, served.column_ns);
            let (window, column) = (units::duration(window), units::duration(column));
            format!("Share of operations served, the worst {window} of every {column}")
        }
    };
    let about = match bands.skipped() {
        0 => frame::about(report, &window),
        n => frame::about(report, &format!("{window}  \u{b7}  {n} fault labels left out")),
    };
    frame::title(&mut scene, &finding(report), &about);

    let lanes_top = 166.0;
    let plot = Area { left: PLOT_LEFT, top: lanes_top + bands.height.max(8.0) + 6.0, right: PLOT_RIGHT, bottom: 690.0 };
    let share = Scale::linear(0.0, 1.0, plot.bottom, plot.top);
    bands.shade(&mut scene, &report.faults, &time, &[plot]);
    frame::time_axis(&mut scene, plot, &time, false);
    let ticks: Vec<Tick> =
        [0, 25, 50, 75, 100].map(|p| Tick { value: f64::from(p) / 100.0, label: format!("{p} %") }).into();
    for tick in &ticks {
        let y = share.at(tick.value);
        scene.line((plot.left, y), (plot.right, y), super::palette::GRID, 1.0);
        scene.text((plot.left - 12.0, y + LABEL * 0.35), &*tick.label, LABEL, MUTED, Anchor::End);
    }
    bands.label(&mut scene, &report.faults, &time, lanes_top, &[plot]);
    outage_strip(&mut scene, report, &time, plot);
    if served.worst.iter().all(Option::is_none) {
        let upper = Area { top: share.at(0.75), bottom: share.at(0.5), ..plot };
        frame::nothing(&mut scene, upper, "No operation was invoked in the measured window");
        return scene;
    }
    curve(&mut scene, report, served, &time, &share, plot);
    let half = share.at(0.5);
    scene.path(vec![(plot.left, half), (plot.right, half)], INK, 1.5, Some((3.0, 6.0)));

    let mut legend = vec![
        ("served", BLUE, Look::Line(None)),
        ("not served", VERMILLION.fade(0.7), Look::Fill(Hatch::None)),
        ("down below 50 %", INK, Look::Line(Some((3.0, 6.0)))),
    ];
    if !report.faults.is_empty() {
        legend.push(("fault", ORANGE.fade(0.35), Look::Fill(Hatch::None)));
    }
    frame::legend(&mut scene, PLOT_RIGHT, 148.0, &legend);
    scene
}

fn finding(report: &Report) -> String {
    let a = &report.availability;
    let measured = units::duration(report.measured_ns());
    let Some(worst) = report.worst_outage() else {
        return match a.fraction {
            None => "Availability unknown: nobody asked".into(),
            Some(f) => format!("No outage in {measured}: {} of operations served", units::percent(f)),
        };
    };
    let length = units::duration(worst.duration_ns);
    if worst.open && a.outages.len() == 1 {
        return format!("Down from {} to the end: {}", units::moment(worst.start_ns), worst.cause);
    }
    match a.outages.len() {
        1 => format!("One outage of {length} at {}: {}", units::moment(worst.start_ns), worst.cause),
        n => {
            let total = units::duration(a.total_outage_ns);
            format!("{n} outages, {total} of {measured}; the longest {length} at {}", units::moment(worst.start_ns))
        }
    }
}

/// The step curve, shaded above, in pieces where windows were empty.
fn curve(scene: &mut Scene, report: &Report, served: &Served, time: &Scale, share: &Scale, plot: Area) {
    let mut steps: Vec<(f64, f64)> = Vec::new();
    let mut flush = |steps: &mut Vec<(f64, f64)>| {
        let (Some(first), Some(last)) = (steps.first().copied(), steps.last().copied()) else { return };
        // What is shaded is what was lost.
        let mut above = steps.clone();
        above.extend([(last.0, plot.top), (first.0, plot.top)]);
        scene.area(above, VERMILLION.fade(0.7));
        scene.path(std::mem::take(steps), BLUE, 3.0, None);
    };
    for (i, worst) in served.worst.iter().enumerate() {
        let from = report.measure_from_ns + i as u64 * served.column_ns;
        let to = (from + served.column_ns).min(report.measure_to_ns);
        match worst {
            Some(value) => {
                let y = share.at(*value);
                // A level run needs only its ends.
                match &mut steps[..] {
                    [.., a, b] if a.1 == y && b.1 == y => b.0 = time.at(to as f64),
                    _ => steps.extend([(time.at(from as f64), y), (time.at(to as f64), y)]),
                }
            }
            None => flush(&mut steps),
        }
    }
    flush(&mut steps);
}

/// The strip below the plot: every outage as a bar with its length, then the time axis.
fn outage_strip(scene: &mut Scene, report: &Report, time: &Scale, plot: Area) {
    let outages = &report.availability.outages;
    let bar = Area { left: plot.left, top: plot.bottom + 20.0, right: plot.right, bottom: plot.bottom + 46.0 };
    scene.rect(bar, AXIS.fade(0.13));
    scene.text((plot.left - 12.0, bar.bottom - 5.0), "outages", LABEL, MUTED, Anchor::End);
    let wishes: Vec<Wish> = outages
        .iter()
        .map(|o| {
            let width = fonts::width(&units::duration(o.duration_ns), SMALL, true);
            let middle = (time.at(o.start_ns as f64) + time.at(o.end_ns as f64)) / 2.0;
            Wish { left: middle - width / 2.0, width, weight: o.duration_ns as f64 }
        })
        .collect();
    let places = place::lanes(&wishes, 1, plot.left, plot.right, 14.0);
    for (outage, place) in outages.iter().zip(places) {
        let left = time.at(outage.start_ns as f64);
        let right = time.at(outage.end_ns as f64).max(left + 4.0);
        scene.rect(Area { left, right, ..bar }, VERMILLION);
        if let Some((_, at)) = place {
            let text = units::duration(outage.duration_ns);
            scene.bold((at, bar.bottom + 25.0), text, SMALL, VERMILLION_TEXT, Anchor::Start);
        }
    }
    if outages.is_empty() {
        scene.text(
            (plot.left + 10.0, bar.bottom - 6.0),
            if report.availability.operations > 0 { "none" } else { "unknown" },
            SMALL,
            MUTED,
            Anchor::Start,
        );
    }
    let axis = Area { top: bar.bottom + 42.0, bottom: bar.bottom + 42.0, ..plot };
    frame::time_axis(scene, axis, time, true);
    frame::x_name(scene, axis, "simulated time");
}

/// Vermillion dark enough to read as small text on white.
const VERMILLION_TEXT: super::scene::Ink = super::scene::Ink(plotters::style::RGBColor(0xa8, 0x48, 0x00), 1.0);
