//! The objects that a cluster begins with: those of its manifests, or the deployment, the service and the rest that
//! options describe.

use super::api::Obj;
use super::manifests;
use super::objects::{
    Autoscaler, Behavior, Budget, Container, Deployment, Effect, Handler, IntOrPercent, Kind, Labels, Meta, Metric,
    MetricSource, MetricTarget, Namespace, Node, Object, PodSpec, PodTemplate, PortRef, PriorityClass, Probe,
    Resources, Selector, Service, ServicePort, Spread, Strategy, Taint, Text, Toleration, WhenUnsatisfiable,
};
use super::options::{Config, Readiness, SpreadOver};
use sim_core::FileText;
use std::rc::Rc;

/// The name space that everything is in that names none.
pub(super) const DEFAULT: &str = "default";
/// The name of what options describe.
const APP: &str = "app";

/// What manifests say.
#[derive(Debug, PartialEq, Eq)]
pub struct Applied {
    objects: Vec<Object>,
    /// How many services are among it.
    pub services: u16,
}

/// What an operator applies first. The name space comes last: where that is, everything was applied.
pub(super) fn objects(config: &Config) -> Vec<Obj> {
    let mut all = config.applied.as_ref().map_or_else(|| inline(config), |applied| applied.objects.clone());
    all.retain(|object| object.kind() != Kind::Node);
    // Pods that need a class, or a name space, come when that is there.
    all.sort_by_key(Object::kind);
    admit(&mut all);
    all.push(Object::from(Namespace { meta: Meta::new("", DEFAULT) }));
    all.into_iter().map(Obj::new).collect()
}

/// What a manifest says of the worker with this number, counted from 0: its nodes are the workers, in order.
pub(super) fn node(config: &Config, worker: usize) -> Option<Rc<Node>> {
    let node = |object: &Object| if let Object::Node(node) = object { Some(Rc::clone(node)) } else { None };
    config.applied.as_ref()?.objects.iter().filter_map(node).nth(worker)
}

/// The taint of nodes that are there for one application.
const DEDICATED: &str = "dedicated";

/// The taints that a node registers with.
pub(super) fn taints(config: &Config) -> Vec<Taint> {
    let taint = Taint { key: DEDICATED.into(), value: APP.into(), effect: Effect::NoExecute, added: None };
    if config.dedicated { vec![taint] } else { Vec::new() }
}

/// The objects of manifests; `None` without any. What is wrong in them was said before.
pub(super) fn read(files: &[FileText]) -> Option<Rc<Applied>> {
    if files.is_empty() {
        return None;
    }
    let objects = manifests::read_all(files).map(|manifest| manifest.objects).unwrap_or_default();
    let services = objects.iter().filter(|object| matches!(object, Object::Service(_))).count() as u16;
    Some(Rc::new(Applied { objects, services }))
}

/// What admission makes of priority classes: each pod has the priority of its class, or of the usual one.
fn admit(all: &mut [Object]) {
    let classes: Vec<Rc<PriorityClass>> = all
        .iter()
        .filter_map(|object| if let Object::PriorityClass(class) = object { Some(Rc::clone(class)) } else { None })
        .collect();
    if classes.is_empty() {
        return;
    }
    for object in all {
        let spec = match object {
            Object::Deployment(set) => &mut Rc::make_mut(set).template.spec,
            Object::ReplicaSet(set) => &mut Rc::make_mut(set).template.spec,
            Object::StatefulSet(set) => &mut Rc::make_mut(set).template.spec,
            Object::DaemonSet(set) => &mut Rc::make_mut(set).template.spec,
            Object::Job(job) => &mut Rc::make_mut(job).spec.template.spec,
            Object::Pod(pod) => &mut Rc::make_mut(pod).spec,
            _ => continue,
        };
        let named = |class: &&Rc<PriorityClass>| {
            if spec.priority_class.is_empty() { class.global_default } else { class.meta.name == spec.priority_class }
        };
        if let Some(class) = classes.iter().find(named) {
            let spec = Rc::make_mut(spec);
            (spec.priority, spec.preempts) = (class.value, spec.preempts && class.preempts);
        }
    }
}

fn meta(name: &str, labels: &Labels) -> Meta {
    Meta { labels: labels.clone(), ..Meta::new(DEFAULT, name) }
}

fn deployment(name: &str, replicas: u32, spec: PodSpec, config: &Config) -> Deployment {
    let labels: Labels = [("app", name)].into_iter().collect();
    let int = |number: u32| IntOrPercent::Int(i32::try_from(number).unwrap_or(i32::MAX));
    let (max_surge, max_unavailable) = (int(config.max_surge), int(config.max_unavailable));
    Deployment {
        meta: meta(name, &labels),
        replicas: replicas as i32,
        selector: Selector::of(labels.clone()),
        template: PodTemplate { labels, spec: Rc::new(spec), node: None },
        strategy: Strategy::RollingUpdate { max_surge, max_unavailable },
        min_ready: config.min_ready,
        revision_history: 10,
        progress_deadline: 600,
        ..Deployment::default()
    }
}

fn inline(config: &Config) -> Vec<Object> {
    let mut all: Vec<Object> = Vec::new();
    if config.neighbours > 0 {
        let container = Container { name: "burns".into(), image: "burn:1".into(), ..Container::default() };
        let spec = PodSpec { containers: vec![container], ..PodSpec::default() };
        all.push(deployment("neighbour", config.neighbours, spec, config).into());
    }
    if config.replicas == 0 {
        return all;
    }
    let labels: Labels = [("app", APP)].into_iter().collect();
    let probe = Probe { period: config.probe_period, ..Probe::new(Handler::TcpSocket { port: PortRef::Number(8080) }) };
    let (requests, limits) = (cpu(config.cpu_request), cpu(config.cpu_limit));
    let readiness = (config.readiness != Readiness::None).then_some(probe);
    let container =
        Container { name: APP.into(), image: "app:1".into(), requests, limits, readiness, ..Container::default() };
    let spread = Spread {
        max_skew: 1,
        topology_key: match config.spread {
            SpreadOver::Nodes => "kubernetes.io/hostname".into(),
            SpreadOver::None | SpreadOver::Zones => "topology.kubernetes.io/zone".into(),
        },
        when: WhenUnsatisfiable::DoNotSchedule,
        selector: Some(Selector::of(labels.clone())),
        match_label_keys: vec!["pod-template-hash".into()],
        min_domains: None,
        honor_affinity: true,
        honor_taints: false,
    };
    let spread = if config.spread == SpreadOver::None { Vec::new() } else { vec![spread] };
    let dedicated = Toleration {
        key: Some(DEDICATED.into()),
        value: APP.into(),
        effect: Some(Effect::NoExecute),
        ..Toleration::default()
    };
    let tolerations = if config.dedicated { vec![dedicated] } else { Vec::new() };
    let spec = PodSpec { containers: vec![container], spread, tolerations, ..PodSpec::default() };
    all.push(deployment(APP, config.replicas, spec, config).into());
    let port = ServicePort {
        name: "".into(),
        port: 80,
        target: PortRef::Number(8080),
        protocol: super::objects::Protocol::Tcp,
    };
    all.push(
        Service { meta: meta(APP, &labels), selector: Some(labels.clone()), ports: vec![port], ..Service::default() }
            .into(),
    );
    if config.budget > 0 {
        let max_unavailable = Some(IntOrPercent::Int(config.budget as i32));
        let selector = Some(Selector::of(labels.clone()));
        all.push(Budget { meta: meta(APP, &labels), selector, max_unavailable, ..Budget::default() }.into());
    }
    if config.autoscale_to > 0 {
        let target = MetricTarget::Utilization(i64::from(config.autoscale_at));
        let metric = Metric { source: MetricSource::Resource { resource: "cpu".into(), container: None }, target };
        let mut behavior = Behavior::default();
        behavior.down.window = Some((config.stabilisation.0 / 1_000_000_000) as u32);
        all.push(
            Autoscaler {
                meta: meta(APP, &labels),
                target_kind: Some(Kind::Deployment),
                target: APP.into(),
                min: config.replicas as i32,
                max: config.autoscale_to as i32,
                metrics: vec![metric],
                behavior: Some(behavior),
                ..Autoscaler::default()
            }
            .into(),
        );
    }
    all
}

fn cpu(milli: u32) -> Resources {
    Resources { cpu: (milli > 0).then_some(i64::from(milli)), ..Resources::default() }
}

/// The label that counts templates which an operator has rolled out.
pub(super) const RELEASE: &str = "release";

/// Which template of an operator's a pod is of; the first has no label.
pub(super) fn release(labels: &Labels) -> u64 {
    labels.value(RELEASE).and_then(|value: &Text| value.parse().ok()).unwrap_or(1)
}
