//! What charts over simulated time share: their axis, the faults with their flags, and the room that these leave.

use super::frame::{self, Bands, PLOT_LEFT, PLOT_RIGHT};
use super::scale::Scale;
use super::scene::{Area, Scene};
use crate::report::{Fault, Report};

/// Where the flags of the faults begin.
const LANES_TOP: f64 = 120.0;

/// A chart over the measured window.
pub(crate) struct Timed {
    pub time: Scale,
    /// Where the first plot may begin.
    pub top: f64,
    troubles: Vec<Fault>,
    bands: Bands,
}

impl Timed {
    /// Writes the title and makes room for the faults above plots that begin at `left`.
    pub(crate) fn begin(scene: &mut Scene, report: &Report, left: f64, finding: &str, shows: &str) -> Self {
        let time = Scale::linear(report.measure_from_ns as f64, report.measure_to_ns as f64, left, PLOT_RIGHT);
        let troubles = report.troubles();
        let bands = Bands::plan(&troubles, &time, PLOT_LEFT, PLOT_RIGHT);
        let about = match bands.skipped() {
            0 => frame::about(report, shows),
            n => frame::about(report, &format!("{shows}  \u{b7}  {n} fault labels left out")),
        };
        frame::title(scene, finding, &about);
        Self { time, top: LANES_TOP + bands.height.max(24.0) + 50.0, troubles, bands }
    }

    /// Draws the faults and the axis under what the plots, from top to bottom, will hold.
    pub(crate) fn dress(&self, scene: &mut Scene, plots: &[Area]) {
        self.bands.shade(scene, &self.troubles, &self.time, plots);
        self.line(scene, plots);
    }

    /// The same over what is painted full: lines and flags alone, which leave colours as they are.
    pub(crate) fn line(&self, scene: &mut Scene, plots: &[Area]) {
        for (i, plot) in plots.iter().enumerate() {
            frame::time_axis(scene, *plot, &self.time, i + 1 == plots.len());
        }
        if let Some(last) = plots.last() {
            frame::x_name(scene, *last, "simulated time");
        }
        self.bands.label(scene, &self.troubles, &self.time, LANES_TOP, plots);
    }
}
