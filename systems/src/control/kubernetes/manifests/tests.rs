//! The manifests of `fixtures/kubernetes/manifests`, and what is said about them.

use super::{Kind, Manifest, Object, Remark, Tree, load, read, reading, resolved};
use crate::control::kubernetes::objects::{
    Autoscaler, IntOrPercent, PodSpec, PodTemplate, RateUnit, Resources, Select, Strategy,
};
use sim_core::FileText;
use std::rc::Rc;
use std::slice::from_ref;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("../../../../../fixtures/kubernetes/manifests/", $name))
    };
}

fn good(text: &str) -> Manifest {
    read(text).unwrap_or_else(|remarks| panic!("{remarks:#?}"))
}

fn bad(text: &str) -> Vec<Remark> {
    read(text).map(|manifest| manifest.objects).expect_err("there are mistakes in it")
}

fn expected() -> Rc<Tree> {
    load(fixture!("expected.json")).expect("JSON is YAML").remove(0)
}

fn texts(tree: Option<&Rc<Tree>>) -> Vec<String> {
    tree.map(|tree| tree.items().iter().filter_map(|one| one.text()).map(str::to_owned).collect()).unwrap_or_default()
}

/// Checks objects and notices against `expected.json`, and gives the manifest.
fn as_expected(name: &str, text: &str) -> Manifest {
    let manifest = good(text);
    let named = |object: &Object| format!("{}/{}", object.kind(), object.meta().name);
    let (expected, found) = (expected(), manifest.objects.iter().map(named).collect::<Vec<_>>());
    let expected = expected.get(name).expect("it is expected");
    assert_eq!(found, texts(expected.get("objects")), "{name}");
    assert_eq!(manifest.notices, texts(expected.get("notices")), "{name}");
    assert_eq!(manifest.warnings, [], "{name}");
    manifest
}

fn template(manifest: &Manifest, kind: Kind) -> PodTemplate {
    let object = manifest.objects.iter().find(|object| object.kind() == kind).expect("there is one");
    super::templates(object).expect("it has a template")
}

fn labels(template: &PodTemplate) -> Vec<(&str, &str)> {
    template.labels.iter().map(|(key, value)| (&**key, &**value)).collect()
}

fn quantities(of: &Resources) -> [Option<i64>; 3] {
    [of.cpu, of.memory, of.ephemeral_storage]
}

fn demand(spec: &PodSpec) -> [i64; 3] {
    let demand = spec.demand();
    [demand.cpu, demand.memory, demand.ephemeral_storage]
}

#[test]
fn the_shop_is_read_as_expected() {
    let shop = as_expected("shop.yaml", fixture!("shop.yaml"));
    assert!(shop.objects.iter().all(|object| matches!(&*object.meta().namespace, "shop" | "")));
    let web = template(&shop, Kind::Deployment);
    assert_eq!(labels(&web), [("app", "web"), ("tier", "front"), ("version", "1.10")]);
    assert_eq!(demand(&web.spec), [350, 167_108_864, 1000]);
    let [one, sidecar] = &web.spec.containers[..] else { panic!("two containers") };
    assert_eq!(quantities(&one.requests), [Some(250), Some(67_108_864), Some(1000)]);
    assert_eq!(quantities(&one.limits), [Some(1000), Some(1_610_612_736), None]);
    assert_eq!(quantities(&sidecar.requests), [Some(100), Some(100_000_000), None]);
    assert_eq!(quantities(&sidecar.limits), [Some(1000), Some(1_610_612_736), None]);
    let liveness = one.liveness.as_ref().expect("a probe");
    let numbers = [liveness.initial_delay, liveness.period, liveness.timeout];
    assert_eq!((numbers, liveness.success_threshold, liveness.failure_threshold), ([15, 10, 1], 1, 3));
    assert_eq!((web.spec.grace, web.spec.spread.len(), web.spec.init.len()), (20, 2, 1));
    for object in &shop.objects {
        match object {
            Object::Deployment(web) => {
                let Strategy::RollingUpdate { max_surge, max_unavailable } = web.strategy else { panic!("it rolls") };
                assert_eq!((web.replicas, web.min_ready, web.revision_history, web.progress_deadline), (6, 5, 3, 120));
                assert_eq!((max_surge.of_rounded_up(6), max_unavailable.of_rounded_down(6)), (2, 1));
            }
            Object::Service(service) => assert_eq!(resolved(&service.ports[0].target, &web), Some(8080)),
            Object::PodDisruptionBudget(budget) => {
                let desired = budget.min_available.map(|least| least.of_rounded_up(6));
                assert_eq!((desired, budget.max_unavailable), (Some(5), None));
            }
            Object::HorizontalPodAutoscaler(scaler) => autoscaler(scaler),
            _ => {}
        }
    }
}

fn autoscaler(scaler: &Autoscaler) {
    assert_eq!((scaler.target_kind, &*scaler.target, scaler.min, scaler.max), (Some(Kind::Deployment), "web", 4, 20));
    let behavior = scaler.behavior.as_ref().expect("it says how");
    assert_eq!((behavior.up.window, behavior.down.window), (Some(0), Some(120)));
    assert_eq!((behavior.up.select, behavior.down.select), (Select::Max, Select::Min));
    let policies = behavior.up.policies.iter().chain(&behavior.down.policies);
    let policies: Vec<_> = policies.map(|policy| (policy.unit, policy.value, policy.period)).collect();
    assert_eq!(policies, [(RateUnit::Percent, 100, 15), (RateUnit::Pods, 4, 15), (RateUnit::Pods, 1, 30)]);
}

#[test]
fn the_store_is_read_as_expected() {
    let store = as_expected("store.yaml", fixture!("store.yaml"));
    let set = template(&store, Kind::StatefulSet);
    assert_eq!(&*set.spec.priority_class, "store-critical");
    assert_eq!(demand(&set.spec), [1500, 2_147_483_648, 500_000_000]);
    assert_eq!(quantities(&set.spec.containers[0].limits), [Some(2000), Some(2_147_483_648), Some(1_000_000_000)]);
    let affinity = &set.spec.affinity;
    let terms = affinity.node_required.as_ref().expect("nodes are required");
    assert_eq!((terms[0].expressions.len(), affinity.node_preferred[0].weight), (2, 40));
    assert_eq!((affinity.anti_required.len(), set.spec.tolerations.len()), (1, 3));
    let agent = template(&store, Kind::DaemonSet);
    assert_eq!(demand(&agent.spec), [100, 52_428_800, 0]);
    assert_eq!(agent.spec.containers[0].ports[0].host_port, 9100);
    for object in &store.objects {
        match object {
            Object::PriorityClass(class) => assert_eq!((class.value, class.global_default), (100_000, false)),
            Object::PodDisruptionBudget(budget) => {
                assert_eq!(budget.max_unavailable, Some(IntOrPercent::Int(1)));
            }
            Object::Service(service) => assert!(service.headless && service.publish_not_ready),
            _ => {}
        }
    }
}

#[test]
fn batch_work_is_read_as_expected() {
    let batch = as_expected("batch.yaml", fixture!("batch.yaml"));
    let render = template(&batch, Kind::Job);
    assert_eq!(labels(&render), [("job", "render"), ("shard", "007")]);
    assert_eq!((demand(&render.spec), render.spec.demand().named("nvidia.com/gpu")), ([2000, 3_000_000_000, 0], 1));
    let Some(Object::Pod(debug)) = batch.objects.last() else { panic!("a pod comes last") };
    assert_eq!((debug.node.as_deref(), demand(&debug.spec)), (Some("node-3"), [0, 0, 0]));
}

#[test]
fn the_manifest_of_the_essay_is_read() {
    let manifest = good(fixture!("service-and-deployment.yaml"));
    assert_eq!((manifest.notices.len(), manifest.warnings.len()), (0, 0));
    let [Object::Service(service), Object::Deployment(deployment)] = &manifest.objects[..] else { panic!("two") };
    assert_eq!((&*service.meta.name, &*deployment.meta.name, deployment.replicas), ("my-service", "my-deployment", 3));
    assert_eq!(resolved(&service.ports[0].target, &deployment.template), Some(8080));
}

/// A remark in the words of `expected.json`.
fn said(remark: &Remark) -> String {
    match (remark.warning, remark.what.starts_with("labelSelector")) {
        (true, true) => format!("{} (warning)", remark.what),
        (true, false) => format!("warning: {}", remark.what),
        (false, _) => remark.what.clone(),
    }
}

#[test]
fn all_mistakes_are_said_at_once_and_none_besides() {
    let remarks = bad(fixture!("mistakes.yaml"));
    let expected = expected();
    let documents = expected.get("mistakes.yaml").expect("it is expected").items();
    for (number, document) in documents.iter().enumerate() {
        let of = |remark: &&Remark| remark.document as usize == number + 1;
        let mut found: Vec<String> = remarks.iter().filter(of).map(said).collect();
        let mut wanted = texts(document.get("problems"));
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted);
        let object = document.get("object").and_then(|object| object.text()).expect("it has a name");
        assert!(remarks.iter().filter(of).all(|remark| remark.object == object), "{object}");
    }
    assert!(remarks.iter().all(|remark| remark.document as usize <= documents.len()));
    let lines: Vec<u32> = remarks.iter().map(|remark| remark.line).collect();
    assert!(lines.is_sorted(), "{lines:?}");
    // The place is that of the value.
    let line = |what: &str| remarks.iter().find(|remark| remark.what.contains(what)).map(|remark| remark.line);
    let text: Vec<&str> = fixture!("mistakes.yaml").lines().collect();
    for (what, shows) in [("spec.replica ", "replica: 3"), ("NoShedule", "NoShedule"), ("m16", "")] {
        assert!(line(what).is_none_or(|line| text[line as usize - 1].contains(shows)), "{what}");
    }
}

#[test]
fn an_alias_of_another_document_is_said_with_its_place_and_nothing_is_read() {
    let remarks = bad(fixture!("broken-syntax.yaml"));
    let expected = expected();
    let error = expected.get("broken-syntax.yaml").and_then(|file| file.get("error")).expect("it is expected");
    let of = |name| error.get(name).and_then(|value| value.text()).expect("it is there").to_owned();
    let [remark] = &remarks[..] else { panic!("{remarks:?}") };
    let place = (remark.line.to_string(), remark.column.to_string(), remark.what.clone());
    assert_eq!(place, (of("line"), of("column"), of("message")));
    let [never] = &bad("a: *never\n")[..] else { panic!("one") };
    assert_eq!((never.line, never.column, &*never.what), (1, 4, "alias never is not defined in this document"));
    let [open] = &bad("a: [1,\nb: 2\n")[..] else { panic!("one") };
    assert!(open.line == 2 && open.what.starts_with("not YAML: "), "{open:?}");
}

#[test]
fn a_scenario_is_told_of_its_manifests() {
    let file = |file: &str, text: &str| FileText { file: file.to_owned(), text: text.to_owned() };
    let shop = file("shop.yaml", fixture!("shop.yaml"));
    assert_eq!(reading(from_ref(&shop)).notes, ["ConfigMap/web-settings skipped", "env of containers ignored"]);
    let batch = file("batch.yaml", fixture!("batch.yaml"));
    assert!(reading(&[]).notes.is_empty(), "options have one");
    let without = "no Service in the manifests: callers get no answer";
    assert_eq!(reading(from_ref(&batch)).notes, ["ResourceQuota/limits skipped", without]);
    assert_eq!(reading(&[batch, shop.clone()]).notes.len(), 3);
    // Mistakes are told by file, and what is said twice is said with where it stands first.
    let twice = reading(&[shop.clone(), shop]).problems;
    assert_eq!((twice.len(), twice[0].file, twice[0].line), (5, 1, 2));
    assert_eq!(twice[0].what, "Namespace/shop: Namespace/shop stands in line 2 of shop.yaml already");
}

#[test]
fn files_that_are_too_much_cost_one_message() {
    let one = |text: &str, what: &str| {
        let remarks = bad(text);
        assert!(remarks.len() == 1 && remarks[0].what.contains(what), "{remarks:?}");
    };
    one(&"# a line\n".repeat(10 << 17), "bytes");
    one(&"---\na: b\n".repeat(10_000), "documents");
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..40 {
        bomb += &format!("a{level}: &a{level} [*a{0}, *a{0}, *a{0}]\n", level - 1);
    }
    one(&bomb, "values");
    one(&"[".repeat(100_000), "deep");
    one(&"- ".repeat(100_000), "deep");
    // Many mistakes are counted, not kept.
    let many = format!("apiVersion: v1\nkind: List\nitems:\n{}", "- {kind: Pod}\n".repeat(20_000));
    let remarks = bad(&many);
    assert_eq!((remarks.len(), &*remarks[1000].what), (1001, "and 19000 more mistakes"));
}

#[test]
fn what_would_change_the_answer_and_is_not_modelled_is_refused_with_its_path() {
    let pod = |more: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers: [{{name: c, image: i}}]\n{more}"
        )
    };
    good(&pod(""));
    let [remark] = &bad(&pod("  schedulingGates: [{name: g}]\n"))[..] else { panic!("one") };
    assert_eq!((remark.line, &*remark.path, remark.what.contains("not modelled")), (6, "spec.schedulingGates", true));
    let [remark] = &bad(&pod("  hostNetwrok: true\n"))[..] else { panic!("one") };
    assert_eq!((&*remark.path, &*remark.what), ("spec.hostNetwrok", "unknown field spec.hostNetwrok (hostNetwork?)"));
    let [remark] = &bad(&pod("").replace("v1", "autoscaling/v1"))[..] else { panic!("one") };
    assert_eq!(&*remark.what, "there is no autoscaling/v1 Pod; use v1");
    // What changes nothing is said once, however often it is there.
    let twice =
        format!("{}---\n{}", pod("  dnsPolicy: Default\n"), pod("  dnsPolicy: None\n").replace("name: a", "name: b"));
    assert_eq!(good(&twice).notices, ["dnsPolicy ignored"]);
    let [remark] = &bad(&format!("{0}---\n{0}", pod("")))[..] else { panic!("one") };
    assert_eq!((remark.line, &*remark.what), (7, "Pod/a stands in line 1 already"));
}

/// A document in which a path of `fields.json` stands, with a word for its value.
fn with_path(kind: &str, path: &str) -> String {
    let mut text = format!("{{kind: {kind}, ");
    let mut close = String::new();
    let mut rest = path;
    // Keys may have dots of their own: those of resources and labels come last.
    while !rest.is_empty() {
        let (key, more) = match rest.split_once('.') {
            Some((key, more)) if !key.contains('/') && !more.starts_with("com/") => (key, more),
            _ => (rest, ""),
        };
        let listed = key.strip_suffix("[]");
        text += &format!("\"{}\": {}", listed.unwrap_or(key), if listed.is_some() { "[" } else { "" });
        close.insert_str(0, if listed.is_some() { "]" } else { "" });
        if more.is_empty() {
            text += "word";
        } else {
            text += "{";
            close.insert(0, '}');
        }
        rest = more;
    }
    text + &close + "}"
}

#[test]
fn every_field_seen_in_the_wild_is_known() {
    let fields = load(fixture!("fields.json")).expect("JSON is YAML").remove(0);
    let mut looked = 0;
    for field in fields.get("fields").expect("fields").items() {
        let of = |name| field.get(name).and_then(|value| value.text()).expect("it is there");
        let (kind, path, treatment) = (of("kind"), of("path"), of("treatment"));
        // (A metric is of one of a few types, which a word that stands for anything is not.)
        if treatment == "kind not modelled" || matches!(path, "kind" | "apiVersion" | "spec.metrics[].type") {
            continue;
        }
        // `<key>` right below `metadata` stands for the names of objects, and elsewhere for any key.
        let path = path.replace("metadata.<key>", "metadata.name");
        let (version, _) = super::MODELLED.iter().find(|(_, known)| *known == kind).expect("it is modelled");
        let text = with_path(kind, &path).replacen('{', &format!("{{apiVersion: {version}, "), 1);
        let strange = |remark: &&Remark| {
            ["unknown field", "not modelled", "not YAML"].iter().any(|strange| remark.what.contains(strange))
        };
        let remarks = read(&text).map_or_else(|remarks| remarks, |manifest| manifest.warnings);
        assert_eq!(remarks.iter().find(strange), None, "{text}");
        looked += 1;
    }
    assert!(looked > 500, "only {looked}");
}
