//! One turn of the scheduler: a pod, and the node that is best for it.

use super::Profile;
use super::cluster::Cluster;
use super::filters::{Change, Question, Refusal};
use super::plan::Plan;
use super::scores::Contest;
use crate::control::kubernetes::objects::{Pod, Selector, Text};
use core::fmt;
use sim_core::sorted::SortedMap;
use std::rc::Rc;

/// Where a pod goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Placement {
    /// The node.
    pub node: Text,
    /// How many nodes were asked.
    pub asked: u32,
    /// How many of them fit.
    pub fit: u32,
    /// What the best one scored.
    pub score: i64,
}

/// Why a pod goes nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unfit {
    /// What each node said, in the order in which they were asked.
    pub refusals: Vec<(Text, Refusal)>,
}

impl fmt::Display for Unfit {
    /// As `kubectl describe` shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts: SortedMap<String, usize> = SortedMap::new();
        for reason in self.refusals.iter().flat_map(|(_, refusal)| refusal.reasons()) {
            *counts.entry(reason).or_default() += 1;
        }
        let mut reasons: Vec<String> = counts.into_iter().map(|(reason, nodes)| format!("{nodes} {reason}")).collect();
        reasons.sort();
        write!(f, "0/{} nodes are available: {}.", self.refusals.len(), reasons.join(", "))
    }
}

/// How many nodes that fit are enough, of so many.
#[must_use]
pub fn nodes_to_find(nodes: usize, percentage: u32) -> usize {
    const FEW: usize = 100;
    if nodes < FEW || percentage >= 100 {
        return nodes;
    }
    let percentage = match percentage as usize {
        0 => 50usize.saturating_sub(nodes / 125).max(5),
        percentage => percentage,
    };
    (nodes * percentage / 100).max(FEW)
}

impl Cluster {
    /// Whether the pod of `plan` fits a node, as it is or with `change`: with the more important pods for which room is
    /// being made there, and without them.
    pub(super) fn fits(&self, profile: &Profile, plan: &Plan, slot: usize, change: &Change<'_>) -> Option<Refusal> {
        let host = self.host(slot);
        let pod = &plan.resident.pod;
        let ahead = |one: &&super::cluster::Resident| {
            one.pod.spec.priority >= pod.spec.priority && one.pod.meta.uid != pod.meta.uid
        };
        let mut promised = host.nominated.iter().filter(ahead).peekable();
        if promised.peek().is_some() {
            let mut change = change.clone();
            change.with.extend(promised);
            if let Some(refusal) = (Question { cluster: self, profile, plan, host, change: &change }).refusal() {
                return Some(refusal);
            }
        }
        Question { cluster: self, profile, plan, host, change }.refusal()
    }

    /// Why a pod does not go to a node as that is now, without regard to whom room is being made for; `None` if it
    /// may. For rules that ask whether a pod fits, or was rightly placed: of a pod that is there, take it away
    /// before.
    pub fn refusal(&mut self, profile: &Profile, pod: &Rc<Pod>, node: &str) -> Option<Refusal> {
        let plan = Plan::new(self, profile, pod, None);
        let host = self.host(self.slot(node)?);
        let change = Change::default();
        Question { cluster: self, profile, plan: &plan, host, change: &change }.refusal()
    }

    /// Finds the best node for a pod. `likes` chooses the pods it belongs with (what its services and its set select),
    /// for a pod without spread constraints of its own. Among equally good nodes `below` decides: it gives a number
    /// below the one it gets. The pod is not placed: see [`Cluster::place`].
    pub fn schedule(
        &mut self,
        profile: &Profile,
        pod: &Rc<Pod>,
        likes: Option<&Selector>,
        mut below: impl FnMut(u64) -> u64,
    ) -> Result<Placement, Unfit> {
        let plan = Plan::new(self, profile, pod, likes);
        let order = self.order();
        let enough = nodes_to_find(order.len(), profile.percentage);
        let start = if order.is_empty() { 0 } else { self.start % order.len() };
        let unchanged = Change::default();
        let mut refusals = Vec::new();
        let mut slots = Vec::new();
        // Where room was made for the pod, it goes if it fits there now.
        let promised = pod.nominated.as_ref().and_then(|name| self.slot(name));
        slots.extend(promised.filter(|slot| self.fits(profile, &plan, *slot, &unchanged).is_none()));
        let mut asked = slots.len();
        if slots.is_empty() {
            for slot in order[start..].iter().chain(&order[..start]).copied() {
                asked += 1;
                match self.fits(profile, &plan, slot, &unchanged) {
                    None => slots.push(slot),
                    Some(refusal) => refusals.push((self.host(slot).node.meta.name.clone(), refusal)),
                }
                if slots.len() == enough {
                    break;
                }
            }
            self.start = if order.is_empty() { 0 } else { (start + asked) % order.len() };
        }
        self.order_back(order);
        let placement = |slot: usize, score| Placement {
            node: self.host(slot).node.meta.name.clone(),
            asked: asked as u32,
            fit: slots.len() as u32,
            score,
        };
        match slots[..] {
            [] => Err(Unfit { refusals }),
            [only] => Ok(placement(only, 0)),
            _ => {
                let totals = Contest { cluster: self, profile, plan: &plan, slots: &slots }.totals();
                let most = totals.iter().copied().max().unwrap_or(0);
                let best = |(slot, total): (&usize, &i64)| (*total == most).then_some(*slot);
                let best: Vec<usize> = slots.iter().zip(&totals).filter_map(best).collect();
                let pick = if best.len() == 1 { 0 } else { below(best.len() as u64) as usize };
                Ok(placement(best[pick], most))
            }
        }
    }
}
