//! What all kinds have: names, labels, selectors, quantities.

use super::desk::{At, Fields, Sort, resolve};
use super::quantity;
use super::tree::Value;
use crate::control::kubernetes::objects::{
    IntOrPercent, Labels, Meta, NodeTerm, Operator, Requirement, Resources, Selector, Text,
};

/// Whether a name may be an object's: lower case letters, digits, `-` and `.`, a letter or digit at both ends.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= 253
        && name.starts_with(plain)
        && name.ends_with(plain)
        && name.chars().all(|c| plain(c) || c == '-' || c == '.')
}

/// `metadata` of an object; `namespaced` kinds are in `default` unless they say otherwise.
pub fn meta(fields: &mut Fields<'_>, namespaced: bool) -> Meta {
    meta_and_cost(fields, namespaced).0
}

/// The same, and what its annotations say about its deletion.
pub fn meta_and_cost(fields: &mut Fields<'_>, namespaced: bool) -> (Meta, i32) {
    let mut cost = 0;
    let mut meta = Meta::new(if namespaced { "default" } else { "" }, "");
    match fields.get("metadata") {
        Some(at) => {
            let mut inner = at.fields();
            match inner.get("name") {
                Some(at) => {
                    let name = at.scalar().unwrap_or_default();
                    if !is_name(&name) {
                        at.wrong("name must be lower case letters, digits, - and .");
                    }
                    meta.name = name;
                }
                None => at.wrong("metadata.name is missing"),
            }
            if let Some(namespace) = inner.get("namespace").and_then(|at| at.text()).filter(|_| namespaced) {
                meta.namespace = namespace;
            }
            meta.labels = labels(&mut inner, "labels").unwrap_or_default();
            cost = annotations(&mut inner);
            about(inner);
        }
        None => fields.at.wrong("metadata.name is missing"),
    }
    (meta, cost)
}

/// The one annotation that changes what happens: how dear a pod is when some of its likes must go. Others are noted.
pub fn annotations(meta: &mut Fields<'_>) -> i32 {
    let Some(at) = meta.get("annotations") else { return 0 };
    let all = at.fields().all();
    let (cost, others): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(key, _)| &**key == "controller.kubernetes.io/pod-deletion-cost");
    if !others.is_empty() {
        at.desk.notice("annotations ignored".to_owned());
    }
    let cost = cost.first().and_then(|(_, at)| {
        let cost = at.scalar()?.parse().ok();
        if cost.is_none() {
            at.wrong("pod-deletion-cost must be a whole number");
        }
        cost
    });
    cost.unwrap_or(0)
}

/// What else may stand in `metadata`.
pub fn about(mut fields: Fields<'_>) {
    fields.ignore("", &["finalizers", "ownerReferences"]);
    fields.silent(&[
        "creationTimestamp",
        "deletionTimestamp",
        "generateName",
        "generation",
        "managedFields",
        "namespace",
        "resourceVersion",
        "selfLink",
        "uid",
    ]);
    fields.done();
}

/// A mapping of labels.
pub fn labels(fields: &mut Fields<'_>, name: &'static str) -> Option<Labels> {
    let label = |(key, at): (Text, At<'_>)| {
        let text = match &at.tree.value {
            Value::Scalar(text, true) if !matches!(resolve(text), Sort::Text) => {
                at.wrong(format!("label {key} must be a string: quote {text}"));
                return None;
            }
            _ => at.text()?,
        };
        if !crate::control::kubernetes::objects::is_label_value(&text) {
            at.wrong(format!("label {key} can not be \"{text}\": at most 63 letters, digits, -, _ and ."));
        }
        Some((key, text))
    };
    Some(fields.get(name)?.fields().all().into_iter().filter_map(label).collect())
}

const OPERATORS: [(&str, Operator); 6] = [
    ("In", Operator::In),
    ("NotIn", Operator::NotIn),
    ("Exists", Operator::Exists),
    ("DoesNotExist", Operator::DoesNotExist),
    ("Gt", Operator::Gt),
    ("Lt", Operator::Lt),
];

/// A list of requirements. Only those of nodes compare numbers.
fn requirements(at: Option<At<'_>>, of_nodes: bool) -> Vec<Requirement> {
    let operators = &OPERATORS[..if of_nodes { 6 } else { 4 }];
    let one = |at: At<'_>| {
        let mut fields = at.fields();
        let key = fields.get("key").and_then(|at| at.text());
        let values = fields.get("values");
        let texts: Vec<Text> = values.as_ref().map(At::texts).unwrap_or_default();
        let operator = fields.get("operator").and_then(|at| {
            let names: Vec<&str> = operators.iter().map(|(name, _)| *name).collect();
            at.word(operators, |text| format!("operator {text} is not one of {}", names.join(", ")))
        });
        fields.done();
        let (key, operator) = (key?, operator?);
        match operator {
            Operator::In | Operator::NotIn if texts.is_empty() => {
                at.wrong(format!("operator {operator:?} needs values"));
            }
            Operator::Exists | Operator::DoesNotExist if !texts.is_empty() => {
                at.wrong(format!("operator {operator:?} takes no values"));
            }
            Operator::Gt | Operator::Lt if texts.len() != 1 || texts[0].parse::<i64>().is_err() => {
                at.wrong(format!("operator {operator:?} needs one whole number, in quotes"));
            }
            _ => {}
        }
        Some(Requirement { key, operator, values: texts })
    };
    at.map(|at| at.items()).unwrap_or_default().into_iter().filter_map(one).collect()
}

/// A label selector.
pub fn selector(at: &At<'_>) -> Selector {
    let mut fields = at.fields();
    let labels = labels(&mut fields, "matchLabels").unwrap_or_default();
    let expressions = requirements(fields.get("matchExpressions"), false);
    fields.done();
    Selector { labels, expressions }
}

/// A term that chooses nodes.
pub fn node_term(at: &At<'_>) -> NodeTerm {
    let mut fields = at.fields();
    let expressions = requirements(fields.get("matchExpressions"), true);
    let of_fields = requirements(fields.get("matchFields"), true);
    fields.done();
    NodeTerm { expressions, fields: of_fields }
}

/// Quantities by the name of the resource, each with its text as it stands there.
pub fn resources(at: Option<At<'_>>) -> (Resources, Vec<(Text, Text)>) {
    let mut resources = Resources::default();
    let mut texts = Vec::new();
    for (name, at) in at.map(|at| at.fields().all()).unwrap_or_default() {
        let Some(text) = at.scalar() else { continue };
        let Some(quantity) = quantity::parse(&text) else {
            let meant = quantity::meant(&text).map_or(String::new(), |meant| format!(" ({meant})"));
            at.wrong(format!("{text} is not a quantity{meant}"));
            continue;
        };
        if quantity.negative() {
            at.wrong(format!("{name} must not be negative"));
            continue;
        }
        if quantity.milli && matches!(&*name, "memory" | "ephemeral-storage") {
            let number = text.trim_end_matches('m');
            let of = if &*name == "memory" { "memory" } else { "storage" };
            let bytes = quantity.thousandths() as f64 / 1000.0;
            at.warn(format!("{text} of {of} is {bytes} bytes; {number}Mi meant?"));
        }
        let amount = if &*name == "cpu" { quantity.thousandths() } else { quantity.units() };
        resources.set(&name, amount);
        texts.push((name, text));
    }
    (resources, texts)
}

/// A number or a percentage.
pub fn int_or_percent(at: &At<'_>) -> Option<IntOrPercent> {
    let text = at.scalar()?;
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.parse().ok().map(IntOrPercent::Percent),
        None => text.parse().ok().map(IntOrPercent::Int),
    };
    match value {
        Some(IntOrPercent::Int(number) | IntOrPercent::Percent(number)) if number < 0 => {
            at.wrong(format!("{} must not be negative", at.name()));
            None
        }
        None => {
            at.wrong(format!("{} must be a whole number or a percentage, not {text}", at.name()));
            None
        }
        value => value,
    }
}
