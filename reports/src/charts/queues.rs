//! Queue lengths over time: a line a node, or, of many nodes, the range, the median and the worst.

use super::frame::{self, Look, PLOT_LEFT, PLOT_RIGHT};
use super::palette::{BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILLION};
use super::scale::{Scale, ceiling};
use super::scene::{Area, Hatch, Ink, Scene};
use super::timed::Timed;
use crate::queues::{carries, gauge};
use crate::report::Report;
use crate::units;
use sim_core::record::RunRecord;

/// As many nodes as have a line of their own.
const LINES: usize = 5;
const LOOKS: [(Ink, Option<(f64, f64)>); LINES] = [
    (BLUE, None),
    (VERMILLION, Some((14.0, 5.0))),
    (GREEN, None),
    (PURPLE, Some((6.0, 5.0))),
    (ORANGE, Some((22.0, 6.0))),
];

/// Draws the chart; nothing where the system has no queues.
pub(crate) fn draw(report: &Report, record: &RunRecord) -> Option<Scene> {
    let (queues, gauge) = (report.load.queues.as_ref()?, gauge(record)?);
    let mut scene = Scene::new(900.0);
    let shows = format!("Length of each queue, {} samples over the run", record.timeline.at_ns.len());
    let timed = Timed::begin(&mut scene, report, PLOT_LEFT, &finding(report), &shows);
    let plot = Area { left: PLOT_LEFT, top: timed.top, right: PLOT_RIGHT, bottom: 800.0 };
    timed.dress(&mut scene, &[plot]);
    let scale = Scale::linear(0.0, ceiling(queues.max.max(1) as f64, 6), plot.bottom, plot.top);
    frame::y_axis(&mut scene, plot, &scale, &scale.count_ticks(6), "requests in the queue");
    let measured = |at: u64| at > record.measure_from_ns && at <= record.measure_to_ns;
    let times: Vec<usize> = (0..record.timeline.at_ns.len()).filter(|i| measured(record.timeline.at_ns[*i])).collect();
    let nodes: Vec<usize> = (0..gauge.nodes.len()).filter(|n| carries(record, *n)).collect();
    let sample = |node: usize, i: usize| gauge.nodes[node].get(i).copied().unwrap_or(0);
    let place = |i: usize, length: f64| (timed.time.at(record.timeline.at_ns[i] as f64), scale.at(length));
    let line = |node: usize| times.iter().map(|i| place(*i, sample(node, *i) as f64)).collect::<Vec<_>>();
    let name = |node: usize| report.load.per_node.get(node).map_or("", |n| n.node.as_str());
    if nodes.len() <= LINES {
        let mut legend = Vec::new();
        for (node, (ink, dash)) in nodes.iter().zip(LOOKS) {
            scene.path(line(*node), ink, 3.0, dash);
            legend.push((name(*node), ink, Look::Line(dash)));
        }
        frame::legend(&mut scene, PLOT_RIGHT, plot.top - 16.0, &legend);
        return Some(scene);
    }
    let sorted: Vec<Vec<u64>> = times
        .iter()
        .map(|i| {
            let mut all: Vec<u64> = nodes.iter().map(|n| sample(*n, *i)).collect();
            all.sort_unstable();
            all
        })
        .collect();
    let along = |pick: fn(&[u64]) -> u64| times.iter().zip(&sorted).map(move |(i, all)| place(*i, pick(all) as f64));
    let mut envelope: Vec<(f64, f64)> = along(|all| all[all.len() - 1]).collect();
    envelope.extend(along(|all| all[0]).rev());
    scene.area(envelope, SKY.fade(0.45));
    // Worst over the run, not by turns: one node to look for.
    let worst = *nodes.iter().max_by_key(|n| {
        let all = times.iter().map(|i| sample(**n, *i));
        (all.sum::<u64>(), std::cmp::Reverse(**n))
    })?;
    scene.path(line(worst), VERMILLION, 2.0, None);
    scene.path(along(|all| all[all.len() / 2]).collect(), BLUE, 3.5, None);
    let worst = format!("{}, the longest on average", name(worst));
    let legend = [
        ("shortest to longest", SKY.fade(0.45), Look::Fill(Hatch::None)),
        ("median node", BLUE, Look::Line(None)),
        (worst.as_str(), VERMILLION, Look::Line(None)),
    ];
    frame::legend(&mut scene, PLOT_RIGHT, plot.top - 16.0, &legend);
    Some(scene)
}

fn finding(report: &Report) -> String {
    let Some(queues) = &report.load.queues else { return String::new() };
    let Some(worst) = queues.per_node.iter().max_by_key(|q| q.max).filter(|q| q.max > 0) else {
        return "No queue: nobody ever had to wait in a sample".into();
    };
    let (longest, mean) = (units::short_count(worst.max as f64), units::significant(queues.mean));
    format!("Queues of {mean} on average, at most {longest}, at {}", worst.node)
}
