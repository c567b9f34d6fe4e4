//! The scheduler by hand: its queue, preemption within budgets, and a snapshot that is kept up against one made anew.

use super::*;
use crate::control::kubernetes::objects::{
    Budget, Container, Labels, Meta, Node, Pod, PodSpec, PodTerm, Resources, Selector, Spread, Text, Uid,
    WhenUnsatisfiable,
};
use sim_core::LocalInstant;
use sim_core::sorted::SortedSet;
use std::rc::Rc;

fn at(seconds: u64) -> LocalInstant {
    LocalInstant(seconds * 1_000_000_000)
}

fn labels(app: &str) -> Labels {
    [("app", app)].into_iter().collect()
}

fn node(name: &str, zone: &str, cpu: i64) -> Rc<Node> {
    let mut meta = Meta::new("", name);
    meta.labels = [("kubernetes.io/hostname", name), ("topology.kubernetes.io/zone", zone)].into_iter().collect();
    let allocatable = Resources { cpu: Some(cpu), memory: Some(1 << 30), pods: Some(110), ..Resources::default() };
    Rc::new(Node { meta, allocatable, ..Node::default() })
}

fn pod(uid: u64, app: &str, cpu: i64, priority: i32, change: impl FnOnce(&mut PodSpec)) -> Rc<Pod> {
    let requests = Resources { cpu: Some(cpu), ..Resources::default() };
    let container = Container { name: "c".into(), requests, ..Container::default() };
    let mut spec = PodSpec { containers: vec![container], priority, ..PodSpec::default() };
    change(&mut spec);
    let mut meta = Meta::new("default", &format!("{app}-{uid}"));
    (meta.uid, meta.labels) = (Uid(uid), labels(app));
    Rc::new(Pod { meta, spec: Rc::new(spec), ..Pod::default() })
}

fn plain(_: &mut PodSpec) {}

fn refused(by: Plugin) -> SortedSet<Plugin> {
    SortedSet::from([by])
}

#[test]
fn the_most_important_pod_is_tried_first_and_waits_twice_as_long_each_time() {
    let mut queue = Queue::new(QueueRules::default());
    for (uid, priority) in [(1, 0), (2, 5), (3, 0)] {
        queue.add(pod(uid, "a", 1, priority, plain), at(uid));
    }
    let order: Vec<u64> = std::iter::from_fn(|| queue.pop()).map(|pod| pod.meta.uid.0).collect();
    assert_eq!(order, [2, 1, 3]);
    queue.remove(Uid(2));
    queue.remove(Uid(3));
    let mut now = 10;
    for wait in [1, 2, 4, 8, 10, 10] {
        queue.retry(Uid(1), SortedSet::new(), at(now));
        assert_eq!((queue.lengths(), queue.next_due()), ((0, 1, 0), Some(at(now + wait))));
        now += wait;
        queue.tick(at(now));
        assert_eq!(queue.pop().map(|pod| pod.meta.uid), Some(Uid(1)));
    }
}

#[test]
fn a_pod_waits_for_what_may_help_it() {
    let mut queue = Queue::new(QueueRules::default());
    queue.add(pod(1, "a", 1, 0, plain), at(0));
    queue.pop();
    queue.retry(Uid(1), refused(Plugin::NodeResourcesFit), at(0));
    for nothing in [Event::NodeLabels, Event::NodeTaints, Event::PodAdded, Event::NodeDeleted] {
        queue.happened(nothing, at(5));
        assert_eq!(queue.lengths(), (0, 0, 1), "{nothing:?}");
    }
    queue.happened(Event::PodDeleted, at(5));
    assert_eq!(queue.lengths(), (1, 0, 0));
    // Before its wait is over it waits on, and without any help it is tried again after five minutes.
    queue.pop();
    queue.retry(Uid(1), refused(Plugin::NodeResourcesFit), at(10));
    queue.happened(Event::NodeAdded, at(11));
    assert_eq!((queue.lengths(), queue.next_due()), ((0, 1, 0), Some(at(12))));
    queue.tick(at(12));
    queue.pop();
    queue.retry(Uid(1), refused(Plugin::TaintToleration), at(20));
    queue.tick(at(320));
    assert_eq!(queue.lengths(), (0, 0, 1));
    queue.tick(at(321));
    assert_eq!(queue.lengths(), (1, 0, 0));
}

/// Two pods are being tried, the older ends, and then a node comes: the younger, which fits nowhere, must hear of it.
fn hears_of_what_happened_meanwhile(marks_are_lost: bool) -> bool {
    let mut queue = Queue::new(QueueRules { marks_are_lost, ..QueueRules::default() });
    queue.add(pod(1, "a", 1, 0, plain), at(0));
    queue.add(pod(2, "a", 1, 0, plain), at(1));
    let tried: Vec<Uid> = [queue.pop(), queue.pop()].into_iter().flatten().map(|pod| pod.meta.uid).collect();
    assert_eq!(tried, [Uid(1), Uid(2)]);
    queue.remove(Uid(1));
    queue.happened(Event::NodeAdded, at(2));
    queue.retry(Uid(2), refused(Plugin::NodeResourcesFit), at(3));
    queue.lengths() == (0, 1, 0)
}

#[test]
fn what_happens_while_a_pod_is_tried_counts_for_it() {
    assert!(hears_of_what_happened_meanwhile(false));
    assert!(!hears_of_what_happened_meanwhile(true), "the published mistake is one");
    // What happened before a pod was taken does not count, and is forgotten once nobody needs it.
    let mut queue = Queue::new(QueueRules::default());
    queue.add(pod(1, "a", 1, 0, plain), at(0));
    queue.pop();
    queue.happened(Event::NodeAdded, at(1));
    queue.add(pod(2, "a", 1, 0, plain), at(2));
    queue.pop();
    queue.retry(Uid(2), refused(Plugin::NodeResourcesFit), at(3));
    assert_eq!(queue.lengths(), (0, 0, 1));
}

/// Where a pod goes if one node has two victims of a budget that allows one, and another one victim of one that allows
/// none.
fn preempted(bent: Bent) -> (Text, u32) {
    let mut cluster = Cluster::default();
    let budget = |app: &str, allowed| {
        let mut budget = Budget { meta: Meta::new("default", app), ..Budget::default() };
        budget.selector = Some(Selector::of(labels(app)));
        budget.status.allowed = allowed;
        Rc::new(budget)
    };
    for name in ["n1", "n2"] {
        cluster.set_node(node(name, "z", 1000));
    }
    cluster.place(&pod(1, "pair", 500, 0, plain), "n1");
    cluster.place(&pod(2, "pair", 500, 0, plain), "n1");
    cluster.place(&pod(3, "lone", 1000, 1, plain), "n2");
    let profile = Profile { bent, ..Profile::default() };
    let urgent = pod(9, "urgent", 1000, 100, plain);
    let unfit = cluster.schedule(&profile, &urgent, None, |_| 0).expect_err("all is full");
    assert_eq!(unfit.to_string(), "0/2 nodes are available: 2 Insufficient cpu.");
    let budgets = [budget("pair", 1), budget("lone", 1)];
    let found = cluster.preempt(&profile, &urgent, None, &unfit, &budgets, |_| 0).expect("somebody can go");
    (found.node, found.violations)
}

#[test]
fn each_victim_is_taken_off_its_budget() {
    assert_eq!(preempted(Bent::default()), ("n2".into(), 0));
    let undebited = Bent { budgets_are_not_debited: true, ..Bent::default() };
    assert_eq!(preempted(undebited), ("n1".into(), 0), "the published mistake is one");
}

#[test]
fn room_that_is_being_made_is_kept_for_whom_it_is_made() {
    let (mut cluster, profile) = (Cluster::default(), Profile::default());
    cluster.set_node(node("n1", "z", 1000));
    let (urgent, other) = (pod(9, "urgent", 800, 100, plain), pod(2, "other", 800, 0, plain));
    cluster.nominate(&urgent, "n1");
    assert!(cluster.schedule(&profile, &other, None, |_| 0).is_err());
    let promised = Rc::new(Pod { nominated: Some("n1".into()), ..(*urgent).clone() });
    assert_eq!(cluster.schedule(&profile, &promised, None, |_| 0).map(|placement| placement.asked), Ok(1));
    cluster.place(&urgent, "n1");
    cluster.remove(urgent.meta.uid);
    assert!(cluster.schedule(&profile, &other, None, |_| 0).is_ok());
}

/// A constraint that pods like these lie evenly over a label of nodes.
fn evenly(app: &str, key: &str) -> Spread {
    Spread {
        max_skew: 1,
        topology_key: key.into(),
        when: WhenUnsatisfiable::DoNotSchedule,
        selector: Some(Selector::of(labels(app))),
        match_label_keys: Vec::new(),
        min_domains: None,
        honor_affinity: true,
        honor_taints: false,
    }
}

#[test]
fn who_is_awaited_counts_where_pods_are_spread() {
    let (mut cluster, profile) = (Cluster::default(), Profile::default());
    cluster.set_node(node("n1", "a", 1000));
    cluster.set_node(node("n2", "b", 10));
    let web = |uid, cpu, priority| {
        pod(uid, "web", cpu, priority, |spec| spec.spread = vec![evenly("web", "topology.kubernetes.io/zone")])
    };
    cluster.place(&web(1, 10, 0), "n2");
    cluster.nominate(&web(2, 10, 9), "n1");
    // With the pod that is awaited at n1 both zones have one: another may come.
    let placed = cluster.schedule(&profile, &web(3, 10, 0), None, |_| 0);
    assert_eq!(placed.map(|placement| placement.node), Ok("n1".into()));
    assert_eq!(cluster.refusal(&profile, &web(3, 10, 0), "n2").map(|why| why.plugin()), Some(Plugin::NodeResourcesFit));
    assert_eq!(cluster.refusal(&profile, &web(3, 10, 0), "n1"), None);
    // With one more it may not.
    cluster.place(&web(4, 10, 0), "n1");
    assert!(cluster.schedule(&profile, &web(3, 10, 0), None, |_| 0).is_err());
}

#[test]
fn only_so_many_nodes_are_looked_for() {
    let found = [50, 100, 500, 1000, 5000, 6250, 10_000].map(|nodes| nodes_to_find(nodes, 0));
    assert_eq!(found, [50, 100, 230, 420, 500, 312, 500]);
    assert_eq!([nodes_to_find(1000, 70), nodes_to_find(1000, 1), nodes_to_find(50, 10)], [700, 100, 50]);
    // Each pod begins where the one before has stopped, and nodes of all zones come in turn.
    let (mut cluster, profile) = (Cluster::default(), Profile { percentage: 50, ..Profile::default() });
    for number in 0..240 {
        cluster.set_node(node(&format!("n{number:03}"), if number < 120 { "a" } else { "b" }, 1000));
    }
    let tried = pod(1, "a", 1, 0, plain);
    let asked: Vec<u32> =
        (0..2).filter_map(|_| cluster.schedule(&profile, &tried, None, |_| 0).ok()).map(|one| one.asked).collect();
    assert_eq!((asked, cluster.start), (vec![120, 120], 0));
    let order = cluster.order();
    let zones: Vec<&str> = order[..4].iter().map(|slot| &*cluster.host(*slot).node.meta.name).collect();
    assert_eq!(zones, ["n000", "n120", "n001", "n121"]);
}

#[test]
fn rollouts_are_spread_by_their_own_labels_unless_the_mistake_is_on() {
    let release = |uid: u64, hash: &str| {
        let mut one = (*pod(uid, "web", 1, 0, |spec| {
            let keys = vec!["pod-template-hash".into()];
            spec.spread = vec![Spread { match_label_keys: keys, ..evenly("web", "kubernetes.io/hostname") }];
        }))
        .clone();
        one.meta.labels = one.meta.labels.with("pod-template-hash", hash);
        Rc::new(one)
    };
    let fits = |bent: Bent| {
        let mut cluster = Cluster::default();
        ["n1", "n2"].iter().for_each(|name| cluster.set_node(node(name, "z", 1000)));
        cluster.place(&release(1, "old"), "n1");
        cluster.place(&release(2, "new"), "n2");
        cluster.place(&release(3, "old"), "n1");
        let profile = Profile { bent, ..Profile::default() };
        let placed = cluster.schedule(&profile, &release(4, "new"), None, |_| 0);
        placed.map(|placement| placement.node).expect("it fits")
    };
    assert_eq!(fits(Bent::default()), "n1".into());
    assert_eq!(fits(Bent { match_label_keys_ignored: true, ..Bent::default() }), "n2".into());
}

#[test]
fn a_snapshot_that_is_kept_up_is_one_made_anew() {
    let mut state = 11u64;
    let mut below = move |most: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    let term = |app: &str| PodTerm {
        selector: Some(Selector::of(labels(app))),
        topology_key: "topology.kubernetes.io/zone".into(),
        ..PodTerm::default()
    };
    let made = |uid: u64, sort: u64| {
        let app = ["a", "b", "c"][sort as usize % 3];
        pod(uid, app, 1, 0, |spec| match sort {
            3 => spec.affinity.anti_required = vec![term("b")],
            4 => spec.affinity.pod_required = vec![term("b")],
            5 => {
                let preferred = crate::control::kubernetes::objects::PreferredPod { weight: 7, term: term("a") };
                spec.affinity.anti_preferred = vec![preferred];
            }
            6 => {
                let zones = Spread { max_skew: 9, ..evenly("a", "topology.kubernetes.io/zone") };
                spec.spread = vec![zones, Spread { max_skew: 4, ..evenly("a", "kubernetes.io/hostname") }];
            }
            _ => {}
        })
    };
    let profile = Profile::default();
    let mut kept = Cluster::default();
    let (mut nodes, mut pods) = (Vec::<Rc<Node>>::new(), Vec::<(Rc<Pod>, String)>::new());
    for step in 0..3_000u64 {
        match below(10) {
            0 if nodes.len() < 12 => {
                let (name, zone) = (format!("n{step}"), ["x", "y", "z"][below(3) as usize]);
                nodes.push(node(&name, zone, 500 + below(500) as i64));
                kept.set_node(nodes[nodes.len() - 1].clone());
            }
            1 if nodes.len() > 4 => {
                let gone = nodes.remove(below(nodes.len() as u64) as usize);
                kept.remove_node(&gone.meta.name);
            }
            2 if !nodes.is_empty() => {
                // Another zone, or other room.
                let at = below(nodes.len() as u64) as usize;
                nodes[at] = node(&nodes[at].meta.name, ["x", "y", "z"][below(3) as usize], 500 + below(500) as i64);
                kept.set_node(nodes[at].clone());
            }
            3 | 4 if !pods.is_empty() => {
                let (gone, _) = pods.remove(below(pods.len() as u64) as usize);
                kept.remove(gone.meta.uid);
            }
            _ if !nodes.is_empty() => {
                let at = nodes[below(nodes.len() as u64) as usize].meta.name.to_string();
                let new = made(step + 1, below(7));
                kept.place(&new, &at);
                pods.push((new, at));
            }
            _ => {}
        }
        if step % 50 == 49 {
            let mut anew = Cluster::default();
            nodes.iter().for_each(|node| anew.set_node(node.clone()));
            pods.iter().for_each(|(pod, node)| anew.place(pod, node));
            for sort in 0..7 {
                let tried = made(1_000_000, sort);
                let likes = Selector::of(tried.meta.labels.clone());
                let answer = |cluster: &mut Cluster| {
                    // All nodes are looked at, so the order in which they came is beside the point: the refusals are
                    // compared by node, and the best score.
                    match cluster.schedule(&profile, &tried, Some(&likes), |_| 0) {
                        Ok(placement) => (vec![], placement.fit, placement.score),
                        Err(mut unfit) => {
                            unfit.refusals.sort();
                            (unfit.refusals, 0, 0)
                        }
                    }
                };
                assert_eq!(answer(&mut kept), answer(&mut anew), "step {step}, sort {sort}");
            }
        }
    }
}
