//! What every consensus protocol here shares: a state machine behind exactly-once client sessions.

pub mod audit;
pub mod calm;
mod chain;
mod council;
mod council_checks;
pub mod handovers;
pub mod held_reads;
pub mod kept_snapshots;
mod leader_disk;
mod leaders;
mod pieces;
mod protocol;
mod queue;
pub mod redirects;
mod seen;
mod service;
mod sessioned;
mod sessions;
mod slice;
mod survivors;
mod tail;
mod waiters;

crate::shared::number::numbers! {
    /// A leader's own number for a round of messages that shows whether it still leads.
    ReadRound;
}

pub use chain::link;
pub use council::hosts;
pub use council::{Asker, Council, Hosts, Minute, News, Proposal};
pub use council_checks::CouncilChecks;
pub use leader_disk::LeaderDisk;
pub use leader_disk::{Input, Standstill};
pub use leaders::leaders;
pub use protocol::{Audited, Consensus, Group, Landmark, Protocol, Reign, Survivor};
pub use queue::pop_if;
pub use service::{Replicated, Service, Watches};
pub use sessioned::{Decided, Image, Sessioned};
pub use sessions::{Sessions, Stamp, Standing};
pub use slice::Slice;
pub use survivors::measures;
pub use tail::Tail;
pub use waiters::Waiters;
