//! How likely failure was, over the time at which the run was forked, with the faults and the jump.

use super::frame::{self, Bands, LABEL, Look, PLOT_LEFT, PLOT_RIGHT, SMALL};
use super::palette::{BLUE, INK, MUTED, VERMILLION};
use super::scale::{Scale, Tick};
use super::scene::{Anchor, Area, Ink, Marker, Scene};
use crate::report::{BugProbability, Jump};
use crate::units;

/// Half the width of a whisker's foot.
const FOOT: f64 = 5.0;

/// Draws the chart.
pub(crate) fn draw(bisected: &BugProbability) -> Scene {
    let mut scene = Scene::new(900.0);
    let time = Scale::linear(0.0, bisected.end_ns as f64, PLOT_LEFT, PLOT_RIGHT);
    let bands = Bands::plan(&bisected.faults, &time, PLOT_LEFT, PLOT_RIGHT);
    let forks = || bisected.points.iter().map(|p| p.forks);
    let (least, most) = (forks().min().unwrap_or(0), forks().max().unwrap_or(0));
    let more = if most > least { format!(" ({most} at the jump)") } else { String::new() };
    let skipped = match bands.skipped() {
        0 => String::new(),
        n => format!("  \u{b7}  {n} fault labels left out"),
    };
    let about = format!(
        "{} fails, {least} forks a point{more} with fresh luck  \u{b7}  {}, seed {}{skipped}",
        bisected.rule, bisected.scenario, bisected.seed
    );
    frame::title(&mut scene, &bisected.sentence, &about);
    let lanes_top = 120.0;
    let top = lanes_top + bands.height.max(24.0) + 50.0;
    let plot = Area { left: PLOT_LEFT, top, right: PLOT_RIGHT, bottom: 790.0 };
    bands.shade(&mut scene, &bisected.faults, &time, &[plot]);
    let share = Scale::linear(0.0, 1.0, plot.bottom, plot.top);
    let ticks: Vec<Tick> = [0.0, 0.25, 0.5, 0.75, 1.0]
        .into_iter()
        .map(|value| Tick { value, label: format!("{} %", (value * 100.0) as u32) })
        .collect();
    frame::y_axis(&mut scene, plot, &share, &ticks, "forks that fail");
    frame::time_axis(&mut scene, plot, &time, true);
    frame::x_name(&mut scene, plot, "simulated time at which the run forks");
    bands.label(&mut scene, &bisected.faults, &time, lanes_top, &[plot]);
    let entries = [("share of forks that fail", BLUE, Look::Line(None)), ("jump", VERMILLION, Look::Line(JUMP_DASH))];
    let shown = if bisected.jump.is_some() { &entries[..] } else { &entries[..1] };
    frame::legend(&mut scene, PLOT_RIGHT, top - 22.0, shown);

    curve(&mut scene, bisected, &time, &share);
    if let Some(jump) = &bisected.jump {
        annotate(&mut scene, jump, &time, &share, plot);
    }
    scene
}

const JUMP_DASH: Option<(f64, f64)> = Some((10.0, 6.0));

fn curve(scene: &mut Scene, bisected: &BugProbability, time: &Scale, share: &Scale) {
    let at = |ns: u64| time.at(ns as f64);
    for point in &bisected.points {
        let x = at(point.at_ns);
        let (low, high) = (share.at(point.low), share.at(point.high));
        let faint: Ink = BLUE.fade(0.45);
        scene.line((x, low), (x, high), faint, 2.0);
        scene.line((x - FOOT, low), (x + FOOT, low), faint, 2.0);
        scene.line((x - FOOT, high), (x + FOOT, high), faint, 2.0);
    }
    let points: Vec<(f64, f64)> = bisected.points.iter().map(|p| (at(p.at_ns), share.at(p.probability))).collect();
    // One piece at a time: where a thick line turns back sharply, its corner would shoot out of the plot.
    for piece in points.windows(2) {
        scene.path(piece.to_vec(), BLUE, 3.5, None);
    }
    for point in points {
        scene.dot(point, 5.5, Marker::Circle, BLUE);
    }
}

fn annotate(scene: &mut Scene, jump: &Jump, time: &Scale, share: &Scale, plot: Area) {
    let middle = time.at((jump.from_ns + jump.to_ns) as f64 / 2.0);
    scene.path(vec![(middle, plot.top), (middle, plot.bottom)], VERMILLION, 2.5, JUMP_DASH);
    let percent = |p: f64| format!("{} %", (p * 100.0).round() as u32);
    let doubt = if jump.clear { "" } else { ", within chance" };
    let lines = [
        format!("{} to {}{doubt}", percent(jump.before), percent(jump.after)),
        format!("within {} before {}", units::duration(jump.to_ns - jump.from_ns), units::moment(jump.to_ns)),
    ];
    // On the side with more room, at a height where the curve is not.
    let (x, anchor) = if middle < f64::midpoint(plot.left, plot.right) {
        (middle + 16.0, Anchor::Start)
    } else {
        (middle - 16.0, Anchor::End)
    };
    let height = if anchor == Anchor::Start { 0.3 } else { 0.62 };
    let y = share.at(height);
    scene.bold((x, y), lines[0].clone(), LABEL, INK, anchor);
    scene.text((x, y + LABEL + 8.0), lines[1].clone(), SMALL, MUTED, anchor);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ForkPoint;

    /// A run of ten seconds that was doomed at `doom`.
    fn sample(doom: u64, clear: bool) -> BugProbability {
        let point = |at_ns: u64| {
            let failed = if at_ns >= doom { 18 } else { 2 };
            let probability = f64::from(failed) / 20.0;
            ForkPoint { at_ns, forks: 20, failed, probability, low: probability - 0.1, high: probability + 0.1 }
        };
        let times = (0..=10).map(|i| i * 1_000_000_000).chain([doom - 1_000_000, doom]);
        let mut points: Vec<ForkPoint> = times.map(point).collect();
        points.sort_by_key(|p| p.at_ns);
        let jump = Jump {
            from_ns: doom - 1_000_000,
            to_ns: doom,
            before: 0.1,
            after: 0.9,
            clear,
            events: Vec::new(),
            events_left_out: 0,
        };
        BugProbability {
            schema_version: BugProbability::SCHEMA_VERSION,
            scenario: "a-run".into(),
            system: "kv".into(),
            seed: 7,
            digest: "0123456789abcdef".into(),
            rule: "a_rule".into(),
            detail: "it broke".into(),
            end_ns: 10_000_000_000,
            finding: "jump",
            sentence: "Doomed at 3 s".into(),
            points,
            jump: Some(jump),
            faults: Vec::new(),
        }
    }

    #[test]
    fn texts_stay_apart_wherever_the_jump_is() {
        for doom in [2_000_000, 1_500_000_000, 5_000_000_001, 9_999_999_999] {
            let scene = draw(&sample(doom, doom % 2 == 0));
            let texts: Vec<_> = scene.texts().collect();
            for (i, a) in texts.iter().enumerate() {
                let place = a.bounds();
                assert!(place.left >= 0.0 && place.right <= 1600.0 && place.bottom <= scene.height, "{a:?}");
                assert!(texts[i + 1..].iter().all(|b| !place.overlaps(&b.bounds())), "doomed at {doom}: {a:?}");
            }
        }
    }

    #[test]
    fn every_point_has_its_dot_and_the_jump_its_line() {
        use crate::charts::scene::Shape;
        let bisected = sample(3_000_000_000, true);
        let scene = draw(&bisected);
        let dots = scene.shapes.iter().filter(|s| matches!(s, Shape::Dot { .. })).count();
        assert_eq!(dots, bisected.points.len());
        let jump =
            scene.shapes.iter().filter(|s| matches!(s, Shape::Line { ink, dash: Some(_), .. } if *ink == VERMILLION));
        assert_eq!(jump.count(), 2, "on the plot and in the legend");
    }
}
