//! Reads whom a fault aims at.

use super::cluster::World;
use super::measure;
use super::section::Context;
use crate::suggest;
use crate::written::{Kind, Value};
use sim_core::NodeId;
use sim_core::fault::Target;

/// Roles that need no `role:` before them.
pub const ROLES: &[&str] = &["leader", "follower", "candidate"];

/// One target, or a list of nodes and zones.
pub fn target(value: &Value, context: &Context<'_>, world: &World) -> Option<Target> {
    match &value.kind {
        Kind::Text(text) => one(text, value, context, world),
        Kind::List(items) if items.is_empty() => {
            context.wrong(value.span, "this list names nobody", "for example [\"n1\", \"n2\"]");
            None
        }
        Kind::List(items) => {
            let targets = items.iter().map(|item| member(item, context, world)).collect::<Vec<_>>();
            let mut nodes: Vec<NodeId> = Vec::new();
            for (item, target) in items.iter().zip(targets) {
                for node in fixed(&target?, world)? {
                    if nodes.contains(&node) && world.known {
                        context.wrong(item.span, format!("{node} is in this list already"), "name each node once");
                    } else {
                        nodes.push(node);
                    }
                }
            }
            nodes.sort_unstable();
            Some(if let [node] = nodes.as_slice() { Target::Node(*node) } else { Target::Nodes(nodes) })
        }
        _ => measure::mismatch(value, context, "a node, a zone, a role or a list of nodes and zones"),
    }
}

/// A member of a list: it must be known before the run.
fn member(value: &Value, context: &Context<'_>, world: &World) -> Option<Target> {
    let Kind::Text(text) = &value.kind else { return measure::mismatch(value, context, "a node or a zone") };
    let target = one(text, value, context, world)?;
    if fixed(&target, world).is_none() {
        let what = format!("`{text}` is decided when the fault fires, which a list can not wait for");
        context.wrong(value.span, what, "a list holds nodes and zones; write one [[fault]] for each other target");
        return None;
    }
    Some(target)
}

/// The nodes of a target that is the same whenever the fault fires.
pub fn fixed(target: &Target, world: &World) -> Option<Vec<NodeId>> {
    match target {
        Target::All => Some(sim_core::node_ids(world.cluster.nodes()).collect()),
        Target::Node(node) => Some(vec![*node]),
        Target::Nodes(nodes) => Some(nodes.clone()),
        Target::Zone(zone, _) => Some(world.cluster.nodes_in(*zone)),
        Target::Machine(machine, _) => Some(world.cluster.nodes_on(*machine)),
        _ => None,
    }
}

/// Whether a target is a zone, so that a partition of it takes the clients there along.
pub const fn is_zone(target: &Target) -> bool {
    matches!(target, Target::Zone(..) | Target::RoleZone(_))
}

fn one(text: &str, value: &Value, context: &Context<'_>, world: &World) -> Option<Target> {
    // "a follower" reads better than "follower", and means the same.
    let plain = ["a ", "an ", "the "].iter().find_map(|word| text.strip_prefix(word)).unwrap_or(text).trim();
    let role = |name: &str| role(name, value, context);
    match plain {
        "all" => return Some(Target::All),
        "random" => return Some(Target::Random),
        "minority" => return Some(Target::Minority),
        "most_behind" => return Some(Target::MostBehind),
        "trigger" => return Some(Target::Trigger),
        "one_more_than_a_minority" => return Some(Target::OneMoreThanMinority),
        _ => {}
    }
    if ROLES.contains(&plain) {
        return Some(Target::Role(plain.to_owned()));
    }
    if let Some(node) = world.node(plain, value.span, context) {
        return Some(Target::Node(node));
    }
    if let Some(target) = of_group(plain, value, context, world) {
        return target;
    }
    match plain.split_once(':') {
        Some(("zone", zone)) => {
            let zone = zone.trim();
            world.zone(zone, value.span, context).map(|z| Target::Zone(z, zone.to_owned()))
        }
        Some(("machine", machine)) => {
            let machine = machine.trim();
            world.machine(machine, value.span, context).map(|m| Target::Machine(m, machine.to_owned()))
        }
        Some(("machine_of", name)) => role(name).map(Target::RoleMachine),
        Some(("every", name)) => role(name).map(Target::Every),
        Some(("zone_of", name)) => role(name).map(Target::RoleZone),
        Some(("minority_with", name)) => role(name).map(Target::MinorityWith),
        Some(("role", name)) if is_word(name.trim()) => Some(Target::Role(name.trim().to_owned())),
        _ => {
            let known = ["all", "random", "minority", "most_behind", "one_more_than_a_minority", "trigger"];
            let groups = world.cluster.groups.iter().map(|group| group.role.as_str());
            let help = match suggest::nearest(plain, known.iter().chain(ROLES).copied().chain(groups)) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => "a node (`n3`), a zone (`zone:a`, `zone_of:leader`), a machine (`machine:m1`, \
                         `machine_of:leader`), a role (`leader`, `a follower`, `every:follower`, `role:primary`), a \
                         group of machines (`worker:3`, `every:worker`, `a worker`), \
                         `random`, `minority`, `minority_with:leader`, `one_more_than_a_minority`, `most_behind`, \
                         `trigger` or `all`"
                    .to_owned(),
            };
            context.wrong(value.span, format!("`{text}` is not a target"), help);
            None
        }
    }
}

/// A target that names a group of machines: all of it, one by its number, any, or where one of it stands. `None` if
/// `text` names none.
fn of_group(text: &str, value: &Value, context: &Context<'_>, world: &World) -> Option<Option<Target>> {
    let group = |role: &str| Some(world.cluster.nodes_of(role.trim())).filter(|nodes| !nodes.is_empty());
    let by_number = |role: &str, number: &str| -> Option<Option<NodeId>> {
        let nodes = group(role)?;
        let number = number.trim();
        let found = number.parse::<usize>().ok().and_then(|number| nodes.get(number.checked_sub(1)?).copied());
        if found.is_none() {
            let role = role.trim();
            let help = format!("the group has {role}:1 to {role}:{}", nodes.len());
            context.wrong(value.span, format!("there is no `{role}:{number}`"), help);
        }
        Some(found)
    };
    if let Some(nodes) = group(text) {
        return Some(Some(Target::OneOf(text.trim().to_owned(), nodes)));
    }
    let (first, rest) = text.split_once(':')?;
    if first == "every"
        && let Some(nodes) = group(rest)
    {
        return Some(Some(if let [node] = nodes.as_slice() { Target::Node(*node) } else { Target::Nodes(nodes) }));
    }
    if let (wanted @ ("zone_of" | "machine_of"), Some((role, number))) = (first, rest.split_once(':')) {
        let cluster = &world.cluster;
        return by_number(role, number).map(|node| {
            let node = node?.index();
            let (zone, machine) = (cluster.node_zones[node], cluster.node_machines[node]);
            Some(if wanted == "zone_of" {
                Target::Zone(zone, cluster.zones[usize::from(zone)].clone())
            } else {
                Target::Machine(machine, cluster.machines[usize::from(machine)].clone())
            })
        });
    }
    by_number(first, rest).map(|node| node.map(Target::Node))
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// A role after a colon: one everybody knows, or `role:other`.
fn role(name: &str, value: &Value, context: &Context<'_>) -> Option<String> {
    let name = name.trim();
    let plain = name.strip_prefix("role:").unwrap_or(name);
    if is_word(plain) && (plain != name || ROLES.contains(&plain)) {
        return Some(plain.to_owned());
    }
    let help = match suggest::nearest(name, ROLES.iter().copied()) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("one of {}, or `role:` and a system's own", ROLES.join(", ")),
    };
    context.wrong(value.span, format!("`{name}` is not a role"), help);
    None
}

/// A target as a file has it; the inverse of [`target`].
#[must_use]
pub fn write(target: &Target) -> toml::Value {
    let text = |role: &str| if ROLES.contains(&role) { role.to_owned() } else { format!("role:{role}") };
    toml::Value::String(match target {
        Target::Nodes(nodes) => return toml::Value::Array(nodes.iter().map(|n| n.to_string().into()).collect()),
        Target::Role(role) => text(role),
        Target::RoleZone(role) => format!("zone_of:{}", text(role)),
        Target::RoleMachine(role) => format!("machine_of:{}", text(role)),
        Target::Every(role) => format!("every:{}", text(role)),
        Target::MinorityWith(role) => format!("minority_with:{}", text(role)),
        other => other.to_string(),
    })
}
