//! Manifests: the YAML that people give to `kubectl apply`, made into objects.
//!
//! What would change what happens and is not modelled is refused, with its line; what changes nothing is noted once.
//! All mistakes of a file are said at once, except those of syntax, after which nothing can be trusted: then nothing
//! is read at all. A file is bounded in bytes, documents and values (`tree`), so that one made to hurt costs one
//! message.

mod cron;
mod desk;
mod meta;
mod pod;
mod policy;
pub(super) mod quantity;
mod tree;
mod workloads;

pub use desk::Remark;
pub use tree::{Broken, MOST_BYTES, Tree, Value, load};

use super::objects::{Kind, Labels, Object, PodTemplate, PortRef, Service, Text};
use desk::{At, Desk};
use sim_core::sorted::SortedMap;
use sim_core::{FileProblem, FileReading, FileText};

/// What a manifest says.
#[derive(Clone, Debug, Default)]
pub struct Manifest {
    /// Its objects, in its order.
    pub objects: Vec<Object>,
    /// What is legal in it and changes nothing, each once.
    pub notices: Vec<String>,
    /// What is odd in it, and used all the same.
    pub warnings: Vec<Remark>,
}

/// The kinds that are modelled, with the version of the API that has them.
const MODELLED: [(&str, &str); 14] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("policy/v1", "PodDisruptionBudget"),
    ("scheduling.k8s.io/v1", "PriorityClass"),
    ("v1", "Node"),
    ("v1", "Namespace"),
    ("v1", "List"),
];

/// Kinds that change nothing here.
const SKIPPED: [&str; 24] = [
    "ClusterRole",
    "ClusterRoleBinding",
    "ConfigMap",
    "CustomResourceDefinition",
    "EndpointSlice",
    "Endpoints",
    "Event",
    "Ingress",
    "IngressClass",
    "LimitRange",
    "MutatingWebhookConfiguration",
    "NetworkPolicy",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "PodSecurityPolicy",
    "PodTemplate",
    "ResourceQuota",
    "Role",
    "RoleBinding",
    "Secret",
    "ServiceAccount",
    "StorageClass",
    "ValidatingWebhookConfiguration",
    "VolumeSnapshotClass",
];

/// An object that was read without a mistake, and where it stands.
struct Read<'a> {
    object: Object,
    at: At<'a>,
    file: usize,
    document: u32,
}

/// Reads the manifest of one text.
///
/// # Errors
/// All mistakes in it, in the order of their lines, the warnings among them.
pub fn read(text: &str) -> Result<Manifest, Vec<Remark>> {
    read_all(&[FileText { file: String::new(), text: text.to_owned() }])
}

/// Reads the manifest that files make together: what one names, another may have.
///
/// # Errors
/// All mistakes in them, file by file, in the order of their lines, the warnings among them.
pub fn read_all(files: &[FileText]) -> Result<Manifest, Vec<Remark>> {
    let mut broken = Vec::new();
    let mut documents = Vec::new();
    for (file, FileText { text, .. }) in files.iter().enumerate() {
        match load(text) {
            Ok(trees) => documents.extend(trees.into_iter().enumerate().map(|(number, tree)| (file, number, tree))),
            Err(Broken { line, column, what }) => {
                let (object, path) = (String::new(), String::new());
                broken.push(Remark { file, document: 0, line, column, object, path, what, warning: false });
            }
        }
    }
    if !broken.is_empty() {
        return Err(broken);
    }
    let desk = Desk::default();
    let mut objects: Vec<Read<'_>> = Vec::new();
    let mut scaled = Vec::new();
    for (file, number, tree) in &documents {
        desk.file.set(*file);
        desk.document.set(*number as u32 + 1);
        let at = At { desk: &desk, tree, path: String::new() };
        document(&at, &mut objects, &mut scaled);
    }
    twice(&desk, files, &objects);
    targets(&desk, &objects, &scaled);
    services(&desk, &objects);
    let objects: Vec<Object> = objects.into_iter().map(|read| read.object).collect();
    let (remarks, notices) = desk.close();
    if remarks.iter().any(|remark| !remark.warning) {
        return Err(remarks);
    }
    Ok(Manifest { objects, notices, warnings: remarks })
}

/// What a scenario is told of the files that an option names: their mistakes with their places, or what is worth
/// knowing of them.
#[must_use]
pub fn reading(files: &[FileText]) -> FileReading {
    let told = |remark: Remark| {
        let of = if remark.object.is_empty() { String::new() } else { format!("{}: ", remark.object) };
        let at = if remark.path.is_empty() { String::new() } else { format!("at {}", remark.path) };
        let kind = if remark.warning { "warning: " } else { "" };
        let what = format!("{kind}{of}{}", remark.what);
        FileProblem { file: remark.file, line: remark.line, column: remark.column, what, help: at }
    };
    match read_all(files) {
        Err(remarks) => FileReading { problems: remarks.into_iter().map(told).collect(), notes: Vec::new() },
        Ok(Manifest { objects, notices, warnings }) => {
            let served = objects.iter().any(|object| object.kind() == Kind::Service);
            let unserved =
                (!served && !files.is_empty()).then(|| "no Service in the manifests: callers get no answer".to_owned());
            let warned = warnings.into_iter().map(|remark| {
                let file = &files[remark.file].file;
                format!("{file}, line {}: {}: {}", remark.line, remark.object, remark.what)
            });
            FileReading { problems: Vec::new(), notes: notices.into_iter().chain(warned).chain(unserved).collect() }
        }
    }
}

/// An autoscaler's target: where it stands, and what it names.
type Scaled<'a> = (At<'a>, (usize, u32), String, Option<Kind>, Text, Text);

fn document<'a>(at: &At<'a>, objects: &mut Vec<Read<'a>>, scaled: &mut Vec<Scaled<'a>>) {
    let word = |name| at.tree.get(name).and_then(|tree| tree.text()).unwrap_or_default().to_owned();
    let (version, kind) = (word("apiVersion"), word("kind"));
    let metadata = at.tree.get("metadata");
    let name = metadata.and_then(|tree| tree.get("name")).and_then(|tree| tree.text()).unwrap_or_default();
    *at.desk.object.borrow_mut() = if kind.is_empty() { String::new() } else { format!("{kind}/{name}") };
    if kind.is_empty() || version.is_empty() {
        at.wrong("an object needs apiVersion and kind");
        return;
    }
    let group = version.split_once('/').map_or("", |(group, _)| group);
    let Some((proper, _)) = MODELLED.iter().find(|(_, known)| *known == kind) else {
        return unknown(at, group, &kind, name);
    };
    let removed = matches!((group, &*version), ("extensions", _) | ("apps", "apps/v1beta1" | "apps/v1beta2"))
        || version.starts_with("policy/v1beta")
        || version.starts_with("autoscaling/v2beta")
        || version.starts_with("batch/v1beta")
        || version.starts_with("batch/v2alpha");
    if removed {
        let needs = if *proper == "apps/v1" { " (which requires spec.selector)" } else { "" };
        at.wrong(format!("{version} {kind} was removed; use {proper}{needs}"));
        return;
    }
    if version != *proper && !(version == "autoscaling/v1" && kind == "HorizontalPodAutoscaler") {
        at.wrong(format!("there is no {version} {kind}; use {proper}"));
        return;
    }
    let errors = at.desk.errors();
    let mut fields = at.fields();
    fields.silent(&["apiVersion", "kind"]);
    let object: Object = match &*kind {
        "List" => {
            let items = fields.get("items").map(|at| at.items()).unwrap_or_default();
            fields.silent(&["metadata"]);
            fields.done();
            for item in items {
                document(&At { path: String::new(), ..item }, objects, scaled);
            }
            return;
        }
        "Deployment" => workloads::deployment(fields).into(),
        "ReplicaSet" => workloads::replica_set(fields).into(),
        "StatefulSet" => workloads::stateful_set(fields).into(),
        "DaemonSet" => workloads::daemon_set(fields).into(),
        "Job" => workloads::job(fields).into(),
        "CronJob" => workloads::cron_job(fields).into(),
        "Pod" => pod::pod(fields).into(),
        "Service" => policy::service(fields).into(),
        "PodDisruptionBudget" => policy::budget(fields).into(),
        "PriorityClass" => policy::priority_class(fields).into(),
        "Node" => policy::node(fields).into(),
        "Namespace" => policy::namespace(fields).into(),
        _ => {
            let version = version.rsplit('/').next().unwrap_or_default();
            let (scaler, target) = policy::autoscaler(fields, version);
            if let Some(at) = target {
                let names = (scaler.target_kind, scaler.target.clone(), scaler.meta.namespace.clone());
                let document = (at.desk.file.get(), at.desk.document.get());
                let object = at.desk.object.borrow().clone();
                scaled.push((at, document, object, names.0, names.1, names.2));
            }
            scaler.into()
        }
    };
    if at.desk.errors() == errors {
        let (file, document) = (at.desk.file.get(), at.desk.document.get());
        objects.push(Read { object, at: at.clone(), file, document });
    }
}

/// A kind that is not modelled: skipped where it changes nothing, refused where it may be meant to be another.
fn unknown(at: &At<'_>, group: &str, kind: &str, name: &str) {
    if kind == "ReplicationController" {
        at.wrong("ReplicationController is not modelled; use an apps/v1 Deployment or ReplicaSet");
        return;
    }
    let near = MODELLED.iter().map(|(_, known)| (strsim::damerau_levenshtein(known, kind), *known)).min();
    let ours = matches!(group, "" | "apps" | "batch" | "policy" | "autoscaling" | "scheduling.k8s.io" | "extensions");
    match near.filter(|(distance, known)| *distance <= known.len() / 4) {
        _ if SKIPPED.contains(&kind) => at.desk.notice(format!("{kind}/{name} skipped")),
        Some((_, known)) => at.wrong(format!("unknown kind {kind}; {known} meant?")),
        None if ours => at.wrong(format!("unknown kind {kind}")),
        None => at.desk.notice(format!("{kind}/{name} skipped")),
    }
}

/// Says something of an object that was read before.
fn of(desk: &Desk, read: &Read<'_>) {
    desk.file.set(read.file);
    desk.document.set(read.document);
    *desk.object.borrow_mut() = format!("{}/{}", read.object.kind(), read.object.meta().name);
}

/// No two objects of one kind and name space have the same name.
fn twice(desk: &Desk, files: &[FileText], objects: &[Read<'_>]) {
    let mut known: SortedMap<(Kind, &Text, &Text), (usize, u32)> = SortedMap::new();
    for read in objects {
        let meta = read.object.meta();
        let place = (read.file, read.at.tree.line);
        let first = *known.entry((read.object.kind(), &meta.namespace, &meta.name)).or_insert(place);
        if first != place {
            of(desk, read);
            let file = if first.0 == read.file { String::new() } else { format!(" of {}", files[first.0].file) };
            read.at.wrong(format!("{}/{} stands in line {}{file} already", read.object.kind(), meta.name, first.1));
        }
    }
}

/// What autoscalers scale is there.
fn targets(desk: &Desk, objects: &[Read<'_>], scaled: &[Scaled<'_>]) {
    for (at, document, object, kind, name, namespace) in scaled {
        let is = |read: &Read<'_>| {
            let meta = read.object.meta();
            Some(read.object.kind()) == *kind && meta.name == *name && meta.namespace == *namespace
        };
        if let Some(kind) = kind.filter(|_| !objects.iter().any(is)) {
            desk.file.set(document.0);
            desk.document.set(document.1);
            desk.object.borrow_mut().clone_from(object);
            at.wrong(format!("target {kind}/{name} not found"));
        }
    }
}

/// The templates of an object's pods, or of the pod that it is.
fn templates(object: &Object) -> Option<PodTemplate> {
    Some(match object {
        Object::Deployment(one) => one.template.clone(),
        Object::ReplicaSet(one) => one.template.clone(),
        Object::StatefulSet(one) => one.template.clone(),
        Object::DaemonSet(one) => one.template.clone(),
        Object::Job(one) => one.spec.template.clone(),
        Object::CronJob(one) => one.job.template.clone(),
        Object::Pod(one) => PodTemplate { labels: one.meta.labels.clone(), spec: one.spec.clone(), node: None },
        _ => return None,
    })
}

/// Ports that services name are ports of the pods they choose.
fn services(desk: &Desk, objects: &[Read<'_>]) {
    let chosen = |service: &Service, selector: &Labels| -> Vec<PodTemplate> {
        let near = objects.iter().filter(|read| read.object.meta().namespace == service.meta.namespace);
        let matches = |one: &PodTemplate| selector.iter().all(|(key, value)| one.labels.get(key) == Some(value));
        near.filter_map(|read| templates(&read.object)).filter(matches).collect()
    };
    for read in objects {
        let Object::Service(service) = &read.object else { continue };
        let Some(selector) = &service.selector else { continue };
        for port in &service.ports {
            let PortRef::Named(name) = &port.target else { continue };
            let pods = chosen(service, selector);
            let mut ports = pods.iter().flat_map(|pod| &pod.spec.containers).flat_map(|container| &container.ports);
            if !ports.any(|port| port.name == *name) {
                let pairs: Vec<String> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
                let none = format!(" (and no pod matches {})", pairs.join(","));
                let none = if pods.is_empty() { none } else { String::new() };
                of(desk, read);
                read.at.warn(format!("no container of the selected pods has a port named {name}{none}"));
            }
        }
    }
}

/// The port of a service's pods that answers, by the first container that has it.
#[must_use]
pub fn resolved(target: &PortRef, template: &PodTemplate) -> Option<u16> {
    match target {
        PortRef::Number(number) => Some(*number),
        PortRef::Named(name) => {
            let mut ports = template.spec.containers.iter().flat_map(|container| &container.ports);
            ports.find(|port| port.name == *name).map(|port| port.container_port)
        }
    }
}

#[cfg(test)]
mod tests;

/// A pod and a node as test cases write them: without what a manifest must have.
#[cfg(test)]
pub mod partial {
    use super::{At, Desk, Tree, pod, policy};
    use crate::control::kubernetes::objects::{Affinity, Node, Pod};
    use std::rc::Rc;

    fn with<T>(tree: &Rc<Tree>, read: impl FnOnce(At<'_>) -> T) -> T {
        let desk = Desk::default();
        read(At { desk: &desk, tree, path: String::new() })
    }

    /// A pod; its name space is empty if it names none.
    pub fn pod_of(tree: &Rc<Tree>) -> Pod {
        let mut pod = with(tree, |at| pod::pod(at.fields()));
        if tree.get("metadata").and_then(|meta| meta.get("namespace")).is_none() {
            pod.meta.namespace = "".into();
        }
        pod
    }

    /// A node.
    pub fn node_of(tree: &Rc<Tree>) -> Node {
        with(tree, |at| policy::node(at.fields()))
    }

    /// The part of an affinity that is about nodes.
    pub fn node_affinity_of(tree: &Rc<Tree>) -> Affinity {
        with(tree, |at| pod::affinity(&at))
    }
}
