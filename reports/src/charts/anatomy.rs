//! Anatomies: what each of the worst outages, or recoveries, spent its time on.

use super::fonts;
use super::frame::{self, LABEL, MARGIN, PLOT_RIGHT, SMALL};
use super::palette::{self, AXIS, GRID, INK, MUTED};
use super::scale::{Scale, ceiling};
use super::scene::{Anchor, Area, Hatch, Ink, Scene, fit};
use crate::report::{Outage, Phase, Recoveries, Recovery, Report};
use crate::units;
use std::cmp::Reverse;

/// The worst this many are shown.
const ROWS: usize = 8;
/// Room for what each was, left of the bars.
const NAMES: f64 = 400.0;

/// What one was, and what its time was spent on.
struct Row {
    first: String,
    second: String,
    start_ns: u64,
    length_ns: u64,
    open: bool,
    phases: Vec<Phase>,
}

/// Draws the anatomy of outages.
pub(crate) fn outages(report: &Report) -> Scene {
    let mut worst: Vec<&Outage> = report.availability.outages.iter().collect();
    worst.sort_by_key(|o| (Reverse(o.duration_ns), o.start_ns));
    let shows = shows(worst.len(), "outage");
    worst.truncate(ROWS);
    let rows = worst.iter().map(|o| Row {
        first: format!("{}, at {}", o.scope, units::moment(o.start_ns)),
        second: o.cause.clone(),
        start_ns: o.start_ns,
        length_ns: o.duration_ns,
        open: o.open,
        phases: o.phases.clone(),
    });
    draw(report, rows.collect(), &finding(report), &shows, "outage")
}

/// Draws the anatomy of recoveries.
pub(crate) fn recoveries(report: &Report, all: &Recoveries) -> Scene {
    let mut worst: Vec<&Recovery> = all.all.iter().collect();
    worst.sort_by_key(|r| (r.planned, Reverse(r.rto_ns), r.began_ns));
    let shows = shows(worst.len(), &all.kind.one);
    worst.truncate(ROWS);
    let zones = report.availability.by_zone.len();
    let rows = worst.iter().map(|r| {
        let who = match (&r.old, &r.new) {
            (Some(old), Some(new)) => format!("{old} to {new}"),
            (Some(old), None) => format!("{old} to nobody"),
            (None, Some(new)) => format!("to {new}"),
            (None, None) => String::new(),
        };
        let second = match (r.planned, r.needless, &r.zone) {
            (true, ..) => "planned".to_owned(),
            (_, true, _) => "needless: it was in order".to_owned(),
            (_, _, Some(zone)) if zones > 1 => format!("as zone {zone} saw it"),
            _ => String::new(),
        };
        Row {
            first: format!("{who} at {}", units::moment(r.began_ns)),
            second,
            start_ns: r.began_ns,
            length_ns: r.rto_ns,
            open: r.open,
            phases: r.phases(),
        }
    });
    draw(report, rows.collect(), &finding_of_recoveries(all), &shows, &all.kind.one)
}

fn shows(all: usize, one: &str) -> String {
    match all {
        n if n > ROWS => format!("What the {ROWS} longest of {n} {one}s were spent on"),
        _ => format!("What each {one} was spent on"),
    }
}

fn draw(report: &Report, mut rows: Vec<Row>, finding: &str, shows: &str, one: &str) -> Scene {
    let mut scene = Scene::new(900.0);
    rows.sort_by_key(|row| row.start_ns);
    frame::title(&mut scene, finding, &frame::about(report, shows));
    let mut plot = Area { left: MARGIN + NAMES, top: 186.0, right: PLOT_RIGHT - 120.0, bottom: 800.0 };
    let Some(longest) = rows.iter().map(|row| row.length_ns).max() else {
        plot.bottom = 340.0;
        frame::nothing(&mut scene, Area { left: MARGIN, ..plot }, &format!("There was no {one} to take apart"));
        scene.height = plot.bottom + 60.0;
        return scene;
    };
    let slot = (plot.height() / rows.len() as f64).min(150.0);
    plot.bottom = plot.top + slot * rows.len() as f64;
    let scale = axis(&mut scene, plot, longest.max(1), one);
    let names = report.phase_names();
    let shown = |name: &&&str| rows.iter().flat_map(|row| &row.phases).any(|phase| phase.name == **name);
    key(&mut scene, plot, &names, &names.iter().filter(shown).copied().collect::<Vec<_>>());
    for (i, row) in rows.iter().enumerate() {
        let middle = plot.top + slot * (i as f64 + 0.5);
        let half = (slot * 0.34).min(38.0);
        let name_room = NAMES - 20.0;
        let two = slot >= 62.0 && !row.second.is_empty();
        let y = if two { middle - 4.0 } else { middle + 8.0 };
        scene.bold((plot.left - 16.0, y), fit(&row.first, LABEL, true, name_room), LABEL, INK, Anchor::End);
        if two {
            let place = (plot.left - 16.0, middle + 22.0);
            scene.text(place, fit(&row.second, SMALL, false, name_room), SMALL, MUTED, Anchor::End);
        }
        bars(&mut scene, row, &names, &scale, middle - half, middle + half);
        let end = scale.at(row.length_ns as f64);
        let open = if row.open { "+" } else { "" };
        let total = format!("{}{open}", units::duration(row.length_ns));
        scene.bold((end + 14.0, middle + LABEL * 0.35), total, LABEL, INK, Anchor::Start);
    }
    scene.line((plot.left, plot.top), (plot.left, plot.bottom), AXIS, 1.5);
    scene.height = plot.bottom + 100.0;
    scene
}

fn finding(report: &Report) -> String {
    let Some(worst) = report.worst_outage() else { return "No outage to explain".into() };
    let length = format!("{}, {}", units::duration(worst.duration_ns), worst.scope);
    let longest = worst.phases.iter().max_by_key(|p| (p.end_ns - p.start_ns, Reverse(p.start_ns)));
    match longest {
        Some(phase) if worst.phases.len() > 1 => {
            let part = units::duration(phase.end_ns - phase.start_ns);
            format!("The longest outage took {length}, {part} of it: {}", phase.name)
        }
        Some(phase) => format!("The longest outage took {length}, all of it: {}", phase.name),
        None => format!("The longest outage took {length}"),
    }
}

fn finding_of_recoveries(r: &Recoveries) -> String {
    let one = &r.kind.one;
    match (r.longest_ns, r.all.len()) {
        (None, 0) => format!("No {one}"),
        (None, _) => format!("Only planned {one}s"),
        (Some(_), _) if r.never_ended() => format!("A {one} that never ended"),
        (Some(ns), 1) => format!("{} in {}", units::capitalised(one), units::duration(ns)),
        (Some(ns), n) => format!("{}, the longest {}", units::plural(n, one), units::duration(ns)),
    }
}

fn look(names: &[&str], name: &str) -> (Ink, Hatch) {
    palette::PHASES[names.iter().position(|n| *n == name).unwrap_or(0) % palette::PHASES.len()]
}

/// Durations are counted from each one's start.
fn axis(scene: &mut Scene, plot: Area, longest: u64, one: &str) -> Scale {
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
    frame::x_name(scene, plot, &format!("time since the {one} began ({name})"));
    scale
}

fn bars(scene: &mut Scene, row: &Row, names: &[&str], scale: &Scale, top: f64, bottom: f64) {
    if row.phases.is_empty() {
        let right = scale.at(row.length_ns as f64);
        scene.rect(Area { left: scale.at(0.0), top, right, bottom }, palette::VERMILLION);
    }
    for phase in &row.phases {
        let left = scale.at((phase.start_ns - row.start_ns) as f64);
        let right = scale.at((phase.end_ns - row.start_ns) as f64);
        let (ink, hatch) = look(names, &phase.name);
        scene.hatched(Area { left, top, right, bottom }, ink, hatch);
        scene.line((right, top), (right, bottom), palette::PAPER, 2.0);
        frame::inside(
            scene,
            Area { left, top, right, bottom },
            (ink, hatch),
            &units::duration(phase.end_ns - phase.start_ns),
        );
    }
}

/// The key to the phases, above the bars, in as many columns as there are phases.
fn key(scene: &mut Scene, plot: Area, names: &[&str], shown: &[&str]) {
    let mut x = MARGIN;
    for name in shown {
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
