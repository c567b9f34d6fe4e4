//! A replicated log: the bounds that follow from Kafka's documented time-outs, and laws of queues and of message trips.

use super::lab::{Lab, Run, Study};
use super::row::{Findings, Place, Row};
use super::stats;

const SECTION: u32 = 15;

/// What one figure is expected to be.
struct Law {
    figure: &'static str,
    file: &'static str,
    set: Vec<String>,
    seeds: u64,
    of: fn(&Run) -> Option<f64>,
    /// What it is on average, and how far ours may be off, as a share of that.
    mean: (f64, f64),
    /// What no run may be below or above, and why: where time is bounded, not distributed.
    bounds: (f64, f64),
    source: &'static str,
}

fn metric(run: &Run, name: &str) -> Option<f64> {
    let of = run.record.measures.metrics.iter().find(|metric| metric.kind.name == name);
    of.map(|metric| metric.value)
}

fn seconds(run: &Run, name: &str) -> Option<f64> {
    metric(run, name).map(|ns| ns / 1e9)
}

/// The median time of an acknowledged operation, in milliseconds.
fn median(run: &Run) -> Option<f64> {
    let mut took: Vec<u64> = run.record.ops.iter().map(|op| op.return_ns - op.invoke_ns).collect();
    took.sort_unstable();
    took.get(took.len() / 2).map(|ns| *ns as f64 / 1e6)
}

fn laws() -> Vec<Law> {
    let mut laws = vec![
        Law {
            figure: "replica out of sync after, in replica.lag.time.max",
            file: "queue/replica-stops",
            set: Vec::new(),
            seeds: 200,
            of: |run| seconds(run, "shrink_time").map(|time| time / 2.0),
            mean: (1.25, 0.04),
            bounds: (0.99, 1.51),
            source: "1.0 to 1.5, evenly (looked at every half of it)",
        },
        Law {
            figure: "broker fenced after (session 9 s, heartbeat 2 s)",
            file: "queue/broker-stops",
            set: Vec::new(),
            seeds: 200,
            of: |run| seconds(run, "fence_time"),
            mean: (8.0, 0.03),
            bounds: (6.99, 9.05),
            source: "7 to 9 s, evenly",
        },
        Law {
            figure: "member out of its group after (session 45 s, heartbeat 3 s)",
            file: "queue/member-stops",
            set: Vec::new(),
            seeds: 100,
            of: |run| seconds(run, "member_out_time"),
            mean: (43.5, 0.01),
            bounds: (41.99, 45.05),
            source: "42 to 45 s, evenly",
        },
        Law {
            figure: "time until nine tenths of a backlog are drained",
            file: "queue/drain",
            set: Vec::new(),
            seeds: 20,
            of: |run| seconds(run, "drain_time"),
            mean: (3.6, 0.05),
            bounds: (0.0, 10.0),
            source: ".9 x 2,000 / (1,000 - 500)",
        },
    ];
    for (acks, trips) in [("0", 0.0), ("1", 2.0), ("all", 4.0)] {
        let idempotent = if acks == "all" { "true" } else { "false" };
        laws.push(Law {
            figure: match acks {
                "0" => "latency with acks = 0, in trips",
                "1" => "latency with acks = 1, in trips",
                _ => "latency with acks = all, in trips",
            },
            file: "queue/latency",
            set: vec![format!("system.acks=\"{acks}\""), format!("system.idempotent={idempotent}")],
            seeds: 10,
            of: |run| median(run).map(|ms| ms / 2.0),
            mean: (trips, 0.01),
            bounds: (trips - 0.01, trips + 0.01),
            source: "0; there and back; and two more to the followers",
        });
    }
    laws
}

/// The rows of the section.
///
/// # Errors
/// What is wrong with a file, or the first run that broke a safety rule.
pub fn rows(lab: &Lab) -> Result<Findings, String> {
    let mut rows = Vec::new();
    for law in laws() {
        let study = Study { file: law.file, set: &law.set, seeds: law.seeds, trace: false };
        let ours: Vec<f64> = lab.ask(&study, law.of)?.into_iter().flatten().collect();
        let mean = stats::mean(&ours);
        let (expected, share) = law.mean;
        let room = expected * share + 0.005 + lab.room(3.3 * stats::error_of_mean(&ours));
        let inside = ours.iter().all(|value| (law.bounds.0..=law.bounds.1).contains(value));
        rows.push(Row {
            section: SECTION,
            figure: law.figure.to_owned(),
            published: format!("{expected:.2} ({})", law.source),
            ours: format!("{mean:.3}"),
            band: format!("\u{b1} {room:.3}, each in {:.2} to {:.2}", law.bounds.0, law.bounds.1),
            place: Place::inside(!ours.is_empty() && inside && (mean - expected).abs() <= room),
            runs: ours.len() as u64,
            file: format!("{} {}", law.file, law.set.join(" ")),
        });
    }
    Ok(rows.into())
}
