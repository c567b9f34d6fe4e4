//! How much a scenario may ask for: far beyond what is useful, far below what exhausts a machine.

/// Nodes. Enough for any protocol that is run in earnest, and about as many as share one machine's memory well.
pub const NODES: u64 = 10_000;
/// Zones. Links are kept for each pair of zones, once for nodes and once for clients.
pub const ZONES: usize = 200;
/// Nodes of a cluster some of whose links have rules of their own: then links are kept for each pair of nodes.
pub const NODES_WITH_LINKS: usize = 1_000;
/// Clients, over all workloads. A client's number fills 24 bits of every value it writes; this leaves room for probes.
pub const CLIENTS: u64 = 1_000_000;
/// Groups of clients.
pub const WORKLOADS: usize = 1_000;
/// Keys. A zipf table holds four bytes for each.
pub const KEYS: u64 = 10_000_000;
/// Simulated nanoseconds: 366 days. A run of a busy minute takes about a second, so this is a week of waiting.
pub const DURATION: u64 = 366 * 86_400 * 1_000_000_000;
/// Concrete faults in one schedule.
pub const INJECTIONS: u64 = 100_000;
/// Operations per second of one workload, in millionths: 100 million per second.
pub const RATE: u64 = 100_000_000 * 1_000_000;
/// Events of a run that does not say how many it may make: half a minute of wall time.
pub const EVENTS: u64 = 1_000_000_000;
/// Bytes of a scenario file, or of a file it refers to.
pub const FILE: u64 = 16 << 20;
/// Parts per million a clock may run wrong: even several faults at once must not stop it.
pub const DRIFT: i32 = 250_000;
/// Syncs of one disk under way at the same time.
pub const SYNCS: u64 = 1024;
/// Bytes of one written value.
pub const VALUE: u64 = 64 << 20;
