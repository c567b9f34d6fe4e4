//! Two varied keys: a field of cells, darker where the typical run is down for longer, with the share of failing runs.

use super::fonts;
use super::frame::{self, LABEL, MARGIN, PLOT_RIGHT, SMALL};
use super::palette::{INK, MUTED, ON_FILL, PAPER, VERMILLION, is_dark, ramp};
use super::scale::Scale;
use super::scene::{Anchor, Area, Ink, Scene, brief, fit};
use crate::sweeps::{Sweep, quantile};
use crate::units;

const GAP: f64 = 3.0;
/// Nobody measured anything here.
const EMPTY: Ink = super::palette::GRID;

/// Draws the chart; `sweep` has exactly two axes. `pooled` says what else was varied.
pub(crate) fn draw(sweep: &Sweep, pooled: &str) -> Scene {
    let mut scene = Scene::new(900.0);
    let (rows, columns) = (&sweep.axes[0], &sweep.axes[1]);
    let shows = format!("Half of the runs have no longer outage than this{pooled}  \u{b7}  {}", sweep.scenario);
    frame::title(&mut scene, &finding(sweep), &shows);
    let name = |v: &str| fonts::width(v, LABEL, false);
    let widest = rows.values.iter().map(|v| name(v)).fold(0.0, f64::max).min(330.0);
    let plot = Area { left: MARGIN + widest + 20.0, top: 214.0, right: PLOT_RIGHT, bottom: 800.0 };
    let (wide, high) =
        ((plot.width()) / columns.values.len() as f64, (plot.height() / rows.values.len() as f64).min(190.0));
    let half: Vec<Option<f64>> = sweep.cells.iter().map(|c| quantile(c.longest(), 50)).collect();
    let shade = Shade::new(&half);
    for (i, cell) in sweep.cells.iter().enumerate() {
        let (r, c) = (i / columns.values.len(), i % columns.values.len());
        let (left, top) = (plot.left + wide * c as f64, plot.top + high * r as f64);
        let gap = if wide.min(high) < 16.0 { 1.0 } else { GAP };
        let area = Area { left, top, right: left + wide - gap, bottom: top + high - gap };
        let ink = half[i].map_or(EMPTY, |v| shade.ink(v));
        scene.rect(area, ink);
        let on = if is_dark(ink) { PAPER } else { ON_FILL };
        letters(&mut scene, area, on, cell, half[i]);
        if cell.failed > 0 {
            let height = (area.height() * 0.08).clamp(3.0, 9.0);
            let width = (area.width() * cell.failing()).max(3.0);
            scene.rect(
                Area { top: area.bottom - height, left: area.left, right: area.left + width, bottom: area.bottom },
                VERMILLION,
            );
        }
    }
    let bottom = plot.top + high * rows.values.len() as f64;
    let every = (LABEL * 1.25 / high).ceil().max(1.0) as usize;
    for (r, value) in rows.values.iter().enumerate().step_by(every) {
        let y = plot.top + high * (r as f64 + 0.5) + LABEL * 0.32;
        scene.text((plot.left - 14.0, y), fit(value, LABEL, false, widest + 1.0), LABEL, INK, Anchor::End);
    }
    let widest = columns.values.iter().map(|v| name(v)).fold(0.0, f64::max);
    let every = if wide >= 70.0 { 1 } else { ((widest.min(120.0) + 16.0) / wide).ceil().max(1.0) as usize };
    let mut taken = f64::NEG_INFINITY;
    for (c, value) in columns.values.iter().enumerate().step_by(every) {
        let text = fit(value, LABEL, false, wide * every as f64 - 12.0);
        let half = name(&text) / 2.0;
        let x = (plot.left + wide * (c as f64 + 0.5)).min(PLOT_RIGHT - half);
        if x - half > taken + 10.0 {
            taken = x + half;
            scene.text((x, bottom + 34.0), text, LABEL, INK, Anchor::Middle);
        }
    }
    let x = plot.left + wide * columns.values.len() as f64 / 2.0;
    scene.text(
        (x, bottom + 72.0),
        fit(&columns.key, LABEL, false, PLOT_RIGHT - plot.left),
        LABEL,
        MUTED,
        Anchor::Middle,
    );
    scene.text((MARGIN, plot.top - 20.0), fit(&rows.key, LABEL, false, 560.0), LABEL, MUTED, Anchor::Start);
    legend(&mut scene, plot.top - 20.0, &shade, sweep);
    scene
}

/// As many figures as fit: the typical run, the worst one, how many failed.
fn letters(scene: &mut Scene, area: Area, on: Ink, cell: &crate::sweeps::Cell, half: Option<f64>) {
    let print = |v: f64| units::duration(v as u64);
    let Some(half) = half else {
        if area.width() > 110.0 && area.height() > 40.0 {
            let at = ((area.left + area.right) / 2.0, (area.top + area.bottom) / 2.0 + 6.0);
            scene.text(at, "not measured", SMALL, MUTED, Anchor::Middle);
        }
        return;
    };
    let mut lines = vec![(print(half), true)];
    if let Some(worst) = cell.longest().last().filter(|_| cell.longest().len() > 1) {
        lines.push((format!("worst {}", print(*worst)), false));
    }
    if cell.failed > 0 {
        let share = units::percent(units::round(cell.failing(), 3).max(0.001));
        lines.push((format!("{share} failed"), true));
    }
    // The first lines that fit; the failing share is in the bar below too.
    const PITCH: f64 = 27.0;
    let most = ((area.height() - 14.0) / PITCH).floor().max(0.0) as usize;
    let size = |bold: bool| if bold { LABEL - 1.0 } else { SMALL };
    let fits = |(text, bold): &(String, bool)| fonts::width(text, size(*bold), *bold) <= area.width() - 8.0;
    let lines: Vec<_> = lines.into_iter().filter(fits).take(most).collect();
    let middle = (area.left + area.right) / 2.0;
    let mut y = (area.top + area.bottom) / 2.0 - PITCH * (lines.len() as f64 - 1.0) / 2.0 + 7.0;
    for (text, bold) in lines {
        if bold {
            scene.bold((middle, y), text, size(true), on, Anchor::Middle);
        } else {
            scene.text((middle, y), text, size(false), on, Anchor::Middle);
        }
        y += PITCH;
    }
}

/// From a figure to a colour: light to dark, one hue.
struct Shade {
    scale: Scale,
    least: f64,
    most: f64,
    log: bool,
}

impl Shade {
    fn new(values: &[Option<f64>]) -> Self {
        let some = || values.iter().flatten().copied();
        let (least, most) = (some().fold(f64::INFINITY, f64::min), some().fold(0.0, f64::max));
        let least = if least.is_finite() { least } else { 0.0 };
        let log = least > 0.0 && most > 25.0 * least;
        let (from, to) = if log { (libm::log10(least), libm::log10(most)) } else { (least, most) };
        Self { scale: Scale::linear(from, if to > from { to } else { from + 1.0 }, 0.0, 1.0), least, most, log }
    }

    fn ink(&self, value: f64) -> Ink {
        ramp(self.scale.at(if self.log { libm::log10(value) } else { value }))
    }
}

/// What the colours mean, at the right end of the line `y`.
fn legend(scene: &mut Scene, y: f64, shade: &Shade, sweep: &Sweep) {
    let mut right = PLOT_RIGHT;
    if sweep.cells.iter().any(|c| c.failed > 0) {
        let text = "share of runs that failed";
        scene.text((right, y), text, LABEL, MUTED, Anchor::End);
        right -= fonts::width(text, LABEL, false) + 10.0;
        scene.rect(Area { left: right - 36.0, top: y - 11.0, right, bottom: y - 3.0 }, VERMILLION);
        right -= 36.0 + 34.0;
    }
    if shade.most <= shade.least {
        return;
    }
    let (least, most) = (units::duration(shade.least as u64), units::duration(shade.most as u64));
    frame::ramp_legend(scene, right, y, &least, &most);
}

fn finding(sweep: &Sweep) -> String {
    let half = |i: usize| quantile(sweep.cells[i].longest(), 50);
    let mut measured: Vec<usize> = (0..sweep.cells.len()).filter(|i| half(*i).is_some()).collect();
    measured.sort_by(|a, b| half(*a).unwrap_or(0.0).total_cmp(&half(*b).unwrap_or(0.0)));
    let (Some(best), Some(worst)) = (measured.first(), measured.last()) else {
        return "Nothing was measured in any cell".into();
    };
    let (a, b) = (half(*best).unwrap_or(0.0), half(*worst).unwrap_or(0.0));
    let time = |v: f64| units::duration(v as u64);
    if a == b {
        return format!("Typical longest outage {} in every cell", time(a));
    }
    let at = |i: usize| sweep.values(i).iter().map(|v| brief(v)).collect::<Vec<_>>().join(", ");
    format!("Typical longest outage from {} ({}) to {} ({})", time(a), at(*best), time(b), at(*worst))
}
