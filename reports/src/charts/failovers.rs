//! The anatomy of fail-overs: what each spent its time on, with the times of two primaries in red, and all of them over the run.

use super::fonts;
use super::frame::{self, LABEL, MARGIN, PLOT_RIGHT, SMALL};
use super::palette::{self, AXIS, GRID, INK, MUTED, ORANGE, PAPER, VERMILLION};
use super::scale::{Scale, ceiling};
use super::scene::{Anchor, Area, Hatch, Ink, Marker, Scene, fit};
use crate::failover::{FailoverReport, PARTS, Replacement};
use crate::losses::{Losses, TwoPrimaries};
use crate::report::Report;
use crate::units;

/// The longest this many are shown.
const ROWS: usize = 7;
/// Room for the names left of the bars.
const NAMES: f64 = 300.0;
/// What ends nowhere, because it was never over or nobody saw the steps.
const REST: Ink = AXIS;

/// Draws the chart; nothing where the system has no primaries.
pub(crate) fn draw(report: &Report) -> Option<Scene> {
    let failover = report.failover.as_ref()?;
    let mut scene = Scene::new(900.0);
    let mut rows: Vec<&Replacement> = failover.failovers.iter().collect();
    rows.sort_by_key(|f| (f.planned, std::cmp::Reverse(f.rto_ns), f.began_ns));
    let shows = match rows.len() {
        n if n > ROWS => format!("What the {ROWS} longest of {n} fail-overs were spent on"),
        _ => "What each fail-over was spent on".to_owned(),
    };
    rows.truncate(ROWS);
    rows.sort_by_key(|f| (f.began_ns, f.shard));
    frame::title(&mut scene, &finding(failover, &report.losses), &frame::about(report, &shows));
    let mut plot = Area { left: MARGIN + NAMES, top: 190.0, right: PLOT_RIGHT - 150.0, bottom: 620.0 };
    if rows.is_empty() {
        plot.bottom = 340.0;
        frame::nothing(&mut scene, Area { left: MARGIN, ..plot }, "No primary was replaced");
    } else {
        let slot = (plot.height() / rows.len() as f64).min(110.0);
        plot.bottom = plot.top + slot * rows.len() as f64;
        let zones = report.availability.by_zone.len();
        let splits = |f: &Replacement| during(f, &report.losses.two_primaries);
        let longest = rows.iter().map(|f| splits(f).iter().map(|s| s.1).fold(f.rto_ns, u64::max)).max().unwrap_or(1);
        let scale = axis(&mut scene, plot, longest);
        for (i, row) in rows.iter().enumerate() {
            let middle = plot.top + slot * (i as f64 + 0.5);
            draw_row(&mut scene, row, &splits(row), zones, &scale, (middle, slot));
        }
        key(&mut scene, plot.top - 28.0, !report.losses.two_primaries.is_empty());
    }
    let over_time = Area { left: plot.left, top: plot.bottom + 106.0, right: PLOT_RIGHT, bottom: plot.bottom + 192.0 };
    run(&mut scene, over_time, report, failover);
    scene.height = over_time.bottom + 88.0;
    Some(scene)
}

fn finding(f: &FailoverReport, losses: &Losses) -> String {
    let split = match losses.two_primaries_ns.unwrap_or(0) {
        0 => String::new(),
        ns => format!("; two primaries for {}", units::duration(ns)),
    };
    let lost = match losses.lost_writes.unwrap_or(0) {
        0 => String::new(),
        1 => "; 1 write lost".into(),
        n => format!("; {} writes lost", units::count(n)),
    };
    match (f.rto_max_ns, f.failovers.len()) {
        (None, 0) => format!("No fail-over{split}{lost}"),
        (None, _) => format!("Only planned fail-overs{split}{lost}"),
        (Some(_), _) if f.failovers.iter().any(|f| f.open && !f.planned) => {
            format!("A fail-over that never ended{split}{lost}")
        }
        (Some(ns), 1) => format!("Fail-over in {}{split}{lost}", units::duration(ns)),
        (Some(ns), n) => format!("{n} fail-overs, the longest {}{split}{lost}", units::duration(ns)),
    }
}

/// The times of two primaries that belong to a fail-over, from its beginning on: those of its nodes that overlap it.
fn during(f: &Replacement, splits: &[TwoPrimaries]) -> Vec<(u64, u64)> {
    splits
        .iter()
        .filter(|s| s.start_ns <= f.ended_ns && s.end_ns > f.began_ns)
        .filter(|s| [&f.old, &f.new].into_iter().flatten().any(|node| s.nodes.contains(node)))
        .map(|s| (s.start_ns.saturating_sub(f.began_ns), s.end_ns - f.began_ns))
        .collect()
}

/// Durations are counted from each fail-over's beginning.
fn axis(scene: &mut Scene, plot: Area, longest: u64) -> Scale {
    let scale = Scale::linear(0.0, ceiling(longest.max(1) as f64, 6), plot.left, plot.right);
    for tick in scale.duration_ticks(6) {
        let x = scale.at(tick.value);
        scene.line((x, plot.top), (x, plot.bottom), GRID, 1.0);
        scene.text((x, plot.bottom + 32.0), tick.label, LABEL, MUTED, Anchor::Middle);
    }
    scale
}

fn draw_row(
    scene: &mut Scene,
    f: &Replacement,
    splits: &[(u64, u64)],
    zones: usize,
    scale: &Scale,
    (middle, slot): (f64, f64),
) {
    let who = match (&f.old, &f.new) {
        (Some(old), Some(new)) => format!("{old} to {new}"),
        (Some(old), None) => format!("{old} to nobody"),
        (None, Some(new)) => format!("to {new}"),
        (None, None) => String::new(),
    };
    let right = scale.at(0.0) - 14.0;
    let first = format!("{who} at {}", units::moment(f.began_ns));
    let second = match (f.planned, f.needless, &f.zone) {
        (true, ..) => "planned".to_owned(),
        (_, true, _) => "needless: it was in order".to_owned(),
        (_, _, Some(zone)) if zones > 1 => format!("as zone {zone} saw it"),
        _ => String::new(),
    };
    let two = slot >= 50.0 && !second.is_empty();
    let y = if two { middle - 4.0 } else { middle + LABEL * 0.33 };
    scene.bold((right, y), fit(&first, LABEL, true, NAMES - 16.0), LABEL, INK, Anchor::End);
    if two {
        scene.text((right, middle + 20.0), fit(&second, SMALL, false, NAMES - 16.0), SMALL, MUTED, Anchor::End);
    }
    let half = (slot * 0.3).min(26.0);
    let (top, bottom) = (middle - half, middle + half);
    let mut from = 0;
    for (i, (name, part)) in f.parts().into_iter().enumerate() {
        let Some(part) = part else { continue };
        let (ink, hatch) = palette::phase(name, i);
        let area = Area { left: scale.at(from as f64), right: scale.at((from + part) as f64), top, bottom };
        scene.hatched(area, ink, hatch);
        scene.line((area.right, top), (area.right, bottom), PAPER, 2.0);
        inside(scene, area, ink, &units::duration(part));
        from += part;
    }
    if from < f.rto_ns {
        let area = Area { left: scale.at(from as f64), right: scale.at(f.rto_ns as f64), top, bottom };
        scene.rect(area, REST.fade(0.5));
    }
    for (start, stop) in splits {
        let area = Area {
            left: scale.at(*start as f64),
            right: scale.at(*stop as f64).max(scale.at(*start as f64) + 3.0),
            top: bottom + 2.0,
            bottom: bottom + 9.0,
        };
        scene.rect(area, VERMILLION);
    }
    let open = if f.open { ", open" } else { "" };
    let total = format!("{}{open}", units::duration(f.rto_ns));
    scene.bold((scale.at(f.rto_ns as f64) + 12.0, middle + LABEL * 0.35), total, LABEL, INK, Anchor::Start);
}

/// A length in the middle of its bar, on a quiet ground, if there is room.
fn inside(scene: &mut Scene, area: Area, ink: Ink, text: &str) {
    let width = fonts::width(text, SMALL, true);
    if width + 18.0 > area.width() || area.height() < 26.0 {
        return;
    }
    let middle = ((area.left + area.right) / 2.0, (area.top + area.bottom) / 2.0 + SMALL * 0.35);
    let half = width / 2.0 + 5.0;
    let (left, right) = (middle.0 - half, middle.0 + half);
    scene.rect(Area { left, right, top: middle.1 - 20.0, bottom: middle.1 + 6.0 }, ink);
    let letters = if palette::is_dark(ink) { PAPER } else { palette::ON_FILL };
    scene.bold(middle, text, SMALL, letters, Anchor::Middle);
}

fn key(scene: &mut Scene, y: f64, split: bool) {
    let mut x = MARGIN;
    let mut entry = |text: &str, height: f64, ink: Ink, hatch: Hatch| {
        let middle = y - LABEL * 0.33;
        scene.hatched(Area { left: x, top: middle - height, right: x + 36.0, bottom: middle + height }, ink, hatch);
        scene.text((x + 46.0, y), text, LABEL, MUTED, Anchor::Start);
        x += 46.0 + fonts::width(text, LABEL, false) + 30.0;
    };
    for (i, name) in PARTS.into_iter().enumerate() {
        let (ink, hatch) = palette::phase(name, i);
        entry(name, 10.0, ink, hatch);
    }
    if split {
        entry("two nodes accept writes", 4.0, VERMILLION, Hatch::None);
    }
}

/// When all of it was: fail-overs as dots, times of two primaries as red bars, faults as shades.
fn run(scene: &mut Scene, plot: Area, report: &Report, failover: &FailoverReport) {
    let time = Scale::linear(0.0, report.simulated_ns.max(1) as f64, plot.left, plot.right);
    for fault in report.troubles().iter().filter(|f| f.bit) {
        let (left, right) = (time.at(fault.start_ns as f64), time.at(fault.end_ns as f64));
        scene.rect(Area { left, right: right.max(left + 2.0), ..plot }, ORANGE.fade(0.25));
    }
    frame::time_axis(scene, plot, &time, true);
    frame::x_name(scene, Area { bottom: plot.bottom - 4.0, ..plot }, "simulated time; faults shaded");
    let (upper, lower) = (plot.top + 24.0, plot.bottom - 20.0);
    for (y, text) in [(upper, "fail-overs"), (lower, "two primaries")] {
        scene.text((plot.left - 14.0, y + LABEL * 0.33), text, LABEL, MUTED, Anchor::End);
        scene.line((plot.left, y), (plot.right, y), GRID, 1.0);
    }
    for f in &failover.failovers {
        let (left, right) = (time.at(f.began_ns as f64), time.at(f.ended_ns as f64));
        scene.line((left, upper), (right.max(left + 1.0), upper), INK, 4.0);
        let marker = if f.needless || f.planned { Marker::Square } else { Marker::Circle };
        scene.dot((left, upper), 8.0, marker, PAPER);
        scene.dot((left, upper), 6.0, marker, if f.planned { AXIS } else { INK });
    }
    for s in &report.losses.two_primaries {
        let (left, right) = (time.at(s.start_ns as f64), time.at(s.end_ns as f64));
        scene.rect(Area { left, right: right.max(left + 3.0), top: lower - 9.0, bottom: lower + 9.0 }, VERMILLION);
    }
}
