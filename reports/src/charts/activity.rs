//! Throughput above, latency below, over one time axis, with the faults.

use super::frame::{self, Look, PLOT_LEFT, PLOT_RIGHT};
use super::palette::{BLUE, GREEN, ORANGE, PURPLE, VERMILLION};
use super::scale::{Scale, ceiling};
use super::scene::{Area, Hatch, Ink, Marker, Scene};
use super::timed::Timed;
use crate::measure::series::{Activity, Bin};
use crate::report::Report;
use crate::units;

const FAILED_DASH: Option<(f64, f64)> = None;
const UNKNOWN_DASH: Option<(f64, f64)> = Some((10.0, 6.0));
const P99_DASH: Option<(f64, f64)> = Some((14.0, 5.0));

/// Draws the chart.
pub(crate) fn draw(report: &Report, activity: &Activity) -> Scene {
    let mut scene = Scene::new(900.0);
    let shows = format!("Operations ended and their latency, by {}", units::duration(activity.bin_ns));
    let timed = Timed::begin(&mut scene, report, PLOT_LEFT, &finding(report), &shows);
    let middle = timed.top + (810.0 - timed.top) / 2.0;
    let rates = Area { left: PLOT_LEFT, top: timed.top, right: PLOT_RIGHT, bottom: middle - 34.0 };
    let latencies = Area { left: PLOT_LEFT, top: middle + 34.0, right: PLOT_RIGHT, bottom: 810.0 };
    timed.dress(&mut scene, &[rates, latencies]);

    let panel = Panel { activity, report, time: timed.time };
    panel.rates(&mut scene, rates);
    panel.latencies(&mut scene, latencies);
    scene
}

fn finding(report: &Report) -> String {
    let a = &report.availability;
    if a.operations == 0 {
        return "No throughput: nobody asked".into();
    }
    match (a.operations, a.ok) {
        (n, 0) => return format!("None of {} operations was served", units::count(n)),
        (1, _) => {
            return format!("One operation, answered in {}", units::duration(report.latency.all.p50_ns.unwrap_or(0)));
        }
        _ => {}
    }
    let per_second = a.ok as f64 * 1e9 / report.measured_ns().max(1) as f64;
    let p99 = report.latency.all.p99_ns.map_or(String::new(), |ns| format!(", p99 {}", units::duration(ns)));
    let stall = a.longest_stall;
    let rate = units::short_count(per_second);
    // Worth saying when it is long beside the usual distance between successes.
    if stall.duration_ns as f64 > 20e9 / per_second.max(1e-9) {
        let at = units::moment(stall.start_ns);
        return format!("{rate} ops/s served{p99}; no answer for {} at {at}", units::duration(stall.duration_ns));
    }
    format!("{rate} ops/s served{p99}")
}

struct Panel<'a> {
    activity: &'a Activity,
    report: &'a Report,
    time: Scale,
}

impl Panel<'_> {
    /// Left edge, middle and right edge of a bin in pixels.
    fn x(&self, i: usize) -> (f64, f64, f64) {
        let from = self.report.measure_from_ns + i as u64 * self.activity.bin_ns;
        let to = (from + self.activity.bin_ns).min(self.report.measure_to_ns);
        let (a, b) = (self.time.at(from as f64), self.time.at(to as f64));
        (a, (a + b) / 2.0, b)
    }

    /// Operations a second in a bin; the last may be short.
    fn rate(&self, i: usize, count: u64) -> f64 {
        let from = self.report.measure_from_ns + i as u64 * self.activity.bin_ns;
        let length = self.activity.bin_ns.min(self.report.measure_to_ns - from);
        count as f64 * 1e9 / length.max(1) as f64
    }

    fn rates(&self, scene: &mut Scene, plot: Area) {
        let bins = &self.activity.bins;
        let series: [fn(&Bin) -> u64; 3] = [|b| b.ok, |b| b.failed, |b| b.unknown];
        let all = |pick: fn(&Bin) -> u64| -> Vec<f64> {
            bins.iter().enumerate().map(|(i, b)| self.rate(i, pick(b))).collect()
        };
        let rates = series.map(all);
        let max = rates.iter().flatten().copied().fold(0.0, f64::max);
        let scale = Scale::linear(0.0, ceiling(max, 4), plot.bottom, plot.top);
        frame::y_axis(scene, plot, &scale, &scale.count_ticks(4), "operations per second (ops/s)");
        let steps = |rates: &[f64]| -> Vec<(f64, f64)> {
            let at = |(i, rate): (usize, &f64)| {
                let (left, _, right) = self.x(i);
                [(left, scale.at(*rate)), (right, scale.at(*rate))]
            };
            rates.iter().enumerate().flat_map(at).collect()
        };
        let ok = steps(&rates[0]);
        scene.path(ok, BLUE, 3.0, None);
        let mut legend = vec![("ok", BLUE, Look::Line(None))];
        for (name, rates, ink, dash) in
            [("failed", &rates[1], VERMILLION, FAILED_DASH), ("unknown", &rates[2], PURPLE, UNKNOWN_DASH)]
        {
            if rates.iter().any(|r| *r > 0.0) {
                scene.path(steps(rates), ink, 3.0, dash);
                legend.push((name, ink, Look::Line(dash)));
            }
        }
        if !self.report.faults.is_empty() {
            legend.push(("fault", ORANGE.fade(0.35), Look::Fill(Hatch::None)));
        }
        frame::legend(scene, plot.right, plot.top - 16.0, &legend);
        if bins.iter().all(|b| b.ok + b.failed + b.unknown == 0) {
            frame::nothing(scene, plot, "No operation ended in the measured window");
        }
    }

    fn latencies(&self, scene: &mut Scene, plot: Area) {
        let bins = &self.activity.bins;
        let values = || bins.iter().flat_map(|b| [b.p50, b.p99]).flatten();
        let (Some(min), Some(max)) = (values().min(), values().max()) else {
            frame::nothing(scene, plot, "No latency: nothing succeeded");
            return;
        };
        let scale = Scale::log(min as f64, max as f64, plot.bottom, plot.top);
        frame::y_axis(scene, plot, &scale, &scale.latency_ticks(6), "latency of successes (log)");
        let p50 = |b: &Bin| b.p50;
        let p99 = |b: &Bin| b.p99;
        self.quantile(scene, &scale, p99, GREEN, 2.5, P99_DASH, Marker::Square);
        self.quantile(scene, &scale, p50, BLUE, 3.0, None, Marker::Circle);
        frame::legend(
            scene,
            plot.right,
            plot.top - 16.0,
            &[("median", BLUE, Look::Line(None)), ("p99", GREEN, Look::Line(P99_DASH))],
        );
    }

    /// A line through the bins that have a value; a lone one is a point.
    #[allow(clippy::too_many_arguments)] // a look is what it is
    fn quantile(
        &self,
        scene: &mut Scene,
        scale: &Scale,
        pick: impl Fn(&Bin) -> Option<u64>,
        ink: Ink,
        width: f64,
        dash: Option<(f64, f64)>,
        marker: Marker,
    ) {
        let mut run: Vec<(f64, f64)> = Vec::new();
        let mut flush = |run: &mut Vec<(f64, f64)>| match run[..] {
            [] => {}
            [only] => {
                scene.dot(only, 5.0, marker, ink);
                run.clear();
            }
            _ => scene.path(std::mem::take(run), ink, width, dash),
        };
        for (i, bin) in self.activity.bins.iter().enumerate() {
            match pick(bin) {
                Some(ns) => run.push((self.x(i).1, scale.at(ns as f64))),
                None => flush(&mut run),
            }
        }
        flush(&mut run);
    }
}
