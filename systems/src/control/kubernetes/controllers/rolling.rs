//! How many pods each replica set of a deployment shall have, as functions of what they have
//! (`pkg/controller/deployment`).

use crate::control::kubernetes::objects::{IntOrPercent, Strategy};

/// A replica set, as far as sizes go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Size {
    /// Pods that it shall have.
    pub replicas: i32,
    /// Pods that have been ready for long enough.
    pub available: i32,
    /// What its deployment wanted in all when it was last scaled.
    pub desired: Option<i32>,
    /// And how many there might be.
    pub max: Option<i32>,
    /// Larger is newer.
    pub created: u64,
}

/// What a deployment wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub replicas: i32,
    pub strategy: Strategy,
    /// How many pods there are, as its status says.
    pub now: i32,
}

/// How many more pods there may be, and how many fewer may be available. Shares of surge are rounded up, those of the
/// unavailable down; if nothing could move, one may be unavailable.
pub(super) fn fenceposts(max_surge: IntOrPercent, max_unavailable: IntOrPercent, desired: i32) -> (i32, i32) {
    let surge = max_surge.of_rounded_up(i64::from(desired)) as i32;
    let unavailable = max_unavailable.of_rounded_down(i64::from(desired)) as i32;
    if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
}

impl Wanted {
    /// How many more pods than wanted there may be.
    pub fn surge(&self) -> i32 {
        match self.strategy {
            Strategy::Recreate => 0,
            Strategy::RollingUpdate { max_surge, max_unavailable } => {
                fenceposts(max_surge, max_unavailable, self.replicas).0
            }
        }
    }

    /// How many fewer may be available.
    pub fn unavailable(&self) -> i32 {
        match self.strategy {
            Strategy::RollingUpdate { max_surge, max_unavailable } if self.replicas > 0 => {
                fenceposts(max_surge, max_unavailable, self.replicas).1.min(self.replicas)
            }
            _ => 0,
        }
    }

    /// How many pods the newest set may have, when there are so many pods in all.
    pub fn new_size(&self, new: i32, all: i32) -> i32 {
        match self.strategy {
            Strategy::Recreate => self.replicas,
            Strategy::RollingUpdate { .. } => {
                let most = self.replicas + self.surge();
                if all >= most { new } else { new + (most - all).min(self.replicas - new) }
            }
        }
    }

    /// The newest set's next size; `None` if it has that.
    pub fn grow_new(&self, new: &Size, old: &[Size]) -> Option<i32> {
        if new.replicas >= self.replicas {
            return (new.replicas > self.replicas).then_some(self.replicas);
        }
        let all = new.replicas + old.iter().map(|size| size.replicas).sum::<i32>();
        Some(self.new_size(new.replicas, all)).filter(|next| *next != new.replicas)
    }

    /// The old sets' next sizes, oldest first: those whose pods do not work go first, then as many as are not needed.
    pub fn shrink_old(&self, new: &Size, old: &[Size]) -> Vec<i32> {
        let mut sizes: Vec<Size> = old.to_vec();
        let all: i32 = new.replicas + sizes.iter().map(|size| size.replicas).sum::<i32>();
        let least = self.replicas - self.unavailable();
        let most = all - least - (new.replicas - new.available);
        if most > 0 {
            self.drop_unhealthy(&mut sizes, most);
            self.drop_spare(new, &mut sizes);
        }
        sizes.iter().map(|size| size.replicas).collect()
    }

    /// Takes up to `most` pods that are not available from old sets.
    pub fn drop_unhealthy(&self, sizes: &mut [Size], most: i32) {
        let mut left = most;
        for size in sizes {
            let unhealthy = (size.replicas - size.available).clamp(0, left.max(0));
            size.replicas -= unhealthy;
            left -= unhealthy;
        }
    }

    /// Takes from old sets what is available beyond what must be.
    pub fn drop_spare(&self, new: &Size, sizes: &mut [Size]) {
        let available = new.available + sizes.iter().map(|size| size.available).sum::<i32>();
        let mut spare = available - (self.replicas - self.unavailable());
        for size in sizes {
            let goes = spare.clamp(0, size.replicas);
            size.replicas -= goes;
            spare -= goes;
        }
    }

    /// Whether the number of pods was changed since some set was last scaled.
    pub fn is_scaled(&self, sets: &[Size]) -> bool {
        sets.iter().any(|size| size.replicas > 0 && size.desired.is_some_and(|desired| desired != self.replicas))
    }

    /// The sizes of the newest set and of the old ones when the number of pods was changed: in the middle of a rollout
    /// each set gets its share.
    pub fn scale(&self, new: Option<&Size>, old: &[Size]) -> (Option<i32>, Vec<i32>) {
        // The newest set stands behind the others, if there is one.
        let mut all: Vec<Size> = old.iter().chain(new).copied().collect();
        let mut sizes: Vec<i32> = all.iter().map(|size| size.replicas).collect();
        let active: Vec<usize> = (0..all.len()).filter(|at| all[*at].replicas > 0).collect();
        let split = |sizes: Vec<i32>| match new {
            Some(_) => (sizes.last().copied(), sizes[..old.len()].to_vec()),
            None => (None, sizes),
        };
        let only = match active[..] {
            [] if new.is_some() => Some(old.len()),
            [] => (0..old.len()).max_by_key(|at| old[*at].created),
            [only] => Some(only),
            _ => None,
        };
        if let Some(only) = only {
            sizes[only] = self.replicas;
            return split(sizes);
        }
        let saturated = |size: &Size| {
            (size.replicas, size.desired, size.available) == (self.replicas, Some(self.replicas), self.replicas)
        };
        if new.is_some_and(saturated) {
            sizes[..old.len()].fill(0);
            return split(sizes);
        }
        if self.strategy == Strategy::Recreate {
            return split(sizes);
        }
        let allowed = if self.replicas > 0 { self.replicas + self.surge() } else { 0 };
        let add = allowed - sizes.iter().sum::<i32>();
        let mut order = active;
        order.sort_by(|a, b| {
            let (a, b) = (&all[*a], &all[*b]);
            let age = if add > 0 { b.created.cmp(&a.created) } else { a.created.cmp(&b.created) };
            b.replicas.cmp(&a.replicas).then(age)
        });
        let mut added = 0;
        for at in &order {
            let part = self.part(&all[*at], add, added);
            sizes[*at] += part;
            added += part;
        }
        if let Some(first) = order.first() {
            sizes[*first] = (sizes[*first] + add - added).max(0);
        }
        all.clear();
        split(sizes)
    }

    /// What a set gets of `add` pods, of which `added` are given away.
    fn part(&self, size: &Size, add: i32, added: i32) -> i32 {
        if size.replicas == 0 || add == 0 || add == added {
            return 0;
        }
        let share = if self.replicas == 0 {
            -size.replicas
        } else {
            let most = f64::from(size.max.unwrap_or(self.now).max(1));
            let exact = f64::from(size.replicas) * f64::from(self.replicas + self.surge()) / most;
            // Half a pod is one pod.
            (exact + 0.5) as i32 - size.replicas
        };
        if add > 0 { share.min(add - added) } else { share.max(add - added) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// The cases of upstream's own tests.
    fn cases(test: &str) -> Vec<Value> {
        let text = include_str!("../../../../../fixtures/kubernetes/controllers.json");
        let all: Value = serde_json::from_str(text).unwrap();
        all["tests"][test]["cases"].as_array().unwrap().clone()
    }

    fn int(value: &Value) -> i32 {
        value.as_i64().unwrap_or(0) as i32
    }

    fn either(value: &Value) -> Option<IntOrPercent> {
        match value {
            Value::Null => Some(IntOrPercent::Int(0)),
            Value::Number(number) => Some(IntOrPercent::Int(number.as_i64()? as i32)),
            Value::String(text) => Some(IntOrPercent::Percent(text.strip_suffix('%')?.parse().ok()?)),
            _ => None,
        }
    }

    fn wanted(replicas: &Value, surge: &Value, unavailable: &Value) -> Wanted {
        let (max_surge, max_unavailable) = (either(surge).unwrap(), either(unavailable).unwrap());
        Wanted { replicas: int(replicas), strategy: Strategy::RollingUpdate { max_surge, max_unavailable }, now: 0 }
    }

    #[test]
    fn fenceposts_are_upstreams() {
        for case in cases("resolveFenceposts") {
            let (surge, unavailable) = (either(&case["maxSurge"]), either(&case["maxUnavailable"]));
            let (Some(surge), Some(unavailable)) = (surge, unavailable) else {
                assert!(case["expectError"].as_bool().unwrap());
                continue;
            };
            let expected = (int(&case["expectSurge"]), int(&case["expectUnavailable"]));
            assert_eq!(fenceposts(surge, unavailable, int(&case["desired"])), expected, "{case}");
        }
    }

    #[test]
    fn new_sizes_are_upstreams() {
        for case in cases("newRSNewReplicas") {
            let mut wanted = wanted(&case["deploymentReplicas"], &case["maxSurge"], &Value::Null);
            if case["strategy"] == "Recreate" {
                wanted.strategy = Strategy::Recreate;
            }
            let size = wanted.new_size(int(&case["newRSReplicas"]), int(&case["allRSReplicas"]));
            assert_eq!(size, int(&case["expected"]), "{case}");
        }
        for case in cases("maxUnavailable") {
            let mut wanted = wanted(&case["replicas"], &case["maxSurge"], &case["maxUnavailable"]);
            if case["strategy"] == "Recreate" {
                wanted.strategy = Strategy::Recreate;
            }
            assert_eq!(wanted.unavailable(), int(&case["expected"]), "{case}");
        }
    }

    #[test]
    fn steps_of_a_rollout_are_upstreams() {
        let (none, size) = (Value::Null, |replicas, available| Size { replicas, available, ..Size::default() });
        for case in cases("reconcileNewReplicaSet") {
            let wanted = wanted(&case["deploymentReplicas"], &case["maxSurge"], &none);
            let next = wanted.grow_new(&size(int(&case["newReplicas"]), 0), &[size(int(&case["oldReplicas"]), 0)]);
            let expected = case["scaleExpected"].as_bool().unwrap().then(|| int(&case["expectedNewReplicas"]));
            assert_eq!(next, expected, "{case}");
        }
        for case in cases("reconcileOldReplicaSets") {
            let wanted = wanted(&case["deploymentReplicas"], &none, &case["maxUnavailable"]);
            let new = size(int(&case["newReplicas"]), int(&case["readyPodsFromNewRS"]));
            let old = size(int(&case["oldReplicas"]), int(&case["readyPodsFromOldRS"]));
            let next = wanted.shrink_old(&new, &[old])[0];
            let scaled = case["scaleExpected"].as_bool().unwrap();
            let expected = if scaled { int(&case["expectedOldReplicas"]) } else { old.replicas };
            assert_eq!(next, expected, "{case}");
        }
        for case in cases("cleanupUnhealthyReplicas") {
            let mut sizes = [size(int(&case["oldReplicas"]), int(&case["readyPods"]))];
            let before = sizes[0].replicas;
            wanted(&Value::from(10), &Value::from(2), &Value::from(2))
                .drop_unhealthy(&mut sizes, int(&case["maxCleanupCount"]));
            assert_eq!(before - sizes[0].replicas, int(&case["cleanupCountExpected"]), "{case}");
        }
        for case in cases("scaleDownOldReplicaSets") {
            let wanted = wanted(&case["deploymentReplicas"], &none, &case["maxUnavailable"]);
            let mut sizes = [size(int(&case["oldReplicas"]), int(&case["readyPods"]))];
            wanted.drop_spare(&Size::default(), &mut sizes);
            let scaled = case["scaleExpected"].as_bool().unwrap();
            let expected = if scaled { int(&case["expectedOldReplicas"]) } else { int(&case["oldReplicas"]) };
            assert_eq!(sizes[0].replicas, expected, "{case}");
        }
    }

    #[test]
    fn shares_of_a_change_are_upstreams() {
        for case in cases("proportionalScale") {
            let (deployment, before) = (&case["deployment"], &case["oldDeployment"]);
            let wanted = wanted(&deployment["replicas"], &deployment["maxSurge"], &deployment["maxUnavailable"]);
            let before = self::wanted(&before["replicas"], &before["maxSurge"], &before["maxUnavailable"]);
            let size = |set: &Value| {
                let said = &case["desiredReplicasAnnotation"][set["name"].as_str().unwrap()];
                let desired = said.as_i64().map_or(before.replicas, |said| said as i32);
                Size {
                    replicas: int(&set["replicas"]),
                    available: int(&set["available"]),
                    desired: Some(desired),
                    max: Some(desired + before.surge()),
                    created: int(&set["createdAt"]) as u64,
                }
            };
            let new = (!case["newRS"].is_null()).then(|| size(&case["newRS"]));
            let old: Vec<Size> = case["oldRSs"].as_array().unwrap().iter().map(size).collect();
            let (next, olds) = wanted.scale(new.as_ref(), &old);
            assert_eq!(next.map(i64::from), case["expectedNew"].as_i64(), "{case}");
            let expected: Vec<i32> = case["expectedOld"].as_array().unwrap().iter().map(int).collect();
            assert_eq!(olds, expected, "{case}");
        }
    }
}
