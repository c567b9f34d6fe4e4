//! Gossip: what SWIM's analysis expects of probes and accusations, and what memberlist's members send.

use super::lab::{Lab, Study};
use super::row::{Findings, Place, Row};
use super::stats;

const SECTION: u32 = 8;

/// What one figure is expected to be, and what ours is.
struct Law {
    figure: String,
    file: &'static str,
    set: Vec<String>,
    seeds: u64,
    /// Which of the system's figures, and what it is divided by.
    metric: &'static str,
    unit: f64,
    expected: f64,
    /// Whether the period counts in which it ends.
    whole: bool,
    /// How far ours may be off: a share of what is expected.
    share: f64,
}

/// SWIM, section 3: how many periods until one of the other n-1 probes a dead member, each a random one, the last of
/// them included.
fn first_probe(n: u32) -> f64 {
    let others = f64::from(n) - 1.0;
    1.0 / (1.0 - (1.0 - 1.0 / others).powi(n as i32 - 1))
}

/// SWIM, section 3.1: how often a probed member is accused, where messages arrive with probability `q`.
fn accused(q: f64, helpers: i32) -> f64 {
    let probed = 1.0 - core::f64::consts::E.recip();
    (1.0 - q.powi(2)) * (1.0 - q.powi(4)).powi(helpers) / probed
}

fn laws() -> Vec<Law> {
    let nodes = |n: u32| format!("cluster.group.0.nodes={n}");
    let mut laws = Vec::new();
    for (n, seeds) in [(5, 20_000), (10, 20_000), (100, 4000)] {
        laws.push(Law {
            figure: format!("periods until the dead one of {n} is probed"),
            file: "consul/first-probe",
            set: vec![nodes(n)],
            seeds,
            metric: "first_probe",
            unit: 1e9,
            expected: first_probe(n),
            whole: true,
            share: 0.05,
        });
    }
    for n in [10, 100, 1000] {
        laws.push(Law {
            figure: format!("messages a member and period, of {n}"),
            file: "consul/quiet",
            set: vec![nodes(n)],
            seeds: 150,
            metric: "messages_per_period",
            unit: 1.0,
            expected: 2.0,
            whole: false,
            share: 0.02,
        });
    }
    for helpers in [0, 1] {
        laws.push(Law {
            figure: format!("accusations of a probed member that is well, {helpers} helpers, delivery .95"),
            file: "consul/lossy",
            set: vec![format!("system.indirect_checks={helpers}")],
            seeds: 1000,
            metric: "wrong_per_period",
            unit: 1.0,
            expected: accused(0.95, helpers),
            whole: false,
            share: 0.10,
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
        let ours: Vec<f64> = lab.ask(&study, |run| run.metric(law.metric))?.into_iter().flatten().collect();
        let counted = |value: f64| if law.whole { (value / law.unit).ceil() } else { value / law.unit };
        let ours: Vec<f64> = ours.into_iter().map(counted).collect();
        let mean = stats::mean(&ours);
        let room = law.expected * law.share + lab.room(3.3 * stats::error_of_mean(&ours));
        rows.push(Row {
            section: SECTION,
            figure: law.figure,
            published: format!("{:.4}", law.expected),
            ours: format!("{mean:.4}"),
            band: format!("\u{b1} {room:.4}"),
            place: Place::inside((mean - law.expected).abs() <= room),
            runs: ours.len() as u64,
            file: format!("{} {}", law.file, law.set.join(" ")),
        });
    }
    Ok(rows.into())
}
