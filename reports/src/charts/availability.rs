//! Availability over time: the shares of reads and writes served in each window, the faults, and the outages of each
//! scope with their lengths.

use super::fonts;
use super::frame::{self, Bands, LABEL, Look, PLOT_LEFT, PLOT_RIGHT, SMALL};
use super::palette::{AXIS, BLUE, GREEN, MUTED, ORANGE, VERMILLION};
use super::place::{self, Wish};
use super::scale::{Scale, Tick};
use super::scene::{Anchor, Area, Hatch, Ink, Scene, fit};
use crate::measure::series::Served;
use crate::report::{Report, ScopeOutage};
use crate::units;
use sim_core::Class;

/// Height of the lane of a scope, with what lies between it and the next.
const LANE: f64 = 26.0;
/// More lanes than this would leave no room for the curve: then all zones share one.
const LANES: usize = 10;
/// The line of writes, which lies on that of reads most of the time.
const WRITES_DASH: Option<(f64, f64)> = Some((14.0, 7.0));

/// Scopes that share a bar: a class, from one zone if there is room for all.
struct Lane<'a> {
    class: Class,
    /// All of them, where there are too many.
    zone: Option<&'a str>,
}

impl<'a> Lane<'a> {
    fn of(report: &'a Report) -> Vec<Self> {
        let mut lanes: Vec<Self> = Vec::new();
        for scope in &report.availability.scopes {
            if !lanes.iter().any(|lane| lane.class == scope.class && lane.zone == Some(&scope.zone)) {
                lanes.push(Self { class: scope.class, zone: Some(&scope.zone) });
            }
        }
        if lanes.len() > LANES {
            lanes.dedup_by_key(|lane| lane.class);
            lanes.iter_mut().for_each(|lane| lane.zone = None);
        }
        lanes
    }

    fn has(&self, part: &ScopeOutage) -> bool {
        self.class == part.class && self.zone.is_none_or(|zone| zone == part.zone)
    }

    /// `writes b`; the zone only where there are several.
    fn name(&self, zones: bool) -> String {
        let class = if self.class == Class::Read { "reads" } else { "writes" };
        match self.zone {
            Some(zone) if zones => format!("{class} {zone}"),
            _ => class.to_owned(),
        }
    }
}

/// Draws the chart.
pub(crate) fn draw(report: &Report, served: &Served) -> Scene {
    let mut scene = Scene::new(900.0);
    let time = Scale::linear(report.measure_from_ns as f64, report.measure_to_ns as f64, PLOT_LEFT, PLOT_RIGHT);
    let troubles = report.troubles();
    let bands = Bands::plan(&troubles, &time, PLOT_LEFT, PLOT_RIGHT);
    let what = if report.availability.decided_by_probes { "probes" } else { "operations" };
    let window = match served.windows {
        1 => format!("Share of {what} served, windows of {}", units::duration(served.column_ns)),
        n => {
            let (window, column) = (served.column_ns / n, served.column_ns);
            let (window, column) = (units::duration(window), units::duration(column));
            format!("Share of {what} served, the worst {window} of every {column}")
        }
    };
    let about = match bands.skipped() {
        0 => frame::about(report, &window),
        n => frame::about(report, &format!("{window}  \u{b7}  {n} fault labels left out")),
    };
    frame::title(&mut scene, &finding(report), &about);

    let lanes_top = 166.0;
    let lanes = Lane::of(report);
    let bottom = 716.0 - LANE * lanes.len() as f64;
    let plot = Area { left: PLOT_LEFT, top: lanes_top + bands.height.max(8.0) + 6.0, right: PLOT_RIGHT, bottom };
    let share = Scale::linear(0.0, 1.0, plot.bottom, plot.top);
    bands.shade(&mut scene, &troubles, &time, &[plot]);
    frame::time_axis(&mut scene, plot, &time, false);
    let ticks: Vec<Tick> =
        [0, 25, 50, 75, 100].map(|p| Tick { value: f64::from(p) / 100.0, label: format!("{p} %") }).into();
    for tick in &ticks {
        let y = share.at(tick.value);
        scene.line((plot.left, y), (plot.right, y), super::palette::GRID, 1.0);
        scene.text((plot.left - 12.0, y + LABEL * 0.35), &*tick.label, LABEL, MUTED, Anchor::End);
    }
    bands.label(&mut scene, &troubles, &time, lanes_top, &[plot]);
    outage_strip(&mut scene, report, &lanes, &time, plot);
    if served.worst.iter().flatten().all(Option::is_none) {
        let upper = Area { top: share.at(0.75), bottom: share.at(0.5), ..plot };
        frame::nothing(&mut scene, upper, "No operation was invoked in the measured window");
        return scene;
    }
    let curves = Curves { report, served, time: &time, share: &share };
    curves.lost(&mut scene, plot);
    let mut legend = Vec::new();
    for (class, name, ink, dash) in [(0, "reads", BLUE, None), (1, "writes", GREEN, WRITES_DASH)] {
        if served.worst[class].iter().any(Option::is_some) {
            curves.line(&mut scene, class, ink, dash);
            legend.push((name, ink, Look::Line(dash)));
        }
    }
    legend.push(("not served", VERMILLION.fade(0.7), Look::Fill(Hatch::None)));
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
        return match a.fraction.or(a.probes.fraction) {
            None => "Availability unknown: nobody asked".into(),
            Some(f) => format!("No outage in {measured}: {} of operations served", units::percent(f)),
        };
    };
    let length = units::duration(worst.duration_ns);
    if worst.open && a.outages.len() == 1 {
        let from = units::moment(worst.start_ns);
        return format!("Down from {from} to the end, {}: {}", worst.scope, worst.cause);
    }
    match a.outages.len() {
        1 => {
            let at = units::moment(worst.start_ns);
            format!("One outage of {length} at {at}, {}: {}", worst.scope, worst.cause)
        }
        n => {
            let total = units::duration(a.total_outage_ns);
            let at = units::moment(worst.start_ns);
            format!("{n} outages, {total} of {measured}; the longest {length} at {at}, {}", worst.scope)
        }
    }
}

/// The step curves, in pieces where windows were empty.
struct Curves<'a> {
    report: &'a Report,
    served: &'a Served,
    time: &'a Scale,
    share: &'a Scale,
}

impl Curves<'_> {
    /// Each piece of a curve as a line of steps.
    fn pieces(&self, value: impl Fn(usize) -> Option<f64>) -> Vec<Vec<(f64, f64)>> {
        let mut pieces: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
        for i in 0..self.served.worst[0].len() {
            let from = self.report.measure_from_ns + i as u64 * self.served.column_ns;
            let to = (from + self.served.column_ns).min(self.report.measure_to_ns);
            let Some(value) = value(i) else {
                pieces.push(Vec::new());
                continue;
            };
            let y = self.share.at(value);
            // A level run needs only its ends.
            match pieces.last_mut().map(|piece| (piece.len(), piece)) {
                Some((2.., piece)) if piece[piece.len() - 2..].iter().all(|at| at.1 == y) => {
                    let last = piece.len() - 1;
                    piece[last].0 = self.time.at(to as f64);
                }
                Some((_, piece)) => piece.extend([(self.time.at(from as f64), y), (self.time.at(to as f64), y)]),
                None => {}
            }
        }
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    fn line(&self, scene: &mut Scene, class: usize, ink: Ink, dash: Option<(f64, f64)>) {
        for piece in self.pieces(|i| self.served.worst[class][i]) {
            scene.path(piece, ink, 3.0, dash);
        }
    }

    /// What is shaded is what was lost of the class of which more was.
    fn lost(&self, scene: &mut Scene, plot: Area) {
        let [reads, writes] = &self.served.worst;
        for mut piece in self.pieces(|i| [reads[i], writes[i]].into_iter().flatten().reduce(f64::min)) {
            let (first, last) = (piece[0], piece[piece.len() - 1]);
            piece.extend([(last.0, plot.top), (first.0, plot.top)]);
            scene.area(piece, VERMILLION.fade(0.7));
        }
    }
}

/// The strip below the plot: a lane for each scope with its outages as bars, their lengths, then the time axis.
fn outage_strip(scene: &mut Scene, report: &Report, lanes: &[Lane<'_>], time: &Scale, plot: Area) {
    let outages = &report.availability.outages;
    let top = plot.bottom + 14.0;
    let zones = lanes.iter().any(|lane| lane.zone != lanes[0].zone);
    for (number, lane) in lanes.iter().enumerate() {
        let top = top + LANE * number as f64;
        let bar = Area { left: plot.left, top, right: plot.right, bottom: top + LANE - 5.0 };
        scene.rect(bar, AXIS.fade(0.13));
        let name = fit(&lane.name(zones), SMALL, false, plot.left - 24.0);
        scene.text((plot.left - 12.0, bar.bottom - 3.0), name, SMALL, MUTED, Anchor::End);
        for part in outages.iter().flat_map(|o| &o.scopes).filter(|part| lane.has(part)) {
            let left = time.at(part.start_ns as f64);
            let right = time.at(part.end_ns as f64).max(left + 4.0);
            scene.rect(Area { left, right, ..bar }, VERMILLION);
        }
    }
    let bottom = top + LANE * lanes.len() as f64;
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
        if let Some((_, at)) = place {
            let text = units::duration(outage.duration_ns);
            scene.bold((at, bottom + 20.0), text, SMALL, VERMILLION_TEXT, Anchor::Start);
        }
    }
    if outages.is_empty() {
        let known = !lanes.is_empty();
        let text = if known { "no outage" } else { "outages unknown" };
        scene.text((plot.left + 10.0, bottom + 20.0), text, SMALL, MUTED, Anchor::Start);
    }
    let axis = Area { top: bottom + 36.0, bottom: bottom + 36.0, ..plot };
    frame::time_axis(scene, axis, time, true);
    frame::x_name(scene, axis, "simulated time");
}

/// Vermillion dark enough to read as small text on white.
const VERMILLION_TEXT: Ink = Ink(plotters::style::RGBColor(0xa8, 0x48, 0x00), 1.0);
