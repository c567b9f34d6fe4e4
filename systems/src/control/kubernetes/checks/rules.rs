//! The rules one by one.

use super::{
    BOUND_ONCE, BUDGET_KEPT, CONVERGES, ENDPOINTS_READY, FILTERS_HOLD, FITTING_TRIED, KEEPS_DIRECTION,
    KUBELET_HARMLESS, KubeChecks, LISTEN_FIRST, LOST_LEAVE, NO_MASS_EVICTION, NO_OVERCOMMIT, ONE_ACTING, SPREAD_KEPT,
    SURGE_KEPT, TOLERATED_STAY, WATCHES,
};
use crate::control::kubernetes::api::{Key, Obj, machine_of, pod};
use crate::control::kubernetes::node::Machine;
use crate::control::kubernetes::objects::{
    Effect, Kind, Object, Pod, ReplicaSet, Strategy, Taint, Text, Uid, WhenUnsatisfiable,
};
use crate::control::kubernetes::office::Office;
use crate::control::kubernetes::scheduling::{Profile, allows};
use crate::shared::in_the_end;
use sim_core::sorted::SortedMap;
use sim_core::{Duration, Instant, NodeId, Verdict};
use std::rc::Rc;

/// What somebody who acts has heard of by then.
const HEARD: Duration = Duration::secs(3);

impl KubeChecks {
    /// What somebody who acts has dealt with by then: nobody acts for longer without the store.
    fn dealt(&self) -> Duration {
        self.config.renew_deadline + Duration::secs(2)
    }

    /// What the scheduler has tried again by then: the longest wait, and as much again.
    fn tried(&self) -> Duration {
        self.config.backoff.1.times(2) + Duration::secs(2)
    }

    /// A pod has changed.
    pub(super) fn on_pod(&mut self, before: Option<&Pod>, new: &Pod) {
        let name = &new.meta.name;
        let (was, is) = (before.and_then(|pod| pod.node.clone()), new.node.clone());
        if let (Some(was), Some(is)) = (&was, &is)
            && was != is
        {
            self.breaks(BOUND_ONCE, None, format!("{name} was bound to {was} and is bound to {is}"));
        }
        if let (None, Some(node), Some(_)) = (&was, is.as_deref().and_then(machine_of), before) {
            self.count(BOUND_ONCE);
            self.on_bound(new, node);
        }
    }

    /// A kubelet takes a pod for ready no longer.
    pub(super) fn on_unready(&mut self, node: NodeId, pod: Uid) {
        let at = self.now;
        let restarted = self.kubelets.get(&node).is_some_and(|since| at.since(*since) < Duration::millis(500));
        let stopped = self.stopped.get(&pod).is_some_and(|stopped| at.since(*stopped) < HEARD);
        // No probe can have failed often enough since the kubelet was started anew.
        if restarted && !stopped {
            let detail =
                format!("{} on {node} was ready, and is not since its kubelet was started anew", self.name(pod));
            self.breaks(KUBELET_HARMLESS, Some(node), detail);
        }
    }

    fn on_bound(&mut self, new: &Pod, node: NodeId) {
        let (at, name) = (self.now, &new.meta.name);
        let Some(object) =
            self.world.nodes().find(|(machine, _)| *machine == node).map(|(_, object)| Rc::clone(object))
        else {
            return;
        };
        let (sum, many) = self.world.demand_on(node);
        let has = &object.allocatable;
        let over = [
            (sum.cpu > has.cpu.unwrap_or(0), "processor"),
            (sum.memory > has.memory.unwrap_or(0), "memory"),
            (many > has.pods.unwrap_or(i64::MAX), "pods"),
        ];
        if let Some((_, what)) = over.into_iter().find(|(over, _)| *over) {
            let detail = format!("{name} is bound to {node}, whose {what} do not suffice for its {many} pods");
            self.breaks(NO_OVERCOMMIT, Some(node), detail);
        }
        self.count(FILTERS_HOLD);
        let closed: Vec<String> = object
            .taints
            .iter()
            .filter(|taint| taint.effect != Effect::PreferNoSchedule)
            .filter(|taint| !tolerates(new, taint))
            .filter(|taint| {
                let since = self.world.taints.get(&(node, taint.key.to_string(), taint.effect));
                since.is_some_and(|(since, ..)| at.since(*since) > HEARD)
            })
            .map(|taint| taint.key.to_string())
            .collect();
        if let Some(key) = closed.first() {
            let detail = format!("{name} is bound to {node}, which has the taint {key} that it does not tolerate");
            self.breaks(FILTERS_HOLD, Some(node), detail);
        }
        if !allows(new, &object) {
            let detail = format!("{name} is bound to {node}, which its node selector or affinity leaves out");
            self.breaks(FILTERS_HOLD, Some(node), detail);
        }
    }

    /// A pod goes because of its node's taints.
    pub(super) fn on_taint_delete(&mut self, manager: NodeId, uid: Uid, node: NodeId) {
        let at = self.now;
        self.count(TOLERATED_STAY);
        self.count(NO_MASS_EVICTION);
        let name = self.name(uid);
        if !self.must_go(uid, node) {
            let detail = format!("{name} goes from {node}, though it tolerates all that is there");
            self.breaks(TOLERATED_STAY, Some(manager), detail);
        }
        if let Some(since) = self.world.all_lost()
            && at.since(since) > self.dealt()
        {
            let detail =
                format!("{name} goes from {node}, and no node is ready: it is the control plane that is cut off");
            self.breaks(NO_MASS_EVICTION, Some(manager), detail);
        }
    }

    /// Whether a pod does not tolerate a taint of its node. What was there a moment ago counts, too: who acts may not
    /// have heard.
    fn must_go(&self, uid: Uid, node: NodeId) -> bool {
        let at = self.now;
        let Some(pod) = self.world.of(Kind::Pod).filter_map(pod).find(|pod| pod.meta.uid == uid) else { return true };
        self.world.taints.iter().any(|((of, key, effect), (since, until, value))| {
            let there =
                *of == node && *effect == Effect::NoExecute && until.is_none_or(|until| at.since(until) < HEARD);
            let taint = Taint { key: key.as_str().into(), value: Rc::clone(value), effect: *effect, added: None };
            there && !tolerates_longer(pod, &taint, at.since(*since) + HEARD)
        })
    }

    /// A replica set has another number, before that is taken in.
    pub(super) fn on_replica_set(&mut self, object: &Obj) {
        let Object::ReplicaSet(new) = &**object else { return };
        let Some(owner) = &new.meta.owner else { return };
        let key = Key { kind: owner.kind, namespace: Rc::clone(&new.meta.namespace), name: Rc::clone(&owner.name) };
        let Some(Object::Deployment(deployment)) = self.world.objects.get(&key).map(|object| Object::clone(object))
        else {
            return;
        };
        let Strategy::RollingUpdate { max_surge, max_unavailable } = deployment.strategy else { return };
        // Who acts may not have heard yet what is wanted now.
        if self.world.changed.get(&key).is_some_and(|changed| self.now.since(*changed) < self.dealt()) {
            return;
        }
        self.count(SURGE_KEPT);
        let sets: Vec<&ReplicaSet> = self
            .world
            .of(Kind::ReplicaSet)
            .filter_map(|object| if let Object::ReplicaSet(set) = &**object { Some(&**set) } else { None })
            .filter(|set| set.meta.owner.as_ref().is_some_and(|of| of.uid == owner.uid))
            .collect();
        let before = sets.iter().find(|set| set.meta.uid == new.meta.uid).map_or(0, |set| set.replicas);
        if before == new.replicas {
            return;
        }
        let wanted = deployment.replicas;
        let surge = max_surge.of_rounded_up(i64::from(wanted)) as i32;
        let unavailable = max_unavailable.of_rounded_down(i64::from(wanted)) as i32;
        let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
        let all: i32 = sets.iter().map(|set| set.replicas).sum::<i32>() - before + new.replicas;
        let name = deployment.meta.name.to_string();
        if new.replicas > before && all > wanted + surge {
            let detail = format!("{name}: {all} pods are wanted in all, {wanted} and a surge of {surge} may be");
            return self.breaks(SURGE_KEPT, None, detail);
        }
        let settled = Duration::secs(u64::from(deployment.min_ready)) + HEARD;
        let (available, own) = self.available(&sets, new.meta.uid, settled);
        let unhealthy = (before - own).max(0);
        let harm = (before - new.replicas - unhealthy).max(0);
        if harm > 0 && available - harm < wanted - unavailable && before - new.replicas > 0 {
            let detail = format!(
                "{name}: {harm} of {available} available pods are to go, and {} must be available",
                wanted - unavailable
            );
            self.breaks(SURGE_KEPT, None, detail);
        }
    }

    /// How many pods of these sets are available, or were a moment ago; and how many of one of them nobody can take for
    /// anything else, because they have been ready for so long.
    fn available(&self, sets: &[&ReplicaSet], of: Uid, settled: Duration) -> (i32, i32) {
        let (mut all, mut own) = (0, 0);
        for one in self.world.of(Kind::Pod).filter_map(pod) {
            let Some(owner) = one.meta.owner.as_ref().filter(|owner| sets.iter().any(|set| set.meta.uid == owner.uid))
            else {
                continue;
            };
            let counts = self.world.pods.get(&one.meta.uid).is_some_and(|life| {
                let lately = self.now.since(life.ready.1) < HEARD;
                (life.ready.0 || lately) && life.deleting.is_none_or(|since| self.now.since(since) < HEARD)
            });
            if counts {
                all += 1;
            }
            let long =
                self.world.pods.get(&one.meta.uid).is_some_and(|life| {
                    life.ready.0 && self.now.since(life.ready.1) >= settled && life.deleting.is_none()
                });
            own += i32::from(long && owner.uid == of);
        }
        (all, own)
    }

    /// A budget has changed, before that is taken in: who was let go leaves enough behind.
    pub(super) fn on_budget(&mut self, object: &Obj) {
        let Object::PodDisruptionBudget(new) = &**object else { return };
        let Some(Object::PodDisruptionBudget(old)) = self.world.objects.get(&Key::of(object)).map(|object| &**object)
        else {
            return;
        };
        let fresh: Vec<_> =
            new.status.disrupted.keys().filter(|name| !old.status.disrupted.contains_key(*name)).collect();
        let Some(name) = fresh.first() else { return };
        let healthy = self
            .world
            .of(Kind::Pod)
            .filter_map(pod)
            .filter(|pod| new.selector.as_ref().is_some_and(|selector| selector.matches(&pod.meta.labels)))
            .filter(|pod| !new.status.disrupted.contains_key(&pod.meta.name))
            .filter(|pod| {
                self.world.pods.get(&pod.meta.uid).is_some_and(|life| {
                    let lately = |since: Instant| self.now.since(since) < HEARD;
                    (life.ready.0 || lately(life.ready.1)) && life.deleting.is_none_or(lately)
                })
            })
            .count() as i64;
        let (name, desired) = (name.to_string(), new.status.desired);
        self.count(BUDGET_KEPT);
        if healthy < desired {
            let detail = format!("{name} was let go, {healthy} healthy pods are left, {desired} must be");
            self.breaks(BUDGET_KEPT, None, detail);
        }
    }

    /// What may be so for a while, and not for long: looked at every second.
    pub(super) fn look(&mut self) {
        let (at, manager, scheduler) = (self.now, Office::Manager.name(), Office::Scheduler.name());
        let managed = self.world.acting_for(manager, at);
        if managed > self.dealt() {
            self.look_at_endpoints(at);
            self.look_at_lost(at, managed);
        }
        if self.world.acting_for(scheduler, at) > self.tried() {
            self.look_at_waiting(at);
        }
    }

    fn look_at_endpoints(&mut self, at: Instant) {
        let mut wrong = None;
        for object in self.world.of(Kind::Endpoints) {
            let Object::Endpoints(endpoints) = &**object else { continue };
            for endpoint in &endpoints.ready {
                let Some(life) = self.world.pods.get(&endpoint.uid) else { continue };
                if !life.ready.0 && at.since(life.ready.1) > self.dealt() {
                    wrong =
                        Some((life.node, format!("{} is behind {} and not ready", endpoint.pod, endpoints.meta.name)));
                }
            }
        }
        self.count(ENDPOINTS_READY);
        if let Some((node, detail)) = wrong {
            self.breaks(ENDPOINTS_READY, node, detail);
        }
    }

    fn look_at_lost(&mut self, at: Instant, managed: Duration) {
        let patience = self.dealt() + self.config.monitor_period.times(2);
        let mut wrong = None;
        for (node, (ready, since)) in &self.world.ready {
            if *ready || at.since(*since) <= patience || managed <= patience {
                continue;
            }
            let still = self.world.pods_on(*node).find(|pod| {
                let life = self.world.pods.get(&pod.meta.uid);
                life.is_some_and(|life| life.ready.0 && at.since(life.ready.1) > patience)
            });
            if let Some(pod) = still {
                wrong = Some((
                    *node,
                    format!("{} on {node} is ready, and its node has not been for a while", pod.meta.name),
                ));
            }
        }
        self.count(LOST_LEAVE);
        if let Some((node, detail)) = wrong {
            self.breaks(LOST_LEAVE, Some(node), detail);
        }
    }

    /// Pods without a node, though one has had room for a while.
    fn look_at_waiting(&mut self, at: Instant) {
        if at.since(self.world.room) < self.tried() {
            return;
        }
        let waits = |one: &&Rc<Pod>| {
            let created = self.world.pods.get(&one.meta.uid).map(|life| life.created);
            let long = created.is_some_and(|created| at.since(created) > self.tried());
            one.node.is_none() && !one.meta.deleting() && !one.status.phase.ended() && long
        };
        let waiting: Vec<Rc<Pod>> = self.world.all_pods().filter(waits).cloned().collect();
        let mut wrong = None;
        if !waiting.is_empty() {
            let (mut cluster, profile) = (self.world.snapshot(), Profile::default());
            let nodes: Vec<(NodeId, Text)> =
                self.world.nodes().map(|(machine, node)| (machine, Rc::clone(&node.meta.name))).collect();
            for one in &waiting {
                let fits = nodes.iter().find(|(_, node)| cluster.refusal(&profile, one, node).is_none());
                if let Some((machine, _)) = fits {
                    let name = &one.meta.name;
                    wrong = Some((*machine, format!("{name} waits for a node, and {machine} has room for it")));
                }
            }
        }
        self.count(FITTING_TRIED);
        if let Some((node, detail)) = wrong {
            self.breaks(FITTING_TRIED, Some(node), detail);
        }
    }

    /// What can be said at the end.
    pub(in crate::control::kubernetes) fn verdicts(&self, nodes: &[Option<Machine>]) -> Vec<Verdict> {
        let many = |rule: &'static str| self.counts.get(rule).copied().unwrap_or(0);
        let counted = |rule: &'static str, what: &str| Verdict::Pass { rule, detail: format!("{} {what}", many(rule)) };
        let bound = |rule| match many(FILTERS_HOLD) {
            0 => Verdict::Inconclusive { rule, why: "no pod was bound".to_owned() },
            bindings => Verdict::Pass { rule, detail: format!("{bindings} bindings") },
        };
        let passed = |rule, detail: &str| Verdict::Pass { rule, detail: detail.to_owned() };
        let mut all = vec![
            self.store.verdict(nodes),
            bound(BOUND_ONCE),
            bound(FILTERS_HOLD),
            bound(NO_OVERCOMMIT),
            counted(SURGE_KEPT, "steps of deployments"),
            counted(BUDGET_KEPT, "evictions with a budget"),
            counted(ENDPOINTS_READY, "looks"),
            passed(ONE_ACTING, "at every step"),
            counted(TOLERATED_STAY, "deletions because of taints"),
            counted(NO_MASS_EVICTION, "deletions because of taints"),
            counted(LOST_LEAVE, "looks"),
            counted(LISTEN_FIRST, "nodes given up"),
            passed(KUBELET_HARMLESS, &format!("{} kubelets started anew", self.kubelets.len())),
            counted(FITTING_TRIED, "looks"),
            counted(KEEPS_DIRECTION, "changes by autoscalers"),
            in_the_end::verdict(WATCHES, self.now, self.unheard(nodes)),
        ];
        let quiet = self.world.acting_for(Office::Manager.name(), self.now) > self.dealt()
            && self.world.changed.values().all(|changed| self.now.since(*changed) > self.dealt());
        all.push(if quiet {
            in_the_end::verdict(CONVERGES, self.now, self.diverges())
        } else {
            Verdict::Inconclusive { rule: CONVERGES, why: "nobody had the time for it".to_owned() }
        });
        if self.config.spread != crate::control::kubernetes::options::SpreadOver::None {
            all.push(in_the_end::verdict(SPREAD_KEPT, self.now, self.skewed()));
        }
        all
    }

    /// Who has not heard of something that concerns it, though it was said a while ago.
    fn unheard(&self, nodes: &[Option<Machine>]) -> Option<(NodeId, String)> {
        in_the_end::each(nodes).find_map(|(node, machine)| {
            let cache = &machine.link().cache;
            let old = |object: &&Obj| match self.world.pods.get(&object.meta().uid) {
                Some(life) => {
                    self.now.since(life.ready.1) > self.dealt() && self.now.since(life.created) > self.dealt()
                }
                None => false,
            };
            let concerned = self.world.of(Kind::Pod).filter(old).filter(|object| {
                self.config.controls(node)
                    || pod(object).and_then(|pod| pod.node.as_deref().and_then(machine_of)) == Some(node)
            });
            let mut missing = concerned.filter(|object| cache.get(&Key::of(object)).is_none());
            missing.next().map(|object| (node, format!("{node} has not heard of {}", object.meta().name)))
        })
    }

    /// Sets that have more or fewer pods than they shall.
    fn diverges(&self) -> Option<(NodeId, String)> {
        let mut wrong = None;
        for object in self.world.of(Kind::ReplicaSet) {
            let Object::ReplicaSet(set) = &**object else { continue };
            let pods: Vec<&Pod> = self
                .world
                .of(Kind::Pod)
                .filter_map(pod)
                .filter(|pod| pod.meta.owner.as_ref().is_some_and(|owner| owner.uid == set.meta.uid))
                .filter(|pod| !pod.meta.deleting() && !pod.status.phase.ended())
                .collect();
            let lately = |pod: &&Pod| {
                self.world.pods.get(&pod.meta.uid).is_some_and(|life| self.now.since(life.created) < self.dealt())
            };
            if pods.len() as i64 != i64::from(set.replicas) && !pods.iter().any(lately) {
                let detail = format!("{} has {} pods and shall have {}", set.meta.name, pods.len(), set.replicas);
                wrong = Some((NodeId(0), detail));
            }
        }
        wrong
    }

    /// Sets whose pods are not spread as their templates say, where no node was ever lost.
    fn skewed(&self) -> Option<(NodeId, String)> {
        if self.book.any_lost() {
            return None;
        }
        for object in self.world.of(Kind::ReplicaSet) {
            let Object::ReplicaSet(set) = &**object else { continue };
            // Who takes pods away does not look at how they are spread.
            if self.world.shrunk.contains(&set.meta.uid) {
                continue;
            }
            for spread in &set.template.spec.spread {
                if spread.when != WhenUnsatisfiable::DoNotSchedule {
                    continue;
                }
                let mut counts: SortedMap<&str, i64> = SortedMap::new();
                for (_, node) in self.world.nodes() {
                    if let Some(value) = node.meta.labels.value(&spread.topology_key) {
                        counts.entry(value).or_default();
                    }
                }
                let own = self.world.of(Kind::Pod).filter_map(pod).filter(|pod| {
                    pod.meta.owner.as_ref().is_some_and(|owner| owner.uid == set.meta.uid) && !pod.meta.deleting()
                });
                let place = |pod: &Pod| pod.node.as_deref().and_then(machine_of);
                for machine in own.filter_map(place) {
                    let node = self.world.nodes().find(|(node, _)| *node == machine);
                    let value = node.and_then(|(_, node)| node.meta.labels.value(&spread.topology_key));
                    if let Some(count) = value.and_then(|value| counts.get_mut(&**value)) {
                        *count += 1;
                    }
                }
                let (most, least) = (counts.values().max().copied()?, counts.values().min().copied()?);
                if most - least > spread.max_skew {
                    let detail = format!(
                        "{}: {most} pods share a {}, and elsewhere there are {least}; {} more are allowed",
                        set.meta.name, spread.topology_key, spread.max_skew
                    );
                    return Some((NodeId(0), detail));
                }
            }
        }
        None
    }
}

fn tolerates(pod: &Pod, taint: &Taint) -> bool {
    taint.effect == Effect::PreferNoSchedule
        || pod.spec.tolerations.iter().any(|toleration| toleration.tolerates(taint))
}

/// Whether a pod tolerates a taint for longer than this.
fn tolerates_longer(pod: &Pod, taint: &Taint, time: Duration) -> bool {
    let mut matching = pod.spec.tolerations.iter().filter(|toleration| toleration.tolerates(taint)).peekable();
    matching.peek().is_some()
        && matching
            .filter_map(|toleration| toleration.seconds)
            .min()
            .is_none_or(|seconds| seconds > 0 && Duration::secs(seconds as u64) > time)
}
