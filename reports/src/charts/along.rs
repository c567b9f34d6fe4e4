//! One varied key: what the longest outage does as its value changes, with the spread over seeds.

use super::across::Measure;
use super::fonts;
use super::frame::{self, LABEL, Look, PLOT_LEFT, PLOT_RIGHT, SMALL};
use super::palette::{AXIS, BLUE, INK, MUTED, SKY, VERMILLION};
use super::scale::{Scale, ceiling};
use super::scene::{Anchor, Area, Hatch, Marker, Scene, brief, fit};
use crate::sweeps::{Sweep, quantile};
use crate::units;

/// Draws the chart; `sweep` has exactly one axis.
pub(crate) fn draw(sweep: &Sweep) -> Scene {
    let mut scene = Scene::new(900.0);
    let axis = &sweep.axes[0];
    let about = format!("Longest outage of a run over seeds {}  \u{b7}  {}", sweep.seeds, sweep.scenario);
    frame::title(&mut scene, &finding(sweep), &about);
    let plot = Area { left: PLOT_LEFT, top: 210.0, right: PLOT_RIGHT - 20.0, bottom: 770.0 };
    let worst = sweep.cells.iter().flat_map(|c| c.longest().last()).copied().fold(0.0, f64::max);
    if sweep.cells.iter().all(|c| c.longest().is_empty()) {
        frame::nothing(&mut scene, plot, "No run measured an outage");
        return scene;
    }
    let y = Scale::linear(0.0, ceiling(if worst > 0.0 { worst } else { 1e9 }, 6), plot.bottom, plot.top);
    frame::y_axis(&mut scene, plot, &y, &y.duration_ticks(6), "longest outage");
    scene.line((plot.left, plot.bottom), (plot.right, plot.bottom), AXIS, 1.5);
    let (places, connected) = places(&axis.values, plot);
    let points: Vec<(f64, [f64; 4], f64)> = places
        .iter()
        .zip(&sweep.cells)
        .filter_map(|(x, c)| {
            let at = |percent| quantile(c.longest(), percent);
            Some((*x, [at(10)?, at(50)?, at(90)?, at(100)?], c.failing()))
        })
        .collect();
    if connected {
        let upper = points.iter().map(|(x, q, _)| (*x, y.at(q[2])));
        let lower = points.iter().rev().map(|(x, q, _)| (*x, y.at(q[0])));
        scene.area(upper.chain(lower).collect(), SKY.fade(0.35));
        scene.path(points.iter().map(|(x, q, _)| (*x, y.at(q[3]))).collect(), VERMILLION, 2.5, Some((9.0, 7.0)));
        scene.path(points.iter().map(|(x, q, _)| (*x, y.at(q[1]))).collect(), BLUE, 4.0, None);
    }
    let dot = (plot.width() / points.len() as f64 * 0.3).clamp(2.0, 7.0);
    for (x, q, _) in &points {
        if !connected {
            let half = (dot * 2.3).min(16.0);
            let bar = Area { left: x - half, right: x + half, top: y.at(q[2]), bottom: y.at(q[0]) };
            scene.rect(bar, SKY.fade(0.5));
        }
        scene.dot((*x, y.at(q[3])), dot - 1.0, Marker::Square, VERMILLION);
        scene.dot((*x, y.at(q[1])), dot, Marker::Circle, BLUE);
    }
    for x in &places {
        scene.line((*x, plot.bottom), (*x, plot.bottom + 8.0), AXIS, 1.5);
    }
    let named = names(&mut scene, plot, &axis.values, &places);
    let failing = sweep.cells.iter().any(|c| c.failed > 0);
    if failing {
        for (i, x) in named {
            let text = share(sweep.cells[i].failing());
            let ink = if sweep.cells[i].failed == 0 { MUTED } else { VERMILLION };
            scene.bold((x, plot.bottom + 66.0), text, SMALL, ink, Anchor::Middle);
        }
    }
    let key = if failing { format!("{} (below: share of runs that failed)", axis.key) } else { axis.key.clone() };
    let middle = (plot.left + plot.right) / 2.0;
    scene.text((middle, plot.bottom + 104.0), fit(&key, LABEL, false, plot.width()), LABEL, MUTED, Anchor::Middle);
    let entries = [
        ("half of the runs", BLUE, Look::Line(None)),
        ("80 % of the runs", SKY.fade(0.5), Look::Fill(Hatch::None)),
        ("worst run", VERMILLION, Look::Line(Some((9.0, 7.0)))),
    ];
    frame::legend(&mut scene, PLOT_RIGHT, plot.top - 26.0, &entries);
    scene
}

fn share(failing: f64) -> String {
    if failing > 0.0 { units::percent(units::round(failing, 3).max(0.001)) } else { "0 %".into() }
}

/// Where each value stands: to scale when all are numbers in one order, else side by side.
fn places(values: &[String], plot: Area) -> (Vec<f64>, bool) {
    let margin = 70.0;
    let (left, right) = (plot.left + margin, plot.right - margin);
    if let Some(numbers) = numbers(values) {
        let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if most > least {
            let rising = numbers.windows(2).all(|w| w[0] < w[1]) || numbers.windows(2).all(|w| w[0] > w[1]);
            // By factors or by steps, whichever sets the closest two further apart.
            let closest = |place: &dyn Fn(f64) -> f64| {
                let gaps = numbers.windows(2).map(|w| (place(w[1]) - place(w[0])).abs());
                gaps.fold(f64::INFINITY, f64::min) / place(most)
            };
            let (step, factor) = (|v: f64| v - least, |v: f64| libm::log10(v / least));
            let log = least > 0.0 && closest(&factor) > closest(&step);
            let place = |v: f64| if log { factor(v) } else { step(v) };
            if rising {
                let scale = Scale::linear(0.0, place(most), left, right);
                return (numbers.iter().map(|v| scale.at(place(*v))).collect(), true);
            }
        }
    }
    let slot = plot.width() / values.len() as f64;
    ((0..values.len()).map(|i| plot.left + slot * (i as f64 + 0.5)).collect(), false)
}

/// The values as numbers of one unit, if they are.
fn numbers(values: &[String]) -> Option<Vec<f64>> {
    let mut unit = None;
    let mut all = Vec::new();
    for value in values {
        let value = value.trim().trim_matches('"');
        let end = value.find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | '_'))).unwrap_or(value.len());
        let number: f64 = value[..end].replace('_', "").parse().ok()?;
        let (factor, kind) = match value[end..].trim() {
            "ns" => (1.0, "time"),
            "us" | "\u{b5}s" => (1e3, "time"),
            "ms" => (1e6, "time"),
            "s" => (1e9, "time"),
            "min" | "m" => (6e10, "time"),
            "h" => (3.6e12, "time"),
            other => (1.0, other),
        };
        if *unit.get_or_insert(kind) != kind {
            return None;
        }
        all.push(number * factor);
    }
    Some(all)
}

/// The values below the axis, and where they are; one that would touch the one before is left out.
fn names(scene: &mut Scene, plot: Area, values: &[String], places: &[f64]) -> Vec<(usize, f64)> {
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|a, b| places[*a].total_cmp(&places[*b]));
    let mut taken = f64::NEG_INFINITY;
    let mut named = Vec::new();
    for i in order {
        let text = fit(&values[i], LABEL, false, (plot.width() / places.len() as f64).max(120.0) - 12.0);
        // A share below a short value may be wider than the value.
        let half = fonts::width(&text, LABEL, false).max(70.0) / 2.0;
        let x = places[i].min(PLOT_RIGHT - half);
        if x - half > taken + 10.0 {
            taken = x + half;
            scene.text((x, plot.bottom + 36.0), text, LABEL, INK, Anchor::Middle);
            named.push((i, x));
        }
    }
    named
}

fn finding(sweep: &Sweep) -> String {
    let half: Vec<(usize, f64)> =
        sweep.cells.iter().enumerate().filter_map(|(i, c)| quantile(c.longest(), 50).map(|v| (i, v))).collect();
    let (Some(first), Some(last)) = (half.first(), half.last()) else {
        return "No run measured an outage".into();
    };
    let print = |v: f64| Measure::Time.print(v);
    let values = &sweep.axes[0].values;
    let best = half.iter().fold(*first, |a, b| if b.1 < a.1 { *b } else { a });
    let worst = half.iter().fold(*first, |a, b| if b.1 > a.1 { *b } else { a });
    if best.1 == worst.1 {
        return format!("Typical longest outage {} whatever the value", print(best.1));
    }
    if half.len() == 2 {
        return format!(
            "Typical longest outage {} with {}, {} with {}",
            print(first.1),
            brief(&values[first.0]),
            print(last.1),
            brief(&values[last.0])
        );
    }
    let (a, b) = (brief(&values[best.0]), brief(&values[worst.0]));
    format!("Typical longest outage: {} with {a}, {} with {b}", print(best.1), print(worst.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbers_when_they_share_a_unit() {
        let of = |values: &[&str]| numbers(&values.iter().map(|v| (*v).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["500ms", "1s", "2 s"]), Some(vec![5e8, 1e9, 2e9]));
        assert_eq!(of(&["3", "5", "1_000"]), Some(vec![3.0, 5.0, 1000.0]));
        assert_eq!(of(&["0.1%", "2%"]), Some(vec![0.1, 2.0]));
        assert_eq!(of(&["1ms", "2%"]), None);
        assert_eq!(of(&["150ms..300ms", "1s..2s"]), None);
        assert_eq!(of(&["true", "false"]), None);
    }
}
