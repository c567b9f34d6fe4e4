//! A service mesh: retries of retries, availabilities in series, the tail at scale, and a queue with several slots.

use super::lab::{Lab, Run, Study};
use super::row::{Findings, Place, Row};
use super::stats;
use sim_core::Fate;
use sim_core::record::OpRecord;

const SECTION: u32 = 16;

/// What one figure is expected to be.
struct Law {
    figure: &'static str,
    file: &'static str,
    set: Vec<String>,
    seeds: u64,
    of: fn(&Run) -> Option<f64>,
    /// What it comes to, and how far ours may be off, as a share of that.
    expected: (f64, f64),
    source: &'static str,
}

fn metric(run: &Run, name: &str) -> Option<f64> {
    let of = run.record.measures.metrics.iter().find(|metric| metric.kind.name == name);
    of.map(|metric| metric.value)
}

fn amplification(run: &Run) -> Option<f64> {
    metric(run, "worst_amplification")
}

/// The share of the operations of the measured part that are like this.
fn share(run: &Run, is: impl Fn(&OpRecord) -> bool) -> Option<f64> {
    let window = run.record.measure_from_ns..run.record.measure_to_ns;
    let measured = || run.record.ops.iter().filter(|op| window.contains(&op.invoke_ns));
    let all = measured().count();
    (all > 0).then(|| measured().filter(|op| is(op)).count() as f64 / all as f64)
}

/// The share of the operations that were served.
fn served(run: &Run) -> Option<f64> {
    share(run, |op| op.outcome == Fate::Ok)
}

/// The share of the operations that took longer than 300 ms.
fn slow(run: &Run) -> Option<f64> {
    share(run, |op| op.return_ns - op.invoke_ns > 300_000_000)
}

/// What the run came to, as a share of the closed form beside it.
fn beside(run: &Run) -> Option<f64> {
    let formula = run.record.measures.formulas.iter().find(|formula| formula.name.contains("M/M/c"))?;
    Some(formula.measured? / formula.predicted)
}

fn laws() -> Vec<Law> {
    let mut laws = Vec::new();
    for (attempts, figure) in [
        (1, "tries at the fourth layer, one attempt"),
        (2, "tries at the fourth layer, two attempts"),
        (3, "tries at the fourth layer, three attempts"),
        (4, "tries at the fourth layer, four attempts"),
    ] {
        laws.push(Law {
            figure,
            file: "mesh/amplification",
            set: vec![format!("system.attempts={attempts}")],
            seeds: 20,
            of: amplification,
            expected: (f64::from(attempts * attempts * attempts * attempts), 0.01),
            source: "(r + 1)^layers",
        });
    }
    laws.push(Law {
        figure: "the same, ten attempts within a budget of 10 %",
        file: "mesh/amplification",
        set: ["attempts=10", "retry_budgeted=true", "retry_budget=\"10%\""].map(|it| format!("system.{it}")).to_vec(),
        seeds: 20,
        of: amplification,
        expected: (1.4641, 0.02),
        source: "(1 + b)^layers",
    });
    let series = [("s1", 10, "ten services of 99 % in series"), ("s6", 5, "five services of 99 % in series")];
    for (entry, count, figure) in series {
        laws.push(Law {
            figure,
            file: "mesh/series",
            set: vec![format!("system.entry=\"{entry}\"")],
            seeds: 10,
            of: served,
            expected: (0.99_f64.powi(count), 0.005),
            source: ".99^n",
        });
    }
    laws.push(Law {
        figure: "pages that wait for a slow one of twenty",
        file: "mesh/tail",
        set: Vec::new(),
        seeds: 20,
        of: slow,
        expected: (1.0 - 0.99_f64.powi(20), 0.03),
        source: "1 - .99^20, Dean and Barroso",
    });
    laws.push(Law {
        figure: "the same, hedged after 30 ms",
        file: "mesh/tail",
        set: vec!["system.hedge_after=\"30ms\"".to_owned()],
        seeds: 100,
        of: slow,
        // 1 % take longer than 300 ms and, of a lognormal law of median 3 ms with that, 1.152 % longer than 270 ms.
        expected: (0.002_302, 0.15),
        source: "1 - (1 - F(300 ms) F(270 ms))^20",
    });
    for (rate, figure) in [(200, "mean time, four slots half busy"), (320, "mean time, four slots at 80 %")] {
        laws.push(Law {
            figure,
            file: "mesh/erlang",
            set: vec![format!("workload.0.rate=\"{rate}/s\"")],
            seeds: 20,
            of: beside,
            expected: (1.0, 0.02),
            source: "Erlang C, as a share of it",
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
        let (expected, share) = law.expected;
        let room = expected * share + lab.room(4.0 * expected * share);
        rows.push(Row {
            section: SECTION,
            figure: law.figure.to_owned(),
            published: format!("{expected:.4} ({})", law.source),
            ours: format!("{mean:.4}"),
            band: format!("\u{b1} {room:.4}"),
            place: Place::inside(!ours.is_empty() && (mean - expected).abs() <= room),
            runs: ours.len() as u64,
            file: format!("{} {}", law.file, law.set.join(" ")),
        });
    }
    Ok(rows.into())
}
