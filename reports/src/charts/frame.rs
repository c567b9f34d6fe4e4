//! What the charts share: titles, axes, legends, fault bands with their labels.

use super::fonts;
use super::palette::{self, AXIS, GRID, INK, MUTED, ORANGE};
use super::place::{self, Wish};
use super::scale::{Scale, Tick};
use super::scene::{Anchor, Area, Hatch, Ink, Scene, WIDTH, fit};
use crate::report::{Fault, Report};

/// Text sizes: the smallest is legible on a slide shown at half size.
pub(crate) const TITLE: f64 = 38.0;
pub(crate) const LABEL: f64 = 23.0;
pub(crate) const SMALL: f64 = 20.0;

/// Left and right of everything.
pub(crate) const MARGIN: f64 = 48.0;
/// Left edge of a plot with numbers beside it.
pub(crate) const PLOT_LEFT: f64 = 146.0;
pub(crate) const PLOT_RIGHT: f64 = WIDTH - MARGIN;

/// Height of a lane of fault labels.
const LANE: f64 = 30.0;
/// Room for the flag beside a label.
const FLAG: f64 = 19.0;
/// Most of those.
const LANES: usize = 3;
/// More faults than this do not all have a stem.
const STEMS: usize = 40;

/// How much wider a title is in the font of a viewer that has none of those asked for (DejaVu Sans on a plain Debian),
/// over ours.
const PLAIN_FONT: f64 = 1.2;

/// The finding as title and what it is about below; shrinks the title until it fits.
pub(crate) fn title(scene: &mut Scene, finding: &str, about: &str) {
    let room = (WIDTH - 2.0 * MARGIN) / PLAIN_FONT;
    let fits = |size: &f64| fonts::width(finding, *size, true) <= room;
    let size = [TITLE, 34.0, 30.0, 26.0].into_iter().find(fits).unwrap_or(26.0);
    scene.bold((MARGIN, 66.0), fit(finding, size, true, room), size, INK, Anchor::Start);
    scene.text((MARGIN, 106.0), fit(about, LABEL, false, room), LABEL, MUTED, Anchor::Start);
}

/// `leader-crash · seed 42`, then what the chart shows.
pub(crate) fn about(report: &Report, shows: &str) -> String {
    format!("{shows}  \u{b7}  {}, seed {}", report.scenario, report.seed)
}

/// A horizontal axis of simulated time below `plot`, with its grid.
pub(crate) fn time_axis(scene: &mut Scene, plot: Area, scale: &Scale, labelled: bool) {
    for tick in scale.time_ticks(9) {
        let x = scale.at(tick.value);
        scene.line((x, plot.top), (x, plot.bottom), GRID, 1.0);
        if labelled {
            scene.line((x, plot.bottom), (x, plot.bottom + 7.0), AXIS, 1.5);
            scene.text((x, plot.bottom + 34.0), tick.label, LABEL, MUTED, Anchor::Middle);
        }
    }
    scene.line((plot.left, plot.bottom), (plot.right, plot.bottom), AXIS, 1.5);
}

/// The name of a horizontal axis.
pub(crate) fn x_name(scene: &mut Scene, plot: Area, name: &str) {
    scene.text(((plot.left + plot.right) / 2.0, plot.bottom + 70.0), name, LABEL, MUTED, Anchor::Middle);
}

/// A vertical axis left of `plot` with its grid; its name stands level above it.
pub(crate) fn y_axis(scene: &mut Scene, plot: Area, scale: &Scale, ticks: &[Tick], name: &str) {
    for tick in ticks {
        let y = scale.at(tick.value);
        if tick.label.is_empty() {
            scene.line((plot.left - 5.0, y), (plot.left, y), AXIS, 1.0);
            continue;
        }
        scene.line((plot.left, y), (plot.right, y), GRID, 1.0);
        scene.text((plot.left - 12.0, y + LABEL * 0.35), &*tick.label, LABEL, MUTED, Anchor::End);
    }
    scene.text((MARGIN, plot.top - 22.0), name, LABEL, MUTED, Anchor::Start);
}

/// How a series is drawn in a legend.
#[derive(Clone, Copy)]
pub(crate) enum Look {
    Line(Option<(f64, f64)>),
    Fill(Hatch),
}

/// A legend that ends at the right edge `right`, its baseline at `y`. Returns where it begins.
pub(crate) fn legend(scene: &mut Scene, right: f64, y: f64, entries: &[(&str, Ink, Look)]) -> f64 {
    const SAMPLE: f64 = 36.0;
    let width = |text: &str| SAMPLE + 10.0 + fonts::width(text, LABEL, false);
    let total: f64 = entries.iter().map(|(text, ..)| width(text) + 28.0).sum::<f64>() - 28.0;
    let mut x = right - total;
    for (text, ink, look) in entries {
        let middle = y - LABEL * 0.33;
        match look {
            Look::Line(dash) => scene.path(vec![(x, middle), (x + SAMPLE, middle)], *ink, 4.0, *dash),
            Look::Fill(hatch) => {
                let swatch = Area { left: x, top: middle - 10.0, right: x + SAMPLE, bottom: middle + 10.0 };
                scene.hatched(swatch, *ink, *hatch);
            }
        }
        scene.text((x + SAMPLE + 10.0, y), *text, LABEL, MUTED, Anchor::Start);
        x += width(text) + 28.0;
    }
    right - total
}

/// What the colours of a heat map mean, ending at `right` with its baseline at `y`. Returns where it begins.
pub(crate) fn ramp_legend(scene: &mut Scene, right: f64, y: f64, least: &str, most: &str) -> f64 {
    const STEPS: usize = 24;
    const STEP: f64 = 7.0;
    scene.text((right, y), most, LABEL, MUTED, Anchor::End);
    let left = right - fonts::width(most, LABEL, false) - 10.0 - STEPS as f64 * STEP;
    for i in 0..STEPS {
        let from = left + i as f64 * STEP;
        let area = Area { left: from, top: y - 18.0, right: from + STEP, bottom: y + 2.0 };
        scene.rect(area, palette::ramp(i as f64 / (STEPS - 1) as f64));
    }
    scene.text((left - 10.0, y), least, LABEL, MUTED, Anchor::End);
    left - 10.0 - fonts::width(least, LABEL, false)
}

/// Shades the time of every fault over `plots` and labels it in lanes that begin at `top`.
pub(crate) struct Bands {
    /// Height of the lanes.
    pub height: f64,
    labels: Vec<Option<(usize, f64)>>,
    /// Whether the label stands left of its flag, because there is no room right of it.
    before: Vec<bool>,
    texts: Vec<String>,
    skipped: usize,
}

impl Bands {
    /// Decides which labels stand where, before anything is drawn: the plot begins below them.
    pub(crate) fn plan(faults: &[Fault], scale: &Scale, left: f64, right: f64) -> Self {
        let seen = |f: &Fault| f.end_ns as f64 >= scale.from && f.start_ns as f64 <= scale.to;
        let label = |f: &Fault| if f.bit { f.name() } else { format!("{}, no effect", f.name()) };
        let labels: Vec<String> = faults.iter().map(label).collect();
        // What comes again and again is named once, with how often.
        let again =
            |i: usize| (0..faults.len()).filter(|j| seen(&faults[*j]) && labels[i] == labels[*j]).collect::<Vec<_>>();
        let texts: Vec<String> = (0..faults.len())
            .map(|i| match again(i).len() {
                0 | 1 => fit(&labels[i], SMALL, false, 380.0),
                n => format!("{}, {n} times", fit(&labels[i], SMALL, false, 320.0)),
            })
            .collect();
        let first = |i: &usize| again(*i).first() == Some(i);
        let shown: Vec<usize> = (0..faults.len()).filter(|i| seen(&faults[*i])).filter(first).collect();
        let mut before = vec![false; faults.len()];
        let wishes: Vec<Wish> = shown
            .iter()
            .map(|i| {
                let x = scale.at(faults[*i].start_ns as f64);
                let width = fonts::width(&texts[*i], SMALL, false) + FLAG;
                before[*i] = x + width > right;
                let left = if before[*i] { x - width + 4.0 } else { x - 1.0 };
                Wish { left, width, weight: if faults[*i].bit { 1.0 } else { 0.0 } }
            })
            .collect();
        let placed = place::lanes(&wishes, LANES, left, right, 12.0);
        let mut places = vec![None; faults.len()];
        for (i, place) in shown.iter().zip(&placed) {
            places[*i] = *place;
        }
        let used = placed.iter().flatten().map(|(lane, _)| lane + 1).max().unwrap_or(0);
        let skipped = placed.iter().filter(|p| p.is_none()).count();
        Self { height: used as f64 * LANE, labels: places, before, texts, skipped }
    }

    /// How many labels found no room.
    pub(crate) fn skipped(&self) -> usize {
        self.skipped
    }

    /// Draws the shades over each plot.
    pub(crate) fn shade(&self, scene: &mut Scene, faults: &[Fault], scale: &Scale, plots: &[Area]) {
        for fault in faults.iter().filter(|f| f.end_ns as f64 >= scale.from && f.start_ns as f64 <= scale.to) {
            let (from, to) = (
                scale.at(fault.start_ns as f64),
                scale.at(fault.end_ns as f64).max(scale.at(fault.start_ns as f64) + 2.0),
            );
            for plot in plots {
                let band = Area { left: from, top: plot.top, right: to.min(plot.right), bottom: plot.bottom };
                scene.rect(band, if fault.bit { ORANGE.fade(0.17) } else { AXIS.fade(0.16) });
            }
        }
    }

    /// Draws the labels between `top` and the first plot, each on a stem at its fault's beginning.
    pub(crate) fn label(&self, scene: &mut Scene, faults: &[Fault], scale: &Scale, top: f64, plots: &[Area]) {
        for (i, fault) in faults.iter().enumerate() {
            if (fault.end_ns as f64) < scale.from || fault.start_ns as f64 > scale.to {
                continue;
            }
            let x = scale.at(fault.start_ns as f64);
            let stem = if fault.bit { ORANGE } else { AXIS };
            // Of very many, those that are named have a stem; the others are bands alone.
            if faults.len() <= STEMS || self.labels[i].is_some() {
                for plot in plots {
                    scene.path(vec![(x, plot.top), (x, plot.bottom)], stem, 1.5, Some((7.0, 5.0)));
                }
            }
            let Some((lane, left)) = self.labels[i] else { continue };
            let y = top + (lane as f64 + 1.0) * LANE - 9.0;
            // A flag: the mark at the fault's beginning, and the label beside it.
            let right = left + fonts::width(&self.texts[i], SMALL, false) + FLAG;
            let (pole, text, anchor) = if self.before[i] {
                (right - 5.0, right - 14.0, Anchor::End)
            } else {
                (left, left + 14.0, Anchor::Start)
            };
            scene.rect(Area { left: pole, top: y - 17.0, right: pole + 5.0, bottom: y + 4.0 }, stem);
            scene.text((text, y), &*self.texts[i], SMALL, INK, anchor);
        }
    }
}

/// A text in the middle of a bar, on a quiet ground, if there is room.
pub(crate) fn inside(scene: &mut Scene, bar: Area, (ink, hatch): (Ink, Hatch), text: &str) {
    let width = fonts::width(text, SMALL, true);
    if width + 16.0 > bar.width() || bar.height() < SMALL + 2.0 {
        return;
    }
    let (x, y) = ((bar.left + bar.right) / 2.0, (bar.top + bar.bottom) / 2.0 + SMALL * 0.35);
    if hatch != Hatch::None {
        // Letters need a quiet ground.
        let half = width / 2.0 + 5.0;
        scene.rect(Area { left: x - half, right: x + half, top: y - 20.0, bottom: y + 7.0 }, ink);
    }
    let letters = if palette::is_dark(ink) { palette::PAPER } else { palette::ON_FILL };
    scene.bold((x, y), text, SMALL, letters, Anchor::Middle);
}

/// Says in the middle of an empty plot why it is empty.
pub(crate) fn nothing(scene: &mut Scene, plot: Area, why: &str) {
    let middle = ((plot.left + plot.right) / 2.0, (plot.top + plot.bottom) / 2.0);
    scene.text(middle, why, 26.0, MUTED, Anchor::Middle);
}
