//! The anatomy of the worst outages: what each spent its time on.

use super::fonts;
use super::frame::{self, LABEL, MARGIN, PLOT_RIGHT, SMALL};
use super::palette::{self, AXIS, GRID, INK, MUTED};
use super::scale::{Scale, ceiling};
use super::scene::{Anchor, Area, Hatch, Ink, Scene, fit};
use crate::report::{Outage, Report};
use crate::units;

/// The worst this many are shown.
const ROWS: usize = 8;
/// Room for the moment and the cause left of the bars.
const NAMES: f64 = 400.0;

/// Draws the chart.
pub(crate) fn draw(report: &Report) -> Scene {
    let mut scene = Scene::new(900.0);
    let mut worst: Vec<&Outage> = report.availability.outages.iter().collect();
    worst.sort_by_key(|o| (std::cmp::Reverse(o.duration_ns), o.start_ns));
    let shows = match worst.len() {
        n if n > ROWS => format!("What the {ROWS} longest of {n} outages were spent on"),
        _ => "What each outage was spent on".to_owned(),
    };
    worst.truncate(ROWS);
    worst.sort_by_key(|o| o.start_ns);
    frame::title(&mut scene, &finding(report), &frame::about(report, &shows));
    let mut plot = Area { left: MARGIN + NAMES, top: 186.0, right: PLOT_RIGHT - 120.0, bottom: 800.0 };
    let Some(longest) = worst.iter().map(|o| o.duration_ns).max() else {
        plot.bottom = 340.0;
        frame::nothing(&mut scene, Area { left: MARGIN, ..plot }, "There was no outage to take apart");
        scene.height = plot.bottom + 60.0;
        return scene;
    };
    let slot = (plot.height() / worst.len() as f64).min(150.0);
    plot.bottom = plot.top + slot * worst.len() as f64;
    let scale = axis(&mut scene, plot, longest);
    let names = phase_names(report, &worst);
    key(&mut scene, plot, &names);
    for (i, outage) in worst.iter().enumerate() {
        let middle = plot.top + slot * (i as f64 + 0.5);
        let half = (slot * 0.34).min(38.0);
        let name_room = NAMES - 20.0;
        let (first, second) = if slot >= 62.0 { (middle - 4.0, Some(middle + 22.0)) } else { (middle + 8.0, None) };
        scene.bold(
            (plot.left - 16.0, first),
            fit(&format!("{}, at {}", outage.scope, units::moment(outage.start_ns)), LABEL, true, name_room),
            LABEL,
            INK,
            Anchor::End,
        );
        if let Some(y) = second {
            scene.text((plot.left - 16.0, y), fit(&outage.cause, SMALL, false, name_room), SMALL, MUTED, Anchor::End);
        }
        row(&mut scene, outage, &names, &scale, middle - half, middle + half);
        let end = scale.at(outage.duration_ns as f64);
        let open = if outage.open { "+" } else { "" };
        let total = format!("{}{open}", units::duration(outage.duration_ns));
        scene.bold((end + 14.0, middle + LABEL * 0.35), total, LABEL, INK, Anchor::Start);
    }
    scene.line((plot.left, plot.top), (plot.left, plot.bottom), AXIS, 1.5);
    scene.height = plot.bottom + 100.0;
    scene
}

fn finding(report: &Report) -> String {
    let Some(worst) = report.worst_outage() else { return "No outage to explain".into() };
    let length = format!("{}, {}", units::duration(worst.duration_ns), worst.scope);
    let longest = worst.phases.iter().max_by_key(|p| (p.end_ns - p.start_ns, std::cmp::Reverse(p.start_ns)));
    match longest {
        Some(phase) if worst.phases.len() > 1 => {
            let part = units::duration(phase.end_ns - phase.start_ns);
            format!("The longest outage took {length}, {part} of it: {}", phase.name)
        }
        Some(phase) => format!("The longest outage took {length}, all of it: {}", phase.name),
        None => format!("The longest outage took {length}"),
    }
}

/// The names of phases in the order they first appear, which decides their looks.
fn phase_names(report: &Report, worst: &[&Outage]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let longest = report.worst_outage().into_iter();
    for phase in longest.chain(worst.iter().copied()).flat_map(|o| &o.phases) {
        if !names.contains(&phase.name) {
            names.push(phase.name.clone());
        }
    }
    names
}

fn look(names: &[String], name: &str) -> (Ink, Hatch) {
    palette::phase(name, names.iter().position(|n| n == name).unwrap_or(0))
}

/// Durations are counted from each outage's start.
fn axis(scene: &mut Scene, plot: Area, longest: u64) -> Scale {
    let (unit, name) = match longest {
        0..1_000_000 => (1e3, "\u{b5}s"),
        1_000_000..10_000_000_000 => (1e6, "ms"),
        10_000_000_000..600_000_000_000 => (1e9, "s"),
        _ => (60e9, "min"),
    };
    let top = ceiling(longest as f64 / unit, 6) * unit;
    let scale = Scale::linear(0.0, top, plot.left, plot.right);
    let units_scale = Scale::linear(0.0, top / unit, plot.left, plot.right);
    for tick in units_scale.count_ticks(6) {
        let x = units_scale.at(tick.value);
        scene.line((x, plot.top), (x, plot.bottom), GRID, 1.0);
        scene.text((x, plot.bottom + 34.0), tick.label, LABEL, MUTED, Anchor::Middle);
    }
    frame::x_name(scene, plot, &format!("time since the outage began ({name})"));
    scale
}

fn row(scene: &mut Scene, outage: &Outage, names: &[String], scale: &Scale, top: f64, bottom: f64) {
    if outage.phases.is_empty() {
        let right = scale.at(outage.duration_ns as f64);
        scene.rect(Area { left: scale.at(0.0), top, right, bottom }, palette::VERMILLION);
    }
    for phase in &outage.phases {
        let left = scale.at((phase.start_ns - outage.start_ns) as f64);
        let right = scale.at((phase.end_ns - outage.start_ns) as f64);
        let (ink, hatch) = look(names, &phase.name);
        scene.hatched(Area { left, top, right, bottom }, ink, hatch);
        scene.line((right, top), (right, bottom), palette::PAPER, 2.0);
        let text = units::duration(phase.end_ns - phase.start_ns);
        if fonts::width(&text, SMALL, true) + 16.0 < right - left && bottom - top > 26.0 {
            let middle = ((left + right) / 2.0, (top + bottom) / 2.0 + SMALL * 0.35);
            if hatch != Hatch::None {
                // Letters need a quiet ground.
                let half = fonts::width(&text, SMALL, true) / 2.0 + 5.0;
                let ground = Area {
                    left: middle.0 - half,
                    right: middle.0 + half,
                    top: middle.1 - 20.0,
                    bottom: middle.1 + 7.0,
                };
                scene.rect(ground, ink);
            }
            scene.bold(
                middle,
                text,
                SMALL,
                if palette::is_dark(ink) { palette::PAPER } else { palette::ON_FILL },
                Anchor::Middle,
            );
        }
    }
}

/// The key to the phases, above the bars, in as many columns as there are phases.
fn key(scene: &mut Scene, plot: Area, names: &[String]) {
    let mut x = MARGIN;
    for name in names {
        let (ink, hatch) = look(names, name);
        let text = fit(name, LABEL, false, 340.0);
        let width = 46.0 + fonts::width(&text, LABEL, false);
        if x + width > PLOT_RIGHT {
            break;
        }
        let y = plot.top - 26.0;
        scene.hatched(Area { left: x, top: y - 18.0, right: x + 36.0, bottom: y + 3.0 }, ink, hatch);
        scene.text((x + 46.0, y), text, LABEL, MUTED, Anchor::Start);
        x += width + 30.0;
    }
}
