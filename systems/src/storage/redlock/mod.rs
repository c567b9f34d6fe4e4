//! Redlock: a lock over independent stores that know nothing of each other (Sanfilippo, "Distributed locks with Redis",
//! redis.io). It is here as the warning: no consensus, no order of holders, only clocks. What it promises and what it
//! can not is the dispute of 2016 (Kleppmann, "How to do distributed locking"; Sanfilippo, "Is Redlock safe?").
//!
//! * `instance.rs`: one Redis: `SET key value NX PX ttl`, and the script that deletes a key if it holds one's own
//!   value. Keys go by the instance's own clock, which is a wall clock: it may be stepped. What a restart leaves of
//!   them is an option: nothing, nothing but silence for as long as a key may live, or all that was synced.
//! * `app.rs`: the client library, which runs on machines of its own (`role = "app"`): all instances at once, a
//!   majority within the validity time, less what clocks may drift; otherwise everything is undone, and tried
//!   again after a random pause.
//! * `shared/fenced.rs`: the store that programs write to under a lock (`role = "store"`). A lock's value is random:
//!   there is no token that a store could go by.
//! * `checks.rs`: what it promises (`one_valid_holder`: no two within the validity of one lock, if clocks are honest
//!   and no instance forgets), and what its users want (`no_late_write`), which it does not promise.
//!
//! # What is not
//!
//! Extending a lock that is held. Replicas of an instance, and the rewriting of its log. Other ways to keep a lock on
//! one Redis.

mod app;
mod bugs;
mod checks;
mod client;
mod instance;
mod message;
mod node;
mod options;
mod system;

pub use app::App;
pub use bugs::RedlockBug;
pub use checks::RedlockChecks;
pub use client::RedlockClient;
pub use instance::Instance;
pub use message::{RedlockFact, RedlockMessage, RedlockRecord, RedlockRequest, RedlockResponse, Value};
pub use node::{Machine, TIMERS};
pub use options::{Config, Duty, RedlockOptions, Restarts};
pub use system::RedlockSystem;
