//! What a sweep keeps of one run: one line of `results.jsonl`. Nothing in it depends on the machine or the wall clock.

use super::{Cell, Plan};
use serde::{Deserialize, Serialize};
use sim_core::hash::Mixer;
use sim_core::record::Ruling;
use std::collections::BTreeMap;

const CHECK: &str = ",\"check\":\"";

/// What ends a line that begins with `body`.
fn check(fingerprint: &str, body: &str) -> String {
    let mut hash = Mixer::default();
    hash.bytes(fingerprint.as_bytes());
    hash.bytes(body.as_bytes());
    format!("{CHECK}{:016x}\"}}", hash.finish())
}

/// How a run of a sweep ended, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All held.
    Pass,
    /// Nobody knows.
    Inconclusive,
    /// A rule or an expectation was broken.
    Fail,
    /// splitbrain itself panicked.
    Bug,
}

impl From<Ruling> for Outcome {
    fn from(ruling: Ruling) -> Self {
        match ruling {
            Ruling::Pass => Self::Pass,
            Ruling::Inconclusive => Self::Inconclusive,
            Ruling::Fail => Self::Fail,
        }
    }
}

/// A rule and what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// The rule.
    pub rule: String,
    /// What was seen.
    pub detail: String,
}

/// One run. A run that ended in a [`Outcome::Bug`] has no digest and no figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobResult {
    /// Its place in the sweep.
    pub job: u64,
    /// The seed.
    pub seed: u64,
    /// What the varied keys were set to.
    pub values: Cell,
    /// How it ended.
    pub ruling: Outcome,
    /// The rules and expectations that failed; for a bug, the panic's message under `panic`.
    pub failed_rules: Vec<Broken>,
    /// Those nobody can judge.
    pub inconclusive_rules: Vec<Broken>,
    /// The names of those that held.
    pub held_rules: Vec<String>,
    /// 16 hexadecimal digits, as the run itself would print them.
    pub digest: String,
    /// When the run ended.
    pub simulated_ns: u64,
    /// Events handled.
    pub events: u64,
    /// As in `report.json`, like everything below.
    pub operations: u64,
    /// Operations that succeeded in time.
    pub ok: u64,
    /// Operations that failed, or came too late.
    pub failed: u64,
    /// Operations that may have happened.
    pub unknown: u64,
    /// `ok / operations`.
    pub fraction: Option<f64>,
    /// Share of the time outside of outages.
    pub time_fraction: Option<f64>,
    /// How many outages there were.
    pub outages: u64,
    /// The longest one.
    pub longest_outage_ns: Option<u64>,
    /// All of them together.
    pub total_outage_ns: Option<u64>,
    /// 99 of 100 reads were at most this slow.
    pub read_p99_ns: Option<u64>,
    /// 99 of 100 writes were at most this slow.
    pub write_p99_ns: Option<u64>,
    /// The followed figures that it has, by name; `sweep.json` says what they are and count in.
    #[serde(default)]
    pub metrics: BTreeMap<String, f64>,
    /// Which of those are harm that was done, whatever held: a run with any is no plain success.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub harm: Vec<String>,
}

impl JobResult {
    /// The result of a run that panicked.
    #[must_use]
    pub fn of_panic(job: u64, seed: u64, values: Cell, message: String) -> Self {
        Self {
            job,
            seed,
            values,
            ruling: Outcome::Bug,
            failed_rules: vec![Broken { rule: "panic".to_owned(), detail: message }],
            inconclusive_rules: Vec::new(),
            held_rules: Vec::new(),
            digest: String::new(),
            simulated_ns: 0,
            events: 0,
            operations: 0,
            ok: 0,
            failed: 0,
            unknown: 0,
            fraction: None,
            time_fraction: None,
            outages: 0,
            longest_outage_ns: None,
            total_outage_ns: None,
            read_p99_ns: None,
            write_p99_ns: None,
            metrics: BTreeMap::new(),
            harm: Vec::new(),
        }
    }

    /// One line, without its end. Its last field, `check`, is a hash of the sweep's fingerprint and of all before it: a
    /// line that was edited, or put in from another sweep, is noticed.
    #[must_use]
    pub fn to_line(&self, fingerprint: &str) -> String {
        let mut text = serde_json::to_string(self).expect("plain data becomes JSON");
        text.pop();
        let check = check(fingerprint, &text);
        text.push_str(&check);
        text
    }

    /// Reads a line of a plan's results.
    ///
    /// # Errors
    /// When it is not a result, not one of this plan's, or not as it was written.
    pub fn from_line(line: &str, plan: &Plan, fingerprint: &str) -> Result<Self, String> {
        let result: Self = serde_json::from_str(line).map_err(|e| format!("this is not the result of a run: {e}"))?;
        result.belongs(plan)?;
        let body = &line[..line.rfind(CHECK).unwrap_or(0)];
        if line[body.len()..] != check(fingerprint, body) {
            return Err(format!("job {} was edited, or is the result of another sweep", result.job));
        }
        Ok(result)
    }

    /// Whether the plan has such a run.
    fn belongs(&self, plan: &Plan) -> Result<(), String> {
        let Some(job) = plan.job(self.job).filter(|job| plan.shard().has(job.index)) else {
            return Err(format!("job {} is not one of this sweep's", self.job));
        };
        if job.seed != self.seed || plan.cells()[job.cell] != self.values {
            return Err(format!("job {} has seed {}, not {} (or other varied values)", job.index, job.seed, self.seed));
        }
        Ok(())
    }
}
