//! Quantities of what a node has and a pod asks for.

use super::Text;
use sim_core::sorted::SortedMap;

/// What a container that names no processor is scored as: a tenth of a core.
pub const NONZERO_CPU: i64 = 100;
/// What a container that names no memory is scored as: 200 MiB.
pub const NONZERO_MEMORY: i64 = 200 << 20;

/// Quantities by name. What is not named is `None`, which is not the same as 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Resources {
    /// Thousandths of a core.
    pub cpu: Option<i64>,
    /// Bytes of memory.
    pub memory: Option<i64>,
    /// Bytes of the node's own disk.
    pub ephemeral_storage: Option<i64>,
    /// How many pods; only a node's has it.
    pub pods: Option<i64>,
    /// All others, `nvidia.com/gpu` and huge pages among them.
    pub other: SortedMap<Text, i64>,
}

impl Resources {
    /// The quantity of a resource by its name in the API.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<i64> {
        match name {
            "cpu" => self.cpu,
            "memory" => self.memory,
            "ephemeral-storage" => self.ephemeral_storage,
            "pods" => self.pods,
            other => self.other.get(other).copied(),
        }
    }

    /// Sets a quantity by its name.
    pub fn set(&mut self, name: &str, quantity: i64) {
        match name {
            "cpu" => self.cpu = Some(quantity),
            "memory" => self.memory = Some(quantity),
            "ephemeral-storage" => self.ephemeral_storage = Some(quantity),
            "pods" => self.pods = Some(quantity),
            other => {
                self.other.insert(other.into(), quantity);
            }
        }
    }
}

/// What a pod takes of its node once all its containers are counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Demand {
    /// Thousandths of a core.
    pub cpu: i64,
    /// Bytes of memory.
    pub memory: i64,
    /// Bytes of the node's own disk.
    pub ephemeral_storage: i64,
    /// All others.
    pub other: SortedMap<Text, i64>,
    /// [`Self::cpu`] with [`NONZERO_CPU`] for each container that names none: what scores are made of.
    pub nonzero_cpu: i64,
    /// [`Self::memory`] with [`NONZERO_MEMORY`] for each container that names none.
    pub nonzero_memory: i64,
}

impl Demand {
    fn of(resources: &Resources, nonzero_cpu: i64, nonzero_memory: i64) -> Self {
        Self {
            cpu: resources.cpu.unwrap_or(0),
            memory: resources.memory.unwrap_or(0),
            ephemeral_storage: resources.ephemeral_storage.unwrap_or(0),
            other: resources.other.clone(),
            nonzero_cpu: resources.cpu.unwrap_or(nonzero_cpu),
            nonzero_memory: resources.memory.unwrap_or(nonzero_memory),
        }
    }

    /// Joins two quantity by quantity.
    fn join(&mut self, with: &Self, how: fn(i64, i64) -> i64) {
        self.cpu = how(self.cpu, with.cpu);
        self.memory = how(self.memory, with.memory);
        self.ephemeral_storage = how(self.ephemeral_storage, with.ephemeral_storage);
        self.nonzero_cpu = how(self.nonzero_cpu, with.nonzero_cpu);
        self.nonzero_memory = how(self.nonzero_memory, with.nonzero_memory);
        for (name, quantity) in &with.other {
            let own = self.other.entry(name.clone()).or_default();
            *own = how(*own, *quantity);
        }
    }

    /// What a pod of these containers takes: all containers at once, or the largest of those that run before them,
    /// whichever is more, and the pod's own overhead.
    #[must_use]
    pub fn of_pod<'a>(
        containers: impl Iterator<Item = &'a Resources>,
        init: impl Iterator<Item = &'a Resources>,
        overhead: &Resources,
    ) -> Self {
        let mut demand = Self::default();
        for container in containers {
            demand.join(&Self::of(container, NONZERO_CPU, NONZERO_MEMORY), i64::saturating_add);
        }
        for container in init {
            demand.join(&Self::of(container, NONZERO_CPU, NONZERO_MEMORY), i64::max);
        }
        demand.join(&Self::of(overhead, 0, 0), i64::saturating_add);
        demand
    }

    /// Adds another pod's.
    pub fn add(&mut self, other: &Self) {
        self.join(other, i64::saturating_add);
    }

    /// Takes another pod's away again.
    pub fn remove(&mut self, other: &Self) {
        self.join(other, i64::saturating_sub);
    }

    /// The quantity of a resource by its name in the API; 0 where it asks for none.
    #[must_use]
    pub fn named(&self, name: &str) -> i64 {
        match name {
            "cpu" => self.cpu,
            "memory" => self.memory,
            "ephemeral-storage" => self.ephemeral_storage,
            other => self.other.get(other).copied().unwrap_or(0),
        }
    }
}
