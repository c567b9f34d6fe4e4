//! A service mesh: services that call services, each through a sidecar, and a control plane that configures them; and
//! an edge, far from all of it. As Envoy and Istio do it, with what the Google SRE book (chapters 21 and 22) adds.
//!
//! The graph of services is in the file (`[[system.service]]`). A replica takes requests from a queue into its slots,
//! works on each for its service time, makes the calls of its service, in turn or in parallel, and answers. It holds
//! the slot until then: that is how one slow service stops those above it.
//!
//! * `sidecar.rs`: every call goes through the caller's sidecar, which runs a balancer of `balancing` for each service,
//!   and version of it, that is called: choice, retries within a budget, hedging, circuits, outlier ejection, active
//!   checks, slow start. Near replicas are preferred while enough of them are in. Deadlines travel with calls.
//! * `replica.rs`, `job.rs`: queue limits and load shedding (`balancing`'s queue), rate limits (`limiter.rs`, a token
//!   bucket for each replica), caches in memory that know their answers' age as HTTP does (`cache.rs`, RFC 9111).
//! * `gateway.rs`: clients' requests come in here, and become calls of the first service.
//! * `control.rs`: versions of the configuration, on its disk before anybody is told: which replicas there are (by who
//!   subscribes, and goes on to), and how much of each service's traffic its new version gets (`[[system.release]]`).
//!   Sidecars keep what they have; one that starts anew has nothing until the control plane answers.
//! * `edge.rs`, `hub.rs`: an edge answers reads from its cache or through its sidecar, and takes writes into a queue on
//!   its disk, which it uploads to the hub, in order, whenever it can; the hub takes each once.
//! * `graph.rs`: what a file's graph means, and what is wrong with it. `checks.rs`, `open.rs`, `edge_checks.rs` hold
//!   the rules; `story.rs`, `blame.rs` tell what happened: amplification by edge of the graph, time by hop, whose fault
//!   it was.
//!
//! # What is not
//!
//! Fail-over between zones is one step, not gradual (Envoy spills over by its factor of 1.4). Outlier detection by
//! success rate. Configuration by parts (delta xDS), and rejected configurations: a push is the whole. The control
//! plane is one machine with a disk, not a group. mTLS and policies. A global rate limiter. Retries obey no hint by the
//! server (pushback). A try that was given up is not cancelled at the callee, except a hedge that lost. Caches evict by
//! age of entry, not of use, and do not coalesce misses unless `coalesce` is on.

mod blame;
mod bugs;
mod cache;
mod checks;
mod client;
mod control;
mod edge;
mod edge_checks;
mod gateway;
mod graph;
mod histogram;
mod hub;
mod image;
mod job;
mod limiter;
mod measure;
mod message;
mod node;
mod open;
mod options;
mod outliers;
mod replica;
mod service;
mod sidecar;
mod story;
mod system;

pub use bugs::MeshBug;
pub use checks::MeshChecks;
pub use client::MeshClient;
pub use control::Control;
pub use edge::Edge;
pub use gateway::Gateway;
pub use graph::{Call, Route, Service, ServiceId};
pub use hub::Hub;
pub use image::Image;
pub use message::{Made, MeshFact, MeshMessage, MeshRecord, MeshRequest, MeshResponse, RootId, Span};
pub use node::{Machine, TIMERS};
pub use options::{Config, Duty, MeshOptions};
pub use replica::Replica;
pub use service::{CallOptions, ReleaseOptions, ServiceOptions, TroubleOptions};
pub use sidecar::Sidecar;
pub use system::MeshSystem;
