//! Load per node: one bar a node, the mean, and the busiest picked out.

use super::fonts;
use super::frame::{self, LABEL, Look, PLOT_LEFT, PLOT_RIGHT, SMALL};
use super::palette::{AXIS, BLUE, INK, MUTED, ORANGE, PAPER};
use super::scale::{Scale, ceiling};
use super::scene::{Anchor, Area, Hatch, Scene, fit};
use crate::report::{NodeLoad, Report};
use crate::units;

/// Draws the chart.
pub(crate) fn draw(report: &Report) -> Scene {
    let mut scene = Scene::new(900.0);
    frame::title(
        &mut scene,
        &finding(report),
        &frame::about(report, &format!("{} of each node while measured", capitalised(&report.load.unit))),
    );
    let plot = Area { left: PLOT_LEFT, top: 210.0, right: PLOT_RIGHT - 150.0, bottom: 800.0 };
    let nodes: Vec<&NodeLoad> = report.carriers().collect();
    let max = nodes.iter().map(|n| n.requests).max().unwrap_or(0);
    if max == 0 {
        frame::nothing(&mut scene, plot, "No node was asked anything");
        return scene;
    }
    let scale = Scale::linear(0.0, ceiling(max as f64 * 1.06, 5), plot.bottom, plot.top);
    frame::y_axis(&mut scene, plot, &scale, &scale.count_ticks(6), &report.load.unit);
    let mean = nodes.iter().map(|n| n.requests).sum::<u64>() as f64 / nodes.len() as f64;
    let slot = plot.width() / nodes.len() as f64;
    let bar = (slot * 0.68).min(130.0).max(slot.min(2.0));
    let busiest = nodes.iter().position(|n| n.requests == max);
    // Values above the bars if all fit, else only the busiest's; names below, every so many.
    let value_width =
        nodes.iter().map(|n| fonts::width(&units::short_count(n.requests as f64), SMALL, false)).fold(0.0, f64::max);
    let name_width = nodes.iter().map(|n| fonts::width(&n.node, LABEL, false)).fold(0.0, f64::max).min(200.0);
    let every = ((name_width + 14.0) / slot).ceil().max(1.0) as usize;
    let all_values = value_width + 10.0 <= slot;
    for (i, node) in nodes.iter().enumerate() {
        let middle = plot.left + slot * (i as f64 + 0.5);
        let top = scale.at(node.requests as f64);
        let area = Area { left: middle - bar / 2.0, top, right: middle + bar / 2.0, bottom: plot.bottom };
        let hot = Some(i) == busiest && nodes.len() > 1;
        scene.hatched(
            area,
            if hot { ORANGE } else { BLUE },
            if hot && bar > 14.0 { Hatch::Rising } else { Hatch::None },
        );
        if i % every == 0 {
            let room = (slot * every as f64 - 10.0).max(60.0);
            scene.text((middle, plot.bottom + 34.0), fit(&node.node, LABEL, false, room), LABEL, MUTED, Anchor::Middle);
            if !node.zone.is_empty() && nodes.len() <= 12 {
                let zone = fit(&format!("zone {}", node.zone), SMALL, false, room);
                scene.text((middle, plot.bottom + 62.0), zone, SMALL, MUTED, Anchor::Middle);
            }
        }
    }
    scene.line((plot.left, plot.bottom), (plot.right, plot.bottom), AXIS, 1.5);
    let y = scale.at(mean);
    scene.path(vec![(plot.left, y), (plot.right + 12.0, y)], INK, 2.0, Some((8.0, 6.0)));
    for (i, node) in nodes.iter().enumerate().filter(|(i, _)| all_values || Some(*i) == busiest) {
        let middle = (plot.left + slot * (i as f64 + 0.5)).min(plot.right - value_width / 2.0);
        let (text, base) = (units::short_count(node.requests as f64), scale.at(node.requests as f64) - 10.0);
        // The line of the mean does not go through figures.
        let half = fonts::width(&text, SMALL, true) / 2.0 + 3.0;
        if base - SMALL < y && y < base + 6.0 {
            let ground =
                Area { left: middle - half, top: base - SMALL + 2.0, right: middle + half, bottom: base + 5.0 };
            scene.rect(ground, PAPER);
        }
        scene.bold((middle, base), text, SMALL, INK, Anchor::Middle);
    }
    scene.bold((plot.right + 20.0, y - 4.0), "mean", LABEL, INK, Anchor::Start);
    scene.text((plot.right + 20.0, y + 24.0), units::short_count(mean), LABEL, INK, Anchor::Start);
    if nodes.len() > 1 {
        frame::legend(
            &mut scene,
            PLOT_RIGHT,
            plot.top - 28.0,
            &[("node", BLUE, Look::Fill(Hatch::None)), ("busiest node", ORANGE, Look::Fill(Hatch::Rising))],
        );
    }
    if nodes.len() > 12 {
        frame::x_name(&mut scene, plot, &format!("{} nodes, every {every}th named", nodes.len()));
    }
    scene
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn finding(report: &Report) -> String {
    let l = &report.load;
    let nodes: Vec<&NodeLoad> = report.carriers().collect();
    let (Some(ratio), Some(max)) = (l.requests_max_over_mean, nodes.iter().max_by_key(|n| n.requests)) else {
        return "No load: no node was asked anything".into();
    };
    if nodes.len() == 1 {
        return format!("{} took all {} {}", max.node, units::short_count(max.requests as f64), l.unit);
    }
    let total: u64 = nodes.iter().map(|n| n.requests).sum();
    let share = max.requests as f64 / total as f64;
    if ratio < 1.1 {
        return format!(
            "Load is even: the busiest of {} nodes takes {} times the mean",
            nodes.len(),
            units::significant(ratio)
        );
    }
    let node = &max.node;
    format!("{node} takes {} of the load, {} times the mean", short_percent(share), units::significant(ratio))
}

fn short_percent(share: f64) -> String {
    format!("{} %", units::significant(share * 100.0))
}
