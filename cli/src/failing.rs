//! A failing run in its folder, made again: what `shrink` and `bisect` begin with.

use crate::exit::Exit;
use crate::run::{self, Sinks, Trouble};
use reports::{program, quoted};
use scenarios::runner::{RunRequest, TraceMode};
use scenarios::shrink::{Hit, Sighting};
use scenarios::{Registry, Scenario};
use sim_core::record::{Ruling, RunRecord};
use sim_core::{Instant, NodeId, panics};
use std::path::Path;

/// A run that broke a rule.
pub struct Failing {
    /// Its scenario, resolved; it expects no rule to be broken, so that a broken one says so.
    pub scenario: Scenario,
    /// The rule.
    pub rule: String,
    /// Whether the scenario expected that.
    pub expected: bool,
    /// What was seen of it.
    pub record: RunRecord,
    /// The violation.
    pub sighting: Sighting,
}

/// Opens the folder of a failing run, makes the run again and finds the rule it broke: `rule`, or the first.
///
/// # Errors
/// When there is no such run, its rules all held, or it is no longer the same run; all of it has been said.
pub fn open(registry: &Registry, dir: &Path, rule: Option<&str>) -> Result<Failing, Exit> {
    let usage = |why: String| {
        complain!("{why}");
        Exit::Usage
    };
    if dir.join("panic.txt").exists() {
        let why =
            format!("{}: this run ended in a panic, a bug in splitbrain: no rule of it can be judged", dir.display());
        return Err(usage(why));
    }
    let recorded = reports::load(dir).map_err(|error| usage(error.to_string()))?;
    let scenario = crate::check::load(registry, &dir.join("scenario.toml"), &[]).ok_or(Exit::Usage)?;
    let schedule = scenarios::expand(&scenario, recorded.seed);
    let mut scenario = scenario.resolved(&schedule, recorded.seed);
    let violates = std::mem::take(&mut scenario.expect.violates);
    let record = run::simulate(registry, &scenario, &schedule, recorded.seed, Sinks::default())
        .map_err(|error| Trouble::from(error).tell())?;
    if record.digest != recorded.digest {
        complain!(
            "{}: scenario.toml is no longer the run that record.json tells of: digest {}, recorded {}; \
             the file was changed, or another version of splitbrain wrote it. Run it again: {} run {}",
            dir.display(),
            record.digest,
            recorded.digest,
            program(),
            quoted(&dir.join("scenario.toml").display().to_string()),
        );
        return Err(Exit::Differed);
    }
    let verdicts = reports::analyse(&record).verdicts;
    let that =
        |ruling| verdicts.iter().filter(move |v| v.verdict == ruling).map(|v| v.rule.as_str()).collect::<Vec<_>>();
    let broken = that(Ruling::Fail);
    let found = match rule {
        Some(rule) => broken.iter().find(|broken| **broken == rule),
        None => broken.iter().find(|broken| violates.iter().any(|v| v == *broken)).or(broken.first()),
    };
    let Some(found) = found.map(|rule| (*rule).to_owned()) else {
        let held = format!("{}: no rule was broken in this run", dir.display());
        let unknown = that(Ruling::Inconclusive);
        return Err(usage(match (rule, broken.as_slice()) {
            (Some(rule), [_, ..]) => {
                format!(
                    "{}: the rule `{rule}` was not broken in this run; broken: {}",
                    dir.display(),
                    broken.join(", ")
                )
            }
            _ if !unknown.is_empty() => {
                format!("{held}; not known is not broken: {} could not be judged", unknown.join(", "))
            }
            _ => held,
        }));
    };
    let sighting = sighting(&record, &found).expect("the rule was just seen broken");
    Ok(Failing { expected: violates.contains(&found), rule: found, sighting, scenario, record })
}

/// Makes the run of a resolved scenario and says what it looked like if it breaks the rule. A run that cannot be made, or
/// in which splitbrain itself panics, does not.
pub fn test(registry: &Registry, scenario: &Scenario, rule: &str) -> Option<Sighting> {
    let system = registry.get(&scenario.system)?;
    let schedule = scenarios::expand(scenario, scenario.seed);
    let run = || {
        system.run(RunRequest {
            scenario,
            schedule: &schedule,
            seed: scenario.seed,
            history: None,
            trace: None,
            trace_mode: TraceMode::default(),
            keep_ops: needs_figures(rule),
            evidence: None,
            progress: &mut |_| {},
        })
    };
    sighting(&panics::caught(run).ok()?.ok()?, rule)
}

/// Whether the rule is about the report's figures, so that its operations are needed.
pub fn needs_figures(rule: &str) -> bool {
    rule.starts_with("expect.")
}

/// What a run looked like in which the rule was broken; `None` if it held, or nobody knows.
pub fn sighting(record: &RunRecord, rule: &str) -> Option<Sighting> {
    let detail = if needs_figures(rule) {
        let report = reports::analyse(record);
        report.verdicts.iter().find(|v| v.rule == rule && v.verdict == Ruling::Fail).map(|v| v.detail.clone())
    } else {
        record.verdicts.iter().find(|v| v.rule == rule && v.verdict == Ruling::Fail).map(|v| v.detail.clone())
    }?;
    let node = |name: &String| name.strip_prefix('n')?.parse::<u32>().ok()?.checked_sub(1).map(NodeId);
    let hits = record.faults.iter().map(|fault| Hit {
        at: Instant(fault.start_ns),
        label: fault.label.clone(),
        nodes: fault.resolved.iter().filter_map(node).collect(),
        bit: fault.bit,
    });
    Some(Sighting { detail, ended: Instant(record.simulated_ns), hits: hits.collect() })
}
