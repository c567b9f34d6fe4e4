//! Goodput against offered load over time, and below it what was not served, by what became of it.

use super::frame::{self, Look, PLOT_LEFT, PLOT_RIGHT};
use super::palette::{BLUE, INK, PURPLE, VERMILLION, YELLOW};
use super::scale::{Scale, ceiling};
use super::scene::{Area, Hatch, Ink, Scene};
use super::timed::Timed;
use crate::report::{Goodput, GoodputBin, Report};
use crate::{measure, units};

const OFFERED_DASH: Option<(f64, f64)> = Some((12.0, 6.0));

type Pick = fn(&GoodputBin) -> u64;

/// What becomes of operations that are not served, from the axis up.
const LOST: [(&str, Ink, Hatch, Pick); 3] = [
    ("failed", VERMILLION, Hatch::None, |b| b.failed),
    ("too late", YELLOW, Hatch::Rising, |b| b.late),
    ("no answer", PURPLE, Hatch::Dots, |b| b.unknown),
];

/// Draws the chart; nothing where goodput is not measured.
pub(crate) fn draw(report: &Report) -> Option<Scene> {
    let goodput = report.goodput.as_ref()?;
    let mut scene = Scene::new(900.0);
    let shows = format!("Operations by when they were invoked, by {}", units::duration(goodput.bin_ns));
    let timed = Timed::begin(&mut scene, report, PLOT_LEFT, &finding(goodput), &shows);
    let split = timed.top + (810.0 - timed.top) * 0.6;
    let upper = Area { left: PLOT_LEFT, top: timed.top, right: PLOT_RIGHT, bottom: split - 34.0 };
    let lower = Area { left: PLOT_LEFT, top: split + 34.0, right: PLOT_RIGHT, bottom: 810.0 };
    timed.dress(&mut scene, &[upper, lower]);
    let panel = Panel { report, goodput, time: timed.time };
    panel.rates(&mut scene, upper);
    panel.lost(&mut scene, lower);
    Some(scene)
}

fn finding(goodput: &Goodput) -> String {
    let Some(fraction) = goodput.fraction else { return "No load: nobody asked".into() };
    if fraction >= 1.0 && goodput.offered_per_second >= 0.1 {
        let offered = units::short_count(goodput.offered_per_second);
        return format!("All of the {offered} ops/s that were offered were served in time");
    }
    format!("{}, {}", measure::goodput::served_of_offered(goodput), units::percent(fraction))
}

struct Panel<'a> {
    report: &'a Report,
    goodput: &'a Goodput,
    time: Scale,
}

impl Panel<'_> {
    /// Left and right edge of a bin in pixels, and its length in seconds.
    fn bin(&self, i: usize) -> (f64, f64, f64) {
        let from = self.report.measure_from_ns + i as u64 * self.goodput.bin_ns;
        let to = (from + self.goodput.bin_ns).min(self.report.measure_to_ns);
        (self.time.at(from as f64), self.time.at(to as f64), (to - from).max(1) as f64 / 1e9)
    }

    fn rates_of(&self, pick: impl Fn(&GoodputBin) -> u64) -> Vec<f64> {
        self.goodput.bins.iter().enumerate().map(|(i, b)| pick(b) as f64 / self.bin(i).2).collect()
    }

    fn steps(&self, scale: &Scale, rates: &[f64]) -> Vec<(f64, f64)> {
        let edges = |(i, rate): (usize, &f64)| [(self.bin(i).0, scale.at(*rate)), (self.bin(i).1, scale.at(*rate))];
        rates.iter().enumerate().flat_map(edges).collect()
    }

    fn rates(&self, scene: &mut Scene, plot: Area) {
        let (offered, served) = (self.rates_of(|b| b.offered), self.rates_of(|b| b.served));
        let max = offered.iter().copied().fold(0.0, f64::max);
        let scale = Scale::linear(0.0, ceiling(max, 5), plot.bottom, plot.top);
        frame::y_axis(scene, plot, &scale, &scale.count_ticks(5), "operations per second (ops/s)");
        let line = self.steps(&scale, &served);
        if let (Some(first), Some(last)) = (line.first(), line.last()) {
            let mut area = line.clone();
            area.extend([(last.0, plot.bottom), (first.0, plot.bottom)]);
            scene.area(area, BLUE.fade(0.2));
        }
        scene.path(self.steps(&scale, &offered), INK, 2.0, OFFERED_DASH);
        scene.path(line, BLUE, 3.0, None);
        let legend = [("offered", INK, Look::Line(OFFERED_DASH)), ("served in time", BLUE, Look::Line(None))];
        frame::legend(scene, plot.right, plot.top - 16.0, &legend);
        if self.goodput.fraction.is_none() {
            frame::nothing(scene, plot, "No operation was invoked in the measured window");
        }
    }

    fn lost(&self, scene: &mut Scene, plot: Area) {
        let lost = LOST.map(|(.., pick)| self.rates_of(pick));
        let sum = |i: usize| lost.iter().map(|rates| rates[i]).sum::<f64>();
        let max = (0..self.goodput.bins.len()).map(sum).fold(0.0, f64::max);
        let scale = Scale::linear(0.0, ceiling(max, 4), plot.bottom, plot.top);
        frame::y_axis(scene, plot, &scale, &scale.count_ticks(4), "not served (ops/s)");
        if max <= 0.0 {
            frame::nothing(scene, plot, "Everything was served in time");
            return;
        }
        let mut below = vec![0.0; self.goodput.bins.len()];
        let mut legend = Vec::new();
        for ((name, ink, hatch, _), rates) in LOST.into_iter().zip(&lost) {
            if rates.iter().all(|rate| *rate <= 0.0) {
                continue;
            }
            legend.push((name, ink, Look::Fill(hatch)));
            for (i, rate) in rates.iter().enumerate().filter(|(_, rate)| **rate > 0.0) {
                let (left, right, _) = self.bin(i);
                let (from, to) = (below[i], below[i] + rate);
                scene.hatched(Area { left, right, top: scale.at(to), bottom: scale.at(from) }, ink, hatch);
                below[i] = to;
            }
        }
        frame::legend(scene, plot.right, plot.top - 16.0, &legend);
    }
}
