//! The API server: a store that the control machines agree on, and how everybody else reads, changes and watches it.

mod link;
mod server;
mod store;

pub use link::{Cache, Heard, Link, Tag, Update, pod};
pub use server::{ApiServer, LANE, Member, TIMERS_FROM};
pub use store::{Answer, Command, Key, Obj, Part, Patch, Store, Verb, machine_of};
