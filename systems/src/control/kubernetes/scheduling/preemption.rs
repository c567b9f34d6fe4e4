//! Whom a pod may push aside that fits nowhere: the fewest, the least important, and within their budgets if it can be.

use super::Profile;
use super::cluster::{Cluster, Resident};
use super::cycle::Unfit;
use super::filters::Change;
use super::plan::Plan;
use crate::control::kubernetes::objects::{Budget, Pod, Selector, Text, Uid};
use core::cmp::Reverse;
use sim_core::LocalInstant;
use std::rc::Rc;

/// What has to go so that a pod fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preemption {
    /// Where the pod will fit.
    pub node: Text,
    /// Who goes, the most important first.
    pub victims: Vec<Rc<Pod>>,
    /// How many of them go against their budgets.
    pub violations: u32,
    /// Less important pods for which room was being made there: they look anew.
    pub displaced: Vec<Uid>,
}

/// Later than every pod: one without a start has just begun.
fn start(pod: &Pod) -> LocalInstant {
    pod.status.started.unwrap_or(LocalInstant(u64::MAX))
}

/// The order of importance: higher priority first, then the earlier start.
fn importance(pod: &Pod) -> (Reverse<i32>, LocalInstant, Uid) {
    (Reverse(pod.spec.priority), start(pod), pod.meta.uid)
}

/// Chooses among candidates: the fewest violations; the lowest highest victim; the smallest sum of priorities; the
/// fewest victims; the latest start of the earliest of the highest victims; the first.
#[must_use]
pub fn choose(candidates: &[(Text, Vec<Rc<Pod>>, u32)]) -> Option<usize> {
    let rank = |(_, victims, violations): &(Text, Vec<Rc<Pod>>, u32)| {
        let highest = victims.iter().map(|pod| pod.spec.priority).max();
        let sum: i64 = victims.iter().map(|pod| i64::from(pod.spec.priority) + (1 << 31)).sum();
        let earliest = victims.iter().filter(|pod| Some(pod.spec.priority) == highest).map(|pod| start(pod)).min();
        (*violations, highest, sum, victims.len(), Reverse(earliest))
    };
    (0..candidates.len()).min_by_key(|at| rank(&candidates[*at]))
}

/// Which of `victims`, the most important first, go against a budget.
fn against_budgets(victims: &[&Resident], budgets: &[Rc<Budget>], profile: &Profile) -> Vec<bool> {
    let mut allowed: Vec<i64> = budgets.iter().map(|budget| budget.status.allowed).collect();
    let against = |victim: &&Resident| {
        let meta = &victim.pod.meta;
        let mut violates = false;
        for (budget, allowed) in budgets.iter().zip(&mut allowed) {
            let chosen = |selector: &Selector| !selector.is_empty() && selector.matches(&meta.labels);
            if meta.labels.is_empty()
                || budget.meta.namespace != meta.namespace
                || !budget.selector.as_ref().is_some_and(chosen)
                || budget.status.disrupted.contains_key(&meta.name)
            {
                continue;
            }
            if profile.bent.budgets_are_not_debited {
                violates |= *allowed <= 0;
            } else {
                *allowed -= 1;
                violates |= *allowed < 0;
            }
        }
        violates
    };
    victims.iter().map(against).collect()
}

impl Cluster {
    /// Who would have to go from a node, and how many of them against their budgets.
    fn victims(
        &self,
        profile: &Profile,
        plan: &Plan,
        slot: usize,
        budgets: &[Rc<Budget>],
    ) -> Option<(Vec<Rc<Pod>>, u32)> {
        let priority = plan.resident.pod.spec.priority;
        let host = self.host(slot);
        let mut lesser: Vec<&Resident> = host.residents.iter().filter(|one| one.pod.spec.priority < priority).collect();
        lesser.sort_by_key(|one| importance(&one.pod));
        let mut change = Change { without: lesser.clone(), with: Vec::new() };
        if lesser.is_empty() || self.fits(profile, plan, slot, &change).is_some() {
            return None;
        }
        // One after the other comes back, first those whose going would violate a budget.
        let against = against_budgets(&lesser, budgets, profile);
        let mut violations = 0;
        for violating in [true, false] {
            for (one, _) in lesser.iter().zip(&against).filter(|(_, against)| **against == violating) {
                let at = change.without.iter().position(|other| other.pod.meta.uid == one.pod.meta.uid)?;
                let back = change.without.remove(at);
                if self.fits(profile, plan, slot, &change).is_some() {
                    change.without.insert(at, back);
                    violations += u32::from(violating);
                }
            }
        }
        Some((change.without.iter().map(|one| one.pod.clone()).collect(), violations))
    }

    /// Who should go so that a pod fits that fitted nowhere; `None` if nobody's going helps, or the pod may not push,
    /// or somebody is on the way out already where room is being made for it. `below` gives a number below the one it
    /// gets.
    pub fn preempt(
        &mut self,
        profile: &Profile,
        pod: &Rc<Pod>,
        likes: Option<&Selector>,
        unfit: &Unfit,
        budgets: &[Rc<Budget>],
        mut below: impl FnMut(u64) -> u64,
    ) -> Option<Preemption> {
        if !pod.spec.preempts {
            return None;
        }
        if let Some(promised) = &pod.nominated {
            let hopeless = unfit.refusals.iter().any(|(name, why)| name == promised && !why.resolvable());
            let leaving = |one: &Rc<Pod>| one.meta.deleting() && one.spec.priority < pod.spec.priority;
            if !hopeless && self.pods_on(promised).any(leaving) {
                return None;
            }
        }
        let helps = unfit.refusals.iter().filter(|(_, why)| why.resolvable()).filter_map(|(name, _)| self.slot(name));
        let helps: Vec<usize> = helps.collect();
        if helps.is_empty() {
            return None;
        }
        let plan = Plan::new(self, profile, pod, likes);
        let enough = (helps.len() / 10).max(100).min(helps.len());
        let offset = below(helps.len() as u64) as usize;
        let mut candidates = Vec::new();
        let mut within_budgets = false;
        for slot in helps[offset..].iter().chain(&helps[..offset]) {
            if let Some((victims, violations)) = self.victims(profile, &plan, *slot, budgets) {
                within_budgets |= violations == 0;
                candidates.push((self.host(*slot).node.meta.name.clone(), victims, violations));
                if within_budgets && candidates.len() >= enough {
                    break;
                }
            }
        }
        let (node, victims, violations) = candidates.swap_remove(choose(&candidates)?);
        let nominated = &self.host(self.slot(&node)?).nominated;
        let lesser = nominated.iter().filter(|one| one.pod.spec.priority < pod.spec.priority);
        let displaced = lesser.map(|one| one.pod.meta.uid).collect();
        Some(Preemption { node, victims, violations, displaced })
    }
}
