//! The cases of `fixtures/kubernetes`: what the scheduler's own tests expect, as data.

use super::cluster::Cluster;
use super::filters::{Change, Plugin, Question};
use super::plan::Plan;
use super::scores::{Contest, Score, broken_line};
use super::{Profile, Strategy, backoff};
use crate::control::kubernetes::manifests::partial::{node_affinity_of, node_of, pod_of};
use crate::control::kubernetes::manifests::{Tree, load};
use crate::control::kubernetes::objects::{
    Container, Deletion, Labels, Meta, Node, Pod, PodSpec, Resources, Selector, Uid,
};
use sim_core::LocalInstant;
use std::rc::Rc;

fn items<'a>(tree: &'a Tree, name: &str) -> &'a [Rc<Tree>] {
    tree.get(name).map_or(&[], |tree| tree.items())
}

fn text<'a>(tree: &'a Tree, name: &str) -> &'a str {
    tree.get(name).and_then(|tree| tree.text()).unwrap_or_default()
}

fn number(tree: &Tree, name: &str) -> Option<i64> {
    tree.get(name)?.text()?.parse().ok()
}

fn labels(tree: Option<&Rc<Tree>>) -> Labels {
    let super::super::manifests::Value::Map(map) = &tree.expect("labels").value else { panic!("a mapping") };
    map.entries.iter().map(|(key, value)| (key.clone(), value.text().expect("text"))).collect()
}

/// A case's cluster, its pod and the configuration it asks for.
struct Case {
    cluster: Cluster,
    pod: Rc<Pod>,
    profile: Profile,
    likes: Option<Selector>,
}

impl Case {
    fn of(tree: &Tree) -> Self {
        let mut cluster = Cluster::default();
        for namespace in items(tree, "namespaces") {
            let own = namespace.get("labels").map_or_else(Labels::default, |own| labels(Some(own)));
            cluster.set_namespace(text(namespace, "name"), own);
        }
        for node in items(tree, "nodes").iter().chain(items(tree, "unscoredNodes")) {
            cluster.set_node(Rc::new(node_of(node)));
        }
        for (number, tree) in items(tree, "existingPods").iter().enumerate() {
            let mut pod = pod_of(tree);
            pod.meta.uid = Uid(number as u64 + 1);
            if tree.get("metadata").is_some_and(|meta| meta.get("deletionTimestamp").is_some()) {
                pod.meta.deletion = Some(Deletion { due: LocalInstant(0), grace: 30 });
            }
            if let Some(node) = pod.node.clone() {
                cluster.place(&Rc::new(pod), &node);
            }
        }
        let owner = items(tree, "owners").first().map(|owner| Selector::of(labels(owner.get("selector"))));
        let pod = Rc::new(pod_of(tree.get("pod").expect("a pod")));
        Self { cluster, pod, profile: profile(tree.get("args").expect("arguments")), likes: owner }
    }

    fn plan(&mut self) -> Plan {
        Plan::new(&mut self.cluster, &self.profile, &self.pod, self.likes.as_ref())
    }
}

fn profile(args: &Tree) -> Profile {
    // The cases of balance are from before pods without requests were left out.
    let mut profile = Profile { balance_needs_requests: false, ..Profile::default() };
    let named = |tree: &Rc<Tree>| (text(tree, "name").into(), number(tree, "weight").unwrap_or(1));
    if args.get("resources").is_some() {
        profile.resources = items(args, "resources").iter().map(named).collect();
        profile.balanced = profile.resources.iter().map(|(name, _)| name.clone()).collect();
    }
    match text(args, "strategy") {
        "MostAllocated" => profile.strategy = Strategy::MostAllocated,
        "RequestedToCapacityRatio" => profile.strategy = Strategy::RequestedToCapacityRatio(shape(args)),
        _ => {}
    }
    if let Some(weight) = number(args, "hardPodAffinityWeight") {
        profile.hard_pod_affinity_weight = weight;
    }
    if let Some(added) = args.get("addedAffinity") {
        // It is written as the part about nodes alone.
        let quoted = Tree::of_one("nodeAffinity", added);
        profile.added = node_affinity_of(&quoted);
    }
    profile.ignored_groups =
        items(args, "ignoredResourceGroups").iter().filter_map(|one| one.text()).map(Into::into).collect();
    if args.get("maxThresholdPerContainer").is_some() {
        profile.image_maximum_per_container = text(args, "maxThresholdPerContainer") == "true";
    }
    if args.get("defaultConstraints").is_some() {
        let one = |tree: &Rc<Tree>| (number(tree, "maxSkew").expect("a skew"), text(tree, "topologyKey").into());
        profile.default_spread = items(args, "defaultConstraints").iter().map(one).collect();
    }
    profile
}

fn shape(args: &Tree) -> Vec<(i64, i64)> {
    let point = |tree: &Rc<Tree>| Some((number(tree, "utilization")?, number(tree, "score")?));
    items(args, "shape").iter().filter_map(point).collect()
}

fn cases(text: &str) -> Vec<Rc<Tree>> {
    let file = load(text).expect("JSON is YAML").remove(0);
    items(&file, "cases").to_vec()
}

#[test]
fn every_case_of_a_filter_is_exact() {
    let cases = cases(include_str!("../../../../../fixtures/kubernetes/filter-cases.json"));
    assert_eq!(cases.len(), 122);
    for tree in &cases {
        let name = format!("{} {}", text(tree, "id"), text(tree, "title"));
        let plugin = Plugin::ALL.into_iter().find(|plugin| format!("{plugin:?}") == text(tree, "plugin"));
        let plugin = plugin.unwrap_or_else(|| panic!("{name}: an unknown filter"));
        let mut case = Case::of(tree);
        let plan = case.plan();
        assert!(!items(tree, "expected").is_empty(), "{name}");
        for expected in items(tree, "expected") {
            let slot = case.cluster.slot(text(expected, "node")).expect("the node is there");
            let (host, change) = (case.cluster.host(slot), Change::default());
            let question =
                Question { cluster: &case.cluster, profile: &case.profile, plan: &plan, host, change: &change };
            let refusal = question.ask(plugin);
            let code = match &refusal {
                None => "Success",
                Some(refusal) if refusal.resolvable() => "Unschedulable",
                Some(_) => "UnschedulableAndUnresolvable",
            };
            assert_eq!(code, text(expected, "code"), "{name} at {}", text(expected, "node"));
            let wanted: Vec<&str> = items(expected, "reasons").iter().filter_map(|reason| reason.text()).collect();
            if !wanted.is_empty() {
                assert_eq!(refusal.map(|refusal| refusal.reasons()).unwrap_or_default(), wanted, "{name}");
            }
        }
    }
}

#[test]
fn every_case_of_a_score_is_exact() {
    let cases = cases(include_str!("../../../../../fixtures/kubernetes/score-cases.json"));
    assert_eq!(cases.len(), 91);
    for tree in &cases {
        let name = format!("{} {}", text(tree, "id"), text(tree, "title"));
        if text(tree, "plugin") == "BrokenLinear" {
            let shape = shape(tree.get("args").expect("arguments"));
            for point in items(tree, "points") {
                // The function itself is not stretched to a hundred.
                let found = broken_line(&shape, number(point, "p").expect("a point")) / 10;
                assert_eq!(Some(found), number(point, "expected"), "{name}");
            }
            continue;
        }
        let score = match text(tree, "plugin") {
            "NodeResourcesFit" => Score::Fit,
            "NodeResourcesBalancedAllocation" => Score::Balance,
            "NodeAffinity" => Score::NodeAffinity,
            "TaintToleration" => Score::Taints,
            "PodTopologySpread" => Score::Spread,
            "InterPodAffinity" => Score::PodAffinity,
            "ImageLocality" => Score::Images,
            other => panic!("{name}: an unknown score {other}"),
        };
        let mut case = Case::of(tree);
        let plan = case.plan();
        if tree.get("expectError").is_some() {
            assert!(plan.invalid.is_some() || case.profile.problem().is_some(), "{name}");
            continue;
        }
        for (expected, rounds) in [("expected", true), ("expectedV123Truncating", false)] {
            let expected = items(tree, expected);
            if expected.is_empty() {
                assert!(!rounds, "{name}");
                continue;
            }
            case.profile.round_spread = rounds;
            let slot = |node: &Rc<Tree>| case.cluster.slot(text(node, "node")).expect("the node is there");
            let slots: Vec<usize> = expected.iter().map(slot).collect();
            let contest = Contest { cluster: &case.cluster, profile: &case.profile, plan: &plan, slots: &slots };
            // A score that is the same for all nodes is not worked out: it is all or nothing.
            let same = if score == Score::Taints { 100 } else { 0 };
            let found = contest.score(score).unwrap_or_else(|| vec![same; slots.len()]);
            let wanted: Vec<i64> = expected.iter().filter_map(|node| number(node, "score")).collect();
            assert_eq!(found, wanted, "{name}, rounded: {rounds}");
        }
    }
}

#[test]
fn every_case_of_preemption_is_exact() {
    let file =
        load(include_str!("../../../../../fixtures/kubernetes/controllers.json")).expect("JSON is YAML").remove(0);
    let tests = file.get("tests").expect("tests").clone();
    let cases = tests.get("preemptionNode").map(|test| items(test, "cases").to_vec()).expect("cases");
    assert_eq!(cases.len(), 10);
    for case in &cases {
        let name = text(case, "name");
        let mut cluster = Cluster::default();
        let allocatable = resources_of(case.get("nodeAllocatable").expect("what a node has"));
        for node in items(case, "nodes") {
            let meta = Meta::new("", node.text().expect("a name"));
            cluster.set_node(Rc::new(Node { meta, allocatable: allocatable.clone(), ..Node::default() }));
        }
        let pod = |tree: &Tree, uid: u64| {
            let requests = resources_of(tree.get("requests").expect("what it requests"));
            let container = Container { requests, ..Container::default() };
            let priority = number(tree, "priority").expect("a priority") as i32;
            let spec = Rc::new(PodSpec { containers: vec![container], priority, ..PodSpec::default() });
            let mut pod = Pod { meta: Meta::new("", text(tree, "name")), spec, ..Pod::default() };
            pod.meta.uid = Uid(uid);
            pod.status.started = number(tree, "startTime").map(|at| LocalInstant(at as u64));
            Rc::new(pod)
        };
        for (number, tree) in items(case, "pods").iter().enumerate() {
            cluster.place(&pod(tree, number as u64 + 2), text(tree, "node"));
        }
        let preemptor = pod(case.get("preemptor").expect("a pod"), 1);
        let profile = Profile::default();
        let unfit = cluster.schedule(&profile, &preemptor, None, |_| 0).expect_err("it fits nowhere");
        let found = cluster.preempt(&profile, &preemptor, None, &unfit, &[], |_| 0).expect("somebody can go");
        let any: Vec<&str> = items(case, "expectedAnyOf").iter().filter_map(|node| node.text()).collect();
        assert!(any.contains(&&*found.node), "{name}: {} is none of {any:?}", found.node);
        if case.get("expectedVictims").is_some() {
            let wanted: Vec<&str> = items(case, "expectedVictims").iter().filter_map(|pod| pod.text()).collect();
            let victims: Vec<&str> = found.victims.iter().map(|pod| &*pod.meta.name).collect();
            assert_eq!(victims, wanted, "{name}");
        }
    }
    for case in tests.get("schedulerBackoff").map(|test| items(test, "cases").to_vec()).expect("cases") {
        let number = |name| text(&case, name).parse::<u64>().expect("a number");
        let found = backoff(number("initial"), number("max"), number("attempts") as u32);
        assert_eq!(found, number("expected"), "{}", text(&case, "name"));
    }
}

fn resources_of(tree: &Tree) -> Resources {
    let super::super::manifests::Value::Map(map) = &tree.value else { panic!("a mapping") };
    let mut resources = Resources::default();
    for (name, quantity) in &map.entries {
        let quantity = super::super::manifests::quantity::parse(quantity.text().expect("text")).expect("a quantity");
        resources.set(name, if &**name == "cpu" { quantity.thousandths() } else { quantity.units() });
    }
    resources
}
