//! Who is out for which sidecar, and who is near: the rules about ejection, circuits and zones.

use super::checks::{OUT_GET_NOTHING, ZONE_KEPT};
use super::image::Image;
use super::message::MeshFact;
use super::options::Config;
use sim_core::NodeId;
use sim_core::sorted::{SortedMap, SortedSet};

/// A circuit, as announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Circuit {
    Open,
    /// Half open, and how many calls have tried it.
    HalfOpen(u32),
}

/// What one sidecar has announced about one of its clusters.
#[derive(Clone, Debug, Default)]
struct Cluster {
    /// Replicas that are ejected.
    ejected: SortedSet<NodeId>,
    circuits: SortedMap<NodeId, Circuit>,
    /// Replicas that are not configured.
    missing: SortedSet<NodeId>,
    panics: bool,
    spills: bool,
}

/// Who is out.
#[derive(Clone, Debug)]
pub(super) struct Outliers {
    clusters: Vec<Vec<Cluster>>,
    looks: [u64; 2],
}

type Broken = (&'static str, String);

impl Outliers {
    pub fn new(config: &Config) -> Self {
        let of = |node: u32| vec![Cluster::default(); config.routes(NodeId(node)).len()];
        Self { clusters: (0..config.zones.len() as u32).map(of).collect(), looks: [0; 2] }
    }

    /// Calls while somebody was out, and calls that prefer a zone.
    pub const fn looks(&self) -> [u64; 2] {
        self.looks
    }

    pub fn booted(&mut self, node: NodeId) {
        self.clusters[node.index()].fill(Cluster::default());
    }

    /// A sidecar goes by this configuration: whoever is not in it is forgotten.
    pub fn configured(&mut self, config: &Config, node: NodeId, image: &Image) {
        for (cluster, route) in self.clusters[node.index()].iter_mut().zip(config.routes(node)) {
            let servers = (0..route.balancing.servers()).map(|server| route.balancing.server(server));
            cluster.missing = servers.filter(|server| image.out.contains(server)).collect();
            for server in &cluster.missing {
                cluster.ejected.remove(server);
                cluster.circuits.remove(server);
            }
        }
    }

    /// A sidecar sends a call.
    pub fn sent(&mut self, config: &Config, node: NodeId, route: u16, to: NodeId) -> Option<Broken> {
        let cluster = &mut self.clusters[node.index()][usize::from(route)];
        if !cluster.ejected.is_empty() || !cluster.circuits.is_empty() {
            self.looks[0] += 1;
            if cluster.ejected.contains(&to) && !cluster.panics {
                return Some((OUT_GET_NOTHING, format!("{to} was ejected, and yet gets a call")));
            }
            match cluster.circuits.get_mut(&to) {
                None => {}
                Some(Circuit::HalfOpen(tries)) if *tries == 0 => *tries = 1,
                Some(circuit) => {
                    return Some((OUT_GET_NOTHING, format!("{to} gets a call although its circuit is {circuit:?}")));
                }
            }
        }
        if config.locality {
            self.looks[1] += 1;
            if !cluster.spills && config.zones[node.index()] != config.zones[to.index()] {
                return Some((ZONE_KEPT, format!("{to} of another zone gets a call, and near ones are enough")));
            }
        }
        None
    }

    /// Whether enough replicas of the sidecar's own zone are in, for all that it has announced.
    fn has_enough(config: &Config, node: NodeId, route: u16, cluster: &Cluster) -> bool {
        let balancing = &config.routes(node)[usize::from(route)].balancing;
        let servers = (0..balancing.servers()).map(|server| balancing.server(server));
        let is_near = |to: &NodeId| config.zones[to.index()] == config.zones[node.index()];
        let near: Vec<NodeId> = servers.filter(|to| is_near(to) && !cluster.missing.contains(to)).collect();
        let out = |to: &&NodeId| cluster.ejected.contains(to) || cluster.circuits.contains_key(to);
        let is_in = near.iter().filter(|to| !out(to)).count() as u64;
        is_in > 0 && is_in * 1_000_000 >= u64::from(config.locality_enough_ppm) * near.len() as u64
    }

    /// A sidecar announces something.
    pub fn on_fact(&mut self, config: &Config, node: NodeId, fact: MeshFact) -> Option<Broken> {
        use MeshFact as F;
        let (F::Ejected { route, .. }
        | F::Returned { route, .. }
        | F::Panicked { route, .. }
        | F::Opened { route, .. }
        | F::HalfOpened { route, .. }
        | F::Closed { route, .. }
        | F::Spills { route, .. }) = fact
        else {
            return None;
        };
        let cluster = self.clusters[node.index()].get_mut(usize::from(route))?;
        match fact {
            F::Ejected { node: server, .. } => drop(cluster.ejected.insert(server)),
            F::Returned { node: server, .. } => drop(cluster.ejected.remove(&server)),
            F::Panicked { begins, .. } => cluster.panics = begins,
            F::Opened { node: server, .. } => drop(cluster.circuits.insert(server, Circuit::Open)),
            F::HalfOpened { node: server, .. } => drop(cluster.circuits.insert(server, Circuit::HalfOpen(0))),
            F::Closed { node: server, .. } => drop(cluster.circuits.remove(&server)),
            F::Spills { far, .. } => {
                cluster.spills = far;
                let cluster = &self.clusters[node.index()][usize::from(route)];
                if far && !cluster.panics && Self::has_enough(config, node, route, cluster) {
                    return Some((ZONE_KEPT, "asks far replicas, and enough near ones are in".to_owned()));
                }
            }
            _ => {}
        }
        None
    }
}
