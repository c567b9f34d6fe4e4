//! Reads `[[cluster.group]]`: machines of several kinds, numbered in the order of their groups.

use super::section::{Context, Reader};
use super::{children, measure, network, target};
use crate::scenario::Group;
use crate::written::Value;
use crate::{keys, limits};

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

/// Reads the groups of `[cluster]`.
pub fn read(reader: &Reader<'_>) -> Groups {
    let mut groups: Vec<Read> = Vec::new();
    for table in children(reader, "group", &keys::GROUP) {
        let role = table.must("role", role);
        let nodes = table.must("nodes", measure::small(1, limits::NODES));
        let zones = table.get("zones", measure::list(measure::name));
        if zones.as_ref().is_some_and(Vec::is_empty) {
            table.wrong("zones", "a group has at least one zone", "leave `zones` out for those of the cluster");
        }
        let cpu_cost = table.get("cpu_cost", measure::duration);
        let disk = network::disk_change(&super::child(&table, "disk", &keys::DISK));
        let (Some(role), Some(nodes)) = (role, nodes) else { continue };
        if groups.iter().any(|other| other.group.role == role) {
            table.wrong("role", format!("there is a group `{role}` already"), "one group for each role");
        }
        let zones = zones.filter(|zones| !zones.is_empty());
        groups.push(Read { group: Group { role, cpu_cost, disk }, nodes, zones });
    }
    Groups(groups)
}

fn role(value: &Value, context: &Context<'_>) -> Option<String> {
    let name = measure::name(value, context)?;
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

    /// The group of each of so many nodes; whoever comes behind all groups, as spares do, belongs to the last.
    pub fn of_nodes(&self, nodes: usize) -> Vec<u16> {
        let Some(last) = self.0.len().checked_sub(1) else { return Vec::new() };
        let of = self.0.iter().enumerate().flat_map(|(group, read)| vec![group as u16; read.nodes as usize]);
        of.chain(std::iter::repeat(last as u16)).take(nodes).collect()
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
