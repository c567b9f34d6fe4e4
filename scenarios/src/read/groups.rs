//! Reads `[[cluster.group]]`: machines of several kinds, numbered in the order of their groups.

use super::section::{Context, Reader};
use super::{children, measure, network, target};
use crate::scenario::{DiskOverride, Group};
use crate::written::Value;
use crate::{keys, limits, suggest};
use sim_core::{Duration, RoleKind};

/// One group, as far as it could be read.
struct Read {
    group: Group,
    nodes: u32,
    zones: Option<Vec<String>>,
}

/// All groups of a file.
pub struct Groups(Vec<Read>);

/// Words that mean somebody else in a target.
const TAKEN: &[&str] = &[
    "all",
    "random",
    "minority",
    "most_behind",
    "trigger",
    "one_more_than_a_minority",
    "clients",
    "zone",
    "zone_of",
    "machine",
    "machine_of",
    "every",
    "role",
    "minority_with",
];

/// What the chosen system says of roles.
#[derive(Clone, Copy, Default)]
pub struct Roles<'a> {
    /// Its name, and the kinds of nodes it tells apart; none where any role will do.
    pub kinds: (&'a str, &'static [RoleKind]),
    /// How many of so many nodes have which role where the file does not say so.
    pub by_default: Option<&'a dyn Fn(u32) -> Vec<(&'static str, u32)>>,
}

impl Roles<'_> {
    fn kind(&self, role: &str) -> Option<&'static RoleKind> {
        self.kinds.1.iter().find(|kind| kind.name == role)
    }

    fn group(&self, role: String, cpu_cost: Option<Duration>, disk: DiskOverride) -> Group {
        let (member, asked) = self.kind(&role).map_or((true, true), |kind| (kind.member, kind.asked));
        Group { role, cpu_cost, disk, member, asked }
    }
}

/// Reads the groups of `[cluster]`.
pub fn read(reader: &Reader<'_>, roles: Roles<'_>) -> Groups {
    let mut groups: Vec<Read> = Vec::new();
    let tables = children(reader, "group", &keys::GROUP);
    let mut first = 0;
    let mut counted = true;
    for table in &tables {
        let role = table.must("role", |value, context| role(value, context, roles));
        let nodes = table.must("nodes", measure::small(1, limits::NODES));
        let zones = table.get("zones", measure::list(measure::name));
        if zones.as_ref().is_some_and(Vec::is_empty) {
            table.wrong("zones", "a group has at least one zone", "leave `zones` out for those of the cluster");
        }
        let cpu_cost = table.get("cpu_cost", measure::duration);
        let disk = network::disk_change(&super::child(table, "disk", &keys::DISK));
        counted &= role.is_some() && nodes.is_some();
        let (Some(role), Some(nodes)) = (role, nodes) else { continue };
        if groups.iter().any(|other| other.group.role == role) {
            table.wrong("role", format!("there is a group `{role}` already"), "one group for each role");
        }
        if let Some(kind) = roles.kind(&role) {
            fits(table, kind, nodes, first);
        }
        first += u64::from(nodes);
        let zones = zones.filter(|zones| !zones.is_empty());
        groups.push(Read { group: roles.group(role, cpu_cost, disk), nodes, zones });
    }
    if counted && !groups.is_empty() {
        for kind in roles.kinds.1.iter().filter(|kind| kind.least > 0) {
            if groups.iter().all(|read| read.group.role != kind.name) {
                let what = format!("`{}` has no nodes of role `{}`", roles.kinds.0, kind.name);
                let help = format!("{} at least: {}", kind.least, kind.about);
                reader.wrong("group", what, help);
            }
        }
    }
    Groups(groups)
}

/// Whether there are as many nodes of a kind as there may be, and where they may be; `first` come before them.
fn fits(table: &Reader<'_>, kind: &RoleKind, nodes: u32, first: u64) {
    let RoleKind { name, least, most, .. } = *kind;
    if !(least..=most).contains(&nodes) {
        let help = match most {
            u32::MAX => format!("{least} or more"),
            most => format!("{least} to {most}"),
        };
        table.wrong("nodes", format!("{nodes} nodes of role `{name}`"), help);
    } else if first + u64::from(nodes) > u64::from(kind.limit()) {
        let what = format!("the nodes of role `{name}` begin with n{}", first + 1);
        table.wrong("role", what, format!("up to n{}: put this group before the others", kind.limit()));
    }
}

fn role(value: &Value, context: &Context<'_>, roles: Roles<'_>) -> Option<String> {
    let name = measure::name(value, context)?;
    let (system, kinds) = roles.kinds;
    if !kinds.is_empty() && roles.kind(&name).is_none() {
        let known: Vec<&str> = kinds.iter().map(|kind| kind.name).collect();
        context.wrong(value.span, format!("`{system}` has no role `{name}`"), suggest::help(&name, &known));
        return None;
    }
    let is_node = name.strip_prefix('n').is_some_and(|number| number.parse::<u64>().is_ok());
    if is_node || TAKEN.contains(&name.as_str()) || target::ROLES.contains(&name.as_str()) {
        context.wrong(value.span, format!("`{name}` means somebody else in a target"), "for example \"worker\"");
        return None;
    }
    Some(name)
}

impl Groups {
    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many nodes they have together.
    pub fn nodes(&self, reader: &Reader<'_>) -> Option<u32> {
        let all: u64 = self.0.iter().map(|group| u64::from(group.nodes)).sum();
        if all > limits::NODES {
            reader.wrong("group", format!("{all} machines are too many"), format!("at most {}", limits::NODES));
            return None;
        }
        u32::try_from(all).ok().filter(|all| *all > 0)
    }

    /// The groups of so many nodes of which the file does not say of what kind they are.
    pub fn or_default(self, nodes: Option<u32>, roles: Roles<'_>) -> Self {
        let (Some(nodes), Some(by_default), true) = (nodes, roles.by_default, self.0.is_empty()) else { return self };
        let read = |(role, nodes): (&'static str, u32)| {
            let group = roles.group(role.to_owned(), None, DiskOverride::default());
            Read { group, nodes, zones: None }
        };
        Self(by_default(nodes).into_iter().filter(|(_, nodes)| *nodes > 0).map(read).collect())
    }

    /// The group of each of so many nodes; whoever comes on top of all groups, as spares do, belongs to the last of
    /// members.
    pub fn of_nodes(&self, nodes: usize) -> Vec<u16> {
        let Some(last) = self.0.len().checked_sub(1) else { return Vec::new() };
        let last = self.0.iter().rposition(|read| read.group.member).unwrap_or(last);
        let more = nodes.saturating_sub(self.0.iter().map(|read| read.nodes as usize).sum());
        let of = |(group, read): (usize, &Read)| {
            vec![group as u16; read.nodes as usize + if group == last { more } else { 0 }]
        };
        self.0.iter().enumerate().flat_map(of).take(nodes).collect()
    }

    /// The zone of each node, if any group says in which its own are.
    pub fn zones(&self, nodes: Option<u32>, zones: Option<&[String]>) -> Option<Vec<String>> {
        if self.0.iter().all(|group| group.zones.is_none()) {
            return None;
        }
        let one = ["a".to_owned()];
        let all = zones.filter(|zones| !zones.is_empty()).unwrap_or(&one);
        let mut dealt = vec![0; self.0.len()];
        let zone = |group: u16| {
            let (own, dealt) = (&self.0[usize::from(group)].zones, &mut dealt[usize::from(group)]);
            let own = own.as_deref().unwrap_or(all);
            *dealt += 1;
            own[(*dealt - 1) % own.len()].clone()
        };
        Some(self.of_nodes(nodes? as usize).into_iter().map(zone).collect())
    }

    /// What is kept of them.
    pub fn into_groups(self) -> Vec<Group> {
        self.0.into_iter().map(|read| read.group).collect()
    }
}
