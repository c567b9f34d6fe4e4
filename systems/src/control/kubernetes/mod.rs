//! Kubernetes 1.32, as its source has it: what an operator applies becomes pods on nodes, and goes on being that while
//! machines come and go.
//!
//! * `objects/`, `manifests/`, `scheduling/`, `formulas/`: what there is, how it is written down, and what scheduler
//!   and controllers work out, as functions of a snapshot, exact against upstream's own cases.
//! * `api/`: a store that the control machines agree on by the project's Raft (`store.rs`, as etcd is used), an API
//!   server on each (`server.rs`: optimistic concurrency, admission, eviction, watches with bookmarks, relists), and
//!   the client library with its cache (`link.rs`).
//! * `control.rs`, `office.rs`: scheduler and controller manager on every control machine, each of which acts while it
//!   holds its lease; `scheduler.rs`; `controllers/`, a file each; `operator.rs`: what `kubectl` is asked for in a run.
//! * `kubelet/`: a worker: leases and status, the life of pods, probes, and the proxy that takes callers to ready pods.
//! * `seed.rs`: the objects that a cluster begins with, from manifests or from options.
//! * `checks/`: the rules over the one history of the store (`world.rs`), and what a report shows (`measure.rs`).
//!
//! Callers ask any node, as by a `NodePort`, and its proxy chooses among the pods that it has heard are ready. So
//! availability is what users of the service see, and what a node has not heard of costs requests.
//!
//! # What is not
//!
//! A machine's components share one connection and one cache; a list is consistent and comes from memory (1.31), by a
//! command of the log instead of a read index. The containers of a pod live and die together; init containers, start-up
//! probes, images and volumes take no time of their own; a container that is told to end ends after `stop`. Kubelets
//! reject pods for which there is no room, and evict none for pressure. Metrics come straight from the kubelets, every
//! 15 s. Nodes are not removed, nor what belongs to an object that is (no garbage collection); cron jobs do not fire;
//! templates of stateful and daemon sets are told by their hash and can not be rolled back to. Services balance by
//! chance alone (iptables); session affinity and `internalTrafficPolicy` are not looked at. No authentication, quotas,
//! priority and fairness.

mod agenda;
mod api;
mod bugs;
mod checks;
mod client;
mod control;
mod controllers;
pub mod formulas;
mod kubelet;
pub mod manifests;
mod message;
mod node;
pub mod objects;
mod office;
mod operator;
mod options;
mod scheduler;
pub mod scheduling;
mod seed;
mod system;

pub use bugs::KubeBug;
pub use checks::KubeChecks;
pub use client::KubeClient;
pub use message::{Event, KubeFact, KubeMessage, KubeRecord, KubeRequest, KubeResponse, Served};
pub use node::{Machine, TIMERS};
pub use options::{Config, KubeOptions, Readiness, SpreadOver};
pub use system::KubernetesSystem;
