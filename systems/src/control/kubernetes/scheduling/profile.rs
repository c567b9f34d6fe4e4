//! How the scheduler is configured.

use crate::control::kubernetes::objects::{Affinity, Text};

/// What the free and the taken part of a node are worth.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// The emptier the better: pods are spread.
    LeastAllocated,
    /// The fuller the better: pods are packed.
    MostAllocated,
    /// As a broken line says: points of utilisation in per cent and the score there, 0 to 10, in order.
    RequestedToCapacityRatio(Vec<(i64, i64)>),
}

/// Published mistakes that the scheduler's decisions can be made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bent {
    /// Each victim is held against the whole allowance of its budget (kubernetes PR #82235).
    pub budgets_are_not_debited: bool,
    /// `matchLabelKeys` is not looked at (kubernetes #98215).
    pub match_label_keys_ignored: bool,
}

/// How the scheduler is configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Profile {
    /// `NodeResourcesFit`: what free room is worth.
    pub strategy: Strategy,
    /// The resources that `NodeResourcesFit` looks at, and what each weighs.
    pub resources: Vec<(Text, i64)>,
    /// The resources that `NodeResourcesBalancedAllocation` looks at.
    pub balanced: Vec<Text>,
    /// What each score weighs: fit, balance, node affinity, taints, spread, affinity between pods, images. A score that
    /// weighs nothing is not worked out.
    pub weights: [i64; 7],
    /// What a pod's required affinity is worth to the pods it names.
    pub hard_pod_affinity_weight: i64,
    /// How many of a hundred nodes are looked for; 0 leaves that to the number of nodes.
    pub percentage: u32,
    /// How evenly pods without constraints of their own are spread: most skew and topology key.
    pub default_spread: Vec<(i64, Text)>,
    /// Whether nodes that lack a key of [`Self::default_spread`] are left out of the score.
    pub default_needs_all_keys: bool,
    /// Spread scores are rounded, as after 1.23.
    pub round_spread: bool,
    /// A pod that asks for none of [`Self::balanced`] is not scored for balance (kubernetes #129138).
    pub balance_needs_requests: bool,
    /// The largest image that counts is larger for pods of more containers.
    pub image_maximum_per_container: bool,
    /// Which nodes this scheduler uses at all, and prefers: only the parts about nodes are looked at.
    pub added: Affinity,
    /// Extended resources of these groups are somebody else's.
    pub ignored_groups: Vec<Text>,
    /// Published mistakes.
    pub bent: Bent,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            strategy: Strategy::LeastAllocated,
            resources: vec![("cpu".into(), 1), ("memory".into(), 1)],
            balanced: vec!["cpu".into(), "memory".into()],
            weights: [1, 1, 2, 3, 2, 2, 1],
            hard_pod_affinity_weight: 1,
            percentage: 0,
            default_spread: vec![(3, "kubernetes.io/hostname".into()), (5, "topology.kubernetes.io/zone".into())],
            default_needs_all_keys: false,
            round_spread: true,
            balance_needs_requests: true,
            image_maximum_per_container: true,
            added: Affinity::default(),
            ignored_groups: Vec::new(),
            bent: Bent::default(),
        }
    }
}

impl Profile {
    /// What makes no sense in it.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let wrong = self.resources.iter().find(|(_, weight)| !(1..=100).contains(weight))?;
        Some(format!("the weight of {} is {}, not 1 to 100", wrong.0, wrong.1))
    }
}
