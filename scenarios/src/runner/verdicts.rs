//! From what the rules said to what the record says, including rules that a scenario wants to see broken.

use super::recorder::{Progress, Wait};
use crate::Scenario;
use sim_core::record::{Ruling, VerdictRecord};
use sim_core::{Class, Duration, Verdict, Violation};

sim_core::rules! {
    /// After the faults are over, some write that begins then succeeds, or some read where nothing is written.
    pub const RECOVERY: &str = "recovery";
    /// With `expect.answered_within`: after the faults are over, every client that asks has an answer in time.
    pub const ANSWERED_WITHIN: &str = "answered_within";
    /// With `expect.linearizable`: some order of all operations explains every answer.
    pub const LINEARIZABLE: &str = "linearizable";
    /// The run has no more events than `scenario.max_events`.
    pub const MAX_EVENTS: &str = "max_events";
    /// No node's own code panics; says the node, what it said, the file and the line.
    pub const NO_PANIC: &str = "no_panic";
    /// With `expect.violates`: at least one of the rules that it names is broken.
    pub const VIOLATES: &str = "expect.violates";
}

pub(super) fn of_violation(violation: &Violation) -> VerdictRecord {
    let place = violation.node.map_or_else(String::new, |node| format!(" on {node}"));
    VerdictRecord {
        rule: violation.rule.clone(),
        verdict: Ruling::Fail,
        detail: format!("at {}{place}: {}", violation.at, violation.detail),
        broken_as_expected: false,
        at_ns: Some(violation.at.0),
    }
}

/// A verdict on a rule.
fn ruled(rule: &str, verdict: Ruling, detail: String) -> VerdictRecord {
    VerdictRecord { rule: rule.to_owned(), verdict, detail, broken_as_expected: false, at_ns: None }
}

pub(super) fn of_verdict(verdict: &Verdict) -> VerdictRecord {
    match verdict {
        Verdict::Pass { rule, detail } => ruled(rule, Ruling::Pass, detail.clone()),
        Verdict::Fail(violation) => of_violation(violation),
        Verdict::Inconclusive { rule, why } => ruled(rule, Ruling::Inconclusive, why.clone()),
    }
}

/// After the storm, heal and demand progress: some write that began after the faults were over must succeed, or some
/// read where nothing is ever written.
pub(super) fn recovery(scenario: &Scenario, (class, progress): (Class, Progress)) -> VerdictRecord {
    let heal = scenario.heal_at();
    let (one, many) = match class {
        Class::Write => ("write", "writes"),
        Class::Read => ("read", "reads"),
    };
    let (verdict, detail) = match progress.last_ok {
        Some(at) if at >= heal => {
            (Ruling::Pass, format!("{many} succeed after the faults are over, first checked at {heal}"))
        }
        _ if progress.tried_after_heal == 0 => {
            (Ruling::Inconclusive, format!("no {one} began after the faults were over"))
        }
        _ => {
            let tried = progress.tried_after_heal;
            (Ruling::Fail, format!("{tried} {many} began after the faults were over at {heal}, none succeeded"))
        }
    };
    ruled(RECOVERY, verdict, detail)
}

/// Clients that waited too long, named at most.
const NAMED: usize = 5;

/// To milliseconds, which is all that a person wants to know of a wait.
fn rounded(waited: Duration) -> Duration {
    Duration::millis(waited.0 / 1_000_000)
}

/// After the storm every client that asks is answered in time, not only one of them.
pub(super) fn answered(scenario: &Scenario, waits: &[Wait]) -> Option<VerdictRecord> {
    let within = scenario.expect.answered_within?;
    let zones = scenario.probe_zones();
    let name = |client: usize| match client.checked_sub(scenario.clients() as usize) {
        None => format!("c{}", client + 1),
        // Two probes a zone: one writes, one reads.
        Some(probe) => {
            let zone = &scenario.cluster.zones[usize::from(zones[probe / 2])];
            format!("the {} probe of zone {zone}", if probe % 2 == 0 { "write" } else { "read" })
        }
    };
    let (mut asked, mut longest, mut late) = (0_u64, Duration::ZERO, Vec::new());
    for (client, wait) in waits.iter().enumerate() {
        let Some(since) = wait.since else { continue };
        let waited = wait.answered.unwrap_or(wait.until).since(since);
        match wait.answered {
            Some(_) if waited > within => late.push(format!("{} waited {}", name(client), rounded(waited))),
            Some(_) => {}
            // The load ends after `within`: who began to ask late had no time to be answered.
            None if since > scenario.heal_at() + Duration(within.0 / 2) => continue,
            None => late.push(format!("{} asked for {} and was never answered", name(client), rounded(waited))),
        }
        asked += 1;
        longest = longest.max(waited);
    }
    let (verdict, detail) = if asked == 0 {
        (Ruling::Inconclusive, "no client asked anything after the faults were over".to_owned())
    } else if late.is_empty() {
        (Ruling::Pass, format!("all {asked} clients that asked were answered, the last after {}", rounded(longest)))
    } else {
        let more = late.len().saturating_sub(NAMED);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let named = late[..late.len().min(NAMED)].join(", ");
        (Ruling::Fail, format!("{} of {asked} clients waited longer than {within}: {named}{more}", late.len()))
    };
    Some(ruled(ANSWERED_WITHIN, verdict, detail))
}

/// Turns the verdicts around for a scenario that shows what goes wrong: at least one of the rules it names must be
/// broken. Rules it does not name count as ever.
pub(super) fn as_expected(mut verdicts: Vec<VerdictRecord>, violates: &[String]) -> Vec<VerdictRecord> {
    if violates.is_empty() {
        return verdicts;
    }
    let mut broken = Vec::new();
    verdicts.retain_mut(|v| {
        if !violates.contains(&v.rule) {
            return true;
        }
        if v.verdict == Ruling::Fail {
            broken.push(v.rule.clone());
            v.verdict = Ruling::Pass;
            v.broken_as_expected = true;
            v.detail = format!("broken, as this scenario expects: {}", v.detail);
            return true;
        }
        // Whether a named rule that was not broken held or could not be judged is beside the point.
        false
    });
    let named = violates.join(", ");
    let (verdict, detail) = if broken.is_empty() {
        (Ruling::Fail, format!("this scenario expects one of these rules to be broken, and none was: {named}"))
    } else {
        (Ruling::Pass, format!("{} was broken, as expected (one of: {named})", broken.join(", ")))
    };
    verdicts.push(ruled(VIOLATES, verdict, detail));
    verdicts
}
