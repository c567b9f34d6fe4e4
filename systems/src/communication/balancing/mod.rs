//! Load balancing: clients, balancers and servers with queues, and what becomes of waiting times and of trouble.
//!
//! The first nodes are balancers, the others servers. A balancer passes each request to a server that its policy
//! chooses, and tries elsewhere what is refused or takes too long, within a budget. A server works on some requests at
//! a time and queues others up to a limit. Service times are drawn from a law, so that queueing theory can be held
//! against it.
//!
//! | What | Where in the literature | File |
//! |---|---|---|
//! | Random, round robin, weighted, least connections | textbook; smooth weighted round robin as in nginx | `picker.rs` |
//! | Power of d choices | Azar et al. 1994; Mitzenmacher 1996 | `picker.rs` |
//! | Peak EWMA | Finagle | `picker.rs` |
//! | Join the shortest queue, one central queue | textbook | `picker.rs`, `server.rs`, `balancer.rs` |
//! | Consistent hashing with bounded loads | Mirrokni et al. 2016 | `picker.rs` |
//! | Deterministic subsetting | Google SRE book, chapter 20 | `subset.rs` |
//! | Active health checks, by connection or by request | HAProxy, Envoy | `probes.rs`, `endpoints.rs` |
//! | Outlier ejection, panic threshold | Envoy | `endpoints.rs` |
//! | Circuit breakers | Nygard, Release It!; Envoy (requests under way) | `endpoints.rs`, `balancer.rs` |
//! | Slow start | Envoy, HAProxy | `endpoints.rs`, `picker.rs` |
//! | Retries within a budget, back-off with jitter | Google SRE book, chapters 21 and 22 | `balancer.rs` |
//! | Hedged requests, the loser is cancelled | Dean and Barroso, The Tail at Scale, 2013 | `balancer.rs` |
//! | Deadlines that travel with requests | gRPC; Google SRE book, chapter 22 | `balancer.rs`, `queue.rs` |
//! | Queue limits, adaptive LIFO, controlled delay | Facebook, Fail at Scale, 2015 | `queue.rs`, `server.rs` |
//! | Gray servers: slow, failing, hung | Huang et al., Gray Failure, HotOS'17 | `gray.rs`, `server.rs` |
//!
//! A balancer knows its machine only as a `Host`: the sidecars of `mesh` run the same one. There it may also prefer
//! servers that are near (`near.rs`).
//!
//! Servers come and go by an operator's order, which any balancer takes and tells the others. A server that leaves
//! finishes what it has.
//!
//! # What is not
//!
//! Zones (`mesh` has them); random aperture; a queue in the balancer for anything but the central queue;
//! outlier detection by success rate. Cancelling takes a request out of a queue, but does not stop a worker.

mod balancer;
mod bugs;
mod checks;
mod client;
mod config;
mod endpoints;
mod fact;
mod gray;
mod gray_options;
mod host;
mod measure;
mod mechanisms;
mod message;
mod near;
mod node;
mod options;
mod picker;
mod policy;
mod probes;
mod queue;
mod requests;
mod server;
mod spread;
mod subset;
mod system;
mod tally;

pub use balancer::Balancer;
pub use bugs::BalancingBug;
pub use checks::{
    ANSWERS_ARE_WORK, BALANCED, BLACK_HOLE, BalancingChecks, CIRCUIT_KEPT, EJECTED_GET_NOTHING, GRAY_FAILURE_DETECTED,
    IN_FLIGHT_IS_TRUE, NO_IDLE_WORKER, PANIC_THRESHOLD, QUEUE_LIMIT, RETRY_BUDGET_KEPT,
};
pub use client::BalancingClient;
pub use config::{Breaker, Ejection, HealthChecks, Hedge, MOST_WORKERS, Service};
pub use fact::{BalancingFact, Reason};
pub use gray::{Gray, Grayness, Spell, When};
pub use gray_options::{GrayKind, GrayOptions};
pub use host::{Forward, Host};
pub use measure::erlang_c;
pub use mechanisms::{
    ACCEPTED_JOBS_END, BALANCERS_AGREE, CHECKS_COUNT_IN_TIME, CIRCUITS_REST, DEADLINES_KEPT, EJECTION_CAP_KEPT,
    RETRIES_GO_ELSEWHERE, SLOW_START_SPARES, SUBSETS_EVEN,
};
pub use message::{BalancingMessage, CheckRound, RequestNumber, TryNumber, Work, Worked};
pub use near::Near;
pub use node::{Machine, Part, TIMERS};
pub use options::{BalancingOptions, Config, Probe, ServiceLaw};
pub use picker::MOST_CHOICES;
pub use policy::Policy;
pub use queue::{Discipline, Job, Next, QueueOrder, WaitingLine};
pub use server::Server;
pub use subset::subset;
pub use system::BalancingSystem;
