//! Which of the nodes that fit is best: each score is 0 to 100, and weighs what the profile says.
//!
//! Where upstream computes with floating point numbers and then truncates, so does this: truncation would tell the two
//! apart. Only additions, multiplications, divisions and roots are used, which are the same on every machine, and the
//! project's own logarithm.

use super::cluster::{Cluster, Host, NONE, Resident};
use super::plan::{Even, Plan};
use super::{Profile, Strategy};
use crate::control::kubernetes::objects::{Effect, Text};

/// The best a node can be.
const MAX: i64 = 100;
/// Images smaller than this do not count.
const IMAGE_FLOOR: i64 = 23 << 20;
/// And not more than this, for each container.
const IMAGE_CEILING: i64 = 1000 << 20;

/// The scores, in the order of [`Profile::weights`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Score {
    Fit,
    Balance,
    NodeAffinity,
    Taints,
    Spread,
    PodAffinity,
    Images,
}

impl Score {
    pub const ALL: [Self; 7] =
        [Self::Fit, Self::Balance, Self::NodeAffinity, Self::Taints, Self::Spread, Self::PodAffinity, Self::Images];
}

/// The nodes that fit, and the pod they fit.
pub(super) struct Contest<'a> {
    pub cluster: &'a Cluster,
    pub profile: &'a Profile,
    pub plan: &'a Plan,
    pub slots: &'a [usize],
}

impl<'a> Contest<'a> {
    /// The sums of all scores, each by its weight.
    pub fn totals(&self) -> Vec<i64> {
        let mut totals = vec![0; self.slots.len()];
        for (score, weight) in Score::ALL.into_iter().zip(self.profile.weights).filter(|(_, weight)| *weight != 0) {
            if let Some(scores) = self.score(score) {
                for (total, score) in totals.iter_mut().zip(scores) {
                    *total += weight * score;
                }
            }
        }
        totals
    }

    /// One score for each node; `None` where it is the same for all.
    pub fn score(&self, score: Score) -> Option<Vec<i64>> {
        match score {
            Score::Fit => Some(self.each(|host| self.fit(host))),
            Score::Balance => self.balance(),
            Score::NodeAffinity => self.node_affinity(),
            Score::Taints => self.taints(),
            Score::Spread => self.spread(),
            Score::PodAffinity => self.pod_affinity(),
            Score::Images => self.images(),
        }
    }

    fn hosts(&self) -> impl Iterator<Item = &'a Host> {
        let cluster = self.cluster;
        self.slots.iter().map(move |slot| cluster.host(*slot))
    }

    fn each(&self, one: impl Fn(&Host) -> i64) -> Vec<i64> {
        self.hosts().map(one).collect()
    }

    fn pod(&self) -> &Resident {
        &self.plan.resident
    }

    /// What a node has of a resource, and what would be taken of it with the pod; `None` if the resource is left out.
    fn taken(&self, host: &Host, name: &str, nonzero: bool) -> Option<(i64, i64)> {
        let (takes, wants) = (&host.demand, &self.pod().shape.demand);
        let has = host.node.allocatable.named(name).filter(|has| *has != 0)?;
        let taken = match name {
            "cpu" if nonzero => takes.nonzero_cpu + wants.nonzero_cpu,
            "memory" if nonzero => takes.nonzero_memory + wants.nonzero_memory,
            "cpu" | "memory" | "ephemeral-storage" => takes.named(name) + wants.named(name),
            other if wants.named(other) == 0 => return None,
            other => takes.named(other) + wants.named(other),
        };
        Some((has, taken))
    }

    fn fit(&self, host: &Host) -> i64 {
        let ratio = matches!(self.profile.strategy, Strategy::RequestedToCapacityRatio(_));
        let (mut sum, mut weights) = (0, 0);
        for (name, weight) in &self.profile.resources {
            let Some((has, taken)) = self.taken(host, name, true) else { continue };
            let score = match &self.profile.strategy {
                Strategy::LeastAllocated if taken > has => 0,
                Strategy::LeastAllocated => (has - taken) * MAX / has,
                Strategy::MostAllocated => taken.min(has) * MAX / has,
                Strategy::RequestedToCapacityRatio(shape) if taken > has => broken_line(shape, MAX),
                Strategy::RequestedToCapacityRatio(shape) => broken_line(shape, taken * MAX / has),
            };
            if !ratio || score > 0 {
                sum += score * weight;
                weights += weight;
            }
        }
        match weights {
            0 => 0,
            weights if ratio => (sum as f64 / weights as f64).round() as i64,
            weights => sum / weights,
        }
    }

    fn balance(&self) -> Option<Vec<i64>> {
        let names = &self.profile.balanced;
        let wants = &self.pod().shape.demand;
        if self.profile.balance_needs_requests && names.iter().all(|name| wants.named(name) == 0) {
            return None;
        }
        Some(self.each(|host| {
            let share = |name: &Text| {
                let (has, taken) = self.taken(host, name, false)?;
                Some((taken as f64 / has as f64).min(1.0))
            };
            let shares: Vec<f64> = names.iter().filter_map(share).collect();
            let deviation = match shares[..] {
                [] | [_] => 0.0,
                [one, other] => ((one - other) / 2.0).abs(),
                _ => {
                    let mean = shares.iter().sum::<f64>() / shares.len() as f64;
                    let squares = shares.iter().map(|share| (share - mean) * (share - mean)).sum::<f64>();
                    (squares / shares.len() as f64).sqrt()
                }
            };
            ((1.0 - deviation) * MAX as f64) as i64
        }))
    }

    fn node_affinity(&self) -> Option<Vec<i64>> {
        let own = &self.pod().pod.spec.affinity.node_preferred;
        let added = &self.profile.added.node_preferred;
        if own.is_empty() && added.is_empty() {
            return None;
        }
        let mut scores = self.each(|host| {
            let meta = &host.node.meta;
            let chosen = own.iter().chain(added).filter(|one| one.term.matches(&meta.name, &meta.labels));
            chosen.map(|one| one.weight).sum()
        });
        up_to_most(&mut scores);
        Some(scores)
    }

    fn taints(&self) -> Option<Vec<i64>> {
        if self.cluster.tainted == 0 {
            return None;
        }
        let tolerations = &self.pod().pod.spec.tolerations;
        let prefers = |effect: Option<Effect>| effect.is_none_or(|effect| effect == Effect::PreferNoSchedule);
        let covers: Vec<_> = tolerations.iter().filter(|one| prefers(one.effect)).collect();
        let mut scores = self.each(|host| {
            let soft = host.node.taints.iter().filter(|taint| taint.effect == Effect::PreferNoSchedule);
            soft.filter(|taint| !covers.iter().any(|one| one.tolerates(taint))).count() as i64
        });
        up_to_most(&mut scores);
        scores.iter_mut().for_each(|score| *score = MAX - *score);
        Some(scores)
    }

    fn spread(&self) -> Option<Vec<i64>> {
        let soft = &self.plan.soft;
        if soft.is_empty() {
            return None;
        }
        let left_out = |host: &Host| self.plan.needs_all_keys && soft.iter().any(|even| host.values[even.key] == NONE);
        let counted: Vec<bool> = self.hosts().map(|host| !left_out(host)).collect();
        let candidates = counted.iter().filter(|counted| **counted).count();
        // A constraint weighs by how many values there are to spread over, as far as the nodes that fit show them.
        let by_host = |even: &Even| &*self.cluster.keys[even.key].name == "kubernetes.io/hostname";
        let weight = |even: &Even| {
            let values = if by_host(even) {
                candidates
            } else {
                let values = self.hosts().zip(&counted).filter(|(_, counted)| **counted);
                let mut values: Vec<u32> = values.map(|(host, _)| host.values[even.key]).collect();
                values.sort_unstable();
                values.dedup();
                values.len() - usize::from(values.last() == Some(&NONE))
            };
            libm::log((values + 2) as f64)
        };
        let weights: Vec<(bool, f64)> = soft.iter().map(|even| (by_host(even), weight(even))).collect();
        let score = |host: &Host| {
            let mut sum = 0.0;
            for (even, (by_host, weight)) in soft.iter().zip(&weights) {
                if host.values[even.key] == NONE {
                    continue;
                }
                // On its own node every pod counts, whether or not nodes of its sort do.
                let value = host.values[even.key];
                let here = if *by_host && even.leaves_out(value) {
                    even.on(&host.residents)
                } else {
                    even.at(self.cluster, value)
                };
                sum += here as f64 * weight + (even.max_skew - 1) as f64;
            }
            if self.profile.round_spread { sum.round() as i64 } else { sum as i64 }
        };
        let mut scores = self.each(score);
        let of = || scores.iter().zip(&counted).filter(|(_, counted)| **counted).map(|(score, _)| *score);
        let (least, most) = (of().min().unwrap_or(0), of().max().unwrap_or(0));
        for (score, counted) in scores.iter_mut().zip(counted) {
            *score = match most {
                _ if !counted => 0,
                0 => MAX,
                most => MAX * (most + least - *score) / most,
            };
        }
        Some(scores)
    }

    fn pod_affinity(&self) -> Option<Vec<i64>> {
        if self.plan.drawn.is_empty() {
            return None;
        }
        let gain = |host: &Host| {
            let by_key = self.plan.drawn.iter().filter_map(|(key, by_value)| by_value.get(&host.values[*key]));
            by_key.sum::<i64>()
        };
        let mut scores = self.each(gain);
        let (least, most) = (*scores.iter().min()?, *scores.iter().max()?);
        let range = most - least;
        for score in &mut scores {
            *score = if range == 0 { 0 } else { (MAX as f64 * ((*score - least) as f64 / range as f64)) as i64 };
        }
        Some(scores)
    }

    fn images(&self) -> Option<Vec<i64>> {
        if self.cluster.images.is_empty() {
            return None;
        }
        let containers = &self.pod().pod.spec.containers;
        let names: Vec<Text> = containers.iter().map(|container| with_tag(&container.image)).collect();
        let nodes = self.cluster.nodes() as f64;
        let more = if self.profile.image_maximum_per_container { containers.len() as i64 } else { 1 };
        let ceiling = (IMAGE_CEILING * more).max(IMAGE_FLOOR + 1);
        Some(self.each(|host| {
            let worth = |name: &Text| {
                let bytes = host.images.get(name)?;
                let spread = f64::from(*self.cluster.images.get(name)?) / nodes;
                Some((*bytes as f64 * spread) as i64)
            };
            let sum = names.iter().filter_map(worth).sum::<i64>().clamp(IMAGE_FLOOR, ceiling);
            MAX * (sum - IMAGE_FLOOR) / (ceiling - IMAGE_FLOOR)
        }))
    }
}

/// Scales scores so that the highest is 100.
fn up_to_most(scores: &mut [i64]) {
    let most = scores.iter().copied().max().unwrap_or(0);
    if most > 0 {
        scores.iter_mut().for_each(|score| *score = MAX * *score / most);
    }
}

/// An image's name with its tag.
fn with_tag(name: &Text) -> Text {
    let tagged = name.rfind(':').is_some_and(|colon| name.rfind('/').is_none_or(|slash| colon > slash));
    if tagged { name.clone() } else { format!("{name}:latest").into() }
}

/// A line through points of utilisation and score, the scores 0 to 10 stretched to 0 to 100.
pub(super) fn broken_line(points: &[(i64, i64)], at: i64) -> i64 {
    let stretch = MAX / 10;
    let mut before: Option<(i64, i64)> = None;
    for &(x, y) in points {
        if at <= x {
            return match before {
                None => y * stretch,
                Some((x0, y0)) => y0 * stretch + (y - y0) * stretch * (at - x0) / (x - x0),
            };
        }
        before = Some((x, y));
    }
    before.map_or(0, |(_, y)| y * stretch)
}
