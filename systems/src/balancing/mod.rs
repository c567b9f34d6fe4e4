//! Load balancing: clients, balancers and servers with queues, and what becomes of waiting times and of trouble.
//!
//! The first nodes are balancers, the others servers. A balancer passes each request to a server that its policy chooses,
//! and tries elsewhere what is refused or takes too long, within a budget. A server works on some requests at a time and
//! queues others up to a limit. Service times are drawn from a law, so that queueing theory can be held against it.
//!
//! | What | Where in the literature | File |
//! |---|---|---|
//! | Random, round robin, weighted, least connections | textbook; smooth weighted round robin as in nginx | `picker.rs` |
//! | Power of d choices | Azar et al. 1994; Mitzenmacher 1996 | `picker.rs` |
//! | Peak EWMA | Finagle | `picker.rs` |
//! | Join the shortest queue, one central queue | textbook | `picker.rs`, `server.rs`, `balancer.rs` |
//! | Consistent hashing with bounded loads | Mirrokni et al. 2016 | `picker.rs` |
//! | Retries within a budget | Google SRE book, chapter 21 | `balancer.rs` |
//!
//! # What is not (yet)
//!
//! Registration as a system of scenario files; subsetting, health checks, outlier ejection, circuit breakers, hedging,
//! deadlines that travel with requests, slow start; gray servers.

mod balancer;
mod checks;
mod client;
mod config;
mod message;
mod node;
mod picker;
mod policy;
mod server;
mod system;

pub use balancer::Balancer;
pub use checks::{ANSWERS_ARE_WORK, BalancingChecks, NO_IDLE_WORKER, QUEUE_LIMIT};
pub use client::{BalancingClient, client};
pub use config::{Config, MOST_WORKERS};
pub use message::{BalancingFact, BalancingMessage, Work, Worked};
pub use node::{Machine, Part, TIMERS};
pub use picker::MOST_CHOICES;
pub use policy::Policy;
pub use server::Server;
pub use system::{BalancingOptions, BalancingSystem, ServiceLaw};
