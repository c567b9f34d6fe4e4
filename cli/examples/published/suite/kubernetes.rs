//! Kubernetes: the timeline of a node that dies, and how fast nodes are given up.

use super::lab::{Lab, Run, Study};
use super::row::{Findings, Place, Row};
use super::stats;

const SECTION: u32 = 10;

/// The rows of the section.
///
/// # Errors
/// What is wrong with a file, or the first run that broke a safety rule.
pub fn rows(lab: &Lab) -> Result<Findings, String> {
    let mut rows = Vec::new();
    for (grace, lo, hi) in [(50, 40.0, 55.0), (40, 30.0, 45.0)] {
        rows.extend(timeline(lab, grace, lo, hi)?);
    }
    rows.extend(rates(lab)?);
    Ok(rows.into())
}

/// When each mark of a kind was, in seconds.
fn marks(run: &Run, kind: &str) -> Vec<f64> {
    run.record.marks.iter().filter(|mark| mark.kind == kind).map(|mark| mark.at_ns as f64 / 1e9).collect()
}

fn crash(run: &Run) -> f64 {
    run.record.faults.iter().find(|fault| fault.kind == "crash").map_or(f64::NAN, |fault| fault.start_ns as f64 / 1e9)
}

/// A crash, the moment in which the node is taken for not ready, and the deletion of its pods.
fn timeline(lab: &Lab, grace: u32, lo: f64, hi: f64) -> Result<Vec<Row>, String> {
    let file = "kubernetes/node-dies";
    let set = [format!("system.monitor_grace={grace}s")];
    let ask = Study { file, set: &set, seeds: 200, trace: false };
    let first = |run: &Run, kind: &str| marks(run, kind).first().copied().unwrap_or(f64::INFINITY);
    let times = lab.ask(&ask, |run| {
        let lost = first(run, "node_lost");
        (lost - crash(run), first(run, "taint_deletes") - lost)
    })?;
    let (lost, gone): (Vec<f64>, Vec<f64>) = times.into_iter().unzip();
    let row = |figure: String, published: String, ours: &[f64], band: (f64, f64)| {
        let (least, most) = ours.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), x| (a.min(*x), b.max(*x)));
        Row {
            section: SECTION,
            figure,
            published,
            ours: format!("{least:.1} to {most:.1} s"),
            band: format!("every one in {}..{} s", band.0, band.1),
            // A way to the API server and back may be before the first.
            place: Place::inside(least > band.0 - 0.1 && most < band.1 + 0.1),
            runs: ours.len() as u64,
            file: format!("{file} {}", set[0]),
        }
    };
    Ok(vec![
        row(format!("crash to NotReady, grace {grace} s"), format!("{lo} to {hi} s"), &lost, (lo, hi)),
        row(format!("NotReady to deletion, grace {grace} s"), "300 s".to_owned(), &gone, (300.0, 305.0)),
    ])
}

/// How far apart nodes lose their pods.
fn rates(lab: &Lab) -> Result<Vec<Row>, String> {
    let file = "kubernetes/nodes-die";
    let small = |dead: u32| -> Vec<String> {
        let nodes: Vec<String> = (4..4 + dead).map(|node| format!("\"n{node}\"")).collect();
        vec![format!("fault.0.target=[{}]", nodes.join(", "))]
    };
    let mut large = small(36);
    large.extend(["cluster.group.1.nodes=60", "scenario.duration=420s"].map(str::to_owned));
    let cases: [(&str, Vec<String>, Option<f64>); 4] = [
        ("4 of 10 nodes of a zone die", small(4), Some(10.0)),
        ("36 of 60", large, Some(100.0)),
        ("6 of 10", small(6), None),
        ("all 10", small(10), None),
    ];
    let mut rows = Vec::new();
    for (what, set, published) in cases {
        let gaps = lab.ask(&Study { file, set: &set, seeds: 20, trace: false }, |run| {
            let evicts = marks(run, "evicts");
            evicts.windows(2).map(|two| two[1] - two[0]).collect::<Vec<f64>>()
        })?;
        let runs = gaps.len() as u64;
        let gaps: Vec<f64> = gaps.into_iter().flatten().collect();
        let per_second = |gap: f64| format!("{:.3}/s", 1.0 / gap);
        let place = match published {
            Some(gap) => !gaps.is_empty() && (stats::mean(&gaps) - gap).abs() <= gap / 20.0,
            // One node may have had its turn before all were known to be lost.
            None => gaps.is_empty(),
        };
        rows.push(Row {
            section: SECTION,
            figure: format!("{what}: nodes evicted"),
            published: published.map_or_else(|| "none".to_owned(), per_second),
            ours: if gaps.is_empty() { "none".to_owned() } else { per_second(stats::mean(&gaps)) },
            band: if published.is_some() { "5 %" } else { "none after the first" }.to_owned(),
            place: Place::inside(place),
            runs,
            file: format!("{file} {}", set.join(" ")),
        });
    }
    Ok(rows)
}
