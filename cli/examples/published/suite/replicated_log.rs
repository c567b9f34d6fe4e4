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
    /// What no run may be below or above. Where that is an interval of time, all of it is as likely.
    bounds: (f64, f64),
    source: &'static str,
}

fn seconds(run: &Run, name: &str) -> Option<f64> {
    run.metric(name).map(|ns| ns / 1e9)
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
    ];
    for lag in [1.0, 2.0] {
        laws.push(Law {
            figure: if lag < 1.5 { "replica out of sync, lag of 1 s" } else { "replica out of sync, lag of 2 s" },
            file: "queue/replica-stops",
            set: vec![format!("system.replica_lag_time=\"{lag}s\"")],
            seeds: 200,
            of: |run| seconds(run, "shrink_time"),
            mean: (1.25 * lag, 0.04),
            bounds: (0.98 * lag, 1.52 * lag),
            source: "1.0 to 1.5 times replica.lag.time.max, evenly",
        });
    }
    for (process, left) in [("1ms", 500.0), ("800us", 750.0)] {
        laws.push(Law {
            figure: if left < 600.0 { "nine tenths drained at 1,000/s" } else { "nine tenths drained at 1,250/s" },
            file: "queue/drain",
            set: vec![format!("system.process=\"{process}\"")],
            seeds: 20,
            of: |run| seconds(run, "drain_time"),
            mean: (0.9 * 2000.0 / left, 0.06),
            bounds: (0.0, 10.0),
            source: ".9 x backlog / (capacity - arrivals)",
        });
    }
    let acks = |acks: &str| vec![format!("system.acks=\"{acks}\""), format!("system.idempotent={}", acks == "all")];
    let flushed = [acks("all"), vec!["system.flush=every".to_owned(), "disk.sync=\"2ms\"".to_owned()]].concat();
    for (figure, set, trips, source) in [
        ("latency with acks = 0, in trips", acks("0"), 0.0, "nobody is waited for"),
        ("latency with acks = 1, in trips", acks("1"), 2.0, "there and back"),
        ("latency with acks = all, in trips", acks("all"), 4.0, "and two more to the followers"),
        ("the same, every write flushed in the time of a trip", flushed, 5.0, "and the followers' disks"),
    ] {
        laws.push(Law {
            figure,
            file: "queue/latency",
            set,
            seeds: 10,
            of: |run| median(run).map(|ms| ms / 2.0),
            mean: (trips, 0.01),
            bounds: (trips - 0.01, trips + 0.01),
            source,
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
        // A uniform distribution over the bounds strays by their width over the root of twelve.
        let stray = (law.bounds.1 - law.bounds.0) / 12_f64.sqrt() / (ours.len().max(1) as f64).sqrt();
        let room = expected * share + 0.005 + lab.room(3.3 * stray);
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
