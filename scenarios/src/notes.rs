//! What is right but worth knowing before a run: what a scenario says and will not do.

use crate::Scenario;
use crate::scenario::Law;
use sim_core::Instant;

/// Notes about a scenario, one sentence each.
#[must_use]
pub fn notes(scenario: &Scenario) -> Vec<String> {
    let mut notes = Vec::new();
    let end = Instant(scenario.duration.0);
    for (number, plan) in (1..).zip(&scenario.faults) {
        let Some(Law::Recorded(recordings)) = plan.process.as_ref().map(|process| &process.law) else { continue };
        let once = recordings.iter().filter(|recording| recording.period.is_none());
        let late = once.flat_map(|one| &one.events).filter(|(at, _)| plan.at + *at >= end).count();
        if late > 0 {
            let all: usize = recordings.iter().map(|recording| recording.events.len()).sum();
            notes.push(format!(
                "fault {number}: {late} of {all} recorded lines are beyond the end of the load at {end}, and do not happen"
            ));
        }
    }
    notes
}
