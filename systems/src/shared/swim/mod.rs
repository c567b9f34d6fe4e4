//! SWIM (Das, Gupta, Motivala 2002) with Lifeguard (Dadgar, Phillips, Currey 2018), as HashiCorp's memberlist and Serf
//! have it: members probe each other one at a time, ask others to probe for them, and gossip what they find. A library
//! without I/O: it is told what a member hears and when, and says what it sends and believes.
//!
//! * `config.rs`: the LAN defaults, and the formulas of suspicion timeouts, transmissions and push-pull.
//! * `suspicion.rs`: a suspect's clock, which independent confirmations shorten.
//! * `view.rs`: what a member believes of each other one; only what differs from the start is kept, so that ten
//!   thousand views of ten thousand members fit into memory. `round.rs`: whom to probe next.
//! * `queue.rs`: what is still to be gossiped, least often sent first.
//! * `message.rs`, `member.rs` (probes), `rumours.rs` (alive, suspect, dead), `sync.rs` (push-pull): the protocol.
//! * `serf.rs`: Serf on top: intents to join and leave with Lamport times, user events, reaping, reconnecting.
//!
//! # What is not
//!
//! TCP: the fallback ping over it is left out, and push-pull is a message each way that is sent again until it is
//! answered. Encryption, addresses and their conflicts, protocol versions, Serf's queries, coordinates and key rings.

mod config;
mod member;
mod message;
mod queue;
mod round;
mod rumours;
mod serf;
mod suspicion;
mod sync;
mod view;

pub use config::{Slip, SwimConfig, push_pull_scale, retransmit_limit, suspicion_timeout};
pub use member::{Swim, SwimEffect};
pub use message::{Incarnation, Lamport, MESSAGE_KINDS, Member, ProbeNumber, Rumour, SwimMessage};
pub use serf::{Left, Serf, SerfConfig, SerfEffect, Status};
pub use suspicion::{Suspicion, remaining};
pub use view::State;
