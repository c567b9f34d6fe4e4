//! Pods and what they are made of.

use super::desk::{At, Fields};
use super::meta::{about, annotations, labels, node_term, resources, selector};
use crate::control::kubernetes::objects::{
    Affinity, Container, Effect, Handler, Labels, Pod, PodSpec, PodTemplate, PodTerm, Port, PortRef, PreferredNode,
    PreferredPod, Probe, Protocol, RestartPolicy, Spread, Text, Toleration, WhenUnsatisfiable,
};
use std::rc::Rc;

/// `template` of a set: labels and a specification. `restart` are the restart policies that it may have, the first by
/// default.
pub fn template(fields: &mut Fields<'_>, restart: &[RestartPolicy]) -> PodTemplate {
    let Some(at) = fields.get("template") else {
        fields.at.wrong("template is missing");
        return PodTemplate::default();
    };
    let mut inner = at.fields();
    let (mut own, mut cost) = (Labels::default(), 0);
    if let Some(at) = inner.get("metadata") {
        let mut meta = at.fields();
        own = labels(&mut meta, "labels").unwrap_or_default();
        cost = annotations(&mut meta);
        meta.silent(&["name"]);
        about(meta);
    }
    let (mut spec, node) = spec(&mut inner, restart);
    inner.done();
    spec.deletion_cost = cost;
    PodTemplate { labels: own, spec: Rc::new(spec), node }
}

/// A pod that stands for itself.
pub fn pod(mut fields: Fields<'_>) -> Pod {
    let (meta, cost) = super::meta::meta_and_cost(&mut fields, true);
    let restart = [RestartPolicy::Always, RestartPolicy::OnFailure, RestartPolicy::Never];
    let (mut spec, node) = spec(&mut fields, &restart);
    spec.deletion_cost = cost;
    fields.silent(&["status"]);
    fields.done();
    Pod { meta, spec: Rc::new(spec), node, ..Pod::default() }
}

fn spec(fields: &mut Fields<'_>, restart: &[RestartPolicy]) -> (PodSpec, Option<Text>) {
    let mut spec = PodSpec::default();
    let Some(at) = fields.get("spec") else {
        fields.at.wrong("spec is missing");
        return (spec, None);
    };
    let mut inner = at.fields();
    spec.containers = containers(inner.get("containers"));
    spec.init = containers(inner.get("initContainers"));
    if spec.containers.is_empty() {
        at.wrong("containers is empty");
    }
    let mut names: Vec<&Text> = spec.containers.iter().chain(&spec.init).map(|container| &container.name).collect();
    names.sort();
    for twice in names.windows(2).filter(|pair| pair[0] == pair[1]) {
        at.wrong(format!("two containers named {}", twice[0]));
    }
    let node_selector = labels(&mut inner, "nodeSelector").unwrap_or_default();
    spec.node_selector = (*node_selector).clone();
    spec.affinity = inner.get("affinity").map(|at| affinity(&at)).unwrap_or_default();
    let spreads = inner.get("topologySpreadConstraints");
    spec.spread = spreads.map(|at| at.items()).unwrap_or_default().iter().filter_map(spread).collect();
    let tolerations = inner.get("tolerations");
    spec.tolerations = tolerations.map(|at| at.items()).unwrap_or_default().iter().map(toleration).collect();
    spec.priority_class = inner.get("priorityClassName").and_then(|at| at.text()).unwrap_or_default();
    spec.priority = inner.get("priority").and_then(|at| at.int()).unwrap_or(0) as i32;
    let never = inner.get("preemptionPolicy").and_then(|at| {
        let words = [("PreemptLowerPriority", true), ("Never", false)];
        at.word(&words, |text| format!("preemptionPolicy {text} is unknown"))
    });
    spec.preempts = never.unwrap_or(true);
    if let Some(grace) = inner.get("terminationGracePeriodSeconds").and_then(|at| at.count()) {
        spec.grace = grace as u32;
    }
    let deadline = inner.get("activeDeadlineSeconds").and_then(|at| at.at_least(1, "must be positive"));
    spec.active_deadline = deadline.map(|seconds| seconds as u32);
    spec.restart = restart[0];
    if let Some(at) = inner.get("restartPolicy") {
        let words = [
            ("Always", RestartPolicy::Always),
            ("OnFailure", RestartPolicy::OnFailure),
            ("Never", RestartPolicy::Never),
        ];
        if let Some(policy) = at.word(&words, |text| format!("restartPolicy {text} is unknown")) {
            if !restart.contains(&policy) {
                let may: Vec<String> = restart.iter().map(|policy| format!("{policy:?}")).collect();
                at.wrong(format!("restartPolicy must be {} here, not {policy:?}", may.join(" or ")));
            }
            spec.restart = policy;
        }
    } else if !restart.contains(&RestartPolicy::Always) {
        at.wrong("restartPolicy must be OnFailure or Never for a job");
    }
    spec.host_network = inner.get("hostNetwork").and_then(|at| at.truth()).unwrap_or(false);
    if spec.host_network {
        for port in spec.containers.iter_mut().flat_map(|container| &mut container.ports) {
            port.host_port = port.container_port;
        }
    }
    spec.overhead = resources(inner.get("overhead")).0;
    let node = inner.get("nodeName").and_then(|at| at.text());
    if let Some(at) = inner.get("schedulerName")
        && at.text().is_some_and(|name| &*name != "default-scheduler")
    {
        at.wrong("schedulerName is not modelled: there is one scheduler, default-scheduler");
    }
    inner.ignore(
        "",
        &[
            "automountServiceAccountToken",
            "dnsConfig",
            "dnsPolicy",
            "enableServiceLinks",
            "hostAliases",
            "hostIPC",
            "hostPID",
            "hostUsers",
            "hostname",
            "imagePullSecrets",
            "os",
            "securityContext",
            "serviceAccount",
            "serviceAccountName",
            "setHostnameAsFQDN",
            "shareProcessNamespace",
            "subdomain",
            "volumes",
        ],
    );
    inner.refuse(&["ephemeralContainers", "readinessGates", "resourceClaims", "runtimeClassName", "schedulingGates"]);
    inner.done();
    (spec, node)
}

fn containers(at: Option<At<'_>>) -> Vec<Container> {
    at.map(|at| at.items()).unwrap_or_default().iter().map(container).collect()
}

fn container(at: &At<'_>) -> Container {
    let of = at.name().split('[').next().unwrap_or_default().to_owned();
    let mut fields = at.fields();
    let mut container = Container {
        name: fields.get("name").and_then(|at| at.text()).unwrap_or_default(),
        image: fields.get("image").and_then(|at| at.scalar()).unwrap_or_default(),
        ..Container::default()
    };
    if container.name.is_empty() {
        at.wrong("a container needs a name");
    }
    if container.image.is_empty() {
        at.wrong("a container needs an image");
    }
    if let Some(at) = fields.get("resources") {
        let mut inner = at.fields();
        let (requests, requested) = resources(inner.get("requests"));
        let (limits, limited) = resources(inner.get("limits"));
        inner.refuse(&["claims"]);
        inner.done();
        container.requests = requests;
        for (name, limit) in &limited {
            let most = limits.named(name).unwrap_or(0);
            match requested.iter().find(|(known, _)| known == name) {
                Some((_, request)) if container.requests.named(name).is_some_and(|asked| asked > most) => {
                    at.wrong(format!("{name} request {request} above limit {limit}"));
                }
                Some(_) => {}
                // What is limited and not requested is requested up to the limit.
                None => container.requests.set(name, most),
            }
        }
        container.limits = limits;
    }
    container.ports = fields.get("ports").map(|at| at.items()).unwrap_or_default().iter().map(port).collect();
    container.startup = fields.get("startupProbe").and_then(|at| probe(&at, "startup"));
    container.liveness = fields.get("livenessProbe").and_then(|at| probe(&at, "liveness"));
    container.readiness = fields.get("readinessProbe").and_then(|at| probe(&at, "readiness"));
    if let Some(at) = fields.get("lifecycle") {
        let mut inner = at.fields();
        if let Some(at) = inner.get("preStop") {
            let mut hook = at.fields();
            if let Some(at) = hook.get("sleep") {
                let mut sleep = at.fields();
                let seconds = sleep.get("seconds").and_then(|at| at.count());
                container.pre_stop_sleep = seconds.unwrap_or(0) as u32;
                sleep.done();
            }
            hook.ignore("preStop", &["exec", "httpGet", "tcpSocket"]);
            hook.done();
        }
        inner.ignore(&of, &["postStart"]);
        inner.silent(&["stopSignal"]);
        inner.done();
    }
    if let Some(at) = fields.get("restartPolicy") {
        at.wrong("restartPolicy of a container (a sidecar) is not modelled, and would change what happens");
    }
    fields.ignore(
        &of,
        &[
            "args",
            "command",
            "env",
            "envFrom",
            "imagePullPolicy",
            "securityContext",
            "stdin",
            "stdinOnce",
            "terminationMessagePath",
            "terminationMessagePolicy",
            "tty",
            "volumeDevices",
            "volumeMounts",
            "workingDir",
        ],
    );
    fields.refuse(&["resizePolicy"]);
    fields.done();
    container
}

/// The number of a port.
pub fn port_number(at: &At<'_>) -> Option<u16> {
    let number = at.int()?;
    if number > 65535 {
        at.wrong(format!("{} {number} above 65535", at.name()));
        return None;
    }
    if number < 1 {
        at.wrong(format!("{} must be at least 1", at.name()));
        return None;
    }
    Some(number as u16)
}

/// A port by its number or its name.
pub fn port_ref(at: &At<'_>) -> Option<PortRef> {
    let text = at.scalar()?;
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        port_number(at).map(PortRef::Number)
    } else {
        Some(PortRef::Named(text))
    }
}

/// What a port speaks.
pub fn protocol(fields: &mut Fields<'_>) -> Protocol {
    let words = [("TCP", Protocol::Tcp), ("UDP", Protocol::Udp), ("SCTP", Protocol::Sctp)];
    let protocol = fields.get("protocol");
    protocol.and_then(|at| at.word(&words, |text| format!("protocol {text} is unknown"))).unwrap_or_default()
}

fn port(at: &At<'_>) -> Port {
    let mut fields = at.fields();
    let port = Port {
        name: fields.get("name").and_then(|at| at.text()).unwrap_or_default(),
        container_port: fields.get("containerPort").and_then(|at| port_number(&at)).unwrap_or(0),
        host_port: fields.get("hostPort").and_then(|at| port_number(&at)).unwrap_or(0),
        host_ip: fields.get("hostIP").and_then(|at| at.text()).unwrap_or_default(),
        protocol: protocol(&mut fields),
    };
    fields.done();
    port
}

fn probe(at: &At<'_>, kind: &str) -> Option<Probe> {
    let mut fields = at.fields();
    let mut handler = None;
    if let Some(at) = fields.get("httpGet") {
        let mut inner = at.fields();
        let path = inner.get("path").and_then(|at| at.text()).unwrap_or_else(|| "/".into());
        let port = inner.get("port").and_then(|at| port_ref(&at));
        inner.silent(&["host", "httpHeaders", "scheme"]);
        inner.done();
        handler = Some(Handler::HttpGet { path, port: port.unwrap_or(PortRef::Number(80)) });
    }
    if let Some(at) = fields.get("tcpSocket") {
        let mut inner = at.fields();
        let port = inner.get("port").and_then(|at| port_ref(&at));
        inner.silent(&["host"]);
        inner.done();
        handler = Some(Handler::TcpSocket { port: port.unwrap_or(PortRef::Number(80)) });
    }
    if let Some(at) = fields.get("grpc") {
        let mut inner = at.fields();
        let port = inner.get("port").and_then(|at| port_number(&at)).unwrap_or(0);
        inner.silent(&["service"]);
        inner.done();
        handler = Some(Handler::Grpc { port });
    }
    if let Some(at) = fields.get("exec") {
        let mut inner = at.fields();
        inner.silent(&["command"]);
        inner.done();
        handler = Some(Handler::Exec);
    }
    if handler.is_none() {
        at.wrong(format!("the {kind} probe needs one of httpGet, tcpSocket, grpc, exec"));
    }
    let mut probe = Probe::new(handler.unwrap_or(Handler::Exec));
    let mut number = |name, into: &mut u32, least, or| {
        if let Some(value) = fields.get(name).and_then(|at| at.at_least(least, or)) {
            *into = value as u32;
        }
    };
    number("initialDelaySeconds", &mut probe.initial_delay, 0, "must not be negative");
    number("periodSeconds", &mut probe.period, 1, "must be positive");
    number("timeoutSeconds", &mut probe.timeout, 1, "must be positive");
    number("successThreshold", &mut probe.success_threshold, 1, "must be positive");
    number("failureThreshold", &mut probe.failure_threshold, 1, "must be positive");
    if probe.success_threshold != 1
        && kind != "readiness"
        && let Some(at) = fields.get("successThreshold")
    {
        at.wrong(format!("successThreshold must be 1 for {kind}"));
    }
    fields.refuse(&["terminationGracePeriodSeconds"]);
    fields.done();
    Some(probe)
}

fn toleration(at: &At<'_>) -> Toleration {
    let mut fields = at.fields();
    let mut toleration = Toleration {
        key: fields.get("key").and_then(|at| at.text()).filter(|key| !key.is_empty()),
        value: fields.get("value").and_then(|at| at.text()).unwrap_or_default(),
        ..Toleration::default()
    };
    if let Some(at) = fields.get("operator") {
        let words = [("Exists", true), ("Equal", false)];
        let exists = at.word(&words, |text| format!("operator {text} is not Equal or Exists"));
        toleration.exists = exists.unwrap_or(false);
        if toleration.exists && !toleration.value.is_empty() {
            at.wrong("operator Exists takes no value");
        }
    }
    if toleration.key.is_none() && !toleration.exists {
        at.wrong("a toleration without a key needs operator Exists");
    }
    toleration.effect = effect(&mut fields);
    if let Some(at) = fields.get("tolerationSeconds") {
        toleration.seconds = at.int();
        if toleration.effect != Some(Effect::NoExecute) {
            at.wrong("tolerationSeconds needs effect NoExecute");
        }
    }
    fields.done();
    toleration
}

/// What a taint does.
pub fn effect(fields: &mut Fields<'_>) -> Option<Effect> {
    let words = [
        ("NoSchedule", Effect::NoSchedule),
        ("PreferNoSchedule", Effect::PreferNoSchedule),
        ("NoExecute", Effect::NoExecute),
    ];
    fields.get("effect").and_then(|at| at.word(&words, |text| format!("effect {text} is unknown")))
}

fn spread(at: &At<'_>) -> Option<Spread> {
    let mut fields = at.fields();
    let max_skew = match fields.get("maxSkew") {
        Some(at) => at.at_least(1, "must be at least 1"),
        None => {
            at.wrong("maxSkew is missing");
            None
        }
    };
    let topology_key = topology_key(at, &mut fields);
    let words =
        [("DoNotSchedule", WhenUnsatisfiable::DoNotSchedule), ("ScheduleAnyway", WhenUnsatisfiable::ScheduleAnyway)];
    let when = fields.get("whenUnsatisfiable");
    let when = when.and_then(|at| at.word(&words, |text| format!("whenUnsatisfiable {text} is unknown")));
    let chosen = fields.get("labelSelector").map(|at| selector(&at));
    if chosen.is_none() {
        at.warn("labelSelector missing: matches nothing");
    }
    let keys = fields.get("matchLabelKeys").map(|at| at.texts()).unwrap_or_default();
    let domains = fields.get("minDomains").and_then(|at| at.at_least(1, "must be positive"));
    let mut honour = |name, otherwise| {
        let words = [("Honor", true), ("Ignore", false)];
        let at: Option<At<'_>> = fields.get(name);
        at.and_then(|at| at.word(&words, |text| format!("{name} {text} is unknown"))).unwrap_or(otherwise)
    };
    let (affinity, taints) = (honour("nodeAffinityPolicy", true), honour("nodeTaintsPolicy", false));
    fields.done();
    Some(Spread {
        max_skew: max_skew?,
        topology_key,
        when: when.unwrap_or_default(),
        selector: chosen,
        match_label_keys: keys,
        min_domains: domains,
        honor_affinity: affinity,
        honor_taints: taints,
    })
}

fn topology_key(at: &At<'_>, fields: &mut Fields<'_>) -> Text {
    let key = fields.get("topologyKey").and_then(|at| at.text()).unwrap_or_default();
    if key.is_empty() {
        at.wrong("topologyKey is missing");
    }
    key
}

fn pod_term(at: &At<'_>) -> PodTerm {
    let mut fields = at.fields();
    let term = PodTerm {
        selector: fields.get("labelSelector").map(|at| selector(&at)),
        namespaces: fields.get("namespaces").map(|at| at.texts()).unwrap_or_default(),
        namespace_selector: fields.get("namespaceSelector").map(|at| selector(&at)),
        topology_key: topology_key(at, &mut fields),
    };
    fields.refuse(&["matchLabelKeys", "mismatchLabelKeys"]);
    fields.done();
    term
}

/// The weight of a preference, and what `inner` names of it.
fn preferred<T>(at: &At<'_>, inner: &'static str, read: impl Fn(&At<'_>) -> T) -> Option<(i64, T)> {
    let mut fields = at.fields();
    let weight = fields.get("weight").and_then(|at| {
        let weight = at.int()?;
        if !(1..=100).contains(&weight) {
            at.wrong("weight must be 1 to 100");
        }
        Some(weight)
    });
    let term = fields.get(inner).map(|at| read(&at));
    if term.is_none() || weight.is_none() {
        at.wrong(format!("a preference needs weight and {inner}"));
    }
    fields.done();
    Some((weight?, term?))
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

/// What a pod is drawn to and kept away from.
pub fn affinity(at: &At<'_>) -> Affinity {
    let mut affinity = Affinity::default();
    let mut fields = at.fields();
    if let Some(at) = fields.get("nodeAffinity") {
        let mut inner = at.fields();
        if let Some(at) = inner.get(REQUIRED) {
            let mut terms = at.fields();
            let listed = terms.get("nodeSelectorTerms").map(|at| at.items()).unwrap_or_default();
            affinity.node_required = Some(listed.iter().map(node_term).collect());
            terms.done();
        }
        let listed = inner.get(PREFERRED).map(|at| at.items()).unwrap_or_default();
        let one = |at: &At<'_>| preferred(at, "preference", node_term);
        let terms = listed.iter().filter_map(one);
        affinity.node_preferred = terms.map(|(weight, term)| PreferredNode { weight, term }).collect();
        inner.done();
    }
    let mut pods = |name| {
        let at: Option<At<'_>> = fields.get(name);
        let Some(at) = at else { return (Vec::new(), Vec::new()) };
        let mut inner = at.fields();
        let required = inner.get(REQUIRED).map(|at| at.items()).unwrap_or_default();
        let listed = inner.get(PREFERRED).map(|at| at.items()).unwrap_or_default();
        inner.done();
        let one = |at: &At<'_>| preferred(at, "podAffinityTerm", pod_term);
        let terms = listed.iter().filter_map(one).map(|(weight, term)| PreferredPod { weight, term });
        (required.iter().map(pod_term).collect(), terms.collect())
    };
    (affinity.pod_required, affinity.pod_preferred) = pods("podAffinity");
    (affinity.anti_required, affinity.anti_preferred) = pods("podAntiAffinity");
    fields.done();
    affinity
}
