//! How fast the Kubernetes scheduler finds a node for each of thirty pods a node: the decision alone, without the cluster
//! that it is made for.

use std::fmt::Write;
use std::rc::Rc;
use std::time::Instant as Wall;
use systems::control::kubernetes::objects::{Container, Labels, Meta, Node, Pod, PodSpec, Resources, Selector, Uid};
use systems::control::kubernetes::scheduling::{Cluster, Profile, nodes_to_find};

/// Pods that each node gets, of so many deployments.
const PODS: usize = 30;
const DEPLOYMENTS: usize = 100;

fn nodes(number: usize) -> Cluster {
    let mut cluster = Cluster::default();
    for at in 0..number {
        let (name, zone) = (format!("node-{at}"), format!("zone-{}", at % 3));
        let mut meta = Meta::new("", &name);
        meta.labels = [("kubernetes.io/hostname", name), ("topology.kubernetes.io/zone", zone)].into_iter().collect();
        let allocatable =
            Resources { cpu: Some(8000), memory: Some(32 << 30), pods: Some(110), ..Resources::default() };
        cluster.set_node(Rc::new(Node { meta, allocatable, ..Node::default() }));
    }
    cluster
}

fn templates() -> Vec<(Selector, Labels, Rc<PodSpec>)> {
    let template = |number: usize| {
        let labels: Labels = [("app", format!("app-{number}"))].into_iter().collect();
        let cpu = Some(100 + 10 * (number as i64 % 10));
        let requests = Resources { cpu, memory: Some(256 << 20), ..Resources::default() };
        let container = Container { name: "c".into(), requests, ..Container::default() };
        let spec = PodSpec { containers: vec![container], ..PodSpec::default() };
        (Selector::of(labels.clone()), labels, Rc::new(spec))
    };
    (0..DEPLOYMENTS).map(template).collect()
}

/// Seconds for all pods of so many nodes.
fn seconds(number: usize) -> f64 {
    let (mut cluster, templates, profile) = (nodes(number), templates(), Profile::default());
    let mut state = 1u64;
    let start = Wall::now();
    for pod in 0..number * PODS {
        let (likes, labels, spec) = &templates[pod % DEPLOYMENTS];
        let mut meta = Meta::new("default", &format!("pod-{pod}"));
        (meta.uid, meta.labels) = (Uid(pod as u64 + 1), labels.clone());
        let pod = Rc::new(Pod { meta, spec: spec.clone(), ..Pod::default() });
        let placed = cluster.schedule(&profile, &pod, Some(likes), |below| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        });
        cluster.place(&pod, &placed.expect("there is room").node);
    }
    start.elapsed().as_secs_f64()
}

/// Pods a second over the number of nodes.
pub fn rows(json: &mut String) {
    println!("{:<28} {:>12} {:>12} {:>12} {:>16}", "scheduling", "pods", "seconds", "pods/s", "us a scored node");
    json.push_str("\"scheduling\": [");
    for number in [100, 500, 1000, 2000, 5000] {
        let (pods, took) = (number * PODS, seconds(number));
        let (rate, scored) = (pods as f64 / took, nodes_to_find(number, 0));
        let each = took * 1e6 / (pods * scored) as f64;
        println!(
            "{:<28} {pods:>12} {took:>12.2} {rate:>12.0} {each:>16.3}",
            format!("{number} nodes, {scored} scored")
        );
        let comma = if number == 100 { "" } else { ", " };
        let _ = write!(
            json,
            "{comma}{{\"nodes\": {number}, \"pods\": {pods}, \"seconds\": {took:.3}, \"pods_per_second\": {rate:.0}, \
             \"us_per_scored_node\": {each:.4}}}"
        );
    }
    json.push_str("], ");
}
