//! From what the rules said to what the record says, including rules that a scenario wants to see broken.

use crate::Scenario;
use sim_core::record::{Ruling, VerdictRecord};
use sim_core::{Instant, Verdict, Violation};

pub(super) fn of_violation(violation: &Violation) -> VerdictRecord {
    let place = violation.node.map_or_else(String::new, |node| format!(" on {node}"));
    VerdictRecord {
        rule: violation.rule.clone(),
        verdict: Ruling::Fail,
        detail: format!("at {}{place}: {}", violation.at, violation.detail),
    }
}

pub(super) fn of_verdict(verdict: &Verdict) -> VerdictRecord {
    match verdict {
        Verdict::Pass { rule, detail } => {
            VerdictRecord { rule: (*rule).to_owned(), verdict: Ruling::Pass, detail: detail.clone() }
        }
        Verdict::Fail(violation) => of_violation(violation),
        Verdict::Inconclusive { rule, why } => {
            VerdictRecord { rule: (*rule).to_owned(), verdict: Ruling::Inconclusive, detail: why.clone() }
        }
    }
}

/// After the storm, heal and demand progress: some write that began after the faults were over must succeed.
pub(super) fn recovery(scenario: &Scenario, last_ok: Option<Instant>, tried: u64) -> VerdictRecord {
    let heal = scenario.heal_at();
    let (verdict, detail) = match last_ok {
        Some(at) if at >= heal => {
            (Ruling::Pass, format!("writes succeed after the faults are over, first checked at {heal}"))
        }
        _ if tried == 0 => (Ruling::Inconclusive, "no write began after the faults were over".to_owned()),
        _ => (Ruling::Fail, format!("{tried} writes began after the faults were over at {heal}, none succeeded")),
    };
    VerdictRecord { rule: "recovery".to_owned(), verdict, detail }
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
    verdicts.push(VerdictRecord { rule: "expect.violates".to_owned(), verdict, detail });
    verdicts
}
