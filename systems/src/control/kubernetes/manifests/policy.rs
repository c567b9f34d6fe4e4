//! Services, budgets, autoscalers, priorities, name spaces and nodes.

use super::desk::{At, Fields};
use super::meta::{int_or_percent, labels, meta, resources, selector};
use super::pod::{effect, port_number, port_ref, protocol};
use super::quantity;
use super::workloads::spec;
use crate::control::kubernetes::objects::{
    Autoscaler, Behavior, Budget, Effect, Image, Kind, Metric, MetricSource, MetricTarget, Namespace, Node, PortRef,
    PriorityClass, RatePolicy, RateUnit, ScalingRules, Select, Service, ServicePort, Taint, Text,
};

/// A service.
pub fn service(mut fields: Fields<'_>) -> Service {
    let meta = meta(&mut fields, true);
    let mut inner = spec(&mut fields);
    let mut service = Service { meta, selector: labels(&mut inner, "selector"), ..Service::default() };
    service.ports =
        inner.get("ports").map(|at| at.items()).unwrap_or_default().iter().filter_map(service_port).collect();
    service.headless = inner.get("clusterIP").and_then(|at| at.text()).is_some_and(|ip| &*ip == "None");
    let publish = inner.get("publishNotReadyAddresses");
    service.publish_not_ready = publish.and_then(|at| at.truth()).unwrap_or(false);
    if service.ports.is_empty() && !service.headless {
        inner.at.wrong("ports is empty");
    }
    let words = [("None", false), ("ClientIP", true)];
    let sticky = inner.get("sessionAffinity");
    let sticky = sticky.and_then(|at| at.word(&words, |text| format!("sessionAffinity {text} is unknown")));
    let mut seconds = 10_800;
    if let Some(at) = inner.get("sessionAffinityConfig") {
        let mut config = at.fields();
        if let Some(at) = config.get("clientIP") {
            let mut client = at.fields();
            let given = client.get("timeoutSeconds").and_then(|at| at.at_least(1, "must be positive"));
            seconds = given.unwrap_or(seconds);
            client.done();
        }
        config.done();
    }
    service.affinity = sticky.unwrap_or(false).then_some(seconds as u32);
    let words = [("Cluster", false), ("Local", true)];
    let local = inner.get("internalTrafficPolicy");
    let local = local.and_then(|at| at.word(&words, |text| format!("internalTrafficPolicy {text} is unknown")));
    service.local = local.unwrap_or(false);
    if let Some(at) = inner.get("type") {
        let words = [("ClusterIP", true), ("NodePort", true), ("LoadBalancer", true), ("ExternalName", false)];
        if at.word(&words, |text| format!("type {text} is unknown")) == Some(false) {
            at.wrong("type ExternalName is not modelled: it names no pods");
        }
    }
    inner.silent(&[
        "allocateLoadBalancerNodePorts",
        "clusterIPs",
        "externalName",
        "healthCheckNodePort",
        "ipFamilies",
        "ipFamilyPolicy",
        "loadBalancerClass",
        "loadBalancerIP",
    ]);
    inner.ignore("", &["externalIPs", "externalTrafficPolicy", "loadBalancerSourceRanges"]);
    inner.refuse(&["trafficDistribution"]);
    inner.done();
    fields.silent(&["status"]);
    fields.done();
    service
}

fn service_port(at: &At<'_>) -> Option<ServicePort> {
    let mut fields = at.fields();
    let port = match fields.get("port") {
        Some(at) => port_number(&at),
        None => {
            at.wrong("a port of a service needs port");
            None
        }
    };
    let target = fields.get("targetPort").and_then(|at| port_ref(&at));
    let name = fields.get("name").and_then(|at| at.text()).unwrap_or_default();
    let protocol = protocol(&mut fields);
    fields.silent(&["appProtocol", "nodePort"]);
    fields.done();
    let port = port?;
    Some(ServicePort { name, port, target: target.unwrap_or(PortRef::Number(port)), protocol })
}

/// A disruption budget.
pub fn budget(mut fields: Fields<'_>) -> Budget {
    let meta = meta(&mut fields, true);
    let mut inner = spec(&mut fields);
    let budget = Budget {
        meta,
        selector: inner.get("selector").map(|at| selector(&at)),
        min_available: inner.get("minAvailable").and_then(|at| int_or_percent(&at)),
        max_unavailable: inner.get("maxUnavailable").and_then(|at| int_or_percent(&at)),
        evict_unhealthy: inner
            .get("unhealthyPodEvictionPolicy")
            .and_then(|at| {
                let words = [("IfHealthyBudget", false), ("AlwaysAllow", true)];
                at.word(&words, |text| format!("unhealthyPodEvictionPolicy {text} is unknown"))
            })
            .unwrap_or(false),
        ..Budget::default()
    };
    match (&budget.min_available, &budget.max_unavailable) {
        (Some(_), Some(_)) => inner.at.wrong("minAvailable and maxUnavailable together"),
        (None, None) => inner.at.wrong("a budget needs minAvailable or maxUnavailable"),
        _ => {}
    }
    if budget.selector.is_none() {
        inner.at.warn("selector missing: matches nothing");
    }
    inner.done();
    fields.silent(&["status"]);
    fields.done();
    budget
}

/// A priority class.
pub fn priority_class(mut fields: Fields<'_>) -> PriorityClass {
    let meta = meta(&mut fields, false);
    let value = fields.get("value").and_then(|at| {
        let value = at.int()?;
        if value.abs() > 1_000_000_000 && !meta.name.starts_with("system-") {
            at.wrong("value must be between -1000000000 and 1000000000");
        }
        Some(value as i32)
    });
    if value.is_none() {
        fields.at.wrong("value is missing");
    }
    let words = [("PreemptLowerPriority", true), ("Never", false)];
    let preempts = fields.get("preemptionPolicy");
    let preempts = preempts.and_then(|at| at.word(&words, |text| format!("preemptionPolicy {text} is unknown")));
    let class = PriorityClass {
        meta,
        value: value.unwrap_or(0),
        global_default: fields.get("globalDefault").and_then(|at| at.truth()).unwrap_or(false),
        preempts: preempts.unwrap_or(true),
    };
    fields.silent(&["description"]);
    fields.done();
    class
}

/// A name space.
pub fn namespace(mut fields: Fields<'_>) -> Namespace {
    let meta = meta(&mut fields, false);
    fields.silent(&["spec", "status"]);
    fields.done();
    Namespace { meta }
}

/// A node.
pub fn node(mut fields: Fields<'_>) -> Node {
    let mut node = Node { meta: meta(&mut fields, false), ..Node::default() };
    if let Some(at) = fields.get("spec") {
        let mut inner = at.fields();
        node.unschedulable = inner.get("unschedulable").and_then(|at| at.truth()).unwrap_or(false);
        node.taints = inner.get("taints").map(|at| at.items()).unwrap_or_default().iter().map(taint).collect();
        inner.silent(&["podCIDR", "podCIDRs", "providerID"]);
        inner.done();
    }
    if let Some(at) = fields.get("status") {
        let mut inner = at.fields();
        let capacity = resources(inner.get("capacity")).0;
        let allocatable = inner.get("allocatable");
        node.allocatable = if allocatable.is_some() { resources(allocatable).0 } else { capacity };
        node.images = inner.get("images").map(|at| at.items()).unwrap_or_default().iter().map(image).collect();
        inner.silent(&["addresses", "conditions", "daemonEndpoints", "nodeInfo", "phase"]);
        inner.done();
    }
    fields.done();
    node
}

fn taint(at: &At<'_>) -> Taint {
    let mut fields = at.fields();
    let key = fields.get("key").and_then(|at| at.text()).unwrap_or_default();
    let value = fields.get("value").and_then(|at| at.text()).unwrap_or_default();
    let effect = effect(&mut fields);
    if key.is_empty() || effect.is_none() {
        at.wrong("a taint needs key and effect");
    }
    fields.silent(&["timeAdded"]);
    fields.done();
    Taint { key, value, effect: effect.unwrap_or(Effect::NoSchedule), added: None }
}

fn image(at: &At<'_>) -> Image {
    let mut fields = at.fields();
    let names = fields.get("names").map(|at| at.texts()).unwrap_or_default();
    let bytes = fields.get("sizeBytes").and_then(|at| at.count_of_bytes()).unwrap_or(0);
    fields.done();
    Image { names, bytes }
}

/// What an autoscaler scales: its kind and name, and where that stands.
pub fn autoscaler<'a>(mut fields: Fields<'a>, version: &str) -> (Autoscaler, Option<At<'a>>) {
    let meta = meta(&mut fields, true);
    let mut inner = spec(&mut fields);
    let mut scaler = Autoscaler { meta, min: 1, ..Autoscaler::default() };
    let target = inner.get("scaleTargetRef");
    match &target {
        Some(at) => {
            let mut inner = at.fields();
            let words = [
                ("Deployment", Kind::Deployment),
                ("ReplicaSet", Kind::ReplicaSet),
                ("StatefulSet", Kind::StatefulSet),
            ];
            let kind = inner.get("kind");
            let kind = kind.and_then(|at| at.word(&words, |text| format!("{text} can not be scaled")));
            scaler.target_kind = kind;
            scaler.target = inner.get("name").and_then(|at| at.text()).unwrap_or_default();
            inner.silent(&["apiVersion"]);
            inner.done();
        }
        None => inner.at.wrong("scaleTargetRef is missing"),
    }
    let min = inner.get("minReplicas");
    if let Some(least) = min.as_ref().and_then(|at| at.at_least(1, "must be at least 1")) {
        scaler.min = least as i32;
    }
    match inner.get("maxReplicas") {
        Some(at) => {
            if let Some(most) = at.at_least(1, "must be at least 1") {
                scaler.max = most as i32;
                if scaler.min > scaler.max {
                    let at = min.as_ref().unwrap_or(&at);
                    at.wrong(format!("minReplicas {} above maxReplicas {most}", scaler.min));
                }
            }
        }
        None => inner.at.wrong("maxReplicas is missing"),
    }
    if version == "v1" {
        let percent = inner.get("targetCPUUtilizationPercentage");
        let percent = percent.and_then(|at| at.at_least(1, "must be at least 1")).unwrap_or(80);
        scaler.metrics = vec![Metric { source: cpu(), target: MetricTarget::Utilization(percent) }];
    } else {
        let listed = inner.get("metrics").map(|at| at.items());
        let standard = || vec![Metric { source: cpu(), target: MetricTarget::Utilization(80) }];
        scaler.metrics = listed.map_or_else(standard, |listed| listed.iter().filter_map(metric).collect());
        scaler.behavior = inner.get("behavior").map(|at| behavior(&at));
    }
    inner.done();
    fields.silent(&["status"]);
    fields.done();
    (scaler, target)
}

fn cpu() -> MetricSource {
    MetricSource::Resource { resource: "cpu".into(), container: None }
}

fn metric(at: &At<'_>) -> Option<Metric> {
    let mut fields = at.fields();
    let kind = fields.get("type").and_then(|at| at.text()).unwrap_or_default();
    let metric = match &*kind {
        "Resource" | "ContainerResource" => {
            let of = fields.get(if &*kind == "Resource" { "resource" } else { "containerResource" });
            of.and_then(|at| {
                let mut inner = at.fields();
                let resource = inner.get("name").and_then(|at| {
                    let name = at.text()?;
                    if !matches!(&*name, "cpu" | "memory") {
                        at.wrong(format!("nobody measures {name}: cpu or memory"));
                    }
                    Some(name)
                });
                let container = inner.get("container").and_then(|at| at.text());
                let target = target(&mut inner);
                inner.done();
                Some(Metric { source: MetricSource::Resource { resource: resource?, container }, target: target? })
            })
        }
        "Pods" => fields.get("pods").and_then(|at| {
            let mut inner = at.fields();
            let name = inner.get("metric").and_then(|at| {
                let mut metric = at.fields();
                let name = metric.get("name").and_then(|at| at.text());
                metric.silent(&["selector"]);
                metric.done();
                name
            });
            let target = target(&mut inner);
            inner.done();
            Some(Metric { source: MetricSource::Pods { name: name? }, target: target? })
        }),
        other => {
            let known = "Resource, ContainerResource or Pods";
            at.wrong(match other {
                "" => format!("a metric needs a type: {known}"),
                other => format!("metrics of type {other} are not modelled: {known}"),
            });
            fields.silent(&["containerResource", "external", "object", "pods", "resource"]);
            fields.done();
            return None;
        }
    };
    if metric.is_none() {
        at.wrong("a metric needs a name and a target");
    }
    fields.done();
    metric
}

fn target(fields: &mut Fields<'_>) -> Option<MetricTarget> {
    let mut inner = fields.get("target")?.fields();
    let thousandths = |at: At<'_>| -> Option<i64> {
        let text: Text = at.scalar()?;
        let quantity = quantity::parse(&text).filter(|quantity| !quantity.negative());
        if quantity.is_none() {
            at.wrong(format!("{text} is not a quantity"));
        }
        quantity.map(quantity::Quantity::thousandths)
    };
    let utilization = inner.get("averageUtilization");
    let utilization = utilization.map(|at| at.at_least(1, "must be at least 1").unwrap_or(80));
    let average = inner.get("averageValue").map(|at| thousandths(at).unwrap_or(1));
    let value = inner.get("value").map(|at| thousandths(at).unwrap_or(1));
    inner.silent(&["type"]);
    inner.done();
    let target = utilization.map(MetricTarget::Utilization);
    target.or(average.map(MetricTarget::AverageValue)).or(value.map(MetricTarget::Value))
}

fn behavior(at: &At<'_>) -> Behavior {
    let mut behavior = Behavior::default();
    let mut fields = at.fields();
    for (name, rules) in [("scaleUp", &mut behavior.up), ("scaleDown", &mut behavior.down)] {
        if let Some(at) = fields.get(name) {
            scaling_rules(&at, rules);
        }
    }
    fields.done();
    behavior
}

fn scaling_rules(at: &At<'_>, rules: &mut ScalingRules) {
    let mut fields = at.fields();
    if let Some(at) = fields.get("stabilizationWindowSeconds") {
        rules.window = at.count().map(|seconds| seconds as u32).or(rules.window);
    }
    let words = [("Max", Select::Max), ("Min", Select::Min), ("Disabled", Select::Disabled)];
    let select = fields.get("selectPolicy");
    let select = select.and_then(|at| at.word(&words, |text| format!("selectPolicy {text} is unknown")));
    rules.select = select.unwrap_or_default();
    if let Some(at) = fields.get("policies") {
        rules.policies = at.items().iter().filter_map(rate_policy).collect();
    }
    fields.refuse(&["tolerance"]);
    fields.done();
}

fn rate_policy(at: &At<'_>) -> Option<RatePolicy> {
    let mut fields = at.fields();
    let words = [("Pods", RateUnit::Pods), ("Percent", RateUnit::Percent)];
    let unit = fields.get("type");
    let unit = unit.and_then(|at| at.word(&words, |text| format!("policies of type {text} are unknown")));
    let value = fields.get("value").and_then(|at| at.at_least(1, "must be positive"));
    let period = fields.get("periodSeconds").and_then(|at| at.at_least(1, "must be positive"));
    if period.is_some_and(|period| period > 1800) {
        at.wrong("periodSeconds must be at most 1800");
    }
    fields.done();
    if unit.is_none() || value.is_none() || period.is_none() {
        at.wrong("a policy needs type, value and periodSeconds");
    }
    Some(RatePolicy { unit: unit?, value: value?, period: period? as u32 })
}
